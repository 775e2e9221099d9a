import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DEFAULT_CONFIG,
  masqueradeAllOf,
  masqueradeBitOf,
  nodePortAddressesOf,
  type ProxyConfig,
  type ProxyMode,
  readConfig,
} from '../../src/kube/config.js';
import { resolveConfig } from '../../src/kube/config-check.js';
import { parseDuration } from '../../src/kube/config-fields.js';
import { type Diagnostic, printPath } from '../../src/kube/diagnostics.js';
import { comparable, FILE_CASES, HEAD, peerConfig, verdictOf } from './config-peer.js';

function read(body: string, mode?: ProxyMode): { config: ProxyConfig; lines: string[] } {
  const { config, diagnostics } = readConfig(
    { name: 'kp.yaml', text: HEAD + body },
    mode === undefined ? {} : { mode },
  );
  return { config, lines: diagnostics.map(line) };
}

function line({ severity, code, path, message, hint }: Diagnostic): string {
  return `${severity} ${code} ${printPath(path ?? [])}: ${message}${hint === undefined ? '' : ` ${hint}`}`;
}

function lines(body: string, mode?: ProxyMode): string[] {
  return read(body, mode).lines;
}

describe('against kube-proxy v1.36.3', () => {
  test.each(FILE_CASES.map((each) => [each.body ?? each.text ?? '', each] as const))('%j', (_, peer) => {
    const { config, diagnostics } = readConfig({ name: 'kp.yaml', text: peer.text ?? `${HEAD}${peer.body}` });
    expect(verdictOf(diagnostics), diagnostics.map(line).join('\n')).toBe(peer.ours ?? peer.kubeProxy);
    if (peer.effective !== undefined && peer.ours !== 'refuses') {
      expect(comparable(config)).toEqual(comparable(peerConfig(peer.effective)));
    }
  });

  test('every difference has its reason, and is one', () => {
    for (const peer of FILE_CASES) {
      if (peer.ours === undefined) continue;
      expect(peer.why).toMatch(/\w/);
      expect(peer.ours).not.toBe(peer.kubeProxy);
    }
    expect(FILE_CASES.length).toBeGreaterThan(300);
    expect(FILE_CASES.filter((each) => each.kubeProxy === 'refuses').length).toBeGreaterThan(100);
  });
});

describe('values', () => {
  test('nothing but apiVersion and kind means the defaults', () => {
    expect(readConfig({ name: 'kp.yaml', text: HEAD })).toEqual({ config: DEFAULT_CONFIG, diagnostics: [] });
    expect(resolveConfig({}, undefined, () => expect.unreachable())).toEqual(DEFAULT_CONFIG);
  });

  test('all that the compiler reads', () => {
    const text = `
mode: ipvs
hostnameOverride: " Node-1 "
bindAddress: 192.168.0.7
clusterCIDR: 10.244.0.0/16,fd00:0244::/56
nodePortAddresses: [192.168.0.0/16, 2001:db8::/32]
featureGates: { AllowServiceExternalIPs: false }
conntrack: { tcpBeLiberal: true }
iptables: { masqueradeAll: true, masqueradeBit: 31, localhostNodePorts: false }
ipvs:
  scheduler: sh
  excludeCIDRs: [10.96.5.0/24]
  strictARP: true
  tcpTimeout: 15m0s
  tcpFinTimeout: 2m
  udpTimeout: 500ms
nftables: { masqueradeAll: true, masqueradeBit: 15 }
`;
    const cidr = (family: 'ipv4' | 'ipv6', network: string, length: number) =>
      expect.objectContaining({ family, text: `${network}/${length}`, prefixLength: length });
    expect(read(text)).toEqual({
      lines: [],
      config: {
        mode: 'ipvs',
        hostnameOverride: 'node-1',
        bindAddress: { family: 'ipv4', text: '192.168.0.7' },
        clusterCIDRs: { ipv4: '10.244.0.0/16', ipv6: 'fd00:244::/56' },
        detectLocalMode: 'ClusterCIDR',
        bridgeInterface: '',
        interfaceNamePrefix: '',
        nodePortAddresses: [cidr('ipv4', '192.168.0.0', 16), cidr('ipv6', '2001:db8::', 32)],
        tcpBeLiberal: true,
        allowServiceExternalIPs: false,
        iptables: { masqueradeAll: true, masqueradeBit: 31, localhostNodePorts: false },
        ipvs: {
          scheduler: 'sh',
          excludeCIDRs: [cidr('ipv4', '10.96.5.0', 24)],
          strictARP: true,
          tcpTimeoutSeconds: 900,
          tcpFinTimeoutSeconds: 120,
          udpTimeoutSeconds: 0.5,
        },
        nftables: { masqueradeAll: true, masqueradeBit: 15 },
      },
    });
  });

  test('JSON is read too', () => {
    const text = JSON.stringify({
      kind: 'KubeProxyConfiguration',
      apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
      mode: 'nftables',
    });
    expect(readConfig({ name: 'kp.json', text })).toEqual({
      config: { ...DEFAULT_CONFIG, mode: 'nftables' },
      diagnostics: [],
    });
  });

  test('a detect-local mode reads its own setting only', () => {
    const given = `
clusterCIDR: 10.244.0.0/16
detectLocal: { bridgeInterface: cni0, interfaceNamePrefix: veth }
`;
    const picked = (mode: string) => {
      const { clusterCIDRs, bridgeInterface, interfaceNamePrefix } = read(`${given}detectLocalMode: ${mode}`).config;
      return [clusterCIDRs.ipv4, bridgeInterface, interfaceNamePrefix];
    };
    expect(picked('ClusterCIDR')).toEqual(['10.244.0.0/16', '', '']);
    expect(picked('NodeCIDR')).toEqual([undefined, '', '']);
    expect(picked('BridgeInterface')).toEqual([undefined, 'cni0', '']);
    expect(picked('InterfaceNamePrefix')).toEqual([undefined, '', 'veth']);
  });

  test('unspecified bind addresses are none', () => {
    for (const text of ['0.0.0.0', '::', '0:0::0', '::ffff:0.0.0.0']) {
      expect(read(`bindAddress: "${text}"`).config.bindAddress).toBeUndefined();
    }
    expect(read('bindAddress: "::1"').config.bindAddress).toEqual({ family: 'ipv6', text: '::1' });
  });

  test('each mode takes masqueradeAll, masqueradeBit and node ports as kube-proxy does', () => {
    const iptables = read('iptables: { masqueradeAll: true, masqueradeBit: 3 }').config;
    const nftables = read('nftables: { masqueradeAll: true, masqueradeBit: 4 }\nnodePortAddresses: []').config;
    const per = <T>(of: (config: ProxyConfig, mode: ProxyMode) => T, config: ProxyConfig) =>
      (['iptables', 'ipvs', 'nftables'] as const).map((mode) => of(config, mode));
    expect(per(masqueradeAllOf, iptables)).toEqual([true, true, false]);
    expect(per(masqueradeAllOf, nftables)).toEqual([false, false, true]);
    expect(per(masqueradeBitOf, iptables)).toEqual([3, 3, 14]);
    expect(per(masqueradeBitOf, nftables)).toEqual([14, 14, 4]);
    expect(per(nodePortAddressesOf, nftables)).toEqual([[], [], 'primary']);
    const given = read('nodePortAddresses: [10.0.0.0/8]').config;
    expect(per(nodePortAddressesOf, given).map((each) => each.length)).toEqual([1, 1, 1]);
  });
});

describe('messages', () => {
  test('every problem is named, with its place', () => {
    const body = `
mode: Nftables
iptables: { masqueradeBit: 77, masqueradeAll: "true", syncPeriod: 5 }
nodePortAddresses: [10.0.0.0/8, foo, 10.0.0.1]
oomScoreAdj: 5000
conntrack: { min: -1 }
hostnameOverride: 5
healthzBindAddress: localhost:80
`;
    expect(lines(body).sort()).toEqual([
      'error invalid-config conntrack.min: it cannot be negative.',
      'error invalid-config healthzBindAddress: "localhost" in "localhost:80" is no IP address.',
      'error invalid-config hostnameOverride: 5 is not a string. Put quotes around it.',
      'error invalid-config iptables.masqueradeAll: "true" is not true or false. Remove the quotes.',
      'error invalid-config iptables.masqueradeBit: 77 is not from 0 to 31.',
      'error invalid-config iptables.syncPeriod: 5 is not a duration such as "30s" or "1h30m". Write a unit: "5s".',
      'error invalid-config mode: "Nftables" is not one of iptables, ipvs, nftables. Write nftables.',
      'error invalid-config nodePortAddresses[1]: "foo" is no CIDR.',
      'error invalid-config nodePortAddresses[2]: "10.0.0.1" is no CIDR. Write 10.0.0.1/32.',
      'error invalid-config oomScoreAdj: 5000 is not from -1000 to 1000.',
    ]);
    const { diagnostics } = readConfig({ name: 'kp.yaml', text: HEAD + body });
    for (const each of diagnostics) {
      expect(each.object).toBe('KubeProxyConfiguration');
      expect(each.origin).toEqual({ file: 'kp.yaml', document: 0, path: [] });
    }
  });

  test('a value of a wrong type is one problem, not two', () => {
    expect(lines('detectLocalMode: BridgeInterface\ndetectLocal: { bridgeInterface: 5 }')).toHaveLength(1);
  });

  test('unknown fields, with what may be meant', () => {
    expect(lines('masqueradeAll: true\niptables: { MasqueradeBit: 3 }\nfoo: 1\n__proto__: 2')).toEqual([
      'warning unknown-config-field masqueradeAll: kube-proxy does not know this field and ignores it. Did you mean iptables.masqueradeAll?',
      'warning unknown-config-field iptables.MasqueradeBit: kube-proxy does not know this field and ignores it. Did you mean iptables.masqueradeBit?',
      'warning unknown-config-field foo: kube-proxy does not know this field and ignores it.',
      'warning unknown-config-field __proto__: kube-proxy does not know this field and ignores it.',
    ]);
  });

  test('lenient CIDRs and addresses', () => {
    expect(
      lines('clusterCIDR: 10.0.0.1/8,fd00::1/64\nnodePortAddresses: [010.0.0.0/8]\nbindAddress: 10.0.0.01'),
    ).toEqual([
      'warning lenient-address bindAddress: "10.0.0.01" is read as 10.0.0.1, as kube-proxy does. Write 10.0.0.1.',
      'warning lenient-cidr clusterCIDR: "10.0.0.1/8" is read as 10.0.0.0/8, as kube-proxy does. Write 10.0.0.0/8.',
      'warning lenient-cidr clusterCIDR: "fd00::1/64" is read as fd00::/64, as kube-proxy does. Write fd00::/64.',
      'warning lenient-cidr nodePortAddresses[0]: "010.0.0.0/8" is read as 10.0.0.0/8, as kube-proxy does. Write 10.0.0.0/8.',
    ]);
    // Another spelling of an IPv6 network is not lenient.
    expect(lines('clusterCIDR: FD00:0244:0:0::/64')).toEqual([]);
  });

  test('kind and apiVersion', () => {
    const head = (text: string) => readConfig({ name: 'kp.yaml', text }).diagnostics.map(line);
    expect(head('kind: KubeProxyConfiguration\napiVersion: kubeproxy.config.k8s.io/v1alpha2\n')).toEqual([
      'error invalid-config apiVersion: "kubeproxy.config.k8s.io/v1alpha2" is not what kube-proxy v1.36 reads: kubeproxy.config.k8s.io/v1alpha1.',
    ]);
    expect(head('kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\n')).toEqual([
      'error invalid-config kind: "KubeletConfiguration" is not KubeProxyConfiguration.',
    ]);
    expect(head('mode: ipvs\n')).toEqual([expect.stringMatching(/^error not-an-object .*no apiVersion and no kind/)]);
    expect(head('[]')).toEqual([expect.stringMatching(/^error not-an-object /)]);
  });
});

describe('sections of another mode', () => {
  const body = 'ipvs: { tcpTimeout: -1s, excludeCIDRs: [foo] }\nnftables: { masqueradeBit: 40 }\n';

  test('are warned about and not used', () => {
    const { config, lines: said } = read(`mode: iptables\n${body}`);
    expect(config.ipvs).toEqual(DEFAULT_CONFIG.ipvs);
    expect(config.nftables.masqueradeBit).toBe(14);
    expect(said).toEqual([
      'warning unused-config-value ipvs.excludeCIDRs[0]: "foo" is no CIDR. It is read as not given; kube-proxy refuses it only in mode ipvs.',
      'warning unused-config-value ipvs.tcpTimeout: a timeout cannot be negative. It is read as not given; kube-proxy refuses it only in mode ipvs.',
      'warning unused-config-value nftables.masqueradeBit: 40 is not from 0 to 31. It is read as not given; kube-proxy refuses it only in mode nftables.',
    ]);
  });

  test('are checked in the mode that they will be used in', () => {
    const errors = (mode: ProxyMode) =>
      lines(`mode: iptables\n${body}`, mode).filter((each) => each.startsWith('error')).length;
    expect([errors('iptables'), errors('ipvs'), errors('nftables')]).toEqual([0, 2, 1]);
  });
});

describe('no text from a field can change a rule', () => {
  const interfaces = (mode: string, field: string, name: string) => {
    const { config, diagnostics } = readConfig({
      name: 'kp.json',
      text: JSON.stringify({
        apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
        kind: 'KubeProxyConfiguration',
        detectLocalMode: mode,
        detectLocal: { [field]: name },
      }),
    });
    return { refused: diagnostics.length > 0, used: config.bridgeInterface + config.interfaceNamePrefix };
  };

  test.each(['eth0', 'cni0', 'br-1a2b3c4d5e6f', 'eth0.100', 'lxc_health', 'br0@x', 'a=b~c'])('interface %j', (name) => {
    expect(interfaces('BridgeInterface', 'bridgeInterface', name)).toEqual({ refused: false, used: name });
  });

  test.each(
    [
      [
        'br 0',
        'br0\n-A X',
        'br"0',
        "br'0",
        'br\\0',
        'br/0',
        'br:0',
        '-br0',
        '!br0',
        'br0+',
        'br0*',
        'br\u00e40',
        'br0\u0000',
      ],
      ['br0;', 'br{0', '$br0', 'br#0', '.', '..', '', ' ', 'sixteen-letters-'],
    ].flat(),
  )('no interface %j', (name) => {
    expect(interfaces('BridgeInterface', 'bridgeInterface', name)).toEqual({ refused: true, used: '' });
  });

  test('prefixes leave room for a character, and take no wildcard', () => {
    expect(interfaces('InterfaceNamePrefix', 'interfaceNamePrefix', 'a234567890bcde').refused).toBe(false);
    expect(interfaces('InterfaceNamePrefix', 'interfaceNamePrefix', 'a234567890bcdef').refused).toBe(true);
    expect(lines('detectLocalMode: InterfaceNamePrefix\ndetectLocal: { interfaceNamePrefix: veth+ }')).toEqual([
      'error invalid-config detectLocal.interfaceNamePrefix: "veth+" ends in a wildcard. Write "veth": kube-proxy adds the wildcard.',
    ]);
  });

  test('any text: refused, or made of harmless characters', () => {
    const field = fc.constantFrom(
      ['BridgeInterface', 'bridgeInterface'],
      ['InterfaceNamePrefix', 'interfaceNamePrefix'],
    );
    // fast-check's own unit `binary` takes two seconds to make.
    const anyCharacter = fc
      .integer({ min: 0, max: 0x10_ffff })
      .filter((code) => code < 0xd800 || code > 0xdfff)
      .map((code) => String.fromCodePoint(code));
    const name = fc.oneof(
      fc.string({ unit: anyCharacter }),
      fc.string({ unit: fc.constantFrom(...'ab0-+!*\'"\\/ \n.@:') }),
    );
    fc.assert(
      fc.property(field, name, ([mode = '', key = ''], text) => {
        const { refused, used } = interfaces(mode, key, text);
        expect(used).toBe(refused ? '' : text);
        expect(used).toMatch(/^[\w.@=~+-]{0,15}$/);
        expect(used).not.toMatch(/^[-+!]|\+$/);
      }),
      { numRuns: 100 },
    );
  });

  test('schedulers', () => {
    const schedule = (name: string) => read(`mode: ipvs\nipvs: { scheduler: ${JSON.stringify(name)} }`);
    expect(schedule('mh')).toMatchObject({ config: { ipvs: { scheduler: 'mh' } }, lines: [] });
    expect(schedule('')).toMatchObject({ config: { ipvs: { scheduler: 'rr' } }, lines: [] });
    for (const name of ['own_one', 'rr -p 5', 'rr\n-A', '-rr', 'x'.repeat(16)]) {
      expect(schedule(name).config.ipvs.scheduler).toBe('rr');
      expect(schedule(name).lines).toEqual([expect.stringMatching(/^error invalid-config ipvs.scheduler: /)]);
    }
  });
});

describe('what is not one configuration', () => {
  const codes = (text: string) => readConfig({ name: 'kp.yaml', text }).diagnostics.map((each) => each.code);

  test.each(['', '\n# nothing\n', '---\n'])('%j', (text) => {
    const { diagnostics } = readConfig({ name: 'kp.yaml', text });
    expect(diagnostics.map((each) => each.severity)).toEqual(['error']);
  });

  test('several documents', () => {
    expect(codes(`${HEAD}mode: ipvs\n---\n${HEAD}mode: nftables\n`)).toEqual(['invalid-config']);
    expect(codes(`# mine\n---\n${HEAD}mode: ipvs\n---\n`)).toEqual([]);
  });

  test('no YAML, no JSON, a repeated key', () => {
    for (const text of [
      `${HEAD}mode: [`,
      `${HEAD}mode: ipvs\nmode: nftables\n`,
      '{"kind": "KubeProxyConfiguration",}',
    ]) {
      const { config, diagnostics } = readConfig({ name: 'kp.yaml', text });
      expect(diagnostics.map((each) => each.severity)).toEqual(['error']);
      expect(diagnostics[0]?.place ?? diagnostics[0]?.origin).toMatchObject({ file: 'kp.yaml' });
      expect(config).toBe(DEFAULT_CONFIG);
    }
  });
});

describe('the ConfigMap of kubeadm', () => {
  const configMap = (data: Record<string, string>) =>
    JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'kube-proxy' }, data });

  test('its config.conf is read', () => {
    const text = configMap({ 'config.conf': `${HEAD}mode: ipvs\nfoo: 1\n`, 'kubeconfig.conf': 'kind: Config' });
    const { config, diagnostics } = readConfig({ name: 'cm.json', text });
    expect(config.mode).toBe('ipvs');
    expect(diagnostics.map((each) => [each.code, each.origin?.file])).toEqual([
      ['unknown-config-field', 'config.conf in cm.json'],
    ]);
  });

  test('without one, or with another inside', () => {
    const said = (text: string) => readConfig({ name: 'cm.json', text }).diagnostics.map((each) => each.message);
    expect(said(configMap({ 'kubeconfig.conf': '' }))).toEqual(['this ConfigMap has no "config.conf".']);
    expect(said(configMap({ 'config.conf': configMap({ 'config.conf': HEAD }) }))).toEqual([
      '"ConfigMap" is not KubeProxyConfiguration.',
    ]);
    expect(said('{"apiVersion":"v1","kind":"ConfigMap"}')).toHaveLength(1);
  });
});

describe('durations', () => {
  test.each([
    ['0', 0],
    ['-0', 0],
    ['0s', 0],
    ['30s', 30],
    ['1h30m', 5400],
    ['1.5h', 5400],
    ['1m0.5s', 60.5],
    ['.5s', 0.5],
    ['5.s', 5],
    ['-1s', -1],
    ['+5s', 5],
    ['1ns', 1e-9],
    ['5us', 5e-6],
    ['5\u00b5s', 5e-6],
    ['5\u03bcs', 5e-6],
    ['500ms', 0.5],
    ['1s1h1s', 3602],
    ['0.0000000001s', 0],
  ])('%j is %d seconds', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  test.each(['', '30', '1d', '5 s', '.s', '1h30', '1H', '1e3s', '1.2.3s', 's', '-', '00', '9999999h'])(
    '%j is none',
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
    },
  );

  test('64 bits of nanoseconds are the limit', () => {
    expect(parseDuration('9223372036854775807ns')).toBeCloseTo(9223372036.85, 1);
    expect(parseDuration('9223372036854775808ns')).toBeUndefined();
    expect(parseDuration('-9223372036854775808ns')).toBeCloseTo(-9223372036.85, 1);
  });
});

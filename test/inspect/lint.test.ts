/** Every check: what it finds, what it leaves alone, and that it can be silenced. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MODE_DIFFERENCES } from '../../src/backends/modes.js';
import { DEFAULT_CONFIG, loadCluster, readObjects } from '../../src/index.js';
import type { Finding } from '../../src/inspect/lint/check.js';
import { isLintCode, LINT_CHECKS, type LintCode, lint } from '../../src/inspect/lint/lint.js';
import { printPath } from '../../src/kube/diagnostics.js';
import { LINT_CASES } from './lint-cases.js';
import { CONFIG_ORIGIN, endpoint, lintObjects, node, service, serviceCIDR, silenced, slice } from './lint-support.js';

const line = ({ object, path, message }: Finding): string =>
  `${object}${path === undefined ? '' : ` ${printPath(path)}`}: ${message}`;

function codeOf(text: string): LintCode {
  if (!isLintCode(text)) throw new Error(`no check ${text}`);
  return text;
}

const cases = LINT_CASES.map(
  (each) => [each.why === undefined ? each.code : `${each.code}: ${each.why}`, each] as const,
);

it('every check has a case', () => {
  expect([...new Set(LINT_CASES.map(({ code }) => code))]).toEqual(LINT_CHECKS.map(({ code }) => code));
});

it('codes are unique, and texts are whole sentences', () => {
  expect(new Set(LINT_CHECKS.map(({ code }) => code)).size).toBe(LINT_CHECKS.length);
  for (const { code, title, reason, wayOut } of LINT_CHECKS) {
    expect(code).toMatch(/^[a-z]+(-[a-z]+)+$/);
    expect(title, code).not.toMatch(/\.$/);
    expect(reason, code).toMatch(/^[A-Za-z].*\.$/);
    expect(wayOut, code).toMatch(/^[A-Z].*\.$/);
  }
});

describe.each(cases)('%s', (_name, { code, objects, settings, finds, wayOut, quiet, quietSettings }) => {
  it('finds', () => {
    const own = lintObjects(objects, settings).findings.filter((finding) => finding.code === code);
    expect(own.map(line).sort()).toEqual([...finds].sort());
    const check = LINT_CHECKS.find((each) => each.code === code);
    for (const finding of own) expect(finding.severity).toBe(check?.severity);
    expect(own[0]?.wayOut).toMatch(wayOut ?? /\.$/);
  });

  it('leaves alone', () => {
    const { findings } = lintObjects(quiet, quietSettings);
    expect(findings.filter((finding) => finding.code === code).map(line)).toEqual([]);
  });

  it('is silenced', () => {
    const ignored = lintObjects(objects, settings, { ignore: [codeOf(code)] });
    expect(ignored.findings.filter((finding) => finding.code === code)).toEqual([]);
    expect(ignored.silenced).toBe(0);
    // Nobody can annotate the configuration of kube-proxy.
    if (finds.every((each) => each.startsWith('KubeProxyConfiguration'))) return;
    const only = { only: [codeOf(code)] };
    const annotated = lintObjects(silenced(objects, ` selected-twice , ${code}`), settings, only);
    expect(annotated.findings.map(line)).toEqual([]);
    // The wrong code has gone with the annotation that had it.
    expect(annotated.silenced).toBe(code === 'unknown-lint-code' ? 0 : finds.length);
    const other = lintObjects(silenced(objects, 'ipvs-deprecated'), settings, only);
    expect(other.findings.map(line).sort()).toEqual(code === 'unknown-lint-code' ? [] : [...finds].sort());
  });
});

describe('the annotation', () => {
  const byHand = slice('web', ['10.1.0.1'], {
    metadata: { name: 'web-x', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } },
  });

  it('of a Service silences its EndpointSlices', () => {
    const web = service('web', { selector: { app: 'web' } });
    expect(lintObjects([web, byHand]).findings.map(({ code }) => code)).toEqual(['slice-by-hand']);
    const result = lintObjects([...silenced([web], 'slice-by-hand'), byHand]);
    expect({ ...result, notChecked: [] }).toMatchObject({ findings: [], silenced: 1 });
  });

  it('of one Service silences no other', () => {
    const web = service('web', { externalIPs: ['192.168.0.1'] });
    const other = service('other', { externalIPs: ['192.168.0.1'], clusterIP: '10.96.0.2', ports: [{ port: 81 }] });
    const objects = [node('a', ['192.168.0.1']), ...silenced([web], 'external-ip-of-node'), other];
    expect(lintObjects(objects).findings.map(line)).toEqual([
      "Service shop/other spec.externalIPs[0]: external IP 192.168.0.1 is an address of Node a: port 81/TCP there is the Service's now.",
    ]);
  });

  it('of an EndpointSlice with a wrong code is a finding, too', () => {
    const { findings } = lintObjects([service('web'), ...silenced([slice('web', ['10.1.0.1'])], 'toString, nope')]);
    expect(findings.map(line)).toEqual([
      'EndpointSlice shop/web-1 metadata.annotations.kuberules.dev/lint-ignore: "toString", "nope" are no codes of a check.',
    ]);
  });
});

it('external IPs of others are explained with CVE-2020-8554', () => {
  const codes = LINT_CHECKS.filter(({ reason }) => reason.includes('CVE-2020-8554')).map(({ code }) => code);
  expect(codes).toEqual(['external-ip-of-node', 'external-ip-of-service', 'address-shared']);
});

it('what gets lost between modes is found by codes that the table of differences has', () => {
  const known = MODE_DIFFERENCES.map(({ code }) => code);
  const text = readFileSync('src/inspect/lint/modes.ts', 'utf8');
  const named = [...text.matchAll(/^ {2}'([a-z-]+)': \{$/gm)].map((match) => match[1]);
  expect(named.length).toBeGreaterThan(2);
  expect(known).toEqual(expect.arrayContaining(named));
});

it('an address that thousands share is told in few comparisons', () => {
  const many = Array.from({ length: 150 }, (_, i) =>
    service(`s${String(i).padStart(3, '0')}`, { clusterIP: `10.96.1.${i}`, externalIPs: ['192.0.2.1'] }),
  );
  const { findings } = lintObjects(many);
  expect(findings).toHaveLength(149);
  expect(findings.at(0)?.others.map(({ object }) => object)).toEqual(['Service shop/s000']);
  expect(findings.at(-1)?.others).toHaveLength(100);
  expect(findings.at(-1)?.message).toMatch(/and 95 more, or even more, too/);
});

describe('ordinary clusters are quiet', () => {
  it('the shop', () => {
    const names = ['services', 'endpointslices', 'nodes'].map((name) => `examples/shop/${name}.yaml`);
    const { objects } = readObjects(names.map((name) => ({ name, text: readFileSync(name, 'utf8') })));
    const { state } = loadCluster(objects);
    expect(lint({ state, objects, config: DEFAULT_CONFIG, mode: 'iptables' }).findings.map(line)).toEqual([]);
  });

  it('a cluster as kubeadm makes it, with everything that a listing has', () => {
    const names = ['a', 'b', 'c'];
    const nodes = names.map((name, i) => node(name, [`192.168.0.${i + 1}`], `zone-${name}`));
    const dnsPorts = [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns-tcp', port: 53, protocol: 'TCP' },
    ];
    const dns = service('kube-dns', {
      clusterIP: '10.96.0.10',
      clusterIPs: ['10.96.0.10'],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      selector: { 'k8s-app': 'kube-dns' },
      internalTrafficPolicy: 'Cluster',
      sessionAffinity: 'None',
      type: 'ClusterIP',
      ports: dnsPorts,
    });
    const dnsSlice = slice('kube-dns', [endpoint('10.1.0.1', 'a'), endpoint('10.1.0.2', 'b')], { ports: dnsPorts });
    const pods = names.map((name, i) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `web-${name}`, namespace: 'shop', labels: { app: 'web', 'k8s-app': 'kube-dns' } },
      spec: { nodeName: name, containers: [{ name: 'web', ports: [{ name: 'http', containerPort: 8080 }] }] },
      status: { phase: 'Running', podIP: `10.1.${i}.5` },
    }));
    const web = service('web', {
      type: 'LoadBalancer',
      clusterIP: '10.96.0.11',
      selector: { app: 'web' },
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 32000,
      allocateLoadBalancerNodePorts: true,
      trafficDistribution: 'PreferClose',
      ports: [{ name: 'http', port: 80, targetPort: 'http', nodePort: 30080 }],
    });
    const webEndpoints = names.map((name, i) => endpoint(`10.1.${i}.5`, name, `zone-${name}`));
    const webSlice = slice('web', webEndpoints, { ports: [{ name: 'http', port: 8080 }] });
    const peers = service('peers', { clusterIP: 'None', selector: { app: 'web' }, publishNotReadyAddresses: true });
    const objects = [...nodes, dns, dnsSlice, ...pods, web, webSlice, peers, serviceCIDR('10.96.0.0/12')];
    for (const mode of ['iptables', 'nftables'] as const) {
      const config = { mode, clusterCIDRs: { ipv4: '10.1.0.0/16', ipv6: undefined } };
      const result = lintObjects(objects, { mode, config, configOrigin: CONFIG_ORIGIN });
      expect(result.findings.map(line)).toEqual([]);
      expect(result.notChecked).toEqual([]);
    }
  });
});

it('missing input is named by the checks that had something to compare, and by no other', () => {
  expect(lintObjects([service('web')]).notChecked).toEqual([
    { code: 'cluster-ip-outside-range', needs: ['serviceCIDRs'] },
  ]);
  const spec = {
    type: 'NodePort',
    selector: { app: 'web' },
    externalTrafficPolicy: 'Local',
    externalIPs: ['192.0.2.1'],
    ports: [{ port: 53, protocol: 'UDP', targetPort: 'dns' }],
  };
  expect(lintObjects([service('web', spec)]).notChecked).toEqual([
    { code: 'external-local-no-endpoint', needs: ['nodes'] },
    { code: 'local-without-detector', needs: ['config'] },
    { code: 'external-ip-of-node', needs: ['nodes'] },
    { code: 'cluster-ip-outside-range', needs: ['serviceCIDRs'] },
    { code: 'selector-matches-nothing', needs: ['workloads'] },
    { code: 'target-port-unknown', needs: ['workloads'] },
    { code: 'udp-without-endpoints', needs: ['endpoints'] },
  ]);
});

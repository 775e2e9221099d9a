import { execFileSync, spawn } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { folderWith, kuberules, onTerminal } from '../support/cli.js';
import { schemaProblems } from '../support/json-schema.js';

const CLUSTER = ['-f', 'test/kernel/cluster.yaml', '--node', 'node-a', '--cluster-cidr', '10.244.0.0/16'];

/** Dumps of mode ipvs whose file is not named like the program. */
const IPVS_FILES: Readonly<Record<string, string>> = {
  'iptables-save': 'ipvs.iptables-save',
  'ip6tables-save': 'ipvs.ip6tables-save',
  addresses: 'ipvs.addresses',
};

interface Answer {
  readonly route?: {
    readonly ends: readonly string[];
    readonly notes: readonly string[];
  };
  readonly traces: readonly {
    readonly packet: Readonly<Record<string, unknown>>;
    readonly fates: readonly {
      readonly probability: string;
      readonly fate: string;
      readonly address?: string;
      readonly source?: string;
      readonly way: readonly { readonly reason?: string }[];
    }[];
  }[];
  readonly diagnostics: readonly { readonly code: string; readonly message: string; readonly hint?: string }[];
}

async function ask(...args: readonly string[]): Promise<Answer> {
  const { out, code } = await kuberules('trace', ...args, '--output', 'json');
  const answer = JSON.parse(out) as Answer;
  expect(schemaProblems(answer, 'trace.json')).toEqual([]);
  expect(code).toBe(answer.route === undefined ? 2 : 0);
  return answer;
}

/** `1/3 delivered 10.244.1.11 kept`. */
const fatesOf = ({ traces }: Answer) =>
  traces
    .flatMap(({ fates }) => fates)
    .map(({ probability, fate, address, source }) =>
      [probability, fate, address, source].filter((each) => each !== undefined).join(' '),
    );

describe.each(['iptables', 'ipvs', 'nftables'])('mode %s', (mode) => {
  const traced = (...args: readonly string[]) => ask('--mode', mode, ...CLUSTER, ...args);

  it('a pod to a Service: each endpoint with its exact share', async () => {
    const answer = await traced('--from', '10.244.1.13', '--to', 'flow/web:http');
    expect(fatesOf(answer)).toEqual([
      '1/3 delivered 10.244.1.11 kept',
      '1/3 delivered 10.244.1.12 kept',
      '1/3 delivered 10.244.2.11 kept',
    ]);
    expect(answer.traces[0]?.packet.service).toBe('cluster IP of flow/web:http');
    expect(answer.traces[0]?.fates[0]?.way.some(({ reason }) => reason?.includes('flow/web:http'))).toBe(true);
  });

  it('a hairpin, a client, and a Service without endpoints', async () => {
    const hairpin = await traced('--from', '10.244.1.11', '--to', 'flow/hairpin');
    expect(fatesOf(hairpin)).toEqual(['1 delivered 10.244.1.11 masqueraded']);
    const client = await traced('--from', '203.0.113.9', '--to', '192.0.2.11:30014');
    expect(fatesOf(client)).toEqual(['1 delivered 10.244.1.11 masqueraded']);
    const nothing = await traced('--from', 'node', '--to', '10.96.0.3:53/udp');
    expect(fatesOf(nothing)).toEqual(['1 rejected']);
  });

  it('an established connection goes where it went', async () => {
    const args = ['--from', '203.0.113.9', '--to', '10.96.0.1:80'];
    const [first, later] = [await traced(...args), await traced(...args, '--established')];
    expect(fatesOf(later)).toEqual(fatesOf(first));
    const none = await traced('--from', 'node', '--to', '10.96.0.3:80', '--established');
    expect(none.traces[0]?.fates).toEqual([]);
  });

  it('a client with affinity goes to the endpoint it had', async () => {
    const answer = await traced('--from', '10.244.1.13', '--to', 'flow/sticky', '--after', '10.244.2.11:8080');
    expect(fatesOf(answer)).toEqual(['1 delivered 10.244.2.11 kept']);
    expect(answer.route?.notes).toEqual([]);
  });

  it.each(['10.244.9.9:8080', '10.244.2.11:8081'])(
    'an endpoint that there is not, %s, is not remembered',
    async (after) => {
      const answer = await traced('--from', '10.244.1.13', '--to', 'flow/sticky', '--after', after);
      expect(fatesOf(answer)).toHaveLength(3);
      expect(answer.route?.notes).toEqual([expect.stringContaining(`--after ${after} makes no difference`)]);
    },
  );

  it('a node port is one at an address of a node only', async () => {
    const serviceAt = async (address: string) =>
      (await traced('--from', '203.0.113.9', '--to', `${address}:30014`)).traces[0]?.packet.service;
    expect(await serviceAt('192.0.2.11')).toBe('node port of flow/hairpin:http');
    expect(await serviceAt('192.0.2.12')).toBe('node port of flow/hairpin:http');
    expect(await serviceAt('8.8.8.8')).toBeUndefined();
  });

  it('a port that the Service at an address does not have is said to be none', async () => {
    const notesOf = async (to: string) => (await traced('--from', '10.244.1.13', '--to', to)).route?.notes;
    const has = 'it has the port http 80/tcp.';
    expect(await notesOf('10.96.0.8:81')).toEqual([
      `Service flow/sticky, whose cluster IP this is, has no port 81/tcp: ${has}`,
    ]);
    expect(await notesOf('http://10.96.0.8:81/')).toEqual(await notesOf('10.96.0.8:81'));
    expect(await notesOf('10.96.0.8:80')).toEqual([]);
    expect(await notesOf('10.96.0.8/icmp')).toEqual([]);
    // An external IP that is the node's: its other ports are not the Service's.
    expect(await notesOf('192.0.2.11:8889')).toEqual([]);
  });

  it('texts that were compiled before give the same as dumps', async () => {
    const folder = folderWith({});
    await kuberules('compile', '--mode', mode, ...CLUSTER, '-o', folder);
    const parts = { iptables: ['rules', 'setup'], nftables: ['nft'] }[mode] ?? [
      'ipvsadm',
      'ipset',
      'rules',
      'addresses',
      'setup',
    ];
    const dumps = parts.flatMap((part) => ['--dump', `${folder}/${mode}.ipv4.${part}`]);
    const args = ['--from', '203.0.113.9', '--to', '10.96.0.1:80'];
    expect(fatesOf(await ask(...dumps, ...args))).toEqual(fatesOf(await traced(...args)));
  });
});

it('dumps of real kernels', async () => {
  const folder = 'test/dumps/host/session-affinity';
  const objects = ['--mode', 'iptables', '-f', `${folder}/objects.yaml`, '--config', `${folder}/config.yaml`];
  const flows = [
    ['--from', '203.0.113.9', '--to', '10.96.0.20:80'],
    ['--from', 'node', '--to', '10.96.0.20:80'],
  ];
  for (const flow of flows) {
    const compiled = fatesOf(await ask(...objects, ...flow));
    for (const variant of ['legacy', 'nft']) {
      expect(fatesOf(await ask(...objects, '--dump', `${folder}/iptables-save.${variant}.txt`, ...flow))).toEqual(
        compiled,
      );
    }
  }
});

it('the family of a dump can be said where its content does not tell it', async () => {
  const saved = 'test/dumps/host/dual-stack/iptables-save.nft.txt';
  const folder = folderWith({ bare: '*filter\n:FORWARD DROP [0:0]\nCOMMIT\n' });
  const flow = ['--from', '203.0.113.9', '--to', '10.96.0.20:80'];
  const alone = fatesOf(await ask('--dump', saved, ...flow));
  expect(fatesOf(await ask('--dump', saved, `ipv6=${folder}/bare`, ...flow))).toEqual(alone);
  expect(fatesOf(await ask('--dump', saved, `ipv4=${folder}/bare`, ...flow))).toEqual(['1 dropped']);
  const { diagnostics } = await ask('--dump', `ipv6=${saved}`, ...flow);
  expect(diagnostics[0]?.message).toBe('this is a dump of ipv4, not of ipv6.');
});

describe('what cannot be answered', () => {
  const nft = (rule: string) =>
    folderWith({
      'nft.txt': `table ip kube-proxy {\n\tchain nat-prerouting {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n\t\t${rule}\n\t}\n}\n`,
    });

  it('a rule that the packet meets and that is not known is named', async () => {
    const dump = `${nft('ip daddr 10.96.0.1 limit rate 3/second accept')}/nft.txt`;
    const { diagnostics } = await ask('--dump', dump, '--from', '10.0.0.1', '--to', '10.96.0.1:80');
    expect(diagnostics[0]?.code).toBe('unknown-rule');
    expect(diagnostics[0]?.message).toContain('nat-prerouting');
    expect(diagnostics[0]?.message).toContain('limit rate 3/second');
    // Behind a match that does not hold it plays no part.
    const other = await ask('--dump', dump, '--from', '10.0.0.1', '--to', '10.96.0.2:80');
    expect(fatesOf(other)).toEqual(['1 untouched 10.96.0.2 kept']);
  });

  it('so is a match of iptables, with the whole rule', async () => {
    const rule =
      '-A FORWARD -d 10.0.0.2/32 -m comment --comment "a long comment of somebody else" -m geoip --src-cc DE';
    const folder = folderWith({ 'save.txt': `*filter\n:FORWARD ACCEPT [0:0]\n${rule} -j DROP\nCOMMIT\n` });
    const { diagnostics } = await ask('--dump', `${folder}/save.txt`, '--from', '10.0.0.1', '--to', '10.0.0.2:80');
    expect(diagnostics[0]?.message).toContain(`\`${rule} -j DROP\`: -m geoip --src-cc DE is not known.`);
  });

  it.each([
    [['iptables-save', 'ipset-save', 'addresses'], 'ipvsadm -S -n'],
    [['iptables-save', 'ipset-save', 'ipvsadm-Sn'], 'ip -o addr show dev kube-ipvs0'],
    [['ipvsadm-Sn'], 'iptables-save, ip -o addr show dev kube-ipvs0'],
    [['ip6tables-save', 'ipvsadm-Sn', 'addresses'], 'iptables-save'],
    [['iptables-save', 'ipset-save', 'addresses', 'ipvsadm-Sn'], undefined],
  ])('dumps of a node in mode ipvs: %j, missing %s', async (names, missing) => {
    const files = names.map((name) => `test/dumps/ipvs/load-balancer-source-ranges/${IPVS_FILES[name] ?? name}.txt`);
    const { diagnostics } = await ask('--dump', ...files, '--from', '10.244.1.7', '--to', '10.96.0.20:80');
    const warnings = diagnostics.filter(({ code }) => code === 'incomplete-dumps').map(({ message }) => message);
    expect(warnings).toEqual(missing === undefined ? [] : [expect.stringContaining(`no dump of ${missing}, `)]);
  });

  it('--mode has no say where there are dumps, and that is said', async () => {
    const dump = ['--dump', 'test/dumps/host/session-affinity/iptables-save.nft.txt'];
    const { diagnostics } = await ask('--mode', 'ipvs', ...dump, '--from', '10.244.1.7', '--to', '10.96.0.20:80');
    expect(diagnostics.map(({ code }) => code)).toEqual(['ignored-flags']);
  });

  it('an interface that is not known has to be named', async () => {
    const folder = folderWith({
      'save.txt': '*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -i eth1 -j DROP\nCOMMIT\n',
    });
    const args = ['--dump', `${folder}/save.txt`, '--from', '10.0.0.1', '--to', '10.0.0.2:80'];
    const { diagnostics } = await ask(...args);
    expect(diagnostics[0]?.hint).toContain('--in-interface');
    expect(fatesOf(await ask(...args, '--in-interface', 'eth1'))).toEqual(['1 dropped']);
    expect(fatesOf(await ask(...args, '--in-interface', 'eth0'))).toEqual(['1 untouched 10.0.0.2 kept']);
  });

  it.each([
    ['iptables', '*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD ! -i lo -o docker+ -j DROP\nCOMMIT\n'],
    [
      'nft',
      'table ip kube-proxy {\n\tchain filter-forward {\n\t\ttype filter hook forward priority -101; policy accept;\n\t\toifname "docker*" drop\n\t}\n}\n',
    ],
  ])('so has one by which the packet leaves: %s', async (_program, text) => {
    const folder = folderWith({ dump: text });
    const args = ['--dump', `${folder}/dump`, '--from', '10.0.0.1', '--to', '10.0.0.2:80'];
    const { diagnostics } = await ask(...args);
    expect(diagnostics[0]?.hint).toBe('Name the interface with --out-interface.');
    expect(fatesOf(await ask(...args, '--out-interface', 'docker0'))).toEqual(['1 dropped']);
    expect(fatesOf(await ask(...args, '--out-interface', 'eth0'))).toEqual(['1 untouched 10.0.0.2 kept']);
  });

  it.each([
    [['--from', 'nobody', '--to', '10.96.0.1:80'], '--from'],
    [['--from', 'node/nobody', '--to', '10.96.0.1:80'], 'there is no node nobody. Name one of: node-a, node-b'],
    [['--from', '10.0.0.1', '--to', '10.96.0.1'], '--to'],
    [['--from', '10.0.0.1', '--to', 'flow/nothing'], '--to'],
    [['--from', '10.0.0.1', '--to', 'flow/stikcy'], 'Like it: flow/sticky.'],
    [['--from', '10.0.0.1', '--to', 'flow/multi'], 'several'],
    [['--from', '10.0.0.1', '--to', '[fd00:10:96::1]:80'], 'family'],
    [['--from', '10.0.0.1', '--to', '10.96.0.1:80', '--after', 'x'], '--after'],
    [['--from', '10.0.0.1', '--to', '10.96.0.1:80', '--local-address', 'x'], '--local-address'],
  ])('%j', async (args, word) => {
    const { diagnostics } = await ask(...CLUSTER, ...args);
    const [first] = diagnostics.filter(({ code }) => code === 'usage' || code === 'unknown-node');
    expect(`${first?.message} ${first?.hint}`).toContain(word);
  });

  it('standard input asked for twice', async () => {
    const { diagnostics } = await ask('-f', '-', '--dump', '-', '--from', '10.0.0.1', '--to', '10.96.0.1:80');
    expect(diagnostics[0]?.message).toBe('standard input can be read only once.');
  });

  it('without rules', async () => {
    const { diagnostics } = await ask('--from', '10.0.0.1', '--to', '10.96.0.1:80');
    expect(diagnostics[0]?.hint).toContain('--dump');
  });
});

describe('names and URLs', () => {
  const ROUTES = ['-f', 'test/inspect/routes.yaml'];

  it('with dumps the objects tell what a name leads to', async () => {
    const folder = folderWith({});
    await kuberules('compile', '--mode', 'nftables', ...ROUTES, '--family', 'ipv4', '-o', folder);
    const dump = ['--dump', `${folder}/nftables.ipv4.nft`];
    const asked = ['--family', 'ipv4', '--from', 'shop/client', '--to', 'redis.default:client'];
    expect(fatesOf(await ask(...dump, ...ROUTES, ...asked))).toEqual(['1 delivered 10.244.1.30 kept']);
    const alone = await ask(...dump, '--from', '10.244.1.60', '--to', 'redis.default:client');
    expect(alone.diagnostics[0]?.hint).toContain('Give the Services with -f; a dump alone does not tell');
    const url = await ask(...dump, '--from', '10.244.1.60', '--to', 'https://shop.example/');
    expect(url.diagnostics[0]?.hint).toContain('Give Ingresses');
  });

  it('a dump from a pipe, which can be read only once, serves both families', async () => {
    const folder = folderWith({});
    await kuberules('compile', '--mode', 'nftables', ...ROUTES, '-o', folder);
    execFileSync('mkfifo', [`${folder}/pipe`]);
    const scripts = ['ipv4', 'ipv6'].map((family) => `${folder}/nftables.${family}.nft`);
    const writer = spawn('sh', ['-c', 'exec cat "$1" "$2" >"$3"', 'sh', ...scripts, `${folder}/pipe`]);
    onTestFinished(() => void writer.kill());
    const dump = ['--dump', `${folder}/pipe`];
    const asked = ['--from', 'shop/client', '--to', 'redis.default:client'];
    expect(fatesOf(await ask(...dump, ...ROUTES, ...asked))).toEqual([
      '1 delivered 10.244.1.30 kept',
      '1 delivered fd00:10:244:1::30 kept',
    ]);
  });

  it('each destination has its trace, and what was remembered is of one family', async () => {
    const asked = ['--from', 'shop/client', '--to', 'redis.default:client'];
    expect(fatesOf(await ask(...ROUTES, ...asked, '--after', '10.244.1.30:6379'))).toEqual([
      '1 delivered 10.244.1.30 kept',
      '1 delivered fd00:10:244:1::30 kept',
    ]);
    const { diagnostics } = await ask(...ROUTES, ...asked, '--family', 'ipv6', '--after', '10.244.1.30:6379');
    expect(diagnostics[0]?.message).toContain('--after');
  });

  it('the pods that --simulate makes look names up as their template says', async () => {
    const deployment = (spec: object) => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: {
        replicas: 1,
        selector: { matchLabels: { app: 'web' } },
        template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web' }], ...spec } },
      },
    });
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
    };
    const asked = async (spec: object) => {
      const folder = folderWith({ 'a.json': JSON.stringify(deployment(spec)), 'b.json': JSON.stringify(service) });
      const { out } = await kuberules('compile', '--simulate', '-f', folder, '--output', 'json');
      const pod = /Pod default\/(web-[a-z0-9-]+)/.exec(out)?.[1] ?? '';
      return ask('--simulate', '-f', folder, '--from', pod, '--to', 'web');
    };
    expect((await asked({})).traces).toHaveLength(1);
    const messages = (await asked({ dnsPolicy: 'Default' })).diagnostics.map(({ message }) => message);
    expect(messages.join()).toContain('dnsPolicy Default');
  });

  const INGRESS = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'wrong', namespace: 'shop' },
    spec: { rules: [{ host: 'Shop.Example\u001b[2J' }] },
  };

  it('a wrong Ingress is named with its place, where one is needed', async () => {
    const file = `${folderWith({ 'wrong.json': JSON.stringify(INGRESS, undefined, 2) })}/wrong.json`;
    const args = [...ROUTES, '-f', file, '--from', 'shop/client'];
    const { code, out, err } = await kuberules('trace', ...args, '--to', 'https://shop.example/');
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(
      `${file}:11: error: Ingress shop/wrong: spec.rules[0].host: "Shop.Example\\u001b[2J" is no host`,
    );
    expect((await ask(...args, '--to', 'web:http')).traces).toHaveLength(1);
  });

  it.each([['compile', '--mode', 'iptables'], ['lint'], ['dns'], ['explain', 'shop/web']])(
    '%s takes no notice of Ingresses',
    async (...command) => {
      const file = `${folderWith({ 'wrong.json': JSON.stringify(INGRESS) })}/wrong.json`;
      const without = await kuberules(...command, '-f', 'examples/shop');
      const beside = await kuberules(...command, '-f', 'examples/shop', file);
      expect(beside.out).toBe(without.out);
      expect(beside.code).toBe(without.code);
      expect(beside.err.replace('note: skipped 1 Ingress. [skipped-kinds]\n', '')).toBe(without.err);
    },
  );

  it.each([
    [['--to', 'shop/web:http'], '--from is missing'],
    [['--to', '10.96.0.40:80'], '--from is missing'],
    [['--to', 'https://shop.example/', '--zone', 'a..b'], 'cannot be the zone'],
    [['--to', 'https://shop.example/', '--ingress-class', 'x'], 'there is no Ingress of this class'],
    [['--to', 'gopher://shop.example/'], '"gopher://shop.example/" is not understood'],
    [['--from', 'shop/client', '--to', 'redis.default.svc.example.org:6379'], 'no address in DNS for'],
    [['--from', 'nobody', '--to', 'https://shop.example/'], '--from "nobody"'],
  ])('%j is an error', async (args, words) => {
    const { diagnostics, traces } = await ask(...ROUTES, ...args);
    expect(traces).toEqual([]);
    expect(diagnostics.map(({ message }) => message).join()).toContain(words);
  });

  it('--zone is the domain that names end in', async () => {
    const { route, traces } = await ask(
      ...ROUTES,
      '--zone',
      'example.org',
      '--from',
      'client-4',
      '--to',
      'redis.default.svc.example.org',
    );
    expect(route?.ends).toEqual([]);
    expect(traces).toHaveLength(1);
  });

  it('where no node is known, nobody can stand for the controller', async () => {
    const text = JSON.stringify({
      ...INGRESS,
      spec: { defaultBackend: { service: { name: 'web', port: { number: 80 } } } },
    });
    const file = `${folderWith({ 'ingress.json': text })}/ingress.json`;
    const args = ['-f', 'examples/shop/services.yaml', file, '--to', 'http://any.example/'];
    expect((await ask(...args)).diagnostics.map(({ hint }) => hint).join()).toContain('--from');
    const { route } = await ask(...args, '--from', '10.244.1.5');
    expect(route?.notes.join()).toContain('--from is taken for it');
  });
});

it('the report for people', async () => {
  const args = ['--mode', 'nftables', ...CLUSTER, '--from', '10.244.1.11', '--to', 'flow/hairpin'];
  const { out } = await kuberules('trace', ...args);
  expect(out).toMatchInlineSnapshot(`
    "tcp from 10.244.1.11 (a pod of this node) to 10.96.0.14:80 (cluster IP of flow/hairpin:http), through nftables rules of node-a

    prerouting   filter-prerouting-pre-dnat              jump firewall-check
                 nat-prerouting                          jump services
                 services                                goto service-ULKMPGOC-flow/hairpin/tcp/http
                   an address of flow/hairpin:http
                 service-ULKMPGOC-flow/hairpin/tcp/http  dnat to 10.244.1.11:8080
                   the endpoints of flow/hairpin:http under policy Cluster
    forward      filter-forward                          jump service-endpoints-check
                 filter-forward                          jump cluster-ips-check
    postrouting  nat-postrouting                         jump masquerading
                 masquerading                            masquerade
                   a pod reaches itself: it must not see its own address

    1  delivered: to 10.244.1.11:8080, source masqueraded as an address of the node by ip kube-proxy masquerading
    "
  `);
});

describe('what a terminal shows', () => {
  const traces = [
    ['trace', '-f', 'examples/shop', '--mode', 'nftables', '--from', '10.244.1.7', '--to', 'shop/web'],
    ['trace', '-f', 'test/inspect/routes.yaml', '--to', 'http://both.example/', '--ingress-class', 'nginx'],
    ['trace', '-f', 'test/inspect/routes.yaml', '--from', 'shop/client', '--to', 'redis.default:client'],
  ];

  it.each(traces)('%s %s %s %s %s %s: no line is longer than 80 columns, nothing is lost', async (...args) => {
    const narrow = await onTerminal({ width: 80, color: false }, ...args);
    expect(narrow.split('\n').filter((line) => line.length > 80)).toEqual([]);
    const file = await onTerminal(undefined, ...args);
    expect(narrow.replace(/\s+/g, ' ')).toBe(file.replace(/\s+/g, ' '));
    expect(narrow).not.toBe(file);
  });

  it.each(traces)(
    '%s %s %s %s %s %s: colours are for a terminal that takes them, never for a file',
    async (...args) => {
      const painted = await onTerminal({ width: 80, color: true }, ...args);
      const plain = await onTerminal({ width: 80, color: false }, ...args);
      expect(painted).not.toBe(plain);
      expect(stripVTControlCharacters(painted)).toBe(plain);
      const file = await onTerminal(undefined, ...args);
      expect(stripVTControlCharacters(file)).toBe(file);
    },
  );
});

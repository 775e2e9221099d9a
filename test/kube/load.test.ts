/** Checking and defaulting of objects, and what is said about them. */
import { describe, expect, it } from 'vitest';
import {
  compile,
  DEFAULT_CONFIG,
  loadCluster,
  located,
  partText,
  type RawObject,
  type SourceText,
} from '../../src/index.js';
import { readObjects } from '../../src/kube/read.js';

function load(...texts: readonly string[]) {
  const sources: SourceText[] = texts.map((text, i) => ({ name: `${i}.yaml`, text }));
  const read = readObjects(sources);
  const loaded = loadCluster(read.objects);
  return {
    ...loaded,
    said: [...read.diagnostics, ...loaded.diagnostics].map(({ code, object }) => `${code} ${object ?? ''}`.trim()),
  };
}

const service = (name: string, spec: string, more = '') =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {${spec}}\n${more}---\n`;
const slice = (name: string, of: string, addresses: readonly string[], more = '') =>
  `apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: ${name}, labels: {kubernetes.io/service-name: ${of}}}\n` +
  `addressType: IPv4\nports: [{port: 8080}]\nendpoints: [${addresses.map((ip) => `{addresses: [${ip}]${more}}`).join(', ')}]\n---\n`;
const rules = (...texts: readonly string[]) => partText(compile(load(...texts).state).parts[0] ?? never());
function never(): never {
  throw new Error('no part');
}

describe('defaults of the API server', () => {
  const read = (spec: string, more = '') => load(service('web', spec, more)).state.services.get('default/web')?.service;

  it('fill in what a manifest leaves out', () => {
    expect(read('clusterIP: 10.96.0.1, ports: [{port: 80}]')).toMatchObject({
      namespace: 'default',
      type: 'ClusterIP',
      ports: [{ name: '', protocol: 'TCP', port: 80, nodePort: undefined }],
      affinitySeconds: undefined,
      internalTrafficPolicy: 'Cluster',
      externalTrafficPolicy: 'Cluster',
    });
  });

  it('give session affinity three hours', () => {
    expect(read('clusterIP: 10.96.0.1, sessionAffinity: ClientIP, ports: [{port: 80}]')?.affinitySeconds).toBe(10800);
  });

  it.each([0, 86401, 1.5, '"60"'])('refuse an affinity timeout of %s', (seconds) => {
    const spec = `clusterIP: 10.96.0.1, sessionAffinityConfig: {clientIP: {timeoutSeconds: ${seconds}}}, ports: [{port: 80}]`;
    expect(load(service('web', spec)).said).toEqual(['invalid-field Service default/web']);
  });

  it.each([
    ['type: ClusterIP', 'Cluster'],
    ['type: ClusterIP, externalIPs: [198.51.100.1]', 'Local'],
    ['type: NodePort', 'Local'],
    ['type: LoadBalancer', 'Local'],
  ])('let externalTrafficPolicy Local of %s take effect as %s', (spec, effect) => {
    const read1 = read(`${spec}, clusterIP: 10.96.0.1, externalTrafficPolicy: Local, ports: [{port: 80}]`);
    expect(read1?.externalTrafficPolicy).toBe(effect);
  });

  it('take a source range written with length 0 as no restriction, but not one that only amounts to it', () => {
    const ranges = (text: string) =>
      read(`type: LoadBalancer, clusterIP: 10.96.0.1, loadBalancerSourceRanges: [${text}], ports: [{port: 80}]`)
        ?.sourceRanges.ipv4;
    expect(ranges('203.0.113.0/24, 1.2.3.4/0')).toEqual([]);
    expect(ranges('"::ffff:0.0.0.0/96"')).toMatchObject([{ text: '0.0.0.0/0' }]);
  });
});

describe('what the API server admits is no error', () => {
  it.each([
    [
      'labels of null',
      'apiVersion: v1\nkind: Service\nmetadata: {name: web, labels: {a: null}}\nspec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}',
    ],
    [
      'a number for TCP and UDP',
      service(
        'dns',
        'type: NodePort, clusterIP: 10.96.0.1, ports: [{name: a, port: 53, nodePort: 30053}, {name: b, port: 53, protocol: UDP, nodePort: 30053}]',
      ),
    ],
    ['a headless Service without ports', service('db', 'clusterIP: None')],
    ['an ExternalName without ports', service('mail', 'type: ExternalName, externalName: a.example')],
    [
      'Endpoints named like a leader lock',
      'apiVersion: v1\nkind: Endpoints\nmetadata: {name: k8s.io-minikube-hostpath}',
    ],
    [
      'a slice without endpoints and ports',
      'apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: x, labels: {kubernetes.io/service-name: web}}\naddressType: IPv4\nendpoints: null\nports: null',
    ],
    ['a Node without status', 'apiVersion: v1\nkind: Node\nmetadata: {name: x}'],
    [
      'an address of null in status',
      service(
        'web',
        'clusterIP: 10.96.0.1, ports: [{port: 80}]',
        'status: {loadBalancer: {ingress: [{hostname: lb.example}]}}\n',
      ),
    ],
  ])('%s', (_, text) => {
    expect(load(text).diagnostics.filter((each) => each.severity !== 'note')).toEqual([]);
  });

  it('a Node address that is none is left out, with a warning', () => {
    const text =
      'apiVersion: v1\nkind: Node\nmetadata: {name: x}\nstatus: {addresses: [{type: InternalIP, address: k8s-master-0}, {type: InternalIP, address: 192.0.2.1}]}';
    const { state, said } = load(text);
    expect(said).toEqual(['ignored-node-address Node x']);
    expect(state.nodes.get('x')?.addresses).toEqual([{ family: 'ipv4', text: '192.0.2.1' }]);
  });
});

describe('every kind of remark', () => {
  const WEB = service('web', 'clusterIP: 10.96.0.1, ports: [{port: 80}]');
  it.each<[string, readonly string[]]>([
    ['skipped-kinds', [WEB, 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}']],
    ['skipped-kinds', [WEB, 'apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: x}']],
    ['skipped-kinds', [WEB, 'apiVersion: v1\nkind: constructor\nmetadata: {name: x}']],
    [
      'duplicate-port Service default/x',
      [service('x', 'clusterIP: 10.96.0.9, ports: [{name: a, port: 80}, {name: a, port: 81}]')],
    ],
    [
      'duplicate-port Service default/x',
      [service('x', 'clusterIP: 10.96.0.9, ports: [{name: a, port: 80}, {name: b, port: 80}]')],
    ],
    [
      'node-port-conflict Service default/x',
      [
        service(
          'x',
          'type: NodePort, clusterIP: 10.96.0.9, ports: [{name: a, port: 80, nodePort: 30000}, {name: b, port: 81, nodePort: 30000}]',
        ),
      ],
    ],
    [
      'node-port-conflict Service default/b',
      [
        service('a', 'type: NodePort, clusterIP: 10.96.0.8, ports: [{port: 80, nodePort: 30000, protocol: UDP}]'),
        service('b', 'type: NodePort, clusterIP: 10.96.0.9, ports: [{port: 80, nodePort: 30000}]'),
      ],
    ],
    [
      'node-port-conflict Service default/b',
      [
        service('a', 'type: NodePort, clusterIP: 10.96.0.8, ports: [{port: 80, nodePort: 30000}]'),
        service(
          'b',
          'type: LoadBalancer, clusterIP: 10.96.0.9, externalTrafficPolicy: Local, healthCheckNodePort: 30000, ports: [{port: 80}]',
        ),
      ],
    ],
    [
      'orphan-slice EndpointSlice default/x',
      ['apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: x}\naddressType: IPv4'],
    ],
    [
      'missing-families Service default/x',
      [service('x', 'clusterIP: 10.96.0.9, clusterIPs: [10.96.0.9, "fd00::9"], ports: [{port: 80}]')],
    ],
    [
      'endpoints-ignored Endpoints default/web',
      [WEB, slice('web-1', 'web', ['10.0.0.1']), 'apiVersion: v1\nkind: Endpoints\nmetadata: {name: web}'],
    ],
    [
      'endpoints-ignored Endpoints default/web',
      [
        WEB,
        'apiVersion: v1\nkind: Endpoints\nmetadata: {name: web, labels: {endpointslice.kubernetes.io/skip-mirror: "true"}}',
      ],
    ],
    [
      'endpoints-mirrored Endpoints default/web',
      [
        WEB,
        'apiVersion: v1\nkind: Endpoints\nmetadata: {name: web}\nsubsets: [{addresses: [{ip: 10.0.0.1}], ports: [{port: 8080}]}]',
      ],
    ],
    [
      'invalid-field Endpoints default/web',
      [
        WEB,
        'apiVersion: v1\nkind: Endpoints\nmetadata: {name: web}\nsubsets: [{addresses: [{hostname: x}], ports: [{port: 80}]}]',
      ],
    ],
    [
      'invalid-field Service false/x',
      ['apiVersion: v1\nkind: Service\nmetadata: {name: x, namespace: false}\nspec: {}'],
    ],
  ])('%s', (expected, texts) => {
    expect(load(...texts).said.some((each) => each.startsWith(expected.split(' ')[0] ?? ''))).toBe(true);
    if (!expected.includes('false')) expect(load(...texts).said.join('\n')).toContain(expected);
  });

  it('Endpoints without a Service give nothing', () => {
    const endpoints =
      'apiVersion: v1\nkind: Endpoints\nmetadata: {name: lone}\nsubsets: [{addresses: [{ip: 10.0.0.1}], ports: [{port: 8080}]}]';
    const { state, said } = load(WEB, endpoints);
    expect(said).toEqual([]);
    expect(state.slices.size).toBe(0);
  });

  it('slices that contradict each other are named, with the endpoint', () => {
    const { state } = load(
      WEB,
      slice('a', 'web', ['10.0.0.1'], ', nodeName: node-1'),
      slice('b', 'web', ['10.0.0.1'], ', nodeName: node-2'),
    );
    const { diagnostics } = compile(state, { node: 'node-1' });
    expect(diagnostics).toMatchObject([
      { code: 'node-choice' },
      { code: 'endpoint-conflict', object: 'Service default/web' },
    ]);
    expect(diagnostics[1]?.message).toContain('10.0.0.1:8080');
    // Seen from elsewhere the two copies are the same.
    expect(compile(state, { node: 'node-3' }).diagnostics.map((each) => each.code)).toEqual(['node-choice']);
  });
});

describe('objects of a program', () => {
  const item = { metadata: { name: 'web' }, spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }] } };

  it('items of a typed list are read with their type', () => {
    const { state, diagnostics } = loadCluster(located([item], { apiVersion: 'v1', kind: 'Service' }));
    expect(diagnostics).toEqual([]);
    expect([...state.services.keys()]).toEqual(['default/web']);
  });

  it('without it they are an error, not nothing', () => {
    expect(loadCluster(located([item])).diagnostics).toMatchObject([{ code: 'not-an-object', severity: 'error' }]);
  });
});

describe('large clusters', () => {
  const addresses = (count: number) => Array.from({ length: count }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
  it('keep comments up to 1000 endpoints, ready or not, and lose them above', () => {
    const web = service('web', 'clusterIP: 10.96.0.1, ports: [{port: 80}]');
    const unready = slice('b', 'web', ['10.1.0.1'], ', conditions: {ready: false}');
    expect(rules(web, slice('a', 'web', addresses(1000)))).toContain('--comment "default/web -> 10.0.0.0:8080"');
    expect(rules(web, slice('a', 'web', addresses(999)), unready)).toContain(
      '--comment "default/web -> 10.0.0.0:8080"',
    );
    const large = rules(web, slice('a', 'web', addresses(1000)), unready);
    expect(large).not.toContain('default/web ->');
    expect(large).toContain('--comment "default/web cluster IP"');
  });
});

describe('the feature gate AllowServiceExternalIPs', () => {
  it('off gives external IPs no rules, but the Service still counts as reachable from outside', () => {
    const { state } = load(
      service('web', 'clusterIP: 10.96.0.1, externalIPs: [198.51.100.1], ports: [{port: 80}]'),
      slice('a', 'web', ['10.0.0.1']),
    );
    const of = (allowServiceExternalIPs: boolean) =>
      partText(compile(state, { config: { ...DEFAULT_CONFIG, allowServiceExternalIPs } }).parts[0] ?? never());
    expect(of(true)).toContain('-d 198.51.100.1');
    expect(of(false)).not.toContain('198.51.100.1');
    expect(of(false)).toContain(':KUBE-EXT-');
  });
});

it('hostile names of kinds and fields end nowhere', () => {
  const objects = ['constructor', '__proto__', 'toString', 'hasOwnProperty'].map(
    (kind): RawObject => ({
      apiVersion: 'v1',
      kind,
      metadata: JSON.parse('{"__proto__": {"polluted": true}, "name": "x"}'),
    }),
  );
  expect(loadCluster(objects.map((object) => ({ object }))).diagnostics.map((each) => each.code)).toEqual([
    'skipped-kinds',
  ]);
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
});

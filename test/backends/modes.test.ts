/** Each difference between modes concerns whom it should, and nobody else. */
import { expect, it } from 'vitest';
import { JUDGED_DIFFERENCES } from '../../src/backends/modes.js';
import {
  compile,
  DEFAULT_CONFIG,
  type Diagnostic,
  hasErrors,
  loadCluster,
  located,
  MODE_DIFFERENCES,
  type ProxyConfig,
  type ProxyMode,
  type RawObject,
} from '../../src/index.js';
import { parseCidr } from '../../src/net/ip.js';

/** One Service with its endpoints, and how the node is configured. */
interface Situation {
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly port?: Readonly<Record<string, unknown>>;
  readonly vips?: readonly string[];
  /** Each on node-a, on node-b, or on node-a and terminating. */
  readonly endpoints?: readonly ('here' | 'elsewhere' | 'going')[];
  readonly config?: Partial<ProxyConfig>;
  readonly mode?: ProxyMode;
  readonly more?: readonly RawObject[];
}

const node: RawObject = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'node-a' },
  spec: { podCIDRs: ['10.244.1.0/24'] },
  status: { addresses: [{ type: 'InternalIP', address: '192.0.2.11' }] },
};

const serviceCIDR: RawObject = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'ServiceCIDR',
  metadata: { name: 'kubernetes' },
  spec: { cidrs: ['10.96.0.0/12'] },
};

function service(name: string, { spec = {}, port = {}, vips = [] }: Situation, clusterIP: string): RawObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop' },
    spec: { type: 'LoadBalancer', clusterIP, ports: [{ port: 80, ...port }], ...spec },
    status: { loadBalancer: { ingress: vips.map((ip) => ({ ip })) } },
  };
}

function slice(name: string, endpoints: readonly ('here' | 'elsewhere' | 'going')[]): RawObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-1`, namespace: 'shop', labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ port: 8080 }],
    endpoints: endpoints.map((where, i) => ({
      addresses: [`10.244.${i >> 8}.${i & 255}`],
      nodeName: where === 'elsewhere' ? 'node-b' : 'node-a',
      conditions: where === 'going' ? { ready: false, serving: true, terminating: true } : {},
    })),
  };
}

function notes(situation: Situation): readonly Diagnostic[] {
  const { endpoints = ['here'], mode = 'nftables', more = [] } = situation;
  const objects = [node, service('web', situation, '10.96.0.20'), slice('web', endpoints), ...more];
  const loaded = loadCluster(located(objects));
  expect(hasErrors(loaded.diagnostics)).toBe(false);
  const clusterCIDRs = { ipv4: '10.244.0.0/16', ipv6: undefined };
  const config = { ...DEFAULT_CONFIG, clusterCIDRs, ...situation.config };
  const { diagnostics } = compile(loaded.state, { mode, config, notes: true });
  return diagnostics.filter((each) => each.code === 'mode-difference');
}

const nodePort = { port: { nodePort: 30080 } };
const vip: Situation = { vips: ['198.51.100.7'] };
const local = { externalTrafficPolicy: 'Local' };
const ranges = { loadBalancerSourceRanges: ['203.0.113.0/24'] };
const affinity = { sessionAffinity: 'ClientIP' };
const [someNetwork] = [parseCidr('192.0.2.0/24')].flatMap((cidr) => cidr ?? []);
const manyServices = Array.from({ length: 1000 }, (_, i) =>
  service(`more-${i}`, { spec: { type: 'ClusterIP' } }, `10.97.${i >> 8}.${i & 255}`),
);
const { iptables, nftables } = DEFAULT_CONFIG;

/** For each difference a situation that it concerns, and one or more, as like as can be, that it does not. */
const SITUATIONS: Readonly<Record<string, readonly [Situation, ...Situation[]]>> = {
  'node-port-localhost': [
    nodePort,
    {},
    { ...nodePort, config: { iptables: { ...iptables, localhostNodePorts: false } } },
    { ...nodePort, config: { nodePortAddresses: someNetwork === undefined ? [] : [someNetwork] } },
  ],
  'node-port-addresses': [nodePort, {}, { ...nodePort, config: { nodePortAddresses: 'primary' } }],
  'node-port-refusal': [
    { ...nodePort, endpoints: [], config: { nodePortAddresses: 'primary' } },
    { ...nodePort, config: { nodePortAddresses: 'primary' } },
    { endpoints: [], config: { nodePortAddresses: 'primary' } },
    // Then node ports answer on every address, 127.0.0.1 among them.
    { ...nodePort, endpoints: [] },
  ],
  'health-check-node-port': [
    { ...vip, spec: { ...local, healthCheckNodePort: 32100 } },
    { ...vip, spec: local },
  ],
  'address-on-node': [vip, nodePort, { vips: ['192.0.2.11'] }],
  'no-endpoints-from-node': [{ ...vip, endpoints: [] }, vip, { ...nodePort, endpoints: [] }],
  'source-ranges': [{ ...vip, spec: ranges }, vip, { ...nodePort, spec: ranges }],
  'source-ranges-external-ip': [
    { ...vip, spec: { ...ranges, externalIPs: ['198.51.100.7'] } },
    { ...vip, spec: { ...ranges, externalIPs: ['198.51.100.8'] } },
    { ...vip, spec: { externalIPs: ['198.51.100.7'] } },
    { ...vip, spec: { ...ranges, externalIPs: ['198.51.100.7'] }, endpoints: [] },
  ],
  'external-local-from-inside': [
    { ...vip, spec: local, endpoints: ['here', 'elsewhere'] },
    { ...vip, spec: local, endpoints: ['here', 'here'] },
    { ...vip, endpoints: ['here', 'elsewhere'] },
    { ...vip, spec: local, endpoints: ['elsewhere'] },
  ],
  'external-local-source': [{ ...vip, spec: local }, vip, { spec: local }, { ...vip, spec: local, endpoints: [] }],
  'external-local-without-endpoint': [
    { ...vip, spec: local, endpoints: ['elsewhere'] },
    { ...vip, endpoints: ['elsewhere'] },
    { spec: local, endpoints: ['elsewhere'] },
    { ...vip, spec: local, endpoints: [] },
  ],
  'internal-local-without-endpoint': [
    { spec: { internalTrafficPolicy: 'Local' }, endpoints: ['elsewhere'] },
    { spec: { internalTrafficPolicy: 'Local' } },
    { endpoints: ['elsewhere'] },
  ],
  'session-affinity': [{ spec: affinity }, {}],
  'load-balancing': [{ endpoints: ['here', 'elsewhere'] }, {}],
  'endpoint-removal': [{ endpoints: ['here', 'going'] }, { endpoints: ['here', 'here'] }],
  'cluster-ip-other-ports': [{}, { spec: { type: 'ExternalName', clusterIP: '', externalName: 'example.org' } }],
  'unallocated-cluster-ips': [{ more: [serviceCIDR] }, {}],
  'cluster-ip-masquerade': [
    { config: { clusterCIDRs: { ipv4: undefined, ipv6: undefined } } },
    {},
    {
      config: {
        clusterCIDRs: { ipv4: undefined, ipv6: undefined },
        iptables: { ...iptables, masqueradeAll: true },
        nftables: { ...nftables, masqueradeAll: true },
      },
    },
  ],
  'masquerade-settings': [
    { config: { iptables: { ...iptables, masqueradeAll: true } } },
    {},
    { config: { iptables: { ...iptables, masqueradeBit: 5 }, nftables: { ...nftables, masqueradeBit: 5 } } },
  ],
  'forward-policy': [{}, { spec: { type: 'ClusterIP', clusterIP: 'None' } }],
  'invalid-packets': [{}, { spec: { type: 'ClusterIP', clusterIP: 'None' } }],
  'idle-connections': [{}, { spec: { type: 'ClusterIP', clusterIP: 'None' } }],
  'kernel-parameters': [{}, { spec: { type: 'ClusterIP', clusterIP: 'None' } }],
  'large-cluster': [
    { endpoints: new Array<'here'>(1001).fill('here') },
    { endpoints: new Array<'here'>(1000).fill('here') },
  ],
  'many-services': [{ more: manyServices }, { more: manyServices.slice(1) }],
  deprecation: [{ mode: 'ipvs' }, { mode: 'iptables' }, { mode: 'nftables' }],
};

it('every difference has its situations, and a name of its own', () => {
  expect(Object.keys(SITUATIONS)).toEqual(JUDGED_DIFFERENCES.map(({ code }) => code));
  const never = MODE_DIFFERENCES.map(({ code }) => code).filter((code) => !(code in SITUATIONS));
  expect(never).toEqual(['remote-hairpin', 'cluster-ip-route']);
  for (const { code, modes } of MODE_DIFFERENCES) {
    expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
    expect(new Set(Object.values(modes)).size).toBeGreaterThan(1);
    expect(Object.values(modes).join()).not.toMatch(/[|\n]|\.$/);
  }
});

it.each(Object.entries(SITUATIONS))('%s is noted where it matters only', (code, [concerned, ...others]) => {
  const topics = (situation: Situation) => notes(situation).map(({ topic }) => topic);
  expect(topics(concerned)).toContain(code);
  for (const other of others) expect(topics(other), JSON.stringify(other).slice(0, 200)).not.toContain(code);
});

it('a note says what the mode in force does, then the others, and names the Services', () => {
  const again = service('again', nodePort, '10.96.0.30');
  const [first] = notes({ port: { nodePort: 30081 }, more: [again] });
  expect(first).toEqual({
    code: 'mode-difference',
    severity: 'note',
    topic: 'node-port-localhost',
    objects: ['Service shop/again', 'Service shop/web'],
    message:
      'node ports on 127.0.0.1. nftables, ipvs: not answered. iptables: answered over IPv4; route_localnet is set for it.',
  });
  const inIptables = notes({ ...nodePort, mode: 'iptables' }).find(({ topic }) => topic === 'node-port-localhost');
  expect(inIptables?.message).toMatch(/^node ports on 127\.0\.0\.1\. iptables: .*\. ipvs, nftables: not answered\.$/);
});

it('both families give one note', () => {
  const dualStackNode: RawObject = {
    ...node,
    status: {
      addresses: [
        { type: 'InternalIP', address: '192.0.2.11' },
        { type: 'InternalIP', address: '2001:db8::11' },
      ],
    },
  };
  const web = service(
    'web',
    { spec: { clusterIPs: ['10.96.0.20', 'fd00:96::20'], ipFamilies: ['IPv4', 'IPv6'], ...affinity } },
    '10.96.0.20',
  );
  const only6 = service(
    'six',
    { spec: { clusterIPs: ['fd00:96::21'], ipFamilies: ['IPv6'], ...affinity } },
    'fd00:96::21',
  );
  const loaded = loadCluster(located([dualStackNode, web, only6]));
  expect(hasErrors(loaded.diagnostics)).toBe(false);
  const { parts, diagnostics } = compile(loaded.state, { mode: 'iptables', notes: true });
  expect(new Set(parts.map(({ family }) => family)).size).toBe(2);
  const topics = diagnostics.flatMap(({ topic }) => topic ?? []);
  expect(new Set(topics).size).toBe(topics.length);
  expect(diagnostics.find(({ topic }) => topic === 'session-affinity')?.objects).toEqual([
    'Service shop/six',
    'Service shop/web',
  ]);
});

it('without being asked nothing is noted', () => {
  const loaded = loadCluster(located([node, service('web', nodePort, '10.96.0.20'), slice('web', ['here'])]));
  expect(compile(loaded.state, { mode: 'nftables' }).diagnostics).toEqual([]);
});

/** Random clusters that an API server would admit, and random configurations, for property tests. */
import fc from 'fast-check';
import { DEFAULT_CONFIG, type ProxyConfig, type RawObject } from '../../src/index.js';
import { parseCidr } from '../../src/net/ip.js';

export interface RandomCluster {
  readonly objects: readonly RawObject[];
  readonly config: ProxyConfig;
  readonly node: string;
}

const NODES = ['node-0', 'node-1', 'node-2'];
const ZONES = ['zone-a', 'zone-b'];
const PROTOCOLS = ['TCP', 'UDP', 'SCTP'];

/** Which families the cluster has; the first is the primary one. */
const families = fc.constantFrom<readonly ('IPv4' | 'IPv6')[]>(['IPv4'], ['IPv6'], ['IPv4', 'IPv6'], ['IPv6', 'IPv4']);

const address = (family: 'IPv4' | 'IPv6', v4: string, v6: string, n: number): string =>
  family === 'IPv4' ? `${v4}.${n >> 8}.${n & 255}` : `${v6}::${n.toString(16)}`;

function node(
  name: string,
  index: number,
  clusterFamilies: readonly ('IPv4' | 'IPv6')[],
  zone: string | undefined,
): RawObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: zone === undefined ? {} : { 'topology.kubernetes.io/zone': zone } },
    spec: {
      podCIDRs: clusterFamilies.map((family) =>
        family === 'IPv4' ? `10.244.${index}.0/24` : `fd00:244:${index}::/64`,
      ),
    },
    status: {
      addresses: clusterFamilies.map((family) => ({
        type: index % 2 === 0 ? 'InternalIP' : 'ExternalIP',
        address: family === 'IPv4' ? `192.168.${index}.2` : `2001:db8:1::${index + 2}`,
      })),
    },
  };
}

interface EndpointSeed {
  readonly host: number;
  readonly ready: boolean | undefined;
  readonly serving: boolean | undefined;
  readonly terminating: boolean | undefined;
  readonly node: string | undefined;
  readonly zone: string | undefined;
  readonly forNode: string | undefined;
}

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 3 });

const endpointSeed: fc.Arbitrary<EndpointSeed> = fc.record({
  host: fc.integer({ min: 1, max: 4000 }),
  ready: maybe(fc.boolean()),
  serving: maybe(fc.boolean()),
  terminating: maybe(fc.boolean()),
  node: maybe(fc.constantFrom(...NODES)),
  zone: maybe(fc.constantFrom(...ZONES)),
  forNode: fc.option(fc.constantFrom(...NODES), { nil: undefined, freq: 1 }),
});

const serviceSeed = fc.record({
  namespace: fc.constantFrom('default', 'shop', 'a-b'),
  type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName', 'Headless'),
  protocols: fc.array(fc.constantFrom(...PROTOCOLS), { minLength: 1, maxLength: 3 }),
  dualStack: fc.boolean(),
  internalLocal: fc.boolean(),
  externalLocal: fc.boolean(),
  affinity: fc.option(fc.integer({ min: 1, max: 86400 }), { nil: undefined }),
  external: fc.boolean(),
  vips: fc.integer({ min: 0, max: 2 }),
  ranges: fc.subarray(['203.0.113.0/24', '192.168.0.0/16', '2001:db8::/32', '0.0.0.0/0']),
  otherProxy: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  slices: fc.array(fc.array(endpointSeed, { maxLength: 6 }), { maxLength: 3 }),
});

type ServiceSeed = typeof serviceSeed extends fc.Arbitrary<infer T> ? T : never;

function serviceObjects(
  seed: ServiceSeed,
  index: number,
  clusterFamilies: readonly ('IPv4' | 'IPv6')[],
): readonly RawObject[] {
  const name = `svc-${index}`;
  const families = seed.dualStack ? clusterFamilies : clusterFamilies.slice(0, 1);
  const clusterIPs = families.map((family) => address(family, '10.96', 'fd00:96', index + 10));
  const headless = seed.type === 'Headless';
  const proxied = !headless && seed.type !== 'ExternalName';
  const outside = seed.type === 'NodePort' || seed.type === 'LoadBalancer';
  const portName = (i: number) => (seed.protocols.length === 1 ? '' : `p${i}`);
  const service: RawObject = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name,
      namespace: seed.namespace,
      labels: seed.otherProxy ? { 'service.kubernetes.io/service-proxy-name': 'other' } : {},
    },
    spec: {
      type: headless ? 'ClusterIP' : seed.type,
      ...(seed.type === 'ExternalName' ? { externalName: 'db.example.com' } : {}),
      ...(headless ? { clusterIP: 'None', clusterIPs: ['None'] } : {}),
      ...(proxied ? { clusterIP: clusterIPs[0], clusterIPs, ipFamilies: families } : {}),
      ports: seed.protocols.map((protocol, i) => ({
        name: portName(i),
        protocol,
        port: 80 + i,
        ...(outside ? { nodePort: 30000 + index * 4 + i } : {}),
      })),
      internalTrafficPolicy: seed.internalLocal ? 'Local' : 'Cluster',
      ...(outside || seed.external ? { externalTrafficPolicy: seed.externalLocal ? 'Local' : 'Cluster' } : {}),
      ...(seed.affinity === undefined
        ? {}
        : { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: seed.affinity } } }),
      ...(seed.external
        ? { externalIPs: families.map((family) => address(family, '198.51', '2001:db8:e', index + 1)) }
        : {}),
      ...(seed.type === 'LoadBalancer' ? { loadBalancerSourceRanges: seed.ranges } : {}),
      ...(seed.type === 'LoadBalancer' && seed.externalLocal ? { healthCheckNodePort: 31000 + index } : {}),
    },
    status:
      seed.type === 'LoadBalancer'
        ? {
            loadBalancer: {
              ingress: families.flatMap((family) =>
                Array.from({ length: seed.vips }, (_, i) => ({
                  ip: address(family, '203.0', '2001:db8:f', index * 4 + i + 1),
                })),
              ),
            },
          }
        : {},
  };
  const slices = families.flatMap((family) =>
    seed.slices.map(
      (endpoints, i): RawObject => ({
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: {
          name: `${name}-${family.toLowerCase()}-${i}`,
          namespace: seed.namespace,
          labels: { 'kubernetes.io/service-name': name },
        },
        addressType: family,
        ports: seed.protocols.map((protocol, j) => ({ name: portName(j), protocol, port: 8080 + j })),
        endpoints: endpoints.map((each) => ({
          addresses: [address(family, '10.244', 'fd00:244', each.host)],
          conditions: { ready: each.ready, serving: each.serving, terminating: each.terminating },
          ...(each.node === undefined ? {} : { nodeName: each.node }),
          hints: {
            ...(each.zone === undefined ? {} : { forZones: [{ name: each.zone }] }),
            ...(each.forNode === undefined ? {} : { forNodes: [{ name: each.forNode }] }),
          },
        })),
      }),
    ),
  );
  return [service, ...slices];
}

const cidrs = (texts: readonly string[]) => texts.map((text) => parseCidr(text)).filter((cidr) => cidr !== undefined);

const config: fc.Arbitrary<ProxyConfig> = fc
  .record({
    detectLocalMode: fc.constantFrom('ClusterCIDR', 'NodeCIDR', 'BridgeInterface', 'InterfaceNamePrefix'),
    clusterCIDR: fc.boolean(),
    masqueradeAll: fc.boolean(),
    masqueradeBit: fc.integer({ min: 0, max: 31 }),
    localhostNodePorts: fc.boolean(),
    nodePortAddresses: fc.oneof(
      fc.constant('primary' as const),
      fc.subarray(['192.168.0.0/16', '127.0.0.0/8', '2001:db8::/32', '0.0.0.0/0', '::/0']).map(cidrs),
    ),
  })
  .map((seed) => ({
    ...DEFAULT_CONFIG,
    detectLocalMode: seed.detectLocalMode,
    clusterCIDRs: seed.clusterCIDR
      ? { ipv4: '10.244.0.0/16', ipv6: 'fd00:244::/48' }
      : { ipv4: undefined, ipv6: undefined },
    bridgeInterface: 'cni0',
    interfaceNamePrefix: 'veth',
    nodePortAddresses: seed.nodePortAddresses,
    iptables: {
      masqueradeAll: seed.masqueradeAll,
      masqueradeBit: seed.masqueradeBit,
      localhostNodePorts: seed.localhostNodePorts,
    },
  }));

/** A whole random cluster with one node chosen. */
export const randomCluster: fc.Arbitrary<RandomCluster> = fc
  .record({
    families,
    zones: fc.array(maybe(fc.constantFrom(...ZONES)), { minLength: 3, maxLength: 3 }),
    services: fc.array(serviceSeed, { maxLength: 8 }),
    config,
    node: fc.constantFrom(...NODES),
  })
  .map((seed) => ({
    objects: [
      ...NODES.map((name, i) => node(name, i, seed.families, seed.zones[i])),
      ...seed.services.flatMap((service, i) => serviceObjects(service, i, seed.families)),
    ],
    config: seed.config,
    node: seed.node,
  }));

/** Random clusters that an API server would admit, and random configurations, for property tests. */
import fc from 'fast-check';
import { DEFAULT_CONFIG, type ProxyConfig, type RawObject } from '../../src/index.js';
import { parseCidr, parseIp } from '../../src/net/ip.js';

export interface RandomCluster {
  readonly objects: readonly RawObject[];
  readonly config: ProxyConfig;
  readonly node: string;
}

const NODES = ['node-0', 'node-1', 'node-2'];
const ZONES = ['zone-a', 'zone-b'];
const PROTOCOLS = ['TCP', 'UDP', 'SCTP'];

/** Addresses of Services that no rule may have, as their ipMode is Proxy. */
export const PROXIED = { IPv4: '203.0.200.200', IPv6: '2001:db8:abcd::1' };

/** Names of interfaces, and how nft must have them. */
export const BRIDGES = { cni0: 'cni0', bridge: '"bridge"', '5eth': '"5eth"' };
export const PREFIXES = { veth: 'veth*', tcp: 'tcp*', '42': '"42*"' };

/** Of a node, second addresses of nodes, one of nobody. */
const BIND_ADDRESSES = ['192.168.0.2', '198.18.0.2', '2001:db8:1::2', '2001:db8:2::1', '192.168.77.7'];

/** Which families the cluster has; the first is the primary one. */
const families = fc.constantFrom<readonly ('IPv4' | 'IPv6')[]>(['IPv4'], ['IPv6'], ['IPv4', 'IPv6'], ['IPv6', 'IPv4']);

const address = (family: 'IPv4' | 'IPv6', v4: string, v6: string, n: number): string =>
  family === 'IPv4' ? `${v4}.${n >> 8}.${n & 255}` : `${v6}::${n.toString(16)}`;

/** An address of a node; each node has this one of every family. */
const nodeAddress = (family: 'IPv4' | 'IPv6', index: number): string =>
  family === 'IPv4' ? `192.168.${index}.2` : `2001:db8:1::${index + 2}`;

function node(
  name: string,
  index: number,
  clusterFamilies: readonly ('IPv4' | 'IPv6')[],
  zone: string | undefined,
  more: { readonly second: boolean; readonly linkLocal: boolean },
): RawObject {
  const [type, otherType] = index % 2 === 0 ? ['InternalIP', 'ExternalIP'] : ['ExternalIP', 'InternalIP'];
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
      // kube-proxy takes an InternalIP for the node's own address, if there is one.
      addresses: clusterFamilies.flatMap((family) => [
        { type, address: nodeAddress(family, index) },
        ...(more.linkLocal && family === 'IPv6' ? [{ type: otherType, address: `fe80::${index + 1}` }] : []),
        ...(more.second ? [{ type: otherType, address: address(family, '198.18', '2001:db8:2', index + 1) }] : []),
      ]),
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
  forNode: fc.option(fc.constantFrom(...NODES), { nil: undefined, freq: 2 }),
});

const serviceSeed = fc.record({
  namespace: fc.constantFrom('default', 'shop', 'a-b'),
  type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName', 'Headless'),
  protocols: fc.array(fc.constantFrom(...PROTOCOLS), { minLength: 1, maxLength: 3 }),
  /** One number for all ports, where their protocols differ. */
  oneNumber: fc.boolean(),
  dualStack: fc.boolean(),
  internalLocal: fc.boolean(),
  externalLocal: fc.boolean(),
  affinity: fc.option(fc.integer({ min: 1, max: 86400 }), { nil: undefined }),
  external: fc.boolean(),
  externalAt: fc.constantFrom<ExternalAt>('own', 'own', 'node', 'loopback'),
  vips: fc.integer({ min: 0, max: 2 }),
  /** The load-balancer addresses once more: in the status, or as external IPs. */
  vipsAgain: fc.constantFrom('no', 'no', 'status', 'external'),
  /** One more address in the status, which a proxy in front of the nodes answers. */
  proxied: fc.boolean(),
  /** Whether each slice has another number for the port of one name, as pods may have for a named targetPort. */
  numberBySlice: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
  ranges: fc.subarray(['203.0.113.0/24', '192.168.0.0/16', '2001:db8::/32', '0.0.0.0/0']),
  otherProxy: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  slices: fc.array(fc.array(endpointSeed, { maxLength: 6 }), { maxLength: 3 }),
});

/** What an external IP is: an address of the Service's own, one that a node has, or one that means the host itself. */
type ExternalAt = 'own' | 'node' | 'loopback';

type ServiceSeed = typeof serviceSeed extends fc.Arbitrary<infer T> ? T : never;

function externalIP(family: 'IPv4' | 'IPv6', at: ExternalAt, index: number): string {
  // A node has one address of a family, which only one Service may have.
  if (at === 'node' && index < NODES.length) return nodeAddress(family, index);
  if (at === 'loopback') return family === 'IPv4' ? `127.0.0.${index + 1}` : `fe80::${index + 1}`;
  return address(family, '198.51', '2001:db8:e', index + 1);
}

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
  const oneNumber = seed.oneNumber && new Set(seed.protocols).size === seed.protocols.length;
  const number = (first: number, i: number) => (oneNumber ? first : first + i);
  const vips = (family: 'IPv4' | 'IPv6') =>
    Array.from({ length: seed.type === 'LoadBalancer' ? seed.vips : 0 }, (_, i) =>
      address(family, '203.0', '2001:db8:f', index * 4 + i + 1),
    );
  const externalIPs = families.flatMap((family) => [
    ...(seed.external ? [externalIP(family, seed.externalAt, index)] : []),
    ...(seed.vipsAgain === 'external' ? vips(family) : []),
  ]);
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
        port: number(80, i),
        ...(outside ? { nodePort: number(30000 + index * 4, i) } : {}),
      })),
      internalTrafficPolicy: seed.internalLocal ? 'Local' : 'Cluster',
      ...(outside || externalIPs.length > 0 ? { externalTrafficPolicy: seed.externalLocal ? 'Local' : 'Cluster' } : {}),
      ...(seed.affinity === undefined
        ? {}
        : { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: seed.affinity } } }),
      ...(externalIPs.length > 0 ? { externalIPs } : {}),
      ...(seed.type === 'LoadBalancer' ? { loadBalancerSourceRanges: seed.ranges } : {}),
      ...(seed.type === 'LoadBalancer' && seed.externalLocal ? { healthCheckNodePort: 31000 + index } : {}),
    },
    status:
      seed.type === 'LoadBalancer'
        ? {
            loadBalancer: {
              ingress: families
                .flatMap((family) => [...vips(family), ...(seed.vipsAgain === 'status' ? vips(family) : [])])
                .map((ip): object => ({ ip }))
                .concat(seed.proxied ? { ip: PROXIED[families[0] ?? 'IPv4'], ipMode: 'Proxy' } : []),
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
        ports: seed.protocols.map((protocol, j) => ({
          name: portName(j),
          protocol,
          port: number(seed.numberBySlice ? 8080 + 1000 * i : 8080, j),
        })),
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

/** Ranges of cluster IPs, perhaps one of them twice. */
const serviceCIDRs = fc
  .array(fc.constantFrom(['10.96.0.0/12'], ['172.30.0.0/16'], ['fd00:96::/112'], ['10.96.0.0/12', 'fd00:96::/112']), {
    maxLength: 2,
  })
  .map((ranges) =>
    ranges.map(
      (texts, i): RawObject => ({
        apiVersion: 'networking.k8s.io/v1',
        kind: 'ServiceCIDR',
        metadata: { name: `range-${i}` },
        spec: { cidrs: texts },
      }),
    ),
  );

const cidrs = (texts: readonly string[]) => texts.map((text) => parseCidr(text)).filter((cidr) => cidr !== undefined);

const timeout = fc.constantFrom(0, 0, 0.999, 1.5, 900);

const config: fc.Arbitrary<ProxyConfig> = fc
  .record({
    detectLocalMode: fc.constantFrom('ClusterCIDR', 'NodeCIDR', 'BridgeInterface', 'InterfaceNamePrefix'),
    clusterCIDR: fc.boolean(),
    bridgeInterface: fc.constantFrom(...Object.keys(BRIDGES)),
    interfaceNamePrefix: fc.constantFrom(...Object.keys(PREFIXES)),
    bindAddress: fc.option(fc.constantFrom(...BIND_ADDRESSES), { nil: undefined, freq: 2 }),
    masqueradeAll: fc.boolean(),
    masqueradeBit: fc.integer({ min: 0, max: 31 }),
    localhostNodePorts: fc.boolean(),
    nftables: fc.record({ masqueradeAll: fc.boolean(), masqueradeBit: fc.integer({ min: 0, max: 31 }) }),
    scheduler: fc.constantFrom('rr', 'lc', 'sh', 'mh'),
    strictARP: fc.boolean(),
    timeouts: fc.tuple(timeout, timeout, timeout),
    nodePortAddresses: fc.oneof(
      fc.constant('primary' as const),
      fc.subarray(['192.168.0.0/16', '127.0.0.0/8', '2001:db8::/32', 'fe80::/10', '0.0.0.0/0', '::/0']).map(cidrs),
    ),
  })
  .map((seed) => ({
    ...DEFAULT_CONFIG,
    detectLocalMode: seed.detectLocalMode,
    clusterCIDRs: seed.clusterCIDR
      ? { ipv4: '10.244.0.0/16', ipv6: 'fd00:244::/48' }
      : { ipv4: undefined, ipv6: undefined },
    bindAddress: seed.bindAddress === undefined ? undefined : parseIp(seed.bindAddress),
    bridgeInterface: seed.bridgeInterface,
    interfaceNamePrefix: seed.interfaceNamePrefix,
    nodePortAddresses: seed.nodePortAddresses,
    iptables: {
      masqueradeAll: seed.masqueradeAll,
      masqueradeBit: seed.masqueradeBit,
      localhostNodePorts: seed.localhostNodePorts,
    },
    ipvs: {
      scheduler: seed.scheduler,
      excludeCIDRs: [],
      strictARP: seed.strictARP,
      tcpTimeoutSeconds: seed.timeouts[0],
      tcpFinTimeoutSeconds: seed.timeouts[1],
      udpTimeoutSeconds: seed.timeouts[2],
    },
    nftables: seed.nftables,
  }));

/** A whole random cluster with one node chosen. */
export const randomCluster: fc.Arbitrary<RandomCluster> = fc
  .record({
    families,
    moreAddresses: fc.record({ second: fc.boolean(), linkLocal: fc.boolean() }),
    zones: fc.array(maybe(fc.constantFrom(...ZONES)), { minLength: 3, maxLength: 3 }),
    services: fc.array(serviceSeed, { maxLength: 8 }),
    serviceCIDRs,
    config,
    node: fc.constantFrom(...NODES),
  })
  .map((seed) => ({
    objects: [
      ...NODES.map((name, i) => node(name, i, seed.families, seed.zones[i], seed.moreAddresses)),
      ...seed.serviceCIDRs,
      ...seed.services.flatMap((service, i) => serviceObjects(service, i, seed.families)),
    ],
    config: seed.config,
    node: seed.node,
  }));

/** A cluster, and the same with its objects in another order. */
export const shuffledCluster: fc.Arbitrary<readonly [RandomCluster, RandomCluster]> = randomCluster.chain((cluster) =>
  fc
    .shuffledSubarray([...cluster.objects], { minLength: cluster.objects.length })
    .map((objects) => [cluster, { ...cluster, objects }] as const),
);

/** Names whose order is not that of their Services once a port's name follows: `web-2:p` stands before `web:p`. */
const CONTESTED_NAMES = ['web', 'web-2', 'api'];

/** The higher ones are node ports of the first two Services too, which an external IP on a node meets there. */
const CONTESTED_PORTS = [80, 30000, 30004];

const contestedSeed = fc.record({
  namespace: fc.constantFrom('default', 'a'),
  name: fc.constantFrom(...CONTESTED_NAMES),
  ports: fc.uniqueArray(
    fc.record({ protocol: fc.constantFrom('TCP', 'UDP'), port: fc.constantFrom(...CONTESTED_PORTS) }),
    { minLength: 1, maxLength: 2, selector: ({ protocol, port }) => `${port}/${protocol}` },
  ),
  portName: fc.constantFrom('', 'http'),
  nodePorts: fc.boolean(),
  local: fc.boolean(),
  internalLocal: fc.boolean(),
  affinity: fc.option(fc.constantFrom(10, 20), { nil: undefined }),
  externalIPs: fc.subarray([0, 1, 2, 3]),
  vips: fc.subarray([0, 1, 2]),
  ranges: fc.boolean(),
  endpoints: fc.array(fc.option(fc.constantFrom(...NODES), { nil: undefined }), { maxLength: 3 }),
});

function contestedObjects(
  seed: typeof contestedSeed extends fc.Arbitrary<infer T> ? T : never,
  index: number,
  family: 'IPv4' | 'IPv6',
): readonly RawObject[] {
  const contested = [
    address(family, '198.51', '2001:db8:e', 1),
    address(family, '198.51', '2001:db8:e', 2),
    nodeAddress(family, 0),
    // The cluster IP of the first Service.
    address(family, '10.96', 'fd00:96', 10),
  ];
  const { namespace, name } = seed;
  // The second port's name stands before the first one's.
  const portName = (i: number) => (seed.ports.length === 1 ? seed.portName : i === 0 ? 'b' : 'a');
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace, name },
      spec: {
        type: 'LoadBalancer',
        allocateLoadBalancerNodePorts: false,
        internalTrafficPolicy: seed.internalLocal ? 'Local' : 'Cluster',
        clusterIP: address(family, '10.96', 'fd00:96', index + 10),
        externalTrafficPolicy: seed.local ? 'Local' : 'Cluster',
        ...(seed.affinity === undefined
          ? {}
          : { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: seed.affinity } } }),
        externalIPs: seed.externalIPs.filter((i) => i < 3 || index > 0).map((i) => contested[i]),
        loadBalancerSourceRanges: seed.ranges ? ['203.0.113.0/24', '2001:db8:99::/48'] : [],
        ports: seed.ports.map(({ protocol, port }, i) => ({
          name: portName(i),
          protocol,
          port,
          ...(seed.nodePorts ? { nodePort: 30000 + index * 4 + i } : {}),
        })),
      },
      status: { loadBalancer: { ingress: seed.vips.map((i) => ({ ip: contested[i] })) } },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { namespace, name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
      addressType: family,
      ports: seed.ports.map(({ protocol }, i) => ({ name: portName(i), protocol, port: 8080 + i })),
      endpoints: seed.endpoints.map((nodeName, i) => ({
        addresses: [address(family, '10.244', 'fd00:244', index * 8 + i + 1)],
        ...(nodeName === undefined ? {} : { nodeName }),
      })),
    },
  ];
}

/** A cluster whose Services claim the same few addresses and ports. */
export const contestedCluster: fc.Arbitrary<RandomCluster> = fc
  .record({
    family: fc.constantFrom<'IPv4' | 'IPv6'>('IPv4', 'IPv6'),
    services: fc.uniqueArray(contestedSeed, {
      minLength: 2,
      maxLength: 5,
      selector: ({ namespace, name }) => `${namespace}/${name}`,
    }),
    config,
    // The node whose address is contested, mostly.
    node: fc.constantFrom('node-0', 'node-0', 'node-1'),
  })
  .map((seed) => ({
    objects: [
      ...NODES.map((name, i) => node(name, i, [seed.family], undefined, { second: false, linkLocal: false })),
      ...seed.services.flatMap((service, i) => contestedObjects(service, i, seed.family)),
    ],
    config: seed.config,
    node: seed.node,
  }));

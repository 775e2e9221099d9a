/** What scripts/simulate-peer.ts gives to both sides: a table of Pods, Services and Endpoints, and as many at random. */
import type { RawObject } from '../src/kube/objects.js';

/** Everything for one run. */
export interface PeerObjects {
  readonly nodes: readonly RawObject[];
  readonly pods: readonly RawObject[];
  readonly services: readonly RawObject[];
  readonly endpoints: readonly RawObject[];
}

type Random = ReturnType<typeof createRandom>;
type Make = ReturnType<typeof createMaker>;

/**
 * The objects of one run.
 * @param seed the same seed gives the same objects
 * @param serviceRange the cluster's --service-cluster-ip-range
 */
export function peerObjects(seed: number, namespace: string, serviceRange: string): PeerObjects {
  const random = createRandom(seed);
  const make = createMaker(namespace, random);
  return {
    nodes: [
      node('peer-a', 'zone-a', ['10.244.0.0/24', 'fd00:244::/64']),
      node('peer-b', 'zone-b', ['10.244.1.0/24', 'fd00:244:0:1::/64']),
      node('peer-c', undefined, ['10.244.2.0/24']),
    ],
    pods: [...givenPods(make), ...randomPods(make, random)],
    services: [...givenServices(make, serviceRange), ...randomServices(make, random)],
    endpoints: [...givenEndpoints(make, namespace), ...randomEndpoints(make, random)],
  };
}

/** A small generator of numbers (LCG), so that a failing run can be repeated by its seed. */
function createRandom(seed: number): {
  below(n: number): number;
  one<T>(list: readonly T[]): T;
  chance(p: number): boolean;
} {
  let state = seed >>> 0;
  const below = (n: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  return {
    below,
    one: (list) => list[below(list.length)] as (typeof list)[number],
    chance: (p) => below(1000) < p * 1000,
  };
}

function node(name: string, zone: string | undefined, podCIDRs: string[]): RawObject {
  const labels = zone === undefined ? {} : { 'topology.kubernetes.io/zone': zone };
  const address = { type: 'InternalIP', address: `172.18.1.${name.charCodeAt(5)}` };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels },
    spec: { podCIDR: podCIDRs[0], podCIDRs },
    status: { addresses: [address] },
  };
}

/** How objects of the namespace are written. */
function createMaker(namespace: string, random: Random) {
  function container(ports: unknown[], rest: Record<string, unknown> = {}): unknown {
    return { name: `c${random.below(1_000_000)}`, image: 'none', ports, ...rest };
  }
  function pod(
    name: string,
    labels: Record<string, string>,
    spec: Record<string, unknown> = {},
    rest: Record<string, unknown> = {},
  ): RawObject {
    const { deletionTimestamp, ...others } = rest;
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace, labels, ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }) },
      spec: { containers: [container([{ name: 'http', containerPort: 8080 }])], ...spec },
      ...others,
    };
  }
  function service(name: string, spec: Record<string, unknown>, labels?: Record<string, string>): RawObject {
    return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace, ...(labels && { labels }) }, spec };
  }
  function endpoints(name: string, subsets: unknown[] | undefined, metadata: Record<string, unknown> = {}): RawObject {
    return {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { name, namespace, ...metadata },
      ...(subsets && { subsets }),
    };
  }
  return { container, pod, service, endpoints };
}

const notReady = { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'False' }] } };
const deleting = { deletionTimestamp: '2026-01-01T00:00:00Z' };

function givenPods({ pod, container }: Make): readonly RawObject[] {
  return [
    pod('plain', { app: 'a' }),
    pod('unready', { app: 'a' }, {}, notReady),
    pod('leaving', { app: 'a' }, { nodeName: 'peer-c' }, deleting),
    pod('leaving-unready', { app: 'a' }, {}, { ...deleting, ...notReady }),
    pod(
      'over',
      { app: 'a' },
      {},
      { status: { phase: 'Succeeded', podIP: '10.244.0.250', podIPs: [{ ip: '10.244.0.250' }] } },
    ),
    pod('failed', { app: 'a' }, {}, { status: { phase: 'Failed' } }),
    pod('waiting', { app: 'a' }, {}, { status: { phase: 'Pending' } }),
    pod(
      'starting',
      { app: 'a' },
      { nodeName: 'peer-a' },
      { status: { phase: 'Pending', podIP: '10.244.0.251', podIPs: [{ ip: '10.244.0.251' }] } },
    ),
    pod('other-port', { app: 'a' }, { containers: [container([{ name: 'http', containerPort: 9090 }])] }),
    pod('no-port', { app: 'a' }, { containers: [container([])] }),
    pod('udp-port', { app: 'a' }, { containers: [container([{ name: 'http', containerPort: 53, protocol: 'UDP' }])] }),
    pod(
      'sidecar',
      { app: 'a' },
      {
        containers: [container([])],
        initContainers: [container([{ name: 'http', containerPort: 8081 }], { restartPolicy: 'Always' })],
      },
    ),
    pod(
      'init',
      { app: 'a' },
      { containers: [container([])], initContainers: [container([{ name: 'http', containerPort: 8082 }])] },
    ),
    pod('named', { app: 'a' }, { hostname: 'host', subdomain: 'headless' }),
    pod('named-b', { app: 'a' }, { hostname: 'host', subdomain: 'other' }),
    pod('no-zone', { app: 'a' }, { nodeName: 'peer-c' }),
    pod('on-host', { app: 'a' }, { hostNetwork: true, nodeName: 'peer-b' }),
    pod(
      'given-ip',
      { app: 'a' },
      { nodeName: 'peer-b' },
      { status: { podIP: '10.244.1.9', podIPs: [{ ip: '10.244.1.9' }] } },
    ),
    ...Array.from({ length: 130 }, (_, i) => pod(`many-${i}`, { app: 'many' })),
  ];
}

const a = { app: 'a' };
const one = [{ port: 80 }];

function givenServices({ service }: Make, serviceRange: string): readonly RawObject[] {
  return [
    service('plain', { selector: a, ports: one }),
    service(
      'number',
      { selector: a, ports: [{ port: 80, targetPort: 8080 }] },
      { team: 'x', 'service.kubernetes.io/headless': 'no', 'kubernetes.io/service-name': 'y' },
    ),
    service('named', {
      selector: a,
      ports: [
        { name: 'w', port: 80, targetPort: 'http' },
        { name: 'm', port: 81, appProtocol: 'h2c' },
      ],
    }),
    service('named-udp', { selector: a, ports: [{ port: 80, protocol: 'UDP', targetPort: 'http' }] }),
    service('unnamed-target', { selector: a, ports: [{ port: 80, targetPort: 'nothing' }] }),
    service('headless', { clusterIP: 'None', selector: a, ports: [{ port: 80, targetPort: 'http' }] }),
    service('headless-no-ports', { clusterIP: 'None', selector: a }),
    service('headless-dual', { clusterIP: 'None', selector: a, ipFamilyPolicy: 'PreferDualStack', ports: one }),
    service('publish', { publishNotReadyAddresses: true, selector: a, ports: one, trafficDistribution: 'PreferClose' }),
    service('nothing', { selector: { app: 'nobody' }, ports: one }),
    service('dual', { selector: a, ports: one, ipFamilyPolicy: 'PreferDualStack' }),
    service('require', { selector: a, ports: one, ipFamilyPolicy: 'RequireDualStack' }),
    service('ipv6', { selector: a, ports: one, ipFamilies: ['IPv6'] }),
    service('ipv6-first', {
      selector: a,
      ports: one,
      ipFamilies: ['IPv6', 'IPv4'],
      ipFamilyPolicy: 'RequireDualStack',
    }),
    service('two-families', { selector: a, ports: one, ipFamilies: ['IPv6', 'IPv4'] }),
    // Outside of the range the API server refuses what we keep.
    ...(serviceRange.includes('10.96.0.0/')
      ? [
          service('set-ip', { selector: a, ports: one, clusterIP: '10.96.0.77' }),
          service('set-ip-dual', {
            selector: a,
            ports: one,
            clusterIP: '10.96.0.78',
            ipFamilyPolicy: 'PreferDualStack',
          }),
        ]
      : []),
    service('zone', { selector: a, ports: one, trafficDistribution: 'PreferSameZone' }),
    service('close', { selector: a, ports: one, trafficDistribution: 'PreferClose' }),
    service('node', { selector: a, ports: one, trafficDistribution: 'PreferSameNode' }),
    service('many', { selector: { app: 'many' }, ports: one }),
    service('node-ports', {
      type: 'NodePort',
      selector: a,
      ports: [
        { name: 'a', port: 53, protocol: 'UDP' },
        { name: 'b', port: 53 },
        { name: 'c', port: 54 },
      ],
    }),
    service('node-ports-set', {
      type: 'NodePort',
      selector: a,
      ports: [
        { name: 'a', port: 53, protocol: 'UDP' },
        { name: 'b', port: 53, nodePort: 30011 },
        { name: 'c', port: 54 },
      ],
    }),
    service('node-ports-three', {
      type: 'NodePort',
      selector: a,
      ports: [
        { name: 'a', port: 53, protocol: 'UDP', nodePort: 30012 },
        { name: 'b', port: 53, nodePort: 30013 },
        { name: 'c', port: 53, protocol: 'SCTP' },
      ],
    }),
    service('balanced', { type: 'LoadBalancer', selector: a, ports: one, externalTrafficPolicy: 'Local' }),
    service('balanced-health', {
      type: 'LoadBalancer',
      selector: a,
      ports: one,
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 30123,
    }),
    service('balanced-no-ports', {
      type: 'LoadBalancer',
      selector: a,
      allocateLoadBalancerNodePorts: false,
      ports: [
        { name: 'a', port: 80, nodePort: 30100 },
        { name: 'b', port: 81 },
      ],
    }),
    service('no-selector', { ports: one }),
    service('headless-no-selector', { clusterIP: 'None', ports: one }),
    service('external', { type: 'ExternalName', externalName: 'example.com', selector: a }),
  ];
}

function randomPods({ pod, container }: Make, random: Random): readonly RawObject[] {
  const pods: RawObject[] = [];
  for (let i = 0; i < 60; i++) {
    const ports = ['http', 'metrics', 'dns']
      .filter(() => random.chance(0.6))
      .map((name) => ({ name, containerPort: 8000 + random.below(3), ...(random.chance(0.3) && { protocol: 'UDP' }) }));
    const labels = Object.fromEntries(
      ['app', 'tier', 'track'].filter(() => random.chance(0.8)).map((key) => [key, `r${random.below(3)}`]),
    );
    const spec = {
      containers: [container(ports)],
      ...(random.chance(0.2) && { hostname: `h${i}`, subdomain: `random-${random.below(40)}` }),
      ...(random.chance(0.3) && { nodeName: random.one(['peer-a', 'peer-b', 'peer-c']) }),
    };
    const status = random.chance(0.3)
      ? {
          status: {
            phase: random.one(['Running', 'Running', 'Failed', 'Pending']),
            conditions: [{ type: 'Ready', status: random.one(['True', 'False', 'Unknown']) }],
          },
        }
      : {};
    pods.push(pod(`random-${i}`, labels, spec, { ...status, ...(random.chance(0.15) && deleting) }));
  }
  return pods;
}

function randomServices({ service }: Make, random: Random): readonly RawObject[] {
  const services: RawObject[] = [];
  for (let i = 0; i < 40; i++) {
    const ports = ['x', 'y', 'z'].slice(0, 1 + random.below(3)).map((name, j) => ({
      name,
      port: 80 + j,
      targetPort: random.one(['http', 'metrics', 'dns', 8000]),
      protocol: random.one(['TCP', 'TCP', 'UDP']),
      ...(random.chance(0.2) && { appProtocol: 'kubernetes.io/h2c' }),
    }));
    const selector = Object.fromEntries(
      ['app', 'tier', 'track']
        .filter((_, j) => j === 0 || random.chance(0.4))
        .map((key) => [key, `r${random.below(3)}`]),
    );
    services.push(
      service(
        `random-${i}`,
        {
          ports,
          selector,
          ...(random.chance(0.3) && { clusterIP: 'None' }),
          ...(random.chance(0.3) && { publishNotReadyAddresses: true }),
          ...(random.chance(0.4) && {
            ipFamilyPolicy: random.one(['SingleStack', 'PreferDualStack', 'RequireDualStack']),
          }),
          ...(random.chance(0.2) && { ipFamilies: [random.one(['IPv4', 'IPv6'])] }),
          ...(random.chance(0.4) && {
            trafficDistribution: random.one(['PreferClose', 'PreferSameZone', 'PreferSameNode']),
          }),
        },
        random.chance(0.5) ? { k: 'v' } : undefined,
      ),
    );
  }
  return services;
}

const hosts = (count: number): { ip: string }[] =>
  Array.from({ length: count }, (_, i) => ({ ip: `10.${1 + Math.floor(i / 250)}.0.${1 + (i % 250)}` }));
const web = [{ port: 80 }];

function givenEndpoints({ endpoints }: Make, namespace: string): readonly RawObject[] {
  return [
    endpoints('e-one', [
      {
        addresses: [
          { ip: '10.0.0.2', nodeName: 'peer-a' },
          { ip: '10.0.0.1', hostname: 'h', targetRef: { kind: 'Pod', name: 'p', namespace, uid: 'u' } },
        ],
        notReadyAddresses: [{ ip: '10.0.0.3' }],
        ports: [
          { name: 'http', port: 80, appProtocol: 'h2c' },
          { name: 'dns', port: 53, protocol: 'UDP' },
        ],
      },
    ]),
    endpoints('e-no-ports', [{ addresses: [{ ip: '10.0.0.2' }] }]),
    endpoints('e-cross', [
      {
        addresses: [{ ip: '10.0.0.1' }],
        ports: [
          { name: 'a', port: 80 },
          { name: 'b', port: 81 },
        ],
      },
      { addresses: [{ ip: '10.0.0.2' }], ports: [{ name: 'a', port: 80 }] },
    ]),
    endpoints('e-both', [{ addresses: [{ ip: '10.0.0.1' }], notReadyAddresses: [{ ip: '10.0.0.1' }], ports: web }]),
    endpoints('e-both-subsets', [
      { addresses: [{ ip: '10.0.0.1' }, { ip: '10.0.0.9' }], ports: web },
      { notReadyAddresses: [{ ip: '10.0.0.1' }], ports: web },
    ]),
    endpoints('e-protocols', [
      { addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80, appProtocol: 'x' }] },
      { addresses: [{ ip: '10.0.0.2' }], ports: [{ port: 80, appProtocol: 'x' }] },
    ]),
    endpoints('e-dual', [{ addresses: [{ ip: '10.0.0.1' }, { ip: 'FD00::0:1' }], ports: web }]),
    endpoints('e-two-pods', [
      {
        addresses: ['p', 'q'].map((name) => ({
          ip: '10.0.0.1',
          targetRef: { kind: 'Pod', name, namespace, uid: name },
        })),
        ports: web,
      },
    ]),
    endpoints('e-two-nodes', [
      { addresses: [{ ip: '10.0.0.1', nodeName: 'peer-a' }], ports: [{ name: 'a', port: 80 }] },
      { addresses: [{ ip: '10.0.0.1', nodeName: 'peer-b' }], ports: [{ name: 'b', port: 81 }] },
    ]),
    endpoints('e-many', [{ addresses: hosts(1200), notReadyAddresses: [{ ip: '10.200.0.1' }], ports: web }]),
    endpoints('e-many-unready', [{ addresses: hosts(900), notReadyAddresses: hosts(1200).slice(900), ports: web }]),
    endpoints('e-empty', []),
    endpoints('e-none', undefined),
    endpoints('e-skip', [{ addresses: [{ ip: '10.0.0.1' }], ports: web }], {
      labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' },
    }),
    endpoints('e-no-skip', [{ addresses: [{ ip: '10.0.0.1' }], ports: web }], {
      labels: { 'endpointslice.kubernetes.io/skip-mirror': 'True' },
    }),
    endpoints('e-leader', [{ addresses: [{ ip: '10.0.0.1' }], ports: web }], {
      annotations: { 'control-plane.alpha.kubernetes.io/leader': '' },
    }),
    endpoints('e-labels', [{ addresses: [{ ip: '10.0.0.1' }], ports: web }], {
      labels: {
        k: 'v',
        'service.kubernetes.io/headless': 'q',
        'kubernetes.io/service-name': 'other',
        'endpointslice.kubernetes.io/managed-by': 'me',
      },
      annotations: { an: 'x', 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
    }),
  ];
}

function randomEndpoints({ endpoints }: Make, random: Random): readonly RawObject[] {
  const allEndpoints: RawObject[] = [];
  for (let i = 0; i < 40; i++) {
    const addresses = (): unknown[] =>
      Array.from({ length: random.below(4) }, () => ({
        ip: random.chance(0.8) ? `10.0.0.${1 + random.below(5)}` : `fd00::${1 + random.below(5)}`,
      }));
    const subsets = Array.from({ length: 1 + random.below(4) }, () => {
      const ports = ['a', 'b', 'c']
        .filter(() => random.chance(0.5))
        .map((name) => ({ name, port: 80 + random.below(2), ...(random.chance(0.3) && { protocol: 'UDP' }) }));
      const lists = { addresses: addresses(), notReadyAddresses: addresses() };
      if (lists.addresses.length + lists.notReadyAddresses.length === 0) lists.addresses.push({ ip: '10.0.0.7' });
      return { ...lists, ...(ports.length > 0 && { ports }) };
    });
    allEndpoints.push(endpoints(`e-random-${i}`, subsets));
  }
  return allEndpoints;
}

/**
 * The hosts of the traffic tests, their addresses, and the addresses of the Services in cluster.yaml. Data only, so that
 * a rule evaluator can run the same flows without a kernel.
 *
 * ```
 *            client ──┐                       ┌── pod-a1, pod-a2, pod-a3
 *   203.0.113.0/24    ├── node-a (the rules) ─┤
 *           outside ──┘   192.0.2.11          └── node-b ── pod-b1, pod-b2
 *   owns what no rule touches     tunnel 172.31.0.0/30     10.244.2.0/24
 * ```
 *
 * Each of node-a's links has an address of its own, so that the source a server sees tells whether a packet was
 * masqueraded, even one that node-a sent itself.
 */

export type Family = 'ipv4' | 'ipv6';
export const families = ['ipv4', 'ipv6'] as const satisfies readonly Family[];

export type PerFamily = Readonly<Record<Family, string>>;

/** Every network namespace. `outside` stands for the rest of the world: what no rule translates ends there. */
export type HostName =
  | 'client'
  | 'outside'
  | 'node-a'
  | 'node-b'
  | 'pod-a1'
  | 'pod-a2'
  | 'pod-a3'
  | 'pod-b1'
  | 'pod-b2';

export const hostAddresses: Readonly<Record<HostName, PerFamily>> = {
  client: { ipv4: '203.0.113.10', ipv6: '2001:db8:113::10' },
  outside: { ipv4: '192.0.2.1', ipv6: '2001:db8:2::1' },
  'node-a': { ipv4: '192.0.2.11', ipv6: '2001:db8:2::11' },
  'node-b': { ipv4: '192.0.2.12', ipv6: '2001:db8:2::12' },
  'pod-a1': { ipv4: '10.244.1.11', ipv6: 'fd00:10:244:1::11' },
  'pod-a2': { ipv4: '10.244.1.12', ipv6: 'fd00:10:244:1::12' },
  'pod-a3': { ipv4: '10.244.1.13', ipv6: 'fd00:10:244:1::13' },
  'pod-b1': { ipv4: '10.244.2.11', ipv6: 'fd00:10:244:2::11' },
  'pod-b2': { ipv4: '10.244.2.12', ipv6: 'fd00:10:244:2::12' },
};

/** node-a's own address on each of its links: what a server behind that link sees of masqueraded traffic. */
export const linkAddresses = {
  client: { ipv4: '203.0.113.1', ipv6: '2001:db8:113::1' },
  uplink: hostAddresses['node-a'],
  tunnel: { ipv4: '172.31.0.1', ipv6: 'fd00:172:31::1' },
  pods: { ipv4: '10.244.1.1', ipv6: 'fd00:10:244:1::1' },
} as const satisfies Record<string, PerFamily>;

/**
 * Where a flow starts. Beside the hosts: `blocked-client` and `crowd` are further addresses of the client, one outside
 * the Services' source ranges and sixteen inside; `localhost` is a process on node-a that uses the loopback address.
 */
export type Place = Exclude<HostName, 'outside'> | 'blocked-client' | 'crowd' | 'localhost';

/** The host that a flow from this place starts on, and its source addresses there (one, but for the crowd). */
export function sources(place: Place, family: Family): { readonly host: HostName; readonly addresses: string[] } {
  switch (place) {
    case 'blocked-client':
      return { host: 'client', addresses: [family === 'ipv4' ? '203.0.113.200' : '2001:db8:113::c8'] };
    case 'crowd': {
      const addresses = Array.from({ length: 16 }, (_, i) =>
        family === 'ipv4' ? `203.0.113.${64 + i}` : `2001:db8:113::${(64 + i).toString(16)}`,
      );
      return { host: 'client', addresses };
    }
    case 'localhost':
      return { host: 'node-a', addresses: [family === 'ipv4' ? '127.0.0.1' : '::1'] };
    default:
      return { host: place, addresses: [hostAddresses[place][family]] };
  }
}

/** The Services of cluster.yaml; a Service's number is part of all its addresses and of its node port. */
const services = {
  web: 1,
  dns: 2,
  none: 3,
  'external-local': 4,
  'external-local-remote': 5,
  'internal-local': 6,
  'internal-local-remote': 7,
  sticky: 8,
  ranges: 9,
  'ranges-node': 10,
  terminating: 11,
  'terminating-ready': 12,
  'terminating-local': 13,
  hairpin: 14,
  multi: 15,
  'proxy-mode-vip': 16,
  'host-network': 17,
  zoned: 18,
  'both-local': 19,
  'not-ready': 20,
  sctp: 21,
  'node-address': 22,
  'outside-endpoint': 23,
  'sticky-local': 24,
  'none-local': 25,
  'none-ranges': 26,
  'ipv4-endpoints': 27,
  'ranges-bound': 28,
  'internal-only-remote': 29,
} as const satisfies Record<string, number>;

export type ServiceName = keyof typeof services;

export function clusterIP(service: ServiceName): PerFamily {
  return { ipv4: `10.96.0.${services[service]}`, ipv6: `fd00:10:96::${services[service]}` };
}

export function loadBalancerIP(service: ServiceName): PerFamily {
  return { ipv4: `198.51.100.${services[service]}`, ipv6: `2001:db8:100::${services[service]}` };
}

export function externalIP(service: ServiceName): PerFamily {
  return { ipv4: `198.18.0.${services[service]}`, ipv6: `2001:db8:18::${services[service]}` };
}

/** The node port of the Service's main port. */
export function nodePort(service: ServiceName): number {
  return 30000 + services[service];
}

/** The address ranges of the Services, which `outside` answers for wherever no rule translates them. */
export const serviceRanges = {
  ipv4: ['10.96.0.0/16', '198.51.100.0/24', '198.18.0.0/24'],
  ipv6: ['fd00:10:96::/112', '2001:db8:100::/64', '2001:db8:18::/64'],
} as const satisfies Record<Family, readonly string[]>;

export const loopback: PerFamily = { ipv4: '127.0.0.1', ipv6: '::1' };

/** The host that answers on an address when no rule translates it. */
export function ownerOf(address: string): HostName {
  const own: readonly string[] = [loopback, ...Object.values(linkAddresses)].flatMap((pair) => Object.values(pair));
  if (own.includes(address) || address.startsWith('127.')) return 'node-a';
  for (const [name, addresses] of Object.entries(hostAddresses)) {
    if (Object.values(addresses).includes(address)) return name as HostName;
  }
  return 'outside';
}

/** The source that a server sees of masqueraded traffic: node-a's address on the link towards it. */
export function masqueradeAddress(server: HostName, family: Family): string {
  if (server.startsWith('pod-a')) return linkAddresses.pods[family];
  if (server.startsWith('pod-b') || server === 'node-b') return linkAddresses.tunnel[family];
  return linkAddresses[server === 'client' ? 'client' : 'uplink'][family];
}

/** The ports that the hosts listen on: the target ports, the node ports on node-a, the Services' own ports outside. */
export const listening = {
  pods: { tcp: [8080, 8081, 5353], udp: [5353], sctp: [8080] },
  nodeA: {
    tcp: [6443, 7777, 8888, ...Object.values(services).map((n) => 30000 + n)],
    udp: [30000 + services.dns],
    sctp: [],
  },
  outside: { tcp: [80, 81, 53, 8080, 8888], udp: [], sctp: [] },
} as const;

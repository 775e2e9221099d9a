/** The small network of the traffic tests (drawn in places.ts), made of network namespaces joined by veth pairs. */
import { closeHosts, type Host, startHost } from './host.js';
import {
  type Family,
  families,
  type HostName,
  hostAddresses,
  linkAddresses,
  listening,
  loadBalancerIP,
  serviceRanges,
  sources,
} from './places.js';

export interface Topology {
  readonly hosts: Readonly<Record<HostName, Host>>;
  close(): Promise<void>;
}

const names = Object.keys(hostAddresses) as HostName[];
const podsA = ['pod-a1', 'pod-a2', 'pod-a3'] as const;
const podsB = ['pod-b1', 'pod-b2'] as const;

const prefix = {
  /** One address. */
  single: { ipv4: '32', ipv6: '128' },
  /** A network with hosts on it. */
  network: { ipv4: '24', ipv6: '64' },
  /** A link with two ends. */
  pair: { ipv4: '30', ipv6: '126' },
} as const;
const everywhere = { ipv4: '0.0.0.0/0', ipv6: '::/0' } as const;
const tunnelFarEnd = { ipv4: '172.31.0.2', ipv6: 'fd00:172:31::2' } as const;
const podGatewayB = { ipv4: '10.244.2.1', ipv6: 'fd00:10:244:2::1' } as const;

/**
 * Builds the network and starts the servers; every host can reach every other by its own address afterwards.
 * On failure whatever exists already is taken down again. `sctp`: whether SCTP servers are wanted too.
 */
export async function buildTopology(options: { readonly sctp: boolean }): Promise<Topology> {
  const started = await Promise.allSettled(names.map((name) => startHost(name)));
  const running = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = started.find((result) => result.status === 'rejected');
  try {
    if (failed !== undefined) throw failed.reason;
    const hosts = Object.fromEntries(running.map((host) => [host.name, host])) as Record<HostName, Host>;
    await Promise.all(running.map((host) => host.sysctl(parameters(host.name as HostName))));
    // The veth pairs first: a link can only be configured in a namespace that has it.
    await batch(hosts['node-a'], nodeALinks(hosts));
    await batch(hosts['node-b'], nodeBLinks(hosts));
    await Promise.all(
      running.map((host) =>
        batch(
          host,
          [...families].flatMap((f) => routes(host.name as HostName, f)),
        ),
      ),
    );
    await Promise.all(running.map((host) => startServers(host, options.sctp)));
    return { hosts, close: () => closeHosts(running) };
  } catch (error) {
    await closeHosts(running);
    throw error;
  }
}

/** Kernel parameters of a host; `?` stands before those that a kernel may not have. */
function parameters(name: HostName): Record<string, string> {
  const values: Record<string, string> = {
    // Addresses are usable at once, without waiting for duplicate address detection.
    'net/ipv6/conf/all/accept_dad': '0',
    'net/ipv6/conf/default/accept_dad': '0',
    'net/ipv6/conf/all/accept_ra': '0',
    'net/ipv6/conf/default/accept_ra': '0',
  };
  if (name === 'node-a' || name === 'node-b') {
    values['net/ipv4/ip_forward'] = '1';
    values['net/ipv6/conf/all/forwarding'] = '1';
    // A pod that gets itself leaves by the link it came by; that is no reason to teach it a better way.
    values['net/ipv4/conf/all/send_redirects'] = '0';
    values['net/ipv4/conf/default/send_redirects'] = '0';
    // Loose, as systemd sets it: a source needs a route, but not through the same link.
    values['net/ipv4/conf/all/rp_filter'] = '2';
    values['net/ipv4/conf/default/rp_filter'] = '2';
    // Rejections are ICMP messages; when many flows are refused together, the kernel must not hold some of them back.
    values['net/ipv4/icmp_ratelimit'] = '0';
    values['net/ipv6/icmp/ratelimit'] = '0';
    // One limit for both families. Older kernels have it for the whole machine, and then leave it as it is.
    values['?net/ipv4/icmp_msgs_per_sec'] = '100000';
    values['?net/ipv4/icmp_msgs_burst'] = '10000';
  }
  if (name === 'client') {
    // The client also plays an attacker who sends to 127.0.0.1 over the wire, and takes what comes back from there.
    values['net/ipv4/conf/all/route_localnet'] = '1';
  }
  return values;
}

/** Links that start on node-a. Pods hang on a veth each, routed, as the ptp and Calico plugins lay them. */
function nodeALinks(hosts: Readonly<Record<HostName, Host>>): string[] {
  return [
    link('client', hosts.client, 'eth0'),
    link('uplink', hosts.outside, 'eth0'),
    link('tunnel', hosts['node-b'], 'tunnel'),
    ...podsA.map((pod) => link(vethName(pod), hosts[pod], 'eth0')),
  ];
}

function nodeBLinks(hosts: Readonly<Record<HostName, Host>>): string[] {
  return podsB.map((pod) => link(vethName(pod), hosts[pod], 'eth0'));
}

/** The node's end of a pod's link; the prefix `veth` is what detectLocalMode InterfaceNamePrefix looks for. */
function vethName(pod: string): string {
  return pod.replace('pod-', 'veth');
}

function link(name: string, peer: Host, peerName: string): string {
  return `link add ${name} type veth peer name ${peerName} netns ${peer.pid}`;
}

/** What `ip -batch` has to do in one host for one family once the links are there. */
function routes(name: HostName, family: Family): string[] {
  const own = hostAddresses[name][family];
  const address = (value: string, length: keyof typeof prefix, dev: string): string =>
    `addr replace ${value}/${prefix[length][family]} dev ${dev}${family === 'ipv6' ? ' nodad' : ''}`;
  const via = (target: string, gateway: string): string => `route replace ${target} via ${gateway}`;
  const up = (...devices: string[]): string[] => devices.map((dev) => `link set ${dev} up`);
  const pods = (list: readonly HostName[], gateway: string): string[] =>
    list.flatMap((pod) => [
      ...up(vethName(pod)),
      address(gateway, 'single', vethName(pod)),
      `route replace ${hostAddresses[pod][family]} dev ${vethName(pod)}`,
    ]);

  switch (name) {
    case 'node-a':
      return [
        ...up('lo', 'client', 'uplink', 'tunnel'),
        address(loadBalancerIP('ranges-bound')[family], 'single', 'lo'),
        address(linkAddresses.client[family], 'network', 'client'),
        address(own, 'network', 'uplink'),
        address(linkAddresses.tunnel[family], 'pair', 'tunnel'),
        ...pods(podsA, linkAddresses.pods[family]),
        via(everywhere[family], hostAddresses.outside[family]),
        via(hostAddresses['node-b'][family], tunnelFarEnd[family]),
        ...podsB.map((pod) => via(hostAddresses[pod][family], tunnelFarEnd[family])),
      ];
    case 'node-b':
      return [
        ...up('lo', 'tunnel'),
        address(own, 'single', 'lo'),
        address(tunnelFarEnd[family], 'pair', 'tunnel'),
        ...pods(podsB, podGatewayB[family]),
        `${via(everywhere[family], linkAddresses.tunnel[family])} src ${own}`,
      ];
    case 'client':
      // No loopback here: its addresses belong to node-a as far as the client is concerned (see parameters).
      return [
        ...up('eth0'),
        ...(['client', 'blocked-client', 'crowd'] as const)
          .flatMap((place) => sources(place, family).addresses)
          .map((value) => address(value, 'network', 'eth0')),
        via(everywhere[family], linkAddresses.client[family]),
        ...(family === 'ipv4' ? [via('127.0.0.0/8', linkAddresses.client[family])] : []),
      ];
    case 'outside':
      return [
        ...up('lo', 'eth0'),
        address(own, 'network', 'eth0'),
        via(everywhere[family], hostAddresses['node-a'][family]),
        // On the same network by its address, but behind node-a by the wires.
        via(hostAddresses['node-b'][family], hostAddresses['node-a'][family]),
        ...serviceRanges[family].map((range) => `route replace local ${range} dev lo`),
      ];
    default: {
      const gateway = (podsA as readonly string[]).includes(name) ? linkAddresses.pods : podGatewayB;
      return [
        ...up('lo', 'eth0'),
        address(own, 'single', 'eth0'),
        `route replace ${gateway[family]} dev eth0`,
        via(everywhere[family], gateway[family]),
      ];
    }
  }
}

async function batch(host: Host, lines: readonly string[]): Promise<void> {
  await host.run([{ argv: ['ip', '-batch', '-'], input: `${lines.join('\n')}\n` }]);
}

async function startServers(host: Host, sctp: boolean): Promise<void> {
  if (host.name === 'outside') await host.serve(listening.outside);
  else if (host.name === 'node-a') await host.serve(listening.nodeA);
  else if (host.name.startsWith('pod-')) await host.serve(sctp ? listening.pods : { ...listening.pods, sctp: [] });
}

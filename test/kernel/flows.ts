/**
 * The flow table: which packets go where through the rules for node-a, independent of how the rules are written.
 * Every backend must pass it in a kernel, and a rule evaluator must come to the same fates.
 *
 * Hosts and addresses are those of places.ts, the Services those of cluster.yaml.
 */
import type { ProxyMode } from '../../src/index.js';
import {
  clusterIP,
  externalIP,
  type Family,
  type HostName,
  hostAddresses,
  linkAddresses,
  loadBalancerIP,
  loopback,
  nodePort,
  type PerFamily,
  type Place,
  type ServiceName,
} from './places.js';

/**
 * Which source a server sees: the sender's own address, one of node-a's (masqueraded), or the address that was called,
 * which node-a has itself and then sends from.
 */
type SeenSource = 'own' | 'node' | 'called';

/** The servers that a flow may reach, each with the source that it sees. All of them must be reached. */
interface Reaches {
  readonly endpoints: Readonly<Partial<Record<HostName, SeenSource>>>;
  /** Every connection of one client address reaches the same endpoint; which one is open. */
  readonly sticky?: true;
  /** Some connections get no answer: those meant for a further endpoint, which cannot be reached this way. */
  readonly lossy?: true;
  /** All endpoints get the same share of this many connections. */
  readonly evenOver?: number;
}

/**
 * What becomes of a flow:
 * - `Reaches`: one of these servers answers;
 * - `refused`: the sender is told at once (TCP: connection refused, UDP: port unreachable);
 * - `dropped`: nothing comes back;
 * - `untouched`: no rule translates it: whoever has the address answers, and sees the sender's own address.
 */
export type Fate = Reaches | 'refused' | 'dropped' | 'untouched';

export interface Flow {
  readonly name: string;
  readonly from: Place;
  readonly to: PerFamily;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** What becomes of it in every mode but those of `unlike`. */
  readonly fate: Fate;
  /** The fate in modes that differ by design; docs/modes.md says why. */
  readonly unlike?: Readonly<Partial<Record<ProxyMode, Fate>>>;
  /** The families in which it holds; both, if not given. */
  readonly families?: readonly Family[];
}

/** Flows that share a configuration of the node. */
export interface Scenario {
  readonly name: string;
  /** A KubeProxyConfiguration without its kind, or undefined for a node without any rules. */
  readonly config: Readonly<Record<string, unknown>> | undefined;
  /** The policy of the filter table's FORWARD chain, which is not kube-proxy's. Default ACCEPT. */
  readonly forwardPolicy?: 'DROP';
  /** Kernel parameters that something other than our setup has set. */
  readonly parameters?: Readonly<Record<string, string>>;
  readonly flows: readonly Flow[];
}

const clusterCIDR = '10.244.0.0/16,fd00:10:244::/56';

/** A setting that each mode reads in a section of its own (ipvs in that of iptables). */
function inEveryMode(settings: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return { iptables: settings, nftables: settings };
}

/** Reaches all of these, which all see the same source. */
function reaches(source: SeenSource, ...servers: HostName[]): Reaches {
  return { endpoints: Object.fromEntries(servers.map((server) => [server, source])) };
}

/** What becomes of a flow in a mode. */
export function fateIn(mode: ProxyMode, flow: Flow): Fate {
  return flow.unlike?.[mode] ?? flow.fate;
}

type More = Partial<Pick<Flow, 'port' | 'protocol' | 'families' | 'unlike'>>;

function flow(name: string, from: Place, to: PerFamily, port: number, fate: Fate, more: More = {}): Flow {
  return { name: `${name}, from ${from}`, from, to, port, protocol: 'tcp', fate, ...more };
}

const toClusterIP = (service: ServiceName, from: Place, fate: Fate, more?: More): Flow =>
  flow(`${service}: cluster IP`, from, clusterIP(service), 80, fate, more);
const toLoadBalancer = (service: ServiceName, from: Place, fate: Fate, more?: More): Flow =>
  flow(`${service}: load balancer`, from, loadBalancerIP(service), 80, fate, more);
const toExternalIP = (service: ServiceName, from: Place, fate: Fate, more?: More): Flow =>
  flow(`${service}: external IP`, from, externalIP(service), 80, fate, more);
const toNodePort = (service: ServiceName, from: Place, fate: Fate, more?: More): Flow =>
  flow(`${service}: node port`, from, hostAddresses['node-a'], nodePort(service), fate, more);
const toLocalhost = (service: ServiceName, fate: Fate, more: More = { families: ['ipv4'] }): Flow =>
  flow(`${service}: node port`, 'localhost', loopback, nodePort(service), fate, more);

/**
 * In ipvs a node port is a virtual server for each of the node's addresses, and 127.0.0.1 and ::1 get none. nftables has
 * no node ports on loopback addresses whatever nodePortAddresses says, and so refuses none there.
 */
const notOnLocalhost: More = { unlike: { ipvs: 'untouched', nftables: 'untouched' } };
/**
 * In ipvs those are the addresses that the Node object has, as nobody can know more without looking at the node.
 * In nftables only the primary one counts, if nodePortAddresses is not set, and else those of the Node object.
 */
const onlyNodeAddresses: More = { unlike: { ipvs: 'untouched', nftables: 'untouched' } };

/** The endpoints of most Services: two pods of this node and one of another. */
const three = ['pod-a1', 'pod-a2', 'pod-b1'] as const;
/** The endpoints of most others: one on each node. */
const both = ['pod-a1', 'pod-b1'] as const;

const plainService: Flow[] = [
  toClusterIP('web', 'pod-a3', reaches('own', ...three)),
  toClusterIP('web', 'node-a', reaches('node', ...three)),
  // A client that routes cluster IPs to a node: masqueraded, as the answer must come back this way.
  toClusterIP('web', 'client', reaches('node', ...three)),
  toClusterIP('web', 'node-b', reaches('node', ...three)),
  toNodePort('web', 'pod-a3', reaches('node', ...three)),
  toNodePort('web', 'node-a', reaches('node', ...three)),
  toNodePort('web', 'client', reaches('node', ...three)),
  toNodePort('web', 'node-b', reaches('node', ...three)),
  toLocalhost('web', reaches('node', ...three), { families: ['ipv4'], ...notOnLocalhost }),
  flow(
    'web: node port at 127.0.0.2',
    'localhost',
    { ...loopback, ipv4: '127.0.0.2' },
    nodePort('web'),
    reaches('node', ...three),
    { families: ['ipv4'], ...notOnLocalhost },
  ),
  // kube-proxy gives no node ports on ::1, as there is no route_localnet for IPv6.
  toLocalhost('web', 'untouched', { families: ['ipv6'] }),
  flow(
    'web: node port at another local address',
    'client',
    linkAddresses.client,
    nodePort('web'),
    reaches('node', ...three),
    onlyNodeAddresses,
  ),
  flow(
    'web: node port at the pods’ gateway',
    'pod-a3',
    linkAddresses.pods,
    nodePort('web'),
    reaches('node', ...three),
    onlyNodeAddresses,
  ),
  toLoadBalancer('web', 'pod-a3', reaches('node', ...three)),
  toLoadBalancer('web', 'node-a', reaches('node', ...three)),
  toLoadBalancer('web', 'client', reaches('node', ...three)),
  toExternalIP('web', 'pod-a3', reaches('node', ...three)),
  toExternalIP('web', 'node-a', reaches('node', ...three)),
  toExternalIP('web', 'client', reaches('node', ...three)),
  // Another port of the same addresses is nobody's; ipvs has the addresses itself, and KUBE-IPVS-FILTER rejects the rest.
  // nftables rejects other ports of a cluster IP, and those alone (chain cluster-ips-check).
  toClusterIP('web', 'pod-a3', 'untouched', { port: 81, unlike: { ipvs: 'refused', nftables: 'refused' } }),
  toClusterIP('web', 'node-a', 'untouched', { port: 81, unlike: { ipvs: 'refused', nftables: 'refused' } }),
  toClusterIP('web', 'client', 'untouched', { port: 81, unlike: { ipvs: 'refused', nftables: 'refused' } }),
  // The port of a Service, but not with its protocol.
  toClusterIP('sctp', 'pod-a3', 'untouched', { unlike: { ipvs: 'refused', nftables: 'refused' } }),
  toLoadBalancer('web', 'client', 'untouched', { port: 81, unlike: { ipvs: 'refused' } }),
  // Nor is an address that belongs to no Service.
  flow(
    'no Service: load balancer range',
    'client',
    { ipv4: '198.51.100.250', ipv6: '2001:db8:100::fa' },
    80,
    'untouched',
  ),
  ...(['pod-a3', 'node-a', 'client'] as const).map((from) =>
    // nftables drops what is sent to cluster IPs that no Service has, where a ServiceCIDR tells which those are.
    flow('no Service: cluster IP range', from, { ipv4: '10.96.0.250', ipv6: 'fd00:10:96::fa' }, 80, 'untouched', {
      unlike: { nftables: 'dropped' },
    }),
  ),
  flow('no Service: a pod itself', 'client', hostAddresses['pod-a3'], 8080, 'untouched'),
  flow('no Service: a pod itself', 'pod-a1', hostAddresses['pod-b1'], 8080, 'untouched'),
  flow('no Service: a port of the node', 'client', hostAddresses['node-a'], 7777, 'untouched'),
  flow('node address as external IP', 'client', hostAddresses['node-a'], 8888, reaches('node', ...both)),
  flow('node address as external IP', 'node-a', hostAddresses['node-a'], 8888, reaches('node', ...both)),
  toClusterIP('outside-endpoint', 'pod-a3', reaches('own', 'outside')),
  toClusterIP('outside-endpoint', 'client', reaches('node', 'outside')),
  toClusterIP('host-network', 'pod-a3', reaches('own', 'node-a')),
  toClusterIP('zoned', 'pod-a3', reaches('own', 'pod-a1')),
  toClusterIP('not-ready', 'pod-a3', reaches('own', 'pod-a1')),
  toClusterIP('ipv4-endpoints', 'pod-a3', reaches('own', ...both), { families: ['ipv4'] }),
  toClusterIP('ipv4-endpoints', 'pod-a3', 'refused', { families: ['ipv6'] }),
  toClusterIP('multi', 'pod-a3', reaches('own', ...both)),
  toClusterIP('multi', 'pod-a3', reaches('own', 'pod-a2'), { port: 81 }),
  // The third port has no endpoints, although the Service has.
  toClusterIP('multi', 'pod-a3', 'refused', { port: 82 }),
];

/** The fate of a pod of another node that would reach itself through this one. */
const someLost: Reaches = { ...reaches('own', 'pod-a1', 'pod-a2'), lossy: true };

const hairpin: Flow[] = [
  toClusterIP('hairpin', 'pod-a1', reaches('node', 'pod-a1')),
  toNodePort('hairpin', 'pod-a1', reaches('node', 'pod-a1')),
  toLoadBalancer('hairpin', 'pod-a1', reaches('node', 'pod-a1')),
  toClusterIP('web', 'pod-a1', { endpoints: { 'pod-a1': 'node', 'pod-a2': 'own', 'pod-b1': 'own' } }),
  // In ipvs only this node's own endpoints are in KUBE-LOOP-BACK, in nftables in hairpin-connections; another node's
  // gets its own address as the source.
  toClusterIP(
    'web',
    'pod-b1',
    { endpoints: { 'pod-a1': 'own', 'pod-a2': 'own', 'pod-b1': 'node' } },
    { unlike: { ipvs: someLost, nftables: someLost } },
  ),
  toClusterIP('hairpin', 'pod-b1', reaches('own', 'pod-a1')),
  flow(
    'dns: cluster IP',
    'pod-a1',
    clusterIP('dns'),
    53,
    { endpoints: { 'pod-a1': 'node', 'pod-b1': 'own' } },
    { protocol: 'udp' },
  ),
];

const udp: Flow[] = [
  flow('dns: cluster IP', 'pod-a3', clusterIP('dns'), 53, reaches('own', ...both), { protocol: 'udp' }),
  flow('dns: cluster IP', 'node-a', clusterIP('dns'), 53, reaches('node', ...both), { protocol: 'udp' }),
  flow('dns: node port', 'client', hostAddresses['node-a'], nodePort('dns'), reaches('node', ...both), {
    protocol: 'udp',
  }),
  flow('dns: cluster IP over TCP', 'pod-a3', clusterIP('dns'), 53, reaches('own', 'pod-a2')),
  // The node port is the UDP port's; TCP to the same number is the node's own affair.
  flow('dns: node port over TCP', 'client', hostAddresses['node-a'], nodePort('dns'), 'untouched'),
  flow('none: cluster IP', 'pod-a3', clusterIP('none'), 53, 'refused', { protocol: 'udp' }),
  flow('none: cluster IP', 'node-a', clusterIP('none'), 53, 'refused', { protocol: 'udp' }),
  flow('none: load balancer', 'client', loadBalancerIP('none'), 53, 'refused', { protocol: 'udp' }),
];

const sctp: Flow[] = [
  toClusterIP('sctp', 'pod-a3', reaches('own', ...both), { protocol: 'sctp' }),
  toClusterIP('sctp', 'client', reaches('node', ...both), { protocol: 'sctp' }),
  toNodePort('sctp', 'client', reaches('node', ...both), { protocol: 'sctp' }),
  toClusterIP('none', 'pod-a3', 'refused', { protocol: 'sctp' }),
];

const withoutEndpoints: Flow[] = [
  toClusterIP('none', 'pod-a3', 'refused'),
  toClusterIP('none', 'node-a', 'refused'),
  toClusterIP('none', 'client', 'refused'),
  toNodePort('none', 'pod-a3', 'refused'),
  toNodePort('none', 'node-a', 'refused'),
  toNodePort('none', 'client', 'refused'),
  toLocalhost('none', 'refused', { families: ['ipv4'], ...notOnLocalhost }),
  toLocalhost('none', 'refused', { families: ['ipv6'], ...notOnLocalhost }),
  toLoadBalancer('none', 'pod-a3', 'refused'),
  toLoadBalancer('none', 'client', 'refused'),
  toExternalIP('none', 'pod-a3', 'refused'),
  toExternalIP('none', 'client', 'refused'),
  // KUBE-EXTERNAL-SERVICES hangs in INPUT and FORWARD only: the node's own packets leave for wherever the address is.
  // In ipvs the address is the node's, and a virtual server without real servers refuses. In nftables the check for
  // missing endpoints hangs in the output hook as well.
  toLoadBalancer('none', 'node-a', 'untouched', { unlike: { ipvs: 'refused', nftables: 'refused' } }),
  toExternalIP('none', 'node-a', 'untouched', { unlike: { ipvs: 'refused', nftables: 'refused' } }),
  toLoadBalancer('none-ranges', 'client', 'refused'),
  // With nothing to protect there is no firewall either: who is not allowed is refused like everyone else.
  // In ipvs the firewall's set is filled all the same, and INPUT comes before the virtual server. In nftables the
  // firewall stands whether or not there are endpoints, and comes first of all.
  toLoadBalancer('none-ranges', 'blocked-client', 'refused', { unlike: { ipvs: 'dropped', nftables: 'dropped' } }),
  // "No endpoints" is said before "no local endpoints".
  toLoadBalancer('none-local', 'client', 'refused'),
  toNodePort('none-local', 'client', 'refused'),
];

const externalLocal: Flow[] = [
  toClusterIP('external-local', 'pod-a3', reaches('own', ...both)),
  toClusterIP('external-local', 'node-a', reaches('node', ...both)),
  toClusterIP('external-local', 'client', reaches('node', ...both)),
  // ipvs has one list of endpoints for an address, whoever calls: a pod gets what a client gets, and so does the node.
  toNodePort('external-local', 'pod-a3', reaches('own', ...both), { unlike: { ipvs: reaches('own', 'pod-a1') } }),
  toNodePort('external-local', 'node-a', reaches('node', ...both), { unlike: { ipvs: reaches('own', 'pod-a1') } }),
  toNodePort('external-local', 'client', reaches('own', 'pod-a1')),
  toNodePort('external-local', 'node-b', reaches('own', 'pod-a1')),
  toLocalhost('external-local', reaches('node', ...both), { families: ['ipv4'], ...notOnLocalhost }),
  toLoadBalancer('external-local', 'pod-a3', reaches('own', ...both), { unlike: { ipvs: reaches('own', 'pod-a1') } }),
  toLoadBalancer(
    'external-local',
    'pod-a1',
    { endpoints: { 'pod-a1': 'node', 'pod-b1': 'own' } },
    { unlike: { ipvs: reaches('node', 'pod-a1') } },
  ),
  toLoadBalancer('external-local', 'node-a', reaches('node', ...both), {
    unlike: { ipvs: reaches('called', 'pod-a1') },
  }),
  toLoadBalancer('external-local', 'client', reaches('own', 'pod-a1')),
  toExternalIP('external-local', 'pod-a3', reaches('own', ...both), { unlike: { ipvs: reaches('own', 'pod-a1') } }),
  toExternalIP('external-local', 'client', reaches('own', 'pod-a1')),
  // No endpoint here: a client is left without answer, so that a load balancer goes to another node. ipvs falls back on
  // the endpoints of other nodes, and still masquerades nothing.
  toNodePort('external-local-remote', 'client', 'dropped', { unlike: { ipvs: reaches('own', 'pod-b1', 'pod-b2') } }),
  toLoadBalancer('external-local-remote', 'client', 'dropped', {
    unlike: { ipvs: reaches('own', 'pod-b1', 'pod-b2') },
  }),
  toExternalIP('external-local-remote', 'client', 'dropped', { unlike: { ipvs: reaches('own', 'pod-b1', 'pod-b2') } }),
  // In ipvs node-b itself drops it: it comes back to an endpoint there with node-b's own address as the source.
  toNodePort('external-local-remote', 'node-b', 'dropped'),
  toClusterIP('external-local-remote', 'pod-a3', reaches('own', 'pod-b1', 'pod-b2')),
  toClusterIP('external-local-remote', 'client', reaches('node', 'pod-b1', 'pod-b2')),
  toNodePort('external-local-remote', 'pod-a3', reaches('own', 'pod-b1', 'pod-b2')),
  // A Local policy is never masqueraded in ipvs, not even what the node sends to itself and so from that address.
  toNodePort('external-local-remote', 'node-a', reaches('node', 'pod-b1', 'pod-b2'), {
    unlike: { ipvs: reaches('own', 'pod-b1', 'pod-b2') },
  }),
  toLocalhost('external-local-remote', reaches('node', 'pod-b1', 'pod-b2'), { families: ['ipv4'], ...notOnLocalhost }),
  toLoadBalancer('external-local-remote', 'pod-a3', reaches('own', 'pod-b1', 'pod-b2')),
  toLoadBalancer('external-local-remote', 'node-a', reaches('node', 'pod-b1', 'pod-b2'), {
    unlike: { ipvs: reaches('called', 'pod-b1', 'pod-b2') },
  }),
  toExternalIP('external-local-remote', 'pod-a3', reaches('own', 'pod-b1', 'pod-b2')),
];

const internalLocal: Flow[] = [
  toClusterIP('internal-local', 'pod-a3', reaches('own', 'pod-a1')),
  toClusterIP('internal-local', 'node-a', reaches('node', 'pod-a1')),
  toClusterIP('internal-local', 'client', reaches('node', 'pod-a1')),
  toNodePort('internal-local', 'pod-a3', reaches('node', ...both)),
  toNodePort('internal-local', 'node-a', reaches('node', ...both)),
  toNodePort('internal-local', 'client', reaches('node', ...both)),
  // ipvs falls back on the endpoints of other nodes, as the node port has them.
  toClusterIP('internal-local-remote', 'pod-a3', 'dropped', { unlike: { ipvs: reaches('own', 'pod-b1', 'pod-b2') } }),
  toClusterIP('internal-local-remote', 'node-a', 'dropped', { unlike: { ipvs: reaches('node', 'pod-b1', 'pod-b2') } }),
  toNodePort('internal-local-remote', 'client', reaches('node', 'pod-b1', 'pod-b2')),
  // With nothing but a cluster IP there is nothing to fall back on: a virtual server without real servers.
  toClusterIP('internal-only-remote', 'pod-a3', 'dropped', { unlike: { ipvs: 'refused' } }),
  toClusterIP('both-local', 'pod-a3', reaches('own', 'pod-a1')),
  toNodePort('both-local', 'client', reaches('own', 'pod-a1')),
  toNodePort('both-local', 'pod-a3', reaches('own', ...both), { unlike: { ipvs: reaches('own', 'pod-a1') } }),
];

const terminating: Flow[] = [
  // Only endpoints on their way out, one of which still serves.
  toClusterIP('terminating', 'pod-a3', reaches('own', 'pod-a1')),
  toNodePort('terminating', 'client', reaches('node', 'pod-a1')),
  toClusterIP('terminating-ready', 'pod-a3', reaches('own', 'pod-b1')),
  toNodePort('terminating-ready', 'client', reaches('node', 'pod-b1')),
  // Local policy: the only local endpoint goes, so it is still used for traffic from outside, and for nothing else.
  toNodePort('terminating-local', 'client', reaches('own', 'pod-a1')),
  toClusterIP('terminating-local', 'pod-a3', reaches('own', 'pod-b1')),
  // In ipvs a pod counts as outside.
  toNodePort('terminating-local', 'pod-a3', reaches('own', 'pod-b1'), { unlike: { ipvs: reaches('own', 'pod-a1') } }),
];

const affinity: Flow[] = [
  toClusterIP('sticky', 'pod-a3', { ...reaches('own', ...three), sticky: true }),
  toClusterIP('sticky', 'node-a', { ...reaches('node', ...three), sticky: true }),
  toNodePort('sticky', 'client', { ...reaches('node', ...three), sticky: true }),
  toClusterIP('sticky', 'crowd', { ...reaches('node', ...three), sticky: true }),
  toNodePort('sticky-local', 'client', { ...reaches('own', 'pod-a1', 'pod-a2'), sticky: true }),
  toClusterIP('sticky-local', 'pod-a3', { ...reaches('own', ...three), sticky: true }),
];

const sourceRanges: Flow[] = [
  toLoadBalancer('ranges', 'client', reaches('node', ...both)),
  toLoadBalancer('ranges', 'crowd', reaches('node', ...both)),
  toLoadBalancer('ranges', 'blocked-client', 'dropped'),
  toLoadBalancer('ranges', 'pod-a3', 'dropped'),
  toLoadBalancer('ranges', 'node-a', 'dropped'),
  // The ranges hold for the load balancer's address alone.
  toNodePort('ranges', 'blocked-client', reaches('node', ...both)),
  toExternalIP('ranges', 'blocked-client', reaches('node', ...both)),
  toClusterIP('ranges', 'blocked-client', reaches('node', ...both)),
  toClusterIP('ranges', 'pod-a3', reaches('own', ...both)),
  toLoadBalancer('ranges-node', 'node-a', reaches('node', ...both)),
  toLoadBalancer('ranges-node', 'node-b', reaches('node', ...both)),
  toLoadBalancer('ranges-node', 'client', 'dropped'),
  // The node has the address itself, and so sends from it; what comes from elsewhere is dropped on the way in.
  toLoadBalancer('ranges-bound', 'node-a', reaches('node', ...both)),
  toLoadBalancer('ranges-bound', 'node-b', reaches('node', ...both)),
  toLoadBalancer('ranges-bound', 'client', 'dropped'),
  // A load balancer that passes packets on as a proxy: its address is none of the node's business.
  toLoadBalancer('proxy-mode-vip', 'client', 'untouched'),
  toLoadBalancer('proxy-mode-vip', 'pod-a3', 'untouched'),
  toNodePort('proxy-mode-vip', 'client', reaches('node', ...both)),
];

// The other modes choose at random; ipvs takes turns, which a tenth of the connections shows as well.
const balance: Flow[] = [
  toClusterIP(
    'web',
    'pod-a3',
    { ...reaches('own', ...three), evenOver: 3000 },
    { unlike: { ipvs: { ...reaches('own', ...three), evenOver: 300 } } },
  ),
  toNodePort(
    'web',
    'client',
    { ...reaches('node', ...three), evenOver: 3000 },
    { unlike: { ipvs: { ...reaches('node', ...three), evenOver: 300 } } },
  ),
];

/** A client on the same wire sends to the node's loopback address, where programs think that they are alone. */
const loopbackFromOutside = (fate: Fate): Flow =>
  flow('the node’s 127.0.0.1', 'client', loopback, 7777, fate, { families: ['ipv4'] });

/** The flow table proper: a node with the configuration that most have. */
const flows: readonly Flow[] = [
  ...plainService,
  ...hairpin,
  ...udp,
  ...sctp,
  ...withoutEndpoints,
  ...externalLocal,
  ...internalLocal,
  ...terminating,
  ...affinity,
  ...sourceRanges,
  ...balance,
  loopbackFromOutside('dropped'),
];

export const scenarios: readonly Scenario[] = [
  {
    // The tests' own test: without rules, what they drop, refuse or translate goes through as it is.
    name: 'no rules at all',
    config: undefined,
    parameters: { 'net/ipv4/conf/all/route_localnet': '1' },
    flows: [
      toClusterIP('web', 'pod-a3', 'untouched'),
      toClusterIP('none', 'pod-a3', 'untouched'),
      toClusterIP('internal-local-remote', 'pod-a3', 'untouched'),
      toNodePort('none', 'client', 'untouched'),
      toNodePort('external-local-remote', 'client', 'untouched'),
      toLoadBalancer('external-local-remote', 'client', 'untouched'),
      toLoadBalancer('ranges', 'blocked-client', 'untouched'),
      toLoadBalancer('ranges', 'node-a', 'untouched'),
      toLocalhost('web', 'untouched'),
      loopbackFromOutside('untouched'),
    ],
  },
  { name: 'defaults', config: { clusterCIDR }, flows },
  {
    name: 'masqueradeAll',
    config: { clusterCIDR, ...inEveryMode({ masqueradeAll: true }) },
    flows: [
      toClusterIP('web', 'pod-a3', reaches('node', ...three)),
      toClusterIP('web', 'node-a', reaches('node', ...three)),
      toClusterIP('web', 'client', reaches('node', ...three)),
      toClusterIP('internal-local', 'pod-a3', reaches('node', 'pod-a1')),
      toNodePort('web', 'client', reaches('node', ...three)),
      // Not for traffic from outside with the Local policy, whose point is the client's address.
      toNodePort('external-local', 'client', reaches('own', 'pod-a1')),
      toNodePort('external-local', 'pod-a3', reaches('own', ...both), { unlike: { ipvs: reaches('own', 'pod-a1') } }),
    ],
  },
  {
    name: 'no way to tell local traffic',
    config: { clusterCIDR: '' },
    flows: [
      toClusterIP('web', 'pod-a3', reaches('own', ...three)),
      toClusterIP('web', 'client', reaches('own', ...three)),
      toClusterIP('hairpin', 'pod-a1', reaches('node', 'pod-a1')),
      toNodePort('web', 'client', reaches('node', ...three)),
      toNodePort('external-local', 'client', reaches('own', 'pod-a1')),
      // A pod can not be told from a client, and gets what a client gets.
      toNodePort('external-local', 'pod-a3', reaches('own', 'pod-a1')),
      toLoadBalancer('external-local', 'pod-a3', reaches('own', 'pod-a1')),
      toLoadBalancer('external-local', 'node-a', reaches('node', ...both), {
        unlike: { ipvs: reaches('called', 'pod-a1') },
      }),
    ],
  },
  {
    name: 'detectLocalMode InterfaceNamePrefix',
    config: { detectLocalMode: 'InterfaceNamePrefix', detectLocal: { interfaceNamePrefix: 'veth' } },
    flows: [
      toClusterIP('web', 'pod-a3', reaches('own', ...three)),
      toClusterIP('web', 'node-a', reaches('node', ...three)),
      toClusterIP('web', 'client', reaches('node', ...three)),
      // Comes by the tunnel: a pod, but not one of this node's.
      toClusterIP('web', 'pod-b1', reaches('node', ...three)),
      toNodePort('external-local', 'pod-a3', reaches('own', ...both), { unlike: { ipvs: reaches('own', 'pod-a1') } }),
      toNodePort('external-local', 'client', reaches('own', 'pod-a1')),
    ],
  },
  {
    name: 'detectLocalMode NodeCIDR',
    config: { detectLocalMode: 'NodeCIDR' },
    flows: [
      toClusterIP('web', 'pod-a3', reaches('own', ...three)),
      toClusterIP('web', 'pod-b1', reaches('node', ...three)),
      toNodePort('external-local', 'pod-a3', reaches('own', ...both), { unlike: { ipvs: reaches('own', 'pod-a1') } }),
      toNodePort('external-local', 'pod-b1', reaches('own', 'pod-a1')),
    ],
  },
  {
    name: 'nodePortAddresses',
    config: { clusterCIDR, nodePortAddresses: ['192.0.2.0/24', '2001:db8:2::/64'] },
    flows: [
      toNodePort('web', 'client', reaches('node', ...three)),
      toNodePort('web', 'pod-a3', reaches('node', ...three)),
      toNodePort('none', 'client', 'refused'),
      flow('web: node port at another local address', 'client', linkAddresses.client, nodePort('web'), 'untouched'),
      flow('web: node port at the pods’ gateway', 'pod-a3', linkAddresses.pods, nodePort('web'), 'untouched'),
      toLocalhost('web', 'untouched'),
      toLocalhost('web', 'untouched', { families: ['ipv6'] }),
      // The refusal of a node port without endpoints is not narrowed by nodePortAddresses.
      flow(
        'none: node port at another local address',
        'client',
        linkAddresses.client,
        nodePort('none'),
        'refused',
        onlyNodeAddresses,
      ),
    ],
  },
  {
    // What nodePortAddresses is if it is not set, but in nftables mode.
    name: 'nodePortAddresses of everything',
    config: { clusterCIDR, nodePortAddresses: ['0.0.0.0/0', '::/0'] },
    flows: [
      toNodePort('web', 'client', reaches('node', ...three)),
      toNodePort('web', 'node-a', reaches('node', ...three)),
      toNodePort('external-local-remote', 'client', 'dropped', {
        unlike: { ipvs: reaches('own', 'pod-b1', 'pod-b2') },
      }),
      flow(
        'web: node port at another local address',
        'client',
        linkAddresses.client,
        nodePort('web'),
        reaches('node', ...three),
        { unlike: { ipvs: 'untouched' } },
      ),
      flow('none: node port at another local address', 'client', linkAddresses.client, nodePort('none'), 'refused', {
        unlike: { ipvs: 'untouched' },
      }),
      toLocalhost('web', reaches('node', ...three), { families: ['ipv4'], ...notOnLocalhost }),
      toLocalhost('web', 'untouched', { families: ['ipv6'] }),
      toLocalhost('none', 'refused', { families: ['ipv4'], ...notOnLocalhost }),
      toLocalhost('none', 'refused', { families: ['ipv6'], ...notOnLocalhost }),
      // A port of that number elsewhere is none: the pod itself refuses.
      flow('web: number of the node port at a pod', 'client', hostAddresses['pod-a3'], nodePort('web'), 'refused'),
    ],
  },
  {
    name: 'localhostNodePorts false',
    config: { clusterCIDR, iptables: { localhostNodePorts: false } },
    flows: [
      toLocalhost('web', 'untouched'),
      toNodePort('web', 'node-a', reaches('node', ...three)),
      toNodePort('web', 'client', reaches('node', ...three)),
      // Without route_localnet the kernel itself does not take it.
      loopbackFromOutside('dropped'),
    ],
  },
  {
    name: 'masqueradeBit 31',
    config: { clusterCIDR, ...inEveryMode({ masqueradeBit: 31 }) },
    flows: [
      toClusterIP('web', 'pod-a3', reaches('own', ...three)),
      toNodePort('web', 'client', reaches('node', ...three)),
      toClusterIP('hairpin', 'pod-a1', reaches('node', 'pod-a1')),
    ],
  },
  {
    // As on a host that also runs Docker: KUBE-FORWARD must let through what the rules themselves sent this way.
    name: 'FORWARD policy DROP',
    config: { clusterCIDR },
    forwardPolicy: 'DROP',
    flows: [
      // nftables mode lets nothing through: an accept in its own table would not stop another table's drop.
      toNodePort('web', 'client', reaches('node', ...three), { unlike: { nftables: 'dropped' } }),
      toClusterIP('web', 'client', reaches('node', ...three), { unlike: { nftables: 'dropped' } }),
      toClusterIP('web', 'node-a', reaches('node', ...three)),
      toClusterIP('hairpin', 'pod-a1', reaches('node', 'pod-a1'), { unlike: { nftables: 'dropped' } }),
      // Not masqueraded: the network plugin's business, and here nobody minds it.
      // ipvs sends from within the node, past FORWARD, which lets answers to that through.
      toClusterIP('outside-endpoint', 'pod-a3', 'dropped', { unlike: { ipvs: reaches('own', 'outside') } }),
      toNodePort('external-local', 'client', 'dropped', { unlike: { ipvs: reaches('own', 'pod-a1') } }),
    ],
  },
];

/**
 * What becomes of a packet by the plan alone, without any rules: what the rules of a mode must come to. Mode nftables is
 * the measure; where another mode does something else, it is by a row of the table of differences (docs/modes.md), which
 * is named.
 */
import { fraction, printFraction } from '../../src/backends/packet/fraction.js';
import type { Interface, Packet } from '../../src/backends/packet/packet.js';
import type { Endpoint, NodePlan, ProxyMode, ServicePortPlan } from '../../src/index.js';
import { cidrContains, isLoopback, joinHostPort, parseCidr } from '../../src/net/ip.js';

/** A packet with what is known of its sender. */
export interface Sent {
  readonly packet: Packet;
  readonly incoming: Interface | undefined;
  isLocal(address: string): boolean;
}

/** Each end with its probability: `10.244.1.7:8080 kept`, `... masqueraded`, `rejected`, `dropped`, `untouched`. */
export type Fates = Readonly<Record<string, string>>;

/** A row of the table that makes a mode do something else here than nftables. */
export interface Deviation {
  readonly code: string;
  /** Whose; undefined for the node as a whole. */
  readonly port: ServicePortPlan | undefined;
}

export type ByMode<T> = Readonly<Record<ProxyMode, T>>;

/** One packet in one mode. */
interface Question extends Sent {
  readonly mode: ProxyMode;
  readonly plan: NodePlan;
  /** The plan for nftables. */
  readonly measure: NodePlan;
  /** As it is sent in mode nftables, where the node has no addresses of Services. */
  readonly measured: Sent;
  readonly deviations: Deviation[];
}

/**
 * The fates in one mode, and the rows by which decisions on the way to them are not those of mode nftables. Two of them
 * may cancel each other out.
 */
export function fatesByPlan(
  mode: ProxyMode,
  plans: ByMode<NodePlan>,
  sent: ByMode<Sent>,
): { readonly fates: Fates; readonly deviations: readonly Deviation[] } {
  const deviations: Deviation[] = [];
  const own = { mode, plan: plans[mode], measure: plans.nftables, measured: sent.nftables };
  return { fates: fatesOf({ ...sent[mode], ...own, deviations }), deviations };
}

/** Whether all ends and their shares are the same. */
export function sameFates(a: Fates, b: Fates): boolean {
  const text = (fates: Fates) => JSON.stringify(Object.entries(fates).sort());
  return text(a) === text(b);
}

/** What a mode does; if that is not what nftables does, by the row. */
function differing<T extends boolean>(
  { deviations }: Question,
  code: string,
  port: ServicePortPlan | undefined,
  { own, measure }: { readonly own: T; readonly measure: T },
): T {
  if (own !== measure) deviations.push({ code, port });
  return own;
}

/** Another fate than that of mode nftables, by the row. */
function otherwise({ deviations }: Question, code: string, port: ServicePortPlan | undefined, fates: Fates): Fates {
  deviations.push({ code, port });
  return fates;
}

function fatesOf(question: Question): Fates {
  const { mode, plan, packet } = question;
  const ports = plan.servicePorts.filter(({ protocol }) => protocol.toLowerCase() === packet.protocol);
  const at = ports.filter(({ port }) => port === packet.destinationPort);
  const balanced = at.find(({ loadBalancerIPs }) => loadBalancerIPs.includes(packet.destination));
  const external = at.find(({ externalIPs }) => externalIPs.includes(packet.destination));
  if (balanced !== undefined && !isLetIn(question, balanced)) {
    // IPVS takes what the node sends before any filter, and has nobody to send it to.
    const early = mode === 'ipvs' && question.incoming === undefined && !balanced.hasEndpoints;
    return early ? otherwise(question, 'source-ranges', balanced, { rejected: '1' }) : { dropped: '1' };
  }
  const internal = at.find(({ clusterIP }) => clusterIP === packet.destination);
  if (internal !== undefined) return internalFates(question, internal);
  const outside = external ?? balanced;
  if (outside !== undefined) return externalFates(question, outside, 'address');
  const nodePort = ports.find((port) => port.nodePort === packet.destinationPort);
  return (nodePort && nodePortFates(question, nodePort)) ?? unclaimed(question);
}

/** Whether source ranges let a packet in. */
function isLetIn(question: Question, port: ServicePortPlan): boolean {
  const { mode, packet, incoming, measured } = question;
  const { source: text } = measured.packet;
  const { sourceRanges, sourceRangesAllowNode, externalIPs, loadBalancerIPs, hasEndpoints } = port;
  const isFromItself = sourceRangesAllowNode && loadBalancerIPs.includes(text);
  const measure =
    sourceRanges.length === 0 ||
    isFromItself ||
    sourceRanges.some((cidr) => cidrContains(cidr, { family: packet.family, text }));
  if (sourceRanges.length === 0) return true;
  if (mode === 'ipvs') {
    const own = incoming === undefined ? sourceRangesAllowNode : measure;
    return differing(question, 'source-ranges', port, { own, measure });
  }
  if (mode === 'iptables' && externalIPs.includes(packet.destination) && hasEndpoints) {
    return differing(question, 'source-ranges-external-ip', port, { own: true, measure });
  }
  return mode === 'iptables' && !hasEndpoints
    ? differing(question, 'source-ranges', port, { own: true, measure })
    : measure;
}

/** What becomes of it at a node port; undefined where nothing answers. */
function nodePortFates(question: Question, port: ServicePortPlan): Fates | undefined {
  const { mode, plan, measure, packet, measured } = question;
  const { family, destination } = packet;
  if (!measured.isLocal(destination)) return undefined;
  const listens = (node: NodePlan['node']): boolean => {
    const { all, local } = node.nodePortAddresses;
    if (isLoopback({ family, text: destination })) return node.localhostNodePorts && family === 'ipv4';
    if (mode === 'ipvs' && node === plan.node && all) return node.hostAddresses.includes(destination);
    return all || local.includes(destination);
  };
  const code = isLoopback({ family, text: destination }) ? 'node-port-localhost' : 'node-port-addresses';
  const own = differing(question, code, port, { own: listens(plan.node), measure: listens(measure.node) });
  if (own) return externalFates(question, port, 'node port');
  const refusal = refusalOf(port.external);
  return mode === 'iptables' && refusal !== undefined
    ? otherwise(question, 'node-port-refusal', port, refusal)
    : undefined;
}

/** What nobody answers: other ports of addresses of Services, and addresses that no Service has. */
function unclaimed(question: Question): Fates {
  const { mode, plan, packet, isLocal, incoming } = question;
  const { servicePorts, serviceCIDRs, node } = plan;
  const isClusterIP = servicePorts.some(({ clusterIP }) => clusterIP === packet.destination);
  if (isClusterIP) {
    // Packets from elsewhere that arrive here are not forwarded, where mode nftables has the check.
    if (mode === 'nftables' && incoming !== undefined && isLocal(packet.destination)) return { untouched: '1' };
    return mode === 'iptables'
      ? otherwise(question, 'cluster-ip-other-ports', undefined, { untouched: '1' })
      : { rejected: '1' };
  }
  const onDummy = servicePorts.find(
    ({ externalIPs, loadBalancerIPs }) =>
      [...externalIPs, ...loadBalancerIPs].includes(packet.destination) &&
      !node.hostAddresses.includes(packet.destination),
  );
  if (mode === 'ipvs' && onDummy !== undefined) {
    return otherwise(question, 'address-on-node', onDummy, { rejected: '1' });
  }
  const arrives = incoming !== undefined && isLocal(packet.destination);
  if (arrives || !serviceCIDRs.some((text) => contains(text, packet.family, packet.destination))) {
    return { untouched: '1' };
  }
  return mode === 'nftables'
    ? { dropped: '1' }
    : otherwise(question, 'unallocated-cluster-ips', undefined, { untouched: '1' });
}

function internalFates(question: Question, port: ServicePortPlan): Fates {
  const { internal, clusterEndpoints, localEndpoints } = port;
  const toCluster = () => spread(question, clusterEndpoints, isInternalMasqueraded(question));
  switch (internal) {
    case 'reject':
      return { rejected: '1' };
    case 'cluster':
      return toCluster();
    case 'local':
      return spread(question, localEndpoints, isInternalMasqueraded(question));
    case 'drop': {
      if (question.mode !== 'ipvs') return { dropped: '1' };
      const fates = clusterEndpoints.length === 0 ? { rejected: '1' } : toCluster();
      return otherwise(question, 'internal-local-without-endpoint', port, fates);
    }
  }
}

function isInternalMasqueraded(question: Question): boolean {
  const { mode, plan, measure, incoming } = question;
  const { node } = plan;
  const fromOutside = node.localDetector !== undefined && !isFromPods(question);
  const all = differing(question, 'masquerade-settings', undefined, {
    own: node.masqueradeAll || fromOutside,
    measure: measure.node.masqueradeAll || fromOutside,
  });
  const untold = mode === 'ipvs' && node.localDetector === undefined && incoming === undefined;
  return differing(question, 'cluster-ip-masquerade', undefined, { own: all || untold, measure: all });
}

function externalFates(question: Question, port: ServicePortPlan, way: 'address' | 'node port'): Fates {
  const { mode, packet, incoming, isLocal, deviations } = question;
  const { clusterEndpoints, localEndpoints, hasEndpoints, externalPolicyLocal, external } = port;
  if (!hasEndpoints) {
    // What the node sends to others is not looked at in mode iptables.
    const leaves = incoming === undefined && !isLocal(packet.destination);
    return mode === 'iptables' && leaves && way === 'address'
      ? otherwise(question, 'no-endpoints-from-node', port, { untouched: '1' })
      : { rejected: '1' };
  }
  if (!externalPolicyLocal) return spread(question, clusterEndpoints, true);
  const inside = isFromPods(question) || incoming === undefined;
  if (mode === 'ipvs') {
    const fates = spread(question, external === 'local' ? localEndpoints : clusterEndpoints, false);
    if (incoming === undefined && !isFromPods(question)) deviations.push({ code: 'external-local-source', port });
    if (external === 'drop' && !inside) return otherwise(question, 'external-local-without-endpoint', port, fates);
    const others = inside && external === 'local' && !sameEndpoints(localEndpoints, clusterEndpoints);
    return others ? otherwise(question, 'external-local-from-inside', port, fates) : fates;
  }
  if (inside) return spread(question, clusterEndpoints, !isFromPods(question));
  return external === 'local' ? spread(question, localEndpoints, false) : { dropped: '1' };
}

function sameEndpoints(a: readonly Endpoint[], b: readonly Endpoint[]): boolean {
  return a.length === b.length && a.every((each) => b.includes(each));
}

function refusalOf(outcome: ServicePortPlan['external']): Fates | undefined {
  if (outcome === 'reject') return { rejected: '1' };
  return outcome === 'drop' ? { dropped: '1' } : undefined;
}

function isFromPods({ plan: { node }, packet, incoming }: Question): boolean {
  const { localDetector } = node;
  if (localDetector === undefined) return false;
  return localDetector.kind === 'cidr'
    ? contains(localDetector.cidr, packet.family, packet.source)
    : incoming?.kind === 'pod';
}

function contains(cidr: string, family: Packet['family'], text: string): boolean {
  const network = parseCidr(cidr);
  return network !== undefined && cidrContains(network, { family, text });
}

/**
 * All endpoints alike; one that is the sender itself gets another source, but for mode iptables only one of this node:
 * one of another node can meet itself here only where its packets come by way of this node.
 */
function spread(question: Question, endpoints: readonly Endpoint[], masquerade: boolean): Fates {
  const { mode, packet } = question;
  const share = printFraction(fraction(1n, BigInt(endpoints.length)));
  return Object.fromEntries(
    endpoints.map(({ source: { address }, port, local }) => {
      const measure = masquerade || (address === packet.source && local);
      const itself = mode === 'iptables' && address === packet.source;
      const own = differing(question, 'remote-hairpin', undefined, { own: measure || itself, measure });
      return [`${joinHostPort(address, packet.family, port)} ${own ? 'masqueraded' : 'kept'}`, share];
    }),
  );
}

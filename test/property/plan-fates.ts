/** What becomes of a packet by the plan alone, without any rules: what the rules of a mode must come to. */
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

/** Modes whose rules decide by the same plan in the same way, but for what is said below. */
type RuleMode = Exclude<ProxyMode, 'ipvs'>;

export function fatesByPlan(mode: RuleMode, plan: NodePlan, sent: Sent): Fates {
  const { packet, isLocal } = sent;
  const ports = plan.servicePorts.filter(({ protocol }) => protocol.toLowerCase() === packet.protocol);
  const at = ports.filter(({ port }) => port === packet.destinationPort);
  const balanced = at.find(({ loadBalancerIPs }) => loadBalancerIPs.includes(packet.destination));
  const external = at.find(({ externalIPs }) => externalIPs.includes(packet.destination));
  const outside = external ?? balanced;
  // Difference source-ranges: iptables does not check where there is no endpoint, or an external IP is the same.
  const isChecked = mode === 'nftables' || (balanced?.hasEndpoints && external === undefined);
  if (balanced !== undefined && isChecked && !isAllowed(balanced, packet)) return { dropped: '1' };

  const internal = at.find(({ clusterIP }) => clusterIP === packet.destination);
  if (internal !== undefined) return internalFates(mode, plan, internal, sent);
  if (outside !== undefined) return externalFates(mode, plan, outside, sent, 'address');
  const nodePort = ports.find((port) => port.nodePort === packet.destinationPort);
  if (nodePort !== undefined && isLocal(packet.destination)) {
    const answers = isNodePortAddress(plan, packet);
    if (answers) return externalFates(mode, plan, nodePort, sent, 'node port');
    // In iptables mode the refusal of a node port without endpoints is not narrowed by nodePortAddresses.
    const refusal = refusalOf(nodePort.external);
    if (mode === 'iptables' && refusal !== undefined) return refusal;
  }
  return mode === 'nftables' ? unclaimed(plan, sent) : { untouched: '1' };
}

/** Differences cluster-ip-other-ports and unallocated-cluster-ips: only nftables minds what is sent there. */
function unclaimed({ servicePorts, serviceCIDRs }: NodePlan, { packet, isLocal, incoming }: Sent): Fates {
  // Packets from elsewhere that arrive here are not forwarded, where the check is.
  if (incoming !== undefined && isLocal(packet.destination)) return { untouched: '1' };
  if (servicePorts.some(({ clusterIP }) => clusterIP === packet.destination)) return { rejected: '1' };
  const covered = serviceCIDRs.some((text) => contains(text, packet.family, packet.destination));
  return covered ? { dropped: '1' } : { untouched: '1' };
}

function isAllowed(plan: ServicePortPlan, { family, source }: Packet): boolean {
  if (plan.sourceRanges.length === 0) return true;
  if (plan.sourceRangesAllowNode && plan.loadBalancerIPs.includes(source)) return true;
  return plan.sourceRanges.some((cidr) => cidrContains(cidr, { family, text: source }));
}

function isNodePortAddress({ node }: NodePlan, { family, destination }: Packet): boolean {
  if (isLoopback({ family, text: destination })) return false;
  return node.nodePortAddresses.all || node.nodePortAddresses.local.includes(destination);
}

function internalFates(mode: RuleMode, plan: NodePlan, port: ServicePortPlan, sent: Sent): Fates {
  const endpoints = { cluster: port.clusterEndpoints, local: port.localEndpoints, reject: [], drop: [] }[port.internal];
  const { node } = plan;
  const masquerade = node.masqueradeAll || (node.localDetector !== undefined && !isFromPods(plan, sent));
  return refusalOf(port.internal) ?? spread(mode, endpoints, masquerade, sent);
}

function externalFates(
  mode: RuleMode,
  plan: NodePlan,
  port: ServicePortPlan,
  sent: Sent,
  way: 'address' | 'node port',
): Fates {
  const { clusterEndpoints, localEndpoints } = port;
  if (port.hasEndpoints) {
    if (!port.externalPolicyLocal) return spread(mode, clusterEndpoints, true, sent);
    if (isFromPods(plan, sent)) return spread(mode, clusterEndpoints, false, sent);
    if (sent.isLocal(sent.packet.source)) return spread(mode, clusterEndpoints, true, sent);
    if (port.external === 'local') return spread(mode, localEndpoints, false, sent);
  }
  // Difference no-endpoints-from-node: what the node sends to others is not looked at.
  const leaves = sent.incoming === undefined && !sent.isLocal(sent.packet.destination);
  if (mode === 'iptables' && leaves && way === 'address') return { untouched: '1' };
  return refusalOf(port.external) ?? { untouched: '1' };
}

function refusalOf(outcome: ServicePortPlan['external']): Fates | undefined {
  if (outcome === 'reject') return { rejected: '1' };
  return outcome === 'drop' ? { dropped: '1' } : undefined;
}

function isFromPods({ node: { localDetector } }: NodePlan, { packet, incoming }: Sent): boolean {
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
 * All endpoints alike; one that is the sender itself gets another source: in nftables mode only one of this node (that
 * of another node can meet itself here only where pods send to cluster IPs by way of other nodes).
 */
function spread(mode: RuleMode, endpoints: readonly Endpoint[], masquerade: boolean, { packet }: Sent): Fates {
  const share = printFraction(fraction(1n, BigInt(endpoints.length)));
  return Object.fromEntries(
    endpoints.map(({ source: { address }, port, local }) => {
      const itself = address === packet.source && (local || mode === 'iptables');
      const to = joinHostPort(address, packet.family, port);
      return [`${to} ${masquerade || itself ? 'masqueraded' : 'kept'}`, share];
    }),
  );
}

/** What one service port contributes to the texts of IPVS mode. */
import { isLoopback, joinHostPort } from '../../net/ip.js';
import { lowerProtocol, type Protocol } from '../../net/protocol.js';
import type { Endpoint } from '../../plan/endpoints.js';
import type { NodeFacts } from '../../plan/node.js';
import type { ServicePortPlan } from '../../plan/service-port.js';
import type { SetEntry, SetKey } from './sets.js';

/** A virtual server with its real servers. */
export interface VirtualServer {
  /** Protocol, address and port as ipvsadm takes them, `-t 10.96.0.20:80`: identity and sort key. */
  readonly service: string;
  readonly plan: ServicePortPlan;
  readonly kind: 'cluster IP' | 'external IP' | 'load-balancer IP' | 'node port';
  /** Whether it has no real server, and so refuses. */
  readonly empty: boolean;
  /** The lines that make it. */
  readonly text: string;
}

/** What one service port contributes. */
export interface Fragment {
  /** One for each address and port: kube-proxy makes all that it is asked for, and the last one stays. */
  readonly virtualServers: readonly VirtualServer[];
  /** Addresses for kube-ipvs0, possibly repeated. */
  readonly addresses: readonly string[];
  readonly entries: readonly SetEntry[];
  /** Rules of KUBE-IPVS-OUT-FILTER, possibly repeated. */
  readonly outFilterRules: readonly string[];
}

interface Draft {
  readonly virtualServers: VirtualServer[];
  readonly addresses: string[];
  readonly entries: SetEntry[];
  readonly outFilterRules: string[];
}

const FLAGS: Readonly<Record<Protocol, string>> = { TCP: '-t', UDP: '-u', SCTP: '--sctp-service' };

/** Lowers the plan of one service port. */
export function lowerServicePort(plan: ServicePortPlan, node: NodeFacts): Fragment {
  const draft: Draft = { virtualServers: [], addresses: [], entries: [], outFilterRules: [] };
  addHairpin(draft, plan);
  addClusterIP(draft, plan, node);
  addExternalIPs(draft, plan, node);
  addLoadBalancerIPs(draft, plan, node);
  addNodePort(draft, plan, node);
  const virtualServers = [...new Map(draft.virtualServers.map((server) => [server.service, server])).values()];
  return { ...draft, virtualServers };
}

/** A pod that reaches itself through a Service must be masqueraded; so every local endpoint, usable or not, is told. */
function addHairpin({ entries }: Draft, plan: ServicePortPlan): void {
  for (const endpoint of plan.endpoints) {
    if (!endpoint.local) continue;
    const { address } = endpoint.source;
    entries.push({ set: 'LOOP-BACK', entry: `${portEntry(address, plan, endpoint.port)},${address}` });
  }
}

function addClusterIP(draft: Draft, plan: ServicePortPlan, node: NodeFacts): void {
  const { clusterIP } = plan;
  draft.virtualServers.push(
    virtualServer('cluster IP', clusterIP, plan.port, plan, plan.internalPolicyLocal, node.ipvs.scheduler),
  );
  draft.addresses.push(clusterIP);
  draft.entries.push({ set: 'CLUSTER-IP', entry: portEntry(clusterIP, plan, plan.port) });
}

function addExternalIPs(draft: Draft, plan: ServicePortPlan, node: NodeFacts): void {
  const set: SetKey = plan.externalPolicyLocal ? 'EXTERNAL-IP-LOCAL' : 'EXTERNAL-IP';
  for (const ip of plan.externalIPs) {
    draft.virtualServers.push(externalServer('external IP', ip, plan.port, plan, node));
    bind(draft, ip, node);
    draft.entries.push({ set, entry: portEntry(ip, plan, plan.port) });
  }
}

function addLoadBalancerIPs(draft: Draft, plan: ServicePortPlan, node: NodeFacts): void {
  for (const ip of plan.loadBalancerIPs) {
    draft.virtualServers.push(externalServer('load-balancer IP', ip, plan.port, plan, node));
    bind(draft, ip, node);
    const entry = portEntry(ip, plan, plan.port);
    draft.entries.push({ set: 'LOAD-BALANCER', entry });
    if (plan.externalPolicyLocal) draft.entries.push({ set: 'LOAD-BALANCER-LOCAL', entry });
    if (plan.sourceRanges.length > 0) addSourceRanges(draft, plan, ip, entry);
  }
}

function addSourceRanges(draft: Draft, plan: ServicePortPlan, ip: string, entry: string): void {
  draft.entries.push({ set: 'LOAD-BALANCER-FW', entry });
  for (const { text } of plan.sourceRanges) {
    draft.entries.push({ set: 'LOAD-BALANCER-SOURCE-CIDR', entry: `${entry},${text}` });
  }
  // The node has the address on kube-ipvs0, so its own packets to it come from that address.
  if (plan.sourceRangesAllowNode) {
    draft.entries.push({ set: 'LOAD-BALANCER-SOURCE-IP', entry: `${entry},${ip}` });
  } else {
    const server = `--vaddr ${ip} --vproto ${lowerProtocol(plan.protocol)} --vport ${plan.port}`;
    draft.outFilterRules.push(`-A KUBE-IPVS-OUT-FILTER -s ${ip} -m ipvs ${server} -j DROP\n`);
  }
}

function addNodePort(draft: Draft, plan: ServicePortPlan, node: NodeFacts): void {
  const { nodePort, externalPolicyLocal } = plan;
  const nodeIPs = nodePortIPs(node);
  // Without an address for its node port kube-proxy leaves the service port at that, health check and all.
  if (nodePort !== undefined && nodeIPs.length === 0) return;
  if (nodePort !== undefined) {
    for (const ip of nodeIPs) draft.virtualServers.push(externalServer('node port', ip, nodePort, plan, node));
    const entries = plan.protocol === 'SCTP' ? nodeIPs.map((ip) => portEntry(ip, plan, nodePort)) : [String(nodePort)];
    const { all, local } = NODE_PORT_SETS[plan.protocol];
    for (const entry of entries) {
      draft.entries.push({ set: all, entry });
      if (externalPolicyLocal) draft.entries.push({ set: local, entry });
    }
  }
  if (plan.healthCheckNodePort !== undefined) {
    draft.entries.push({ set: 'HEALTH-CHECK-NODE-PORT', entry: String(plan.healthCheckNodePort) });
  }
}

const NODE_PORT_SETS: Readonly<Record<Protocol, { readonly all: SetKey; readonly local: SetKey }>> = {
  TCP: { all: 'NODE-PORT-TCP', local: 'NODE-PORT-LOCAL-TCP' },
  UDP: { all: 'NODE-PORT-UDP', local: 'NODE-PORT-LOCAL-UDP' },
  SCTP: { all: 'NODE-PORT-SCTP-HASH', local: 'NODE-PORT-LOCAL-SCTP-HASH' },
};

/** The addresses on which node ports answer: never loopback. */
function nodePortIPs({ nodePortAddresses, hostAddresses, family }: NodeFacts): readonly string[] {
  if (nodePortAddresses.all) return hostAddresses;
  return nodePortAddresses.local.filter((text) => !isLoopback({ family, text }));
}

/** An address that the node has on another interface stays there. */
function bind(draft: Draft, ip: string, node: NodeFacts): void {
  if (!node.hostAddresses.includes(ip)) draft.addresses.push(ip);
}

function portEntry(ip: string, plan: ServicePortPlan, port: number): string {
  return `${ip},${lowerProtocol(plan.protocol)}:${port}`;
}

function externalServer(
  kind: VirtualServer['kind'],
  ip: string,
  port: number,
  plan: ServicePortPlan,
  node: NodeFacts,
): VirtualServer {
  return virtualServer(kind, ip, port, plan, plan.externalPolicyLocal, node.ipvs.scheduler);
}

function virtualServer(
  kind: VirtualServer['kind'],
  ip: string,
  port: number,
  plan: ServicePortPlan,
  policyLocal: boolean,
  scheduler: string,
): VirtualServer {
  const service = `${FLAGS[plan.protocol]} ${joinHostPort(ip, plan.family, port)}`;
  const persistence = plan.affinitySeconds === undefined ? '' : ` -p ${plan.affinitySeconds}`;
  // kube-proxy has mh look at the client's port too, so that one client's connections are spread.
  const flags = scheduler === 'mh' ? ' -b mh-port' : '';
  const endpoints = realServers(plan, policyLocal);
  const lines = [`-A ${service} -s ${scheduler}${persistence}${flags}\n`];
  for (const { text } of endpoints) lines.push(`-a ${service} -r ${text} -m -w 1\n`);
  return { service, plan, kind, empty: endpoints.length === 0, text: lines.join('') };
}

/**
 * Under policy Local the endpoints of this node; but unlike in the other modes, where there are none, those of the
 * cluster as far as some other traffic may use them.
 */
function realServers(plan: ServicePortPlan, policyLocal: boolean): readonly Endpoint[] {
  return policyLocal && plan.localEndpoints.length > 0 ? plan.localEndpoints : plan.clusterEndpoints;
}

/** What one service port contributes to the texts of IPVS mode. */
import { isLoopback, joinHostPort } from '../../net/ip.js';
import { lowerProtocol, type Protocol } from '../../net/protocol.js';
import type { Endpoint } from '../../plan/endpoints.js';
import type { NodeFacts } from '../../plan/node.js';
import type { ServicePortPlan } from '../../plan/service-port.js';
import { newEntry, type SetEntry, type SetKey } from './sets.js';

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
  /** Entries of sets, possibly repeated. What is in IPVS-IPS is on kube-ipvs0, too. */
  readonly entries: readonly SetEntry[];
  /** Rules of KUBE-IPVS-OUT-FILTER, possibly repeated. */
  readonly outFilterRules: readonly string[];
}

interface Draft {
  readonly virtualServers: VirtualServer[];
  readonly entries: SetEntry[];
  readonly outFilterRules: string[];
}

const FLAGS: Readonly<Record<Protocol, string>> = { TCP: '-t', UDP: '-u', SCTP: '--sctp-service' };

/** Lowers the plan of one service port. */
export function lowerServicePort(plan: ServicePortPlan, node: NodeFacts): Fragment {
  const draft: Draft = { virtualServers: [], entries: [], outFilterRules: [] };
  addHairpin(draft, plan);
  addClusterIP(draft, plan, node);
  addExternalIPs(draft, plan, node);
  addLoadBalancerIPs(draft, plan, node);
  // Without an address for its node port kube-proxy leaves the service port at that, health check and all.
  if (plan.nodePort === undefined || nodePortIPs(node).length > 0) {
    addNodePort(draft, plan, node);
    addHealthCheckNodePort(draft, plan);
  }
  const virtualServers = [...new Map(draft.virtualServers.map((server) => [server.service, server])).values()];
  return { ...draft, virtualServers };
}

/** A pod that reaches itself through a Service must be masqueraded; so every local endpoint, usable or not, is told. */
function addHairpin(draft: Draft, plan: ServicePortPlan): void {
  for (const endpoint of plan.endpoints) {
    if (!endpoint.local) continue;
    const { address } = endpoint.source;
    addEntry(draft, plan, 'LOOP-BACK', `${portEntry(address, plan, endpoint.port)},${address}`);
  }
}

function addClusterIP(draft: Draft, plan: ServicePortPlan, node: NodeFacts): void {
  const { clusterIP } = plan;
  const { port, internalPolicyLocal: policyLocal } = plan;
  draft.virtualServers.push(virtualServer(plan, node, { kind: 'cluster IP', ip: clusterIP, port, policyLocal }));
  addEntry(draft, plan, 'IPVS-IPS', clusterIP);
  addEntry(draft, plan, 'CLUSTER-IP', portEntry(clusterIP, plan, port));
}

function addExternalIPs(draft: Draft, plan: ServicePortPlan, node: NodeFacts): void {
  const set: SetKey = plan.externalPolicyLocal ? 'EXTERNAL-IP-LOCAL' : 'EXTERNAL-IP';
  for (const ip of plan.externalIPs) {
    addExternalServer(draft, plan, node, { kind: 'external IP', ip, port: plan.port });
    bind(draft, plan, node, ip);
    addEntry(draft, plan, set, portEntry(ip, plan, plan.port));
  }
}

function addLoadBalancerIPs(draft: Draft, plan: ServicePortPlan, node: NodeFacts): void {
  for (const ip of plan.loadBalancerIPs) {
    addExternalServer(draft, plan, node, { kind: 'load-balancer IP', ip, port: plan.port });
    bind(draft, plan, node, ip);
    const entry = portEntry(ip, plan, plan.port);
    addEntry(draft, plan, 'LOAD-BALANCER', entry);
    if (plan.externalPolicyLocal) addEntry(draft, plan, 'LOAD-BALANCER-LOCAL', entry);
    if (plan.sourceRanges.length > 0) addSourceRanges(draft, plan, ip, entry);
  }
}

function addSourceRanges(draft: Draft, plan: ServicePortPlan, ip: string, entry: string): void {
  addEntry(draft, plan, 'LOAD-BALANCER-FW', entry);
  for (const { text } of plan.sourceRanges) addEntry(draft, plan, 'LOAD-BALANCER-SOURCE-CIDR', `${entry},${text}`);
  // The node has the address on kube-ipvs0, so its own packets to it come from that address.
  if (plan.sourceRangesAllowNode) {
    addEntry(draft, plan, 'LOAD-BALANCER-SOURCE-IP', `${entry},${ip}`);
  } else {
    const server = `--vaddr ${ip} --vproto ${lowerProtocol(plan.protocol)} --vport ${plan.port}`;
    draft.outFilterRules.push(`-A KUBE-IPVS-OUT-FILTER -s ${ip} -m ipvs ${server} -j DROP\n`);
  }
}

function addNodePort(draft: Draft, plan: ServicePortPlan, node: NodeFacts): void {
  const { nodePort: port, externalPolicyLocal } = plan;
  if (port === undefined) return;
  const nodeIPs = nodePortIPs(node);
  for (const ip of nodeIPs) addExternalServer(draft, plan, node, { kind: 'node port', ip, port });
  const { all, local, byAddress } = NODE_PORT_SETS[plan.protocol];
  for (const entry of byAddress ? nodeIPs.map((ip) => portEntry(ip, plan, port)) : [String(port)]) {
    addEntry(draft, plan, all, entry);
    if (externalPolicyLocal) addEntry(draft, plan, local, entry);
  }
}

function addHealthCheckNodePort(draft: Draft, plan: ServicePortPlan): void {
  if (plan.healthCheckNodePort === undefined) return;
  addEntry(draft, plan, 'HEALTH-CHECK-NODE-PORT', String(plan.healthCheckNodePort));
}

interface NodePortSets {
  readonly all: SetKey;
  readonly local: SetKey;
  /** Whether the entries have addresses: there are no bitmaps of SCTP ports. */
  readonly byAddress: boolean;
}

const NODE_PORT_SETS: Readonly<Record<Protocol, NodePortSets>> = {
  TCP: { all: 'NODE-PORT-TCP', local: 'NODE-PORT-LOCAL-TCP', byAddress: false },
  UDP: { all: 'NODE-PORT-UDP', local: 'NODE-PORT-LOCAL-UDP', byAddress: false },
  SCTP: { all: 'NODE-PORT-SCTP-HASH', local: 'NODE-PORT-LOCAL-SCTP-HASH', byAddress: true },
};

/** The addresses on which node ports answer: never loopback. */
function nodePortIPs({ nodePortAddresses, hostAddresses, family }: NodeFacts): readonly string[] {
  if (nodePortAddresses.all) return hostAddresses;
  return nodePortAddresses.local.filter((text) => !isLoopback({ family, text }));
}

/** An address that the node has on another interface stays there. */
function bind(draft: Draft, plan: ServicePortPlan, node: NodeFacts, ip: string): void {
  if (!node.hostAddresses.includes(ip)) addEntry(draft, plan, 'IPVS-IPS', ip);
}

function addEntry(draft: Draft, { family }: ServicePortPlan, set: SetKey, entry: string): void {
  draft.entries.push(newEntry(family, set, entry));
}

function portEntry(ip: string, plan: ServicePortPlan, port: number): string {
  return `${ip},${lowerProtocol(plan.protocol)}:${port}`;
}

/** Where a virtual server is. */
interface Spot {
  readonly kind: VirtualServer['kind'];
  readonly ip: string;
  readonly port: number;
}

function addExternalServer(draft: Draft, plan: ServicePortPlan, node: NodeFacts, spot: Spot): void {
  draft.virtualServers.push(virtualServer(plan, node, { ...spot, policyLocal: plan.externalPolicyLocal }));
}

function virtualServer(
  plan: ServicePortPlan,
  { ipvs: { scheduler } }: NodeFacts,
  { kind, ip, port, policyLocal }: Spot & { readonly policyLocal: boolean },
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

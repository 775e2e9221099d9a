/**
 * The rules of one service port, in the order in which kube-proxy writes them. Every function here adds lines to the
 * texts of a fragment; nothing outside the plan of this service port and the context of the node is looked at.
 */
import { lowerProtocol } from '../../net/protocol.js';
import type { Endpoint } from '../../plan/endpoints.js';
import type { NodeFacts } from '../../plan/node.js';
import type { Outcome, ServicePortPlan } from '../../plan/service-port.js';
import { chainLines, detectorMatch } from '../xtables/emit.js';
import { endpointChain, type ServicePortChains, servicePortChains } from './names.js';
import { probability } from './probability.js';

/** What one service port contributes to the restore input; each text is whole lines. */
export interface Fragment {
  readonly filterRules: string;
  readonly natChains: string;
  readonly natRules: string;
}

/** What rules of service ports need to know of the node. */
export interface FragmentContext {
  readonly node: NodeFacts;
  /** With more than 1000 endpoints kube-proxy leaves the comments about endpoints out. */
  readonly endpointComments: boolean;
}

/** The lines of a fragment while it is written. Short texts joined once are twice as fast as one text that grows. */
interface Lines {
  readonly filterRules: string[];
  /** Names of chains. */
  readonly natChains: string[];
  readonly natRules: string[];
}

/** The service port at hand with everything that its rules name. */
interface Subject {
  readonly plan: ServicePortPlan;
  readonly context: FragmentContext;
  readonly chains: ServicePortChains;
  /** `-m tcp -p tcp` */
  readonly protocolMatch: string;
  /** Names of the chains of the reachable endpoints, in their order. */
  readonly endpointChains: readonly string[];
}

/** Lowers the plan of one service port to its rules. */
export function lowerServicePort(plan: ServicePortPlan, context: FragmentContext): Fragment {
  const protocol = lowerProtocol(plan.protocol);
  const subject: Subject = {
    plan,
    context,
    chains: servicePortChains(plan.name, protocol),
    protocolMatch: `-m ${protocol} -p ${protocol}`,
    endpointChains: plan.reachableEndpoints.map(({ text }) => endpointChain(plan.name, protocol, text)),
  };
  const lines: Lines = { filterRules: [], natChains: [], natRules: [] };
  addClusterIP(lines, subject);
  addExternalIPs(lines, subject);
  addLoadBalancerIPs(lines, subject);
  addNodePort(lines, subject);
  addHealthCheckNodePort(lines, subject);
  addClusterIPMasquerade(lines, subject);
  addExternalChain(lines, subject);
  addFirewallChain(lines, subject);
  if (usesClusterChain(plan)) addBalancingChain(lines, subject, subject.chains.svc, plan.clusterEndpoints);
  if (plan.localEndpoints.length > 0) addBalancingChain(lines, subject, subject.chains.svl, plan.localEndpoints);
  for (const [i, endpoint] of plan.reachableEndpoints.entries()) {
    addEndpointChain(lines, subject, endpoint, subject.endpointChains[i]);
  }
  return {
    filterRules: lines.filterRules.join(''),
    natChains: chainLines([...lines.natChains, ...subject.endpointChains]),
    natRules: lines.natRules.join(''),
  };
}

/** The names of the chains of some reachable endpoints, mostly of all of them. */
function chainsOf(endpoints: readonly Endpoint[], { plan, endpointChains }: Subject): readonly (string | undefined)[] {
  if (endpoints === plan.reachableEndpoints) return endpointChains;
  const byEndpoint = new Map(plan.reachableEndpoints.map((endpoint, i) => [endpoint, endpointChains[i]]));
  return endpoints.map((endpoint) => byEndpoint.get(endpoint));
}

function usesClusterChain(plan: ServicePortPlan): boolean {
  return plan.clusterEndpoints.length > 0;
}

function usesExternalChain(plan: ServicePortPlan): boolean {
  return plan.hasEndpoints && plan.externallyAccessible;
}

function usesFirewallChain(plan: ServicePortPlan): boolean {
  return plan.hasEndpoints && plan.loadBalancerIPs.length > 0 && plan.sourceRanges.length > 0;
}

function hasEndpoints(outcome: Outcome): outcome is 'cluster' | 'local' {
  return outcome === 'cluster' || outcome === 'local';
}

/** The chain that traffic of an outcome with endpoints goes to. */
function balancingChain(outcome: 'cluster' | 'local', chains: ServicePortChains): string {
  return outcome === 'local' ? chains.svl : chains.svc;
}

/** The filter rule's comment and target for traffic that has nowhere to go. */
function refusal(plan: ServicePortPlan, outcome: Outcome): { comment: string; target: string } {
  return outcome === 'reject'
    ? { comment: `${plan.name} has no endpoints`, target: 'REJECT' }
    : { comment: `${plan.name} has no local endpoints`, target: 'DROP' };
}

function addClusterIP(lines: Lines, { plan, chains, protocolMatch }: Subject): void {
  const match = `${protocolMatch} -d ${plan.clusterIP} --dport ${plan.port}`;
  if (hasEndpoints(plan.internal)) {
    const chain = balancingChain(plan.internal, chains);
    lines.natRules.push(`-A KUBE-SERVICES -m comment --comment "${plan.name} cluster IP" ${match} -j ${chain}\n`);
  } else {
    const { comment, target } = refusal(plan, plan.internal);
    lines.filterRules.push(`-A KUBE-SERVICES -m comment --comment "${comment}" ${match} -j ${target}\n`);
  }
}

function addExternalIPs(lines: Lines, { plan, chains, protocolMatch }: Subject): void {
  for (const ip of plan.externalIPs) {
    const match = `${protocolMatch} -d ${ip} --dport ${plan.port}`;
    if (plan.hasEndpoints) {
      lines.natRules.push(
        `-A KUBE-SERVICES -m comment --comment "${plan.name} external IP" ${match} -j ${chains.ext}\n`,
      );
    }
    addExternalRefusal(lines, plan, match);
  }
}

function addLoadBalancerIPs(lines: Lines, { plan, chains, protocolMatch }: Subject): void {
  const firewalled = usesFirewallChain(plan);
  const match = (ip: string): string => `${protocolMatch} -d ${ip} --dport ${plan.port}`;
  for (const ip of plan.loadBalancerIPs) {
    if (plan.hasEndpoints) {
      const chain = firewalled ? chains.fw : chains.ext;
      lines.natRules.push(
        `-A KUBE-SERVICES -m comment --comment "${plan.name} loadbalancer IP" ${match(ip)} -j ${chain}\n`,
      );
    }
    if (firewalled) {
      const comment = `${plan.name} traffic not accepted by ${chains.fw}`;
      lines.filterRules.push(`-A KUBE-PROXY-FIREWALL -m comment --comment "${comment}" ${match(ip)} -j DROP\n`);
    }
  }
  for (const ip of plan.loadBalancerIPs) addExternalRefusal(lines, plan, match(ip));
}

/** Refuses traffic from outside where none of the endpoints may serve it. */
function addExternalRefusal(lines: Lines, plan: ServicePortPlan, match: string): void {
  if (hasEndpoints(plan.external)) return;
  const { comment, target } = refusal(plan, plan.external);
  lines.filterRules.push(`-A KUBE-EXTERNAL-SERVICES -m comment --comment "${comment}" ${match} -j ${target}\n`);
}

/** Node ports are not subject to source ranges, and their refusal not to nodePortAddresses. */
function addNodePort(lines: Lines, { plan, chains, protocolMatch }: Subject): void {
  if (plan.nodePort === undefined) return;
  const match = `${protocolMatch} --dport ${plan.nodePort}`;
  if (plan.hasEndpoints) {
    lines.natRules.push(`-A KUBE-NODEPORTS -m comment --comment ${plan.name} ${match} -j ${chains.ext}\n`);
  }
  addExternalRefusal(lines, plan, `-m addrtype --dst-type LOCAL ${match}`);
}

/** One rule a service port, so a Service with several ports has it several times. */
function addHealthCheckNodePort(lines: Lines, { plan }: Subject): void {
  if (plan.healthCheckNodePort === undefined) return;
  const comment = `${plan.name} health check node port`;
  const match = `-m tcp -p tcp --dport ${plan.healthCheckNodePort}`;
  lines.filterRules.push(`-A KUBE-NODEPORTS -m comment --comment "${comment}" ${match} -j ACCEPT\n`);
}

/** Cluster IP traffic that does not come from a pod of ours is masqueraded, so that the reply comes back this way. */
function addClusterIPMasquerade(lines: Lines, { plan, context, chains, protocolMatch }: Subject): void {
  if (!hasEndpoints(plan.internal)) return;
  const notLocal = detectorMatch(context.node.localDetector, '! ');
  if (!context.node.masqueradeAll && notLocal === undefined) return;
  const chain = balancingChain(plan.internal, chains);
  const source = context.node.masqueradeAll ? '' : ` ${notLocal}`;
  const match = `${protocolMatch} -d ${plan.clusterIP} --dport ${plan.port}${source}`;
  lines.natRules.push(`-A ${chain} -m comment --comment "${plan.name} cluster IP" ${match} -j KUBE-MARK-MASQ\n`);
}

/**
 * Traffic to the outside addresses. Under policy Local the client's address is kept, but pods and the node itself,
 * which could reach any endpoint directly, are not bound to the local ones.
 */
function addExternalChain(lines: Lines, { plan, context, chains }: Subject): void {
  if (!usesExternalChain(plan)) return;
  const { ext, svc } = chains;
  const about = (what: string): string =>
    `-A ${ext} -m comment --comment "${what} for ${plan.name} external destinations"`;
  lines.natChains.push(ext);
  if (!plan.externalPolicyLocal) {
    lines.natRules.push(`${about('masquerade traffic')} -j KUBE-MARK-MASQ\n`);
  } else {
    const fromPods = detectorMatch(context.node.localDetector, '');
    if (fromPods !== undefined) lines.natRules.push(`${about('pod traffic')} ${fromPods} -j ${svc}\n`);
    lines.natRules.push(`${about('masquerade LOCAL traffic')} -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ\n`);
    lines.natRules.push(`${about('route LOCAL traffic')} -m addrtype --src-type LOCAL -j ${svc}\n`);
  }
  if (hasEndpoints(plan.external)) lines.natRules.push(`-A ${ext} -j ${balancingChain(plan.external, chains)}\n`);
}

/** Who is in no source range falls off this chain, keeps the load-balancer address and is dropped in filter. */
function addFirewallChain(lines: Lines, { plan, chains }: Subject): void {
  if (!usesFirewallChain(plan)) return;
  const { ext, fw } = chains;
  const comment = `-A ${fw} -m comment --comment "${plan.name} loadbalancer IP"`;
  lines.natChains.push(fw);
  for (const cidr of plan.sourceRanges) lines.natRules.push(`${comment} -s ${cidr.text} -j ${ext}\n`);
  // A node with the load-balancer address on an interface may use that address as its source.
  if (plan.sourceRangesAllowNode) {
    for (const ip of plan.loadBalancerIPs) lines.natRules.push(`${comment} -s ${ip} -j ${ext}\n`);
  }
  const rest = `other traffic to ${plan.name} will be dropped by KUBE-PROXY-FIREWALL`;
  lines.natRules.push(`-A ${fw} -m comment --comment "${rest}"\n`);
}

/** Sends a client back to its endpoint where there is session affinity, then each endpoint its even share. */
function addBalancingChain(lines: Lines, subject: Subject, chain: string, endpoints: readonly Endpoint[]): void {
  const { plan, context } = subject;
  const seps = chainsOf(endpoints, subject);
  lines.natChains.push(chain);
  const start = (endpoint: string): string =>
    context.endpointComments ? `-A ${chain} -m comment --comment "${plan.name} -> ${endpoint}"` : `-A ${chain}`;
  if (plan.affinitySeconds !== undefined) {
    for (const [i, { text }] of endpoints.entries()) {
      const recent = `-m recent --name ${seps[i]} --rcheck --seconds ${plan.affinitySeconds} --reap`;
      lines.natRules.push(`${start(text)} ${recent} -j ${seps[i]}\n`);
    }
  }
  for (const [i, { text }] of endpoints.entries()) {
    lines.natRules.push(`${start(text)}${shareOf(endpoints.length - i)}${seps[i]}\n`);
  }
}

const shares: string[] = [];

/** The match and jump that give an endpoint its share when it is the first of `left` to choose from. */
function shareOf(left: number): string {
  shares[left] ??= left > 1 ? ` -m statistic --mode random --probability ${probability(left)} -j ` : ' -j ';
  return shares[left];
}

/** One endpoint: masquerade for a pod that reaches itself, then the address translation. */
function addEndpointChain(lines: Lines, subject: Subject, endpoint: Endpoint, sep: string | undefined): void {
  const { plan, context, protocolMatch } = subject;
  const start = context.endpointComments ? `-A ${sep} -m comment --comment ${plan.name}` : `-A ${sep}`;
  const remember = plan.affinitySeconds === undefined ? '' : ` -m recent --name ${sep} --set`;

  lines.natRules.push(
    `${start} -s ${endpoint.source.address} -j KUBE-MARK-MASQ\n`,
    `${start}${remember} ${protocolMatch} -j DNAT --to-destination ${endpoint.text}\n`,
  );
}

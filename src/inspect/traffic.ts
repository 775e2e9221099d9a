/**
 * What a plan says about traffic, computed without any rules: every way into a Service through one node, and what becomes
 * of a connection there for each kind of sender. `diff` compares two of these.
 *
 * The three modes answer alike but for what docs/modes.md lists; the flow table of the kernel tests
 * (test/kernel/flows.ts) is what each difference here was checked against.
 */
import type { ProxyMode } from '../kube/config.js';
import { type Cidr, isLoopback, joinHostPort, parseCidr } from '../net/ip.js';
import type { Endpoint } from '../plan/endpoints.js';
import type { LocalDetector, NodeFacts } from '../plan/node.js';
import type { NodePlan } from '../plan/plan.js';
import type { ServicePortPlan } from '../plan/service-port.js';
import { normalRanges, shareInRanges } from './source-ranges.js';

/**
 * Who sends:
 * - `pod`: who detectLocalMode takes for a pod (mode ClusterCIDR: pods of all nodes, otherwise those of this one);
 * - `node`: the node itself, `localhost`: the node itself to 127.0.0.1;
 * - `outside`: everybody else whose packets come to this node;
 * - `pod-beyond`, `outside-beyond`: those of them whose address lies in no source range, where there are ranges; then
 *   `pod` and `outside` are those whose address does.
 */
export type SenderKind = 'pod' | 'pod-beyond' | 'node' | 'localhost' | 'outside' | 'outside-beyond';

/** The order in which senders are told. */
export const SENDERS: readonly SenderKind[] = ['pod', 'pod-beyond', 'node', 'localhost', 'outside', 'outside-beyond'];

/** Which source address an endpoint sees: the sender's, one of the node's, or the address that was called. */
export type SeenSource = 'kept' | 'masqueraded' | 'called';

/** One of some endpoints answers, each with the share 1/n. */
export interface Reaches {
  readonly verdict: 'reaches';
  /** At least one, bytewise by text. */
  readonly endpoints: readonly Endpoint[];
  /** An endpoint that is chosen for its own connection sees another, see `TrafficModel.hairpin`. */
  readonly source: SeenSource;
  /** Seconds that a sender stays with its endpoint; undefined without session affinity. */
  readonly stickySeconds: number | undefined;
}

/**
 * What becomes of a connection. Refused: the sender is told at once; dropped: it hears nothing; untouched: no rule
 * translates it, so whoever has the address gets it. `healthy` and `unhealthy` are kube-proxy's own answers to health
 * checks: 200 and 503.
 */
export type Answer = Reaches | { readonly verdict: 'refused' | 'dropped' | 'untouched' | 'healthy' | 'unhealthy' };

export type WayKind = 'cluster IP' | 'external IP' | 'load-balancer IP' | 'node port' | 'health check node port';

/** An address, port and protocol that leads to a Service. */
export interface WayIn {
  /** `10.96.0.20:80/TCP`, `node port 30080/TCP` (of every family its own), `health check node port 32100/TCP`. */
  readonly target: string;
  readonly kind: WayKind;
  readonly plan: ServicePortPlan;
  /** The networks that are let in, in normal form; empty where everybody is. */
  readonly sourceRanges: readonly string[];
  /** By sender. A sender that is missing does not exist here (`pod-beyond` without ranges: see `answerOf`). */
  readonly answers: Readonly<Partial<Record<SenderKind, Answer>>>;
}

/** All ways in of one node and family. */
export interface TrafficModel {
  readonly node: NodeFacts;
  readonly mode: ProxyMode;
  /** By target. Where two Services have one address, it is the one that answers: the first by name with endpoints. */
  readonly ways: ReadonlyMap<string, WayIn>;
  /**
   * Which endpoints see a source of the node when they get themselves, so that their answer comes back: those of all
   * nodes, or only this node's own. The connection of another one is lost, if its source is kept.
   */
  readonly hairpin: 'every endpoint' | 'endpoints of this node';
  /** Addresses whose other ports and protocols are refused, for everybody; those of other addresses are untouched. */
  readonly closed: ReadonlySet<string>;
}

const REFUSED: Answer = { verdict: 'refused' };
const DROPPED: Answer = { verdict: 'dropped' };
const UNTOUCHED: Answer = { verdict: 'untouched' };

/** What a plan says about traffic. */
export function trafficModel({ node, mode, servicePorts }: NodePlan): TrafficModel {
  const ways = new Map<string, WayIn>();
  const healthy = healthyServices(servicePorts);
  for (const plan of servicePorts) {
    for (const way of waysOf(plan, node, mode, healthy)) {
      const holder = ways.get(way.target);
      if (holder === undefined || (!holder.plan.hasEndpoints && plan.hasEndpoints)) ways.set(way.target, way);
    }
  }
  const hairpin = mode === 'iptables' ? 'every endpoint' : 'endpoints of this node';
  return { node, mode, ways, hairpin, closed: closedAddresses(servicePorts, node, mode) };
}

/** nftables refuses at cluster IPs, IPVS at every address that it puts on kube-ipvs0. */
function closedAddresses(plans: readonly ServicePortPlan[], node: NodeFacts, mode: ProxyMode): ReadonlySet<string> {
  const closed = new Set<string>();
  if (mode === 'iptables') return closed;
  for (const { clusterIP, externalIPs, loadBalancerIPs } of plans) {
    closed.add(clusterIP);
    if (mode === 'nftables') continue;
    for (const ip of [...externalIPs, ...loadBalancerIPs]) if (!node.hostAddresses.includes(ip)) closed.add(ip);
  }
  return closed;
}

/** What becomes of a sender's connection; those beyond source ranges are like others where there are none. */
export function answerOf({ answers }: WayIn, sender: SenderKind): Answer | undefined {
  if (sender === 'pod-beyond') return answers['pod-beyond'] ?? answers.pod;
  if (sender === 'outside-beyond') return answers['outside-beyond'] ?? answers.outside;
  return answers[sender];
}

/** `cluster IP 10.96.0.20:80/TCP`, `node port 30080/TCP`: a way in for people. */
export function wayName({ kind, target }: Pick<WayIn, 'kind' | 'target'>): string {
  return target.includes(kind) ? target : `${kind} ${target}`;
}

/** The addresses of the node on which its node ports answer, loopback ones apart; `all` for any that it has. */
export function nodePortListeners(node: NodeFacts, mode: ProxyMode): 'all' | readonly string[] {
  const { all, local } = node.nodePortAddresses;
  if (all) return mode === 'ipvs' ? node.hostAddresses : 'all';
  return local.filter((text) => !isLoopback({ family: node.family, text }));
}

/** Services with a ready endpoint on this node, whatever its port: kube-proxy counts so for health checks. */
function healthyServices(plans: readonly ServicePortPlan[]): ReadonlySet<string> {
  const healthy = new Set<string>();
  for (const { namespace, service, healthCheckNodePort, endpoints } of plans) {
    if (healthCheckNodePort === undefined) continue;
    if (endpoints.some(({ local, source }) => local && source.ready)) healthy.add(`${namespace}/${service}`);
  }
  return healthy;
}

/** The ways into one service port; of two with one target the first counts. */
function waysOf(
  plan: ServicePortPlan,
  node: NodeFacts,
  mode: ProxyMode,
  healthy: ReadonlySet<string>,
): readonly WayIn[] {
  const ways: WayIn[] = [];
  const address = (ip: string, port = plan.port) => `${joinHostPort(ip, plan.family, port)}/${plan.protocol}`;
  const add = (kind: WayKind, target: string, answers: WayIn['answers'], sourceRanges: readonly string[] = []) =>
    ways.push({ target, kind, plan, sourceRanges, answers });

  add('cluster IP', address(plan.clusterIP), clusterIPAnswers(plan, node, mode));
  for (const ip of plan.externalIPs) {
    // In iptables the rule of the external IP comes first, but it is there only with endpoints.
    const ranged = mode !== 'iptables' && plan.loadBalancerIPs.includes(ip);
    const open = externalAnswers(plan, node, mode, ip);
    const { answers, sourceRanges } = ranged
      ? behindRanges(open, plan, node, mode)
      : { answers: open, sourceRanges: [] };
    add('external IP', address(ip), answers, sourceRanges);
  }
  for (const ip of plan.loadBalancerIPs) {
    if (plan.externalIPs.includes(ip)) continue;
    const { answers, sourceRanges } = behindRanges(externalAnswers(plan, node, mode, ip), plan, node, mode);
    add('load-balancer IP', address(ip), answers, sourceRanges);
  }
  if (plan.nodePort !== undefined) {
    add(
      'node port',
      `${familyWord(plan)}node port ${plan.nodePort}/${plan.protocol}`,
      nodePortAnswers(plan, node, mode),
    );
  }
  if (plan.healthCheckNodePort !== undefined) {
    const verdict = healthy.has(`${plan.namespace}/${plan.service}`) ? 'healthy' : 'unhealthy';
    const answers = { pod: { verdict }, node: { verdict }, outside: { verdict } } as const;
    add('health check node port', `${familyWord(plan)}health check node port ${plan.healthCheckNodePort}/TCP`, answers);
  }
  return ways;
}

function familyWord({ family }: ServicePortPlan): string {
  return family === 'ipv6' ? 'IPv6 ' : '';
}

function reaches(plan: ServicePortPlan, endpoints: readonly Endpoint[], source: SeenSource): Answer {
  return { verdict: 'reaches', endpoints, source, stickySeconds: plan.affinitySeconds };
}

/**
 * IPVS has one list of endpoints for an address, whoever calls: under policy Local those of this node; but where there
 * are none, those of the cluster as far as other traffic may use them.
 */
function realServers(plan: ServicePortPlan, policyLocal: boolean): readonly Endpoint[] {
  return policyLocal && plan.localEndpoints.length > 0 ? plan.localEndpoints : plan.clusterEndpoints;
}

function clusterIPAnswers(plan: ServicePortPlan, node: NodeFacts, mode: ProxyMode): WayIn['answers'] {
  const endpoints =
    mode === 'ipvs'
      ? realServers(plan, plan.internalPolicyLocal)
      : plan.internal === 'local'
        ? plan.localEndpoints
        : plan.clusterEndpoints;
  const isRefused = mode === 'ipvs' ? endpoints.length === 0 : plan.internal === 'reject';
  if (isRefused) return everyone(REFUSED);
  if (mode !== 'ipvs' && plan.internal === 'drop') return everyone(DROPPED);
  const answer = (masqueraded: boolean) => reaches(plan, endpoints, masqueraded ? 'masqueraded' : 'kept');
  const told = node.localDetector !== undefined;
  return {
    pod: answer(node.masqueradeAll),
    // In IPVS the node sends from the very address that it calls, which is on kube-ipvs0: that needs no detector.
    node: answer(node.masqueradeAll || told || mode === 'ipvs'),
    outside: answer(node.masqueradeAll || told),
  };
}

function everyone(answer: Answer): WayIn['answers'] {
  return { pod: answer, node: answer, outside: answer };
}

/**
 * Answers at external IPs and load-balancer IPs, source ranges apart.
 * @param ip the address; undefined for the node's own addresses
 */
function externalAnswers(
  plan: ServicePortPlan,
  node: NodeFacts,
  mode: ProxyMode,
  ip: string | undefined,
): WayIn['answers'] {
  if (mode === 'ipvs') return ipvsExternalAnswers(plan, node, ip);
  if (!plan.hasEndpoints) {
    // In iptables nothing refuses what the node sends away; to an address of its own it comes back in.
    const leaves = mode === 'iptables' && ip !== undefined && !node.hostAddresses.includes(ip);
    return { pod: REFUSED, node: leaves ? UNTOUCHED : REFUSED, outside: REFUSED };
  }
  if (!plan.externalPolicyLocal) return everyone(reaches(plan, plan.clusterEndpoints, 'masqueraded'));
  const outside = plan.external === 'local' ? reaches(plan, plan.localEndpoints, 'kept') : DROPPED;
  return {
    // Pods that cannot be told are like clients.
    pod: node.localDetector === undefined ? outside : reaches(plan, plan.clusterEndpoints, 'kept'),
    node: reaches(plan, plan.clusterEndpoints, 'masqueraded'),
    outside,
  };
}

function ipvsExternalAnswers(plan: ServicePortPlan, node: NodeFacts, ip: string | undefined): WayIn['answers'] {
  const endpoints = realServers(plan, plan.externalPolicyLocal);
  if (endpoints.length === 0) return everyone(REFUSED);
  if (!plan.externalPolicyLocal) return everyone(reaches(plan, endpoints, 'masqueraded'));
  const kept = reaches(plan, endpoints, 'kept');
  const onDummy = ip !== undefined && !node.hostAddresses.includes(ip);
  return { pod: kept, node: onDummy ? reaches(plan, endpoints, 'called') : kept, outside: kept };
}

/** The same answers for those in the source ranges, and none for the others. */
function behindRanges(
  answers: WayIn['answers'],
  plan: ServicePortPlan,
  node: NodeFacts,
  mode: ProxyMode,
): Pick<WayIn, 'answers' | 'sourceRanges'> {
  const unchecked = plan.sourceRanges.length === 0 || (mode === 'iptables' && !plan.hasEndpoints);
  if (unchecked) return { answers, sourceRanges: [] };
  const pods = podsInRanges(node.localDetector, plan.sourceRanges);
  const { pod = DROPPED, node: fromNode = DROPPED, outside = DROPPED } = answers;
  return {
    sourceRanges: normalRanges(plan.sourceRanges),
    answers: {
      pod: pods === 'none' ? DROPPED : pod,
      ...(pods === 'some' ? { 'pod-beyond': DROPPED } : {}),
      node: plan.sourceRangesAllowNode ? fromNode : DROPPED,
      outside,
      'outside-beyond': DROPPED,
    },
  };
}

/** Where pods are told by their interface, their addresses are unknown. */
function podsInRanges(detector: LocalDetector | undefined, ranges: readonly Cidr[]): 'all' | 'none' | 'some' {
  const pods = detector?.kind === 'cidr' ? parseCidr(detector.cidr) : undefined;
  return pods === undefined ? 'some' : shareInRanges(pods, ranges);
}

/** Node ports are not subject to source ranges, and in iptables their refusal not to nodePortAddresses. */
function nodePortAnswers(plan: ServicePortPlan, node: NodeFacts, mode: ProxyMode): WayIn['answers'] {
  const refusal = plan.external === 'reject' ? REFUSED : plan.external === 'drop' ? DROPPED : UNTOUCHED;
  const notListening = mode === 'iptables' ? refusal : UNTOUCHED;
  const answers = externalAnswers(plan, node, mode, undefined);
  const localhost = node.localhostNodePorts ? (answers.node ?? notListening) : notListening;
  return { ...(nodePortListeners(node, mode).length === 0 ? everyone(notListening) : answers), localhost };
}

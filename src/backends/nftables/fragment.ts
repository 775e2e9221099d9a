/** What one service port contributes to the table of nftables mode. */
import { lowerProtocol } from '../../net/protocol.js';
import type { Endpoint } from '../../plan/endpoints.js';
import type { NodeFacts } from '../../plan/node.js';
import type { Outcome, ServicePortPlan } from '../../plan/service-port.js';
import { masqueradeMark } from '../mark.js';
import { type EndpointNames, endpointNames, type ServicePortChains, servicePortChains } from './names.js';
import { detectorMatch, elementComment, type FamilyWords, WORDS } from './words.js';

/** A chain of the table. */
export interface Chain {
  readonly name: string;
  /** What stands behind the name where it is added: hook and priority, or a comment; mostly nothing. */
  readonly properties: string;
  /** The texts of its rules, in order. */
  readonly rules: readonly string[];
}

/** A set or map of the table. */
export interface Collection {
  readonly name: string;
  /** What stands behind the name where it is added. */
  readonly properties: string;
}

/** An element of a set or map. */
export interface Element {
  /** The set or map and the key, `service-ips { 10.96.0.20 . tcp . 80`: identity. */
  readonly key: string;
  /** `''` for an element of a set. */
  readonly verdict: string;
  /** The whole line. */
  readonly line: string;
}

/** What one service port contributes. */
export interface Fragment {
  readonly plan: ServicePortPlan;
  readonly chains: readonly Chain[];
  readonly affinitySets: readonly Collection[];
  readonly elements: readonly Element[];
  /** Whether a comment had to be cut, so that it loads. */
  readonly commentCut: boolean;
}

interface Draft {
  readonly chains: Chain[];
  readonly affinitySets: Collection[];
  readonly elements: Element[];
  commentCut: boolean;
}

/** The service port at hand with what its rules name. */
interface Subject {
  readonly plan: ServicePortPlan;
  readonly node: NodeFacts;
  readonly names: ServicePortChains;
  readonly words: FamilyWords;
  readonly protocol: string;
}

/** Lowers the plan of one service port. */
export function lowerServicePort(plan: ServicePortPlan, node: NodeFacts): Fragment {
  const draft: Draft = { chains: [], affinitySets: [], elements: [], commentCut: false };
  const subject: Subject = {
    plan,
    node,
    names: servicePortChains(plan),
    words: WORDS[plan.family],
    protocol: lowerProtocol(plan.protocol),
  };
  addClusterIP(draft, subject);
  addExternalAddresses(draft, subject);
  addNodePort(draft, subject);
  addHairpin(draft, subject);
  addExternalChain(draft, subject);
  addFirewallChain(draft, subject);
  addBalancing(draft, subject);
  return { plan, ...draft };
}

function addElement(
  draft: Draft,
  { words }: Subject,
  collection: string,
  key: string,
  verdict = '',
  comment = '',
): void {
  const start = `${collection} { ${key}`;
  const said = comment === '' ? '' : ` comment "${comment}"`;
  const value = verdict === '' ? '' : ` : ${verdict}`;
  draft.elements.push({ key: start, verdict, line: `add element ${words.table} ${start}${said}${value} }\n` });
}

function addClusterIP(draft: Draft, subject: Subject): void {
  const { plan, names, protocol } = subject;
  const key = `${plan.clusterIP} . ${protocol} . ${plan.port}`;
  addElement(draft, subject, 'cluster-ips', plan.clusterIP);
  if (plan.internal === 'cluster' || plan.internal === 'local') {
    const chain = plan.internal === 'local' ? names.local : names.service;
    addElement(draft, subject, 'service-ips', key, `goto ${chain}`);
  } else {
    addRefusal(draft, subject, 'no-endpoint-services', key, plan.internal);
  }
}

/** External IPs and load-balancer addresses; the latter perhaps behind a firewall. */
function addExternalAddresses(draft: Draft, subject: Subject): void {
  const { plan, names, protocol } = subject;
  for (const ip of [...plan.externalIPs, ...plan.loadBalancerIPs]) {
    addExternal(draft, subject, 'service-ips', 'no-endpoint-services', `${ip} . ${protocol} . ${plan.port}`);
  }
  if (!usesFirewallChain(plan)) return;
  for (const ip of plan.loadBalancerIPs) {
    addElement(draft, subject, 'firewall-ips', `${ip} . ${protocol} . ${plan.port}`, `goto ${names.firewall}`);
  }
}

function addNodePort(draft: Draft, subject: Subject): void {
  const { plan, protocol } = subject;
  if (plan.nodePort === undefined) return;
  addExternal(draft, subject, 'service-nodeports', 'no-endpoint-nodeports', `${protocol} . ${plan.nodePort}`);
}

/** A way in from outside. Also without local endpoints pods and the node itself take it, so both maps may have it. */
function addExternal(draft: Draft, subject: Subject, services: string, noEndpoints: string, key: string): void {
  const { plan, names } = subject;
  if (plan.hasEndpoints) addElement(draft, subject, services, key, `goto ${names.external}`);
  if (plan.external === 'reject' || plan.external === 'drop') {
    addRefusal(draft, subject, noEndpoints, key, plan.external);
  }
}

function addRefusal(draft: Draft, subject: Subject, map: string, key: string, outcome: Outcome): void {
  const { text, cut } = elementComment(subject.plan.name);
  draft.commentCut ||= cut;
  // reject is no verdict that a map can hold.
  addElement(draft, subject, map, key, outcome === 'reject' ? 'goto reject-chain' : 'drop', text);
}

/** A pod that reaches itself must be masqueraded, whatever way its packet came. */
function addHairpin(draft: Draft, subject: Subject): void {
  for (const { local, port, source } of subject.plan.reachableEndpoints) {
    if (!local) continue;
    const key = `${source.address} . ${source.address} . ${subject.protocol} . ${port}`;
    addElement(draft, subject, 'hairpin-connections', key);
  }
}

/**
 * Traffic to the outside addresses. Under policy Local the client's address is kept, but pods and the node itself,
 * which could reach any endpoint directly, are not bound to the local ones.
 */
function addExternalChain(draft: Draft, { plan, node, names }: Subject): void {
  if (!plan.hasEndpoints || !plan.externallyAccessible) return;
  const mark = `mark set mark or ${masqueradeMark(node)}`;
  const rules: string[] = [];
  if (!plan.externalPolicyLocal) {
    rules.push(`${mark} comment "masquerade"`, `goto ${names.service}`);
  } else {
    const fromPods = detectorMatch(node.localDetector, plan.family, '');
    if (fromPods !== undefined) rules.push(`${fromPods} goto ${names.service} comment "short-circuit pod traffic"`);
    rules.push(
      `fib saddr type local ${mark} comment "masquerade local traffic"`,
      `fib saddr type local goto ${names.service} comment "short-circuit local traffic"`,
    );
    if (plan.external === 'local') rules.push(`goto ${names.local}`);
  }
  draft.chains.push({ name: names.external, properties: '', rules });
}

/** The firewall stands whether or not there are endpoints. */
function usesFirewallChain(plan: ServicePortPlan): boolean {
  return plan.loadBalancerIPs.length > 0 && plan.sourceRanges.length > 0;
}

function addFirewallChain(draft: Draft, { plan, names, words }: Subject): void {
  if (!usesFirewallChain(plan)) return;
  // A node with the load-balancer address on an interface may use that address as its source.
  const own = plan.sourceRangesAllowNode ? plan.loadBalancerIPs : [];
  const allowed = [...plan.sourceRanges.map(({ text }) => text), ...own];
  draft.chains.push({
    name: names.firewall,
    properties: '',
    rules: [`${words.ip} saddr != { ${allowed.join(' , ')} } drop`],
  });
}

/** The chains that choose an endpoint, and with session affinity what belongs to each endpoint. */
function addBalancing(draft: Draft, subject: Subject): void {
  const { plan, names } = subject;
  const chooses =
    plan.affinitySeconds === undefined ? evenly(subject) : faithfully(draft, subject, plan.affinitySeconds);
  const add = (name: string, endpoints: readonly Endpoint[]): void => {
    if (endpoints.length > 0) draft.chains.push({ name, properties: '', rules: chooses(endpoints) });
  };
  add(names.service, plan.clusterEndpoints);
  add(names.local, plan.localEndpoints);
}

/** The rules that send each packet to one of some endpoints. */
type Choice = (endpoints: readonly Endpoint[]) => readonly string[];

/** Without session affinity: one rule that translates the address to that of any endpoint, all alike. */
function evenly({ words, protocol }: Subject): Choice {
  return (endpoints) => {
    const map = endpoints.map(({ source, port }, i) => `${i} : ${source.address} . ${port}`).join(' , ');
    return [
      `meta l4proto ${protocol} dnat ${words.ip} addr . port to numgen random mod ${endpoints.length} map { ${map} }`,
    ];
  };
}

/** With session affinity: a client that an endpoint remembers goes there again, any other to one by chance. */
function faithfully(draft: Draft, { plan, words, protocol }: Subject, seconds: number): Choice {
  const byEndpoint = new Map<Endpoint, EndpointNames>();
  for (const endpoint of plan.reachableEndpoints) {
    const names = endpointNames(plan, endpoint);
    byEndpoint.set(endpoint, names);
    draft.affinitySets.push({
      name: names.affinitySet,
      properties: `{ type ${words.addressType} ; flags dynamic,timeout ; timeout ${seconds}s ; }`,
    });
    draft.chains.push({
      name: names.chain,
      properties: '',
      rules: [
        `update @${names.affinitySet} { ${words.ip} saddr }`,
        `meta l4proto ${protocol} dnat to ${endpoint.text}`,
      ],
    });
  }
  return (endpoints) => {
    const names = endpoints.flatMap((endpoint) => byEndpoint.get(endpoint) ?? []);
    const map = names.map(({ chain }, i) => `${i} : goto ${chain}`).join(' , ');
    return [
      ...names.map(({ chain, affinitySet }) => `${words.ip} saddr @${affinitySet} goto ${chain}`),
      `numgen random mod ${names.length} vmap { ${map} }`,
    ];
  };
}

/** What one service port contributes to the table of nftables mode. */
import { lowerProtocol } from '../../net/protocol.js';
import type { Endpoint } from '../../plan/endpoints.js';
import type { NodeFacts } from '../../plan/node.js';
import type { Outcome, ServicePortPlan } from '../../plan/service-port.js';
import { masqueradeMark } from '../mark.js';
import { type Chain, type Collection, type Element, newChain, newCollection, newElement } from './lines.js';
import { endpointNames, type ServicePortChains, servicePortChains } from './names.js';
import { detectorMatch, elementComment, type FamilyWords, WORDS } from './words.js';

/** What one service port contributes. */
export interface Fragment {
  readonly plan: ServicePortPlan;
  readonly chains: readonly Chain[];
  readonly affinitySets: readonly Collection[];
  readonly elements: readonly Element[];
}

interface Draft {
  readonly chains: Chain[];
  readonly affinitySets: Collection[];
  readonly elements: Element[];
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
  const draft: Draft = { chains: [], affinitySets: [], elements: [] };
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
  addFirewall(draft, subject);
  addBalancingChains(draft, subject);
  if (plan.affinitySeconds !== undefined) addAffinity(draft, subject, plan.affinitySeconds);
  return { plan, ...draft };
}

function addChain(draft: Draft, { words }: Subject, name: string, rules: readonly string[]): void {
  draft.chains.push(newChain(words.table, name, '', rules));
}

function addElement(
  draft: Draft,
  { plan, words }: Subject,
  map: string,
  key: string,
  verdict = '',
  comment = '',
): void {
  draft.elements.push(newElement(words.table, `${map} { ${key}`, { owner: plan.name, verdict, comment }));
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

function addExternalAddresses(draft: Draft, subject: Subject): void {
  const { plan, protocol } = subject;
  for (const ip of [...plan.externalIPs, ...plan.loadBalancerIPs]) {
    addExternal(draft, subject, 'service-ips', 'no-endpoint-services', `${ip} . ${protocol} . ${plan.port}`);
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
  // reject is no verdict that a map can hold.
  const verdict = outcome === 'reject' ? 'goto reject-chain' : 'drop';
  addElement(draft, subject, map, key, verdict, elementComment(subject.plan.name));
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
function addExternalChain(draft: Draft, subject: Subject): void {
  const { plan, node, names } = subject;
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
  addChain(draft, subject, names.external, rules);
}

/** Who may use the load-balancer addresses. The firewall stands whether or not there are endpoints. */
function addFirewall(draft: Draft, subject: Subject): void {
  const { plan, names, words, protocol } = subject;
  if (plan.loadBalancerIPs.length === 0 || plan.sourceRanges.length === 0) return;
  for (const ip of plan.loadBalancerIPs) {
    addElement(draft, subject, 'firewall-ips', `${ip} . ${protocol} . ${plan.port}`, `goto ${names.firewall}`);
  }
  // A node with the load-balancer address on an interface may use that address as its source.
  const own = plan.sourceRangesAllowNode ? plan.loadBalancerIPs : [];
  const allowed = [...plan.sourceRanges.map(({ text }) => text), ...own];
  addChain(draft, subject, names.firewall, [`${words.ip} saddr != { ${allowed.join(' , ')} } drop`]);
}

/** The chains that send each packet to one of some endpoints. */
function addBalancingChains(draft: Draft, subject: Subject): void {
  const { plan, names } = subject;
  const rules = plan.affinitySeconds === undefined ? translationToAny : returnToRememberedOrAny;
  if (plan.clusterEndpoints.length > 0) addChain(draft, subject, names.service, rules(subject, plan.clusterEndpoints));
  if (plan.localEndpoints.length > 0) addChain(draft, subject, names.local, rules(subject, plan.localEndpoints));
}

/** One rule that translates the address to that of any endpoint, all alike. */
function translationToAny({ words, protocol }: Subject, endpoints: readonly Endpoint[]): readonly string[] {
  const map = endpoints.map(({ source, port }, i) => `${i} : ${source.address} . ${port}`).join(' , ');
  return [
    `meta l4proto ${protocol} dnat ${words.ip} addr . port to numgen random mod ${endpoints.length} map { ${map} }`,
  ];
}

/** The rules with session affinity: a client that an endpoint remembers goes there again, any other to one by chance. */
function returnToRememberedOrAny({ plan, words }: Subject, endpoints: readonly Endpoint[]): readonly string[] {
  const names = endpoints.map((endpoint) => endpointNames(plan, endpoint));
  const map = names.map(({ chain }, i) => `${i} : goto ${chain}`).join(' , ');
  return [
    ...names.map(({ chain, affinitySet }) => `${words.ip} saddr @${affinitySet} goto ${chain}`),
    `numgen random mod ${names.length} vmap { ${map} }`,
  ];
}

/** For each endpoint the set of the clients that it remembers, and the chain that puts them there. */
function addAffinity(draft: Draft, subject: Subject, seconds: number): void {
  const { plan, words, protocol } = subject;
  for (const endpoint of plan.reachableEndpoints) {
    const { chain, affinitySet } = endpointNames(plan, endpoint);
    const properties = `{ type ${words.addressType} ; flags dynamic,timeout ; timeout ${seconds}s ; }`;
    draft.affinitySets.push(newCollection('set', words.table, affinitySet, properties));
    addChain(draft, subject, chain, [
      `update @${affinitySet} { ${words.ip} saddr }`,
      `meta l4proto ${protocol} dnat to ${endpoint.text}`,
    ]);
  }
}

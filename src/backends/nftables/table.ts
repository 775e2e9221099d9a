/** What the table holds whatever Services there are: base chains, the chains behind them, sets and maps. */

import { isLoopback } from '../../net/ip.js';
import type { NodeFacts } from '../../plan/node.js';
import { masqueradeMark } from '../mark.js';
import { type Chain, type Collection, type Element, newChain, newCollection, newElement } from './lines.js';
import { detectorMatch, WORDS } from './words.js';

/**
 * The fixed chains of a node, in no particular order.
 * @param serviceCIDRs the ranges of cluster IPs that are known
 */
export function fixedChains(node: NodeFacts, serviceCIDRs: readonly string[]): readonly Chain[] {
  const { ip, table } = WORDS[node.family];
  const chain = (name: string, rules: readonly string[], properties = ''): Chain =>
    newChain(table, name, properties, rules);
  const base = (name: string, type: string, hook: string, priority: number, rules: readonly string[]): Chain =>
    chain(name, rules, ` { type ${type} hook ${hook} priority ${priority} ; }`);
  const destination = `${ip} daddr . meta l4proto . th dport`;
  const { checked, translated } = nodePortMatches(node);
  return [
    base('filter-prerouting-pre-dnat', 'filter', 'prerouting', -110, ['ct state new jump firewall-check']),
    base('filter-output-pre-dnat', 'filter', 'output', -110, ['ct state new jump firewall-check']),
    base('filter-input', 'filter', 'input', 0, [
      'ct state new jump nodeport-endpoints-check',
      'ct state new jump service-endpoints-check',
    ]),
    base('filter-forward', 'filter', 'forward', 0, AFTER_TRANSLATION),
    base('filter-output', 'filter', 'output', 0, AFTER_TRANSLATION),
    base('nat-prerouting', 'nat', 'prerouting', -100, ['jump services']),
    base('nat-output', 'nat', 'output', -100, ['jump services']),
    base('nat-postrouting', 'nat', 'postrouting', 100, ['jump masquerading']),
    chain('services', [
      ...clusterIPMasquerade(node),
      `${destination} vmap @service-ips`,
      `${translated} meta l4proto . th dport vmap @service-nodeports`,
    ]),
    chain('masquerading', masquerading(node)),
    chain('service-endpoints-check', [`${destination} vmap @no-endpoint-services`]),
    chain('nodeport-endpoints-check', [`${checked} meta l4proto . th dport vmap @no-endpoint-nodeports`]),
    chain('firewall-check', [`${destination} vmap @firewall-ips`]),
    chain('cluster-ips-check', [
      `${ip} daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"`,
      ...(serviceCIDRs.length === 0
        ? []
        : [`${ip} daddr { ${serviceCIDRs.join(',')} } drop comment "Drop traffic to unallocated ClusterIPs"`]),
    ]),
    chain('reject-chain', ['reject'], ' { comment "helper for @no-endpoint-services / @no-endpoint-nodeports" ; }'),
  ];
}

/** What is still addressed to a Service when it has not been translated finds no endpoint. */
const AFTER_TRANSLATION = ['ct state new jump service-endpoints-check', 'ct state new jump cluster-ips-check'];

/**
 * The matches for packets whose destination address may be one of node ports: `translated` where they are sent on to
 * endpoints; `checked` where those without endpoints are refused, which is in input only, where every address is local.
 */
function nodePortMatches({ nodePortAddresses, family }: NodeFacts): {
  readonly checked: string;
  readonly translated: string;
} {
  const { ip, notToLoopback } = WORDS[family];
  return nodePortAddresses.all
    ? { checked: notToLoopback, translated: `fib daddr type local ${notToLoopback}` }
    : { checked: `${ip} daddr @nodeport-ips`, translated: `${ip} daddr @nodeport-ips` };
}

/** Cluster IP traffic that does not come from a pod of ours is masqueraded, so that the reply comes back this way. */
function clusterIPMasquerade(node: NodeFacts): readonly string[] {
  const { ip } = WORDS[node.family];
  const mark = `mark set mark or ${masqueradeMark(node)}`;
  if (node.masqueradeAll) return [`${ip} daddr @cluster-ips ${mark} comment "masquerade all clusterIP traffic"`];
  const notLocal = detectorMatch(node.localDetector, node.family, '!= ');
  if (notLocal === undefined) return [];
  return [`${ip} daddr @cluster-ips ${notLocal} ${mark} comment "masquerade clusterIP traffic from outside cluster"`];
}

/** The mark is taken off, as an overlay network may send the same packet through here once more. */
function masquerading(node: NodeFacts): readonly string[] {
  const { ip } = WORDS[node.family];
  const mark = masqueradeMark(node);
  return [
    `mark and ${mark} != 0 mark set mark xor ${mark} masquerade fully-random`,
    `ct status dnat ${ip} saddr . ${ip} daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random`,
  ];
}

/** The fixed sets, bytewise by name; `nodeport-ips` only where node ports do not answer on every address. */
export function fixedSets({ family, nodePortAddresses }: NodeFacts): readonly Collection[] {
  const { addressType, table } = WORDS[family];
  const set = (name: string, type: string, comment: string): Collection =>
    newCollection('set', table, name, typed(type, comment));
  const connection = `${addressType} . ${addressType} . inet_proto . inet_service`;
  return [
    set('cluster-ips', addressType, 'Active ClusterIPs'),
    set('hairpin-connections', connection, 'service hairpin connections'),
    ...(nodePortAddresses.all ? [] : [set('nodeport-ips', addressType, 'IPs that accept NodePort traffic')]),
  ];
}

/** The maps, bytewise by name. */
export function fixedMaps({ family }: NodeFacts): readonly Collection[] {
  const { addressType, table } = WORDS[family];
  const map = (name: string, type: string, comment: string): Collection =>
    newCollection('map', table, name, typed(type, comment));
  const port = 'inet_proto . inet_service : verdict';
  const address = `${addressType} . ${port}`;
  return [
    map('firewall-ips', address, 'destinations that are subject to LoadBalancerSourceRanges'),
    map('no-endpoint-nodeports', port, 'vmap to drop or reject packets to service nodeports with no endpoints'),
    map('no-endpoint-services', address, 'vmap to drop or reject packets to services with no endpoints'),
    map('service-ips', address, 'ClusterIP, ExternalIP and LoadBalancer IP traffic'),
    map('service-nodeports', port, 'NodePort traffic'),
  ];
}

function typed(type: string, comment: string): string {
  return `{ type ${type} ; comment "${comment}" ; }`;
}

/** The elements of `nodeport-ips`, in no particular order: never loopback. */
export function nodePortElements({ family, nodePortAddresses }: NodeFacts): readonly Element[] {
  return nodePortAddresses.local
    .filter((text) => !isLoopback({ family, text }))
    .map((ip) => newElement(WORDS[family].table, `nodeport-ips { ${ip}`, { owner: '', verdict: '', comment: '' }));
}

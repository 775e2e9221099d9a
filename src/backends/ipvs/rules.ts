/** The restore input of IPVS mode. Almost nothing in it depends on a single Service: the rules match sets. */
import type { Family } from '../../net/family.js';
import type { NodeFacts } from '../../plan/node.js';
import { chainLines, detectorMatch, forwardRules, masqueradeRules } from '../xtables/emit.js';
import { SETS, type SetKey, setName } from './sets.js';
import { FILTER_CHAINS, NAT_CHAINS } from './setup.js';

/** How a packet's addresses and ports are looked up in a set. */
type Directions = 'dst' | 'dst,dst' | 'src,dst' | 'dst,dst,src';

/**
 * The restore input: table nat, then filter. Rules for sets without entries are left out of nat.
 * @param filled the sets that have entries
 * @param outFilterRules rules of KUBE-IPVS-OUT-FILTER, sorted
 */
export function rulesText(
  node: NodeFacts,
  filled: ReadonlySet<SetKey>,
  outFilterRules: readonly string[],
): readonly string[] {
  return [
    `*nat\n${chainLines(NAT_CHAINS)}`,
    ...natRules(node, filled),
    masqueradeRules(node),
    `COMMIT\n*filter\n${chainLines(FILTER_CHAINS)}`,
    ...sourceRangeRules({ family: node.family, filled }),
    ...outFilterRules,
    forwardRules(node),
    ...filterRules(node),
    'COMMIT\n',
  ];
}

/** Which sets there is something to look up in. */
interface Sets {
  readonly family: Family;
  readonly filled: ReadonlySet<SetKey>;
}

/**
 * The rule that matches a set and has its comment; none if the set is empty.
 * @param start the chain, and perhaps the match of a protocol
 * @param end what stands behind the match of the set: more matches, and the target
 */
function setRule(
  { family, filled }: Sets,
  start: string,
  set: SetKey,
  directions: Directions,
  end: string,
): readonly string[] {
  return filled.has(set) ? [`-A ${start} ${commented(set)} ${matchSet(set, directions, family)} ${end}\n`] : [];
}

function natRules(node: NodeFacts, filled: ReadonlySet<SetKey>): readonly string[] {
  const { family } = node;
  const sets: Sets = { family, filled };
  // From outside: neither over a bridge, behind which there are pods, nor from the node itself.
  const fromOutside = '-m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT';
  const toThisNode = '-m addrtype --dst-type LOCAL -j ACCEPT';
  const accepted = (['CLUSTER-IP', 'LOAD-BALANCER'] as const).filter((set) => filled.has(set));
  return [
    `-A KUBE-SERVICES -s ${family === 'ipv4' ? '127.0.0.0/8' : '::1/128'} -j RETURN\n`,
    ...setRule(sets, 'KUBE-POSTROUTING', 'LOOP-BACK', 'dst,dst,src', '-j MASQUERADE'),
    ...setRule(sets, 'KUBE-SERVICES', 'LOAD-BALANCER', 'dst,dst', '-j KUBE-LOAD-BALANCER'),
    ...setRule(sets, 'KUBE-LOAD-BALANCER', 'LOAD-BALANCER-LOCAL', 'dst,dst', '-j RETURN'),
    ...setRule(sets, 'KUBE-NODE-PORT -p tcp', 'NODE-PORT-LOCAL-TCP', 'dst', '-j RETURN'),
    ...setRule(sets, 'KUBE-NODE-PORT -p tcp', 'NODE-PORT-TCP', 'dst', '-j KUBE-MARK-MASQ'),
    ...setRule(sets, 'KUBE-NODE-PORT -p udp', 'NODE-PORT-LOCAL-UDP', 'dst', '-j RETURN'),
    ...setRule(sets, 'KUBE-NODE-PORT -p udp', 'NODE-PORT-UDP', 'dst', '-j KUBE-MARK-MASQ'),
    ...setRule(sets, 'KUBE-NODE-PORT -p sctp', 'NODE-PORT-LOCAL-SCTP-HASH', 'dst,dst', '-j RETURN'),
    ...setRule(sets, 'KUBE-NODE-PORT -p sctp', 'NODE-PORT-SCTP-HASH', 'dst,dst', '-j KUBE-MARK-MASQ'),
    ...clusterIPMasquerade(node, sets),
    ...setRule(sets, 'KUBE-SERVICES', 'EXTERNAL-IP', 'dst,dst', '-j KUBE-MARK-MASQ'),
    ...setRule(sets, 'KUBE-SERVICES', 'EXTERNAL-IP', 'dst,dst', fromOutside),
    ...setRule(sets, 'KUBE-SERVICES', 'EXTERNAL-IP', 'dst,dst', toThisNode),
    ...setRule(sets, 'KUBE-SERVICES', 'EXTERNAL-IP-LOCAL', 'dst,dst', fromOutside),
    ...setRule(sets, 'KUBE-SERVICES', 'EXTERNAL-IP-LOCAL', 'dst,dst', toThisNode),
    '-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT\n',
    '-A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ\n',
    ...accepted.map((set) => `-A KUBE-SERVICES ${matchSet(set, 'dst,dst', family)} -j ACCEPT\n`),
  ];
}

function clusterIPMasquerade(node: NodeFacts, sets: Sets): readonly string[] {
  if (node.masqueradeAll) return setRule(sets, 'KUBE-SERVICES', 'CLUSTER-IP', 'dst,dst', '-j KUBE-MARK-MASQ');
  const notLocal = detectorMatch(node.localDetector, '! ');
  if (notLocal !== undefined) {
    return setRule(sets, 'KUBE-SERVICES', 'CLUSTER-IP', 'dst,dst', `${notLocal} -j KUBE-MARK-MASQ`);
  }
  // What the node sends to a cluster IP comes from that very address, which is on kube-ipvs0.
  return setRule(sets, 'KUBE-SERVICES', 'CLUSTER-IP', 'src,dst', '-j KUBE-MARK-MASQ');
}

/** Who may use load-balancer addresses with source ranges; the others are dropped. */
function sourceRangeRules(sets: Sets): readonly string[] {
  const chain = 'KUBE-SOURCE-RANGES-FIREWALL';
  return [
    ...setRule(sets, 'KUBE-PROXY-FIREWALL', 'LOAD-BALANCER-FW', 'dst,dst', `-j ${chain}`),
    ...setRule(sets, chain, 'LOAD-BALANCER-SOURCE-CIDR', 'dst,dst,src', '-j RETURN'),
    ...setRule(sets, chain, 'LOAD-BALANCER-SOURCE-IP', 'dst,dst,src', '-j RETURN'),
    `-A ${chain} -j DROP\n`,
  ];
}

/** The rest of filter: health checks come in; through an address on kube-ipvs0 nothing else reaches the node. */
function filterRules({ family }: NodeFacts): readonly string[] {
  const healthCheck = matchSet('HEALTH-CHECK-NODE-PORT', 'dst', family);
  const passed = (['LOAD-BALANCER', 'CLUSTER-IP', 'EXTERNAL-IP', 'EXTERNAL-IP-LOCAL'] as const).map(
    (set) => `-A KUBE-IPVS-FILTER ${matchSet(set, 'dst,dst', family)} -j RETURN\n`,
  );
  return [
    `-A KUBE-NODE-PORT ${commented('HEALTH-CHECK-NODE-PORT')} ${healthCheck} -j ACCEPT\n`,
    ...passed,
    `-A KUBE-IPVS-FILTER ${healthCheck} -j RETURN\n`,
    `-A KUBE-IPVS-FILTER -m conntrack --ctstate NEW ${matchSet('IPVS-IPS', 'dst', family)} -j REJECT\n`,
  ];
}

function commented(set: SetKey): string {
  return `-m comment --comment "${SETS[set].comment}"`;
}

function matchSet(set: SetKey, directions: Directions, family: Family): string {
  return `-m set --match-set ${setName(set, family)} ${directions}`;
}

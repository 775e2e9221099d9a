/** The restore input of IPVS mode. Almost nothing in it depends on a single Service: the rules match sets. */
import type { NodeFacts } from '../../plan/node.js';
import { chainLines, detectorMatch, forwardRules, masqueradeRules } from '../xtables/emit.js';
import { SETS, type SetContents, type SetKey, setName } from './sets.js';
import { FILTER_CHAINS, NAT_CHAINS } from './setup.js';

/** How a packet's addresses and ports are looked up in a set. */
type Directions = 'dst' | 'dst,dst' | 'src,dst' | 'dst,dst,src';

/**
 * The restore input: table nat, then filter. Rules for sets without entries are left out of nat.
 * @param outFilterRules rules of KUBE-IPVS-OUT-FILTER, sorted; kube-proxy repeats them, so repetitions stay
 */
export function rulesText(node: NodeFacts, sets: SetContents, outFilterRules: readonly string[]): readonly string[] {
  return [
    `*nat\n${chainLines(NAT_CHAINS)}`,
    ...natRules(node, sets),
    masqueradeRules(node),
    `COMMIT\n*filter\n${chainLines(FILTER_CHAINS)}`,
    ...sourceRangeRules(node, sets),
    ...outFilterRules,
    forwardRules(node),
    ...filterRules(node),
    'COMMIT\n',
  ];
}

function natRules(node: NodeFacts, sets: SetContents): readonly string[] {
  const rules: string[] = [];
  const rule = (chain: string, args: string): void => {
    rules.push(`-A ${chain} ${args}\n`);
  };
  /** Adds a rule with the set's comment if the set has entries. */
  const setRule = (chain: string, set: SetKey, directions: Directions, target: string, protocol = ''): void => {
    if (sets[set].length > 0) rule(chain, `${protocol}${commented(set)} ${matchSet(set, directions, node)} ${target}`);
  };

  rule('KUBE-SERVICES', `-s ${node.family === 'ipv4' ? '127.0.0.0/8' : '::1/128'} -j RETURN`);
  setRule('KUBE-POSTROUTING', 'LOOP-BACK', 'dst,dst,src', '-j MASQUERADE');
  setRule('KUBE-SERVICES', 'LOAD-BALANCER', 'dst,dst', '-j KUBE-LOAD-BALANCER');
  setRule('KUBE-LOAD-BALANCER', 'LOAD-BALANCER-LOCAL', 'dst,dst', '-j RETURN');
  setRule('KUBE-NODE-PORT', 'NODE-PORT-LOCAL-TCP', 'dst', '-j RETURN', '-p tcp ');
  setRule('KUBE-NODE-PORT', 'NODE-PORT-TCP', 'dst', '-j KUBE-MARK-MASQ', '-p tcp ');
  setRule('KUBE-NODE-PORT', 'NODE-PORT-LOCAL-UDP', 'dst', '-j RETURN', '-p udp ');
  setRule('KUBE-NODE-PORT', 'NODE-PORT-UDP', 'dst', '-j KUBE-MARK-MASQ', '-p udp ');
  setRule('KUBE-NODE-PORT', 'NODE-PORT-LOCAL-SCTP-HASH', 'dst,dst', '-j RETURN', '-p sctp ');
  setRule('KUBE-NODE-PORT', 'NODE-PORT-SCTP-HASH', 'dst,dst', '-j KUBE-MARK-MASQ', '-p sctp ');

  const notLocal = detectorMatch(node.localDetector, '! ');
  if (node.masqueradeAll) setRule('KUBE-SERVICES', 'CLUSTER-IP', 'dst,dst', '-j KUBE-MARK-MASQ');
  else if (notLocal !== undefined) setRule('KUBE-SERVICES', 'CLUSTER-IP', 'dst,dst', `${notLocal} -j KUBE-MARK-MASQ`);
  // What the node sends to a cluster IP comes from that very address, which is on kube-ipvs0.
  else setRule('KUBE-SERVICES', 'CLUSTER-IP', 'src,dst', '-j KUBE-MARK-MASQ');

  // From outside: neither over a bridge, behind which there are pods, nor from the node itself.
  const fromOutside = '-m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT';
  const toThisNode = '-m addrtype --dst-type LOCAL -j ACCEPT';
  setRule('KUBE-SERVICES', 'EXTERNAL-IP', 'dst,dst', '-j KUBE-MARK-MASQ');
  for (const set of ['EXTERNAL-IP', 'EXTERNAL-IP-LOCAL'] as const) {
    setRule('KUBE-SERVICES', set, 'dst,dst', fromOutside);
    setRule('KUBE-SERVICES', set, 'dst,dst', toThisNode);
  }

  rule('KUBE-SERVICES', '-m addrtype --dst-type LOCAL -j KUBE-NODE-PORT');
  rule('KUBE-LOAD-BALANCER', '-j KUBE-MARK-MASQ');
  for (const set of ['CLUSTER-IP', 'LOAD-BALANCER'] as const) {
    if (sets[set].length > 0) rule('KUBE-SERVICES', `${matchSet(set, 'dst,dst', node)} -j ACCEPT`);
  }
  return rules;
}

/** Who may use load-balancer addresses with source ranges; the others are dropped. */
function sourceRangeRules(node: NodeFacts, sets: SetContents): readonly string[] {
  const rules: string[] = [];
  const setRule = (chain: string, set: SetKey, directions: Directions, target: string): void => {
    if (sets[set].length > 0) {
      rules.push(`-A ${chain} ${commented(set)} ${matchSet(set, directions, node)} -j ${target}\n`);
    }
  };
  setRule('KUBE-PROXY-FIREWALL', 'LOAD-BALANCER-FW', 'dst,dst', 'KUBE-SOURCE-RANGES-FIREWALL');
  setRule('KUBE-SOURCE-RANGES-FIREWALL', 'LOAD-BALANCER-SOURCE-CIDR', 'dst,dst,src', 'RETURN');
  setRule('KUBE-SOURCE-RANGES-FIREWALL', 'LOAD-BALANCER-SOURCE-IP', 'dst,dst,src', 'RETURN');
  rules.push('-A KUBE-SOURCE-RANGES-FIREWALL -j DROP\n');
  return rules;
}

/** The rest of filter: health checks come in; through an address on kube-ipvs0 nothing else reaches the node. */
function filterRules(node: NodeFacts): readonly string[] {
  const healthCheck = matchSet('HEALTH-CHECK-NODE-PORT', 'dst', node);
  const passed = (['LOAD-BALANCER', 'CLUSTER-IP', 'EXTERNAL-IP', 'EXTERNAL-IP-LOCAL'] as const).map(
    (set) => `-A KUBE-IPVS-FILTER ${matchSet(set, 'dst,dst', node)} -j RETURN\n`,
  );
  return [
    `-A KUBE-NODE-PORT ${commented('HEALTH-CHECK-NODE-PORT')} ${healthCheck} -j ACCEPT\n`,
    ...passed,
    `-A KUBE-IPVS-FILTER ${healthCheck} -j RETURN\n`,
    `-A KUBE-IPVS-FILTER -m conntrack --ctstate NEW ${matchSet('IPVS-IPS', 'dst', node)} -j REJECT\n`,
  ];
}

function commented(set: SetKey): string {
  return `-m comment --comment "${SETS[set].comment}"`;
}

function matchSet(set: SetKey, directions: Directions, node: NodeFacts): string {
  return `-m set --match-set ${setName(set, node.family)} ${directions}`;
}

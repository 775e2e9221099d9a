/** What iptables and IPVS mode spell alike, as both write iptables rules. */
import type { LocalDetector, NodeFacts } from '../../plan/node.js';
import { masqueradeMark } from '../mark.js';

/** A jump into one of kube-proxy's chains, made by a single command before the restore. */
export interface Jump {
  readonly table: 'filter' | 'nat';
  readonly from: string;
  /** The rule's arguments before `-j`. */
  readonly match: readonly string[];
  readonly to: string;
}

/** The arguments of a comment. */
export function comment(text: string): readonly string[] {
  return ['-m', 'comment', '--comment', text];
}

/** The setup line that makes a chain if it is missing. */
export function newChainLine(table: string, chain: string): string {
  return `-t ${table} -N ${chain}\n`;
}

/** The setup line that puts a jump at the head of a chain if it is not there; an argument with a space is quoted. */
export function jumpLine({ table, from, match, to }: Jump): string {
  const args = match.map((arg) => (arg.includes(' ') ? `"${arg}"` : arg));
  return `${['-t', table, '-I', from, ...args, '-j', to].join(' ')}\n`;
}

/** The lines of a restore input that declare some chains, and empty those that exist. */
export function chainLines(chains: readonly string[]): string {
  return chains.length === 0 ? '' : `:${chains.join(' - [0:0]\n:')} - [0:0]\n`;
}

/** The match for traffic of local pods, or with `! ` for all other; undefined where there is no way to tell. */
export function detectorMatch(detector: LocalDetector | undefined, not: '' | '! '): string | undefined {
  if (detector === undefined) return undefined;
  if (detector.kind === 'cidr') return `${not}-s ${detector.cidr}`;
  if (detector.kind === 'interface') return `${not}-i ${detector.name}`;
  return `${not}-i ${detector.prefix}+`;
}

/** What lets service traffic through a FORWARD chain whose policy is DROP. */
export function forwardRules(node: NodeFacts): string {
  const mark = masqueradeMark(node);
  return [
    `-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark ${mark}/${mark} -j ACCEPT\n`,
    '-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n',
  ].join('');
}

/** The mark that asks for masquerading: where it is obeyed, and the chain that sets it. */
export function masqueradeRules(node: NodeFacts): string {
  const mark = masqueradeMark(node);
  return [
    `-A KUBE-POSTROUTING -m mark ! --mark ${mark}/${mark} -j RETURN\n`,
    `-A KUBE-POSTROUTING -j MARK --xor-mark ${mark}\n`,
    '-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully\n',
    `-A KUBE-MARK-MASQ -j MARK --or-mark ${mark}\n`,
  ].join('');
}

/** The rules that a large dump consists of, brought to their normal form without being read word by word. */

import { isCanonicalIpv4 } from '../../net/ip.js';
import { normalRuleText } from './normal-rule.js';
import { parseRuleArguments } from './parse-rule.js';

const COMMENT = ' -m comment --comment ';
const SOURCE = /^ -s ([0-9.]+)(?:\/32)? -j KUBE-MARK-MASQ$/;
const TRANSLATION =
  /^ (?:-p (tcp|udp|sctp) -m \1|-m (tcp|udp|sctp) -p \2) -j DNAT --to-destination ([0-9.]+):([1-9]\d{0,3})$/;
const CHANCE = /^( -m statistic --mode random --probability [0-9.]+) -j (KUBE-SEP-[A-Z2-7]{16})$/;
const JUMP = /^ -j KUBE-(?:SEP|SVC|SVL|EXT)-[A-Z2-7]{16}$/;

/** Normal texts of probabilities: there are as many as endpoints of one service port. */
const chances = new Map<string, string>();

/** More of them are not kept. */
const MOST_CHANCES = 10_000;

/**
 * The normal form, without its comment, of a rule for an endpoint; the same that `normalRuleText` gives.
 * @returns undefined for any other rule, which has to be read
 */
export function quickRuleText(text: string): string | undefined {
  const split = splitComment(text);
  return split === undefined ? undefined : quickText(split.rest);
}

/**
 * A text that is the same for two rules exactly if they mean the same and carry the same comment, however they are
 * written; for comparing large dumps. Arguments whose quotes are not closed are a text of their own.
 */
export function ruleKey(text: string): string {
  const split = splitComment(text);
  const quick = split === undefined ? undefined : quickText(split.rest);
  if (quick !== undefined) return `${quick}\n${split?.comment ?? ''}`;
  const spec = parseRuleArguments(text);
  if (spec === undefined) return text;
  const matches = spec.matches.filter(({ kind }) => kind !== 'comment');
  const comments = spec.matches.flatMap((match) => (match.kind === 'comment' ? [match.text] : []));
  return `${normalRuleText({ matches, target: spec.target })}\n${comments.join('\n')}`;
}

/** The normal form of arguments without a comment. */
function quickText(rest: string): string | undefined {
  if (rest.startsWith(' -j ')) return JUMP.test(rest) ? rest.slice(1) : undefined;
  if (rest.startsWith(' -s ')) {
    const [, address = ''] = SOURCE.exec(rest) ?? [];
    return isCanonicalIpv4(address) ? `-s ${address}/32 -j KUBE-MARK-MASQ` : undefined;
  }
  if (rest.startsWith(' -m statistic ')) {
    const [, chance, chain] = CHANCE.exec(rest) ?? [];
    const start = chance === undefined ? undefined : chanceText(chance);
    return start === undefined ? undefined : `${start} -j ${chain}`;
  }
  const [, first, second, address = '', port] = TRANSLATION.exec(rest) ?? [];
  const protocol = first ?? second;
  if (protocol === undefined || !isCanonicalIpv4(address)) return undefined;
  return `-p ${protocol} -m ${protocol} -j DNAT --to-destination ${address}:${port}`;
}

/** The comment and the arguments without it, where it holds nothing that is escaped. */
function splitComment(text: string): { readonly comment: string; readonly rest: string } | undefined {
  const at = text.indexOf(COMMENT);
  if (at < 0) return { comment: '', rest: text };
  const from = at + COMMENT.length;
  const quoted = text.charCodeAt(from) === 0x22;
  const end = quoted ? text.indexOf('"', from + 1) + 1 : text.indexOf(' ', from);
  if (end <= 0 || text.charCodeAt(end) !== 0x20) return undefined;
  const comment = quoted ? text.slice(from + 1, end - 1) : text.slice(from, end);
  return comment.includes('\\') ? undefined : { comment, rest: text.slice(0, at) + text.slice(end) };
}

function chanceText(chance: string): string | undefined {
  const known = chances.get(chance);
  if (known !== undefined) return known;
  const spec = parseRuleArguments(chance);
  if (spec === undefined || spec.matches.some(({ kind }) => kind !== 'random')) return undefined;
  const text = normalRuleText(spec);
  if (chances.size < MOST_CHANCES) chances.set(chance, text);
  return text;
}

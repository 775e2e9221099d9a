/** The rules that a large dump consists of, brought to their normal form without being read word by word. */
import { normalRuleText } from '../../backends/xtables/normal-rule.js';
import { parseRuleArguments } from '../../backends/xtables/parse-rule.js';
import { isCanonicalIpv4 } from '../../net/ip.js';

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
  const rest = withoutComment(text);
  if (rest === undefined) return undefined;
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

/** The arguments without the comment, where it holds nothing that is escaped. */
function withoutComment(text: string): string | undefined {
  const at = text.indexOf(COMMENT);
  if (at < 0) return text;
  const from = at + COMMENT.length;
  const quoted = text.charCodeAt(from) === 0x22;
  const end = quoted ? text.indexOf('"', from + 1) + 1 : text.indexOf(' ', from);
  if (end <= 0 || text.charCodeAt(end) !== 0x20) return undefined;
  if (text.slice(from, end).includes('\\')) return undefined;
  return text.slice(0, at) + text.slice(end);
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

/**
 * One form for rules that mean the same. nft and the kernel rewrite what they are given: words for other words
 * (`mark or` → `meta mark |`), numbers for names, intervals of addresses merged, sets sorted, defaults left out or
 * written out; and every version and option of nft does so a little differently.
 */
import type { Family } from '../../net/family.js';
import { isCanonicalIpv4 } from '../../net/ip.js';
import { compareBytes } from '../../net/text.js';
import { mergeIntervals, parseInterval, printInterval } from './intervals.js';
import { printExpression, printStatement } from './print-rule.js';
import { statementsOf } from './read-rule.js';
import type { NftRule } from './rule-set.js';
import type { NftExpression, NftOperator, NftStatement } from './statements.js';

/** What the text of a value means, as far as it can be spelled in several ways. */
export type Meaning = 'address4' | 'address6' | 'protocol' | 'mark' | 'state' | 'status' | 'route' | 'other';

const known = new WeakMap<NftRule, readonly NftStatement[]>();

/**
 * The statements of a rule in normal form, made at the first call. What was counted is left out; ports of one
 * transport protocol (`tcp dport`) become `meta l4proto tcp th dport`; sets of addresses hold the fewest intervals, and
 * a set of one value is that value; matches that follow each other are sorted.
 */
export function normalStatementsOf(rule: NftRule): readonly NftStatement[] {
  const before = known.get(rule);
  if (before !== undefined) return before;
  const normal: NftStatement[] = [];
  let protocol: string | undefined;
  for (const each of statementsOf(rule)) {
    const statement = normalStatement(each, rule.family);
    const needed = transportOf(statement);
    if (needed === undefined) {
      normal.push(statement);
      protocol = protocolMatched(statement) ?? protocol;
    } else {
      if (needed !== protocol) normal.push({ kind: 'match', left: L4PROTO, op: '==', right: value(needed) });
      normal.push(withAnyTransport(statement));
      protocol = needed;
    }
  }
  const sorted = withSortedMatches(normal);
  known.set(rule, sorted);
  return sorted;
}

/** Of matches that follow each other all must hold, in whatever order; nft moves that of a protocol to its port. */
function withSortedMatches(statements: readonly NftStatement[]): readonly NftStatement[] {
  const sorted: NftStatement[] = [];
  for (let at = 0; at < statements.length; ) {
    let end = at;
    while (statements[end]?.kind === 'match') end++;
    const matches = statements.slice(at, end);
    if (matches.length > 1) matches.sort((a, b) => compareBytes(printStatement(a), printStatement(b)));
    sorted.push(...matches, ...statements.slice(end, end + 1));
    at = end + 1;
  }
  return sorted;
}

const L4PROTO: NftExpression = { kind: 'meta', key: 'l4proto' };

function value(text: string): NftExpression {
  return { kind: 'value', text };
}

/** The one protocol that a statement lets pass. */
function protocolMatched(statement: NftStatement): string | undefined {
  if (statement.kind !== 'match' || statement.op !== '==' || statement.right.kind !== 'value') return undefined;
  const { left, right } = statement;
  return left.kind === 'meta' && left.key === 'l4proto' ? right.text : undefined;
}

/** The protocol whose port a statement looks at. */
function transportOf(statement: NftStatement): string | undefined {
  if (statement.kind !== 'match' || statement.left.kind !== 'payload') return undefined;
  const { protocol } = statement.left;
  return protocol === 'tcp' || protocol === 'udp' || protocol === 'sctp' ? protocol : undefined;
}

function withAnyTransport(statement: NftStatement): NftStatement {
  return statement.kind === 'match' && statement.left.kind === 'payload'
    ? { ...statement, left: { ...statement.left, protocol: 'th' } }
    : statement;
}

function normalStatement(statement: NftStatement, family: string): NftStatement {
  switch (statement.kind) {
    case 'match': {
      const { left, right } = withMask(statement);
      const meanings = meaningsOf(left);
      const op = normalOperator(statement.op, meanings);
      return { kind: 'match', left: normal(left, []), op, right: normal(right, meanings) };
    }
    case 'vmap': {
      const { key, map } = statement;
      if (map.kind === 'reference') return statement;
      const meanings = meaningsOf(key);
      const entries = map.entries.map((each) => ({ key: normal(each.key, meanings), verdict: each.verdict }));
      return { kind: 'vmap', key, map: { kind: 'verdicts', entries: entries.sort(byKey) } };
    }
    case 'reject':
      return { kind: 'reject', with: DEFAULT_REJECTS.has(`${family} ${statement.with}`) ? '' : statement.with };
    case 'dnat':
    case 'snat': {
      const { kind, family: given, address, port, flags } = statement;
      const meanings: readonly Meaning[] = [family === 'ip6' ? 'address6' : 'address4', 'other'];
      return {
        kind,
        family: given === family ? '' : given,
        address: normal(address, meanings),
        port,
        flags: flags.toSorted(compareBytes),
      };
    }
    case 'masquerade':
      return { kind: 'masquerade', flags: statement.flags.toSorted(compareBytes) };
    case 'assign':
      return { ...statement, value: normal(statement.value, meaningsOf(statement.target)) };
    case 'counter':
      return { ...statement, packets: 0, bytes: 0 };
    default:
      return statement;
  }
}

/** Of `meta mark and 0x80000000 != 0`, nft makes `meta mark != 0x00000000/1`: the highest bits are a prefix to it. */
function withMask({ left, right }: Extract<NftStatement, { readonly kind: 'match' }>) {
  const isMark = (left.kind === 'meta' || left.kind === 'ct') && left.key === 'mark';
  const [, bits, length] = isMark && right.kind === 'value' ? (/^(\w+)\/(\d{1,2})$/.exec(right.text) ?? []) : [];
  if (bits === undefined || Number(length) > 32) return { left, right };
  const mask = value(String(2 ** 32 - 2 ** (32 - Number(length))));
  const masked: NftExpression = { kind: 'binary', op: '&', left, right: mask };
  return { left: masked, right: value(bits) };
}

/** `in` is said of bits only; some versions of nft print it for sets too. */
function normalOperator(op: NftOperator, meanings: readonly Meaning[]): NftOperator {
  return op === 'in' && meanings[0] !== 'state' && meanings[0] !== 'status' ? '==' : op;
}

/** What `reject` alone means, by family; nft's JSON has it in full, and `-n` as the number of the ICMP code. */
const DEFAULT_REJECTS = new Set([
  'ip icmp port-unreachable',
  'ip icmp 3',
  'ip6 icmpv6 port-unreachable',
  'ip6 icmpv6 4',
]);

/** What the values mean that an expression is compared with; one for each part of a concatenation. */
export function meaningsOf(expression: NftExpression): readonly Meaning[] {
  switch (expression.kind) {
    case 'concat':
      return expression.parts.map((part) => meaningsOf(part)[0] ?? 'other');
    case 'binary':
      return meaningsOf(expression.left);
    case 'payload':
      if (expression.field === 'protocol' || expression.field === 'nexthdr') return ['protocol'];
      if (expression.field !== 'saddr' && expression.field !== 'daddr') return ['other'];
      return [expression.protocol === 'ip6' ? 'address6' : expression.protocol === 'ip' ? 'address4' : 'other'];
    case 'meta':
      return [expression.key === 'mark' ? 'mark' : expression.key === 'l4proto' ? 'protocol' : 'other'];
    case 'ct': {
      const { key } = expression;
      return [key === 'state' || key === 'status' || key === 'mark' ? key : 'other'];
    }
    case 'fib':
      return [expression.result === 'type' ? 'route' : 'other'];
    default:
      return ['other'];
  }
}

/** An expression whose values have the given meanings. */
function normal(expression: NftExpression, meanings: readonly Meaning[]): NftExpression {
  const meaning = meanings[0] ?? 'other';
  switch (expression.kind) {
    case 'value':
      return value(normalValue(expression.text, meaning));
    case 'concat':
      return { kind: 'concat', parts: expression.parts.map((part, i) => normal(part, meanings.slice(i, i + 1))) };
    case 'set':
      return normalSet(expression.items, meanings);
    case 'list':
      return { kind: 'list', items: expression.items.map((item) => normal(item, meanings)).sort(byText) };
    case 'binary': {
      const left = meaningsOf(expression.left);
      return { ...expression, left: normal(expression.left, left), right: normal(expression.right, left) };
    }
    case 'map': {
      const { key, map } = expression;
      if (map.kind === 'reference') return expression;
      const keys = meaningsOf(key);
      const entries = map.entries.map((each) => ({ key: normal(each.key, keys), data: normal(each.data, meanings) }));
      return { kind: 'map', key, map: { kind: 'entries', entries: entries.sort(byKey) } };
    }
    default:
      return expression;
  }
}

function normalSet(items: readonly NftExpression[], meanings: readonly Meaning[]): NftExpression {
  const [only, ...more] = intervalsOf(items, meanings) ?? items.map((item) => normal(item, meanings)).sort(byText);
  const distinct = more.filter((item, i) => printExpression(item) !== printExpression(more[i - 1] ?? only ?? item));
  if (only === undefined) return { kind: 'set', items: [] };
  return distinct.length === 0 ? only : { kind: 'set', items: [only, ...distinct] };
}

/** The fewest intervals that hold the same addresses; undefined for a set of something else. */
function intervalsOf(
  items: readonly NftExpression[],
  [meaning, ...more]: readonly Meaning[],
): readonly NftExpression[] | undefined {
  const family = familyOfMeaning(meaning);
  if (family === undefined || more.length > 0) return undefined;
  const intervals = items.map((item) => (item.kind === 'value' ? parseInterval(item.text, family) : undefined));
  if (intervals.includes(undefined)) return undefined;
  const merged = mergeIntervals(intervals.filter((each) => each !== undefined));
  return merged.map((each) => value(printInterval(each, family)));
}

function familyOfMeaning(meaning: Meaning | undefined): Family | undefined {
  return meaning === 'address4' ? 'ipv4' : meaning === 'address6' ? 'ipv6' : undefined;
}

function byText(a: NftExpression, b: NftExpression): number {
  return compareBytes(printExpression(a), printExpression(b));
}

/** Numbers by their value, anything else by its text. */
function byKey(a: { readonly key: NftExpression }, b: { readonly key: NftExpression }): number {
  const [first, second] = [printExpression(a.key), printExpression(b.key)];
  const numbers = /^\d+$/.test(first) && /^\d+$/.test(second);
  return numbers ? Number(first) - Number(second) : compareBytes(first, second);
}

const PROTOCOLS: Readonly<Record<string, string>> = {
  '6': 'tcp',
  '17': 'udp',
  '132': 'sctp',
  '1': 'icmp',
  '58': 'ipv6-icmp',
};
const STATES: Readonly<Record<number, string>> = {
  1: 'invalid',
  2: 'established',
  4: 'related',
  8: 'new',
  64: 'untracked',
};
const STATUSES: Readonly<Record<number, string>> = {
  1: 'expected',
  2: 'seen-reply',
  4: 'assured',
  8: 'confirmed',
  16: 'snat',
  32: 'dnat',
  512: 'dying',
};
const ROUTES: Readonly<Record<number, string>> = {
  0: 'unspec',
  1: 'unicast',
  2: 'local',
  3: 'broadcast',
  4: 'anycast',
  5: 'multicast',
  6: 'blackhole',
  7: 'unreachable',
  8: 'prohibit',
};

/** A value in the spelling of `nft list` without options. */
export function normalValue(text: string, meaning: Meaning): string {
  switch (meaning) {
    case 'address4':
    case 'address6': {
      if (meaning === 'address4' && isCanonicalIpv4(text)) return text;
      const family = meaning === 'address4' ? 'ipv4' : 'ipv6';
      const interval = parseInterval(text, family);
      return interval === undefined ? text : printInterval(interval, family);
    }
    case 'protocol':
      return Object.hasOwn(PROTOCOLS, text) ? (PROTOCOLS[text] ?? text) : text;
    case 'mark': {
      const number = numberOf(text);
      return number === undefined ? text : `0x${number.toString(16).padStart(8, '0')}`;
    }
    case 'state':
      return STATES[numberOf(text) ?? -1] ?? text;
    case 'status':
      return STATUSES[numberOf(text) ?? -1] ?? text;
    case 'route':
      return ROUTES[numberOf(text) ?? -1] ?? text;
    default:
      return text;
  }
}

/** A whole number, decimal or with `0x`. */
function numberOf(text: string): number | undefined {
  return /^(?:0x[0-9a-fA-F]{1,8}|\d{1,10})$/.test(text) ? Number(text) : undefined;
}

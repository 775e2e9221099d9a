/** A rule's words → its statements. Reads what `nft -f` takes and what `nft list` prints, as far as kube-proxy uses it. */
import { parseDuration } from './duration.js';
import { readJsonStatements } from './read-rule-json.js';
import type { NftRule } from './rule-set.js';
import type {
  NftExpression,
  NftOperator,
  NftReference,
  NftStatement,
  NftTranslation,
  NftVerdict,
  NftVerdicts,
} from './statements.js';

const known = new WeakMap<NftRule, readonly NftStatement[]>();

/** The statements of a rule, read at the first call. What is not known becomes a statement of kind `unknown`. */
export function statementsOf(rule: NftRule): readonly NftStatement[] {
  const before = known.get(rule);
  if (before !== undefined) return before;
  const { source } = rule;
  const statements = typeof source === 'string' ? readStatements(source) : readJsonStatements(source);
  known.set(rule, statements);
  return statements;
}

/** How deep expressions may be nested; kube-proxy's are three levels deep. */
const MAX_DEPTH = 20;

/** Where the reader is in the words of one rule. */
interface Words {
  readonly words: readonly string[];
  /** Where each word begins in the rule's text. */
  readonly starts: readonly number[];
  at: number;
}

/** Says that the words at hand are none that are known here. */
class UnknownWords extends Error {}

/** The statements of a rule in words; never fails. */
function readStatements(text: string): readonly NftStatement[] {
  const reader: Words = { ...splitWords(text), at: 0 };
  const statements: NftStatement[] = [];
  while (reader.at < reader.words.length) {
    const start = reader.starts[reader.at];
    try {
      statements.push(readStatement(reader));
    } catch (error) {
      if (!(error instanceof UnknownWords)) throw error;
      statements.push({ kind: 'unknown', source: text.slice(start) });
      break;
    }
  }
  return statements;
}

const SPACE = 0x20;
const TAB = 0x09;
const QUOTE = 0x22;

/** Words are set apart by blanks; braces and commas are words of their own, quotes hold a word together. */
function splitWords(text: string): { readonly words: readonly string[]; readonly starts: readonly number[] } {
  const words: string[] = [];
  const starts: number[] = [];
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at);
    if (code === SPACE || code === TAB) {
      at++;
      continue;
    }
    let end = at + 1;
    if (code === QUOTE) {
      const close = text.indexOf('"', end);
      end = close < 0 ? text.length : close + 1;
    } else if (!isPunctuation(code)) {
      while (end < text.length && !endsWord(text.charCodeAt(end))) end++;
    }
    starts.push(at);
    words.push(text.slice(at, end));
    at = end;
  }
  return { words, starts };
}

/** `{`, `}` and the comma. */
function isPunctuation(code: number): boolean {
  return code === 0x7b || code === 0x7d || code === 0x2c;
}

function endsWord(code: number): boolean {
  return code === SPACE || code === TAB || code === QUOTE || isPunctuation(code);
}

function peek(reader: Words, ahead = 0): string {
  return reader.words[reader.at + ahead] ?? '';
}

function take(reader: Words): string {
  const word = reader.words[reader.at];
  if (word === undefined) throw new UnknownWords();
  reader.at++;
  return word;
}

function expectWord(reader: Words, wanted: string): void {
  if (take(reader) !== wanted) throw new UnknownWords();
}

/** Takes the next word if it is the given one. */
function takeIf(reader: Words, wanted: string): boolean {
  if (peek(reader) !== wanted) return false;
  reader.at++;
  return true;
}

/** A word that can be a name or a value, its quotes taken off. */
function takeName(reader: Words): string {
  const word = take(reader);
  if (word.startsWith('"')) return word.replaceAll('"', '');
  if (/^[{},:;]$/.test(word)) throw new UnknownWords();
  return word;
}

function takeNumber(reader: Words): number {
  const word = take(reader);
  if (!/^\d{1,15}$/.test(word)) throw new UnknownWords();
  return Number(word);
}

function readStatement(reader: Words): NftStatement {
  const verdict = tryVerdict(reader);
  if (verdict !== undefined) return { kind: 'verdict', verdict };
  const word = peek(reader);
  switch (word) {
    case 'counter':
      reader.at++;
      return readCounter(reader);
    case 'masquerade':
      reader.at++;
      return { kind: 'masquerade', flags: readFlags(reader) };
    case 'reject':
      reader.at++;
      return readReject(reader);
    case 'dnat':
    case 'snat':
      reader.at++;
      return readTranslation(reader, word);
    case 'add':
    case 'update':
    case 'delete':
      reader.at++;
      return readUpdate(reader, word);
    default:
      return readMatch(reader);
  }
}

function tryVerdict(reader: Words): NftVerdict | undefined {
  const kind = peek(reader);
  switch (kind) {
    case 'accept':
    case 'drop':
    case 'return':
    case 'continue':
      reader.at++;
      return { kind };
    case 'jump':
    case 'goto':
      reader.at++;
      return { kind, target: takeName(reader) };
    default:
      return undefined;
  }
}

function readCounter(reader: Words): NftStatement {
  if (takeIf(reader, 'name')) return { kind: 'counter', name: takeName(reader), packets: 0, bytes: 0 };
  if (!takeIf(reader, 'packets')) return { kind: 'counter', name: '', packets: 0, bytes: 0 };
  const packets = takeNumber(reader);
  expectWord(reader, 'bytes');
  return { kind: 'counter', name: '', packets, bytes: takeNumber(reader) };
}

const NAT_FLAGS = new Set(['random', 'fully-random', 'persistent']);

function readFlags(reader: Words): readonly string[] {
  const flags: string[] = [];
  while (NAT_FLAGS.has(peek(reader))) {
    flags.push(take(reader));
    if (!takeIf(reader, ',')) break;
  }
  return flags;
}

/** `reject`, `reject with icmp port-unreachable` (to nft 1.0.1: `with icmp type ...`), `reject with tcp reset`. */
function readReject(reader: Words): NftStatement {
  if (!takeIf(reader, 'with')) return { kind: 'reject', with: '' };
  const protocol = takeName(reader);
  takeIf(reader, 'type');
  return { kind: 'reject', with: `${protocol} ${takeName(reader)}` };
}

/** `dnat to 10.0.0.1:80`, `dnat ip to numgen ... map { ... }`, as it is written also `dnat ip addr . port to ...`. */
function readTranslation(reader: Words, kind: 'dnat' | 'snat'): NftTranslation {
  const family = peek(reader) === 'ip' || peek(reader) === 'ip6' ? take(reader) : '';
  if (takeIf(reader, 'addr')) {
    expectWord(reader, '.');
    expectWord(reader, 'port');
  }
  expectWord(reader, 'to');
  const literal = splitHostPort(peek(reader));
  if (literal !== undefined) {
    reader.at++;
    return { kind, family, ...literal, flags: readFlags(reader) };
  }
  return { kind, family, address: readExpression(reader, 0), port: undefined, flags: readFlags(reader) };
}

/** An address, and a port behind it if there is one; undefined for anything else. */
function splitHostPort(word: string): Pick<NftTranslation, 'address' | 'port'> | undefined {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|(\d+(?:\.\d+){3}))(?::(\d+))?$/.exec(word) ?? [];
  const text = bracketed ?? plain;
  if (text === undefined) return undefined;
  return { address: { kind: 'value', text }, port: port === undefined ? undefined : { kind: 'value', text: port } };
}

function readUpdate(reader: Words, op: 'add' | 'update' | 'delete'): NftStatement {
  const { name } = readReference(reader);
  expectWord(reader, '{');
  const key = readExpression(reader, 0);
  const timeout = takeIf(reader, 'timeout') ? parseDuration(take(reader)) : undefined;
  expectWord(reader, '}');
  return { kind: 'update', op, set: name, key, timeout };
}

const OPERATORS: ReadonlySet<string> = new Set(['==', '!=', '<', '>', '<=', '>=']);

const NO_LEFT_SIDES: ReadonlySet<NftExpression['kind']> = new Set(['value', 'map', 'set', 'reference']);

/** A match; or `meta mark set ...`, or `... vmap ...`, which begin alike. */
function readMatch(reader: Words): NftStatement {
  const left = readExpression(reader, 0);
  if (NO_LEFT_SIDES.has(left.kind)) throw new UnknownWords();
  if ((left.kind === 'meta' || left.kind === 'ct') && takeIf(reader, 'set')) {
    return { kind: 'assign', target: left, value: readExpression(reader, 0) };
  }
  if (takeIf(reader, 'vmap')) {
    return { kind: 'vmap', key: left, map: peek(reader) === '{' ? readVerdicts(reader) : readReference(reader) };
  }
  const op = OPERATORS.has(peek(reader)) ? (take(reader) as NftOperator) : impliedOperator(left, peek(reader));
  return { kind: 'match', left, op, right: readValues(reader) };
}

/** Without a word between them, bits are looked for, of whatever consists of bits. */
function impliedOperator(left: NftExpression, next: string): NftOperator {
  return left.kind === 'ct' && (left.key === 'state' || left.key === 'status') && next !== '{' && !next.startsWith('@')
    ? 'in'
    : '==';
}

/** What a field is compared with: one value or several, a set or the name of one. */
function readValues(reader: Words): NftExpression {
  const first = readExpression(reader, 0);
  if (peek(reader) !== ',') return first;
  const items = [first];
  while (takeIf(reader, ',')) items.push(readExpression(reader, 0));
  return { kind: 'list', items };
}

function readReference(reader: Words): NftReference {
  const word = take(reader);
  if (!/^@./.test(word)) throw new UnknownWords();
  return { kind: 'reference', name: word.slice(1) };
}

/** The items between braces, separated by commas; a comma behind the last is allowed. */
function readList<T>(reader: Words, item: () => T): readonly T[] {
  expectWord(reader, '{');
  const items: T[] = [];
  while (!takeIf(reader, '}')) {
    items.push(item());
    if (peek(reader) !== '}') expectWord(reader, ',');
  }
  return items;
}

function readVerdicts(reader: Words): NftVerdicts {
  const entries = readList(reader, () => {
    const key = readExpression(reader, 0);
    expectWord(reader, ':');
    const verdict = tryVerdict(reader);
    if (verdict === undefined) throw new UnknownWords();
    return { key, verdict };
  });
  return { kind: 'verdicts', entries };
}

const BINARY_OPERATORS: Readonly<Record<string, '&' | '|' | '^'>> = {
  '&': '&',
  '|': '|',
  '^': '^',
  and: '&',
  or: '|',
  xor: '^',
};

/** One or several joined by dots, and what is done with them. */
function readExpression(reader: Words, depth: number): NftExpression {
  if (depth > MAX_DEPTH) throw new UnknownWords();
  let expression = readConcatenation(reader, depth);
  for (;;) {
    const op = Object.hasOwn(BINARY_OPERATORS, peek(reader)) ? BINARY_OPERATORS[peek(reader)] : undefined;
    if (op === undefined) break;
    reader.at++;
    expression = { kind: 'binary', op, left: expression, right: readConcatenation(reader, depth) };
  }
  if (!takeIf(reader, 'map')) return expression;
  if (peek(reader) !== '{') return { kind: 'map', key: expression, map: readReference(reader) };
  const entries = readList(reader, () => {
    const key = readExpression(reader, depth + 1);
    expectWord(reader, ':');
    return { key, data: readExpression(reader, depth + 1) };
  });
  return { kind: 'map', key: expression, map: { kind: 'entries', entries } };
}

function readConcatenation(reader: Words, depth: number): NftExpression {
  const first = readPrimary(reader, depth);
  if (peek(reader) !== '.') return first;
  const parts = [first];
  while (takeIf(reader, '.')) parts.push(readPrimary(reader, depth));
  return { kind: 'concat', parts };
}

/** Header fields by protocol that are read as such. */
const FIELDS: Readonly<Record<string, ReadonlySet<string>>> = {
  ip: new Set(['saddr', 'daddr', 'protocol', 'version', 'dscp', 'ttl', 'length', 'id']),
  ip6: new Set(['saddr', 'daddr', 'nexthdr', 'version', 'dscp', 'hoplimit', 'length']),
  th: new Set(['sport', 'dport']),
  tcp: new Set(['sport', 'dport']),
  udp: new Set(['sport', 'dport']),
  sctp: new Set(['sport', 'dport']),
};

/** Packet properties that may be named without `meta`. */
const UNQUALIFIED = new Set(['mark', 'iif', 'oif', 'iifname', 'oifname', 'iiftype', 'oiftype']);
const META_KEYS = new Set([...UNQUALIFIED, 'l4proto', 'nfproto', 'protocol', 'length', 'priority', 'pkttype']);
const CT_KEYS = new Set(['state', 'status', 'mark', 'direction']);

function readPrimary(reader: Words, depth: number): NftExpression {
  const word = peek(reader);
  if (word === '{') return { kind: 'set', items: readList(reader, () => readExpression(reader, depth + 1)) };
  if (word.startsWith('@')) return readReference(reader);
  if (word.startsWith('"')) return { kind: 'value', text: takeName(reader) };
  const next = peek(reader, 1);
  if (Object.hasOwn(FIELDS, word) && FIELDS[word]?.has(next)) {
    reader.at += 2;
    return { kind: 'payload', protocol: word, field: next };
  }
  if (word === 'meta' && META_KEYS.has(next)) {
    reader.at += 2;
    return { kind: 'meta', key: next };
  }
  if (word === 'ct' && CT_KEYS.has(next)) {
    reader.at += 2;
    return { kind: 'ct', key: next };
  }
  if (UNQUALIFIED.has(word)) {
    reader.at++;
    return { kind: 'meta', key: word };
  }
  if (word === 'fib') return readFib(reader);
  if (word === 'numgen') return readNumgen(reader);
  return { kind: 'value', text: takeName(reader) };
}

function readFib(reader: Words): NftExpression {
  expectWord(reader, 'fib');
  const flags = [takeName(reader)];
  while (takeIf(reader, '.')) flags.push(takeName(reader));
  return { kind: 'fib', flags, result: takeName(reader) };
}

function readNumgen(reader: Words): NftExpression {
  expectWord(reader, 'numgen');
  const mode = takeName(reader);
  expectWord(reader, 'mod');
  const mod = takeNumber(reader);
  return { kind: 'numgen', mode, mod, offset: takeIf(reader, 'offset') ? takeNumber(reader) : 0 };
}

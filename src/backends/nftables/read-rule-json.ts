/** A rule's statements as `nft -j` prints them → statements. */
import { isFields } from '../../kube/fields.js';
import type {
  NftEntries,
  NftExpression,
  NftOperator,
  NftReference,
  NftStatement,
  NftVerdict,
  NftVerdicts,
} from './statements.js';

/** The statements of a rule; what is not known becomes a statement of kind `unknown`. Never fails. */
export function readJsonStatements(source: readonly unknown[]): readonly NftStatement[] {
  return source.map((each): NftStatement => {
    const [name, body, only] = singleField(each);
    const statement = only ? readStatement(name, body) : undefined;
    return statement ?? { kind: 'unknown', source: isFields(each) ? each : { value: each } };
  });
}

/** How deep expressions may be nested; kube-proxy's are three levels deep. */
const MAX_DEPTH = 20;

type Fields = Readonly<Record<string, unknown>>;

/** The name and the value of an object's first field, and whether it is the only one. */
export function singleField(value: unknown): readonly [name: string, body: unknown, only: boolean] {
  if (!isFields(value)) return ['', undefined, false];
  const names = Object.keys(value);
  const [name = ''] = names;
  return [name, value[name], names.length === 1];
}

/** Whether an object has no fields but these, so that nothing that it says is overlooked. */
function hasOnly(fields: Fields, ...names: readonly string[]): boolean {
  return Object.keys(fields).every((name) => names.includes(name));
}

function readStatement(name: string, body: unknown): NftStatement | undefined {
  const verdict = readVerdict(name, body);
  if (verdict !== undefined) return { kind: 'verdict', verdict };
  if (name === 'reject' && body === null) return { kind: 'reject', with: '' };
  if (name === 'masquerade' && body === null) return { kind: 'masquerade', flags: [] };
  if (name === 'counter' && body === null) return { kind: 'counter', name: '', packets: 0, bytes: 0 };
  if (name === 'counter' && typeof body === 'string') return { kind: 'counter', name: body, packets: 0, bytes: 0 };
  if (!isFields(body)) return undefined;
  switch (name) {
    case 'match':
      return readMatch(body);
    case 'vmap': {
      const key = readExpression(body.key, 0);
      const map = readReference(body.data) ?? readVerdicts(body.data);
      return key === undefined || map === undefined ? undefined : { kind: 'vmap', key, map };
    }
    case 'mangle': {
      const target = readExpression(body.key, 0);
      const value = readExpression(body.value, 0);
      return target === undefined || value === undefined ? undefined : { kind: 'assign', target, value };
    }
    case 'masquerade': {
      const flags = readFlags(body.flags);
      return flags === undefined || !hasOnly(body, 'flags') ? undefined : { kind: 'masquerade', flags };
    }
    case 'reject':
      if (typeof body.type !== 'string' || !hasOnly(body, 'type', 'expr')) return undefined;
      return { kind: 'reject', with: typeof body.expr === 'string' ? `${body.type} ${body.expr}` : body.type };
    case 'dnat':
    case 'snat':
      return readTranslation(name, body);
    case 'set':
      return readUpdate(body);
    case 'counter':
      if (typeof body.packets !== 'number' || typeof body.bytes !== 'number') return undefined;
      return { kind: 'counter', name: '', packets: body.packets, bytes: body.bytes };
    default:
      return undefined;
  }
}

/** A verdict, which is a statement and what a map may give: `{"drop": null}`, `{"goto": {"target": "x"}}`. */
export function readVerdict(name: string, body: unknown): NftVerdict | undefined {
  switch (name) {
    case 'accept':
    case 'drop':
    case 'return':
    case 'continue':
      return { kind: name };
    case 'jump':
    case 'goto':
      return isFields(body) && typeof body.target === 'string' ? { kind: name, target: body.target } : undefined;
    default:
      return undefined;
  }
}

const OPERATORS: ReadonlySet<unknown> = new Set(['in', '==', '!=', '<', '>', '<=', '>=']);

function readMatch({ op, left: leftSource, right: rightSource }: Fields): NftStatement | undefined {
  const left = readExpression(leftSource, 0);
  const right = readExpression(rightSource, 0);
  if (left === undefined || right === undefined || !OPERATORS.has(op)) return undefined;
  return { kind: 'match', left, op: op as NftOperator, right };
}

/** One flag as a text, several as a list. */
function readFlags(value: unknown): readonly string[] | undefined {
  if (value === undefined) return [];
  if (typeof value === 'string') return [value];
  return Array.isArray(value) && value.every((each) => typeof each === 'string') ? value : undefined;
}

function readTranslation(kind: 'dnat' | 'snat', body: Fields): NftStatement | undefined {
  // That the map gives address and port is seen from its entries as well as from `type_flags`.
  if (!hasOnly(body, 'family', 'addr', 'port', 'flags', 'type_flags')) return undefined;
  const address = readExpression(body.addr, 0);
  const port = body.port === undefined ? undefined : readExpression(body.port, 0);
  const flags = readFlags(body.flags);
  const family = typeof body.family === 'string' ? body.family : '';
  if (address === undefined || flags === undefined || (body.port !== undefined && port === undefined)) return undefined;
  return { kind, family, address, port, flags };
}

function readUpdate({ op, elem, set, ...others }: Fields): NftStatement | undefined {
  if ((op !== 'add' && op !== 'update' && op !== 'delete') || typeof set !== 'string') return undefined;
  if (Object.keys(others).length > 0) return undefined;
  const wrapped = isFields(elem) && isFields(elem.elem) ? elem.elem : undefined;
  if (wrapped !== undefined && !hasOnly(wrapped, 'val', 'timeout')) return undefined;
  const key = readExpression(wrapped === undefined ? elem : wrapped.val, 0);
  const timeout = typeof wrapped?.timeout === 'number' ? wrapped.timeout : undefined;
  return key === undefined ? undefined : { kind: 'update', op, set: set.replace(/^@/, ''), key, timeout };
}

function readReference(value: unknown): NftReference | undefined {
  return typeof value === 'string' && /^@./.test(value) ? { kind: 'reference', name: value.slice(1) } : undefined;
}

/** The pairs of an anonymous map; undefined where it is none. */
function pairsOf(value: unknown): readonly (readonly [unknown, unknown])[] | undefined {
  if (!isFields(value) || !Array.isArray(value.set)) return undefined;
  const pairs: readonly unknown[] = value.set;
  return pairs.every((each): each is readonly [unknown, unknown] => Array.isArray(each) && each.length === 2)
    ? pairs
    : undefined;
}

function readVerdicts(value: unknown): NftVerdicts | undefined {
  const entries = pairsOf(value)?.map(([keySource, data]) => {
    const key = readExpression(keySource, 0);
    const [name, body] = singleField(data);
    const verdict = readVerdict(name, body);
    return key === undefined || verdict === undefined ? undefined : { key, verdict };
  });
  return entries === undefined || !areKnown(entries) ? undefined : { kind: 'verdicts', entries };
}

function readEntries(value: unknown, depth: number): NftEntries | undefined {
  const entries = pairsOf(value)?.map(([keySource, dataSource]) => {
    const key = readExpression(keySource, depth);
    const data = readExpression(dataSource, depth);
    return key === undefined || data === undefined ? undefined : { key, data };
  });
  return entries === undefined || !areKnown(entries) ? undefined : { kind: 'entries', entries };
}

function areKnown<T>(items: readonly (T | undefined)[]): items is readonly T[] {
  return !items.includes(undefined);
}

/** An expression as nft prints it in JSON; undefined for one that is not known here. */
export function readExpression(value: unknown, depth: number): NftExpression | undefined {
  if (typeof value === 'number') return { kind: 'value', text: String(value) };
  if (typeof value === 'string') return readReference(value) ?? { kind: 'value', text: value };
  if (depth > MAX_DEPTH) return undefined;
  if (Array.isArray(value)) return readItems('list', value, depth);
  const [name, body, only] = singleField(value);
  if (!only) return undefined;
  switch (name) {
    case 'concat':
      return Array.isArray(body) ? readItems('concat', body, depth) : undefined;
    case 'set':
      return Array.isArray(body) ? readItems('set', body, depth) : undefined;
    case '&':
    case '|':
    case '^':
      return Array.isArray(body) ? readBinary(name, body, depth) : undefined;
    case 'range':
      return readRange(body);
    default:
      return isFields(body) ? readNamed(name, body, depth) : undefined;
  }
}

function readItems(kind: 'list' | 'concat' | 'set', values: readonly unknown[], depth: number) {
  const items = values.map((each) => readExpression(each, depth + 1));
  if (!areKnown(items)) return undefined;
  return kind === 'concat' ? { kind, parts: items } : { kind, items };
}

function readBinary(op: '&' | '|' | '^', values: readonly unknown[], depth: number): NftExpression | undefined {
  const [left, right, ...more] = values.map((each) => readExpression(each, depth + 1));
  return left === undefined || right === undefined || more.length > 0 ? undefined : { kind: 'binary', op, left, right };
}

function readRange(body: unknown): NftExpression | undefined {
  if (!Array.isArray(body) || body.length !== 2) return undefined;
  return body.every((each) => typeof each === 'string' || typeof each === 'number')
    ? { kind: 'value', text: body.join('-') }
    : undefined;
}

function readNamed(name: string, body: Fields, depth: number): NftExpression | undefined {
  switch (name) {
    case 'payload':
      return typeof body.protocol === 'string' && typeof body.field === 'string'
        ? { kind: 'payload', protocol: body.protocol, field: body.field }
        : undefined;
    case 'meta':
      return typeof body.key === 'string' ? { kind: 'meta', key: body.key } : undefined;
    case 'ct':
      return typeof body.key === 'string' && hasOnly(body, 'key') ? { kind: 'ct', key: body.key } : undefined;
    case 'fib': {
      const flags = readFlags(body.flags);
      return flags === undefined || typeof body.result !== 'string'
        ? undefined
        : { kind: 'fib', flags, result: body.result };
    }
    case 'numgen':
      return typeof body.mode === 'string' && typeof body.mod === 'number'
        ? { kind: 'numgen', mode: body.mode, mod: body.mod, offset: typeof body.offset === 'number' ? body.offset : 0 }
        : undefined;
    case 'prefix':
      return (typeof body.addr === 'string' || typeof body.addr === 'number') && typeof body.len === 'number'
        ? { kind: 'value', text: `${body.addr}/${body.len}` }
        : undefined;
    case 'map': {
      const key = readExpression(body.key, depth + 1);
      const map = readReference(body.data) ?? readEntries(body.data, depth + 1);
      return key === undefined || map === undefined ? undefined : { kind: 'map', key, map };
    }
    default:
      return undefined;
  }
}

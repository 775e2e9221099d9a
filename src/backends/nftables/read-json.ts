/** The text of `nft -j list table` or `nft -j list ruleset` → rule set. */
import { isFields } from '../../kube/fields.js';
import { JsonProblem, MAX_DEPTH, nestsTooDeep, skipJsonSpace, skipJsonValue } from '../../kube/json.js';
import type { SourceText } from '../../kube/objects.js';
import { nftTableJson } from './print-json.js';
import { printExpression, printVerdict } from './print-rule.js';
import { type ReadNftResult, RuleSetProblem, reading } from './problem.js';
import { type ChainDraft, newChain, newCollection } from './properties.js';
import { readExpression, readVerdict, singleField } from './read-rule-json.js';
import { isKubeProxyTable, type NftCollection, type NftElement, type NftObject, type NftTable } from './rule-set.js';

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads what `nft -j list table` or `nft -j list ruleset` printed; its objects may stand in any order. Tables that are
 * not kube-proxy's are kept as they are. Problems: one error `unreadable-rules`, with the line for text that is no JSON
 * and the number of the object for anything else.
 */
export function readNftJson(source: SourceText): ReadNftResult {
  return reading(source, () => {
    const document = parse(source.text);
    const objects = isFields(document) ? document.nftables : undefined;
    if (!Array.isArray(objects)) throw new RuleSetProblem('This JSON has no list "nftables", as nft prints it.', 0);
    const reader = startReader();
    // Each kind of object needs those before it: whose table, whose chain it is.
    const named = objects.map((each, index) => nameObject(each, index));
    for (const each of named) if (each.kind === 'table') readTable(reader, each);
    for (const each of named) {
      if (each.kind === 'metainfo') reader.metainfo = each.raw;
      else readMember(reader, each);
    }
    for (const each of named) readRuleOrElements(reader, each);
    return { form: 'json', metainfo: reader.metainfo, tables: Array.from(reader.tables.values(), finish) };
  });
}

function parse(text: string): unknown {
  try {
    const document: unknown = JSON.parse(text);
    if (nestsTooDeep(text, 0, text.length)) {
      throw new RuleSetProblem(`This JSON nests deeper than ${MAX_DEPTH} levels.`, 0);
    }
    return document;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new RuleSetProblem(...whyNotJson(text));
  }
}

/** Why a text is no JSON, and where. */
function whyNotJson(text: string): [string, number] {
  try {
    const end = skipJsonValue(text, 0, text.length);
    return ['This is no JSON: something stands behind the value.', skipJsonSpace(text, end, text.length)];
  } catch (error) {
    if (!(error instanceof JsonProblem)) throw error;
    return [`This is no JSON: ${error.message}.`, error.offset];
  }
}

/** One of the objects that nft lists. */
interface Named {
  readonly index: number;
  readonly kind: string;
  readonly body: Fields;
  readonly family: string;
  /** The name of the table that it is in, or is. */
  readonly table: string;
  readonly name: string;
  readonly handle: number | undefined;
  readonly raw: object;
}

function problem(index: number, sentence: string): RuleSetProblem {
  return new RuleSetProblem(`nftables[${index}]: ${sentence}`, 0);
}

function nameObject(raw: unknown, index: number): Named {
  const [kind, body] = singleField(raw);
  if (!isFields(raw) || !isFields(body)) throw problem(index, 'an object with one name is expected.');
  const text = (field: string): string => {
    const value = body[field];
    if (typeof value !== 'string') throw problem(index, `a ${kind} needs a text as its ${field}.`);
    return value;
  };
  const handle = typeof body.handle === 'number' ? body.handle : undefined;
  if (kind === 'metainfo') return { index, kind, body, family: '', table: '', name: '', handle, raw };
  const table = text(kind === 'table' ? 'name' : 'table');
  const known = kind === 'table' || kind === 'chain' || kind === 'set' || kind === 'map';
  const name = kind === 'rule' ? text('chain') : known || typeof body.name === 'string' ? text('name') : '';
  return { index, kind, body, family: text('family'), table, name, handle, raw };
}

/** A table that is being read. */
interface TableDraft {
  readonly head: Omit<NftTable, 'objects' | 'verbatim'>;
  readonly objects: NftObject[];
  readonly chains: Map<string, ChainDraft>;
  /** Names of sets and maps. */
  readonly collections: Set<string>;
  readonly raw: object[];
}

interface Reader {
  metainfo: unknown;
  readonly tables: Map<string, TableDraft>;
}

function startReader(): Reader {
  return { metainfo: undefined, tables: new Map() };
}

function readTable(reader: Reader, { index, body, family, table, handle }: Named): void {
  const key = `${family} ${table}`;
  if (reader.tables.has(key)) throw problem(index, `table ${key} is listed twice.`);
  const comment = typeof body.comment === 'string' ? body.comment : undefined;
  reader.tables.set(key, newTable(family, table, comment, handle));
}

function newTable(family: string, name: string, comment: string | undefined, handle: number | undefined): TableDraft {
  const foreign = !isKubeProxyTable(family, name);
  const head = { form: 'json', family, name, foreign, replaces: false, comment, handle } as const;
  return { head, objects: [], chains: new Map(), collections: new Set(), raw: [] };
}

/** The table of an object; `nft -j list chain` and the like do not print it. */
function tableOf(reader: Reader, { family, table }: Named): TableDraft {
  const key = `${family} ${table}`;
  const found = reader.tables.get(key) ?? newTable(family, table, undefined, undefined);
  reader.tables.set(key, found);
  return found;
}

/** Chains, sets, maps and what else is in a table; not rules, which need their chain. */
function readMember(reader: Reader, named: Named): void {
  const table = tableOf(reader, named);
  table.raw.push(named.raw);
  if (table.head.foreign) return;
  switch (named.kind) {
    case 'table':
    case 'rule':
      return;
    case 'chain': {
      const chain = readChain(named);
      if (table.chains.has(chain.name)) throw problem(named.index, `chain ${chain.name} is listed twice.`);
      table.chains.set(chain.name, chain);
      table.objects.push(chain);
      return;
    }
    case 'set':
    case 'map':
      if (table.collections.has(named.name)) throw problem(named.index, `set or map ${named.name} is listed twice.`);
      table.collections.add(named.name);
      table.objects.push(readCollection(named.kind, named));
      return;
    default: {
      const { kind, name, handle, raw } = named;
      table.objects.push({ kind: 'other', name: `${kind} ${name}`, handle, source: raw });
    }
  }
}

function readChain({ index, name, handle, body }: Named): ChainDraft {
  const chain = newChain(name, handle, 'json');
  if (typeof body.comment === 'string') chain.comment = body.comment;
  const { type, hook, prio: priority, policy = 'accept' } = body;
  if (type === undefined && hook === undefined) return chain;
  if (
    typeof type !== 'string' ||
    typeof hook !== 'string' ||
    typeof priority !== 'number' ||
    typeof policy !== 'string'
  ) {
    throw problem(index, `the hook of chain ${name} cannot be read.`);
  }
  chain.base = { type, hook, priority, policy };
  return chain;
}

function texts(value: unknown): readonly string[] | undefined {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) && value.every((each) => typeof each === 'string') ? value : undefined;
}

function readCollection(kind: 'set' | 'map', { index, name, handle, body }: Named): NftCollection {
  const draft = newCollection(kind, name, handle, 'json');
  for (const [field, value] of Object.entries(body)) {
    const list = field === 'type' || field === 'flags' ? texts(value) : undefined;
    if (list !== undefined && field === 'type') draft.keyTypes = list;
    else if (list !== undefined) draft.flags = list;
    else if (field === 'map' && typeof value === 'string') draft.dataType = value;
    else if (field === 'timeout' && typeof value === 'number') draft.timeout = value;
    else if (field === 'size' && typeof value === 'number') draft.size = value;
    else if (field === 'comment' && typeof value === 'string') draft.comment = value;
    else if (field === 'elem' && Array.isArray(value)) {
      draft.elements = value.map((each) => readElement(each, kind, index));
    } else if (!['family', 'name', 'table', 'handle'].includes(field)) {
      draft.others = [...draft.others, otherProperty(field, value)];
    }
  }
  if (draft.flags.includes('dynamic')) draft.dynamic = true;
  return draft;
}

/** A property of no meaning here in the words of a listing, as far as that is simple. */
function otherProperty(field: string, value: unknown): string {
  if (value === true) return field;
  if (field === 'gc-interval' && typeof value === 'number') return `${field} ${value}s`;
  return `${field} ${typeof value === 'string' ? value : JSON.stringify(value)}`;
}

/** An element: its key, with `elem` around it where there is more to say; in a map a pair of key and data. */
function readElement(value: unknown, kind: 'set' | 'map', index: number): NftElement {
  const [keySource, dataSource] = kind === 'map' && Array.isArray(value) ? value : [value, undefined];
  const wrapped = isFields(keySource) && isFields(keySource.elem) ? keySource.elem : undefined;
  const { val = keySource, comment, timeout, expires, ...others } = wrapped ?? {};
  const key = readExpression(val, 0);
  const data = kind === 'set' ? '' : readData(dataSource);
  if (key === undefined || data === undefined) throw problem(index, 'an element cannot be read.');
  return {
    key: printExpression(key),
    data,
    comment: typeof comment === 'string' ? comment : '',
    timeout: typeof timeout === 'number' ? timeout : undefined,
    expires: typeof expires === 'number' ? expires : undefined,
    others: Object.entries(others)
      .map(([field, other]) => otherProperty(field, other))
      .join(' '),
  };
}

function readData(value: unknown): string | undefined {
  const [name, body] = singleField(value);
  const verdict = readVerdict(name, body);
  if (verdict !== undefined) return printVerdict(verdict);
  const data = readExpression(value, 0);
  return data === undefined ? undefined : printExpression(data);
}

function readRuleOrElements(reader: Reader, named: Named): void {
  const { index, kind, family, name, handle, body } = named;
  if (kind !== 'rule') return;
  const table = tableOf(reader, named);
  if (table.head.foreign) return;
  const chain = table.chains.get(name);
  if (chain === undefined) throw problem(index, `chain ${name}, of which this is a rule, is not listed.`);
  if (!Array.isArray(body.expr)) throw problem(index, 'a rule needs a list as its expr.');
  const source: readonly unknown[] = body.expr;
  chain.rules.push({ family, source, comment: typeof body.comment === 'string' ? body.comment : '', handle });
}

function finish({ head, objects, raw }: TableDraft): NftTable {
  if (head.foreign) return { ...head, objects: [], verbatim: raw };
  const table: NftTable = { ...head, objects, verbatim: undefined };
  return sameJson(nftTableJson(table), raw) ? table : { ...table, verbatim: raw };
}

/** Whether two JSON values are equal; the order of an object's fields does not count. */
function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((each, i) => sameJson(each, b[i]));
  }
  if (!isFields(a) || !isFields(b)) return false;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && sameJson(a[name], b[name]))
  );
}

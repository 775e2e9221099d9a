/** Tables in one form, however they were written or listed, and what differs between two of them. */
import { compareBytes } from '../../net/text.js';
import { type Meaning, normalStatementsOf, normalValue } from './normal-statements.js';
import { printComment, printStatements } from './print-rule.js';
import type { NftChain, NftCollection, NftElement, NftTable } from './rule-set.js';

/**
 * A table as texts that are equal where it means the same: script, listing and JSON of one table give the same, but
 * for what JSON does not tell, which is undefined. Handles, counted packets and the order of chains, sets and elements
 * are left out, and so are the elements of sets with timeouts: these are clients, not rules.
 */
export interface NormalTable {
  readonly family: string;
  readonly name: string;
  /** `''` for none; undefined where the form does not tell. */
  readonly comment: string | undefined;
  readonly chains: ReadonlyMap<string, NormalChain>;
  readonly collections: ReadonlyMap<string, NormalCollection>;
  /** What kube-proxy v1.36 has none of, by kind and name only: `counter drops`. */
  readonly others: ReadonlySet<string>;
}

/** A chain in normal form. */
export interface NormalChain {
  /** As for tables. */
  readonly comment: string | undefined;
  /** `type nat hook output priority -100; policy accept;`; `''` for a chain that is only jumped to. */
  readonly hook: string;
  /** Each as `nft list` (1.0.6) would print it, or nearly so. */
  readonly rules: readonly string[];
}

/** A set or map in normal form. */
export interface NormalCollection {
  readonly kind: 'set' | 'map';
  /** Type, flags, timeout, size and what else there is, but for `dynamic`. */
  readonly properties: string;
  readonly comment: string;
  /** undefined where the form does not tell. */
  readonly dynamic: boolean | undefined;
  /** By key: what stands behind it, `comment "..." : goto ...`. */
  readonly elements: ReadonlyMap<string, string>;
}

/** The normal form of a table; that of a foreign one is empty. */
export function normalTable({ family, name, comment, objects }: NftTable): NormalTable {
  const chains = new Map<string, NormalChain>();
  const collections = new Map<string, NormalCollection>();
  const others = new Set<string>();
  for (const object of objects) {
    if (object.kind === 'chain') chains.set(object.name, normalChain(object));
    else if (object.kind === 'other') others.add(object.name);
    else collections.set(object.name, normalCollection(object));
  }
  return { family, name, comment, chains, collections, others };
}

function normalChain({ comment, base, rules }: NftChain): NormalChain {
  const hook =
    base === undefined ? '' : `type ${base.type} hook ${base.hook} priority ${base.priority}; policy ${base.policy};`;
  return {
    comment,
    hook,
    rules: rules.map((rule) => printStatements(normalStatementsOf(rule)) + printComment(rule.comment)),
  };
}

/** The size that nft gives a set to which rules add elements. */
const DEFAULT_DYNAMIC_SIZE = 65_535;

function normalCollection(collection: NftCollection): NormalCollection {
  const { kind, keyTypes, dataType, flags, dynamic, timeout, size, comment, others, elements } = collection;
  const hasTimeout = flags.includes('timeout');
  const isDefaultSize = size === DEFAULT_DYNAMIC_SIZE && (dynamic === true || hasTimeout);
  const properties = [
    `type ${keyTypes.join(' . ')}${dataType === '' ? '' : ` : ${dataType}`}`,
    ...flags
      .filter((flag) => flag !== 'dynamic')
      .toSorted(compareBytes)
      .map((flag) => `flag ${flag}`),
    // No time at all means for good.
    ...(timeout === undefined || timeout === 0 ? [] : [`timeout ${timeout}s`]),
    ...(size === undefined || isDefaultSize ? [] : [`size ${size}`]),
    ...others.toSorted(compareBytes),
  ].join('; ');
  const meanings = meaningsOfTypes(keyTypes);
  const normal = hasTimeout
    ? []
    : elements.map((each): [string, string] => [normalKey(each.key, meanings), besideKey(each)]);
  return { kind, properties, comment, dynamic, elements: new Map(normal) };
}

/** The elements of a set or map, as they are spelled, by their keys in normal form. */
export function elementsByKey({ keyTypes, elements }: NftCollection): ReadonlyMap<string, NftElement> {
  const meanings = meaningsOfTypes(keyTypes);
  return new Map(elements.map((each) => [normalKey(each.key, meanings), each]));
}

const MEANINGS: Readonly<Record<string, Meaning | undefined>> = {
  ipv4_addr: 'address4',
  ipv6_addr: 'address6',
  inet_proto: 'protocol',
  mark: 'mark',
};

/** What the parts of a key mean, by the types that a set or map was declared with. */
export function meaningsOfTypes(keyTypes: readonly string[]): readonly Meaning[] {
  return keyTypes.map((type) => MEANINGS[type] ?? 'other');
}

/** The key of an element in normal form, by which a packet's values find it. */
function normalKey(key: string, meanings: readonly Meaning[]): string {
  if (!key.includes(' ')) return normalValue(key, meanings[0] ?? 'other');
  return key
    .split(' . ')
    .map((part, i) => normalValue(part, meanings[i] ?? 'other'))
    .join(' . ');
}

function besideKey({ comment, timeout, others, data }: NftElement): string {
  return [
    others,
    timeout === undefined ? '' : `timeout ${timeout}s`,
    comment === '' ? '' : `comment "${comment}"`,
    data === '' ? '' : `: ${data}`,
  ]
    .filter((each) => each !== '')
    .join(' ');
}

/** One thing in which two tables differ. */
export interface NftDifference {
  readonly kind: 'table' | 'chain' | 'set' | 'map' | 'other';
  /** Of the table, chain, set or map. */
  readonly name: string;
  /** `existence`: only one of the tables has it. */
  readonly aspect: 'existence' | 'comment' | 'hook' | 'rules' | 'properties' | 'element';
  /** The key of the element; `''` for all other aspects. */
  readonly key: string;
  /** What the one and what the other table has; of rules all of the chain, one a line. undefined where it is missing. */
  readonly left: string | undefined;
  readonly right: string | undefined;
}

/** What differs between two tables of one family; in the order of the first one's objects, then the second one's. */
export function compareNormalTables(left: NormalTable, right: NormalTable): readonly NftDifference[] {
  const differences: NftDifference[] = [];
  const say = (
    kind: NftDifference['kind'],
    name: string,
    aspect: NftDifference['aspect'],
    [a, b]: readonly [string | undefined, string | undefined],
    key = '',
  ): void => {
    if (a !== b) differences.push({ kind, name, aspect, key, left: a, right: b });
  };
  const tableName = (table: NormalTable) => `${table.family} ${table.name}`;
  say('table', tableName(left), 'existence', [tableName(left), tableName(right)]);
  say('table', tableName(left), 'comment', told(left.comment, right.comment));
  for (const [name, a, b] of pairs(left.chains, right.chains)) {
    if (a === undefined || b === undefined) {
      say('chain', name, 'existence', [a && rulesText(a), b && rulesText(b)]);
      continue;
    }
    say('chain', name, 'comment', told(a.comment, b.comment));
    say('chain', name, 'hook', [a.hook, b.hook]);
    say('chain', name, 'rules', [rulesText(a), rulesText(b)]);
  }
  for (const [name, a, b] of pairs(left.collections, right.collections)) {
    const kind = (a ?? b)?.kind ?? 'set';
    if (a === undefined || b === undefined || a.kind !== b.kind) {
      say(kind, name, 'existence', [a && `${a.kind} ${a.properties}`, b && `${b.kind} ${b.properties}`]);
      continue;
    }
    const [dynamicLeft, dynamicRight] = told(dynamicText(a), dynamicText(b));
    say(kind, name, 'properties', [`${a.properties}${dynamicLeft}`, `${b.properties}${dynamicRight}`]);
    say(kind, name, 'comment', [a.comment, b.comment]);
    for (const [key, x, y] of pairs(a.elements, b.elements)) say(kind, name, 'element', [x, y], key);
  }
  for (const name of new Set([...left.others, ...right.others])) {
    const shown = (table: NormalTable) => (table.others.has(name) ? name : undefined);
    say('other', name, 'existence', [shown(left), shown(right)]);
  }
  return differences;
}

function rulesText({ rules }: NormalChain): string {
  return rules.map((rule) => `${rule}\n`).join('');
}

function dynamicText({ dynamic }: NormalCollection): string | undefined {
  return dynamic === undefined ? undefined : dynamic ? '; flag dynamic' : '';
}

/** Two texts, or nothing twice where one of the forms does not tell. */
function told(left: string | undefined, right: string | undefined): readonly [string, string] {
  return left === undefined || right === undefined ? ['', ''] : [left, right];
}

/** Every key of two maps with both values. */
function pairs<T>(
  left: ReadonlyMap<string, T>,
  right: ReadonlyMap<string, T>,
): readonly (readonly [string, T | undefined, T | undefined])[] {
  const result: (readonly [string, T | undefined, T | undefined])[] = [];
  for (const [key, each] of left) result.push([key, each, right.get(key)]);
  for (const [key, each] of right) if (!left.has(key)) result.push([key, undefined, each]);
  return result;
}

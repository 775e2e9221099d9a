/** The compiled tables of nftables in normal form, so that lines are found however they are spelled. */
import { type NormalTable, normalTable } from '../../backends/nftables/normal-form.js';
import { normalStatementsOf } from '../../backends/nftables/normal-statements.js';
import { printComment, printStatements } from '../../backends/nftables/print-rule.js';
import { readBaseChain } from '../../backends/nftables/properties.js';
import { readNft } from '../../backends/nftables/recognise.js';
import {
  collectionsOf,
  type NftElement,
  type NftObject,
  type NftRule,
  type NftTable,
} from '../../backends/nftables/rule-set.js';
import { type ExplainContext, isOfMode } from './context.js';
import type { NftPlace } from './place.js';

interface Compiled {
  readonly table: NftTable;
  readonly normal: NormalTable;
  /** Chains by the rules that they have. */
  readonly chainsOfRule: ReadonlyMap<string, readonly string[]>;
}

const knownTables = new WeakMap<object, Compiled | undefined>();

/** The compiled tables: that of a family (`ip`), or all; undefined where another mode or only the other family is compiled. */
function compiledTables(context: ExplainContext, family: string | undefined): readonly Compiled[] | undefined {
  if (!isOfMode(context, 'nftables')) return undefined;
  const tables = context.setting.families.flatMap((each) => {
    const texts = context.textsOf(each);
    const known = knownTables.get(texts) ?? readCompiled(texts.nft ?? '');
    knownTables.set(texts, known);
    return known === undefined || (family !== undefined && known.table.family !== family) ? [] : [known];
  });
  return tables.length === 0 ? undefined : tables;
}

function readCompiled(text: string): Compiled | undefined {
  const table = readNft({ name: 'compiled', text }).ruleSet?.tables[0];
  if (table === undefined) return undefined;
  const chainsOfRule = new Map<string, string[]>();
  for (const object of table.objects) {
    if (object.kind !== 'chain') continue;
    for (const rule of object.rules) {
      const key = normalRule(rule);
      const chains = chainsOfRule.get(key);
      if (chains === undefined) chainsOfRule.set(key, [object.name]);
      else if (!chains.includes(object.name)) chains.push(object.name);
    }
  }
  return { table, normal: normalTable(table), chainsOfRule };
}

/** A rule with its comment in normal form, without counters: they match every packet. */
export function normalRule(rule: NftRule): string {
  const statements = normalStatementsOf(rule).filter(({ kind }) => kind !== 'counter');
  return printStatements(statements) + printComment(rule.comment);
}

/**
 * The chains that have a rule; undefined where another mode is compiled.
 * @param table `ip kube-proxy`; undefined for those of all families
 */
export function chainsWithRule(
  context: ExplainContext,
  table: string | undefined,
  rule: NftRule,
): readonly string[] | undefined {
  const tables = compiledTables(context, table?.split(' ')[0]);
  return tables && [...new Set(tables.flatMap((each) => each.chainsOfRule.get(ofFamily(rule, each)) ?? []))];
}

/** Some words mean something else in the table of the other family. */
function ofFamily(rule: NftRule, { table: { family } }: Compiled): string {
  return normalRule({ ...rule, family });
}

/** Sets and maps that have an element's key; `written`: one of them has it with the same comment and verdict. */
export interface FoundElement {
  readonly collections: readonly string[];
  readonly written: boolean;
}

/** Looks an element up, in the set or map of its place or in all; undefined where another mode is compiled. */
export function findElement(context: ExplainContext, place: NftPlace, element: NftElement): FoundElement | undefined {
  const tables = compiledTables(context, place.table?.split(' ')[0]);
  if (tables === undefined) return undefined;
  const same = new Set<string>();
  const others = new Set<string>();
  for (const { table, normal } of tables) {
    for (const [name, collection] of collectionsOf(table)) {
      if (place.name !== undefined && place.name !== name) continue;
      const only = normalTable({ ...table, objects: [{ ...collection, elements: [element] }] });
      const [wanted] = only.collections.get(name)?.elements ?? [];
      const found = wanted && normal.collections.get(name)?.elements.get(wanted[0]);
      if (wanted === undefined || found === undefined) continue;
      (found === wanted[1] ? same : others).add(name);
    }
  }
  return { collections: [...same, ...others], written: same.size > 0 };
}

/**
 * Whether a compiled table has a chain, set or map; with all that is said of it, where it is given whole.
 * @param family `ip`; undefined for all
 */
export function hasObject(
  context: ExplainContext,
  family: string | undefined,
  object: NftObject | Pick<NftObject, 'kind' | 'name'>,
): boolean | undefined {
  const tables = compiledTables(context, family);
  return tables?.some(({ table, normal }) => {
    const chain = normal.chains.get(object.name);
    const collection = normal.collections.get(object.name);
    const found = object.kind === 'chain' ? chain : collection?.kind === object.kind ? collection : undefined;
    if (found === undefined || !('rules' in object || 'elements' in object)) return found !== undefined;
    const given = normalTable({ ...table, objects: [object] });
    const wanted = given.chains.get(object.name) ?? given.collections.get(object.name);
    const text = (each: typeof found) =>
      'hook' in each ? `${each.hook} ${each.comment}` : `${each.properties} ${each.dynamic} ${each.comment}`;
    return wanted !== undefined && text(wanted) === text(found);
  });
}

/** Whether a compiled chain hangs where a line says: the one of that name, or any. */
export function hasBase(context: ExplainContext, name: string | undefined, text: string): boolean | undefined {
  const tables = compiledTables(context, undefined);
  return tables?.some(({ table, normal }) => {
    const base = readBaseChain(table.family, text);
    const chain = { kind: 'chain', name: '', comment: '', handle: undefined, base, rules: [] } as const;
    const wanted = normalTable({ ...table, objects: [chain] }).chains.get('')?.hook;
    return [...normal.chains].some(([each, { hook }]) => (name ?? each) === each && hook === wanted && hook !== '');
  });
}

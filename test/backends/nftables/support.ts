/** What the tests of nftables' rule sets share. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import {
  compareNormalTables,
  type NftRuleSet,
  type NftTable,
  normalTable,
  printNftJson,
  printNftListing,
  printNftScript,
  printStatements,
  readNft,
  statementsOf,
} from '../../../src/index.js';

/** Listings of nft 1.0.6: of some golden scripts (`CASE.FAMILY.nft-list`, `-j`), and of tables with odd rules. */
export const LISTINGS = join(import.meta.dirname, 'listings');

export function listing(name: string): string {
  return readFileSync(join(LISTINGS, name), 'utf8');
}

/** Names of the golden cases that there are listings of, each with its family. */
export function listedCases(): readonly (readonly [name: string, family: string])[] {
  return readdirSync(LISTINGS).flatMap((file) => {
    const [, name, family] = /^([a-z0-9-]+)\.(ipv[46])\.nft-list$/.exec(file) ?? [];
    return name === undefined || family === undefined ? [] : [[name, family] as const];
  });
}

/** Reads a text that must be readable. */
export function ruleSetOf(text: string, name = 'test'): NftRuleSet {
  const { ruleSet, diagnostics } = readNft({ name, text });
  if (ruleSet === undefined) throw new Error(JSON.stringify(diagnostics));
  return ruleSet;
}

/** kube-proxy's only table in a text. */
export function tableOf(text: string): NftTable {
  const [table, ...more] = ruleSetOf(text).tables.filter((each) => !each.foreign);
  if (table === undefined || more.length > 0) throw new Error('not one table');
  return table;
}

/** What differs between the tables of two texts. */
export function differences(left: string, right: string) {
  return compareNormalTables(normalTable(tableOf(left)), normalTable(tableOf(right)));
}

/** Prints a rule set in the form it was read from. */
export function printAgain(ruleSet: NftRuleSet): string {
  if (ruleSet.form === 'script') return printNftScript(ruleSet);
  return ruleSet.form === 'listing' ? printNftListing(ruleSet) : printNftJson(ruleSet);
}

/** The nftables texts that a case expects. */
export function expectedScripts(folder: string): readonly string[] {
  return readdirSync(join(folder, 'expected'))
    .filter((file) => file.startsWith('nftables.'))
    .map((file) => readFileSync(join(folder, 'expected', file), 'utf8'));
}

/** Prints what was read, once from the table as it was read and once from its rules' statements alone. */
export function expectFaithful(text: string): void {
  const ruleSet = ruleSetOf(text);
  const printed = printAgain(ruleSet);
  if (ruleSet.form === 'json') expect(JSON.parse(printed)).toEqual(JSON.parse(text));
  expect(printed).toBe(ruleSet.form === 'json' ? text.trimEnd() : text);
  for (const table of ruleSet.tables) if (!table.foreign) expectUnderstood(table);
}

/** Nothing of a table was taken over unread. All rules are compared at once, as there are many. */
function expectUnderstood(table: NftTable): void {
  expect(table.verbatim).toBe(undefined);
  expect(table.objects.filter(({ kind }) => kind === 'other')).toEqual([]);
  const rules = table.objects.flatMap((object) => (object.kind === 'chain' ? object.rules : []));
  const wrong = rules.filter((rule) => {
    const statements = statementsOf(rule);
    if (statements.some(({ kind }) => kind === 'unknown')) return true;
    return table.form === 'listing' && printStatements(statements) !== rule.source;
  });
  expect(wrong).toEqual([]);
}

/** A script as the listing that nft would print of it, but for what nft rewrites. */
export function expectListable(text: string): void {
  const ruleSet = ruleSetOf(text);
  const listed = printNftListing(ruleSet);
  const relisted = ruleSetOf(listed);
  expect(printAgain(relisted)).toBe(listed);
  for (const table of ruleSet.tables) {
    const again = relisted.tables.find((each) => each.family === table.family);
    expect(again === undefined ? [] : compareNormalTables(normalTable(table), normalTable(again))).toEqual([]);
  }
}

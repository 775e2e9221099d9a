/** What the tests of nftables' rule sets share. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  compareNormalTables,
  type NftRuleSet,
  type NftTable,
  normalTable,
  printNftJson,
  printNftListing,
  printNftScript,
  readNft,
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

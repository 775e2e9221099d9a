/** Rule sets of nftables as data: what was read is printed again as it was, and all forms of a table mean the same. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { printNftJson, printNftListing, readNft, statementsOf } from '../../../src/index.js';
import { caseName, findCases } from '../../support/case.js';
import {
  differences,
  expectedScripts,
  expectFaithful,
  expectListable,
  LISTINGS,
  listedCases,
  listing,
  printAgain,
  ruleSetOf,
  tableOf,
} from './support.js';

describe('scripts are printed as they were read, and survive as a listing', () => {
  it.each(findCases('golden').map((folder) => [caseName(folder), folder]))('golden %s', (_name, folder) => {
    for (const text of expectedScripts(folder)) {
      expectFaithful(text);
      expectListable(text);
    }
  });
});

describe('listings of nft', () => {
  it.each(listedCases())('of golden %s %s mean what the script does', (name, family) => {
    const script = readFileSync(join('golden', name, 'expected', `nftables.${family}.nft`), 'utf8');
    const text = listing(`${name}.${family}.nft-list`);
    const json = listing(`${name}.${family}.nft-list-j`);
    expectFaithful(text);
    expectFaithful(json);
    expect(differences(script, text)).toEqual([]);
    expect(differences(script, json)).toEqual([]);
    expect(differences(text, json)).toEqual([]);
  });

  it('there are some', () => {
    expect(listedCases().length).toBeGreaterThan(3);
    expect(readdirSync(LISTINGS).length).toBeGreaterThan(10);
  });

  it.each(['rewritten.nft-list', 'rewritten.nft-list-a', 'rewritten.nft-list-nn', 'rewritten.nft-list-j'])(
    'rules that nft rewrites mean the same in %s',
    (file) => {
      const ruleSet = ruleSetOf(listing(file));
      expect(printAgain(ruleSet)).toBe(listing(file).replace(/\}\n$/, (end) => (ruleSet.form === 'json' ? '}' : end)));
      expect(differences(listing('rewritten.nft'), listing(file))).toEqual([]);
    },
  );
});

describe('foreign tables and rules', () => {
  it.each(['foreign.nft-list', 'foreign.nft-list-j'])('are kept as they are: %s', (file) => {
    const ruleSet = ruleSetOf(listing(file));
    expect(printAgain(ruleSet).trimEnd()).toBe(listing(file).trimEnd());
    expect(ruleSet.tables.map(({ family, name, foreign }) => [family, name, foreign])).toEqual([
      ['ip', 'kube-proxy', false],
      ['inet', 'filter', true],
      ['ip6', 'other', true],
    ]);
    const rules = ruleSet.tables.flatMap((table) =>
      table.objects.flatMap((each) => (each.kind === 'chain' ? each.rules : [])),
    );
    const unknown = rules.flatMap(statementsOf).filter((each) => each.kind === 'unknown');
    expect(unknown.length).toBeGreaterThan(0);
    expect(JSON.stringify(unknown)).toContain('foo bar');
  });

  it('warnings of nft before a table stay with it', () => {
    const warning = '# Warning: table ip nat is managed by iptables-nft, do not touch!\n';
    const text = `${warning}table ip nat {\n\tchain X {\n\t}\n}\n${listing('rewritten.nft-list')}`;
    expect(printNftListing(ruleSetOf(text))).toBe(text);
  });
});

describe('JSON in another order', () => {
  it('means the same', () => {
    const text = listing('session-affinity-external-local.ipv4.nft-list-j');
    const { nftables } = JSON.parse(text) as { nftables: readonly object[] };
    const isRule = (each: object) => 'rule' in each;
    const shuffled = { nftables: [...nftables.filter(isRule), ...nftables.filter((each) => !isRule(each)).reverse()] };
    const again = ruleSetOf(JSON.stringify(shuffled));
    expect(differences(text, JSON.stringify(shuffled))).toEqual([]);
    expect(JSON.parse(printNftJson(again)).nftables.length).toBe(nftables.length);
  });

  it('may lack the table itself, as of one chain', () => {
    const chain = { chain: { family: 'ip', table: 'kube-proxy', name: 'services', handle: 1 } };
    const { ruleSet } = readNft({ name: 'chain', text: JSON.stringify({ nftables: [chain] }) });
    expect(ruleSet?.tables.map((table) => table.objects.map((each) => each.name))).toEqual([['services']]);
  });
});

it('a table is found by its family', () => {
  expect(tableOf(listing('rewritten.nft-list')).family).toBe('ip');
});

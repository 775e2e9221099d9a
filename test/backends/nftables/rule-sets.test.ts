/** Rule sets of nftables as data: what was read is printed again as it was, and all forms of a table mean the same. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  compile,
  DEFAULT_CONFIG,
  type Family,
  loadCluster,
  partText,
  printNftJson,
  printNftListing,
  readConfig,
  readNft,
  readObjects,
  statementsOf,
} from '../../../src/index.js';
import { caseName, findCases } from '../../support/case.js';
import { dumpFolders } from '../../support/dumps.js';
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

describe('dumps of nodes that kube-proxy v1.36.3 synced', () => {
  /** Its IPv4 nft dump was taken at another moment than objects.yaml: without any endpoints. */
  const TORN = 'kube-dns';
  const families = [
    ['ipv4', 'ip'],
    ['ipv6', 'ip6'],
  ] as const;

  it.each(dumpFolders('host').map((folder) => [caseName(folder), folder]))('%s', (name, folder) => {
    for (const [family, table] of families) {
      const text = readFileSync(join(folder, `nft-list.${table}.txt`), 'utf8');
      const json = readFileSync(join(folder, `nft-list.${table}.json`), 'utf8');
      expectFaithful(text);
      expectFaithful(json);
      expect(differences(text, json)).toEqual([]);
      const own = compileDump(folder, family, text);
      if (name === TORN && family === 'ipv4') expect(differences(own, text)).not.toEqual([]);
      else expect(differences(own, text)).toEqual([]);
    }
  });

  /** What we would write there. The API server's own ServiceCIDRs are not in objects.yaml, but seen in the rules. */
  function compileDump(folder: string, family: Family, dump: string): string {
    const [, cidr] = /^\s*ip6? daddr (\S+) drop comment "Drop traffic to unallocated ClusterIPs"$/m.exec(dump) ?? [];
    const serviceCIDR = { apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', metadata: { name: 'kubernetes' } };
    const source = (name: string) => ({ name, text: readFileSync(join(folder, name), 'utf8') });
    const { objects } = readObjects([source('objects.yaml')]);
    const cluster = loadCluster([...objects, { object: { ...serviceCIDR, spec: { cidrs: [cidr] } } }]);
    const config = readConfig(source('config.yaml'), { mode: 'nftables' }).config ?? DEFAULT_CONFIG;
    const { parts } = compile(cluster.state, { mode: 'nftables', config, family });
    return parts.map(partText).join('');
  }
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

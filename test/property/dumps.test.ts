/**
 * Texts as data, over everything there is: every golden text, every text of the conformance corpus and every dump of
 * a real kernel prints as it was read; and what we compile for a dumped node is what kube-proxy left there.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  chainOwner,
  type Diagnostic,
  type DumpKind,
  FAMILIES,
  type Family,
  normalAddresses,
  normalIpset,
  normalIpvs,
  normalRuleText,
  printAddresses,
  printIpset,
  printIpvsadm,
  printSetup,
  printXtables,
  readAddresses,
  readIpset,
  readIpvsadm,
  readSetup,
  readXtables,
  recogniseDump,
  ruleOf,
  type XtablesMode,
  type XtablesRule,
  xtablesChains,
} from '../../src/index.js';
import { compileDumped, DUMP_ROOTS, dumpFolders, dumpText, filesBelow } from '../support/dumps.js';
import { CONFORMANCE, isMissing } from '../support/shared.js';

type Kind = Exclude<DumpKind['kind'], 'nft'>;

/** Reads and prints again. */
const roundTrip: Readonly<Record<Kind, (text: string) => { again: string; diagnostics: readonly Diagnostic[] }>> = {
  xtables: (source) => {
    const { text, diagnostics } = readXtables({ name: 'x', text: source });
    return { again: printXtables(text), diagnostics };
  },
  setup: (source) => {
    const { steps, diagnostics } = readSetup({ name: 'x', text: source });
    return { again: printSetup(steps), diagnostics };
  },
  ipvsadm: (source) => {
    const { table, diagnostics } = readIpvsadm({ name: 'x', text: source });
    return { again: printIpvsadm(table), diagnostics };
  },
  ipset: (source) => {
    const { sets, diagnostics } = readIpset({ name: 'x', text: source });
    return { again: printIpset(sets), diagnostics };
  },
  addresses: (source) => {
    const { addresses, diagnostics } = readAddresses({ name: 'x', text: source });
    return { again: printAddresses(addresses), diagnostics };
  },
};

const KINDS: readonly [RegExp, Kind][] = [
  [/\.rules$|ip6?tables-save\.[a-z]*\.?txt$/, 'xtables'],
  [/\.setup$/, 'setup'],
  [/ipvsadm/, 'ipvsadm'],
  [/ipset/, 'ipset'],
  [/addresses/, 'addresses'],
];

describe('printing what was read gives the same text', () => {
  it('the golden cases', () => expectSameTexts(['golden'], 400));
  it('the dumps', () => expectSameTexts(DUMP_ROOTS, 15));
  it.skipIf(isMissing(CONFORMANCE))('the conformance corpus', () => expectSameTexts([CONFORMANCE], 1000));
});

/** Reads and prints every text below folders, which are more than some. */
function expectSameTexts(folders: readonly string[], least: number): void {
  let count = 0;
  for (const file of folders.flatMap((folder) => filesBelow(folder, /./))) {
    const [, kind] = KINDS.find(([name]) => name.test(basename(file))) ?? [];
    if (kind === undefined) continue;
    const text = readFileSync(file, 'utf8');
    const { again, diagnostics } = roundTrip[kind](text);
    expect(diagnostics, file).toEqual([]);
    expect(again === text, file).toBe(true);
    // Every text is told from its content, but an empty one and addresses without any.
    if (text !== '') expect(recogniseDump({ name: file, text }).dump?.kind, file).toBe(kind);
    count++;
  }
  expect(count).toBeGreaterThan(least);
}

/** Chains that rules of several Services stand in; kube-proxy writes those in random order. */
const COMMON = /^KUBE-(SERVICES|EXTERNAL-SERVICES|NODEPORTS|PROXY-FIREWALL|IPVS-OUT-FILTER)$/;

/** The rules of kube-proxy's own chains in normal form, by table and chain. */
function ownRules(source: string, mode: XtablesMode): ReadonlyMap<string, readonly string[]> {
  const { text, diagnostics } = readXtables({ name: 'x', text: source });
  expect(diagnostics).toEqual([]);
  const own = new Map<string, readonly string[]>();
  for (const table of text.tables) {
    for (const chain of xtablesChains(table).values()) {
      const owned = chainOwner(table.name, chain.name);
      if (owned.owner === 'foreign' || owned.owner === 'canary') continue;
      if (owned.owner === 'kube-proxy') expect(owned.modes, chain.name).toContain(mode);
      const rules = chain.rules.filter((rule) => !onlyCounts(rule)).map(normal);
      if (mode === 'iptables' && table.name === 'nat' && chain.name === 'KUBE-SERVICES') {
        expect(rules.at(-1)).toMatch(/ -j KUBE-NODEPORTS$/);
      }
      own.set(`${table.name} ${chain.name}`, COMMON.test(chain.name) ? rules.sort() : rules);
    }
  }
  return own;
}

/** Where a node can count packets by name, some rules count, and node ports on 127.0.0.1 have a rule more for that. */
function onlyCounts(rule: XtablesRule): boolean {
  return ruleOf(rule).matches.some((match) => match.kind === 'nfacct' && match.name === 'localhost_nps_accepted_pkts');
}

/** A rule in normal form, but for what counts. */
function normal(rule: XtablesRule): string {
  const { matches, target } = ruleOf(rule);
  const known = matches.filter((match) => match.kind !== 'nfacct');
  expect(JSON.stringify([known, target])).not.toContain('"unknown"');
  return normalRuleText({ matches: known, target });
}

/** Rules of built-in chains that lead into others, by table and chain. */
function jumps(source: string): ReadonlyMap<string, readonly string[]> {
  const builtIn = readXtables({ name: 'x', text: source }).text.tables.flatMap((table) =>
    [...xtablesChains(table).values()]
      .filter((chain) => chain.policy !== undefined && chain.rules.length > 0)
      .map((chain): [string, readonly string[]] => [`${table.name} ${chain.name}`, chain.rules.map(normal)]),
  );
  return new Map(builtIn);
}

/** What a setup makes of empty built-in chains: each jump goes before those made earlier. */
function jumpsOfSetup(source: string): ReadonlyMap<string, readonly string[]> {
  const made = new Map<string, string[]>();
  for (const step of readSetup({ name: 'x', text: source }).steps) {
    if (step.kind !== 'jump') continue;
    const place = `${step.table} ${step.rule.chain}`;
    made.set(place, [normal(step.rule), ...(made.get(place) ?? [])]);
  }
  return made;
}

/** Dumps taken before kube-proxy had seen the EndpointSlices: it had written all Services without endpoints. */
const EARLY = /kube-dns\/iptables-save\.legacy\.txt$/;

/** Compares one dump of iptables with what we write; returns how many rules are in it. */
function compareRules(folder: string, dumpName: string, mode: XtablesMode, family: Family): number {
  const ours = compileDumped(folder, mode, family, !EARLY.test(`${folder}/${dumpName}`));
  const dump = dumpText(folder, dumpName);
  // kube-proxy makes KUBE-FIREWALL in any case, and leaves it empty where there is nothing to block.
  const empty: [string, readonly string[]][] = mode === 'iptables' ? [['filter KUBE-FIREWALL', []]] : [];
  const wanted = new Map([...empty, ...ownRules(ours.rules ?? '', mode)]);
  const found = ownRules(dump, mode);
  expect(Object.fromEntries(found), `${folder} ${dumpName}`).toEqual(Object.fromEntries(wanted));
  expect(Object.fromEntries(jumps(dump))).toEqual(Object.fromEntries(jumpsOfSetup(ours.setup ?? '')));
  return [...found.values()].reduce((sum, rules) => sum + rules.length, 0);
}

describe('what kube-proxy left on a node is what we compile', () => {
  const name = (folder: string): [string, string] => [basename(folder), folder];
  let rules = 0;

  it.each(dumpFolders('host').map(name))('iptables mode: %s', (_, folder) => {
    for (const variant of ['nft', 'legacy']) {
      rules += compareRules(folder, `iptables-save.${variant}.txt`, 'iptables', 'ipv4');
      rules += compareRules(folder, `ip6tables-save.${variant}.txt`, 'iptables', 'ipv6');
    }
  });

  it.each(dumpFolders('ipvs').map(name))('IPVS mode: %s', (_, folder) => {
    rules += compareRules(folder, 'ipvs.iptables-save.txt', 'ipvs', 'ipv4');
    rules += compareRules(folder, 'ipvs.ip6tables-save.txt', 'ipvs', 'ipv6');

    const ours = FAMILIES.map((family) => compileDumped(folder, 'ipvs', family));
    const both = (part: string): string => ours.map((texts) => texts[part] ?? '').join('');
    const servers = (text: string) => Object.fromEntries(normalIpvs(readIpvsadm({ name: 'x', text }).table));
    expect(servers(dumpText(folder, 'ipvsadm-Sn.txt'))).toEqual(servers(both('ipvsadm')));
    const sets = (text: string) => Object.fromEntries(normalIpset(readIpset({ name: 'x', text }).sets));
    expect(sets(dumpText(folder, 'ipset-save.txt'))).toEqual(sets(both('ipset')));
    const addresses = (text: string) => normalAddresses(readAddresses({ name: 'x', text }).addresses);
    expect(addresses(dumpText(folder, 'ipvs.addresses.txt'))).toEqual(addresses(both('addresses')));
  });

  it('in enough rules to mean something', () => {
    console.log(`${rules} rules of real kernels are what we compile`);
    expect(rules).toBeGreaterThan(200);
  });
});

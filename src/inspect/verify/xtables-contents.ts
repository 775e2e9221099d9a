/** Rules of iptables as contents: those of a dump, and those that we write. */

import { normalRuleText } from '../../backends/xtables/normal-rule.js';
import { chainOwner, type XtablesMode } from '../../backends/xtables/owner.js';
import { parseRuleArguments } from '../../backends/xtables/parse-rule.js';
import { quickRuleText } from '../../backends/xtables/quick-rule.js';
import type { RuleSpec } from '../../backends/xtables/rule.js';
import { readSetup } from '../../backends/xtables/setup-text.js';
import { type XtablesRule, type XtablesText, xtablesChains } from '../../backends/xtables/text.js';
import type { Family } from '../../net/family.js';
import type { Container, Contents, Item } from './contents.js';
import type { VerifyFinding } from './finding.js';
import { nodeFinding } from './node-findings.js';

/** The rules of a dump. */
export interface XtablesContents {
  /** kube-proxy's chains of the mode, as `nat KUBE-SERVICES`; KUBE-FIREWALL among them. */
  readonly own: Contents;
  /** Chains of kube-proxy that its other mode has, and that hold something. */
  readonly otherMode: readonly string[];
  /** Rules of built-in chains that lead into others, by table and chain. */
  readonly jumps: ReadonlyMap<string, readonly Item[]>;
}

/** Takes from a dump what is kube-proxy's; everybody else's rules are left alone. */
export function xtablesContents({ tables }: XtablesText, file: string, mode: XtablesMode): XtablesContents {
  const own = new Map<string, Container>();
  const otherMode: string[] = [];
  const jumps = new Map<string, readonly Item[]>();
  for (const table of tables) {
    for (const chain of xtablesChains(table).values()) {
      const name = `${table.name} ${chain.name}`;
      const owned = chainOwner(table.name, chain.name);
      if (chain.policy !== undefined) jumps.set(name, itemsOf(chain.rules, file));
      else if (owned.owner === 'kube-proxy' && !owned.modes.includes(mode)) otherMode.push(name);
      else if (owned.owner === 'kube-proxy' || owned.owner === 'shared') {
        own.set(name, chainContainer(name, itemsOf(chain.rules, file), { file, line: chain.line }));
      }
    }
  }
  return { own, otherMode, jumps };
}

/** A chain as a container. */
export function chainContainer(name: string, items: readonly Item[], place: Container['place'] = undefined): Container {
  return { kind: 'chain', name, ordered: !BAGS.has(name), settings: '', items, place };
}

/** Chains with rules of many Services, in no particular order. */
const BAGS = new Set([
  'nat KUBE-SERVICES',
  'nat KUBE-NODEPORTS',
  'filter KUBE-SERVICES',
  'filter KUBE-EXTERNAL-SERVICES',
  'filter KUBE-NODEPORTS',
  'filter KUBE-PROXY-FIREWALL',
  'filter KUBE-IPVS-OUT-FILTER',
]);

function itemsOf(rules: readonly XtablesRule[], file: string): readonly Item[] {
  return rules.flatMap((rule) => ruleItem(rule.arguments, { file, line: rule.line }) ?? []);
}

/**
 * A rule without what kube-proxy may write or not: comments, which it leaves out in large clusters, and counting.
 * @returns undefined for a rule that only counts or comments
 */
function ruleItem(text: string, place: Item['place']): Item | undefined {
  const quick = quickRuleText(text);
  if (quick !== undefined) return { text: quick, shown: text.slice(1), place, isRule: true };
  const spec = parseRuleArguments(text);
  if (spec === undefined) return { text, shown: text.trim(), place };
  if (spec.target === undefined || onlyCounts(spec)) return undefined;
  const matches = spec.matches.filter(({ kind }) => kind !== 'nfacct' && kind !== 'comment');
  return { text: normalRuleText({ matches, target: spec.target }), shown: text.trim(), place, isRule: true };
}

/** Where a node can count packets by name, node ports on 127.0.0.1 have a rule more for that. */
function onlyCounts({ matches }: RuleSpec): boolean {
  return matches.some((match) => match.kind === 'nfacct' && match.name === 'localhost_nps_accepted_pkts');
}

/** The chains of a restore input of ours, or of the rule lines of one service port. */
export function writtenContents(lines: readonly { readonly table: string; readonly text: string }[]): Contents {
  const items = new Map<string, Item[]>();
  for (const { table, text } of lines) {
    let current = table;
    for (const line of text.split('\n')) {
      if (line.startsWith('*')) current = line.slice(1);
      else if (line.startsWith(':')) chainItems(items, `${current} ${line.slice(1, line.indexOf(' '))}`);
      else if (line.startsWith('-A ')) {
        const end = line.indexOf(' ', 3);
        const item = ruleItem(line.slice(end), undefined);
        if (item !== undefined) chainItems(items, `${current} ${line.slice(3, end)}`).push(item);
      }
    }
  }
  return new Map(Array.from(items, ([name, rules]) => [name, chainContainer(name, rules)]));
}

function chainItems(items: Map<string, Item[]>, name: string): Item[] {
  const known = items.get(name);
  if (known !== undefined) return known;
  const made: Item[] = [];
  items.set(name, made);
  return made;
}

/** What a rule of iptables says; undefined for any other item. */
export function specOf(item: Item | undefined): RuleSpec | undefined {
  return item?.isRule === true && item.shown !== undefined ? parseRuleArguments(item.shown) : undefined;
}

/** The chain that a rule leads to. */
export function targetOf(item: Item): string | undefined {
  const target = specOf(item)?.target;
  return target?.kind === 'jump' || target?.kind === 'goto' ? target.chain : undefined;
}

/** The comment of a rule. */
export function commentOf(item: Item): string | undefined {
  for (const match of specOf(item)?.matches ?? []) if (match.kind === 'comment') return match.text;
  return undefined;
}

/** Findings about the jumps from built-in chains, each of which has to be there once. */
export function verifyJumps(setup: string, found: XtablesContents, family: Family): readonly VerifyFinding[] {
  const findings: VerifyFinding[] = [];
  for (const step of readSetup({ name: 'setup', text: setup }).steps) {
    if (step.kind !== 'jump') continue;
    const from = `${step.table} ${step.rule.chain}`;
    const should = ruleItem(step.rule.arguments, undefined);
    if (should === undefined) continue;
    const present = found.jumps.get(from)?.filter(({ text }) => text === should.text) ?? [];
    if (present.length === 1) continue;
    const what = `jump from ${step.rule.chain} to ${targetOf(should)} (table ${step.table})`;
    if (present.length === 0) {
      const hint = 'kube-proxy makes it again when it starts and at its next full sync; find out what removed it.';
      const detail = { where: from, is: undefined, should: should.shown, place: undefined };
      findings.push(nodeFinding('jump-missing', family, `the ${what} is missing.`, hint, [detail]));
    } else {
      const details = present.map((each) => ({ where: from, is: each.shown, should: undefined, place: each.place }));
      const message = `the ${what} is there ${present.length} times.`;
      findings.push(nodeFinding('jump-repeated', family, message, 'Delete all but one.', details));
    }
  }
  return findings;
}

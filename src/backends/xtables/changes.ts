/**
 * From the rules that a host has to those that it is to have: the smallest input of `iptables-restore --noflush` that
 * does it. The unit of rewriting is the chain.
 */
import type { Change } from '../change.js';
import { type ChainOwner, chainOwner, chainService } from './owner.js';
import { parseRuleArguments } from './parse-rule.js';
import { ruleKey } from './quick-rule.js';
import { type ChainChange, inputsOf, type Jump, type TableChange } from './restore-inputs.js';
import type { SetupStep } from './setup-text.js';
import { type XtablesChain, type XtablesText, xtablesChains, xtablesTable } from './text.js';

/** The rules that a host is to have, of one family. */
export interface WantedXtables {
  /** kube-proxy's chains and their rules. */
  readonly rules: XtablesText;
  /** Jumps into them; chains that have to be there whatever is in them; kernel parameters are not looked at. */
  readonly setup: readonly SetupStep[];
}

/** What leads from one to the other. */
export interface XtablesChange {
  /** Inputs of iptables-restore, one after the other; none where nothing is to change. */
  readonly inputs: readonly string[];
  readonly changes: readonly Change[];
  /** The chains that are written, by which it can be looked up whether they were; undefined where jumps move as well. */
  readonly written: readonly WrittenChain[] | undefined;
  /** Chains that nobody needs any more but rules of others lead into, as `nat KUBE-SVC-...`: emptied, and left. */
  readonly referred: readonly string[];
}

/** A chain as it is left. */
export interface WrittenChain {
  readonly table: string;
  readonly chain: string;
  /** Arguments, each beginning with a space; undefined where the chain is gone. */
  readonly rules: readonly string[] | undefined;
}

/** Which chains count as superfluous where nobody wants them. */
export interface Ownership {
  /** The jumps into its chains that kube-proxy makes, in any of its modes. Other rules of built-in chains are others'. */
  readonly jumps: readonly SetupStep[];
  /** Whether the canaries go too, which only tell a kube-proxy that somebody flushed its rules. */
  readonly canaries: boolean;
  /** Whether KUBE-FIREWALL is kube-proxy's alone, so that it is emptied or goes where nothing is wanted in it. */
  readonly firewall: boolean;
  /**
   * So many new or superfluous chains come in one input, as the time that the nft variant takes for one grows with the
   * square of their number; undefined for all, as each input rewrites the whole table in the legacy variant.
   */
  readonly chainsAtOnce: number | undefined;
}

/** Compares, of the chains that are kube-proxy's. Counters, and what is anybody else's, play no part. */
export function changeXtables(wanted: WantedXtables, current: XtablesText, owned: Ownership): XtablesChange {
  const names = new Set(['filter', 'nat']);
  if (owned.canaries) names.add('mangle');
  const tables = Array.from(names, (name) => changeTable(name, wanted, current, owned));
  const movesJumps = tables.some(({ newJumps, oldJumps }) => newJumps.length + oldJumps.length > 0);
  return {
    inputs: inputsOf(tables, owned.chainsAtOnce),
    changes: tables.flatMap(changesOf),
    written: movesJumps ? undefined : tables.flatMap(writtenOf),
    referred: tables.flatMap(({ name, chains }) =>
      chains.filter(({ referred }) => referred).map((chain) => `${name} ${chain.name}`),
    ),
  };
}

/**
 * What of wanted rules is somebody else's, and so must not be written.
 * @param jumps the jumps that kube-proxy makes, in any of its modes
 * @returns the first, as `chain INPUT of table filter`; undefined where all is kube-proxy's
 */
export function foreignAmong({ rules, setup }: WantedXtables, jumps: readonly SetupStep[]): string | undefined {
  const isOwn = (table: string, chain: string): boolean => OWN.has(chainOwner(table, chain).owner);
  for (const { name, lines } of rules.tables) {
    for (const line of lines) {
      const chain = line.kind === 'rule' ? line.chain : line.kind === 'chain' ? line.name : undefined;
      if (chain !== undefined && !isOwn(name, chain)) return `chain ${chain} of table ${name}`;
    }
  }
  for (const step of setup) {
    if (step.kind === 'chain' && !isOwn(step.table, step.name)) return `chain ${step.name} of table ${step.table}`;
    if (step.kind === 'jump' && !knownJumps(jumps, step.table).has(jumpKey(step.rule.chain, step.rule.arguments))) {
      return `rule ${step.rule.chain}${step.rule.arguments} of table ${step.table}`;
    }
  }
  return undefined;
}

/** The keys of a table's jumps. */
function knownJumps(jumps: readonly SetupStep[], table: string): ReadonlySet<string> {
  return new Set(
    jumps
      .filter(isOf(table))
      .flatMap(jumpOf)
      .map(({ chain, args }) => jumpKey(chain, args)),
  );
}

function jumpKey(chain: string, args: string): string {
  return `${chain} ${ruleKey(args)}`;
}

const OWN: ReadonlySet<ChainOwner['owner']> = new Set(['kube-proxy', 'canary', 'shared']);

function changeTable(
  name: string,
  wanted: WantedXtables,
  current: XtablesText,
  { jumps, canaries, firewall }: Ownership,
): TableChange {
  const table = xtablesTable(wanted.rules, name);
  const rules: ReadonlyMap<string, XtablesChain> = table === undefined ? new Map() : xtablesChains(table);
  const present = xtablesTable(current, name);
  const chains: ReadonlyMap<string, XtablesChain> = present === undefined ? new Map() : xtablesChains(present);
  const inTable = wanted.setup.filter((step) => step.kind !== 'parameter' && step.table === name);
  const ensured = inTable.flatMap((step) => (step.kind === 'chain' ? [step.name] : []));
  const goes = (chain: string): boolean => {
    if (rules.has(chain) || ensured.includes(chain)) return false;
    const { owner } = chainOwner(name, chain);
    return owner === 'kube-proxy' || (owner === 'canary' && canaries) || (owner === 'shared' && firewall);
  };
  const wantedJumps = inTable.flatMap(jumpOf);
  const oldJumps = superfluousJumps(name, chains, wantedJumps, jumps.filter(isOf(name)).flatMap(jumpOf), goes);
  const isGoing = new Set(oldJumps.map((jump) => `${jump.chain}${jump.args}`));
  const referred = new Set<string>();
  for (const chain of chains.values()) {
    if (goes(chain.name)) continue;
    // A chain that is rewritten leads only where the new rules do.
    if (rules.has(chain.name)) continue;
    for (const { arguments: args } of chain.rules) {
      if (!args.includes(' KUBE-') || isGoing.has(`${chain.name}${args}`)) continue;
      const target = targetOf(args);
      if (target !== undefined) referred.add(target);
    }
  }
  const changed: ChainChange[] = [];
  const compare = (chain: string, after: readonly string[] | undefined): void => {
    const change = changeChain(chain, chains.get(chain), after, referred);
    if (change !== undefined) changed.push(change);
  };
  for (const chain of ensured) {
    const isEmpty = firewall && chainOwner(name, chain).owner === 'shared';
    if (!rules.has(chain) && (isEmpty || !chains.has(chain))) compare(chain, []);
  }
  for (const [chain, { rules: after }] of rules)
    compare(
      chain,
      after.map(({ arguments: args }) => args),
    );
  for (const chain of chains.keys()) if (goes(chain)) compare(chain, undefined);
  return { name, chains: dedupe(changed), newJumps: missingJumps(chains, wantedJumps), oldJumps };
}

/** A chain may be asked for by several steps of a setup. */
function dedupe(changes: readonly ChainChange[]): readonly ChainChange[] {
  return [...new Map(changes.map((change) => [change.name, change])).values()];
}

function changeChain(
  name: string,
  current: XtablesChain | undefined,
  after: readonly string[] | undefined,
  referred: ReadonlySet<string>,
): ChainChange | undefined {
  const before = current?.rules.map(({ arguments: args }) => args) ?? [];
  if (after === undefined) {
    const isReferred = referred.has(name);
    // It was emptied already, and nothing more can be done.
    if (isReferred && before.length === 0) return undefined;
    return { name, action: 'remove', before, after: [], gone: before, adds: false, referred: isReferred };
  }
  if (current === undefined) return { name, action: 'add', before, after, gone: [], adds: true, referred: false };
  if (before.length === after.length && before.every((rule, i) => rule === after[i])) return undefined;
  const keys = after.map(ruleKey);
  const present = before.map(ruleKey);
  if (present.length === keys.length && present.every((key, i) => key === keys[i])) return undefined;
  const spellings = new Map(keys.map((key, i) => [key, after[i] ?? '']));
  const gone = before.filter((_, i) => !spellings.has(present[i] ?? ''));
  const known = new Set(present);
  const adds = gone.length === 0 || keys.some((key) => !known.has(key));
  // A rule that stays is shown as it is to be, so that no other spelling looks like a difference.
  const shown = before.map((rule, i) => spellings.get(present[i] ?? '') ?? rule);
  return { name, action: 'change', before: shown, after, gone, adds, referred: false };
}

function isOf(table: string): (step: SetupStep) => boolean {
  return (step) => step.kind === 'jump' && step.table === table;
}

function jumpOf(step: SetupStep): readonly Jump[] {
  return step.kind === 'jump' ? [{ chain: step.rule.chain, args: step.rule.arguments }] : [];
}

/** Jumps of kube-proxy's that are there a second time, or that only its other mode makes. */
function superfluousJumps(
  table: string,
  chains: ReadonlyMap<string, XtablesChain>,
  wanted: readonly Jump[],
  known: readonly Jump[],
  goes: (chain: string) => boolean,
): readonly Jump[] {
  const keyOf = ({ chain, args }: Jump): string => jumpKey(chain, args);
  const wantedKeys = new Set(wanted.map(keyOf));
  const knownKeys = new Set([...known, ...wanted].map(keyOf));
  const superfluous: Jump[] = [];
  for (const chain of chains.values()) {
    // kube-proxy's own chains are compared whole.
    if (chain.policy === undefined) continue;
    const seen = new Set<string>();
    for (const { arguments: args } of chain.rules) {
      if (!args.includes(' KUBE-')) continue;
      const jump = { chain: chain.name, args };
      const key = keyOf(jump);
      if (!knownKeys.has(key)) continue;
      // kubelet makes the jumps to KUBE-FIREWALL as well.
      const target = targetOf(args) ?? '';
      const isOthers = chainOwner(table, target).owner !== 'kube-proxy' && !goes(target);
      if (seen.has(key) || (!wantedKeys.has(key) && !isOthers)) superfluous.push(jump);
      seen.add(key);
    }
  }
  return superfluous;
}

function missingJumps(chains: ReadonlyMap<string, XtablesChain>, wanted: readonly Jump[]): readonly Jump[] {
  return wanted.filter(({ chain, args }) => {
    const key = ruleKey(args);
    return chains.get(chain)?.rules.every((rule) => ruleKey(rule.arguments) !== key) ?? true;
  });
}

/** The chain that a rule leads to, if it leads to one. */
function targetOf(args: string): string | undefined {
  const target = parseRuleArguments(args)?.target;
  return target?.kind === 'jump' || target?.kind === 'goto' ? target.chain : undefined;
}

function writtenOf({ name: table, chains }: TableChange): readonly WrittenChain[] {
  return chains.map(({ name: chain, action, after, referred }) => ({
    table,
    chain,
    rules: action === 'remove' && !referred ? undefined : after,
  }));
}

function changesOf({ name, chains, newJumps, oldJumps }: TableChange): readonly Change[] {
  const lines = (rules: readonly string[]): readonly string[] => rules.map((args) => args.slice(1));
  const jumps = (all: readonly Jump[], of: string) => all.filter(({ chain }) => chain === of).map(({ args }) => args);
  const builtIn = new Set([...oldJumps, ...newJumps].map(({ chain }) => chain));
  return [
    ...Array.from(builtIn, (chain) => ({
      what: `${name} ${chain}`,
      action: 'change' as const,
      before: lines(jumps(oldJumps, chain)),
      after: lines(jumps(newJumps, chain)),
    })),
    ...chains.map(({ name: chain, action, before, after }) => {
      const service = chainService(name, chain, [...after, ...before]);
      const what = `${name} ${chain}`;
      const told = service === undefined ? { what } : { what, service };
      return { ...told, action, before: lines(before), after: lines(after) };
    }),
  ];
}

/**
 * What of a dump is kube-proxy's, as something to go back to.
 * @param jumps the jumps that it makes, in any of its modes
 */
export function ownXtables(current: XtablesText, jumps: readonly SetupStep[]): WantedXtables {
  const setup: SetupStep[] = [];
  const tables = current.tables.map((table) => {
    const known = knownJumps(jumps, table.name);
    const isOwn = (chain: string): boolean => OWN.has(chainOwner(table.name, chain).owner);
    for (const line of table.lines) {
      if (line.kind !== 'rule' || isOwn(line.chain) || !line.arguments.includes(' KUBE-')) continue;
      // Each is put at the head of its chain, so the last goes first.
      if (known.has(jumpKey(line.chain, line.arguments)))
        setup.unshift({ kind: 'jump', table: table.name, rule: line });
    }
    const lines = table.lines.filter((line) => {
      if (line.kind === 'note') return false;
      return line.kind === 'rule' ? isOwn(line.chain) : isOwn(line.name);
    });
    return { ...table, before: [], lines };
  });
  return { rules: { tables, after: [], finalNewline: true }, setup };
}

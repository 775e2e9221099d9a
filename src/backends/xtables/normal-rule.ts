/**
 * The normal form of rules: rules that mean the same to the kernel have it in common. Our text, kube-proxy's own, and
 * what either variant of iptables-save prints of them can be compared in it.
 *
 * The kernel side rewrites values; that is undone where a rule is read (`RuleSpec` has one form for each meaning).
 * What is left is the order of matches, and those that match everything.
 */
import { printMatch, printRuleArguments } from './print-rule.js';
import type { Match, RuleSpec } from './rule.js';

/** What iptables-save prints before any extension, in its order. */
const BASE_ORDER: ReadonlyMap<Match['kind'], number> = new Map([
  ['source', 0],
  ['destination', 1],
  ['in-interface', 2],
  ['out-interface', 3],
  ['protocol', 4],
]);

/** Matches that do something, or may: others are not moved across them. */
const EFFECTIVE: ReadonlySet<Match['kind']> = new Set(['recent', 'nfacct', 'unknown']);

/** A rule with its matches in one order, without those that match every packet. */
export function normalRule({ matches, target }: RuleSpec): RuleSpec {
  const base: Match[] = [];
  const extensions: Match[] = [];
  /** Matches without effect since the last one with. */
  let free: Match[] = [];
  for (const match of matches) {
    if (BASE_ORDER.has(match.kind)) {
      if (!matchesAll(match)) base.push(match);
    } else if (EFFECTIVE.has(match.kind)) {
      extensions.push(...sorted(free), match);
      free = [];
    } else {
      free.push(match);
    }
  }
  extensions.push(...sorted(free));
  if (base.length > 1) base.sort((a, b) => rank(a) - rank(b));
  return { matches: [...base, ...extensions], target };
}

/**
 * The normal form as text: equal for rules that mean the same, different for all others. It is made of iptables'
 * own words, so it can be shown.
 */
export function normalRuleText(rule: RuleSpec): string {
  return printRuleArguments(normalRule(rule)).slice(1);
}

function rank(match: Match): number {
  return BASE_ORDER.get(match.kind) ?? BASE_ORDER.size;
}

function matchesAll(match: Match): boolean {
  switch (match.kind) {
    case 'source':
    case 'destination':
      return !match.not && match.cidr.prefixLength === 0;
    case 'in-interface':
    case 'out-interface':
      return !match.not && match.prefix && match.name === '';
    default:
      return false;
  }
}

function sorted(matches: readonly Match[]): readonly Match[] {
  if (matches.length < 2) return matches;
  const texts = new Map(matches.map((match) => [match, printMatch(match)]));
  return [...matches].sort((a, b) => ((texts.get(a) ?? '') < (texts.get(b) ?? '') ? -1 : 1));
}

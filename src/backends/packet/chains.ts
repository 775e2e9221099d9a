/** Chains of rules as nftables and iptables both have them: how a packet goes from rule to rule and chain to chain. */
import { type Fraction, isZero, minus, ONE, times } from './fraction.js';
import { type Branch, type Hook, type PacketState, type RuleReference, type Step, UnknownRule } from './packet.js';

/** Where a packet goes after a rule. */
export type Next =
  | { readonly kind: 'next' | 'return' | 'accept' | 'drop' | 'reject' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string };

/** One possible result of a rule that matched. */
export interface RuleResult {
  readonly probability: Fraction;
  readonly state: PacketState;
  readonly next: Next;
  /** What is to be said about it; `''` for nothing. */
  readonly effect: string;
}

/** The rules at hand and how they are judged. */
export interface Chains<Rule> {
  /** The rules of a chain that a packet may match, in order; undefined where there is no such chain. */
  rulesOf(chain: string, state: PacketState): readonly Rule[] | undefined;
  /** All results of a rule. It goes on behind the rule by the probability that is missing to one. */
  judge(rule: Rule, state: PacketState, hook: Hook): readonly RuleResult[];
  refer(rule: Rule): RuleReference;
}

/** A chain that is being walked, and where it goes on when that one ends. */
interface Frame<Rule> {
  readonly rules: readonly Rule[];
  readonly at: number;
  readonly depth: number;
  readonly caller: Frame<Rule> | undefined;
}

interface Walker<Rule> {
  readonly probability: Fraction;
  readonly state: PacketState;
  readonly steps: readonly Step[];
  readonly frame: Frame<Rule> | undefined;
}

/** The kernel takes no deeper chains; what is deeper goes in circles. */
const MAX_DEPTH = 64;

/**
 * Sends a packet through a base chain.
 * @param policy what becomes of it where no rule decides
 * @throws UnknownRule where a rule cannot be judged, or leads to a chain that is not there
 */
export function runChain<Rule>(
  chains: Chains<Rule>,
  base: { readonly table: string; readonly chain: string; readonly hook: Hook; readonly policy: 'accept' | 'drop' },
  start: PacketState,
): readonly Branch[] {
  const { hook } = base;
  const branches: Branch[] = [];
  const rules = chains.rulesOf(base.chain, start) ?? [];
  const open: Walker<Rule>[] = [
    { probability: ONE, state: start, steps: [], frame: { rules, at: 0, depth: 0, caller: undefined } },
  ];
  for (let walker = open.pop(); walker !== undefined; walker = open.pop()) {
    const { probability, state, steps, frame } = walker;
    if (frame === undefined) {
      branches.push(atPolicy(base, walker));
      continue;
    }
    const rule = frame.rules[frame.at];
    if (rule === undefined) {
      open.push({ ...walker, frame: frame.caller });
      continue;
    }
    const behind = { ...frame, at: frame.at + 1 };
    const results = chains.judge(rule, state, hook);
    let rest = ONE;
    const next: Walker<Rule>[] = [];
    for (const result of results) {
      rest = minus(rest, result.probability);
      const walked = {
        probability: times(probability, result.probability),
        state: result.state,
        steps: result.effect === '' ? steps : [...steps, { hook, rule: chains.refer(rule), effect: result.effect }],
      };
      switch (result.next.kind) {
        case 'accept':
          branches.push({ ...walked, verdict: 'continue' });
          break;
        case 'drop':
        case 'reject':
          branches.push({ ...walked, verdict: result.next.kind });
          break;
        case 'next':
          next.push({ ...walked, frame: behind });
          break;
        case 'return':
          next.push({ ...walked, frame: frame.caller });
          break;
        case 'jump':
        case 'goto': {
          const { kind, chain } = result.next;
          const target = chains.rulesOf(chain, result.state);
          if (target === undefined) throw new UnknownRule(chains.refer(rule), `there is no chain ${chain}`);
          if (frame.depth === MAX_DEPTH) throw new UnknownRule(chains.refer(rule), 'chains lead in a circle');
          const caller = kind === 'jump' ? behind : frame.caller;
          next.push({ ...walked, frame: { rules: target, at: 0, depth: frame.depth + 1, caller } });
        }
      }
    }
    // The last one put there is walked first: results come out in the order of the rules.
    if (!isZero(rest)) open.push({ probability: times(probability, rest), state, steps, frame: behind });
    open.push(...next.reverse());
  }
  return branches;
}

function atPolicy<Rule>(
  { table, chain, hook, policy }: Parameters<typeof runChain>[1],
  { probability, state, steps }: Walker<Rule>,
): Branch {
  if (policy === 'accept') return { probability, state, steps, verdict: 'continue' };
  const rule: RuleReference = { table, chain, text: 'policy drop', line: undefined };
  return { probability, state, steps: [...steps, { hook, rule, effect: 'drop' }], verdict: 'drop' };
}

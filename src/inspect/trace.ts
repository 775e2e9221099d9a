/** A packet through the rules of one node: every possible way, and how likely each end is. */
import { type Fraction, plus } from '../backends/packet/fraction.js';
import {
  type HookFunction,
  type Interface,
  type Packet,
  UnknownBridge,
  type World,
} from '../backends/packet/packet.js';
import { type Fate, type Outcome, walk, walkEstablished } from '../backends/packet/walk.js';

/** What is asked. */
export interface TraceQuestion {
  readonly packet: Packet;
  /** By which interface it comes; undefined for a packet of the node itself. */
  readonly incoming: Interface | undefined;
  /** Whether it belongs to a connection that these rules let begin. */
  readonly established: boolean;
  readonly world: World;
}

/** Ends that are the same, with what they are worth together. */
export interface FateShare {
  readonly fate: Fate;
  readonly probability: Fraction;
  /** One of the ways that end so. */
  readonly example: Outcome;
}

/** The answer. */
export interface Trace {
  /** In the order of the rules; the probabilities add up to one, unless nothing could be established. */
  readonly outcomes: readonly Outcome[];
  readonly fates: readonly FateShare[];
}

/**
 * Follows a packet.
 * @throws UnknownRule where a rule that it meets cannot be judged
 */
export function tracePacket(functions: readonly HookFunction[], question: TraceQuestion): Trace {
  try {
    return follow(functions, question);
  } catch (error) {
    if (!(error instanceof UnknownBridge)) throw error;
    // What nobody has told may make no difference.
    const answers = [true, false].map((overBridge) =>
      follow(functions, { ...question, world: { ...question.world, overBridge } }),
    );
    const [first, second] = answers;
    if (first === undefined || second === undefined || !sameFates(first, second)) throw error;
    return second;
  }
}

function follow(functions: readonly HookFunction[], question: TraceQuestion): Trace {
  const { packet, incoming, world, established } = question;
  const outcomes = (established ? walkEstablished : walk)(functions, packet, incoming, world);
  return { outcomes, fates: summarize(outcomes) };
}

/** Adds up what ends the same way. */
function summarize(outcomes: readonly Outcome[]): readonly FateShare[] {
  const shares = new Map<string, FateShare>();
  for (const outcome of outcomes) {
    const key = fateKey(outcome.fate);
    const known = shares.get(key);
    if (known === undefined) {
      shares.set(key, { fate: outcome.fate, probability: outcome.probability, example: outcome });
    } else {
      shares.set(key, { ...known, probability: plus(known.probability, outcome.probability) });
    }
  }
  return [...shares.values()];
}

/** Whether two traces end alike, with the same chances. */
export function sameFates(a: Trace, b: Trace): boolean {
  const texts = ({ fates }: Trace) =>
    fates.map(({ fate, probability: { numerator, denominator } }) => `${fateKey(fate)} ${numerator}/${denominator}`);
  return texts(a).sort().join('\n') === texts(b).sort().join('\n');
}

/** The same text for fates that are the same, by whatever rule of several they came about. */
function fateKey(fate: Fate): string {
  if (fate.kind !== 'delivered') return `${fate.kind} ${fate.by.table} ${fate.by.chain} ${fate.by.text}`;
  const source = fate.sourceNat === undefined ? 'kept' : (fate.sourceNat.address ?? 'masqueraded');
  return `${fate.address} ${fate.port} ${fate.chosenBy === undefined ? 'untouched' : 'translated'} ${source}`;
}

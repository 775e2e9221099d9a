/** The way of a packet through a node's kernel: which hooks it passes, in which order, and where it ends. */
import { type Fraction, isZero, ONE, times } from './fraction.js';
import type {
  Branch,
  Hook,
  HookFunction,
  Interface,
  Packet,
  PacketState,
  RuleReference,
  Step,
  World,
} from './packet.js';

/** What becomes of a packet. */
export type Fate =
  /** It reaches an address and port, translated or as it was sent. */
  | {
      readonly kind: 'delivered';
      readonly address: string;
      readonly port: number;
      /** Whether a rule chose this destination; otherwise no rule touched it. */
      readonly translated: boolean;
      /** The rule that replaces the source by an address of the node; undefined where the source is kept. */
      readonly masqueradedBy: RuleReference | undefined;
    }
  /** The sender is told at once. */
  | { readonly kind: 'rejected'; readonly by: RuleReference }
  /** Nobody is told. */
  | { readonly kind: 'dropped'; readonly by: RuleReference };

/** One possible way. */
export interface Outcome {
  readonly probability: Fraction;
  readonly fate: Fate;
  readonly steps: readonly Step[];
}

/** A packet on its way in one of the possible worlds. */
interface Traveller {
  readonly probability: Fraction;
  readonly state: PacketState;
  readonly steps: readonly Step[];
}

/** The functions to ask, the circumstances, and where finished ways are put. */
interface Journey {
  readonly functions: readonly HookFunction[];
  readonly world: World;
  readonly outcomes: Outcome[];
}

const CONNECTION: RuleReference = { chain: 'connection tracking', text: 'translated like the first packet' };

/**
 * All possible ways of the first packet of a connection.
 * @param incoming the interface by which it comes; undefined for a packet of the node itself
 * @throws UnknownRule where a rule that matters cannot be judged
 */
export function walk(
  functions: readonly HookFunction[],
  packet: Packet,
  incoming: Interface | undefined,
  world: World,
): readonly Outcome[] {
  const state: PacketState = {
    packet,
    mark: 0,
    established: false,
    incoming,
    destinationNat: undefined,
    masqueradedBy: undefined,
    virtualServer: undefined,
  };
  return travel({ functions, world, outcomes: [] }, { probability: ONE, state, steps: [] });
}

/**
 * The ways of a later packet of the same connection: it goes where the first one was sent, whatever rules of type nat
 * say now, and the other rules see an established connection.
 */
export function walkEstablished(
  functions: readonly HookFunction[],
  packet: Packet,
  incoming: Interface | undefined,
  world: World,
): readonly Outcome[] {
  const filters = functions.filter(({ type }) => type === 'filter');
  return walk(functions, packet, incoming, world).flatMap(({ probability, fate }) => {
    if (fate.kind !== 'delivered') return [];
    const { address, port, translated, masqueradedBy } = fate;
    const state: PacketState = {
      packet: { ...packet, destination: address, destinationPort: port },
      mark: 0,
      established: true,
      incoming,
      destinationNat: translated ? { address, port, by: CONNECTION } : undefined,
      masqueradedBy: masqueradedBy === undefined ? undefined : CONNECTION,
      virtualServer: undefined,
    };
    return travel({ functions: filters, world, outcomes: [] }, { probability, state, steps: [] });
  });
}

function travel(journey: Journey, start: Traveller): readonly Outcome[] {
  if (start.state.incoming === undefined) leave(journey, pass(journey, 'output', [start]));
  else arrive(journey, pass(journey, 'prerouting', [start]));
  return journey.outcomes;
}

/** Routing decides: to a process of the node, or on to another host. */
function arrive(journey: Journey, travellers: readonly Traveller[]): void {
  for (const each of travellers) {
    if (journey.world.isLocal(each.state.packet.destination)) deliver(journey, pass(journey, 'input', [each]));
    else deliver(journey, pass(journey, 'postrouting', pass(journey, 'forward', [each])));
  }
}

/** What the node sent itself: also to itself it leaves and arrives, but its addresses are decided once. */
function leave(journey: Journey, travellers: readonly Traveller[]): void {
  for (const each of travellers) {
    const left = pass(journey, 'postrouting', [each]);
    if (!journey.world.isLocal(each.state.packet.destination)) deliver(journey, left);
    else deliver(journey, pass(journey, 'input', pass(journey, 'prerouting', left, DECIDED), DECIDED));
  }
}

function deliver({ outcomes }: Journey, travellers: readonly Traveller[]): void {
  for (const { probability, state, steps } of travellers) {
    const { destination, destinationPort } = state.packet;
    const fate: Fate = {
      kind: 'delivered',
      address: destination,
      port: destinationPort,
      translated: state.destinationNat !== undefined,
      masqueradedBy: state.masqueradedBy,
    };
    outcomes.push({ probability, fate, steps });
  }
}

/** Types of functions that are not asked. */
type Without = ReadonlySet<HookFunction['type']>;

const NONE: Without = new Set();

/** Those that have had their say about a packet that passes a hook a second time. */
const DECIDED: Without = new Set(['nat', 'ipvs']);

/** Takes travellers through all functions of a hook; returns those that go on from there. */
function pass(journey: Journey, hook: Hook, travellers: readonly Traveller[], without = NONE): readonly Traveller[] {
  const functions = journey.functions
    .filter((each) => each.hook === hook && !without.has(each.type))
    .sort((a, b) => a.priority - b.priority);
  let going = travellers;
  for (const each of functions) going = going.flatMap((traveller) => ask(journey, each, traveller));
  return going;
}

function ask(journey: Journey, hookFunction: HookFunction, traveller: Traveller): readonly Traveller[] {
  if (hookFunction.type === 'nat' && isDecided(hookFunction.hook, traveller.state)) return [traveller];
  const going: Traveller[] = [];
  for (const branch of hookFunction.run(traveller.state, journey.world)) {
    if (isZero(branch.probability)) continue;
    const next: Traveller = {
      probability: times(traveller.probability, branch.probability),
      state: branch.state,
      steps: [...traveller.steps, ...branch.steps],
    };
    if (branch.verdict === 'continue') going.push(next);
    else if (branch.verdict === 'sent') sendOn(journey, next);
    else journey.outcomes.push(ended(next, branch));
  }
  return going;
}

/** IPVS sends what it has translated as if the node had sent it, past rules that choose destinations. */
function sendOn(journey: Journey, traveller: Traveller): void {
  const sent = pass(journey, 'output', [traveller], DECIDED);
  deliver(journey, pass(journey, 'postrouting', sent));
}

function ended({ probability, steps }: Traveller, { verdict, steps: last }: Branch): Outcome {
  const by = last.at(-1)?.rule ?? { chain: '', text: '' };
  return { probability, steps, fate: verdict === 'reject' ? { kind: 'rejected', by } : { kind: 'dropped', by } };
}

/** Whether a connection's address is settled: the destination at prerouting and output, the source at the others. */
function isDecided(hook: Hook, state: PacketState): boolean {
  if (state.established) return true;
  return hook === 'prerouting' || hook === 'output'
    ? state.destinationNat !== undefined
    : state.masqueradedBy !== undefined;
}

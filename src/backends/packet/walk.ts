/** The way of a packet through a node's kernel: which hooks it passes, in which order, and where it ends. */
import { isLoopback } from '../../net/ip.js';
import { dividedBy, type Fraction, isZero, ONE, plus, times, ZERO } from './fraction.js';
import type {
  Branch,
  DestinationNat,
  Hook,
  HookFunction,
  Interface,
  Packet,
  PacketState,
  RuleReference,
  SourceNat,
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
      /** The rule that chose this destination; undefined where none touched it. */
      readonly chosenBy: RuleReference | undefined;
      /** What the receiver sees instead of the sender's address; undefined where that is kept. */
      readonly sourceNat: SourceNat | undefined;
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

/** The functions to ask by hook, the circumstances, and where finished ways are put. */
interface Journey {
  readonly functions: Readonly<Record<Hook, readonly HookFunction[]>>;
  readonly world: World;
  readonly outcomes: (Outcome & { readonly state: PacketState })[];
}

const CONNECTION: RuleReference = {
  table: 'kernel',
  chain: 'connection tracking',
  text: 'translated as the first packet was',
  line: undefined,
};

const LOOPBACK: RuleReference = {
  table: 'kernel',
  chain: 'routing',
  text: 'a loopback address does not pass between interfaces',
  line: undefined,
};

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
  return travel(startJourney(functions, world), ONE, packet, incoming, false);
}

/**
 * The ways of a later packet of the same connection: it goes where the first one was sent, whatever rules of type nat
 * say now, and the other rules see an established connection. The probabilities are those among the connections that
 * came about; without any there is no result.
 */
export function walkEstablished(
  functions: readonly HookFunction[],
  packet: Packet,
  incoming: Interface | undefined,
  world: World,
): readonly Outcome[] {
  const first = travel(startJourney(functions, world), ONE, packet, incoming, false);
  const established = first.filter(({ fate }) => fate.kind === 'delivered');
  const all = established.reduce((sum, { probability }) => plus(sum, probability), ZERO);
  const filters = functions.filter(({ type }) => type === 'filter');
  return established.flatMap(({ probability, state }) => {
    const journey = startJourney([...filters, ...remembered(state)], world);
    return travel(journey, dividedBy(probability, all), packet, incoming, true);
  });
}

function startJourney(functions: readonly HookFunction[], world: World): Journey {
  const inOrder = functions.toSorted((a, b) => a.priority - b.priority);
  const at = (hook: Hook) => inOrder.filter((each) => each.hook === hook);
  return {
    functions: {
      prerouting: at('prerouting'),
      input: at('input'),
      forward: at('forward'),
      output: at('output'),
      postrouting: at('postrouting'),
    },
    world,
    outcomes: [],
  };
}

/** What connection tracking and IPVS do to later packets of a connection whose first packet ended like this. */
function remembered({ destinationNat, sourceNat, virtualServer }: PacketState): readonly HookFunction[] {
  const functions: HookFunction[] = [];
  const add = (hook: Hook, priority: number, change: (state: PacketState, world: World) => Branch): void => {
    functions.push({ hook, priority, type: 'filter', run: (state, world) => [change(state, world)] });
  };
  const stay = (state: PacketState): Branch => ({ probability: ONE, state, verdict: 'continue', steps: [] });
  if (destinationNat !== undefined) {
    const { address, port } = destinationNat;
    const translate = (state: PacketState, world: World): Branch => {
      if (state.destinationNat !== undefined) return stay(state);
      const verdict = virtualServer === undefined || world.isLocal(address) ? 'continue' : 'sent';
      const by = CONNECTION;
      const packet = { ...state.packet, destination: address, destinationPort: port };
      return { ...stay({ ...state, packet, virtualServer, destinationNat: { address, port, by } }), verdict };
    };
    if (virtualServer === undefined) add('prerouting', NAT_DESTINATION, translate);
    else add('input', IPVS_INPUT, translate);
    add('output', virtualServer === undefined ? NAT_DESTINATION : IPVS_OUTPUT, translate);
  }
  if (sourceNat !== undefined) {
    const by = CONNECTION;
    add('postrouting', NAT_SOURCE, (state) => stay({ ...state, sourceNat: { ...sourceNat, by } }));
  }
  return functions;
}

/** The kernel's priorities of address translation, and of IPVS in the hooks where it takes packets. */
const NAT_DESTINATION = -100;
const NAT_SOURCE = 100;
export const IPVS_INPUT = 99;
export const IPVS_OUTPUT = -98;

function travel(
  journey: Journey,
  probability: Fraction,
  packet: Packet,
  incoming: Interface | undefined,
  established: boolean,
): readonly (Outcome & { readonly state: PacketState })[] {
  const state: PacketState = {
    packet,
    mark: 0,
    established,
    incoming,
    destinationNat: undefined,
    sourceNat: undefined,
    virtualServer: undefined,
  };
  const start: Traveller = { probability, state, steps: [] };
  // IPv6 looks at this before any hook, IPv4 when it routes.
  if (incoming !== undefined && packet.family === 'ipv6' && isOfLoopback(state)) stop(journey, start, LOOPBACK);
  else if (incoming === undefined) leave(journey, pass(journey, 'output', [start]));
  else arrive(journey, pass(journey, 'prerouting', [start]));
  return journey.outcomes;
}

/** Whether a packet has a loopback address at one of its ends. */
function isOfLoopback({ packet: { family, source, destination } }: PacketState): boolean {
  return isLoopback({ family, text: source }) || isLoopback({ family, text: destination });
}

/** Routing decides: to a process of the node, or on to another host. */
function arrive(journey: Journey, travellers: readonly Traveller[]): void {
  for (const each of travellers) {
    if (!journey.world.routeLocalnet && isOfLoopback(each.state)) stop(journey, each, LOOPBACK);
    else if (journey.world.isLocal(each.state.packet.destination)) deliver(journey, pass(journey, 'input', [each]));
    else deliver(journey, pass(journey, 'postrouting', pass(journey, 'forward', [each])));
  }
}

/**
 * What the node sent itself: also to itself it leaves and arrives, but its addresses are decided once, and the
 * connection is still new when it arrives.
 */
function leave(journey: Journey, travellers: readonly Traveller[]): void {
  for (const each of travellers) {
    const { family, source, destination } = each.state.packet;
    if (journey.world.isLocal(destination)) {
      const looped = pass(journey, 'postrouting', [each]).map((one) => ({ ...one, state: looping(one.state) }));
      deliver(journey, pass(journey, 'input', pass(journey, 'prerouting', looped, DECIDED), DECIDED));
    } else if (!journey.world.routeLocalnet && isLoopback({ family, text: source })) {
      stop(journey, each, LOOPBACK);
    } else {
      deliver(journey, pass(journey, 'postrouting', [each]));
    }
  }
}

function looping(state: PacketState): PacketState {
  return { ...state, incoming: { kind: 'named', name: 'lo' } };
}

function deliver({ outcomes }: Journey, travellers: readonly Traveller[]): void {
  for (const { probability, state, steps } of travellers) {
    const { destination, destinationPort } = state.packet;
    const { destinationNat, sourceNat } = state;
    const fate: Fate = {
      kind: 'delivered',
      address: destination,
      port: destinationPort,
      chosenBy: destinationNat?.by,
      sourceNat,
    };
    outcomes.push({ probability, fate, steps, state });
  }
}

/** The kernel itself drops a packet. */
function stop({ outcomes }: Journey, { probability, state, steps }: Traveller, by: RuleReference): void {
  outcomes.push({ probability, fate: { kind: 'dropped', by }, steps, state });
}

/** Types of functions that are not asked. */
type Without = ReadonlySet<HookFunction['type']>;

const NONE: Without = new Set();

/** Those that have had their say about a packet that passes a hook a second time. */
const DECIDED: Without = new Set(['nat', 'ipvs']);

/** Takes travellers through all functions of a hook; returns those that go on from there. */
function pass(journey: Journey, hook: Hook, travellers: readonly Traveller[], without = NONE): readonly Traveller[] {
  let going = travellers;
  for (const each of journey.functions[hook]) {
    if (!without.has(each.type)) going = going.flatMap((traveller) => ask(journey, each, traveller));
  }
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
      steps: branch.steps.length === 0 ? traveller.steps : [...traveller.steps, ...branch.steps],
    };
    if (branch.verdict === 'continue') going.push(next);
    else if (branch.verdict === 'sent') sendOn(journey, next);
    else journey.outcomes.push(ended(next, branch));
  }
  return going;
}

/**
 * IPVS sends what it has translated as if the node had sent it: all of the output hook, but neither nat, which has
 * decided already, nor itself; then postrouting.
 */
function sendOn(journey: Journey, traveller: Traveller): void {
  deliver(journey, pass(journey, 'postrouting', pass(journey, 'output', [traveller], DECIDED)));
}

function ended({ probability, state, steps }: Traveller, { verdict }: Branch): Outcome & { state: PacketState } {
  const by = steps.at(-1)?.rule ?? CONNECTION;
  return { probability, state, steps, fate: { kind: verdict === 'reject' ? 'rejected' : 'dropped', by } };
}

/** Whether a connection's address is settled: the destination at prerouting and output, the source at the others. */
function isDecided(hook: Hook, { established, destinationNat, sourceNat }: PacketState): boolean {
  if (established) return true;
  const settled: DestinationNat | SourceNat | undefined =
    hook === 'prerouting' || hook === 'output' ? destinationNat : sourceNat;
  return settled !== undefined;
}

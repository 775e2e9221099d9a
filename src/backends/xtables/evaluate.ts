/** A packet through tables of iptables: their built-in chains as hook functions. */
import { cidrContains, type IpAddress, joinHostPort } from '../../net/ip.js';
import { type Chains, type Next, type RuleResult, runChain } from '../packet/chains.js';
import { type Fraction, fraction, isZero, minus, ONE, oneIn, times, ZERO } from '../packet/fraction.js';
import {
  cameBy,
  type Hook,
  type HookFunction,
  leavesBy,
  type PacketState,
  type RuleReference,
  UnknownBridge,
  UnknownRule,
  type World,
} from '../packet/packet.js';
import { chainOwner } from './owner.js';
import { printMatch } from './print-rule.js';
import type { AddressTypes, Match, PortRange, RuleSpec, Target } from './rule.js';
import type { SetupStep } from './setup-text.js';
import { ruleOf, type XtablesRule, type XtablesText, xtablesChains } from './text.js';
import { PROBABILITY_ONE, shareOf } from './values.js';

/** Looks a packet up in a set; undefined where there is no such set, or none of a kind that is known. */
export type SetLookup = (
  name: string,
  directions: readonly ('src' | 'dst')[],
  state: PacketState,
) => boolean | undefined;

/** One chain. */
interface Chain {
  readonly rules: readonly XtablesRule[];
  /** Of a long chain the rules by the address that they are for; made when it is first met. */
  index: AddressIndex | undefined;
}

interface Table {
  readonly name: string;
  readonly chains: ReadonlyMap<string, Chain>;
  readonly sets: SetLookup;
}

/** Where the built-in chains hang, by table and chain. */
const PLACES: Readonly<Record<string, Readonly<Record<string, readonly [Hook, number]>>>> = {
  raw: { PREROUTING: ['prerouting', -300], OUTPUT: ['output', -300] },
  mangle: {
    PREROUTING: ['prerouting', -150],
    INPUT: ['input', -150],
    FORWARD: ['forward', -150],
    OUTPUT: ['output', -150],
    POSTROUTING: ['postrouting', -150],
  },
  nat: {
    PREROUTING: ['prerouting', -100],
    INPUT: ['input', 100],
    OUTPUT: ['output', -100],
    POSTROUTING: ['postrouting', 100],
  },
  filter: { INPUT: ['input', 0], FORWARD: ['forward', 0], OUTPUT: ['output', 0] },
  security: { INPUT: ['input', 50], FORWARD: ['forward', 50], OUTPUT: ['output', 50] },
};

/**
 * The built-in chains of a text: of iptables-save, or of a restore input with the setup that goes before it. Rules are
 * read when a packet first meets them.
 * @throws UnknownRule, when run, for a rule that a packet meets and that cannot be judged
 */
export function xtablesHookFunctions(
  text: XtablesText,
  setup: readonly SetupStep[],
  sets: SetLookup,
): readonly HookFunction[] {
  const names = new Set([
    ...text.tables.map(({ name }) => name),
    ...setup.flatMap((step) => (step.kind === 'jump' ? [step.table] : [])),
  ]);
  return [...names].flatMap((name) => tableFunctions(name, text, setup, sets));
}

function tableFunctions(
  name: string,
  text: XtablesText,
  setup: readonly SetupStep[],
  sets: SetLookup,
): readonly HookFunction[] {
  const chains = new Map<string, Chain>();
  const policies = new Map<string, string>();
  for (const table of text.tables) {
    if (table.name !== name) continue;
    for (const chain of xtablesChains(table).values()) {
      chains.set(chain.name, { rules: chain.rules, index: undefined });
      if (chain.policy !== undefined) policies.set(chain.name, chain.policy);
    }
  }
  for (const step of setup) {
    if (step.kind === 'chain' && step.table === name && !chains.has(step.name)) {
      chains.set(step.name, { rules: [], index: undefined });
    }
    if (step.kind !== 'jump' || step.table !== name) continue;
    const { chain } = step.rule;
    // What is missing is put before everything else.
    const rules = chains.get(chain)?.rules ?? [];
    if (rules.some((rule) => rule.arguments === step.rule.arguments)) continue;
    chains.set(chain, { rules: [step.rule, ...rules], index: undefined });
  }
  const table: Table = { name, chains, sets };
  return Object.entries(PLACES[name] ?? {}).flatMap(([chain, [hook, priority]]): HookFunction[] => {
    if (!chains.has(chain)) return [];
    const policy = policies.get(chain) === 'DROP' ? 'drop' : 'accept';
    return [
      {
        hook,
        priority,
        type: name === 'nat' ? 'nat' : 'filter',
        run: (state, world) => runChain(chainsFor(table, world), { table: name, chain, hook, policy }, state),
      },
    ];
  });
}

function chainsFor(table: Table, world: World): Chains<XtablesRule> {
  return {
    rulesOf: (name, state) => {
      const chain = table.chains.get(name);
      return chain && rulesFor(chain, state.packet.destination);
    },
    judge: (rule, state) => judge({ table, world, rule }, ruleOf(rule), state),
    refer: (rule) => refer(table, rule),
  };
}

function refer({ name }: Table, rule: XtablesRule): RuleReference {
  return { table: name, chain: rule.chain, text: `-A ${rule.chain}${rule.arguments}`, line: rule.line };
}

/** Shorter chains are quickly gone through. */
const LONG_CHAIN = 64;

/** Numbers of rules in their chain: those for one destination address by that, and all others. */
interface AddressIndex {
  readonly byAddress: ReadonlyMap<string, readonly number[]>;
  readonly others: readonly number[];
}

/** The rules of a chain that a packet to this address may match. */
function rulesFor(chain: Chain, destination: string): readonly XtablesRule[] {
  const { rules } = chain;
  if (rules.length < LONG_CHAIN) return rules;
  chain.index ??= indexRules(rules);
  const mine = chain.index.byAddress.get(destination) ?? [];
  const numbers = [...mine, ...chain.index.others].sort((a, b) => a - b);
  return numbers.flatMap((number) => rules[number] ?? []);
}

/** A destination that is one address, in a rule that has neither quotes inside quotes nor another destination. */
const ONE_ADDRESS = / -d ([0-9a-f.:]+)(?:\/(?:32|128))?(?: |$)/;

function indexRules(rules: readonly XtablesRule[]): AddressIndex {
  const byAddress = new Map<string, number[]>();
  const others: number[] = [];
  for (const [number, { arguments: text }] of rules.entries()) {
    // A comment may say anything.
    const bare = text.includes('"') && !text.includes('\\') ? text.replace(/"[^"]*"/g, '""') : text;
    const [, address] = bare.includes('\\') || bare.includes('! -d') ? [] : (ONE_ADDRESS.exec(bare) ?? []);
    if (address === undefined) {
      others.push(number);
      continue;
    }
    const known = byAddress.get(address);
    if (known === undefined) byAddress.set(address, [number]);
    else known.push(number);
  }
  return { byAddress, others };
}

/** A rule and what it is judged for. */
interface Case {
  readonly table: Table;
  readonly world: World;
  readonly rule: XtablesRule;
}

function unknown(at: Case, reason: string): UnknownRule {
  return new UnknownRule(refer(at.table, at.rule), reason);
}

/** All results of a rule; without one the packet does not match. */
function judge(at: Case, { matches, target }: RuleSpec, state: PacketState): readonly RuleResult[] {
  let probability = ONE;
  const open: Match[] = [];
  for (const match of matches) {
    // What is not known does not matter where something else does not match.
    if (match.kind === 'unknown') open.push(match);
    else probability = times(probability, chanceOf(at, match, state));
    if (isZero(probability)) return [];
  }
  if (open.length > 0) throw unknown(at, `${open.map(printMatch).join(' ')} is not known`);
  const share = probability.denominator === 1n ? '' : ` (${probability.numerator} in ${probability.denominator})`;
  const remembers = matches.some((match) => match.kind === 'recent' && match.action === 'set');
  const remembered = remembers ? 'remember the client, ' : '';
  if (target === undefined) {
    const effect = remembers ? 'remember the client' : '';
    return effect === '' ? [] : [{ probability, state, next: GOES_ON, effect }];
  }
  const result = apply(at, target, state);
  return result === undefined ? [] : [{ ...result, probability, effect: `${remembered}${result.effect}${share}` }];
}

const GOES_ON: Next = { kind: 'next' };

/** Targets that do nothing to a packet. */
const HARMLESS: ReadonlySet<string> = new Set(['LOG', 'NFLOG', 'ULOG', 'TRACE']);

function apply(at: Case, target: Target, state: PacketState): Omit<RuleResult, 'probability'> | undefined {
  const by = refer(at.table, at.rule);
  switch (target.kind) {
    case 'accept':
    case 'drop':
    case 'return':
      return { state, next: { kind: target.kind }, effect: target.kind };
    case 'reject':
      return { state, next: { kind: 'reject' }, effect: 'reject' };
    case 'jump':
    case 'goto':
      if (HARMLESS.has(target.chain) && !at.table.chains.has(target.chain)) return undefined;
      return { state, next: { kind: target.kind, chain: target.chain }, effect: `${target.kind} ${target.chain}` };
    case 'mark': {
      const mark = ((state.mark & ~target.mask) ^ target.value) >>> 0;
      return { state: { ...state, mark }, next: GOES_ON, effect: `mark set to 0x${mark.toString(16)}` };
    }
    case 'masquerade': {
      const changed = { ...state, sourceNat: { address: undefined, by } };
      return { state: changed, next: { kind: 'accept' }, effect: 'masquerade' };
    }
    case 'snat':
    case 'dnat': {
      const { address, lastAddress, port, lastPort } = target.to;
      const ranges = (lastAddress ?? address) !== address || (lastPort ?? port) !== port;
      if (ranges || (target.kind === 'snat' && address === undefined)) throw unknown(at, 'it chooses from a range');
      if (target.kind === 'snat') {
        const changed = { ...state, sourceNat: { address, by } };
        return { state: changed, next: { kind: 'accept' }, effect: `snat to ${address}` };
      }
      const { family, destination, destinationPort } = state.packet;
      const destinationNat = { address: address ?? destination, port: port ?? destinationPort, by };
      const packet = {
        ...state.packet,
        destination: destinationNat.address,
        destinationPort: destinationNat.port,
      };
      const effect = `dnat to ${joinHostPort(destinationNat.address, family, destinationNat.port)}`;
      return { state: { ...state, packet, destinationNat }, next: { kind: 'accept' }, effect };
    }
    default:
      if (target.name !== undefined && HARMLESS.has(target.name)) return undefined;
      throw unknown(at, 'its target is not known');
  }
}

/** With which probability a condition holds. */
function chanceOf(at: Case, match: Exclude<Match, { kind: 'unknown' }>, state: PacketState): Fraction {
  if (match.kind !== 'random') return holds(at, match, state) ? ONE : ZERO;
  const chance = randomShare(match.threshold);
  return match.not ? minus(ONE, chance) : chance;
}

function randomShare(threshold: number): Fraction {
  if (threshold >= PROBABILITY_ONE) return ONE;
  const share = shareOf(threshold);
  return share === undefined ? fraction(BigInt(threshold), BigInt(PROBABILITY_ONE)) : oneIn(share);
}

function holds(at: Case, match: Exclude<Match, { kind: 'unknown' | 'random' }>, state: PacketState): boolean {
  const { packet } = state;
  switch (match.kind) {
    case 'source':
    case 'destination': {
      const address: IpAddress = { family: packet.family, text: packet[match.kind] };
      return cidrContains(match.cidr, address) !== match.not;
    }
    case 'in-interface': {
      const ofKubeProxy = chainOwner(at.table.name, at.rule.chain).owner === 'kube-proxy';
      const by = refer(at.table, at.rule);
      return cameBy(state.incoming, match.name, match.prefix, ofKubeProxy, by) !== match.not;
    }
    case 'out-interface':
      return leavesBy(at.world, match.name, match.prefix, refer(at.table, at.rule)) !== match.not;
    case 'protocol':
      return (match.protocol === 'all' || match.protocol === protocolOf(state)) !== match.not;
    case 'ports':
      return match.protocol === packet.protocol && holdsPorts(at, match.source, match.destination, state);
    case 'comment':
    case 'nfacct':
      return true;
    case 'recent':
      return isRemembered(at, match) !== match.not;
    case 'conntrack':
      return match.states.some((text) => isInState(at, text, state)) !== match.not;
    case 'addrtype':
      if (match.limitInterface !== undefined) throw unknown(at, 'it depends on the interface of an address');
      return holdsType(at, match.source, packet.source) && holdsType(at, match.destination, packet.destination);
    case 'mark':
      return ((state.mark & match.mask) >>> 0 === match.value) !== match.not;
    case 'set': {
      const found = at.table.sets(match.name, match.directions, state);
      if (found === undefined) throw unknown(at, `set ${match.name} is not there, or of no type that is known`);
      return found !== match.not;
    }
    case 'physdev-is-in':
      return isOverBridge(at, state) !== match.not;
    case 'ipvs': {
      const server = state.virtualServer;
      if (server === undefined) return false;
      const { protocol, address, port } = match;
      const fits = address === undefined || cidrContains(address, { family: packet.family, text: server.address });
      return fits && (port === undefined || port === server.port) && (protocol ?? packet.protocol) === packet.protocol;
    }
  }
}

function protocolOf({ packet: { protocol, family } }: PacketState): string {
  return protocol === 'icmp' && family === 'ipv6' ? 'ipv6-icmp' : protocol;
}

function holdsPorts(
  at: Case,
  source: PortRange | undefined,
  destination: PortRange | undefined,
  { packet }: PacketState,
): boolean {
  const inRange = ({ first, last, not }: PortRange, port: number) => (first <= port && port <= last) !== not;
  if (destination !== undefined && !inRange(destination, packet.destinationPort)) return false;
  if (source === undefined) return true;
  if (packet.sourcePort === undefined) throw unknown(at, 'it depends on the port that the sender uses');
  return inRange(source, packet.sourcePort);
}

/** kube-proxy has a list for each endpoint, named as its chain. */
function isRemembered(at: Case, { action, list }: Extract<Match, { kind: 'recent' }>): boolean {
  if (action === 'set') return true;
  const chain = at.table.chains.get(list);
  const endpoint = chain && endpointOf(chain, at);
  if (endpoint === undefined) throw unknown(at, `what list ${list} holds is not known`);
  return endpoint === at.world.after;
}

/** To which endpoint a chain translates; undefined where it does not. */
function endpointOf({ rules }: Chain, { world }: Case): string | undefined {
  for (const rule of rules) {
    const { target } = ruleOf(rule);
    if (target?.kind !== 'dnat' || target.to.address === undefined || target.to.port === undefined) continue;
    return joinHostPort(target.to.address, world.family, target.to.port);
  }
  return undefined;
}

function isInState(at: Case, text: string, state: PacketState): boolean {
  switch (text) {
    case 'NEW':
      return !state.established;
    case 'ESTABLISHED':
      return state.established;
    case 'RELATED':
    case 'INVALID':
    case 'UNTRACKED':
      return false;
    // What IPVS does is no address translation of connection tracking.
    case 'DNAT':
      return state.destinationNat !== undefined && state.virtualServer === undefined;
    case 'SNAT':
      return state.sourceNat !== undefined;
    default:
      throw unknown(at, `state ${text} is not known`);
  }
}

function holdsType(at: Case, wanted: AddressTypes | undefined, address: string): boolean {
  if (wanted === undefined) return true;
  const isLocal = at.world.isLocal(address);
  const others = wanted.types.filter((type) => type !== 'LOCAL');
  const found = isLocal && wanted.types.includes('LOCAL');
  // Of an address that is not local nobody knows here whether it is a broadcast address or something else special.
  if (!isLocal && others.length > 0) throw unknown(at, 'of addresses it is only known whether they are local');
  return found !== wanted.not;
}

function isOverBridge(at: Case, { incoming }: PacketState): boolean {
  if (incoming === undefined || (incoming.kind === 'named' && incoming.name === 'lo')) return false;
  const { overBridge } = at.world;
  if (overBridge !== undefined) return overBridge;
  throw new UnknownBridge(refer(at.table, at.rule), 'it depends on whether the packet comes over a bridge');
}

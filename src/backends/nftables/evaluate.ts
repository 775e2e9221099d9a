/** A packet through a table of nftables: its base chains as hook functions. */
import type { Family } from '../../net/family.js';
import { joinHostPort } from '../../net/ip.js';
import { type Chains, type Next, type RuleResult, runChain } from '../packet/chains.js';
import { type Fraction, fraction, ONE } from '../packet/fraction.js';
import {
  cameBy,
  type Hook,
  type HookFunction,
  leavesBy,
  type PacketState,
  type RuleReference,
  UnknownRule,
  type World,
} from '../packet/packet.js';
import { indexKeys, type KeyIndex, UnknownKey } from './key-index.js';
import { meaningsOfTypes } from './normal-form.js';
import { type Meaning, meaningsOf, normalStatementsOf, normalValue } from './normal-statements.js';
import { printExpression, printRuleText } from './print-rule.js';
import { chainsOf, collectionsOf, type NftChain, type NftCollection, type NftRule, type NftTable } from './rule-set.js';
import type { NftExpression, NftStatement, NftTranslation, NftVerdict } from './statements.js';

/** A rule and the chain that it is in. */
interface PlacedRule {
  readonly rule: NftRule;
  readonly chain: string;
}

/** A table with everything that has been looked up in it so far. */
interface Table {
  readonly name: string;
  readonly family: Family;
  readonly chains: ReadonlyMap<string, NftChain>;
  readonly collections: ReadonlyMap<string, NftCollection>;
  readonly placed: Map<string, readonly PlacedRule[]>;
  readonly indexes: Map<NftCollection, KeyIndex<string>>;
  readonly anonymous: Map<NftExpression, KeyIndex<true>>;
}

/** What a rule is judged for. */
interface Case {
  readonly table: Table;
  readonly world: World;
  readonly reference: RuleReference;
}

const HOOKS: ReadonlySet<string> = new Set<Hook>(['prerouting', 'input', 'forward', 'output', 'postrouting']);

/**
 * The base chains of a table of kube-proxy. Sets and maps are indexed, and rules read, when a packet first meets them.
 * @throws UnknownRule, when run, for a rule that a packet meets and that cannot be judged
 */
export function nftHookFunctions(nft: NftTable): readonly HookFunction[] {
  const table: Table = {
    name: `${nft.family} ${nft.name}`,
    family: nft.family === 'ip6' ? 'ipv6' : 'ipv4',
    chains: chainsOf(nft),
    collections: collectionsOf(nft),
    placed: new Map(),
    indexes: new Map(),
    anonymous: new Map(),
  };
  return [...table.chains.values()].flatMap(({ name, base }) => {
    if (base === undefined || !HOOKS.has(base.hook)) return [];
    const hook = base.hook as Hook;
    const policy = base.policy === 'drop' ? 'drop' : 'accept';
    return {
      hook,
      priority: base.priority,
      type: base.type === 'nat' ? 'nat' : 'filter',
      run: (state, world) => runChain(chainsFor(table, world), { table: table.name, chain: name, hook, policy }, state),
    };
  });
}

function chainsFor(table: Table, world: World): Chains<PlacedRule> {
  return {
    rulesOf: (chain) => {
      const known = table.placed.get(chain);
      if (known !== undefined) return known;
      const placed = table.chains.get(chain)?.rules.map((rule) => ({ rule, chain }));
      if (placed !== undefined) table.placed.set(chain, placed);
      return placed;
    },
    judge: (placed, state) => judge({ table, world, reference: referTo(table, placed) }, placed.rule, state),
    refer: (placed) => referTo(table, placed),
  };
}

function referTo(table: Table, { rule, chain }: PlacedRule): RuleReference {
  return { table: table.name, chain, text: printRuleText(rule), line: undefined };
}

const GOES_ON: Next = { kind: 'next' };

/** Goes through the statements of a rule from the left; without a result the packet does not match. */
function judge(at: Case, rule: NftRule, start: PacketState): readonly RuleResult[] {
  let state = start;
  const effects: string[] = [];
  const ending = (next: Next, effect: string, probability = ONE, ended = state): RuleResult => {
    return { probability, state: ended, next, effect: [...effects, effect].filter((each) => each !== '').join(', ') };
  };
  for (const statement of normalStatementsOf(rule)) {
    switch (statement.kind) {
      case 'match':
        if (!matches(at, statement, state)) return [];
        break;
      case 'verdict':
        return [ending(nextOf(statement.verdict), printed(statement.verdict))];
      case 'vmap': {
        const results = verdictsOf(at, statement, state);
        // A key that the map does not have passes to the next statement, as if the rule had none.
        if (results.length > 0) {
          return results.map(({ verdict, probability }) =>
            ending(nextOf(verdict), `${printed(verdict)}${shareText(probability)}`, probability),
          );
        }
        break;
      }
      case 'reject':
        return [ending({ kind: 'reject' }, statement.with === '' ? 'reject' : `reject with ${statement.with}`)];
      case 'dnat':
        return destinations(at, statement, state).map(({ address, port, probability }) => {
          const destinationNat = { address, port, by: at.reference };
          const packet = { ...state.packet, destination: address, destinationPort: port };
          const effect = `dnat to ${joinHostPort(address, state.packet.family, port)}${shareText(probability)}`;
          return ending({ kind: 'accept' }, effect, probability, { ...state, packet, destinationNat });
        });
      case 'masquerade':
        return [
          ending({ kind: 'accept' }, 'masquerade', ONE, {
            ...state,
            sourceNat: { address: undefined, by: at.reference },
          }),
        ];
      case 'assign': {
        const mark = newMark(at, statement, state);
        effects.push(`mark set to ${markText(mark)}`);
        state = { ...state, mark };
        break;
      }
      case 'update':
        effects.push(`${statement.op} @${statement.set}`);
        break;
      case 'counter':
        break;
      default:
        throw unknown(at, 'this is not known');
    }
  }
  return effects.length === 0 && state === start ? [] : [ending(GOES_ON, '')];
}

function unknown(at: Case, reason: string): UnknownRule {
  return new UnknownRule(at.reference, reason);
}

function nextOf(verdict: NftVerdict): Next {
  if ('target' in verdict) return { kind: verdict.kind, chain: verdict.target };
  return verdict.kind === 'continue' ? GOES_ON : { kind: verdict.kind };
}

function printed(verdict: NftVerdict): string {
  return 'target' in verdict ? `${verdict.kind} ${verdict.target}` : verdict.kind;
}

/** Nothing for what is certain. */
function shareText({ numerator, denominator }: Fraction): string {
  return denominator === 1n ? '' : ` (${numerator} in ${denominator})`;
}

/** `0x4000`. */
function markText(mark: number): string {
  return `0x${mark.toString(16)}`;
}

type Match = Extract<NftStatement, { readonly kind: 'match' }>;

function matches(at: Case, { left, op, right }: Match, state: PacketState): boolean {
  if (left.kind === 'meta' && (left.key === 'iifname' || left.key === 'oifname')) {
    return (op === '!=') !== byInterface(at, left.key, right, state);
  }
  if (left.kind === 'ct' && (left.key === 'state' || left.key === 'status')) {
    return (op === '!=') !== hasBit(at, left.key, op, right, state);
  }
  const meanings = meaningsOf(left);
  const parts = valuesOf(at, left, state);
  // What the packet does not have (a port of ICMP, an address of the other family) neither matches nor not matches.
  if (parts === undefined) return false;
  if (left.kind === 'fib' && parts[0] !== 'local') return (op === '!=') !== isOtherThanLocal(at, right);
  if (op === '==' || op === 'in') return holds(at, right, parts, meanings);
  if (op === '!=') return !holds(at, right, parts, meanings);
  const [a, b] = [Number(parts[0]), right.kind === 'value' ? Number(right.text) : Number.NaN];
  if (parts.length > 1 || Number.isNaN(a) || Number.isNaN(b)) throw unknown(at, `${op} of these is not known`);
  return op === '<' ? a < b : op === '>' ? a > b : op === '<=' ? a <= b : a >= b;
}

/** Of an address that is not local nobody knows here whether it is a broadcast address or something else special. */
function isOtherThanLocal(at: Case, right: NftExpression): boolean {
  if (right.kind === 'value' && right.text === 'local') return false;
  throw unknown(at, 'of addresses it is only known whether they are local');
}

function byInterface(at: Case, key: string, right: NftExpression, state: PacketState): boolean {
  const items = right.kind === 'set' ? right.items : [right];
  return items.some((item) => {
    if (item.kind !== 'value') throw unknown(at, 'this is not known');
    const prefix = item.text.endsWith('*');
    const name = prefix ? item.text.slice(0, -1) : item.text;
    if (key === 'oifname') return leavesBy(at.world, name, prefix, at.reference);
    return cameBy(state.incoming, name, prefix, true, at.reference);
  });
}

/** Whether one of the bits is set that are asked for. */
function hasBit(at: Case, key: 'state' | 'status', op: string, right: NftExpression, state: PacketState): boolean {
  const items = right.kind === 'list' || right.kind === 'set' ? right.items : [right];
  // Compared as a whole, a status is known only where all its bits are; of states only one is ever set.
  if (key === 'status' && op !== 'in') throw unknown(at, 'the whole status of a connection is not known');
  return items.some((item) => {
    const text = item.kind === 'value' ? item.text : '';
    switch (`${key} ${text}`) {
      case 'state new':
        return !state.established;
      case 'state established':
        return state.established;
      case 'state related':
      case 'state invalid':
      case 'state untracked':
        return false;
      // What IPVS does is no address translation of connection tracking.
      case 'status dnat':
        return state.destinationNat !== undefined && state.virtualServer === undefined;
      case 'status snat':
        return state.sourceNat !== undefined;
      default:
        throw unknown(at, `${key} ${text} is not known`);
    }
  });
}

/** Whether the values of a packet are among those that a match names. */
function holds(at: Case, right: NftExpression, parts: readonly string[], meanings: readonly Meaning[]): boolean {
  if (right.kind === 'reference') return isInSet(at, right.name, parts);
  const known = at.table.anonymous.get(right);
  if (known !== undefined) return known.find(parts) !== undefined;
  const items = right.kind === 'set' || right.kind === 'list' ? right.items : [right];
  const index = indexed(at, () =>
    indexKeys(
      items.map((item): [readonly string[], true] => [textsOf(at, item), true]),
      meanings,
    ),
  );
  at.table.anonymous.set(right, index);
  return index.find(parts) !== undefined;
}

function indexed<Data>(at: Case, make: () => KeyIndex<Data>): KeyIndex<Data> {
  try {
    return make();
  } catch (error) {
    if (error instanceof UnknownKey) throw unknown(at, `${error.message} is not known`);
    throw error;
  }
}

/** The texts of a constant, one for each part. */
function textsOf(at: Case, expression: NftExpression): readonly string[] {
  if (expression.kind === 'value') return [expression.text];
  if (expression.kind === 'concat') return expression.parts.flatMap((part) => textsOf(at, part));
  throw unknown(at, `${printExpression(expression)} is no constant`);
}

const KEY_TYPES: ReadonlySet<string> = new Set(['ipv4_addr', 'ipv6_addr', 'inet_proto', 'inet_service', 'mark']);

function collectionOf(at: Case, name: string): NftCollection {
  const collection = at.table.collections.get(name);
  if (collection === undefined) throw unknown(at, `there is no set or map ${name}`);
  if (collection.keyTypes.some((type) => !KEY_TYPES.has(type))) {
    throw unknown(at, `the type ${collection.keyTypes.join(' . ')} is not known`);
  }
  return collection;
}

/** The elements of a named set or map by their keys, with the data of each (`''` in a set). */
function indexOf(at: Case, collection: NftCollection): KeyIndex<string> {
  const { indexes } = at.table;
  const known = indexes.get(collection);
  if (known !== undefined) return known;
  const keys = collection.elements.map(({ key, data }): [readonly string[], string] => [key.split(' . '), data]);
  const index = indexed(at, () => indexKeys(keys, meaningsOfTypes(collection.keyTypes)));
  indexes.set(collection, index);
  return index;
}

function isInSet(at: Case, name: string, parts: readonly string[]): boolean {
  const collection = collectionOf(at, name);
  const { after } = at.world;
  const [, owner] = /^affinity-(.*)$/s.exec(name) ?? [];
  // What a client was told before, if somebody says so, is what the set holds.
  if (owner !== undefined && after !== undefined) return endpointOf(at, `endpoint-${owner}`) === after;
  return indexOf(at, collection).find(parts) !== undefined;
}

/** To which endpoint a chain translates, whatever else it does; undefined where it does not. */
function endpointOf(at: Case, chain: string): string | undefined {
  for (const rule of at.table.chains.get(chain)?.rules ?? []) {
    for (const statement of normalStatementsOf(rule)) {
      if (statement.kind !== 'dnat' || statement.address.kind !== 'value' || statement.port?.kind !== 'value') continue;
      return joinHostPort(statement.address.text, at.table.family, Number(statement.port.text));
    }
  }
  return undefined;
}

/** The values that an expression has for a packet, one for each part; undefined where the packet has none. */
function valuesOf(at: Case, expression: NftExpression, state: PacketState): readonly string[] | undefined {
  if (expression.kind !== 'concat') {
    const value = valueFor(at, expression, state);
    return value === undefined ? undefined : [value];
  }
  const values = expression.parts.map((part) => valueFor(at, part, state));
  return values.includes(undefined) ? undefined : values.filter((value) => value !== undefined);
}

function valueFor(at: Case, expression: NftExpression, state: PacketState): string | undefined {
  const { packet } = state;
  switch (expression.kind) {
    case 'value':
      return expression.text;
    case 'payload':
      return payloadOf(at, expression, state);
    case 'meta':
      if (expression.key === 'l4proto') return protocolOf(state);
      if (expression.key === 'mark') return normalValue(String(state.mark), 'mark');
      if (expression.key === 'nfproto') return packet.family;
      break;
    case 'binary':
      return normalValue(String(numberOf(at, expression, state)), 'mark');
    case 'fib':
      if (expression.result !== 'type' || expression.flags.length !== 1) break;
      if (expression.flags[0] === 'daddr') return addressType(at, packet.destination);
      if (expression.flags[0] === 'saddr') return addressType(at, packet.source);
      break;
    case 'map':
      return mappedValue(at, expression, state);
    default:
  }
  throw unknown(at, `${printExpression(expression)} is not known`);
}

function addressType({ world }: Case, address: string): string {
  return world.isLocal(address) ? 'local' : 'unicast';
}

function protocolOf({ packet: { protocol, family } }: PacketState): string {
  return protocol === 'icmp' && family === 'ipv6' ? 'ipv6-icmp' : protocol;
}

function payloadOf(
  at: Case,
  { protocol, field }: Extract<NftExpression, { readonly kind: 'payload' }>,
  state: PacketState,
): string | undefined {
  const { packet } = state;
  const own = packet.family === 'ipv6' ? 'ip6' : 'ip';
  if (protocol === 'ip' || protocol === 'ip6') {
    if (protocol !== own) return undefined;
    if (field === 'saddr') return packet.source;
    if (field === 'daddr') return packet.destination;
    if (field === 'protocol' || field === 'nexthdr') return protocolOf(state);
    throw unknown(at, `${protocol} ${field} is not known`);
  }
  if (protocol !== 'th' && protocol !== packet.protocol) return undefined;
  // ICMP has something else where ports would be, which no rule asks for.
  if (packet.protocol === 'icmp') return undefined;
  if (field === 'dport') return String(packet.destinationPort);
  if (packet.sourcePort === undefined) throw unknown(at, 'it depends on the port that the sender uses');
  return String(packet.sourcePort);
}

function mappedValue(
  at: Case,
  { key, map }: Extract<NftExpression, { readonly kind: 'map' }>,
  state: PacketState,
): string | undefined {
  const parts = valuesOf(at, key, state);
  if (parts === undefined) return undefined;
  if (map.kind === 'reference') return indexOf(at, collectionOf(at, map.name)).find(parts);
  const meanings = meaningsOf(key);
  const found = map.entries.find((entry) => holds(at, entry.key, parts, meanings));
  return found === undefined ? undefined : textsOf(at, found.data).join(' . ');
}

/** Arithmetic of marks. */
function numberOf(at: Case, expression: NftExpression, state: PacketState): number {
  if (expression.kind === 'binary') {
    const [left, right] = [numberOf(at, expression.left, state), numberOf(at, expression.right, state)];
    const result = expression.op === '&' ? left & right : expression.op === '|' ? left | right : left ^ right;
    return result >>> 0;
  }
  const number = Number(valueFor(at, expression, state));
  if (!Number.isInteger(number)) throw unknown(at, `${printExpression(expression)} is no number`);
  return number;
}

function newMark(at: Case, statement: Extract<NftStatement, { kind: 'assign' }>, state: PacketState): number {
  const { target, value } = statement;
  if (target.kind === 'meta' && target.key === 'mark') return numberOf(at, value, state);
  throw unknown(at, `setting ${printExpression(target)} is not known`);
}

/** What each number that `numgen` may give leads to: texts that something else makes sense of. */
function choices<T>(
  { mod, offset }: Extract<NftExpression, { readonly kind: 'numgen' }>,
  find: (number: string) => T | undefined,
): readonly { readonly chosen: T; readonly probability: Fraction }[] {
  const shares = new Map<T, bigint>();
  for (let number = offset; number < offset + mod; number++) {
    const chosen = find(String(number));
    if (chosen !== undefined) shares.set(chosen, (shares.get(chosen) ?? 0n) + 1n);
  }
  return Array.from(shares, ([chosen, share]) => ({ chosen, probability: fraction(share, BigInt(mod)) }));
}

/** nft gives the kernel no larger tables to choose from than there are endpoints. */
const MOST_CHOICES = 1_000_000;

function checkChoices(at: Case, { mod }: Extract<NftExpression, { readonly kind: 'numgen' }>): void {
  if (mod < 1 || mod > MOST_CHOICES) throw unknown(at, `a choice of ${mod} is not known`);
}

function verdictsOf(
  at: Case,
  { key, map }: Extract<NftStatement, { readonly kind: 'vmap' }>,
  state: PacketState,
): readonly { readonly verdict: NftVerdict; readonly probability: Fraction }[] {
  let find: (parts: readonly string[]) => NftVerdict | undefined;
  if (map.kind === 'reference') {
    const collection = collectionOf(at, map.name);
    find = (parts) => {
      const data = indexOf(at, collection).find(parts);
      return data === undefined ? undefined : verdictOf(at, data);
    };
  } else {
    const exact = new Map(map.entries.map((entry) => [printExpression(entry.key), entry.verdict]));
    const meanings = meaningsOf(key);
    const isNumber = key.kind === 'numgen';
    find = (parts) =>
      isNumber
        ? exact.get(parts[0] ?? '')
        : map.entries.find((entry) => holds(at, entry.key, parts, meanings))?.verdict;
  }
  if (key.kind === 'numgen') {
    checkChoices(at, key);
    return choices(key, (number) => find([number])).map(({ chosen, probability }) => ({
      verdict: chosen,
      probability,
    }));
  }
  const parts = valuesOf(at, key, state);
  const verdict = parts === undefined ? undefined : find(parts);
  return verdict === undefined ? [] : [{ verdict, probability: ONE }];
}

function verdictOf(at: Case, text: string): NftVerdict {
  const [, kind, target] = /^(jump|goto|accept|drop|return|continue)(?: (\S+))?$/.exec(text) ?? [];
  if (kind === 'jump' || kind === 'goto') {
    if (target !== undefined) return { kind, target };
  } else if (kind === 'accept' || kind === 'drop' || kind === 'return' || kind === 'continue') {
    return { kind };
  }
  throw unknown(at, `verdict ${text} is not known`);
}

interface Destination {
  readonly address: string;
  readonly port: number;
  readonly probability: Fraction;
}

/** Where a translation leads to. */
function destinations(at: Case, { address, port }: NftTranslation, state: PacketState): readonly Destination[] {
  const read = (texts: readonly string[], probability: Fraction): Destination => {
    const [host = '', portText = String(state.packet.destinationPort)] = texts;
    const meaning = at.table.family === 'ipv6' ? 'address6' : 'address4';
    const number = Number(portText);
    if (!Number.isInteger(number) || /[-/]/.test(host)) throw unknown(at, `${texts.join(' . ')} is not known`);
    return { address: normalValue(host, meaning), port: number, probability };
  };
  if (address.kind === 'map' && address.key.kind === 'numgen') {
    const { key, map } = address;
    checkChoices(at, key);
    if (map.kind === 'reference') {
      const index = indexOf(at, collectionOf(at, map.name));
      return choices(key, (number) => index.find([number])).map(({ chosen, probability }) =>
        read(chosen.split(' . '), probability),
      );
    }
    const exact = new Map(map.entries.map((entry) => [printExpression(entry.key), entry.data]));
    return choices(key, (number) => exact.get(number)).map(({ chosen, probability }) =>
      read(textsOf(at, chosen), probability),
    );
  }
  const host = address.kind === 'concat' ? textsOf(at, address) : [valueFor(at, address, state)];
  if (host[0] === undefined) return [];
  const texts = host.flatMap((text) => text?.split(' . ') ?? []);
  const given = port === undefined ? [] : textsOf(at, port);
  return [read([...texts, ...given], ONE)];
}

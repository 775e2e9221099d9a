/** Conditions and values in rules of nftables, for one packet. */
import type { Family } from '../../net/family.js';
import { joinHostPort } from '../../net/ip.js';
import { cameBy, leavesBy, type PacketState, type RuleReference, UnknownRule, type World } from '../packet/packet.js';
import { indexKeys, type KeyIndex, UnknownKey } from './key-index.js';
import { meaningsOfTypes } from './normal-form.js';
import { type Meaning, meaningsOf, normalStatementsOf, normalValue } from './normal-statements.js';
import { printExpression } from './print-rule.js';
import type { NftChain, NftCollection, NftRule } from './rule-set.js';
import type { NftExpression, NftStatement } from './statements.js';

/** A rule and the chain that it is in. */
export interface PlacedRule {
  readonly rule: NftRule;
  readonly chain: string;
}

/** A table with everything that has been looked up in it so far. */
export interface Table {
  readonly name: string;
  readonly family: Family;
  readonly chains: ReadonlyMap<string, NftChain>;
  readonly collections: ReadonlyMap<string, NftCollection>;
  readonly placed: Map<string, readonly PlacedRule[]>;
  readonly indexes: Map<NftCollection, KeyIndex<string>>;
  readonly anonymous: Map<NftExpression, KeyIndex<true>>;
}

/** What a rule is judged for. */
export interface Case {
  readonly table: Table;
  readonly world: World;
  readonly reference: RuleReference;
}

/** What ends a trace: something of a rule that the packet meets is not known. */
export function unknown(at: Case, reason: string): UnknownRule {
  return new UnknownRule(at.reference, reason);
}

type Match = Extract<NftStatement, { readonly kind: 'match' }>;

/** Whether a packet fits a condition. */
export function matches(at: Case, { left, op, right }: Match, state: PacketState): boolean {
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
export function holds(at: Case, right: NftExpression, parts: readonly string[], meanings: readonly Meaning[]): boolean {
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
export function textsOf(at: Case, expression: NftExpression): readonly string[] {
  if (expression.kind === 'value') return [expression.text];
  if (expression.kind === 'concat') return expression.parts.flatMap((part) => textsOf(at, part));
  throw unknown(at, `${printExpression(expression)} is no constant`);
}

const KEY_TYPES: ReadonlySet<string> = new Set(['ipv4_addr', 'ipv6_addr', 'inet_proto', 'inet_service', 'mark']);

/** A set or map by its name. */
export function collectionOf(at: Case, name: string): NftCollection {
  const collection = at.table.collections.get(name);
  if (collection === undefined) throw unknown(at, `there is no set or map ${name}`);
  if (collection.keyTypes.some((type) => !KEY_TYPES.has(type))) {
    throw unknown(at, `the type ${collection.keyTypes.join(' . ')} is not known`);
  }
  return collection;
}

/** The elements of a named set or map by their keys, with the data of each (`''` in a set). */
export function indexOf(at: Case, collection: NftCollection): KeyIndex<string> {
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
export function valuesOf(at: Case, expression: NftExpression, state: PacketState): readonly string[] | undefined {
  if (expression.kind !== 'concat') {
    const value = valueFor(at, expression, state);
    return value === undefined ? undefined : [value];
  }
  const values = expression.parts.map((part) => valueFor(at, part, state));
  return values.includes(undefined) ? undefined : values.filter((value) => value !== undefined);
}

/** The one value of an expression; undefined where a map has none for the packet. */
export function valueFor(at: Case, expression: NftExpression, state: PacketState): string | undefined {
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

/** The mark of a packet after a statement that sets it; nothing else is known to be set. */
export function newMark(at: Case, statement: Extract<NftStatement, { kind: 'assign' }>, state: PacketState): number {
  const { target, value } = statement;
  if (target.kind === 'meta' && target.key === 'mark') return numberOf(at, value, state);
  throw unknown(at, `setting ${printExpression(target)} is not known`);
}

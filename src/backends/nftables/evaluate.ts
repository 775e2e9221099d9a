/** A packet through a table of nftables: its base chains as hook functions. */
import { joinHostPort } from '../../net/ip.js';
import { type Chains, type Next, type RuleResult, runChain } from '../packet/chains.js';
import { type Fraction, fraction, ONE } from '../packet/fraction.js';
import type { Hook, HookFunction, PacketState, RuleReference, World } from '../packet/packet.js';
import {
  type Case,
  collectionOf,
  holds,
  indexOf,
  matches,
  newMark,
  type PlacedRule,
  type Table,
  textsOf,
  unknown,
  valueFor,
  valuesOf,
} from './evaluate-values.js';
import { meaningsOf, normalStatementsOf, normalValue } from './normal-statements.js';
import { printExpression, printRuleText } from './print-rule.js';
import { chainsOf, collectionsOf, type NftRule, type NftTable } from './rule-set.js';
import type { NftExpression, NftStatement, NftTranslation, NftVerdict } from './statements.js';

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

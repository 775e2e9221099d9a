import { describe, expect, it } from 'vitest';
import { type Chains, type Next, runChain } from '../../src/backends/packet/chains.js';
import {
  dividedBy,
  fraction,
  minus,
  ONE,
  oneIn,
  plus,
  printFraction,
  times,
} from '../../src/backends/packet/fraction.js';
import type { Branch, Hook, HookFunction, Packet, PacketState, World } from '../../src/backends/packet/packet.js';
import { walk, walkEstablished } from '../../src/backends/packet/walk.js';

it('fractions stay exact and in lowest terms', () => {
  const third = oneIn(3);
  expect(printFraction(plus(plus(third, third), third))).toBe('1');
  expect(printFraction(times(fraction(2n, 3n), oneIn(2)))).toBe('1/3');
  expect(printFraction(minus(ONE, third))).toBe('2/3');
  expect(printFraction(dividedBy(third, fraction(2n, 3n)))).toBe('1/2');
});

const packet: Packet = {
  family: 'ipv4',
  protocol: 'tcp',
  source: '10.0.0.1',
  sourcePort: undefined,
  destination: '10.96.0.1',
  destinationPort: 80,
};
const world: World = {
  family: 'ipv4',
  isLocal: (address) => address === '192.0.2.1' || address.startsWith('127.'),
  routeLocalnet: false,
  overBridge: false,
  after: undefined,
};
const state: PacketState = {
  packet,
  mark: 0,
  established: false,
  incoming: { kind: 'other' },
  destinationNat: undefined,
  sourceNat: undefined,
  virtualServer: undefined,
};

describe('chains', () => {
  /** Each rule is its verdict, with the chance that it matches. */
  type Rule = readonly [Next, number];
  const chainsOf = (rules: Readonly<Record<string, readonly Rule[]>>): Chains<Rule> => ({
    rulesOf: (chain) => rules[chain],
    judge: ([next, chance], at) => [{ probability: oneIn(chance), state: at, next, effect: next.kind }],
    refer: () => ({ table: 't', chain: 'c', text: '', line: undefined }),
  });
  const run = (rules: Readonly<Record<string, readonly Rule[]>>, policy: 'accept' | 'drop' = 'accept') =>
    runChain(chainsOf(rules), { table: 't', chain: 'base', hook: 'input', policy }, state).map(
      ({ probability, verdict }) => `${printFraction(probability)} ${verdict}`,
    );
  const to = (kind: 'jump' | 'goto', chain: string, chance = 1): Rule => [{ kind, chain }, chance];
  const does = (kind: 'return' | 'accept' | 'drop' | 'reject', chance = 1): Rule => [{ kind }, chance];

  it('jump comes back, goto does not', () => {
    expect(run({ base: [to('jump', 'a'), does('drop')], a: [does('return'), does('reject')] })).toEqual(['1 drop']);
    expect(run({ base: [to('goto', 'a'), does('drop')], a: [] })).toEqual(['1 continue']);
    // What a chain went to comes back to where the chain was called from.
    expect(run({ base: [to('jump', 'a'), does('reject')], a: [to('goto', 'b'), does('drop')], b: [] })).toEqual([
      '1 reject',
    ]);
  });

  it('chances multiply, in the order of the rules, and the policy has the rest', () => {
    expect(run({ base: [does('accept', 3), does('drop', 2)] }, 'drop')).toEqual([
      '1/3 continue',
      '1/3 drop',
      '1/3 drop',
    ]);
  });

  it('a chain that is not there, or calls itself, is an error', () => {
    expect(() => run({ base: [to('jump', 'b')] })).toThrow('no chain b');
    expect(() => run({ base: [to('jump', 'base')] })).toThrow('circle');
  });
});

describe('the way through the kernel', () => {
  const met: string[] = [];
  const probe = (
    hook: Hook,
    priority: number,
    type: HookFunction['type'],
    change: (state: PacketState) => Partial<Branch> = () => ({}),
  ): HookFunction => ({
    hook,
    priority,
    type,
    run: (at) => {
      met.push(`${hook} ${type} ${at.packet.destination}${at.established ? ' established' : ''}`);
      return [{ probability: ONE, state: at, verdict: 'continue', steps: [], ...change(at) }];
    },
  });
  const by = { table: 't', chain: 'c', text: '', line: undefined };
  const translateTo = (address: string, more: Partial<Branch> = {}, isIpvs = false) => {
    return (at: PacketState): Partial<Branch> => ({
      ...more,
      state: {
        ...at,
        packet: { ...at.packet, destination: address },
        destinationNat: { address, port: 80, by },
        virtualServer: isIpvs ? { address: at.packet.destination, port: 80 } : undefined,
      },
    });
  };
  const everywhere = (['prerouting', 'input', 'forward', 'output', 'postrouting'] as const).map((hook) =>
    probe(hook, 0, 'filter'),
  );
  const way = (functions: readonly HookFunction[], sent: Packet, fromNode = false): readonly string[] => {
    met.length = 0;
    walk(functions, sent, fromNode ? undefined : { kind: 'other' }, world);
    return met;
  };

  it('forwards what is not for the node, by priority', () => {
    const functions = [...everywhere, probe('prerouting', -100, 'nat', translateTo('10.244.0.1'))];
    expect(way(functions, packet)).toEqual([
      'prerouting nat 10.96.0.1',
      'prerouting filter 10.244.0.1',
      'forward filter 10.244.0.1',
      'postrouting filter 10.244.0.1',
    ]);
  });

  it('decides the addresses of what the node sends to itself once', () => {
    const nat = [probe('output', -100, 'nat'), probe('prerouting', -100, 'nat')];
    expect(way([...everywhere, ...nat], { ...packet, destination: '192.0.2.1' }, true)).toEqual([
      'output nat 192.0.2.1',
      'output filter 192.0.2.1',
      'postrouting filter 192.0.2.1',
      'prerouting filter 192.0.2.1',
      'input filter 192.0.2.1',
    ]);
  });

  it('asks output and postrouting about what IPVS sends on, but not nat', () => {
    const ipvs = probe('input', 99, 'ipvs', translateTo('10.244.0.1', { verdict: 'sent' }, true));
    const nat = probe('output', -100, 'nat');
    expect(way([...everywhere, ipvs, nat], { ...packet, destination: '192.0.2.1' })).toEqual([
      'prerouting filter 192.0.2.1',
      'input filter 192.0.2.1',
      'input ipvs 192.0.2.1',
      'output filter 10.244.0.1',
      'postrouting filter 10.244.0.1',
    ]);
  });

  it('translates later packets where nat stands, and asks filters about an established connection', () => {
    const functions = [
      probe('prerouting', -110, 'filter'),
      probe('prerouting', -100, 'nat', translateTo('10.244.0.1')),
      probe('forward', 0, 'filter'),
    ];
    met.length = 0;
    const outcomes = walkEstablished(functions, packet, { kind: 'other' }, world);
    expect(outcomes.map(({ fate }) => fate)).toMatchObject([{ kind: 'delivered', address: '10.244.0.1' }]);
    expect(met.slice(3)).toEqual(['prerouting filter 10.96.0.1 established', 'forward filter 10.244.0.1 established']);
  });

  it('loopback addresses stay on the host', () => {
    const toLoopback = { ...packet, destination: '127.0.0.1' };
    expect(walk([], toLoopback, { kind: 'other' }, world)[0]?.fate.kind).toBe('dropped');
    expect(walk([], toLoopback, { kind: 'other' }, { ...world, routeLocalnet: true })[0]?.fate.kind).toBe('delivered');
    const ipv6: Packet = { ...packet, family: 'ipv6', source: 'fd00::1', destination: '::1' };
    expect(walk([], ipv6, { kind: 'other' }, { ...world, family: 'ipv6', routeLocalnet: true })[0]?.fate.kind).toBe(
      'dropped',
    );
  });
});

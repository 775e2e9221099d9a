/** What must hold of the iptables rules of any cluster. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileObjects, PLAIN_LINES, wholeText } from '../support/compile-objects.js';
import { type RestoreTable, readRestoreInput } from '../support/restore-input.js';
import { type RandomCluster, randomCluster, shuffledCluster } from './random-cluster.js';

const RUNS = { numRuns: 100 };

function rulesOf(cluster: RandomCluster): readonly ReadonlyMap<string, RestoreTable>[] {
  return compileObjects(cluster, 'iptables').families.map(({ texts }) => readRestoreInput(texts.rules ?? ''));
}

const SERVICE_CHAIN = /^KUBE-(SVC|SVL|EXT|FW|SEP)-[A-Z2-7]{16}$/;
const BUILT_IN_TARGETS = ['ACCEPT', 'DROP', 'REJECT', 'RETURN', 'MARK', 'MASQUERADE', 'DNAT'];

describe('iptables rules of random clusters', () => {
  it('are the same for any order of the objects', () => {
    fc.assert(
      fc.property(shuffledCluster, ([cluster, shuffled]) => {
        const text = wholeText(compileObjects(cluster, 'iptables'));
        expect(wholeText(compileObjects(shuffled, 'iptables')) === text).toBe(true);
      }),
      RUNS,
    );
  });

  it('jump only to chains that are declared, once each', () => {
    fc.assert(
      fc.property(randomCluster, (cluster) => {
        for (const tables of rulesOf(cluster)) {
          for (const { chains, rules } of tables.values()) {
            expect(new Set(chains).size).toBe(chains.length);
            const known = new Set([...chains, ...BUILT_IN_TARGETS]);
            expect(rules.filter(({ chain }) => !chains.includes(chain))).toEqual([]);
            expect(rules.filter(({ target }) => target !== undefined && !known.has(target))).toEqual([]);
          }
        }
      }),
      RUNS,
    );
  });

  it('leave no chain of a service port empty or out of reach', () => {
    fc.assert(
      fc.property(randomCluster, (cluster) => {
        for (const tables of rulesOf(cluster)) {
          for (const { chains, rules } of tables.values()) {
            const reached = new Set(['KUBE-SERVICES', 'KUBE-NODEPORTS']);
            for (const chain of reached) {
              for (const rule of rules) if (rule.chain === chain && rule.target !== undefined) reached.add(rule.target);
            }
            for (const chain of chains.filter((each) => SERVICE_CHAIN.test(each))) {
              expect(reached).toContain(chain);
              expect(rules.some((rule) => rule.chain === chain)).toBe(true);
            }
          }
        }
      }),
      RUNS,
    );
  });

  it('give each endpoint of a balancing chain exactly 1/n', () => {
    let chainsSeen = 0;
    fc.assert(
      fc.property(randomCluster, (cluster) => {
        for (const tables of rulesOf(cluster)) {
          const nat = tables.get('nat');
          for (const chain of nat?.chains.filter((each) => /^KUBE-SV[CL]-/.test(each)) ?? []) {
            chainsSeen++;
            expectEvenShares(nat?.rules.filter((rule) => rule.chain === chain).map((rule) => rule.args) ?? []);
          }
        }
      }),
      RUNS,
    );
    expect(chainsSeen).toBeGreaterThan(100);
  });

  it('are printable ASCII, one word apart', () => {
    fc.assert(
      fc.property(randomCluster, (cluster) => {
        for (const { texts } of compileObjects(cluster, 'iptables').families) {
          for (const text of Object.values(texts)) expect(text).toMatch(PLAIN_LINES);
        }
      }),
      RUNS,
    );
  });
});

/**
 * Walks a chain's balancing rules with exact fractions: a probability is read as 1/k, which its ten decimals must
 * be those of, and what is left after each rule is carried on as a fraction.
 */
function expectEvenShares(rules: readonly (readonly string[])[]): void {
  const balancing = rules.filter((args) => !args.includes('--rcheck') && args.at(-1)?.startsWith('KUBE-SEP-'));
  const n = BigInt(balancing.length);
  expect(n).toBeGreaterThan(0n);
  let left = { numerator: 1n, denominator: 1n };
  for (const args of balancing) {
    const at = args.indexOf('--probability');
    const text = at < 0 ? '1' : (args[at + 1] ?? '');
    const k = BigInt(Math.round(1 / Number(text)));
    if (at >= 0) expect(text).toBe((1 / Number(k)).toFixed(10));
    // The share is left * 1/k; it must be 1/n.
    expect(left.numerator * n).toBe(left.denominator * k);
    left = { numerator: left.numerator * (k - 1n), denominator: left.denominator * k };
  }
  expect(left.numerator).toBe(0n);
}

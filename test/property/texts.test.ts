/** Texts of random clusters as data. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  compile,
  loadCluster,
  normalRuleText,
  partText,
  printIpset,
  printIpvsadm,
  printXtables,
  type RuleSpec,
  readIpset,
  readIpvsadm,
  readXtables,
  ruleOf,
  withRule,
} from '../../src/index.js';
import { type RandomCluster, randomCluster } from './random-cluster.js';

function texts({ objects, config, node }: RandomCluster): readonly { readonly part: string; readonly text: string }[] {
  const { state } = loadCluster(objects.map((object) => ({ object })));
  return (['iptables', 'ipvs'] as const).flatMap((mode) =>
    compile(state, { mode, config, node }).parts.map((part) => ({ part: part.part, text: partText(part) })),
  );
}

function again(part: string, text: string): string | undefined {
  if (part === 'rules') return printXtables(readXtables({ name: 'x', text }).text);
  if (part === 'ipvsadm') return printIpvsadm(readIpvsadm({ name: 'x', text }).table);
  return part === 'ipset' ? printIpset(readIpset({ name: 'x', text }).sets) : undefined;
}

it('what we compile prints as it was read', () => {
  fc.assert(
    fc.property(randomCluster, (cluster) => {
      for (const { part, text } of texts(cluster)) expect(again(part, text) ?? text).toBe(text);
    }),
    { numRuns: 60 },
  );
});

/** Values that say again what others say. */
const DERIVED = new Set(['family', 'prefixLength', 'writtenPrefixLength', 'hadHostBits', 'kind']);

/** Every rule that differs from a rule in one value. */
function changes(value: unknown): readonly unknown[] {
  if (typeof value === 'boolean') return [!value];
  if (typeof value === 'number') return [value + 1];
  if (typeof value === 'string') return [`x${value}`];
  if (Array.isArray(value)) {
    return value.flatMap((each, i) => [
      value.toSpliced(i, 1),
      ...changes(each).map((changed) => value.with(i, changed)),
    ]);
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) =>
    DERIVED.has(key) ? [] : changes(each).map((changed) => ({ ...value, [key]: changed })),
  );
}

it('a rule that was changed in any value is never the same in normal form', () => {
  let count = 0;
  fc.assert(
    fc.property(randomCluster, (cluster) => {
      const rules = texts(cluster)
        .filter(({ part }) => part === 'rules')
        .flatMap(({ text }) => readXtables({ name: 'x', text }).text.tables)
        .flatMap(({ lines }) => lines.filter((line) => line.kind === 'rule'));
      for (const rule of rules.filter((_, i) => i % 5 === 0)) {
        const spec = ruleOf(rule);
        const normal = normalRuleText(spec);
        expect(normalRuleText(ruleOf(withRule(rule, spec)))).toBe(normal);
        for (const changed of changes(spec) as readonly RuleSpec[]) {
          expect(normalRuleText(changed)).not.toBe(normal);
          count++;
        }
      }
    }),
    { numRuns: 40 },
  );
  expect(count).toBeGreaterThan(1000);
});

/** The changed lines of all Services together are those of the whole texts. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compile, loadCluster, located, partText, type RawObject } from '../../../src/index.js';
import { type DiffSide, diffTraffic } from '../../../src/inspect/diff/diff.js';
import { PROXY_MODES } from '../../../src/kube/config.js';
import { randomCluster } from '../../property/random-cluster.js';
import { sideOfState } from './cluster.js';

/** Lines of unified diffs that begin with a sign, each behind the name of its part. */
function signed(diffs: readonly string[], sign: '+' | '-'): ReadonlySet<string> {
  const lines = new Set<string>();
  let part = '';
  for (const line of diffs.flatMap((diff) => diff.split('\n'))) {
    // No line of rules begins like this: `-- old` would be a rule that begins with a blank option.
    const header = /^(?:---|\+\+\+) (?:old|new)\/(\S+)$/.exec(line);
    if (header !== null) part = header[1] ?? '';
    else if (line.startsWith(sign)) lines.add(`${part} ${line.slice(1)}`);
  }
  return lines;
}

function linesOf({ state, node, mode, config }: DiffSide): ReadonlySet<string> {
  const { parts } = compile(state, { node: node.name, mode, config });
  const lines = parts.flatMap((part) => {
    const texts = partText(part).split('\n').slice(0, -1);
    return texts.map((line) => `${part.name} ${line}`);
  });
  return new Set(lines);
}

const without = (lines: ReadonlySet<string>, others: ReadonlySet<string>) =>
  [...lines].filter((line) => !others.has(line)).sort();

it('no changed line is missing, and none is there that is on both sides', () => {
  const runs = fc.record({
    cluster: randomCluster,
    isKept: fc.infiniteStream(fc.nat(3)),
    mode: fc.constantFrom(...PROXY_MODES),
  });
  fc.assert(
    fc.property(runs, ({ cluster: { objects, config, node }, isKept, mode }) => {
      const some = objects.filter(({ kind }) => kind === 'Node' || isKept.next().value !== 0);
      const side = (list: readonly RawObject[]) =>
        sideOfState(loadCluster(located([...list])).state, config, { mode, node });
      const [before, after] = [side(objects), side(some)];
      const diffs = diffTraffic(before, after, { rules: true }).rules.map(({ diff }) => diff);
      const [removed, added] = [signed(diffs, '-'), signed(diffs, '+')];
      const [old, now] = [linesOf(before), linesOf(after)];
      expect(without(removed, added)).toEqual(without(old, now));
      expect(without(added, removed)).toEqual(without(now, old));
    }),
    { numRuns: 25 },
  );
});

/** What diff says of single changes, of modes, and of random clusters. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadCluster, located } from '../../../src/index.js';
import { diffTraffic } from '../../../src/inspect/diff/diff.js';
import { PROXY_MODES } from '../../../src/kube/config.js';
import { randomCluster } from '../../property/random-cluster.js';
import { CHANGES, EQUAL_CHANGES, SETTINGS_CHANGES } from './changes.js';
import { changed, sideOfState, told } from './cluster.js';

describe('equal traffic', () => {
  it.each(EQUAL_CHANGES)('$name', ({ patch, old, now, told: expected }) => {
    const diff = changed(patch, old, now);
    expect(told(diff)).toEqual(expected);
    expect(diff.same).toBe(true);
  });
});

describe('changes', () => {
  it.each(CHANGES)('$name', ({ patch, old, now, told: expected }) => {
    const diff = changed(patch, old, now);
    expect(told(diff)).toEqual(expected);
    expect(diff.same).toBe(false);
  });
});

describe('configurations, modes and nodes', () => {
  it.each(SETTINGS_CHANGES)('$name', ({ patch, old, now, told: expected }) => {
    const diff = changed(patch, old, now);
    expect(told(diff)).toEqual(expected);
    expect(diff.same).toBe(false);
  });
});

const modes = fc.constantFrom(...PROXY_MODES);

it('a cluster is equal to itself, in whatever order its objects come', () => {
  const runs = randomCluster.chain((cluster) =>
    fc.record({
      cluster: fc.constant(cluster),
      shuffled: fc.shuffledSubarray([...cluster.objects], { minLength: cluster.objects.length }),
      mode: modes,
    }),
  );
  fc.assert(
    fc.property(runs, ({ cluster: { objects, config, node }, shuffled, mode }) => {
      const side = (list: typeof shuffled) => sideOfState(loadCluster(located(list)).state, config, { mode, node });
      const diff = diffTraffic(side([...objects]), side(shuffled));
      expect(diff).toMatchObject({ same: true, sameRules: true, services: [], renamed: [] });
    }),
    { numRuns: 25 },
  );
});

it('what is added one way is removed the other way', () => {
  fc.assert(
    fc.property(randomCluster, randomCluster, modes, modes, (a, b, mode, otherMode) => {
      const sides = [
        sideOfState(loadCluster(located([...a.objects])).state, a.config, { mode, node: a.node }),
        sideOfState(loadCluster(located([...b.objects])).state, b.config, { mode: otherMode, node: b.node }),
      ] as const;
      const there = diffTraffic(sides[0], sides[1]);
      const back = diffTraffic(sides[1], sides[0]);
      expect(back.same).toBe(there.same);
      expect([back.added, back.removed, back.unchanged]).toEqual([there.removed, there.added, there.unchanged]);
      const targets = (diff: typeof there, key: 'added' | 'removed') =>
        diff.services.flatMap((each) => each[key].map(({ target }) => target)).sort();
      expect(targets(back, 'added')).toEqual(targets(there, 'removed'));
      expect(targets(back, 'removed')).toEqual(targets(there, 'added'));
      const endpoints = (diff: typeof there, key: 'gained' | 'lost') =>
        diff.services.flatMap(({ effects }) => effects.flatMap((each) => each[key])).sort();
      expect(endpoints(back, 'gained')).toEqual(endpoints(there, 'lost'));
      expect(back.settings.map(({ name, before, after }) => [name, after, before])).toEqual(
        there.settings.map(({ name, before, after }) => [name, before, after]),
      );
    }),
    { numRuns: 25 },
  );
});

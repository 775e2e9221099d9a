/** What takes too long for the unit tests: all cases and many changes on the kernel in memory (see ipvs-kernel.ts). */
import { expect, test } from 'vitest';
import { expectCases, expectSteps, ipvsCases, ipvsParts, wantedParts } from '../support/ipvs-applier.js';
import { RANDOM_NODE, randomChanges } from './random-changes.js';

test('IPVS in memory: every case over the one before', { timeout: 120_000 }, async () => {
  const cases = ipvsCases();
  expect(cases.length).toBeGreaterThan(100);
  await expectCases(cases);
});

test('IPVS in memory: 300 random changes', { timeout: 240_000 }, async () => {
  const steps = Array.from(randomChanges(20_261_121, 300), ({ objects, config }) =>
    wantedParts(ipvsParts(objects, { config, name: RANDOM_NODE })),
  );
  await expectSteps(steps);
});

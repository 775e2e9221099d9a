/** IPVS mode brought from any case to any other, and through many changes, on a kernel in memory (see ipvs-kernel.ts). */
import { expect, it } from 'vitest';
import type { Wanted } from '../../src/apply/wanted.js';
import { RANDOM_NODE, randomChanges } from '../kernel/random-changes.js';
import { expectCases, expectSteps, ipvsCases, ipvsParts, kernelFor, wantedParts } from '../support/ipvs-applier.js';
import { expectFlow } from '../support/ipvs-fates.js';
import { STATES } from '../support/ipvs-states.js';

it('every case over the one before', async () => {
  const cases = ipvsCases();
  expect(cases.length).toBeGreaterThan(100);
  await expectCases(cases);
});

it('300 random changes', async () => {
  const steps = Array.from(randomChanges(20_261_121, 300), ({ objects, config }) =>
    wantedParts(ipvsParts(objects, { config, name: RANDOM_NODE })),
  );
  await expectSteps(steps);
});

it('between any two states of a Service every connection ends as before or as afterwards', async () => {
  const kernel = kernelFor(STATES);
  let lines = 0;
  for (const before of STATES) for (const after of STATES) lines += await expectFlow(kernel, before, after);
  expect(lines).toBeGreaterThan(1000);
});

it('during 25 random changes every connection ends as before or as afterwards', async () => {
  const steps = Array.from(randomChanges(3, 25), ({ objects, config }) =>
    wantedParts(ipvsParts(objects, { config, name: RANDOM_NODE })),
  );
  const kernel = kernelFor(steps);
  let before: readonly Wanted[] = [];
  for (const after of steps) {
    await expectFlow(kernel, before, after);
    before = after;
  }
});

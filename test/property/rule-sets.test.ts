/** Scripts for nft of all kinds of clusters are printed as they were read, and survive as a listing. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compile, loadCluster, partText } from '../../src/index.js';
import { expectedScripts, expectFaithful, expectListable } from '../backends/nftables/support.js';
import { findCases } from '../support/case.js';
import { CONFORMANCE, isMissing } from '../support/shared.js';
import { randomCluster } from './random-cluster.js';

it('those of random clusters', () => {
  fc.assert(
    fc.property(randomCluster, ({ objects, config, node }) => {
      const { state } = loadCluster(objects.map((object) => ({ object })));
      for (const part of compile(state, { mode: 'nftables', config, node }).parts) {
        expectFaithful(partText(part));
        expectListable(partText(part));
      }
    }),
    { numRuns: 25 },
  );
});

it.skipIf(isMissing(CONFORMANCE))('those that kube-proxy wrote for clusters of the conformance corpus', () => {
  let count = 0;
  for (const folder of findCases(CONFORMANCE)) {
    for (const text of expectedScripts(folder)) {
      count++;
      expectFaithful(text);
      expectListable(text);
    }
  }
  expect(count).toBeGreaterThan(100);
});

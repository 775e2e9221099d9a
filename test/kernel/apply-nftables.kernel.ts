/** kube-proxy's table in a real kernel, brought from any state to any other by as little as differs. */
import { describe, expect, test } from 'vitest';
import { verify } from '../../src/index.js';
import { caseName, expectedTexts, findCases, loadCase } from '../support/case.js';
import { compileObjects } from '../support/compile-objects.js';
import { applyHost, applyTo, writingCommands } from './apply-host.js';
import { bring, type Table, wanted } from './apply-tables.js';
import { skipWithReason } from './available.js';
import { root, withHost } from './load-suite.js';
import { listing, nftUnavailable } from './nftables.js';
import { families } from './places.js';
import { RANDOM_NODE, randomChanges } from './random-changes.js';
import { caseShare, RANDOM_CHANGES } from './sizes.js';

const skip = skipWithReason('applying tables with nft', await withHost('check', nftUnavailable));

const cases = findCases(root).map((folder) => {
  const texts = expectedTexts(folder, 'nftables');
  const tables = families.map((family): Table => ({ family, script: texts.get(`nftables.${family}.nft`) ?? '' }));
  return { name: caseName(folder), folder, tables };
});

describe.skipIf(skip)('nftables', () => {
  test.concurrent.for(caseShare(cases, 1).map((each) => [each.name, each] as const))(
    'into an empty host, %s',
    async ([, { folder, tables }], { expect }) => {
      await withHost('node', async (host) => {
        const applier = applyHost(host);
        await bring(host, tables, applier);
        const text = await listing(host, '-s');
        const { state, config, node } = loadCase(folder, 'nftables');
        const dumps = [{ name: 'listing', text }];
        expect(verify({ state, config, mode: 'nftables', node, dumps }).findings).toEqual([]);
        applier.forget();
        expect((await applyTo(applier, wanted(tables))).areas).toEqual([]);
        expect(applier.done.length).toBeGreaterThan(0);
        expect(writingCommands(applier)).toEqual([]);
        expect(await listing(host, '-s')).toBe(text);
      });
    },
  );

  test('over the case before', async () => {
    await withHost('node', async (host) => {
      for (const { tables } of cases) await bring(host, tables);
    });
  });

  test(`after every one of ${RANDOM_CHANGES} random changes`, async () => {
    const seed = 20_260_701;
    await withHost('node', async (host) => {
      const applier = applyHost(host);
      let number = 0;
      for (const { objects, config } of randomChanges(seed, RANDOM_CHANGES)) {
        number++;
        const compiled = compileObjects({ objects, config, node: RANDOM_NODE }, 'nftables').families;
        const tables = compiled.map(({ plan, texts }) => ({ family: plan.node.family, script: texts.nft ?? '' }));
        try {
          await bring(host, tables, applier);
        } catch (error) {
          throw new Error(`seed ${seed}, change ${number}`, { cause: error });
        }
      }
      // Most steps change something in at least one family.
      expect(writingCommands(applier).length).toBeGreaterThan(RANDOM_CHANGES);
      const replaced = applier.done.filter(({ input }) => input?.includes('delete table') ?? false);
      // The first load of each family.
      expect(replaced).toHaveLength(2);
    });
  });
});

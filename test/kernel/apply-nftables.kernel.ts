/** kube-proxy's table in a real kernel, brought from any state to any other by as little as differs. */
import { describe, expect, test } from 'vitest';
import { tableArea } from '../../src/apply/table-area.js';
import type { Wanted } from '../../src/apply/wanted.js';
import { verify } from '../../src/index.js';
import { caseName, expectedTexts, findCases, loadCase } from '../support/case.js';
import { compileObjects } from '../support/compile-objects.js';
import { type ApplyHost, applyHost, applyTo, writingCommands } from './apply-host.js';
import { skipWithReason } from './available.js';
import type { Host } from './host.js';
import { root, withHost } from './load-suite.js';
import { listedState, tableName, writtenState } from './nft-normal-form.js';
import { listing, loadScript, nftUnavailable } from './nftables.js';
import { type Family, families } from './places.js';
import { RANDOM_NODE, randomChanges } from './random-changes.js';

const skip = skipWithReason('applying tables with nft', await withHost('check', nftUnavailable));

/** A table to apply. */
interface Table {
  readonly family: Family;
  readonly script: string;
}

const cases = findCases(root).map((folder) => {
  const texts = expectedTexts(folder, 'nftables');
  const tables = families.map((family): Table => ({ family, script: texts.get(`nftables.${family}.nft`) ?? '' }));
  return { name: caseName(folder), folder, tables };
});

function wanted(tables: readonly Table[]): Wanted[] {
  return tables.map((table) => ({ kind: 'nftables', ...table }));
}

/** kube-proxy's table of a family as nft lists it; undefined where there is none. */
async function tableOf(host: Host, family: Family): Promise<string | undefined> {
  const argv = ['nft', '-y', '-T', 'list', 'table', ...tableName(family).split(' ')];
  const [result] = await host.run([{ argv, allow: [0, 1] }]);
  return result?.status === 0 ? result.stdout : undefined;
}

/** Applies, and compares what the kernel has with what the scripts say. */
async function bring(host: Host, tables: readonly Table[], applier: ApplyHost = applyHost(host)): Promise<void> {
  await applyTo(applier, wanted(tables));
  for (const { family, script } of tables) {
    const listed = await tableOf(host, family);
    const state = listed === undefined ? undefined : listedState(listed, family);
    expect(state).toEqual(script === '' ? undefined : writtenState(script, family));
  }
}

describe.skipIf(skip)('nftables', () => {
  test.concurrent.for(cases.map((each) => [each.name, each] as const))(
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

  test('after every one of 200 random changes', { timeout: 120_000 }, async () => {
    const seed = 20_260_701;
    await withHost('node', async (host) => {
      const applier = applyHost(host);
      let number = 0;
      for (const { objects, config } of randomChanges(seed, 200)) {
        number++;
        const compiled = compileObjects({ objects, config, node: RANDOM_NODE }, 'nftables').families;
        const tables = compiled.map(({ plan, texts }) => ({ family: plan.node.family, script: texts.nft ?? '' }));
        try {
          await bring(host, tables, applier);
        } catch (error) {
          throw new Error(`seed ${seed}, change ${number}`, { cause: error });
        }
      }
      const replaced = applier.done.filter(({ input }) => input?.includes('delete table') ?? false);
      // The first load of each family.
      expect(replaced).toHaveLength(2);
    });
  });
});

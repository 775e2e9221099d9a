/** Loads every recorded case into a kernel with IPVS and reads back all that it made there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { skipWithReason } from './available.js';
import type { Texts } from './backend.js';
import { startHost } from './host.js';
import { emptyKernel, ipvsUnavailable, loadScript, parseStates, readScript, runScript, stateOf } from './ipvs.js';
import { root } from './load-suite.js';

function cases(): [name: string, texts: Texts][] {
  return (existsSync(root) ? readdirSync(root).sort() : []).flatMap((name): [string, Texts][] => {
    const folder = join(root, name, 'expected');
    const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.startsWith('ipvs.')) : [];
    if (files.length === 0) return [];
    return [[name, new Map(files.map((file) => [file, readFileSync(join(folder, file), 'utf8')]))]];
  });
}

const host = await startHost('load');
afterAll(() => host.close());
const skip = skipWithReason('loading IPVS', await ipvsUnavailable(host));
const all = cases();

test(`there are cases below ${root}`, () => {
  expect(all.length).toBeGreaterThan(0);
});

/** Loads texts twice and expects what they say, in a network namespace of their own that ends with the script. */
async function expectLoaded(texts: Texts): Promise<void> {
  const written = stateOf(texts);
  const read = readScript(Object.keys(written.parameters));
  const twice = loadScript(texts, emptyKernel()) + read + loadScript(texts, written) + read;
  expect(parseStates(await runScript(host, twice, true))).toEqual([written, written]);
}

describe.skipIf(skip)('ipvs', () => {
  test.for(all)('%s', ([, texts]) => expectLoaded(texts));

  // Every recorded case has the kernel's own timeouts.
  test('other timeouts, one of them left as it is', async () => {
    const file = 'ipvs.ipv4.ipvsadm';
    const texts = new Map(all[0]?.[1]);
    await expectLoaded(texts.set(file, `--set 100 0 33\n${texts.get(file) ?? ''}`));
  });
});

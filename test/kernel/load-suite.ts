/** Loads every recorded case into a kernel and reads it back: the same chains, and in each the same rules in order. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { skipWithReason, variantUnavailable } from './available.js';
import { type Host, startHost } from './host.js';
import { readSetup, restore, runSetup, save, type Variant } from './iptables.js';
import { applyRestore, applySetup, emptyTables, type TableState } from './normal-form.js';
import { type Family, families } from './places.js';

/** The folder with one folder a case; KUBERULES_GOLDEN names another of the same layout. */
export const root = process.env.KUBERULES_GOLDEN ?? fileURLToPath(new URL('../../golden', import.meta.url));

interface Case {
  readonly name: string;
  readonly family: Family;
  readonly rules: string;
  readonly setup: string;
}

function cases(): Case[] {
  const found: Case[] = [];
  for (const name of existsSync(root) ? readdirSync(root).sort() : []) {
    for (const family of families) {
      const file = (part: string): string => join(root, name, 'expected', `iptables.${family}.${part}`);
      if (!existsSync(file('rules'))) continue;
      found.push({
        name,
        family,
        rules: readFileSync(file('rules'), 'utf8'),
        setup: readFileSync(file('setup'), 'utf8'),
      });
    }
  }
  return found;
}

export async function withHost<Result>(name: string, use: (host: Host) => Promise<Result>): Promise<Result> {
  const host = await startHost(name);
  try {
    return await use(host);
  } finally {
    await host.close();
  }
}

/** One test for each case and family, each in a network namespace of its own. */
export async function loadSuite(variant: Variant): Promise<void> {
  const reason = await withHost('check', (host) => variantUnavailable(host, variant));
  const skip = skipWithReason(`loading rules with iptables-${variant}`, reason);
  const all = cases();

  test(`there are cases below ${root}`, () => {
    expect(all.length).toBeGreaterThan(0);
  });

  describe.skipIf(skip)(`iptables-${variant}`, () => {
    test.concurrent.for(all.map((one) => [`${one.name} ${one.family}`, one] as const))(
      '%s',
      async ([, one], { expect }) => {
        const { family, rules, setup: setupText } = one;
        const setup = readSetup(setupText);
        const written = emptyTables();
        applySetup(written, setup.commands, family);
        applyRestore(written, rules, family);

        const [once, twice, parameters] = await withHost('node', async (host) => {
          const load = async (): Promise<string> => {
            await runSetup(host, family, variant, setup);
            await restore(host, family, variant, rules);
            return save(host, family, variant);
          };
          // Writing the parameters again returns the values that the setup left.
          return [await load(), await load(), await host.sysctl(setup.parameters)];
        });

        const read: TableState = {};
        applyRestore(read, once, family);
        expect(read).toEqual(written);
        expect(twice).toBe(once);
        expect(parameters).toEqual(setup.parameters);
      },
    );
  });
}

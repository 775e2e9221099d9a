/** kube-proxy's tables brought into a host of the kernel tests, and compared with what the scripts say. */
import { expect } from 'vitest';
import type { Wanted } from '../../src/apply/wanted.js';
import { type ApplyHost, applyHost, applyTo } from './apply-host.js';
import type { Host } from './host.js';
import { listedState, tableName, writtenState } from './nft-normal-form.js';
import type { Family } from './places.js';

/** A table to apply. */
export interface Table {
  readonly family: Family;
  readonly script: string;
}

/** What tables want of a host; an empty script stands for no table. */
export function wanted(tables: readonly Table[]): Wanted[] {
  return tables.map((table) => ({ kind: 'nftables', ...table }));
}

/** kube-proxy's table of a family as nft lists it; undefined where there is none. */
export async function tableOf(host: Host, family: Family): Promise<string | undefined> {
  const argv = ['nft', '-y', '-T', 'list', 'table', ...tableName(family).split(' ')];
  const [result] = await host.run([{ argv, allow: [0, 1] }]);
  return result?.status === 0 ? result.stdout : undefined;
}

/** Applies, and compares what the kernel has with what the scripts say. */
export async function bring(host: Host, tables: readonly Table[], applier: ApplyHost = applyHost(host)): Promise<void> {
  await applyTo(applier, wanted(tables));
  for (const { family, script } of tables) {
    const listed = await tableOf(host, family);
    const state = listed === undefined ? undefined : listedState(listed, family);
    expect(state).toEqual(script === '' ? undefined : writtenState(script, family));
  }
}

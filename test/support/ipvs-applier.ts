/** The applier of IPVS mode against a host of tests: what cases want, and what a host has that had nothing before. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type ApplyResult, apply } from '../../src/apply/apply.js';
import { areaOf, leftoversOf, textsOf, wantedOf } from '../../src/apply/areas.js';
import type { Host } from '../../src/apply/host.js';
import type { Wanted } from '../../src/apply/wanted.js';
import {
  compile,
  DEFAULT_CONFIG,
  hasErrors,
  loadCluster,
  type Part,
  type ProxyConfig,
  type RawObject,
} from '../../src/index.js';
import { caseName, findCases, loadCase } from './case.js';
import { createIpvsKernel, type IpvsKernel, type KernelState } from './ipvs-kernel.js';

/** The folder of the applier: removed when the process ends. */
export const folder = mkdtempSync(join(tmpdir(), 'kuberules-ipvs-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** How to apply; by default real servers do not wait for connections. */
export interface BringOptions {
  readonly drain?: number;
  readonly dryRun?: boolean;
  /** The former states go here. */
  readonly saved?: Wanted[];
  readonly now?: () => number;
  /** What happens while the applier waits. */
  readonly sleep?: (milliseconds: number) => void | Promise<void>;
}

/** Applies as `kuberules apply` does. */
export async function bring(host: Host, wanted: readonly Wanted[], options: BringOptions = {}): Promise<ApplyResult> {
  const { drain = 0, dryRun = false, saved = [], now = () => 0, sleep = () => {} } = options;
  const clock = { now, sleep: async (milliseconds: number) => sleep(milliseconds) };
  const create = (each: Wanted) => areaOf(each, { host, wait: 5, drain, dryRun, folder, clock, progress: () => {} });
  const result = await apply({
    host,
    areas: wanted.map(create),
    areaOf: create,
    dryRun,
    save: (former) => {
      saved.push(...former);
    },
    progress: () => {},
  });
  if (!dryRun) await result.finish();
  return result;
}

/** Nothing of IPVS, and no rules of the one variant that the tests use. */
export const NOTHING = leftoversOf(undefined).filter(
  (each) => each.kind === 'ipvs' || (each.kind === 'xtables' && each.variant === 'legacy'),
);

/** What parts want; nothing of a family that they have not. */
export function wantedParts(parts: readonly Part[], excludeCIDRs: readonly string[] = []): readonly Wanted[] {
  const wanted = wantedOf('ipvs', textsOf(parts), 'legacy', excludeCIDRs);
  return [...wanted, ...NOTHING.filter(({ family }) => wanted.every((each) => each.family !== family))];
}

/** The parts of mode ipvs for objects without errors, on the node of small-cluster.ts. */
export function ipvsParts(
  objects: readonly RawObject[],
  { config = DEFAULT_CONFIG, name = 'here' }: { readonly config?: ProxyConfig; readonly name?: string } = {},
): readonly Part[] {
  const { state, diagnostics } = loadCluster(objects.map((object) => ({ object })));
  expect(hasErrors(diagnostics)).toBe(false);
  return compile(state, { mode: 'ipvs', config, node: name }).parts;
}

/** The commands that do more than read. */
export const READING = /^(ip -o |ipset save$|ipvsadm -(S|L) |ip6?tables(-legacy)?(-save| --version)$)/;

/** A golden case in mode ipvs. */
export interface IpvsCase {
  readonly name: string;
  readonly folder: string;
  readonly wanted: readonly Wanted[];
}

/** Every golden case. */
export function ipvsCases(): readonly IpvsCase[] {
  return findCases('golden').map((path) => {
    const { state, config, node } = loadCase(path, 'ipvs');
    const { parts } = compile(state, { mode: 'ipvs', config, ...(node === undefined ? {} : { node }) });
    return { name: caseName(path), folder: path, wanted: wantedParts(parts) };
  });
}

/** Addresses of nodes, where node ports are: of those of virtual servers the ones that are not on kube-ipvs0. */
export function nodeAddresses(wanted: readonly Wanted[]): readonly string[] {
  return wanted.flatMap((each) => {
    if (each.kind !== 'ipvs') return [];
    const bound = new Set(each.addresses.split('\n'));
    const all = [...each.ipvsadm.matchAll(/^-A \S+ \[?([^\]\s]+?)\]?:\d+ /gm)].map(([, address = '']) => address);
    const length = each.family === 'ipv4' ? 24 : 64;
    return all.filter((address) => !bound.has(address)).map((address) => `${address}/${length}`);
  });
}

/** A kernel in memory that has addresses for all this. */
export function kernelFor(all: readonly (readonly Wanted[])[]): IpvsKernel {
  return createIpvsKernel([...new Set(all.flatMap(nodeAddresses))]);
}

/** What a kernel has that had nothing before; timeouts apart, which nobody sets back. */
export async function freshState(
  wanted: readonly Wanted[],
  kernel: IpvsKernel,
): Promise<Omit<KernelState, 'timeouts'>> {
  const eth0 = kernel.state().addresses.eth0 ?? [];
  const fresh = createIpvsKernel(eth0);
  await bring(fresh, wanted);
  return stateOf(fresh);
}

/** What a kernel has, timeouts apart. */
export function stateOf(kernel: IpvsKernel): Omit<KernelState, 'timeouts'> {
  const { timeouts: _, ...state } = kernel.state();
  return state;
}

/** Applies cases one over the other; each leaves what it says and nothing to do. */
export async function expectCases(cases: readonly IpvsCase[]): Promise<void> {
  const kernel = kernelFor(cases.map(({ wanted }) => wanted));
  for (const { name, wanted } of cases) {
    await bring(kernel, wanted);
    expect(stateOf(kernel), name).toEqual(await freshState(wanted, kernel));
    kernel.done.length = 0;
    expect((await bring(kernel, wanted)).areas, name).toEqual([]);
    expect(
      kernel.done.filter((text) => !READING.test(text)),
      name,
    ).toEqual([]);
  }
}

/** Applies steps one after the other; each leaves what a full apply leaves. */
export async function expectSteps(steps: readonly (readonly Wanted[])[]): Promise<void> {
  const kernel = kernelFor(steps);
  for (const wanted of steps) {
    await bring(kernel, wanted);
    expect(stateOf(kernel)).toEqual(await freshState(wanted, kernel));
  }
}

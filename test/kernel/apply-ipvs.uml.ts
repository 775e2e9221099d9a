/**
 * IPVS mode in a real kernel, brought from any state to any other: in the first network namespace of user-mode-linux,
 * as the applier reads and writes files of the kernel itself.
 */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { apply } from '../../src/apply/apply.js';
import { areaOf, leftoversOf, textsOf, wantedOf } from '../../src/apply/areas.js';
import { type Command, commandText, createHost, type Host } from '../../src/apply/host.js';
import type { Wanted } from '../../src/apply/wanted.js';
import { compile, type Part, type RawObject, verify } from '../../src/index.js';
import { caseName, findCases, loadCase } from '../support/case.js';
import { compileObjects } from '../support/compile-objects.js';
import { node, service, slice } from '../support/small-cluster.js';
import { skipWithReason } from './available.js';
import { closeHosts, type Host as Namespace, startHost } from './host.js';
import { type IpvsState, ipvsUnavailable, parseStates, readScript, stateOf } from './ipvs.js';
import { root } from './load-suite.js';

const folder = mkdtempSync(join(tmpdir(), 'kuberules-ipvs-'));
const check = await startHost('check');
const skip = skipWithReason('applying IPVS', await ipvsUnavailable(check));
await check.close();
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const real = createHost(folder);

/** What was run since it was emptied, and what it printed. */
const done: (Command & { readonly stdout: string })[] = [];
const recorded: Host = {
  ...real,
  async run(command) {
    const finished = await real.run(command);
    done.push({ ...command, stdout: finished.stdout });
    return finished;
  },
  write(path, text) {
    done.push({ program: 'tee', args: [path], stdout: '' });
    real.write(path, text);
  },
};

const READING = /^(ip -o |ipset save$|ipvsadm -(S|L) |ip6?tables(-legacy)?(-save$| --version$| -t \w+ -S ))/;

function writingCommands(): readonly string[] {
  return done.map(commandText).filter((text) => !READING.test(text));
}

interface Options {
  readonly host?: Host;
  readonly drain?: number;
  /** What happens while the applier waits. */
  readonly sleep?: () => Promise<void>;
  readonly now?: () => number;
}

/** Applies as `kuberules apply` does. */
async function bring(wanted: readonly Wanted[], options: Options = {}) {
  const { host = recorded, drain = 0, sleep = async () => {}, now = Date.now } = options;
  const create = (each: Wanted) =>
    areaOf(each, { host, wait: 5, drain, folder, clock: { now, sleep }, progress: () => {} });
  done.length = 0;
  return apply({ host, areas: wanted.map(create), areaOf: create, dryRun: false, save: () => {}, progress: () => {} });
}

/** What nothing is left of: no IPVS, and no chains of the variant under test. */
const NOTHING = leftoversOf(undefined).filter((each) => each.kind === 'ipvs' || isLegacy(each));

function isLegacy(wanted: Wanted): boolean {
  return wanted.kind === 'xtables' && wanted.variant === 'legacy';
}

/** What the parts want; nothing of a family that they have not. */
function wantedParts(parts: readonly Part[], excludeCIDRs: readonly string[] = []): readonly Wanted[] {
  const wanted = wantedOf('ipvs', textsOf(parts), 'legacy', excludeCIDRs);
  return [...wanted, ...NOTHING.filter(({ family }) => wanted.every((each) => each.family !== family))];
}

function textMap(parts: readonly Part[]): ReadonlyMap<string, string> {
  return new Map(parts.map((part) => [part.name, part.pieces.join('')]));
}

function shell(script: string): string {
  return execFileSync('sh', { input: `set -e\n${script}`, encoding: 'utf8' });
}

function kernelState(parameters: readonly string[]): IpvsState | undefined {
  return parseStates(shell(readScript(parameters)))[0];
}

/** Expects that the kernel has what the texts say, and nothing else. */
function expectState(parts: readonly Part[]): void {
  const { timeouts: _, ...state } = stateOf(textMap(parts) as never);
  expect(kernelState(Object.keys(state.parameters))).toMatchObject(state);
}

function empty(): void {
  shell(
    [
      ...['iptables-legacy', 'ip6tables-legacy'].flatMap((program) =>
        ['nat', 'filter'].map((table) => `${program} -t ${table} -F\n${program} -t ${table} -X\n`),
      ),
      'ipset destroy\nipvsadm -C\nif ip link show dev kube-ipvs0 >/dev/null 2>&1; then ip link delete kube-ipvs0; fi\n',
    ].join(''),
  );
}

describe.skipIf(skip)('ipvs', () => {
  beforeEach(empty);

  const folders = findCases(root);

  test('cases one over the other', { timeout: 300_000 }, async () => {
    const started = Date.now();
    for (const [i, each] of folders.entries()) {
      if (i % 2 === 1) continue;
      const { state, config, node: name } = loadCase(each, 'ipvs');
      const { parts } = compile(state, { mode: 'ipvs', config, ...(name === undefined ? {} : { node: name }) });
      const wanted = wantedParts(parts);
      await bring(wanted);
      expect((await bring(wanted)).areas, caseName(each)).toEqual([]);
      expect(writingCommands(), caseName(each)).toEqual([]);
      expectState(parts);
      const dumps = done
        .filter(({ stdout, args }) => stdout !== '' && !/version|link|modprobe|-L/.test(args.join(' ')))
        .map(({ stdout, program }, j) => ({
          name: String(j),
          text: stdout,
          ...(program.startsWith('iptables') ? { family: 'ipv4' as const } : {}),
          ...(program.startsWith('ip6tables') ? { family: 'ipv6' as const } : {}),
        }));
      const found = verify({ state, config, mode: 'ipvs', node: name, dumps: unique(dumps) });
      expect(found.diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
      expect(found.findings, caseName(each)).toEqual([]);
    }
    console.log(`cases: ${Date.now() - started} ms`);
  });
});

/** Both families read the same sets, addresses and virtual servers. */
function unique<Dump extends { readonly text: string }>(dumps: readonly Dump[]): readonly Dump[] {
  return [...new Map(dumps.map((dump) => [dump.text.replace(/^#.*$/gm, ''), dump])).values()];
}

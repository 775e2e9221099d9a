/** The applier against a host of the kernel tests: the same code that a user runs, inside a network namespace. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { type ApplyResult, apply } from '../../src/apply/apply.js';
import { areaOf, textsOf, wantedOf } from '../../src/apply/areas.js';
import { type Command, commandText, createHost, type Host } from '../../src/apply/host.js';
import type { Variant, Wanted } from '../../src/apply/wanted.js';
import type { Part, ProxyMode } from '../../src/index.js';
import type { Host as Namespace } from './host.js';

/** The folder of the applier: removed at the end of the test file that uses this. */
const folder = mkdtempSync(join(tmpdir(), 'kuberules-apply-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A host as the applier sees it, which also remembers what was done to it. */
export interface ApplyHost extends Host {
  /** Every program that was run and every parameter that was written, since the last `forget`. */
  readonly done: readonly Command[];
  forget(): void;
}

/**
 * A network namespace as a host. Its programs run there, and below /proc it has what the namespace has.
 * @param files texts that stand for files of the host, by path
 */
export function applyHost(namespace: Namespace, files: Readonly<Record<string, string>> = {}): ApplyHost {
  const enter = [`--net=/proc/${namespace.pid}/ns/net`, '--'];
  const host = createHost(folder);
  const done: Command[] = [];
  return {
    done,
    forget: () => {
      done.length = 0;
    },
    async run(command) {
      done.push(command);
      const { program, args, input } = command;
      const finished = await host.run({ program: 'nsenter', args: [...enter, program, ...args], input });
      // What a program would be that is not there.
      const isMissing = finished.status === 127 && finished.stderr.startsWith('nsenter: failed to execute');
      return isMissing ? { ...finished, status: undefined, trouble: 'ENOENT' } : finished;
    },
    read(path) {
      if (files[path] !== undefined) return files[path];
      try {
        return execFileSync('nsenter', [...enter, 'cat', path], { encoding: 'utf8', stdio: 'pipe' });
      } catch {
        return undefined;
      }
    },
    write(path, text) {
      done.push({ program: 'tee', args: [path], input: text });
      execFileSync('nsenter', [...enter, 'tee', path], { input: text, stdio: 'pipe' });
    },
  };
}

/** What is applied of a mode. */
export interface Applied {
  readonly mode: ProxyMode;
  /** Of iptables; of no meaning in mode nftables. */
  readonly variant: Variant;
}

/** What compiled parts want of a host. */
export function wantedParts(parts: readonly Part[], { mode, variant }: Applied): readonly Wanted[] {
  return wantedOf(mode, textsOf(parts), variant);
}

/** Connections are not waited for. */
const UNDER_TEST = {
  wait: 60,
  drain: 0,
  dryRun: false,
  folder,
  clock: { now: Date.now, sleep: async () => {} },
  progress: () => {},
};

/** Applies as `kuberules apply` does; the former states go to `saved`. */
export async function applyTo(host: Host, wanted: readonly Wanted[], saved: Wanted[] = []): Promise<ApplyResult> {
  const create = (each: Wanted) => areaOf(each, { ...UNDER_TEST, host });
  const result = await apply({
    host,
    areas: wanted.map(create),
    areaOf: create,
    dryRun: false,
    save: (former) => {
      saved.push(...former);
    },
    progress: () => {},
  });
  await result.finish();
  return result;
}

/** The commands that did more than read, as people would type them. */
export function writingCommands({ done }: ApplyHost): readonly string[] {
  return done.map(commandText).filter((text) => !READING.test(text));
}

const READING =
  /^\S+ --version$|^nft -s -y list |^ip6?tables(-\w+)?-save\b|^ip6?tables(-\w+)? -t \w+ -S |^ipvsadm -S|^ipset save$/;

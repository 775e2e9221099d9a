/** The program itself, as its users run it, in the network namespace of a host. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';
import { onTestFinished } from 'vitest';
import type { Host } from './host.js';

/** How it ended. */
interface Ended {
  /** undefined where a signal ended it. */
  readonly status: number | undefined;
  readonly out: string;
  readonly err: string;
}

/** How to run it. */
export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Run before it in the same process, such as `setpriv ...`. */
  readonly prefix?: readonly string[];
  /** In milliseconds: it is killed then, with a signal that nothing can catch. */
  readonly killAfter?: number;
}

/** A program that can be run on hosts. */
export interface Program {
  run(host: Host, args: readonly string[], options?: RunOptions): Promise<Ended>;
  /** Its file, for processes that a test starts by itself. */
  readonly path: string;
  remove(): void;
}

/** Builds the program, as TypeScript takes longer to start than it runs. */
export async function buildProgram(): Promise<Program> {
  // Two folders below package.json, as the program's own files are.
  const folder = mkdtempSync(join('node_modules', '.kuberules-test-'));
  await build({
    entryPoints: ['src/cli/main.ts'],
    bundle: true,
    splitting: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    outdir: folder,
    logLevel: 'silent',
  });
  // Readable for those without privileges as well.
  chmodSync(folder, 0o755);
  const path = join(process.cwd(), folder, 'main.js');
  return {
    path,
    run: (host, args, options = {}) =>
      start([...(options.prefix ?? []), process.execPath, path, ...args], host, options),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function start(argv: readonly string[], host: Host, { input, env, killAfter }: RunOptions): Promise<Ended> {
  return new Promise((resolve, reject) => {
    // By its full name, as PATH may be that of a host without it.
    const child = spawn('/usr/bin/nsenter', [`--net=/proc/${host.pid}/ns/net`, ...argv], {
      stdio: 'pipe',
      env: { ...process.env, ...env },
    });
    const chunks = { out: [] as Buffer[], err: [] as Buffer[] };
    child.stdout.on('data', (chunk: Buffer) => chunks.out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.err.push(chunk));
    child.stdin.on('error', () => {});
    child.on('error', reject);
    const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfter);
    child.on('exit', (status) => {
      clearTimeout(timer);
      const end = () =>
        resolve({
          status: status ?? undefined,
          out: Buffer.concat(chunks.out).toString(),
          err: Buffer.concat(chunks.err).toString(),
        });
      // Programs that it started may hold its output open when it was killed.
      if (status === null) end();
      else child.on('close', end);
    });
    child.stdin.end(input ?? '');
  });
}

/** Resolves when nothing but the agent runs on a host any more: what was killed may have left programs that end. */
export async function settled(host: Host): Promise<void> {
  const namespace = readlinkSync(`/proc/${host.pid}/ns/net`);
  for (;;) {
    const inside = readdirSync('/proc').filter(
      (name) => /^\d+$/.test(name) && name !== String(host.pid) && isIn(name, namespace),
    );
    if (inside.length === 0) return;
    await sleep(5);
  }
}

function isIn(pid: string, namespace: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`) === namespace;
  } catch {
    // It ended meanwhile.
    return false;
  }
}

/** A folder of its own, removed when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'kuberules-apply-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

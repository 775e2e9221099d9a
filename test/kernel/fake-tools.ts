/** Programs that stand in for those of a host, and programs in their way. */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Where the programs of a host are. */
export const FOLDERS = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** The file of a program. */
export function realPath(name: string): string {
  const folder = FOLDERS.find((each) => existsSync(join(each, name)));
  if (folder === undefined) throw new Error(`${name} is not installed`);
  return join(folder, name);
}

/** Puts a program of ours into a folder; gives the environment in which that folder is in front of the real ones. */
export function fake(folder: string, name: string, script: string): Readonly<Record<string, string>> {
  const path = join(folder, 'fake');
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, name), `#!/bin/sh\n${script}`);
  chmodSync(join(path, name), 0o755);
  return { PATH: `${path}:${FOLDERS.join(':')}` };
}

/** Has another program hold the xtables lock until the test ends; gives what ends it before. */
export async function holdLock(file: string): Promise<() => void> {
  const holder = spawn('flock', [file, 'sh', '-c', 'echo held; cat'], { stdio: ['pipe', 'pipe', 'ignore'] });
  onTestFinished(() => void holder.kill());
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  return () => holder.stdin.end();
}

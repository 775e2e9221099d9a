/** The lock of the state folder, so that two of us do not write at once. */
import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder, unwritable } from './folder.js';
import { isRunning, processMark } from './process-mark.js';
import { ApplyError, trouble } from './trouble.js';

/** Takes the lock; gives the function that frees it. Rejects where another process has it. */
export function takeLock(folder: string): () => void {
  makeFolder(folder);
  const path = join(folder, 'lock');
  const draft = join(folder, `.${randomUUID()}`);
  try {
    // Made beside it, so that nobody ever reads half of it.
    writeFileSync(draft, processMark(process.pid) ?? '', { flag: 'wx', mode: 0o600 });
    while (!isLinked(draft, path)) {
      const holder = read(path);
      if (holder === undefined) continue;
      if (isRunning(holder)) throw heldBy(holder);
      // It was killed; what it left half done is found by reading the rules.
      removeStale(path, holder, folder);
    }
    return () => rmSync(path, { force: true });
  } catch (error) {
    throw error instanceof ApplyError ? error : unwritable(path, error);
  } finally {
    rmSync(draft, { force: true });
  }
}

function heldBy(holder: string): ApplyError {
  const message = `another kuberules (process ${holder.split(' ')[0]}) is changing the rules.`;
  return trouble('lock-held', message, 'Run it again when that has ended.');
}

/** Gives a file a second name; false where that is taken. */
function isLinked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // It was freed meanwhile.
    return undefined;
  }
}

/** Removes the lock of a dead process, unless somebody else was faster and the lock is theirs by now. */
function removeStale(path: string, holder: string, folder: string): void {
  const aside = join(folder, `.${randomUUID()}`);
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  if (read(aside) !== holder) isLinked(aside, path);
  rmSync(aside, { force: true });
}

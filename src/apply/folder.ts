/** The state folder of the applier. All that is in it is of no use after a restart of the host. */
import { lstatSync, mkdirSync } from 'node:fs';
import { type ApplyError, trouble } from './trouble.js';

/** Makes the folder if it is missing; rejects one in which others could put files or links. */
export function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unwritable(folder, error);
  }
  const { mode, uid } = lstatSync(folder);
  const isOurs = uid === 0 || uid === process.geteuid?.();
  if ((mode & 0o170000) === 0o040000 && isOurs && (mode & 0o022) === 0) return;
  throw trouble(
    'unwritable-state',
    `${folder} is no folder that only this user can write to, so nothing was changed.`,
    'Others could say there what is written into the kernel: give another folder with --state-dir.',
  );
}

/** What could not be written, before anything is changed. */
export function unwritable(path: string, error: unknown): ApplyError {
  const why = error instanceof Error ? error.message : String(error);
  const hint = 'Give another folder with --state-dir.';
  return trouble('unwritable-state', `${path} cannot be written (${why}), so nothing was changed.`, hint);
}

/** The folder of the applier: what was there before, and who is at work. Both are of no use after a restart of the host. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isFields } from '../kube/fields.js';
import { FAMILIES } from '../net/family.js';
import { ApplyError, trouble } from './trouble.js';
import type { Wanted } from './wanted.js';

/** What is in a file of a saved state. */
interface SavedState {
  /** The version of this form. */
  readonly kuberules: 1;
  readonly wanted: readonly Wanted[];
}

/** So many of them are kept. */
const MOST_SAVED = 10;

/**
 * Saves a state; rejects without a trace if it cannot be.
 * @param name of the file
 * @returns its path
 */
export function saveState(folder: string, name: string, wanted: readonly Wanted[]): string {
  const path = join(folder, name);
  const draft = join(folder, `.${randomUUID()}`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const state: SavedState = { kuberules: 1, wanted };
    writeFileSync(draft, `${JSON.stringify(state, undefined, 1)}\n`, { mode: 0o600 });
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw unwritable(path, error);
  }
  const saved = readdirSync(folder).filter((each) => /^before-.*\.json$/.test(each));
  for (const each of saved.sort().slice(0, -MOST_SAVED)) rmSync(join(folder, each), { force: true });
  return path;
}

function unwritable(path: string, error: unknown): ApplyError {
  const why = error instanceof Error ? error.message : String(error);
  const hint = 'Give another folder with --state-dir.';
  return trouble('unwritable-state', `${path} cannot be written (${why}), so nothing was changed.`, hint);
}

/** Reads a saved state; rejects where a file is none. */
export function readState(path: string): readonly Wanted[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw trouble(
      'unreadable-input',
      `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
    );
  }
  const state = parseJson(text);
  const { kuberules, wanted } = isFields(state) ? state : {};
  if (kuberules !== 1 || !Array.isArray(wanted) || !wanted.every(isWanted)) {
    const hint = 'Give a file that `kuberules apply` saved.';
    throw trouble('unreadable-input', `${path} holds no saved state.`, hint);
  }
  return wanted;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The fields of each kind that are texts. */
const TEXTS: Readonly<Record<Wanted['kind'], readonly string[]>> = {
  xtables: ['rules', 'setup'],
  nftables: ['script'],
  ipvs: ['ipvsadm', 'ipset', 'addresses'],
};

function isWanted(value: unknown): value is Wanted {
  if (!isFields(value) || !FAMILIES.some((family) => family === value.family)) return false;
  const { kind, variant, clean, xtables } = value;
  if (kind !== 'xtables' && kind !== 'nftables' && kind !== 'ipvs') return false;
  if (!TEXTS[kind].every((name) => typeof value[name] === 'string')) return false;
  if (kind === 'xtables') return (variant === 'nft' || variant === 'legacy') && typeof clean === 'boolean';
  if (kind === 'nftables') return true;
  const { excludeCIDRs } = value;
  if (!Array.isArray(excludeCIDRs) || !excludeCIDRs.every((cidr) => typeof cidr === 'string')) return false;
  return xtables === undefined || isWanted(xtables);
}

/** Takes the lock of the folder, so that two of us do not write at once; gives the function that frees it. */
export function takeLock(folder: string): () => void {
  const path = join(folder, 'lock');
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (let attempt = 0; ; attempt++) {
      try {
        writeFileSync(path, String(process.pid), { flag: 'wx', mode: 0o600 });
        return () => rmSync(path, { force: true });
      } catch (error) {
        const isThere = error instanceof Error && 'code' in error && error.code === 'EEXIST';
        if (!isThere || attempt > 0) throw error;
        const holder = Number(readFileSync(path, 'utf8'));
        if (isRunning(holder)) {
          throw trouble(
            'lock-held',
            `another kuberules (process ${holder}) is changing the rules.`,
            'Run it again when that has ended.',
          );
        }
        // It was killed; what it left half done is found by reading the rules.
        rmSync(path, { force: true });
      }
    }
  } catch (error) {
    throw error instanceof ApplyError ? error : unwritable(path, error);
  }
}

/** Whether a process is there. */
export function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

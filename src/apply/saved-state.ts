/** What was there before an apply, in a file. */
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isFields } from '../kube/fields.js';
import { FAMILIES } from '../net/family.js';
import { makeFolder, unwritable } from './folder.js';
import { trouble } from './trouble.js';
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
  makeFolder(folder);
  try {
    const state: SavedState = { kuberules: 1, wanted };
    writeFileSync(draft, `${JSON.stringify(state, undefined, 1)}\n`, { mode: 0o600 });
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw unwritable(path, error);
  }
  // The new one stays even if the clock was set back and its name is not the last.
  const others = readdirSync(folder).filter((each) => /^before-.*\.json$/.test(each) && each !== name);
  for (const each of others.sort().slice(0, 1 - MOST_SAVED)) rmSync(join(folder, each), { force: true });
  return path;
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
  return xtables === undefined || (isFields(xtables) && xtables.kind === 'xtables' && isWanted(xtables));
}

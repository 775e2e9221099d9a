/**
 * The way back for remote hands. Before rules are written a process of its own is started, the guard, which goes back
 * to what was saved unless somebody confirms in time: also when the session ends with the network, and when the apply
 * is killed in the middle.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isFields } from '../kube/fields.js';
import { isRunning } from './folder.js';
import { trouble } from './trouble.js';

/** What waits for being confirmed. */
interface Pending {
  /** The saved state to go back to. */
  readonly restore: string;
  /** The process that writes the rules. */
  readonly writer: number;
  /** When it is too late, in milliseconds since 1970; 0 as long as the rules are being written. */
  readonly deadline: number;
}

/** How often it is looked whether somebody confirmed, in milliseconds. */
const POLL = 100;

function pendingFile(folder: string): string {
  return join(folder, 'pending.json');
}

function readPending(folder: string): Pending | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(pendingFile(folder), 'utf8'));
    if (!isFields(value)) return undefined;
    const { restore, writer, deadline } = value;
    if (typeof restore !== 'string' || typeof writer !== 'number' || typeof deadline !== 'number') return undefined;
    return { restore, writer, deadline };
  } catch {
    return undefined;
  }
}

function writePending(folder: string, pending: Pending): void {
  writeFileSync(pendingFile(folder), JSON.stringify(pending), { mode: 0o600 });
}

/** Starts the guard; to be called when the state is saved and before anything is written. */
export function startGuard(folder: string, restore: string, wait: number): void {
  if (readPending(folder) !== undefined) {
    throw trouble(
      'lock-held',
      'an earlier apply still waits for being confirmed.',
      'Confirm it with `kuberules apply --confirm`.',
    );
  }
  writePending(folder, { restore, writer: process.pid, deadline: 0 });
  const log = openSync(join(folder, 'guard.log'), 'a', 0o600);
  const [program = ''] = process.argv.slice(1);
  const args = ['apply', '--guard', '--restore', restore, '--state-dir', folder, '--wait', String(wait)];
  const child = spawn(process.execPath, [...process.execArgv, program, ...args], {
    detached: true,
    stdio: ['ignore', log, log],
  });
  child.unref();
  closeSync(log);
}

/** The rules are written: from now on the time counts. */
export function armGuard(folder: string, seconds: number): void {
  const pending = readPending(folder);
  if (pending !== undefined) writePending(folder, { ...pending, deadline: Date.now() + seconds * 1000 });
}

/** Confirms what is pending; false where nothing is. */
export function confirm(folder: string): boolean {
  const isPending = readPending(folder) !== undefined;
  rmSync(pendingFile(folder), { force: true });
  return isPending;
}

/** Waits until it is confirmed or too late; true for confirmed. */
export async function confirmed(folder: string): Promise<boolean> {
  for (;;) {
    const pending = readPending(folder);
    if (pending === undefined) return true;
    if (pending.deadline > 0 && Date.now() > pending.deadline) return false;
    // Whoever was writing is gone, so nobody can tell what is in force.
    if (pending.deadline === 0 && !isRunning(pending.writer)) return false;
    await sleep(POLL);
  }
}

/** Waits until the guard has gone back. */
export async function noneIsPending(folder: string): Promise<void> {
  while (readPending(folder) !== undefined) await sleep(POLL);
}

/** The guard went back, so nothing is pending any more. */
export function forgetPending(folder: string): void {
  rmSync(pendingFile(folder), { force: true });
}

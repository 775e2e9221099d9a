/**
 * The way back for remote hands. Before rules are written a process of its own is started, the guard, which goes back
 * to what was saved unless somebody confirms in time: also when the session ends with the network, and when the apply
 * is killed in the middle.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isFields } from '../kube/fields.js';
import { unwritable } from './folder.js';
import { commandText } from './host.js';
import { isRunning, processMark } from './process-mark.js';
import { trouble } from './trouble.js';
import { USUAL_FOLDER } from './usual-folder.js';

/** What waits for being confirmed. */
interface Pending {
  /** The process that writes the rules, and the one that goes back. Both as `processMark` has them. */
  readonly writer: string;
  readonly guard: string;
  /** When it is too late, in milliseconds of `uptime`; 0 as long as the rules are being written. */
  readonly deadline: number;
}

/** How often it is looked whether somebody confirmed, in milliseconds. */
const POLL = 100;

/** The guard is so much later than those who confirm, in milliseconds: nobody is told that the rules stay when they go. */
const GRACE = 500;

/** In milliseconds, the same for all processes: setting the clock of the host does not move it. */
function uptime(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

function pendingFile(folder: string): string {
  return join(folder, 'pending.json');
}

function readPending(folder: string): Pending | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(pendingFile(folder), 'utf8'));
    if (!isFields(value)) return undefined;
    const { writer, guard, deadline } = value;
    if (typeof writer !== 'string' || typeof guard !== 'string' || typeof deadline !== 'number') return undefined;
    return { writer, guard, deadline };
  } catch {
    return undefined;
  }
}

/** In one go: whoever reads half of it would take it for confirmed. */
function writePending(folder: string, pending: Pending): void {
  const draft = join(folder, `.${randomUUID()}`);
  writeFileSync(draft, JSON.stringify(pending), { flag: 'wx', mode: 0o600 });
  renameSync(draft, pendingFile(folder));
}

/** Nothing is pending any more. */
export function forgetPending(folder: string): void {
  rmSync(pendingFile(folder), { force: true });
}

/** Rejects while an earlier apply waits for being confirmed: the guard would take back whatever is written now. */
export function demandNothingPending(folder: string): void {
  const pending = readPending(folder);
  // What a guard left that was killed is of no meaning.
  if (pending === undefined || !isRunning(pending.guard)) return;
  const hint = `Confirm it with \`${confirmCommand(folder)}\`, or wait until the rules before are back.`;
  throw trouble('lock-held', 'an earlier apply waits for being confirmed.', hint);
}

/** What confirms it from another login. */
export function confirmCommand(folder: string): string {
  const where = folder === USUAL_FOLDER ? [] : ['--state-dir', folder];
  return commandText({ program: 'kuberules', args: ['apply', '--confirm', ...where] });
}

/** Where a guard says what it does. */
export function guardLog(folder: string): string {
  return join(folder, 'guard.log');
}

function openLog(path: string): number {
  try {
    return openSync(path, 'a', 0o600);
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** How a guard ended. */
type GuardEnd = 'confirmed' | 'went back' | 'failed';

/** The exit status of a guard that went back; 0 says that it had not to. */
export const WENT_BACK = 3;

/** A guard at work. */
export interface Guard {
  readonly ended: Promise<GuardEnd>;
}

/**
 * Starts the guard, and waits until it is at work; to be called when the state is saved and before anything is written.
 * @param restore the saved state to go back to
 */
export async function startGuard(folder: string, restore: string, wait: number): Promise<Guard> {
  const log = guardLog(folder);
  const output = openLog(log);
  const [program = ''] = process.argv.slice(1);
  const args = ['apply', '--guard', '--restore', restore, '--state-dir', folder, '--wait', String(wait)];
  const child = spawn(process.execPath, [...process.execArgv, program, ...args], {
    detached: true,
    stdio: ['ignore', output, output, 'ipc'],
  });
  closeSync(output);
  const ended = new Promise<GuardEnd>((resolve) => {
    child.once('error', () => resolve('failed'));
    child.once('exit', (code) => resolve(code === 0 ? 'confirmed' : code === WENT_BACK ? 'went back' : 'failed'));
  });
  const isReady = await Promise.race([
    new Promise<boolean>((resolve) => child.once('message', () => resolve(true))),
    ended.then(() => false),
  ]);
  if (!isReady) {
    const message = 'the process that goes back unless somebody confirms does not start, so nothing was changed.';
    throw trouble('command-failed', message, `${log} tells why.`);
  }
  const [writer = '', guard = ''] = [process.pid, child.pid ?? 0].map(processMark);
  writePending(folder, { writer, guard, deadline: 0 });
  // It begins to look now.
  child.disconnect();
  return { ended };
}

/** The rules are written: from now on the time counts. */
export function armGuard(folder: string, seconds: number): void {
  const pending = readPending(folder);
  if (pending !== undefined) writePending(folder, { ...pending, deadline: uptime() + seconds * 1000 });
}

/** Confirms what is pending; rejects where nothing is, and too early or too late. */
export function confirm(folder: string): void {
  const pending = readPending(folder);
  if (pending === undefined || !isRunning(pending.guard)) throw trouble('usage', 'no apply waits for being confirmed.');
  if (pending.deadline === 0) {
    throw trouble('usage', 'the rules are still being written.', 'Confirm when that is done.');
  }
  if (uptime() > pending.deadline) throw trouble('not-confirmed', 'it is too late: the rules before are coming back.');
  forgetPending(folder);
}

/** What a guard waits for. */
type Verdict = 'confirmed' | 'too late' | 'writer gone';

/** The guard's part: waits for what becomes of the apply. */
export async function awaitVerdict(folder: string): Promise<Verdict> {
  if (process.connected) {
    const isFreed = new Promise((resolve) => process.once('disconnect', resolve));
    process.send?.('ready');
    await isFreed;
  }
  for (;;) {
    const pending = readPending(folder);
    if (pending === undefined) return 'confirmed';
    if (pending.deadline > 0 && uptime() > pending.deadline + GRACE) return 'too late';
    // Whoever was writing is gone, so nobody can tell what is in force.
    if (pending.deadline === 0 && !isRunning(pending.writer)) return 'writer gone';
    await sleep(POLL);
  }
}

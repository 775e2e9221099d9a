/** The session of `kuberules apply --confirm-within`, beside the guard that goes back. */
import { armGuard, confirm, confirmCommand, type Guard, guardLog } from '../apply/guard.js';
import { ApplyError, trouble } from '../apply/trouble.js';
import { diagnostic } from '../kube/diagnostics.js';
import type { Io } from './io.js';
import { onSignal } from './signals.js';

/** An apply failed: its guard goes back at once, which changes nothing where the old rules are in force already. */
export async function withGuard(guard: Guard, folder: string, error: unknown): Promise<unknown> {
  armGuard(folder, 0);
  const isBack = (await guard.ended) === 'went back';
  if (!(error instanceof ApplyError)) return error;
  const text = isBack
    ? 'the rules before are in force again, as --confirm-within asks.'
    : `going back, as --confirm-within asks, failed as well: ${guardLog(folder)} tells why.`;
  return new ApplyError([...error.diagnostics, diagnostic('host-note', text)]);
}

/** Waits until somebody confirms; rejects where nobody does in time. */
export async function waitForConfirmation(
  guard: Guard,
  { stateDir, confirmWithin }: { readonly stateDir: string; readonly confirmWithin: number },
  io: Io,
): Promise<void> {
  armGuard(stateDir, confirmWithin);
  const how = isAtTerminal(io) ? 'yes and Enter, here, or ' : '';
  const command = confirmCommand(stateDir);
  io.err(`Confirm within ${confirmWithin} s, else the rules before come back: ${how}\`${command}\`\n`);
  const stop = confirmByWord(stateDir, io);
  const stopSaying = onSignal(() => io.err('Not confirmed: the rules before come back when the time is over.\n'));
  const end = await guard.ended;
  stopSaying();
  stop();
  if (end === 'confirmed') {
    io.err('Confirmed: the new rules stay.\n');
    return;
  }
  const [message, hint] =
    end === 'went back'
      ? ['nobody confirmed in time, so the rules before were brought back.', 'tells how that went.']
      : [
          'nobody confirmed, and going back failed: the new rules may be in force.',
          'tells why; `--restore` tries again.',
        ];
  throw trouble('not-confirmed', message, `${guardLog(stateDir)} ${hint}`);
}

/** Somebody at the terminal. */
function isAtTerminal({ interactive }: Io): boolean {
  return interactive && process.stdin.isTTY === true;
}

/** Confirms by a word: a mere Enter may have been pressed before the rules were written, and says nothing about them. */
function confirmByWord(folder: string, io: Io): () => void {
  if (!isAtTerminal(io)) return () => {};
  const listener = (line: Buffer): void => {
    if (line.toString().trim().toLowerCase() !== 'yes') return;
    try {
      confirm(folder);
    } catch {
      // Too late: what becomes of the rules is said in a moment.
    }
  };
  process.stdin.on('data', listener);
  return () => {
    process.stdin.off('data', listener);
    process.stdin.pause();
  };
}

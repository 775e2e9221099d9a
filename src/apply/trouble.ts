/** What can go wrong with a host, in words. */
import { type Diagnostic, type DiagnosticCode, diagnostic, hasErrors } from '../kube/diagnostics.js';
import { type Command, commandText, type Finished } from './host.js';
import { lockFile, wasLocked } from './xtables-lock.js';

/** Ends an apply or cleanup; everything to say is in the diagnostics. */
export class ApplyError extends Error {
  constructor(readonly diagnostics: readonly Diagnostic[]) {
    super(diagnostics.map(({ message }) => message).join(' '));
  }
}

/** One error. */
export function trouble(code: DiagnosticCode, message: string, hint?: string): ApplyError {
  return new ApplyError([diagnostic(code, message, { hint })]);
}

/**
 * A program that did not do what it was run for: the exact command, how it ended, what it said, and the line of its
 * input that was refused.
 * @param purpose as the end of a sentence: `to write the rules`
 */
export function commandTrouble(command: Command, finished: Finished, purpose: string): ApplyError {
  const text = `\`${commandText(command)}\``;
  if (finished.trouble === 'ENOENT') {
    const message = `${command.program} is not in PATH; it is needed ${purpose}.`;
    return trouble('missing-program', message, `Install it, or give its folder in PATH (${process.env.PATH ?? ''}).`);
  }
  if (wasLocked(command, finished)) {
    const message = `another program holds the xtables lock; ${text} gave up (exit status ${finished.status}).`;
    return trouble(
      'lock-held',
      message,
      `Find out who holds it (\`fuser -v ${lockFile()}\`), or wait longer with --wait.`,
    );
  }
  const ended = /^SIG/.test(finished.trouble) ? `ended by ${finished.trouble}` : finished.trouble;
  const how = finished.status === undefined ? ended : `exit status ${finished.status}`;
  const refused = refusedLine(finished.stderr, command.input);
  const said = firstLines(finished.stderr, refused?.whole);
  const parts = [
    `${text}, run ${purpose}, failed (${how})`,
    ...(said === '' ? [] : [`it says: ${said}`]),
    ...(refused === undefined ? [] : [`line ${refused.number} of its input: ${refused.text}`]),
  ];
  return trouble('command-failed', `${parts.join('; ')}.`);
}

/** What a program said first, but for what repeats the refused line and marks a place in it, as nft does. */
function firstLines(text: string, refused: string | undefined): string {
  const lines = text.split('\n').filter((line) => !/^[\s^~]*$/.test(line) && line !== refused);
  const shown = lines.slice(0, 3).map((line) => line.trim());
  return shown.join(' / ') + (lines.length > shown.length ? ' / ...' : '');
}

/** A line of a program's input. */
interface RefusedLine {
  readonly number: number;
  readonly whole: string;
  /** As much of it as a message has room for. */
  readonly text: string;
}

/** The line that a program complains about: `iptables-restore: line 12 failed`, `/dev/stdin:12:1-5: Error`. */
function refusedLine(stderr: string, input: string | undefined): RefusedLine | undefined {
  const [, a, b, c] = /\bline:? (\d+)|\bstdin:(\d+):|\bon line (\d+)/.exec(stderr) ?? [];
  const number = Number(a ?? b ?? c ?? Number.NaN);
  const whole = input?.split('\n')[number - 1];
  return whole === undefined || whole === '' ? undefined : { number, whole, text: whole.slice(0, 200) };
}

/** What a reader gave; its mistakes end the apply. */
export function parsed<Result extends { readonly diagnostics: readonly Diagnostic[] }, Value>(
  result: Result,
  pick: (result: Result) => Value,
): Value {
  if (hasErrors(result.diagnostics)) throw new ApplyError(result.diagnostics);
  return pick(result);
}

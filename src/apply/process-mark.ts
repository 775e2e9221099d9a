/** Which process wrote a file. A number alone is not enough, as it is given to another process some day. */
import { readFileSync } from 'node:fs';

/** `PID TICKS`, with the ticks after which it was started; undefined where no such process runs. */
export function processMark(pid: number): string | undefined {
  try {
    // The name of the program comes before it in parentheses, and may hold anything.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    const [state] = fields;
    const started = fields[19];
    return state === 'Z' || started === undefined ? undefined : `${pid} ${started}`;
  } catch {
    return undefined;
  }
}

/** Whether the process with that mark is still there. */
export function isRunning(mark: string): boolean {
  const pid = Number(mark.split(' ')[0]);
  return Number.isInteger(pid) && pid > 0 && processMark(pid) === mark;
}

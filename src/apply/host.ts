/** The host whose rules are changed: its programs, and its files below /proc. Everything that has an effect is here. */
import { randomUUID } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Version } from '../backends/version.js';

/** A program with its arguments; never a shell. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  /** What it reads from its standard input. */
  readonly input?: string | undefined;
}

/** How a program ended. */
export interface Finished {
  /** Its exit status; undefined where a signal ended it, or where it did not start. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** Why it could not be started, or what ended it: `ENOENT`, `SIGKILL`; empty otherwise. */
  readonly trouble: string;
}

/** A host. */
export interface Host {
  /** Runs a program to its end; never rejects because of what the program does. */
  run(command: Command): Promise<Finished>;
  /** A file's text, such as that of a kernel parameter; undefined where it cannot be read. */
  read(path: string): string | undefined;
  /** Writes a kernel parameter; throws what the system says. */
  write(path: string, text: string): void;
}

/** In bytes; 300,000 rules take 60 MB. */
const MOST_OUTPUT = 512 * 1024 * 1024;

/**
 * This host.
 * @param folder where inputs of programs are put for a moment; made if it is missing
 */
export function createHost(folder: string): Host {
  return {
    async run({ program, args, input }) {
      // From a file it is whole whatever becomes of this process: a transaction is never cut off by killing it.
      let stdin: number | undefined;
      try {
        if (input !== undefined) stdin = openInput(folder, input);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        return { status: undefined, stdout: '', stderr: '', trouble: `its input does not fit into ${folder}: ${why}` };
      }
      try {
        const result = await execa(program, args, {
          reject: false,
          // In a session of its own no Ctrl-C ends it halfway.
          detached: true,
          cleanup: false,
          // Any descriptor is taken; the types know only the first few.
          stdin: stdin === undefined ? 'ignore' : (stdin as 3),
          stripFinalNewline: false,
          maxBuffer: MOST_OUTPUT,
          env: { LC_ALL: 'C' },
        });
        const { exitCode, stdout, stderr, signal, code, isMaxBuffer } = result;
        const trouble = isMaxBuffer ? 'EMSGSIZE' : (code ?? signal ?? '');
        return { status: exitCode, stdout: stdout ?? '', stderr: stderr ?? '', trouble };
      } finally {
        if (stdin !== undefined) closeSync(stdin);
      }
    },
    read(path) {
      try {
        return readFileSync(path, 'utf8');
      } catch {
        return undefined;
      }
    },
    write(path, text) {
      writeFileSync(path, text);
    },
  };
}

/** A file that has no name any more, open for reading. */
function openInput(folder: string, input: string): number {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, `input-${randomUUID()}`);
  try {
    writeFileSync(path, input, { flag: 'wx', mode: 0o600 });
    return openSync(path, 'r');
  } finally {
    try {
      unlinkSync(path);
    } catch {
      // It was never made.
    }
  }
}

/** A command as people would type it, for messages. */
export function commandText({ program, args }: Command): string {
  return [program, ...args]
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ');
}

/** `[6, 18]`; of a kernel that does not tell it, empty. */
export function kernelVersion(host: Host): Version {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(host.read('/proc/sys/kernel/osrelease') ?? '') ?? [];
  return major === undefined ? [] : [Number(major), Number(minor)];
}

/** Runs the command line in this process. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Terminal } from '../../src/cli/io.js';
import { run } from '../../src/cli/program.js';

export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs one command line; nobody watches, and there are no colours. */
export async function kuberules(...args: readonly string[]): Promise<CliResult> {
  let out = '';
  let err = '';
  const code = await run(args, {
    out: async (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    interactive: false,
    color: false,
  });
  return { code, out, err };
}

/** What a terminal shows of a result, or what a file gets (undefined) while the messages go to a terminal with colours. */
export async function onTerminal(terminal: Terminal | undefined, ...args: readonly string[]): Promise<string> {
  let out = '';
  const write = async (text: string): Promise<void> => {
    out += text;
  };
  await run(args, { out: write, err: () => {}, interactive: true, color: true, terminal });
  return out;
}

/** A folder with these files, removed when the test ends. */
export function folderWith(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'kuberules-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

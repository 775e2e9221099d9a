/** Writing results: as a stream, or as files of a folder, all or none. */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type Part, partText } from '../backends/compile.js';
import { type Diagnostic, diagnostic } from '../kube/diagnostics.js';
import { show } from '../kube/fields.js';
import { reason } from './input.js';
import type { Io } from './io.js';

/** A megabyte: a text of 50 MB comes in 20,000 pieces, too many to be written one by one. */
const CHUNK = 1 << 20;

/** Writes many pieces of text in few writes. */
export async function writePieces(pieces: Iterable<string>, io: Io): Promise<void> {
  let chunk = '';
  for (const piece of pieces) {
    chunk += piece;
    if (chunk.length < CHUNK) continue;
    await io.out(chunk);
    chunk = '';
  }
  if (chunk !== '') await io.out(chunk);
}

/** A text with the name that its file has. */
export type NamedText = Pick<Part, 'name' | 'pieces'>;

/**
 * The pieces to print for some parts: as they are for one, each under a line with its name for several.
 * @param comment what begins a comment in these texts
 */
export function* printedParts(parts: readonly NamedText[], comment = '#'): Generator<string> {
  for (const part of parts) {
    if (parts.length > 1) yield `${comment} ${part.name}\n`;
    yield* part.pieces;
  }
}

/**
 * Writes each part as a file of a folder, which is made if need be. The files appear under their names only after all
 * of them could be written.
 * @returns the files' names
 * @throws what the file system throws; then no file of the folder was changed, but for a failure between renames
 */
function writeParts(folder: string, parts: readonly NamedText[]): readonly string[] {
  makeFolder(folder);
  const files = parts.map((part) => ({
    part,
    path: join(folder, part.name),
    draft: join(folder, `.${part.name}.${process.pid}`),
  }));
  try {
    for (const { part, draft } of files) writeFileSync(draft, partText(part));
    for (const { draft, path } of files) renameSync(draft, path);
  } finally {
    for (const { draft } of files) rmSync(draft, { force: true });
  }
  return files.map(({ path }) => path);
}

/** Writes the parts as `writeParts`; returns why that could not be. */
export function writeFolder(folder: string, parts: readonly NamedText[]): readonly Diagnostic[] {
  try {
    writeParts(folder, parts);
    return [];
  } catch (error) {
    return [diagnostic('unwritable-output', `${show(folder)} cannot be written: ${reason(error)}`)];
  }
}

/** Makes a folder and those above it. Node's own recursive mkdir never returns where the system refuses with ENOENT (/proc). */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  const above = dirname(resolve(folder));
  if (!existsSync(above)) makeFolder(above);
  mkdirSync(folder);
}

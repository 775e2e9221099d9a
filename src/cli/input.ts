/** Reading what `-f` names: files, folders and standard input. */
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DumpText } from '../inspect/verify/dumps.js';
import { type Diagnostic, diagnostic } from '../kube/diagnostics.js';
import type { SourceText } from '../kube/objects.js';
import type { Family } from '../net/family.js';
import { compareBytes } from '../net/text.js';

/** The texts, and one diagnostic for each thing that could not be read. */
export interface InputTexts {
  readonly sources: readonly SourceText[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Files that are read from a folder, as with kubectl. */
const MANIFEST = /\.(json|yaml|yml)$/;

/** Larger than any listing of objects, and below what one string can hold. */
export const MAX_BYTES = 400 * 1024 * 1024;

/** How much is read at a time. */
const PIECE_BYTES = 1024 * 1024;

const STDIN = 0;

/** From this size on, reading is announced on a terminal. */
const LARGE_BYTES = 4 * 1024 * 1024;

/**
 * Reads files, folders (their .json, .yaml and .yml files; with `recursive` those of folders inside, too) and
 * standard input (`-`), in the order given; files of a folder by name.
 */
export function readInputs(
  names: readonly string[],
  options: { readonly recursive: boolean; readonly progress: (text: string) => void },
): InputTexts {
  const sources: SourceText[] = [];
  const diagnostics: Diagnostic[] = [];
  const add = (name: string, file: string | number): void => {
    const result = readText(name, file, options.progress);
    if ('text' in result) sources.push(result);
    else diagnostics.push(result);
  };
  if (names.filter((name) => name === '-').length > 1) {
    return { sources, diagnostics: [unreadable('<stdin>', 'standard input can be read only once.')] };
  }
  for (const name of names) {
    if (name === '-') add('<stdin>', STDIN);
    else for (const file of expand(name, options.recursive, diagnostics)) add(file, file);
  }
  return { sources, diagnostics };
}

/** Reads one file that must be there, for instance a configuration. */
export function readInputFile(name: string): SourceText | Diagnostic {
  return name === '-' ? readText('<stdin>', STDIN, () => {}) : readText(name, name, () => {});
}

/** Reads what a program printed. */
export function readDumpFile(name: string): SourceText | Diagnostic {
  const read = readInputFile(name);
  return 'text' in read || read.code !== 'binary-input'
    ? read
    : { ...read, hint: 'Give what a program printed as text.' };
}

/** Dumps of a node, and what is wrong with their files. */
export interface ReadDumpFiles {
  readonly dumps: readonly DumpText[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads the dumps of a node; `ipv6=FILE` says which family one is of, where its content does not tell. */
export function readDumpFiles(names: readonly string[]): ReadDumpFiles {
  const dumps: DumpText[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const name of names) {
    const [, family, file = name] = /^(ipv[46])=(.+)$/.exec(name) ?? [];
    const read = readDumpFile(file);
    if ('text' in read) dumps.push({ ...read, family: family as Family | undefined });
    else diagnostics.push(read);
  }
  return { dumps, diagnostics };
}

/** The error that standard input is asked for twice, if it is: by names of files of objects and of dumps. */
export function repeatedStdin(filename: readonly string[] = [], dump: readonly string[] = []): readonly Diagnostic[] {
  const names = [...filename, ...dump].filter((name) => name === '-' || /^ipv[46]=-$/.test(name));
  return names.length > 1 ? [diagnostic('usage', 'standard input can be read only once.')] : [];
}

/** The files that a name stands for. */
function expand(name: string, recursive: boolean, diagnostics: Diagnostic[]): readonly string[] {
  try {
    if (!statSync(name).isDirectory()) return [name];
    const found = filesIn(name, recursive);
    if (found.length === 0) {
      diagnostics.push(
        unreadable(
          name,
          'the folder holds no .json, .yaml or .yml file.',
          recursive ? undefined : 'Folders inside are read with -R.',
        ),
      );
    }
    return found;
  } catch (error) {
    diagnostics.push(unreadable(name, reason(error)));
    return [];
  }
}

function filesIn(folder: string, recursive: boolean): readonly string[] {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => compareBytes(a.name, b.name));
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    // A link that leads nowhere is no folder; as a file it is named when it cannot be read.
    const isFolder = entry.isSymbolicLink() ? isFolderBehind(path) : entry.isDirectory();
    if (isFolder) return recursive && !entry.isSymbolicLink() ? filesIn(path, recursive) : [];
    return MANIFEST.test(entry.name) ? [path] : [];
  });
}

function isFolderBehind(link: string): boolean {
  return statSync(link, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Reads a file as text, or says why not. */
function readText(name: string, file: string | number, progress: (text: string) => void): SourceText | Diagnostic {
  const binary = (message: string): Diagnostic =>
    diagnostic('binary-input', message, { place: { file: name }, hint: 'Give YAML or JSON in UTF-8.' });
  let bytes: Buffer;
  try {
    const read = readBytes(file);
    if ('refused' in read) return binary(read.refused);
    bytes = read.bytes;
  } catch (error) {
    return unreadable(name, reason(error));
  }
  if (bytes.length >= LARGE_BYTES) progress(`reading ${name} (${megabytes(bytes.length)})`);
  try {
    return { name, text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return binary('this is no UTF-8 text.');
  }
}

/**
 * The bytes of a file, read piece by piece: a disk image, or a device that never ends, is refused at its first NUL, and
 * whatever is too large to be manifests at the limit.
 */
function readBytes(file: string | number): { bytes: Buffer } | { refused: string } {
  const descriptor = typeof file === 'number' ? file : openSync(file, 'r');
  try {
    const pieces: Buffer[] = [];
    for (let length = 0; ; ) {
      const piece = Buffer.allocUnsafe(PIECE_BYTES);
      const count = readPiece(descriptor, piece);
      if (count === 0) return { bytes: Buffer.concat(pieces) };
      const nul = piece.subarray(0, count).indexOf(0);
      if (nul >= 0)
        return { refused: length === 0 ? nulReason(piece, nul) : `byte ${length + nul + 1} is NUL: this is no text.` };
      // A pipe gives little at a time; keeping its whole piece would take many times the size of the text.
      pieces.push(count === piece.length ? piece : Buffer.from(piece.subarray(0, count)));
      length += count;
      if (length > MAX_BYTES) return { refused: `it has more than the ${megabytes(MAX_BYTES)} that are read.` };
    }
  } finally {
    if (descriptor !== STDIN) closeSync(descriptor);
  }
}

/** What a NUL near the beginning of a file means. */
function nulReason(bytes: Buffer, nul: number): string {
  const mark = bytes.readUInt16BE(0);
  return mark === 0xfffe || mark === 0xfeff ? 'this is UTF-16.' : `byte ${nul + 1} is NUL: this is no text.`;
}

/** Reads once more where there is nothing yet: standard input may be a pipe that does not block. */
function readPiece(descriptor: number, piece: Buffer): number {
  for (;;) {
    try {
      return readSync(descriptor, piece);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

/** A size for people: `400 MiB`. */
export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}

function unreadable(file: string, message: string, hint?: string): Diagnostic {
  return diagnostic('unreadable-input', message, { place: { file }, hint });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder.',
  EACCES: 'permission denied.',
  EISDIR: 'this is a folder.',
  ELOOP: 'too many symbolic links.',
  ENOTDIR: 'a part of the path is no folder.',
  EROFS: 'the file system is read-only.',
  ENOSPC: 'no space left.',
};

/** Why the system refused, in words. */
export function reason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return REASONS[code] ?? (error instanceof Error ? error.message : String(error));
}

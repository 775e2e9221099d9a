/** Reading what `-f` names: files, folders and standard input. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Diagnostic, diagnostic } from '../kube/diagnostics.js';
import type { SourceText } from '../kube/objects.js';
import { compareBytes } from '../net/text.js';

/** The texts, and one diagnostic for each thing that could not be read. */
export interface InputTexts {
  readonly sources: readonly SourceText[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Files that are read from a folder, as with kubectl. */
const MANIFEST = /\.(json|yaml|yml)$/;

/** Larger than any listing of objects, and below what one string can hold. */
const MAX_BYTES = 400 * 1024 * 1024;

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
  const add = (name: string, read: () => Buffer): void => {
    const result = decode(name, read, options.progress);
    if ('text' in result) sources.push(result);
    else diagnostics.push(result);
  };
  if (names.filter((name) => name === '-').length > 1) {
    return { sources, diagnostics: [unreadable('<stdin>', 'standard input can be read only once.')] };
  }
  for (const name of names) {
    if (name === '-') add('<stdin>', () => readFileSync(0));
    else for (const file of expand(name, options.recursive, diagnostics)) add(file, () => readLimited(file));
  }
  return { sources, diagnostics };
}

/** Reads one file that must be there, for instance a configuration. */
export function readInputFile(name: string): SourceText | Diagnostic {
  return decode(
    name,
    () => (name === '-' ? readFileSync(0) : readLimited(name)),
    () => {},
  );
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
    const isFolder = entry.isSymbolicLink() ? statSync(path).isDirectory() : entry.isDirectory();
    if (isFolder) return recursive && !entry.isSymbolicLink() ? filesIn(path, recursive) : [];
    return MANIFEST.test(entry.name) ? [path] : [];
  });
}

function readLimited(file: string): Buffer {
  const { size } = statSync(file);
  if (size > MAX_BYTES) throw new Error(`${megabytes(size)} is more than the ${megabytes(MAX_BYTES)} that are read.`);
  return readFileSync(file);
}

function decode(name: string, read: () => Buffer, progress: (text: string) => void): SourceText | Diagnostic {
  let bytes: Buffer;
  try {
    bytes = read();
  } catch (error) {
    return unreadable(name, reason(error));
  }
  // Before decoding, so that a disk image given by mistake is refused at once.
  const nul = bytes.indexOf(0);
  if (nul >= 0) {
    const hint = 'Give YAML or JSON in UTF-8.';
    return diagnostic('binary-input', `byte ${nul + 1} is NUL: this is no text.`, { place: { file: name }, hint });
  }
  if (bytes.length >= LARGE_BYTES) progress(`reading ${name} (${megabytes(bytes.length)})`);
  try {
    return { name, text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return diagnostic('binary-input', 'this is no UTF-8 text.', {
      place: { file: name },
      hint: 'Give YAML or JSON in UTF-8.',
    });
  }
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}

function unreadable(file: string, message: string, hint?: string): Diagnostic {
  return diagnostic('unreadable-input', message, { place: { file }, ...(hint === undefined ? {} : { hint }) });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder.',
  EACCES: 'permission denied.',
  EISDIR: 'this is a folder.',
  ELOOP: 'too many symbolic links.',
};

/** Why the system refused, in words. */
export function reason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return REASONS[code] ?? (error instanceof Error ? error.message : String(error));
}

/** What readers of all kinds of dumps share: how they say what is wrong with a line. */
import { type Diagnostic, diagnostic } from '../kube/diagnostics.js';

/** Mistakes of one dump, each with its line. */
export interface Mistakes {
  /** @param line 1-based */
  add(line: number, message: string, hint?: string): void;
  /** All of them as diagnostics; of a text that is something else altogether, the first and how many more. */
  diagnostics(): readonly Diagnostic[];
}

/** More mistakes than this are only counted. */
const MOST_DIAGNOSTICS = 20;

/**
 * Collects the mistakes of one dump.
 * @param file as diagnostics name it
 * @param hint what to do where nothing better is said
 */
export function collectMistakes(file: string, hint: string): Mistakes {
  const diagnostics: Diagnostic[] = [];
  let count = 0;
  return {
    add: (line, message, special = hint) => {
      count++;
      if (count > MOST_DIAGNOSTICS) return;
      diagnostics.push(diagnostic('unreadable-rules', message, { place: { file, line }, hint: special }));
    },
    diagnostics: () => {
      const more = count - MOST_DIAGNOSTICS;
      if (more <= 0) return diagnostics;
      return [...diagnostics, diagnostic('unreadable-rules', `${more} more lines are wrong.`, { place: { file } })];
    },
  };
}

/** A piece of a dump in a message: not too long, and nothing that a terminal would obey. */
export function shown(text: string): string {
  const printable = text.slice(0, 80).replace(/[^\x20-\x7e]/g, '?');
  return text.length > 80 ? `"${printable}…"` : `"${printable}"`;
}

/** How a line was written, kept where the program that prints such lines would write it otherwise. */
export interface Spelling {
  readonly usual: string;
  readonly written: string;
}

/** What to keep of a line whose data prints as `usual`; undefined when it is written just so. */
export function spellingOf(written: string, usual: string): Spelling | undefined {
  return written === usual ? undefined : { usual, written };
}

/** Prints a line as it was written as long as its data is what it was. */
export function printSpelled(usual: string, spelling: Spelling | undefined): string {
  return spelling?.usual === usual ? spelling.written : usual;
}

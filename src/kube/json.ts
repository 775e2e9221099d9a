/**
 * A strict walk over JSON text. `JSON.parse` makes the values; this finds places in the text: where a value ends, where
 * the text stops being JSON, and where the value at a path is written.
 */

import { groupBy } from '../net/group.js';
import type { FieldPath } from './diagnostics.js';

/** How deep values may be nested, in JSON and in YAML; kubectl stops at 10,000. */
export const MAX_DEPTH = 1000;

/** What keeps a text from being JSON, with its offset in the text. */
export class JsonProblem extends Error {
  readonly offset: number;

  constructor(reason: string, offset: number) {
    super(reason);
    this.offset = offset;
  }
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_MAP = 0x7b;
const CLOSE_MAP = 0x7d;

/** The offset of the first character from `position` that is no JSON white space. */
export function skipJsonSpace(text: string, position: number, end: number): number {
  let at = position;
  while (at < end) {
    const code = text.charCodeAt(at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) break;
    at++;
  }
  return at;
}

/**
 * The offset behind the JSON value that starts at `position` (white space before it is skipped).
 * Throws a {@link JsonProblem} where the text is no JSON, or nests deeper than {@link MAX_DEPTH}.
 */
export function skipJsonValue(text: string, position: number, end: number): number {
  // The closing characters that are still due, innermost last: no recursion, so that no text can exhaust the stack.
  const due: number[] = [];
  let at = position;
  for (;;) {
    at = skipJsonSpace(text, at, end);
    const code = at < end ? text.charCodeAt(at) : -1;
    if (code === OPEN_MAP || code === OPEN_LIST) {
      const closing = code === OPEN_MAP ? CLOSE_MAP : CLOSE_LIST;
      at = skipJsonSpace(text, at + 1, end);
      if (at < end && text.charCodeAt(at) === closing) {
        at++;
      } else {
        if (due.push(closing) > MAX_DEPTH) throw new JsonProblem(`it nests deeper than ${MAX_DEPTH} levels`, at - 1);
        if (closing === CLOSE_MAP) at = skipKey(text, at, end);
        continue;
      }
    } else if (code === QUOTE) {
      at = skipJsonString(text, at, end);
    } else {
      at = skipWord(text, at, end);
    }
    // A value has ended; so may the collections around it.
    for (;;) {
      const closing = due.at(-1);
      if (closing === undefined) return at;
      at = skipJsonSpace(text, at, end);
      const next = at < end ? text.charCodeAt(at) : -1;
      if (next === closing) {
        due.pop();
        at++;
      } else if (next === COMMA) {
        at++;
        if (closing === CLOSE_MAP) at = skipKey(text, skipJsonSpace(text, at, end), end);
        break;
      } else {
        throw unexpected(text, at, end, closing === CLOSE_MAP ? 'a comma or }' : 'a comma or ]');
      }
    }
  }
}

/** The offset behind the string that starts at `position`, which holds its opening quote. */
function skipJsonString(text: string, position: number, end: number): number {
  let at = position + 1;
  while (at < end) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    if (code < 0x20) throw new JsonProblem('a string holds a control character or a raw line break', at);
    if (code !== BACKSLASH) {
      at++;
      continue;
    }
    const escaped = text.charAt(at + 1);
    if (escaped === 'u') {
      if (!/^[0-9a-fA-F]{4}$/.test(text.slice(at + 2, at + 6))) throw new JsonProblem('a \\u escape is broken', at);
      at += 6;
    } else if (escaped !== '' && '"\\/bfnrt'.includes(escaped)) {
      at += 2;
    } else {
      throw at + 1 < end ? new JsonProblem('an escape in a string is unknown', at) : endsEarly(end);
    }
  }
  throw endsEarly(end);
}

/** The offset behind a key and its colon. */
function skipKey(text: string, position: number, end: number): number {
  if (position >= end || text.charCodeAt(position) !== QUOTE) throw unexpected(text, position, end, 'a quoted key');
  const colon = skipJsonSpace(text, skipJsonString(text, position, end), end);
  if (colon >= end || text.charCodeAt(colon) !== COLON) throw unexpected(text, colon, end, 'a colon');
  return colon + 1;
}

const WORD = /true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;

/** The offset behind a number, `true`, `false` or `null`. */
function skipWord(text: string, position: number, end: number): number {
  WORD.lastIndex = position;
  const match = position < end ? WORD.exec(text) : null;
  if (match === null || WORD.lastIndex > end) throw unexpected(text, position, end, 'a value');
  return position + match[0].length;
}

function unexpected(text: string, position: number, end: number, wanted: string): JsonProblem {
  if (position >= end) return endsEarly(end);
  const found = String.fromCodePoint(text.codePointAt(position) ?? 0);
  return new JsonProblem(`${wanted} is expected, not ${JSON.stringify(found)}`, position);
}

function endsEarly(end: number): JsonProblem {
  return new JsonProblem('the text ends in the middle of a value', end);
}

/** Whether text that is known to be JSON nests deeper than {@link MAX_DEPTH}. */
export function nestsTooDeep(text: string, start: number, end: number): boolean {
  let depth = 0;
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = closingQuote(text, at);
    } else if (code === OPEN_MAP || code === OPEN_LIST) {
      depth++;
      if (depth > MAX_DEPTH) return true;
    } else if (code === CLOSE_MAP || code === CLOSE_LIST) {
      depth--;
    }
  }
  return false;
}

/** The offset of the quote that closes the string opened at `position`, in text that is known to be JSON. */
function closingQuote(text: string, position: number): number {
  let at = text.indexOf('"', position + 1);
  for (;;) {
    let backslashes = 0;
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return at;
    at = text.indexOf('"', at + 1);
  }
}

/**
 * The offsets at which the values of some paths are written in the JSON value at `position`; where a path leads
 * nowhere, that of its nearest ancestor. A mapping or list below a key is placed at its key. All paths are found in
 * one pass; of a repeated key the last counts, as for `JSON.parse`. The text must be JSON.
 */
export function locateInJson(text: string, position: number, end: number, paths: readonly FieldPath[]): number[] {
  const start = skipJsonSpace(text, position, end);
  const offsets = Array.from(paths, () => start);
  const walk = (at: number, depth: number, wanted: readonly number[]): number => {
    const open = text.charCodeAt(at);
    const deeper = wanted.filter((index) => (paths[index]?.length ?? 0) > depth);
    if (deeper.length === 0 || (open !== OPEN_MAP && open !== OPEN_LIST)) return skipJsonValue(text, at, end);
    const closing = open === OPEN_MAP ? CLOSE_MAP : CLOSE_LIST;
    const bySteps = groupSteps(paths, depth, deeper);
    let next = skipJsonSpace(text, at + 1, end);
    for (let item = 0; text.charCodeAt(next) !== closing; item++) {
      const keyAt = next;
      let step: string | number = item;
      if (open === OPEN_MAP) {
        const keyEnd = skipJsonString(text, next, end);
        step = JSON.parse(text.slice(next, keyEnd)) as string;
        next = skipJsonSpace(text, skipJsonSpace(text, keyEnd, end) + 1, end);
      }
      const here = bySteps.get(step) ?? [];
      const nested = text.charCodeAt(next) === OPEN_MAP || text.charCodeAt(next) === OPEN_LIST;
      for (const index of here) offsets[index] = nested ? keyAt : next;
      next = here.length === 0 ? skipJsonValue(text, next, end) : walk(next, depth + 1, here);
      next = skipJsonSpace(text, next, end);
      if (text.charCodeAt(next) === COMMA) next = skipJsonSpace(text, next + 1, end);
    }
    return next + 1;
  };
  walk(
    start,
    0,
    paths.map((_, index) => index),
  );
  return offsets;
}

/** Of some paths (by their indexes), those that take each step at a depth. */
export function groupSteps(
  paths: readonly FieldPath[],
  depth: number,
  indexes: readonly number[],
): Map<string | number | undefined, number[]> {
  return groupBy(indexes, (index) => paths[index]?.[depth]);
}

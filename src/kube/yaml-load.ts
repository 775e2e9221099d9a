/**
 * Loading YAML documents of any size at a good speed. The parser makes one event for everything it meets, so that a
 * large text takes more than ten times its size for as long as they live: large lists are read in pieces. And starting
 * the parser is dear, so that small documents are read together.
 */
import type { TextDocument } from './documents.js';
import { parseYaml, YamlProblem, yamlValues } from './yaml.js';

/** The value of a document, or why it has none. */
export type LoadedDocument = { readonly value: unknown } | { readonly problem: YamlProblem };

/** Node 20 slows down the parser after a few starts: a text is cut into no more pieces than that, if they stay small. */
const PIECES = 6;
const SMALLEST_PIECE = 500_000;
const LARGEST_PIECE = 12_000_000;
/** Text that cannot be cut is refused from here on, before its events exhaust the memory. */
const LARGEST_TEXT = 20_000_000;

/** How many characters of a text are parsed at a time. */
export function pieceSize(text: string): number {
  return Math.min(LARGEST_PIECE, Math.max(SMALLEST_PIECE, Math.ceil(text.length / PIECES)));
}

/** Loads documents of one text, which {@link splitDocuments} has found; offsets of problems are offsets in the text. */
export function loadYaml(text: string, documents: readonly TextDocument[]): LoadedDocument[] {
  const size = pieceSize(text);
  const loaded: LoadedDocument[] = [];
  let batch: TextDocument[] = [];
  const flush = () => {
    const results = loadTogether(text, batch) ?? batch.map((document) => loadAlone(text, document, size));
    for (const result of results) loaded.push(result);
    batch = [];
  };
  for (const document of documents) {
    const first = batch[0];
    const last = batch.at(-1);
    // Only neighbours can be read together: nothing but a separator may stand between them.
    const joins = first !== undefined && last !== undefined && SEPARATOR.test(text.slice(last.end, document.start));
    if (!joins || document.end - first.start > size) flush();
    batch.push(document);
  }
  flush();
  return loaded;
}

/** A separator that is one in YAML itself, too. */
const SEPARATOR = /^---(?:[ \t][^\n]*|\r?)\n$/;

/** The values of neighbouring documents; undefined if one of them is wrong, or if YAML cuts them otherwise. */
function loadTogether(text: string, documents: readonly TextDocument[]): LoadedDocument[] | undefined {
  const first = documents[0];
  const last = documents.at(-1);
  if (first === undefined || last === undefined || documents.length === 1) return undefined;
  try {
    const values = yamlValues(parseYaml(text.slice(first.start, last.end)));
    return values.length === documents.length ? values.map((value) => ({ value })) : undefined;
  } catch (error) {
    if (error instanceof YamlProblem) return undefined;
    throw error;
  }
}

function loadAlone(text: string, document: TextDocument, size: number): LoadedDocument {
  const { start, end, first } = document;
  const list = end - start > size ? loadList(text, document, size) : undefined;
  if (list !== undefined && 'value' in list) return list;
  if (end - start > LARGEST_TEXT) return list ?? { problem: tooLarge(first) };
  try {
    const values = yamlValues(parseYaml(text.slice(start, end)));
    if (values.length <= 1) return { value: values[0] ?? null };
    return { problem: new YamlProblem('it holds several documents that no line of --- separates', first) };
  } catch (error) {
    if (!(error instanceof YamlProblem)) throw error;
    return { problem: new YamlProblem(error.message, error.offset + start) };
  }
}

function tooLarge(offset: number): YamlProblem {
  return new YamlProblem(
    `it has more than ${LARGEST_TEXT / 1_000_000} million characters and is no List of items`,
    offset,
  );
}

/** The lines of a top-level `items:` list that is written one item after the other, each from a line of its own. */
export interface ItemLines {
  /** Where the first item's line starts (or a comment before it), and where the last item ends. */
  readonly start: number;
  readonly end: number;
  /** How many spaces stand before each dash. */
  readonly indent: number;
}

const ITEMS_KEY = /^items:[ \t]*\r?\n/gm;
const BLANK_LINE = /[ \t]*(?:#[^\n]*)?\r?\n/y;
const DASH = / *-[ \r\n]/y;

/** Finds the items of a document by their looks; what is found must still prove to be a list when it is parsed. */
export function findItemLines(text: string, document: TextDocument): ItemLines | undefined {
  ITEMS_KEY.lastIndex = document.start;
  const key = ITEMS_KEY.exec(text);
  if (key === null || key.index >= document.end) return undefined;
  const start = ITEMS_KEY.lastIndex;
  DASH.lastIndex = start;
  BLANK_LINE.lastIndex = start;
  while (BLANK_LINE.test(text)) DASH.lastIndex = BLANK_LINE.lastIndex;
  const dash = DASH.exec(text);
  if (dash === null) return undefined;
  const indent = dash[0].length - 2;
  // The list ends with the first line that is less indented, or as much but no item; comments may stand anywhere.
  const less = indent === 0 ? '' : ` {0,${indent - 1}}[^ \\n\\r#]|`;
  const behind = new RegExp(`\\n(?:${less} {${indent}}(?:[^ \\n\\r#-]|-[^ \\n\\r]))`, 'g');
  behind.lastIndex = start;
  const match = behind.exec(text);
  const end = match === null ? document.end : Math.min(document.end, match.index + 1);
  return end > start ? { start, end, indent } : undefined;
}

/** Cuts the lines of items into pieces of whole items, each of about `size` characters; gives where each starts. */
export function cutItems(text: string, items: ItemLines, size: number): number[] {
  const starts = [items.start];
  const dash = `\n${' '.repeat(items.indent)}- `;
  for (let from = items.start + size; ; from = (starts.at(-1) ?? 0) + size) {
    const found = text.indexOf(dash, from);
    if (found < 0 || found >= items.end) return starts;
    starts.push(found + 1);
  }
}

/**
 * Loads a document that is mainly a list of items, piece by piece; undefined if it is not. A problem may be one of the
 * pieces only (an alias that refers from one to another): then the document must be read as a whole.
 *
 * No item can be cut apart unnoticed. Within an item all lines are indented deeper than its dash, but for comments and
 * for quoted scalars and flow collections, which would not be closed at the end of the piece.
 */
function loadList(text: string, document: TextDocument, size: number): LoadedDocument | undefined {
  const lines = findItemLines(text, document);
  if (lines === undefined) return undefined;
  const starts = cutItems(text, lines, size);
  let offset = document.start;
  try {
    const around = text.slice(document.start, lines.start) + text.slice(lines.end, document.end);
    const list = yamlValues(parseYaml(around));
    const object = list[0];
    if (list.length !== 1 || typeof object !== 'object' || object === null || Array.isArray(object)) return undefined;
    if (!Object.hasOwn(object, 'items') || (object as { items: unknown }).items !== null) return undefined;
    const items: unknown[] = [];
    for (const [i, start] of starts.entries()) {
      offset = start;
      const values = yamlValues(parseYaml(text.slice(start, starts[i + 1] ?? lines.end)));
      const piece = values[0];
      if (values.length !== 1 || !Array.isArray(piece)) return undefined;
      for (const item of piece) items.push(item);
    }
    return { value: { ...object, items } };
  } catch (error) {
    if (error instanceof YamlProblem) return { problem: new YamlProblem(error.message, error.offset + offset) };
    throw error;
  }
}

/**
 * Cutting a text into documents, as k8s.io/apimachinery/pkg/util/yaml does for kubectl.
 */
import { JsonProblem, skipJsonSpace, skipJsonValue } from './json.js';

/** What is wrong between documents, with its offset in the text. */
interface SplitProblem {
  readonly reason: string;
  readonly offset: number;
}

/** One document of a text, by its offsets; lines of `---` and what follows a `...` are outside. */
export interface TextDocument {
  readonly start: number;
  readonly end: number;
  /** Where its first character stands that is neither white space nor part of a comment; `end` if there is none. */
  readonly first: number;
  /** Set where the text around the document is wrong: its separator, or what follows its end marker. */
  readonly problem?: SplitProblem;
}

const BYTE_ORDER_MARK = 0xfeff;

/**
 * Cuts a text into documents as kubectl does: at every line that begins with `---`, even inside a scalar. JSON values
 * that follow one another without a separator are documents, too. Documents without content are kept, so that numbers
 * stay what a reader of the file counts, but for comments before the first separator.
 */
export function splitDocuments(text: string): TextDocument[] {
  const documents: TextDocument[] = [];
  let start = 0;
  let problem: SplitProblem | undefined;
  let separated = false;
  while (start <= text.length) {
    const separator = findSeparator(text, start);
    const end = separator < 0 ? text.length : separator;
    if (start < end && text.charCodeAt(start) === BYTE_ORDER_MARK) start++;
    const first = firstContent(text, start, end);
    if (first < end || separated) {
      addDocuments(documents, text, { start, end, first, ...(problem === undefined ? {} : { problem }) });
    }
    if (separator < 0) break;
    separated = true;
    const lineEnd = text.indexOf('\n', separator);
    start = lineEnd < 0 ? text.length + 1 : lineEnd + 1;
    const rest = text.slice(separator + 3, start).trim();
    problem =
      rest === '' || rest.startsWith('#')
        ? undefined
        : { reason: 'nothing but a comment may follow the document separator in its line', offset: separator };
    // A separator that ends the text opens no document, unless it is wrong itself.
    if (start > text.length && problem !== undefined) {
      documents.push({ start: text.length, end: text.length, first: text.length, problem });
    }
  }
  return documents;
}

function findSeparator(text: string, from: number): number {
  if (text.startsWith('---', from)) return from;
  const found = text.indexOf('\n---', Math.max(0, from - 1));
  return found < 0 ? found : found + 1;
}

/** Adds what stands between two separators: one document, or several JSON values. */
function addDocuments(documents: TextDocument[], text: string, chunk: TextDocument): void {
  if (looksLikeJson(text, chunk) && chunk.problem === undefined) {
    const ends = jsonEnds(text, chunk);
    let start = chunk.start;
    for (const end of ends) {
      documents.push({ start, end, first: skipJsonSpace(text, start === chunk.start ? chunk.first : start, end) });
      start = end;
    }
    if (ends.length > 0) return;
  }
  documents.push(withoutEndMarker(text, chunk));
}

/** Whether a document begins as JSON does. */
export function looksLikeJson(text: string, document: TextDocument): boolean {
  const char = text.charAt(document.first);
  return document.first < document.end && (char === '{' || char === '[');
}

const VALUES_IN_A_ROW = /[}\]]\s*[{[]/;

/** Where the JSON values of a chunk end, if there are several; empty if there is one, or if they are no JSON. */
function jsonEnds(text: string, { first, end }: TextDocument): number[] {
  // Between two brackets of one value there is a comma: without such a pair there is nothing to look for.
  if (!VALUES_IN_A_ROW.test(text.slice(first, end))) return [];
  const ends: number[] = [];
  try {
    let at = first;
    while (at < end && (text.charAt(at) === '{' || text.charAt(at) === '[')) {
      at = skipJsonSpace(text, skipJsonValue(text, at, end), end);
      ends.push(at);
    }
  } catch (error) {
    if (!(error instanceof JsonProblem)) throw error;
  }
  if (ends.length > 0) ends[ends.length - 1] = end;
  return ends.length > 1 ? ends : [];
}

const END_MARKER = /\n\.\.\.(?=\s|$)/;

/**
 * Cuts a document before its `...`. kubectl says nothing about what follows until the next separator, and drops it;
 * here that is an error, unless there are only comments and directives.
 */
function withoutEndMarker(text: string, document: TextDocument): TextDocument {
  const { start, first } = document;
  const match = END_MARKER.exec(text.slice(first, document.end));
  if (match === null) return document;
  const marker = first + match.index;
  const stray = strayContent(text, marker + 4, document.end);
  const end = marker + 1;
  if (stray === undefined || document.problem !== undefined) return { ...document, end };
  const problem = {
    reason: 'text follows the end of the document (...); a line of --- must come first',
    offset: stray,
  };
  return { start, end, first, problem };
}

function strayContent(text: string, from: number, end: number): number | undefined {
  let at = firstContent(text, from, end);
  while (at < end && (text.charAt(at) === '%' || text.startsWith('...', at))) {
    const lineEnd = text.indexOf('\n', at);
    at = lineEnd < 0 ? end : firstContent(text, lineEnd, end);
  }
  return at < end ? at : undefined;
}

/** The offset of the first character that is neither white space nor part of a comment. */
function firstContent(text: string, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const code = text.charCodeAt(at);
    if (code === 0x23) {
      const lineEnd = text.indexOf('\n', at);
      at = lineEnd < 0 ? end : Math.min(lineEnd, end);
    } else if (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) {
      at++;
    } else {
      return at;
    }
  }
  return end;
}

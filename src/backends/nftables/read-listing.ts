/** The text of `nft list table` or `nft list ruleset` → rule set. */
import { show } from '../../kube/fields.js';
import type { SourceText } from '../../kube/objects.js';
import { readElements } from './elements.js';
import { printNftTable } from './print-listing.js';
import { type ReadNftResult, RuleSetProblem, reading } from './problem.js';
import {
  applyCollectionProperty,
  commentOf,
  newChain,
  newCollection,
  readBaseChain,
  splitComment,
} from './properties.js';
import {
  isKubeProxyTable,
  type NftChain,
  type NftCollection,
  type NftElement,
  type NftObject,
  type NftOther,
  type NftTable,
} from './rule-set.js';

/**
 * Reads what `nft list table` or `nft list ruleset` printed, of whatever version and with whatever options (`-a`, `-n`,
 * `-s`). Tables that are not kube-proxy's are kept as they are. Problems: one error `unreadable-rules` with its line.
 */
export function readNftListing(source: SourceText): ReadNftResult {
  return reading(source, () => {
    const lines = startLines(source.text);
    const tables: NftTable[] = [];
    for (let table = readTable(lines); table !== undefined; table = readTable(lines)) {
      const { family, name } = table;
      if (tables.some((each) => each.family === family && each.name === name)) {
        throw new RuleSetProblem(`Table ${family} ${name}, which ends here, is listed twice.`, lines.start);
      }
      tables.push(table);
    }
    return { form: 'listing', metainfo: undefined, tables };
  });
}

/** A text and how far it has been read. */
interface Lines {
  readonly text: string;
  /** Where the next line begins. */
  at: number;
  /** Where the line taken last begins. */
  start: number;
  /** Where the first quote from `at` on is, or the length of the text. */
  quote: number;
}

function startLines(text: string): Lines {
  return { text, at: 0, start: 0, quote: -1 };
}

/** Takes the next line, without blanks around it; a line break between quotes does not end it. undefined at the end. */
function takeLine(lines: Lines): string | undefined {
  const { text } = lines;
  if (lines.at >= text.length) return undefined;
  lines.start = lines.at;
  let end = endOfLine(text, lines.at);
  let inQuotes = false;
  for (let quote = nextQuote(lines, lines.at); quote < end || inQuotes; quote = nextQuote(lines, quote + 1)) {
    if (quote >= text.length) break;
    inQuotes = !inQuotes;
    if (quote >= end) end = endOfLine(text, quote);
  }
  // A quote that is never closed holds nothing together.
  if (inQuotes) end = endOfLine(text, lines.at);
  lines.at = end + 1;
  return text.slice(lines.start, end).trim();
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end < 0 ? text.length : end;
}

/** Remembers the quote it found, as most lines have none and looking for it would go through the whole text. */
function nextQuote(lines: Lines, from: number): number {
  if (lines.quote < from) {
    const found = lines.text.indexOf('"', from);
    lines.quote = found < 0 ? lines.text.length : found;
  }
  return lines.quote;
}

/** A line inside something that has not ended yet. */
function takeInnerLine(lines: Lines, what: string): string {
  const line = takeLine(lines);
  if (line === undefined) throw new RuleSetProblem(`The text is cut off in the middle of ${what}.`, lines.text.length);
  return line;
}

const TABLE = /^table (\S+) (\S+) \{(?: # handle (\d{1,15}))?$/;
const OBJECT = /^(chain|set|map) (\S+) \{(?: # handle (\d{1,15}))?$/;
const BLOCK = /^(.+?) \{(?: # handle (\d{1,15}))?$/;

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

function readTable(lines: Lines): NftTable | undefined {
  // Warnings that nft prints before a table (`# Warning: table ip nat is managed by iptables-nft ...`) belong to it.
  const from = lines.at;
  let line = takeLine(lines);
  while (line !== undefined && (line === '' || line.startsWith('#'))) line = takeLine(lines);
  if (line === undefined) return undefined;
  const [header, family = '', name = '', handle] = TABLE.exec(line) ?? [];
  if (header === undefined) throw new RuleSetProblem(`A table is expected here, not ${show(line)}.`, lines.start);
  const head = { form: 'listing', family, name, replaces: false, handle: numberOf(handle) } as const;
  if (!isKubeProxyTable(family, name)) {
    skipForeign(lines, `table ${family} ${name}`);
    return { ...head, foreign: true, comment: undefined, objects: [], verbatim: lines.text.slice(from, lines.at) };
  }
  const { comment, objects } = readObjects(lines, family, `table ${family} ${name}`);
  const table: NftTable = { ...head, foreign: false, comment, objects, verbatim: undefined };
  const text = lines.text.slice(from, lines.at);
  return printNftTable(table) === text ? table : { ...table, verbatim: text };
}

/** A foreign table ends at a brace that is not indented. */
function skipForeign(lines: Lines, what: string): void {
  for (;;) {
    takeInnerLine(lines, what);
    if (lines.text.startsWith('}', lines.start)) return;
  }
}

function readObjects(lines: Lines, family: string, what: string) {
  const objects: NftObject[] = [];
  const names = new Set<string>();
  let comment = '';
  for (;;) {
    const line = takeInnerLine(lines, what);
    if (line === '}') return { comment, objects };
    if (line === '') continue;
    const said = commentOf(line);
    const [, kind, name = '', handle] = OBJECT.exec(line) ?? [];
    // Sets and maps share one name space, apart from that of chains.
    const key = `${kind === 'chain' ? 'chain' : 'set'} ${name}`;
    if (kind !== undefined && names.has(key)) throw new RuleSetProblem(`${key} is listed twice.`, lines.start);
    names.add(key);
    if (said !== undefined) comment = said;
    else if (kind === 'chain') objects.push(readChain(lines, family, name, numberOf(handle)));
    else if (kind === 'set' || kind === 'map') objects.push(readCollection(lines, kind, name, numberOf(handle)));
    else objects.push(readOther(lines, line));
  }
}

const HANDLE = / # handle (\d{1,15})$/;

function readChain(lines: Lines, family: string, name: string, handle: number | undefined): NftChain {
  const chain = newChain(name, handle, 'listing');
  for (;;) {
    const line = takeInnerLine(lines, `chain ${name}`);
    if (line === '}') return chain;
    if (line === '') continue;
    const comment = commentOf(line);
    if (comment !== undefined) {
      chain.comment = comment;
    } else if (line.startsWith('type ')) {
      chain.base = readBaseChain(family, line);
      if (chain.base === undefined) {
        throw new RuleSetProblem(`The hook of chain ${name} cannot be read: ${show(line)}.`, lines.start);
      }
    } else {
      const suffix = line.includes(' # handle ') ? HANDLE.exec(line) : null;
      const { words, comment } = splitComment(suffix === null ? line : line.slice(0, suffix.index));
      chain.rules.push({ family, source: words, comment, handle: numberOf(suffix?.[1]) });
    }
  }
}

function readCollection(lines: Lines, kind: 'set' | 'map', name: string, handle: number | undefined): NftCollection {
  const draft = newCollection(kind, name, handle, 'listing');
  for (;;) {
    const line = takeInnerLine(lines, `${kind} ${name}`);
    if (line === '}') return draft;
    if (line.startsWith('elements = {')) {
      const elements: NftElement[] = [];
      lines.at = readElements(lines.text, lines.text.indexOf('{', lines.start) + 1, elements);
      draft.elements = elements;
    } else if (line !== '') {
      applyCollectionProperty(draft, line);
    }
  }
}

/** Something else: one line, or a block up to its closing brace. */
function readOther(lines: Lines, first: string): NftOther {
  const { start } = lines;
  const [, name = first, handle] = BLOCK.exec(first) ?? [];
  for (let line = first; name !== first && line !== '}'; ) line = takeInnerLine(lines, name);
  const source = lines.text.slice(start, lines.at - 1).replace(/^\t/gm, '');
  return { kind: 'other', name, handle: numberOf(handle), source };
}

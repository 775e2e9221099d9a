/** Where the value at a path is written in a YAML document. */
import { EVENT_ID, type Event, SCALAR_STYLE } from 'js-yaml';
import type { FieldPath } from './diagnostics.js';
import type { TextDocument } from './documents.js';
import { groupSteps } from './json.js';
import { MERGE_KEY, type ParsedYaml, parseYaml, scalarKey, YamlProblem } from './yaml.js';
import { cutItems, findItemLines, pieceSize } from './yaml-load.js';
import { ScalarProblem } from './yaml-scalar.js';

/**
 * The offsets in the text at which the values of some paths are written; where a path leads nowhere, that of its
 * nearest ancestor. A mapping, list or block scalar below a key is placed at its key, what comes from an alias or a
 * merge where it was written. Parses a document once, and of a long list of items no more than it must.
 */
export function locateInYaml(text: string, document: TextDocument, paths: readonly FieldPath[]): number[] {
  try {
    return locateInItems(text, document, paths) ?? locateInAll(text, document, paths);
  } catch (error) {
    // Nothing is located in a document that cannot be read.
    if (error instanceof YamlProblem || error instanceof ScalarProblem) return paths.map(() => document.first);
    throw error;
  }
}

function locateInAll(text: string, document: TextDocument, paths: readonly FieldPath[]): number[] {
  const parsed = parseYaml(text.slice(document.start, document.end));
  const found = locateInEvents(parsed, paths).offsets;
  return found.map((offset) => (offset === undefined ? document.first : document.start + offset));
}

/** Locates what is in the items of a large List, reading piece by piece; undefined if the document is no such List. */
function locateInItems(text: string, document: TextDocument, paths: readonly FieldPath[]): number[] | undefined {
  const size = pieceSize(text);
  if (document.end - document.start <= size) return undefined;
  const lines = findItemLines(text, document);
  if (lines === undefined || !paths.every((path) => path[0] === 'items' && typeof path[1] === 'number'))
    return undefined;
  const offsets = paths.map(() => text.lastIndexOf('items:', lines.start));
  const last = paths.reduce((most, path) => Math.max(most, Number(path[1])), 0);
  const starts = cutItems(text, lines, size);
  let before = 0;
  for (const [i, start] of starts.entries()) {
    let parsed: ParsedYaml;
    try {
      parsed = parseYaml(text.slice(start, starts[i + 1] ?? lines.end));
    } catch (error) {
      if (error instanceof YamlProblem) return undefined;
      throw error;
    }
    const inPiece = paths.map((path) => [Number(path[1]) - before, ...path.slice(2)]);
    const found = locateInEvents(parsed, inPiece);
    for (const [k, offset] of found.offsets.entries()) {
      const item = inPiece[k]?.[0];
      if (offset !== undefined && typeof item === 'number' && item >= 0 && item < found.size)
        offsets[k] = start + offset;
    }
    before += found.size;
    if (before > last) break;
  }
  return offsets;
}

/** Of each event: the index behind its node; of an alias: the index of the node that it stands for. */
interface EventTree {
  readonly after: Int32Array;
  readonly targets: ReadonlyMap<number, number>;
}

function buildTree({ source, events }: ParsedYaml): EventTree {
  const after = new Int32Array(events.length);
  const targets = new Map<number, number>();
  const anchors = new Map<string, number>();
  const open: number[] = [];
  for (const [i, event] of events.entries()) {
    after[i] = i + 1;
    if (event.type === EVENT_ID.POP) {
      const start = open.pop();
      if (start !== undefined) after[start] = i + 1;
    } else if (event.type === EVENT_ID.ALIAS) {
      const target = anchors.get(source.slice(event.anchorStart, event.anchorEnd));
      if (target !== undefined) targets.set(i, target);
    } else {
      if (event.type !== EVENT_ID.SCALAR) open.push(i);
      if (event.type !== EVENT_ID.DOCUMENT && event.anchorStart >= 0) {
        anchors.set(source.slice(event.anchorStart, event.anchorEnd), i);
      }
    }
  }
  return { after, targets };
}

/** Aliases lead to aliases only so far in a document that could be read. */
const MOST_HOPS = 100;

/** Offsets of paths in the first document of the events, and how many items it has if it is a list. */
function locateInEvents(
  parsed: ParsedYaml,
  paths: readonly FieldPath[],
): { offsets: (number | undefined)[]; size: number } {
  const { source, events } = parsed;
  const { after, targets } = buildTree(parsed);
  const offsets: (number | undefined)[] = Array.from(paths, () => undefined);
  let size = 0;

  const walk = (node: number, depth: number, wanted: readonly number[], hops: number): void => {
    const event = events[node];
    const deeper = wanted.filter((k) => (paths[k]?.length ?? 0) > depth);
    if (event === undefined || hops > MOST_HOPS || (deeper.length === 0 && depth > 0)) return;
    const bySteps = groupSteps(paths, depth, deeper);
    const visit = (child: number, step: string | number | undefined, key: number | undefined) => {
      const here = step === undefined ? undefined : bySteps.get(step);
      if (here === undefined) return;
      const offset = ownOffset(events[child], key === undefined) ?? key;
      for (const k of here) offsets[k] = offset ?? offsets[k];
      walk(child, depth + 1, here, hops);
    };
    if (event.type === EVENT_ID.ALIAS) {
      const target = targets.get(node);
      if (target !== undefined) walk(target, depth, wanted, hops + 1);
    } else if (event.type === EVENT_ID.SEQUENCE) {
      let index = 0;
      for (let child = node + 1; isNode(events[child]); child = after[child] ?? events.length)
        visit(child, index++, undefined);
      if (depth === 0) size = index;
    } else if (event.type === EVENT_ID.MAPPING) {
      for (let key = node + 1; isNode(events[key]); ) {
        const value = after[key] ?? events.length;
        const name = keyName(key);
        if (name === MERGE_KEY) walkMerged(value, depth, deeper, hops + 1);
        else visit(value, name, ownOffset(events[key], true));
        key = after[value] ?? events.length;
      }
    }
  };
  const keyName = (node: number) => {
    const own = events[node];
    const event = own?.type === EVENT_ID.ALIAS ? events[targets.get(node) ?? -1] : own;
    const name = event?.type === EVENT_ID.SCALAR ? scalarKey(source, event) : undefined;
    return name === MERGE_KEY && own?.type === EVENT_ID.ALIAS ? undefined : name;
  };
  // What is merged later replaces what was there; in a list of mappings the first wins, so it comes last.
  const walkMerged = (node: number, depth: number, wanted: readonly number[], hops: number): void => {
    const parts: number[] = [];
    if (events[node]?.type !== EVENT_ID.SEQUENCE) parts.push(node);
    else for (let part = node + 1; isNode(events[part]); part = after[part] ?? events.length) parts.unshift(part);
    for (const part of parts) walk(part, depth, wanted, hops);
  };

  walk(1, 0, [...paths.keys()], 0);
  return { offsets: offsets.map((offset) => (offset === undefined ? undefined : parsed.original(offset))), size };
}

function isNode(event: Event | undefined): boolean {
  return event !== undefined && event.type !== EVENT_ID.POP;
}

/** Where a node itself is written; a collection has a place of its own only if it `stands` in a list or is a key. */
function ownOffset(event: Event | undefined, stands: boolean): number | undefined {
  if (event === undefined) return undefined;
  if (event.type === EVENT_ID.ALIAS) return event.anchorStart - 1;
  if (event.type === EVENT_ID.SEQUENCE || event.type === EVENT_ID.MAPPING) return stands ? event.start : undefined;
  if (event.type !== EVENT_ID.SCALAR || event.valueStart < 0) return undefined;
  if (event.style === SCALAR_STYLE.PLAIN) return event.valueStart;
  const quoted = event.style === SCALAR_STYLE.SINGLE_QUOTED || event.style === SCALAR_STYLE.DOUBLE_QUOTED;
  return quoted ? event.valueStart - 1 : undefined;
}

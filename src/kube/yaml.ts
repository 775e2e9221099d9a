/**
 * The JSON value of YAML text, as sigs.k8s.io/yaml (go-yaml v2) gives it to kubectl. js-yaml does the syntax; what its
 * events mean is decided here, since go-yaml differs from YAML 1.2 in scalars, tags, merge keys and limits on aliases.
 */
import {
  EVENT_ID,
  type Event,
  getScalarValue,
  parseEvents,
  SCALAR_STYLE,
  type ScalarEvent,
  YAMLException,
} from 'js-yaml';
import { MAX_DEPTH } from './json.js';
import { keyOfValue, plainKey, plainScalar, ScalarProblem, scalarValue, taggedScalar } from './yaml-scalar.js';

/** What keeps a text from being YAML, with its offset in the text. */
export class YamlProblem extends Error {
  readonly offset: number;

  constructor(reason: string, offset: number) {
    super(reason);
    this.offset = offset;
  }
}

/** The events of a text. Offsets in them are offsets in `source`, which may have more spaces than the text. */
export interface ParsedYaml {
  readonly source: string;
  readonly events: readonly Event[];
  /** The offset in the text of an offset in `source`. */
  readonly original: (offset: number) => number;
}

/** More than any one line of a text that a person wrote is indented. */
const REPAIR_INDENT = 64;
/** The most characters that are read again because of lines that are not indented enough. */
const REPAIR_BUDGET = 30_000_000;

/** Parses a text; throws a {@link YamlProblem} where it is no YAML. */
export function parseYaml(text: string): ParsedYaml {
  // YAML 1.2 wants the lines of a quoted scalar or a flow collection indented deeper than what they belong to (also
  // the closing bracket), and js-yaml insists; go-yaml does not care. Spaces there have no meaning, so they are added.
  const added: number[] = [];
  let source = text;
  let budget = REPAIR_BUDGET;
  const original = (offset: number): number => offset - REPAIR_INDENT * added.filter((at) => at < offset).length;
  for (;;) {
    try {
      return { source, events: parseEvents(source, { maxDepth: MAX_DEPTH }), original };
    } catch (error) {
      if (error instanceof RangeError) throw new YamlProblem(TOO_DEEP, 0);
      if (!(error instanceof YAMLException)) throw error;
      const position = Math.min(error.mark?.position ?? 0, source.length);
      budget -= source.length;
      if (error.reason !== 'deficient indentation' || budget < 0)
        throw new YamlProblem(reason(error), original(position));
      const line = source.lastIndexOf('\n', position - 1) + 1;
      added.push(line);
      source = source.slice(0, line) + ' '.repeat(REPAIR_INDENT) + source.slice(line);
    }
  }
}

const TOO_DEEP = `it nests deeper than ${MAX_DEPTH} levels`;

function reason(error: YAMLException): string {
  return error.reason.startsWith('nesting exceeded') ? TOO_DEEP : error.reason;
}

interface Anchor {
  value: unknown;
  /** The number of values inside; undefined while it is still being read. */
  size: number | undefined;
}

/** A collection (or document) that is being read. */
interface Frame {
  readonly kind: 'document' | 'list' | 'map';
  readonly list: unknown[];
  readonly map: Record<string, unknown>;
  readonly anchor: Anchor | undefined;
  readonly decodedBefore: number;
  /** The key whose value comes next. */
  key: string | undefined;
  /** Whether the value that comes next is to be merged. */
  merging: boolean;
  /** From the first merge on: the keys that are written in the mapping itself. */
  written: Set<string> | undefined;
}

/** Counts of one document, to see aliases explode. */
interface Aliasing {
  decoded: number;
  aliased: number;
}

/** The JSON values of all documents in the events; throws a {@link YamlProblem} with an offset in the text. */
export function yamlValues(parsed: ParsedYaml): unknown[] {
  const { source, events } = parsed;
  const values: unknown[] = [];
  const frames: Frame[] = [];
  let anchors = new Map<string, Anchor>();
  let counts: Aliasing = { decoded: 0, aliased: 0 };
  let offset = 0;
  const open = (kind: Frame['kind'], anchor: Anchor | undefined): Frame => {
    const decodedBefore = counts.decoded;
    const list: unknown[] = kind === 'map' ? NO_LIST : [];
    const map: Record<string, unknown> = kind === 'map' ? {} : NO_MAP;
    const key = undefined;
    return { kind, list, map, anchor, decodedBefore, key, merging: false, written: undefined };
  };
  const setAnchor = (event: { anchorStart: number; anchorEnd: number }, value: unknown): Anchor | undefined => {
    if (event.anchorStart < 0) return undefined;
    const anchor: Anchor = { value, size: undefined };
    anchors.set(source.slice(event.anchorStart, event.anchorEnd), anchor);
    return anchor;
  };
  let frame = open('document', undefined);
  try {
    for (const event of events) {
      switch (event.type) {
        case EVENT_ID.SCALAR: {
          if (event.valueStart >= 0) offset = event.valueStart;
          counts.decoded++;
          if (frame.kind === 'map' && frame.key === undefined && !frame.merging && event.anchorStart < 0) {
            const key = scalarKey(source, event);
            if (key === MERGE_KEY) frame.merging = true;
            else setKey(frame, key, offset);
            break;
          }
          const value = readScalar(source, event);
          const anchor = setAnchor(event, value);
          if (anchor !== undefined) anchor.size = 1;
          addValue(frame, value, false, offset);
          break;
        }
        case EVENT_ID.MAPPING:
        case EVENT_ID.SEQUENCE: {
          offset = event.start;
          const inner = open(event.type === EVENT_ID.MAPPING ? 'map' : 'list', undefined);
          const value = inner.kind === 'map' ? inner.map : inner.list;
          const anchor = setAnchor(event, value);
          frames.push(frame);
          frame = anchor === undefined ? inner : { ...inner, anchor };
          counts.decoded++;
          break;
        }
        case EVENT_ID.ALIAS: {
          offset = event.anchorStart - 1;
          const name = source.slice(event.anchorStart, event.anchorEnd);
          const anchor = anchors.get(name);
          if (anchor === undefined) throw new YamlProblem(`there is no anchor ${JSON.stringify(name)} before`, offset);
          if (anchor.size === undefined) throw new YamlProblem(`${JSON.stringify(name)} contains itself`, offset);
          countAlias(counts, anchor.size, offset);
          addValue(frame, anchor.value, true, offset);
          break;
        }
        case EVENT_ID.DOCUMENT: {
          frames.push(frame);
          frame = open('document', undefined);
          anchors = new Map();
          counts = { decoded: 0, aliased: 0 };
          break;
        }
        default: {
          const done = frame;
          if (done.anchor !== undefined) done.anchor.size = counts.decoded - done.decodedBefore;
          frame = frames.pop() ?? done;
          if (done.kind === 'document') values.push(done.list[0] ?? null);
          else addValue(frame, done.kind === 'map' ? done.map : done.list, false, offset);
        }
      }
    }
  } catch (error) {
    if (error instanceof YamlProblem) throw new YamlProblem(error.message, parsed.original(error.offset));
    if (error instanceof ScalarProblem) throw new YamlProblem(error.message, parsed.original(offset));
    throw error;
  }
  return values;
}

const NO_LIST: unknown[] = [];
const NO_MAP: Record<string, unknown> = {};

function readScalar(source: string, event: ScalarEvent): string | number | boolean | null {
  const text = getScalarValue(source, event);
  if (event.tagStart >= 0) return scalarValue(taggedScalar(source.slice(event.tagStart, event.tagEnd), text));
  return event.style === SCALAR_STYLE.PLAIN ? scalarValue(plainScalar(text)) : text;
}

/** The key `<<` that merges a mapping into its own. */
export const MERGE_KEY = Symbol('<<');

/** What a scalar is as a key; undefined for null. Throws a {@link ScalarProblem} if it does not fit its tag. */
export function scalarKey(source: string, event: ScalarEvent): string | typeof MERGE_KEY | undefined {
  const text = getScalarValue(source, event);
  if (event.tagStart >= 0) {
    const tag = source.slice(event.tagStart, event.tagEnd);
    return text === '<<' && tag === '!!merge' ? MERGE_KEY : keyOfValue(taggedScalar(tag, text));
  }
  if (event.style !== SCALAR_STYLE.PLAIN) return text;
  return text === '<<' ? MERGE_KEY : plainKey(text);
}

function setKey(frame: Frame, key: string | undefined, offset: number): void {
  if (key === undefined) throw new YamlProblem('a key is null', offset);
  // kubectl takes the last value of a repeated key without a word; nobody means that.
  const repeated = frame.written === undefined ? Object.hasOwn(frame.map, key) : frame.written.has(key);
  if (repeated) throw new YamlProblem(`the key ${JSON.stringify(key.slice(0, 60))} is repeated`, offset);
  frame.written?.add(key);
  frame.key = key;
}

function addValue(frame: Frame, value: unknown, aliased: boolean, offset: number): void {
  if (frame.kind !== 'map') {
    frame.list.push(value);
  } else if (frame.merging) {
    frame.merging = false;
    frame.written ??= new Set(Object.keys(frame.map));
    merge(frame.map, value, aliased, offset);
  } else if (frame.key !== undefined) {
    setField(frame.map, frame.key, value);
    frame.key = undefined;
  } else if (typeof value === 'object' && value !== null) {
    throw new YamlProblem('a key is a mapping or a list', offset);
  } else {
    setKey(frame, keyOfValue(value as string | number | boolean | null), offset);
  }
}

/** Sets an own field, whatever its name: assigning to `__proto__` would change the prototype instead. */
function setField(map: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(map, key, { value, configurable: true, enumerable: true, writable: true });
  } else {
    map[key] = value;
  }
}

/**
 * Merges a mapping, or a list of them, at the place of its `<<` key. As in go-yaml v2, and against the rules of merge
 * keys, fields that come before it give way; in a list the first mapping wins.
 */
function merge(map: Record<string, unknown>, value: unknown, aliased: boolean, offset: number): void {
  // go-yaml wants the list itself in place, while each mapping in it may be an alias.
  const parts: readonly unknown[] = Array.isArray(value) && !aliased ? value : [value];
  for (const part of parts.toReversed()) {
    if (typeof part !== 'object' || part === null || Array.isArray(part)) {
      throw new YamlProblem('<< wants a mapping or a list of mappings', offset);
    }
    for (const [key, field] of Object.entries(part)) setField(map, key, field);
  }
}

const FEW_VALUES = 400_000;
const MANY_VALUES = 4_000_000;

/** Counts the values behind an alias, and refuses what go-yaml refuses: documents that are mostly aliases. */
function countAlias(counts: Aliasing, size: number, offset: number): void {
  counts.decoded += size + 1;
  counts.aliased += size;
  if (counts.aliased <= 100 || counts.decoded <= 1000) return;
  const excess = (counts.decoded - FEW_VALUES) / (MANY_VALUES - FEW_VALUES);
  const allowed = 0.99 - 0.89 * Math.min(1, Math.max(0, excess));
  if (counts.aliased / counts.decoded > allowed)
    throw new YamlProblem('aliases make it far larger than its text', offset);
}

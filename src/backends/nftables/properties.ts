/** The properties of chains, sets and maps, as listings have them on lines and scripts between semicolons. */
import { parseDuration } from './duration.js';
import type { NftBaseChain, NftChain, NftCollection, NftForm, NftRule } from './rule-set.js';

type Draft<T> = { -readonly [Key in keyof T]: T[Key] };

/** A chain that is being read. */
export interface ChainDraft extends Draft<Omit<NftChain, 'rules'>> {
  readonly rules: NftRule[];
}

/** A set or map that is being read. */
export type CollectionDraft = Draft<NftCollection>;

/** A chain of which only the name is known yet. */
export function newChain(name: string, handle: number | undefined, form: NftForm): ChainDraft {
  return { kind: 'chain', name, comment: form === 'json' ? undefined : '', handle, base: undefined, rules: [] };
}

/** A set or map of which only the name is known yet. */
export function newCollection(kind: 'set' | 'map', name: string, handle: number | undefined, form: NftForm) {
  const draft: CollectionDraft = {
    kind,
    name,
    handle,
    keyTypes: [],
    dataType: '',
    flags: [],
    dynamic: form === 'json' ? undefined : false,
    timeout: undefined,
    size: undefined,
    comment: '',
    others: [],
    elements: [],
  };
  return draft;
}

/** The text of `comment "..."`; undefined where a property is something else. */
export function commentOf(property: string): string | undefined {
  return property.startsWith('comment "') && property.length > 9 && property.endsWith('"')
    ? property.slice(9, -1)
    : undefined;
}

/** Takes in one property of a set or map. */
export function applyCollectionProperty(draft: CollectionDraft, property: string): void {
  const comment = commentOf(property);
  if (comment !== undefined) {
    draft.comment = comment;
    return;
  }
  const [, word = '', value = ''] = /^(\w+) (.*)$/.exec(property) ?? [];
  const seconds = word === 'timeout' ? parseDuration(value) : undefined;
  // nft 1.1.2 says behind the size how many elements there are.
  const [, size] = word === 'size' ? (/^(\d{1,10})(?:\s*# count \d+)?$/.exec(value) ?? []) : [];
  if (word === 'type' && draft.keyTypes.length === 0) {
    const [keyType = '', dataType = ''] = value.split(' : ');
    draft.keyTypes = keyType.split(' . ');
    draft.dataType = dataType;
  } else if (word === 'flags') {
    draft.flags = value.split(/\s*,\s*/);
    draft.dynamic = draft.flags.includes('dynamic');
  } else if (seconds !== undefined) {
    draft.timeout = seconds;
  } else if (size !== undefined) {
    draft.size = Number(size);
  } else {
    draft.others = [...draft.others, property];
  }
}

/** The two properties that make a base chain; undefined where the text is something else. */
export function readBaseChain(family: string, text: string): NftBaseChain | undefined {
  const [, type = '', hook = '', priorityText = '', policy = 'accept'] =
    /^type (\w+) hook (\w+) priority ([\w +-]+?) ?;(?: ?policy (\w+) ?;)?$/.exec(text) ?? [];
  const priority = readPriority(family, priorityText);
  return priority === undefined ? undefined : { type, hook, priority, policy };
}

/** Names of priorities, with the hooks for which nft prints them (all where none is given). */
const PRIORITIES: readonly { readonly name: string; readonly value: number; readonly hook?: string }[] = [
  { name: 'raw', value: -300 },
  { name: 'mangle', value: -150 },
  { name: 'dstnat', value: -100, hook: 'prerouting' },
  { name: 'filter', value: 0 },
  { name: 'security', value: 50 },
  { name: 'srcnat', value: 100, hook: 'postrouting' },
];

/** A priority in words or as a number, for families ip and ip6; undefined where it is none. */
function readPriority(family: string, text: string): number | undefined {
  const [, name, sign, offset = '0'] = /^([a-z]+)(?: ?([+-]) ?(\d{1,9}))?$/.exec(text) ?? [];
  if (name === undefined) return /^-?\d{1,10}$/.test(text) ? Number(text) : undefined;
  const base = family === 'bridge' ? undefined : PRIORITIES.find((each) => each.name === name)?.value;
  return base === undefined ? undefined : base + (sign === '-' ? -Number(offset) : Number(offset));
}

/** A priority as nft lists it: by the name of one that is at most ten away. */
export function printPriority({ priority, hook }: NftBaseChain): string {
  const near = PRIORITIES.find(
    (each) => Math.abs(priority - each.value) <= 10 && (each.hook === undefined || each.hook === hook),
  );
  if (near === undefined) return String(priority);
  const offset = priority - near.value;
  if (offset === 0) return near.name;
  return `${near.name} ${offset < 0 ? '-' : '+'} ${Math.abs(offset)}`;
}

/** Splits the text between the braces of a script's `add chain`, `add set`: at semicolons outside quotes. */
export function splitProperties(body: string): readonly string[] {
  const parts: string[] = [];
  let start = 0;
  let quoted = false;
  for (let at = 0; at <= body.length; at++) {
    const char = body.charAt(at);
    if (char === '"') quoted = !quoted;
    if (at < body.length && (char !== ';' || quoted)) continue;
    const part = body.slice(start, at).trim();
    if (part !== '') parts.push(part);
    start = at + 1;
  }
  return parts;
}

/** A rule's words, and the comment at their end. */
export function splitComment(text: string): { readonly words: string; readonly comment: string } {
  if (!text.endsWith('"')) return { words: text, comment: '' };
  const open = text.lastIndexOf('"', text.length - 2);
  const start = open - ' comment '.length;
  if (start < 0 || !text.startsWith(' comment ', start)) return { words: text, comment: '' };
  return { words: text.slice(0, start), comment: text.slice(open + 1, -1) };
}

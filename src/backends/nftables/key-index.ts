/** Looking up keys in sets and maps, named or anonymous, without going through their elements one by one. */
import type { Family } from '../../net/family.js';
import { type AddressInterval, parseInterval } from './intervals.js';
import { type Meaning, normalValue } from './normal-statements.js';

/** The keys of one set or map. */
export interface KeyIndex<Data> {
  /**
   * What belongs to a key, given as its parts in normal form.
   * @returns undefined where the key is not there
   */
  find(parts: readonly string[]): Data | undefined;
}

/** A key that holds more than one value: an interval for each part. */
interface Wide<Data> {
  readonly parts: readonly Part[];
  readonly data: Data;
}

/** One value, or an interval of addresses or numbers. */
type Part = string | AddressInterval;

/** What a text stands for that no index here can hold. */
export class UnknownKey extends Error {}

/**
 * Indexes keys: those of single values by their text, intervals of a single part by their first value. Only keys that
 * join intervals with something else are gone through.
 * @param keys the parts of each key as written, with what belongs to it
 * @throws UnknownKey for a key that cannot be read
 */
export function indexKeys<Data>(
  keys: Iterable<readonly [readonly string[], Data]>,
  meanings: readonly Meaning[],
): KeyIndex<Data> {
  const single = new Map<string, Data>();
  const sorted: (Wide<Data> & AddressInterval)[] = [];
  const wide: Wide<Data>[] = [];
  for (const [texts, data] of keys) {
    const parts = texts.map((text, i) => readPart(text, meanings[i] ?? 'other'));
    const [only, ...more] = parts;
    if (parts.every((part) => typeof part === 'string')) single.set(parts.join(' . '), data);
    else if (typeof only === 'object' && more.length === 0) sorted.push({ parts, data, ...only });
    else wide.push({ parts, data });
  }
  sorted.sort((a, b) => (a.first < b.first ? -1 : 1));
  return {
    find: (parts) => {
      const exact = single.get(parts.length === 1 ? (parts[0] ?? '') : parts.join(' . '));
      if (exact !== undefined) return exact;
      if (sorted.length === 0 && wide.length === 0) return undefined;
      const holds = (each: Wide<Data>) => each.parts.every((part, i) => partHolds(part, parts[i], meanings[i]));
      return (parts.length === 1 ? inSorted(sorted, parts[0], meanings[0]) : undefined) ?? wide.find(holds)?.data;
    },
  };
}

/** The intervals of an anonymous set may overlap, as nft merges them only later. */
function inSorted<Data>(
  sorted: readonly (Wide<Data> & AddressInterval)[],
  text: string | undefined,
  meaning: Meaning | undefined,
): Data | undefined {
  const value = numberOf(text ?? '', meaning ?? 'other');
  if (value === undefined) return undefined;
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle]?.first ?? 0n) <= value) low = middle + 1;
    else high = middle;
  }
  for (let at = low - 1; at >= 0; at--) {
    const each = sorted[at];
    if (each !== undefined && each.last >= value) return each.data;
  }
  return undefined;
}

function partHolds(part: Part, text: string | undefined, meaning: Meaning | undefined): boolean {
  if (typeof part === 'string') return part === text;
  const value = numberOf(text ?? '', meaning ?? 'other');
  return value !== undefined && part.first <= value && value <= part.last;
}

const FAMILY: Readonly<Partial<Record<Meaning, Family>>> = { address4: 'ipv4', address6: 'ipv6' };

function readPart(text: string, meaning: Meaning): Part {
  const family = FAMILY[meaning];
  if (family !== undefined) {
    if (!text.includes('/') && !text.includes('-')) return normalValue(text, meaning);
    const interval = parseInterval(text, family);
    if (interval === undefined) throw new UnknownKey(text);
    return interval.first === interval.last ? normalValue(text.replace(/[/-].*/, ''), meaning) : interval;
  }
  const [, first, last] = /^(\d{1,10})-(\d{1,10})$/.exec(text) ?? [];
  if (first !== undefined && last !== undefined) return { first: BigInt(first), last: BigInt(last) };
  return normalValue(text, meaning);
}

function numberOf(text: string, meaning: Meaning): bigint | undefined {
  const family = FAMILY[meaning];
  if (family !== undefined) return parseInterval(text, family)?.first;
  return /^\d{1,10}$|^0x[0-9a-f]{1,8}$/.test(text) ? BigInt(text) : undefined;
}

/**
 * Hashes for everything that Kubernetes picks at random and we must pick the same way every time: name suffixes,
 * addresses, ports, the first node of a workload. A value picked by the hash of an object's own name stays the same
 * when other objects come and go, so comparing two simulated inputs shows only what really differs.
 */

/** The letters of Kubernetes' generated names: no vowels and nothing that looks like one, so no words come out. */
const NAME_LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

/** Deeper parts of a value do not count for its content hash; no real manifest is that deep. */
const MAX_DEPTH = 100;

/** FNV-1a over the text's UTF-16 code units, then mixed so that every bit of it can serve as an index. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** `length` letters (at most 6) as Kubernetes puts them at the end of generated names, decided by `text`. */
export function nameSuffix(text: string, length: number): string {
  let rest = hash32(text);
  let suffix = '';
  for (let i = 0; i < length; i++) {
    suffix += NAME_LETTERS.charAt(rest % NAME_LETTERS.length);
    rest = Math.floor(rest / NAME_LETTERS.length);
  }
  return suffix;
}

/**
 * A name as `metadata.generateName` gives it: the base cut to 58 characters and five letters, decided by `identity`
 * and different from every name in `taken`, to which it is added.
 */
export function generateName(base: string, identity: string, taken: Set<string>): string {
  const prefix = base.slice(0, 58);
  for (let round = 0; ; round++) {
    const name = prefix + nameSuffix(round === 0 ? identity : `${identity}~${round}`, 5);
    if (taken.has(name)) continue;
    taken.add(name);
    return name;
  }
}

/** A text that two JSON values share exactly when they are equal, whatever the order of their keys. */
export function contentText(value: unknown, depth = 0): string {
  if (depth > MAX_DEPTH) return '';
  if (Array.isArray(value)) return `[${value.map((each) => contentText(each, depth + 1)).join()}]`;
  if (typeof value !== 'object' || value === null)
    return typeof value === 'string' ? JSON.stringify(value) : String(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${contentText(each, depth + 1)}`).join()}}`;
}

/** What somebody may have meant who names what is not there. */
import { compareBytes, listText } from '../net/text.js';

/** How many names are offered. */
const MOST_NAMES = 5;

/** Something that could have been named. */
export interface Named {
  readonly namespace: string;
  readonly name: string;
}

/** `Like it: shop/web.` of names that are like the one asked for, `Here: …` of all if none is; undefined without any. */
export function alikeText(asked: string, known: readonly Named[]): string | undefined {
  const bare = asked.replace(/^.*\//, '').replace(/:.*$/, '');
  const alike = known.filter(({ name }) => name.includes(bare) || bare.includes(name) || isNear(name, bare));
  const names = (alike.length > 0 ? alike : known).map(({ namespace, name }) => `${namespace}/${name}`);
  if (names.length === 0) return undefined;
  return `${alike.length > 0 ? 'Like it' : 'Here'}: ${someNames(names.sort(compareBytes))}.`;
}

/** `a, b`, of many the first: `a, b, c, d, e and 3 more`. */
export function someNames(names: readonly string[]): string {
  return listText(names, MOST_NAMES);
}

/** Whether two names differ in one place only: by two letters at most. */
function isNear(a: string, b: string): boolean {
  let start = 0;
  while (start < a.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  return Math.max(a.length, b.length) - start - end <= 2;
}

/** What a node holds and what it should hold, as lists of texts: chains with rules, sets with entries, servers. */
import type { DumpPlace } from './finding.js';

/** One rule, entry or setting. */
export interface Item {
  /** Equal for what means the same. */
  readonly text: string;
  /** For people; undefined where `text` will do. */
  readonly shown?: string | undefined;
  readonly place: DumpPlace | undefined;
  /** Whether `shown` is a rule of iptables. Only its text is kept: there may be 300,000 of them. */
  readonly isRule?: boolean;
}

/** What holds items: `nat KUBE-SERVICES`, `set KUBE-CLUSTER-IP`, `virtual server -t 10.96.0.1:443`. */
export interface Container {
  readonly kind: 'chain' | 'set' | 'map' | 'virtual server' | 'interface';
  /** Unique among all. */
  readonly name: string;
  /** Whether the order of the items counts. */
  readonly ordered: boolean;
  /** Type and options, in normal form; `''` where there are none. */
  readonly settings: string;
  readonly items: readonly Item[];
  readonly place: DumpPlace | undefined;
}

/** Containers by name. */
export type Contents = ReadonlyMap<string, Container>;

/** One difference. `absent` and `empty` stand for all items of a container, `surplus` for a container too many. */
export interface Difference {
  readonly kind: 'missing' | 'extra' | 'changed' | 'order' | 'absent' | 'empty' | 'surplus' | 'settings';
  readonly container: Container;
  readonly should: Item | undefined;
  readonly is: Item | undefined;
}

/** Whether two containers hold the same. */
export function sameContainer(a: Container, b: Container): boolean {
  if (a.settings !== b.settings || a.items.length !== b.items.length) return false;
  return a.ordered
    ? a.items.every((each, i) => each.text === b.items[i]?.text)
    : bagMinus(a.items, b.items).length === 0;
}

/** What differs between a container as it should be and as it is. */
export function compareContainers(should: Container | undefined, is: Container | undefined): readonly Difference[] {
  if (should === undefined)
    return is === undefined ? [] : [{ kind: 'surplus', container: is, should: undefined, is: undefined }];
  // Where nothing should be, nothing is missed.
  if (is === undefined && should.kind === 'chain' && should.items.length === 0) return [];
  if (is === undefined) return [{ kind: 'absent', container: should, should: undefined, is: undefined }];
  const settings: Difference[] =
    should.settings === is.settings
      ? []
      : [
          {
            kind: 'settings',
            container: is,
            should: { text: should.settings, place: undefined },
            is: { text: is.settings, place: is.place },
          },
        ];
  if (is.items.length === 0 && should.items.length > 0 && should.kind === 'chain') {
    return [...settings, { kind: 'empty', container: should, should: undefined, is: undefined }];
  }
  const missing = bagMinus(should.items, is.items);
  const extra = bagMinus(is.items, should.items);
  if (missing.length === 0 && extra.length === 0) {
    const moved = should.ordered && !sameContainer(should, is);
    if (!moved) return settings;
    const at = should.items.findIndex((each, i) => each.text !== is.items[i]?.text);
    return [...settings, { kind: 'order', container: is, should: should.items[at], is: is.items[at] }];
  }
  return [...settings, ...pairUp(is, missing, extra)];
}

/** What is missing and what is too much, as changes where one seems to stand for the other. */
function pairUp(container: Container, missing: readonly Item[], extra: readonly Item[]): readonly Difference[] {
  const left = [...extra];
  const result: Difference[] = [];
  for (const should of missing) {
    const at = left.findIndex((each) => areAlike(should, each));
    const [is] = at < 0 ? [] : left.splice(at, 1);
    result.push({ kind: is === undefined ? 'missing' : 'changed', container, should, is });
  }
  for (const is of left) result.push({ kind: 'extra', container, should: undefined, is });
  return result;
}

/** Whether one rule may have been made from the other: it leads to the same chain, or half of the words are the same. */
function areAlike(a: Item, b: Item): boolean {
  const target = / ?-j \S+$/.exec(a.text)?.[0].trim();
  if (target !== undefined && b.text.endsWith(target)) return true;
  const words = a.text.split(' ');
  const others = new Set(b.text.split(' '));
  const common = words.filter((word) => others.has(word)).length;
  return common * 2 > Math.max(words.length, others.size);
}

/** The items of one list that are not in the other, each as often as it is there more often. */
function bagMinus(items: readonly Item[], others: readonly Item[]): readonly Item[] {
  const counts = new Map<string, number>();
  for (const { text } of others) counts.set(text, (counts.get(text) ?? 0) + 1);
  return items.filter(({ text }) => {
    const count = counts.get(text) ?? 0;
    if (count > 0) counts.set(text, count - 1);
    return count === 0;
  });
}

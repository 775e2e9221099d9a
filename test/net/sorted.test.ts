/** Sorted lists stay sorted, and lose just what is taken out. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { mergeSorted, withoutSorted } from '../../src/net/sorted.js';

interface Item {
  readonly key: number;
}

const byKey = (a: Item, b: Item): number => a.key - b.key;

/** Few keys, so that many items are equal. */
const items = fc.array(
  fc.integer({ min: 0, max: 5 }).map((key): Item => ({ key })),
  { maxLength: 20 },
);
const sortedItems = items.map((list) => list.toSorted(byKey));

it('merging two gives what sorting both together gives, the second one first among equals', () => {
  fc.assert(
    fc.property(sortedItems, sortedItems, (a, b) => {
      const expected = [...b, ...a].sort(byKey);
      const merged = mergeSorted(a, b, byKey);
      expect(merged.map((item) => expected.indexOf(item))).toEqual(expected.map((_, i) => i));
    }),
  );
});

it('taking some out leaves all others in their order', () => {
  const withSome = sortedItems.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list)));
  fc.assert(
    fc.property(withSome, ([list, gone]) => {
      const rest = withoutSorted(list, gone, byKey);
      const expected = list.filter((item) => !gone.includes(item));
      expect(rest.map((item) => list.indexOf(item))).toEqual(expected.map((item) => list.indexOf(item)));
    }),
  );
});

/** Sorted lists that a few items are put into or taken out of, without comparing all the others. */

/** Which of two comes first: negative for the first, positive for the second. */
export type Order<Item> = (a: Item, b: Item) => number;

/** Two sorted lists as one; of equals those of the second come first. Quick where the second is short. */
export function mergeSorted<Item>(a: readonly Item[], b: readonly Item[], inOrder: Order<Item>): readonly Item[] {
  if (b.length === 0) return a;
  if (a.length === 0) return b;
  const result: Item[] = [];
  let from = 0;
  for (const each of b) {
    const to = positionOf(each, a, inOrder, from);
    pushRange(result, a, from, to);
    result.push(each);
    from = to;
  }
  pushRange(result, a, from, a.length);
  return result;
}

/** A sorted list without some of its items, which are told by identity. */
export function withoutSorted<Item>(
  sorted: readonly Item[],
  gone: readonly Item[],
  inOrder: Order<Item>,
): readonly Item[] {
  if (gone.length === 0) return sorted;
  const positions = gone.map((item) => sorted.indexOf(item, positionOf(item, sorted, inOrder, 0)));
  const result: Item[] = [];
  let from = 0;
  for (const position of positions.sort((a, b) => a - b)) {
    pushRange(result, sorted, from, position);
    from = position + 1;
  }
  pushRange(result, sorted, from, sorted.length);
  return result;
}

/** Where in a sorted list, from an index on, the first item is that does not come before another. */
function positionOf<Item>(item: Item, sorted: readonly Item[], inOrder: Order<Item>, from: number): number {
  let low = from;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (inOrder(sorted[middle] as Item, item) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function pushRange<Item>(result: Item[], list: readonly Item[], from: number, to: number): void {
  for (let i = from; i < to; i++) result.push(list[i] as Item);
}

/** Sorted lists. */

/** Which of two comes first: negative for the first, positive for the second. */
export type Order<Item> = (a: Item, b: Item) => number;

/** Two sorted lists as one; of equals those of the second come first. */
export function mergeSorted<Item>(a: readonly Item[], b: readonly Item[], inOrder: Order<Item>): readonly Item[] {
  if (b.length === 0) return a;
  if (a.length === 0) return b;
  const result: Item[] = [];
  let i = 0;
  for (const each of b) {
    for (let next = a[i]; next !== undefined && inOrder(next, each) < 0; next = a[++i]) result.push(next);
    result.push(each);
  }
  return result.concat(a.slice(i));
}

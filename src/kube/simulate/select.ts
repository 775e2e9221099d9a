/** Selectors of labels, as Services have them. */
import { addTo } from '../../net/group.js';
import type { Labels } from './values.js';

/** What has labels in a namespace: a Pod, or a template of Pods. */
interface Labelled {
  readonly namespace: string;
  readonly labels: Labels;
}

/** Finds the items of a namespace that have all labels of a selector, in the order in which they are given. */
export function createSelect<Item extends Labelled>(
  items: readonly Item[],
): (namespace: string, selector: Labels) => readonly Item[] {
  const index = new Map<string, Item[]>();
  const keyOf = (namespace: string, label: string, value: string): string => JSON.stringify([namespace, label, value]);
  for (const item of items) {
    for (const [label, value] of Object.entries(item.labels)) {
      addTo(index, keyOf(item.namespace, label, value), item);
    }
  }
  return (namespace, selector) => {
    const lists = Object.entries(selector).map(([label, value]) => index.get(keyOf(namespace, label, value)) ?? []);
    const [shortest = []] = lists.sort((a, b) => a.length - b.length);
    return shortest.filter((item) => hasLabels(item.labels, selector));
  };
}

/** Whether all labels of a selector are there. */
function hasLabels(labels: Labels, selector: Labels): boolean {
  return Object.entries(selector).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value);
}

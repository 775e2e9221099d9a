/** Compiling again after a change: what was lowered and sorted before is kept as far as it still holds. */
import { mergeSorted, type Order } from '../net/sorted.js';
import type { ServicePortPlan } from '../plan/service-port.js';

/** The fragments of all service ports, and what has changed since the last time. */
export interface Fragments<Fragment> {
  /** In the order of the plans. */
  readonly all: readonly Fragment[];
  /** Those of `all` that were not there before. */
  readonly added: readonly Fragment[];
  /** Those that were there before and are no more. */
  readonly gone: readonly Fragment[];
}

/**
 * A function that lowers service ports and keeps the fragments of those whose plan is the same object as before, so
 * that after one change only that service port is lowered again. Another context object makes it forget them all.
 */
export function createLowering<Context extends object, Fragment extends object>(
  lower: (plan: ServicePortPlan, context: Context) => Fragment,
): (plans: readonly ServicePortPlan[], context: Context) => Fragments<Fragment> {
  let kept: ReadonlyMap<ServicePortPlan, Fragment> = new Map();
  let keptFor: Context | undefined;
  return (plans, context) => {
    const former = kept;
    const usable = keptFor === context ? former : new Map<ServicePortPlan, Fragment>();
    const current = new Map<ServicePortPlan, Fragment>();
    const added: Fragment[] = [];
    for (const plan of plans) {
      let fragment = usable.get(plan);
      if (fragment === undefined) {
        fragment = lower(plan, context);
        added.push(fragment);
      }
      current.set(plan, fragment);
    }
    kept = current;
    keptFor = context;
    const gone: Fragment[] = [];
    for (const [plan, fragment] of former) if (current.get(plan) !== fragment) gone.push(fragment);
    return { all: [...current.values()], added, gone };
  };
}

/**
 * A function that collects what all fragments have of one kind, sorted. It keeps its last result: what changed is taken
 * out and merged in, which for a few fragments is many times quicker than sorting everything again.
 * @param itemsOf the items of one fragment, which are the same objects every time
 */
export function createCollection<Fragment, Item extends object>(
  itemsOf: (fragment: Fragment) => readonly Item[],
  inOrder: Order<Item>,
): (fragments: Fragments<Fragment>) => readonly Item[] {
  let sorted: readonly Item[] = [];
  return ({ added, gone }) => {
    const removed = new Set(gone.flatMap(itemsOf));
    const rest = removed.size === 0 ? sorted : sorted.filter((item) => !removed.has(item));
    sorted = mergeSorted(rest, added.flatMap(itemsOf).sort(inOrder), inOrder);
    return sorted;
  };
}

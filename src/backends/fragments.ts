/** Compiling again after a change: what was lowered and sorted before is kept as far as it still holds. */
import { mergeSorted, type Order, withoutSorted } from '../net/sorted.js';
import { byPlanName } from '../plan/plan.js';
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
 * Plans come in the order of `byPlanName`.
 */
export function createLowering<Context extends object, Fragment extends object>(
  lower: (plan: ServicePortPlan, context: Context) => Fragment,
): (plans: readonly ServicePortPlan[], context: Context) => Fragments<Fragment> {
  let kept: readonly { readonly plan: ServicePortPlan; readonly fragment: Fragment }[] = [];
  let keptFor: Context | undefined;
  return (plans, context) => {
    const former = keptFor === context ? kept : [];
    const added: Fragment[] = [];
    const gone = keptFor === context ? [] : kept.map(({ fragment }) => fragment);
    // Both lists are in order, so one walk through both finds what is in one of them only.
    let at = 0;
    kept = plans.map((plan) => {
      let next = former[at];
      for (; next !== undefined && next.plan !== plan && byPlanName(next.plan, plan) < 0; next = former[++at]) {
        gone.push(next.fragment);
      }
      if (next?.plan === plan) {
        at++;
        return next;
      }
      const fragment = lower(plan, context);
      added.push(fragment);
      return { plan, fragment };
    });
    for (const { fragment } of former.slice(at)) gone.push(fragment);
    keptFor = context;
    return { all: kept.map(({ fragment }) => fragment), added, gone };
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
    const rest = withoutSorted(sorted, gone.flatMap(itemsOf), inOrder);
    sorted = mergeSorted(rest, added.flatMap(itemsOf).sort(inOrder), inOrder);
    return sorted;
  };
}

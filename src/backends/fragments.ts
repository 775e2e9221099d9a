import type { ServicePortPlan } from '../plan/service-port.js';

/**
 * A function that lowers service ports and keeps the fragments of those whose plan is the same object as before, so
 * that after one change only that service port is lowered again. Another context object makes it forget them all.
 */
export function createLowering<Context extends object, Fragment extends object>(
  lower: (plan: ServicePortPlan, context: Context) => Fragment,
): (plans: readonly ServicePortPlan[], context: Context) => readonly Fragment[] {
  let kept = new WeakMap<ServicePortPlan, Fragment>();
  let keptFor: Context | undefined;
  return (plans, context) => {
    if (keptFor !== context) {
      kept = new WeakMap();
      keptFor = context;
    }
    return plans.map((plan) => {
      const former = kept.get(plan);
      if (former !== undefined) return former;
      const fragment = lower(plan, context);
      kept.set(plan, fragment);
      return fragment;
    });
  };
}

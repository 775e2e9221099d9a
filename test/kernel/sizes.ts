/** How much the suites of the applier try: everything, or a share where all tests are to end within minutes. */

/** Set by scripts/test. */
const isQuick = process.env.KUBERULES_QUICK === '1';

/** Random changes after each of which a kernel is compared. */
export const RANDOM_CHANGES = isQuick ? 60 : 200;

/** Changes to other Services, and to its own endpoints, while clients connect to one. */
export const CHANGES_UNDER_CONNECTIONS = isQuick ? { others: 100, own: 15 } : { others: 500, own: 40 };

/** Moments at which an apply is killed, for each of three kinds of rules. */
export const MOMENTS = isQuick ? 8 : 17;

/**
 * In user-mode-linux, which is slow: every how many-th case, and how many changes.
 * `KUBERULES_THOROUGH=1 UML_TIMEOUT=7200 npm run test:ipvs` has as much there as there is elsewhere.
 */
export const IN_UML =
  process.env.KUBERULES_THOROUGH === '1'
    ? { everyCase: 1, randomChanges: 200, changesUnderConnections: 500 }
    : { everyCase: isQuick ? 10 : 5, randomChanges: 5, changesUnderConnections: 4 };

/** All cases, or every other one: of two suites with unlike numbers each has the half that the other has not. */
export function caseShare<Case>(cases: readonly Case[], suite: number): readonly Case[] {
  return isQuick ? cases.filter((_, i) => i % 2 === suite % 2) : cases;
}

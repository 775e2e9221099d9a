/** Whether counts could come from an even choice. */

/** The values that chi-squared exceeds once in a thousand times, by degrees of freedom from 1 on. */
const criticalAt001 = [10.828, 13.816, 16.266, 18.467, 20.515];

/** Pearson's statistic of the counts against the same expectation for each. */
export function chiSquared(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

/** False where an even choice gives counts this uneven less than once in a thousand times. */
export function looksEven(counts: readonly number[]): boolean {
  const critical = criticalAt001[counts.length - 2];
  if (critical === undefined) throw new Error(`no critical value for ${counts.length} counts`);
  return chiSquared(counts) <= critical;
}

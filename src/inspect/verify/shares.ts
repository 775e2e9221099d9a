/** Shares of connections in words. */

/**
 * `probabilities uneven: 10.244.1.2:80 gets 1/2, should get 1/3`: those that get too much or too little.
 * @param shares as fractions: numerator and denominator
 * @param lost the share that no endpoint gets
 */
export function sharesText(
  shares: ReadonlyMap<string, readonly [bigint, bigint]>,
  lost: readonly [bigint, bigint],
): string {
  const count = BigInt(shares.size);
  const wrong = [...shares].filter(([, [part, whole]]) => part * count !== whole);
  const named = wrong.slice(0, 4).map(([name, [part, whole]]) => `${name} gets ${fraction(part, whole)}`);
  const more = wrong.length > named.length ? ` and ${wrong.length - named.length} more` : '';
  const gone = lost[0] === 0n ? '' : `; ${fraction(...lost)} of the connections get no endpoint`;
  if (named.length === 0) return `probabilities changed, though the shares are even${gone}.`;
  return `probabilities uneven: ${named.join(', ')}${more}, should get ${fraction(1n, count)}${gone}.`;
}

function fraction(part: bigint, whole: bigint): string {
  if (part === whole) return 'all';
  if (part === 0n) return 'nothing';
  return whole < 10_000n ? `${part}/${whole}` : `${((Number(part) / Number(whole)) * 100).toPrecision(4)}%`;
}

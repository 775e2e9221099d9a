/** Shares of connections in words. */
import { type Fraction, isZero, oneIn, printFraction } from '../../backends/packet/fraction.js';
import { listText } from '../../net/text.js';

/**
 * `probabilities uneven: 10.244.1.2:80 gets 1/2, should get 1/3`: those that get too much or too little.
 * @param lost the share that no endpoint gets
 */
export function sharesText(shares: ReadonlyMap<string, Fraction>, lost: Fraction): string {
  const wrong = [...shares].filter(([, share]) => !isEven(share, shares.size));
  const named = wrong.map(([name, share]) => `${name} gets ${shareText(share)}`);
  const gone = isZero(lost) ? '' : `; ${shareText(lost)} of the connections get no endpoint`;
  if (named.length === 0) return `probabilities changed, though the shares are even${gone}.`;
  return `probabilities uneven: ${listText(named, 4)}, should get ${shareText(oneIn(shares.size))}${gone}.`;
}

/** Whether a share is that of one of so many endpoints. */
export function isEven({ numerator, denominator }: Fraction, count: number): boolean {
  return numerator === 1n && denominator === BigInt(count);
}

function shareText(share: Fraction): string {
  const { numerator, denominator } = share;
  if (numerator === denominator) return 'all';
  if (isZero(share)) return 'nothing';
  if (denominator < 10_000n) return printFraction(share);
  return `${((Number(numerator) / Number(denominator)) * 100).toPrecision(4)}%`;
}

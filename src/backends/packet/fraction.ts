/** Exact probabilities. */

/** A fraction in lowest terms, not negative. */
export interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** What is certain. */
export const ONE: Fraction = { numerator: 1n, denominator: 1n };

/** What does not happen. */
export const ZERO: Fraction = { numerator: 0n, denominator: 1n };

/** numerator / denominator in lowest terms; the denominator must be positive. */
export function fraction(numerator: bigint, denominator: bigint): Fraction {
  const divisor = greatestCommonDivisor(numerator, denominator);
  return { numerator: numerator / divisor, denominator: denominator / divisor };
}

export function times(a: Fraction, b: Fraction): Fraction {
  return fraction(a.numerator * b.numerator, a.denominator * b.denominator);
}

export function plus(a: Fraction, b: Fraction): Fraction {
  return fraction(a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator);
}

/** 1 - a, for a probability. */
export function complement(a: Fraction): Fraction {
  return { numerator: a.denominator - a.numerator, denominator: a.denominator };
}

export function isZero(a: Fraction): boolean {
  return a.numerator === 0n;
}

/** `1/3`; `1` and `0` without denominator. */
export function printFraction({ numerator, denominator }: Fraction): string {
  return denominator === 1n ? String(numerator) : `${numerator}/${denominator}`;
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

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
  // Most rules are certain.
  if (b === ONE) return a;
  if (a === ONE) return b;
  return fraction(a.numerator * b.numerator, a.denominator * b.denominator);
}

export function plus(a: Fraction, b: Fraction): Fraction {
  return fraction(a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator);
}

/** a - b, for a that is not less than b. */
export function minus(a: Fraction, b: Fraction): Fraction {
  return fraction(a.numerator * b.denominator - b.numerator * a.denominator, a.denominator * b.denominator);
}

/** a / b, for b that is not zero. */
export function dividedBy(a: Fraction, b: Fraction): Fraction {
  return fraction(a.numerator * b.denominator, a.denominator * b.numerator);
}

/** 1/n for a whole number from 1 on. */
export function oneIn(n: number): Fraction {
  return { numerator: 1n, denominator: BigInt(n) };
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

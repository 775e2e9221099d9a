import { expect, test } from 'vitest';
import { chiSquared, looksEven } from './chi-squared.js';

test('the statistic of a die, as textbooks have it', () => {
  expect(chiSquared([5, 8, 9, 8, 10, 20])).toBeCloseTo(13.4, 10);
});
test('even counts, and counts at either side of the limit', () => {
  expect(looksEven([1000, 1000, 1000])).toBe(true);
  expect(looksEven([1080, 1000, 920])).toBe(true);
  expect(looksEven([1090, 1000, 910])).toBe(false);
});
test('the shares that a forgotten probability gives', () => {
  // 1/3 for the first, then the rest halved wrongly: 1/3, 2/9, 4/9.
  expect(looksEven([1000, 667, 1333])).toBe(false);
});
test('refuses what it has no value for', () => {
  expect(() => looksEven([1])).toThrow('no critical value');
});

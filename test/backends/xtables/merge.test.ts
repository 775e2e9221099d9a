/** Rules that are to come among those that are to go. */
import { expect, it } from 'vitest';
import { mergedRules } from '../../../src/backends/xtables/merge.js';
import { printXtables, readXtables } from '../../../src/backends/xtables/text.js';

/** One table with one chain, its rules by a letter each. */
function chain(letters: string) {
  const rules = Array.from(letters, (letter) => `-A KUBE-SERVICES -m comment --comment ${letter} -j ACCEPT\n`);
  return readXtables({ name: 'x', text: `*nat\n:KUBE-SERVICES - [0:0]\n${rules.join('')}COMMIT\n` }).text;
}

it.each([
  ['', 'abc', 'abc'],
  ['abc', '', 'abc'],
  ['ac', 'abc', 'abc'],
  ['abc', 'ac', 'abc'],
  ['acd', 'abd', 'acbd'],
  ['xabz', 'aybz', 'xaybz'],
  // Nothing is lost where the order is another.
  ['ab', 'ba', 'ba'],
  ['aa', 'aab', 'aab'],
])('%j to be %j: %j', (former, wanted, merged) => {
  expect(printXtables(mergedRules(chain(wanted), chain(former)))).toBe(printXtables(chain(merged)));
});

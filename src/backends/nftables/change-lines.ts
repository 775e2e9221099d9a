/** What differs between two tables, as people are told of it. */
import type { Change } from '../change.js';
import { elementsByKey, type NftDifference } from './normal-form.js';
import { chainProperties, collectionProperties, printElement } from './print-listing.js';
import { printComment, printRuleText } from './print-rule.js';
import { chainsOf, collectionsOf, type NftCollection, type NftTable } from './rule-set.js';

/** Chains with all of their rules; of sets and maps that stay only the elements that differ. */
export function nftChanges(
  differences: readonly NftDifference[],
  before: NftTable,
  after: NftTable,
): readonly Change[] {
  const grouped = new Map<string, NftDifference[]>();
  for (const each of differences) {
    const what = each.kind === 'other' ? each.name : `${each.kind} ${each.name}`;
    const group = grouped.get(what);
    if (group === undefined) grouped.set(what, [each]);
    else group.push(each);
  }
  const [linesBefore, linesAfter] = [linesOf(before), linesOf(after)];
  return Array.from(grouped, ([what, group]): Change => {
    const action = group[0]?.aspect !== 'existence' ? 'change' : actionOf(group[0]);
    return { what, action, before: linesBefore(group), after: linesAfter(group) };
  });
}

function actionOf({ left, right }: NftDifference): Change['action'] {
  if (left === undefined) return 'add';
  return right === undefined ? 'remove' : 'change';
}

/** The lines of one table to show for the differences of one of its objects. */
function linesOf(table: NftTable): (group: readonly NftDifference[]) => readonly string[] {
  const chains = chainsOf(table);
  const collections = collectionsOf(table);
  return (group) => {
    const [first] = group;
    if (first === undefined) return [];
    if (first.kind === 'table') return table.comment === undefined ? [] : [printComment(table.comment).trim()];
    if (first.kind === 'other') return [];
    if (first.kind === 'chain') {
      const chain = chains.get(first.name);
      return chain === undefined ? [] : [...chainProperties(chain), ...chain.rules.map(printRuleText)];
    }
    const collection = collections.get(first.name);
    if (collection === undefined) return [];
    const onlyElements = group.every(({ aspect }) => aspect === 'element');
    if (!onlyElements) return [...collectionProperties(collection), ...rulesAmong(collection)];
    const elements = elementsByKey(collection);
    return group.flatMap(({ key }) => {
      const element = elements.get(key);
      return element === undefined ? [] : [printElement(element)];
    });
  };
}

/** The elements but for clients that a set remembers for a while. */
function rulesAmong({ flags, elements }: NftCollection): readonly string[] {
  return flags.includes('timeout') ? [] : elements.map(printElement);
}

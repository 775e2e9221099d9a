/** Rules on the way from one state to another, where more than rules changes. */
import { ruleKey } from './quick-rule.js';
import { type TableLine, type XtablesRule, type XtablesText, xtablesChains, xtablesTable } from './text.js';

/**
 * What is wanted together with the rules that its chains have now and that are to go, each in its place among the others.
 * With them in force what the one rules need and what the other ones need may both be there.
 */
export function mergedRules(wanted: XtablesText, current: XtablesText): XtablesText {
  const tables = wanted.tables.map((table) => {
    const present = xtablesTable(current, table.name);
    const former = present === undefined ? undefined : xtablesChains(present);
    const lines: TableLine[] = table.lines.filter(({ kind }) => kind !== 'rule');
    for (const chain of xtablesChains(table).values()) {
      lines.push(...mergedChain(chain.rules, former?.get(chain.name)?.rules ?? []));
    }
    return { ...table, lines };
  });
  return { ...wanted, tables };
}

/** Both lists in one, in an order that goes with both where they have one. */
function mergedChain(wanted: readonly XtablesRule[], former: readonly XtablesRule[]): readonly XtablesRule[] {
  const keys = wanted.map(({ arguments: args }) => ruleKey(args));
  const isWanted = new Set(keys);
  const merged: XtablesRule[] = [];
  let at = 0;
  for (const rule of former) {
    const key = ruleKey(rule.arguments);
    if (!isWanted.has(key)) {
      merged.push({ ...rule, counters: undefined, line: undefined });
      continue;
    }
    const next = keys.indexOf(key, at);
    if (next < 0) continue;
    merged.push(...wanted.slice(at, next + 1));
    at = next + 1;
  }
  return [...merged, ...wanted.slice(at)];
}

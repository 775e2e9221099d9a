/** Rule set → commands for `nft -f`, in the order in which kuberules writes them. */
import { compareBytes } from '../../net/text.js';
import { printDuration } from './duration.js';
import { printType } from './print-listing.js';
import { printComment, printRuleText } from './print-rule.js';
import {
  isCollection,
  type NftChain,
  type NftCollection,
  type NftElement,
  type NftRule,
  type NftRuleSet,
  type NftTable,
} from './rule-set.js';

/**
 * The script that makes the tables of a rule set; for one that was read from a script of kuberules it is that script.
 * Foreign tables and what kube-proxy has none of are left out.
 */
export function printNftScript(ruleSet: NftRuleSet): string {
  return ruleSet.tables.map((table) => (table.foreign ? '' : printTable(table))).join('');
}

function printTable(table: NftTable): string {
  const { family, name, comment, replaces, objects } = table;
  const chains = objects.filter((each) => each.kind === 'chain');
  const collections = objects.filter(isCollection);
  const byName = collections.toSorted((a, b) => compareBytes(a.name, b.name));
  return [
    replaces ? `add table ${family} ${name}\ndelete table ${family} ${name}\n` : '',
    `add table ${family} ${name}${braced(commentProperty(comment))}\n`,
    ...chains.map((chain) => printNftChainCommand(table, chain)),
    ...collections.map((collection) => printNftCollectionCommand(table, collection)),
    ...chains.flatMap((chain) => chain.rules.map((rule) => printNftRuleCommand(table, chain.name, rule))),
    ...byName.flatMap(({ name, elements }) => elements.map((each) => printNftElementCommand(table, name, each))),
  ].join('');
}

/** What names a table. */
export type NftTableName = Pick<NftTable, 'family' | 'name'>;

function commentProperty(comment: string | undefined): readonly string[] {
  return comment === undefined || comment === '' ? [] : [`comment "${comment}"`];
}

function braced(properties: readonly string[]): string {
  return properties.length === 0 ? '' : ` { ${properties.map((each) => `${each} ;`).join(' ')} }`;
}

/** The command that adds a chain, without its rules; ends in a line break, as all of these do. */
export function printNftChainCommand({ family, name }: NftTableName, chain: NftChain): string {
  const { base, comment } = chain;
  const hook =
    base === undefined
      ? []
      : [
          `type ${base.type} hook ${base.hook} priority ${base.priority}`,
          ...(base.policy === 'accept' ? [] : [`policy ${base.policy}`]),
        ];
  return `add chain ${family} ${name} ${chain.name}${braced([...hook, ...commentProperty(comment)])}\n`;
}

/** The command that adds a set or map, without its elements. */
export function printNftCollectionCommand({ family, name }: NftTableName, collection: NftCollection): string {
  const { kind, flags, timeout, size, others, comment } = collection;
  const properties = [
    `type ${printType(collection)}`,
    ...(size === undefined ? [] : [`size ${size}`]),
    ...(flags.length === 0 ? [] : [`flags ${flags.join(',')}`]),
    // kube-proxy gives seconds.
    ...(timeout === undefined ? [] : [`timeout ${Number.isInteger(timeout) ? `${timeout}s` : printDuration(timeout)}`]),
    ...others,
    ...commentProperty(comment),
  ];
  return `add ${kind} ${family} ${name} ${collection.name}${braced(properties)}\n`;
}

/** The command that adds a rule at the end of a chain. */
export function printNftRuleCommand({ family, name }: NftTableName, chain: string, rule: NftRule): string {
  return `add rule ${family} ${name} ${chain} ${printRuleText(rule)}\n`;
}

/** The command that adds an element to a set or map; how long it is still to stay is left out. */
export function printNftElementCommand(table: NftTableName, collection: string, element: NftElement): string {
  const { key, data, comment, timeout } = element;
  const time = timeout === undefined ? '' : ` timeout ${printDuration(timeout)}`;
  const value = data === '' ? '' : ` : ${data}`;
  return `add element ${table.family} ${table.name} ${collection} { ${key}${time}${printComment(comment)}${value} }\n`;
}

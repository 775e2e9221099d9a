/** Rule set → the text that `nft list` prints (nft 1.0.6, without options). */
import { printDuration } from './duration.js';
import { printComment, printRuleText } from './print-rule.js';
import { printPriority } from './properties.js';
import type { NftChain, NftCollection, NftElement, NftObject, NftRule, NftRuleSet, NftTable } from './rule-set.js';

/** The text of `nft list ruleset` for a rule set; for one that was read from such a text it is that text. */
export function printNftListing(ruleSet: NftRuleSet): string {
  return ruleSet.tables
    .map((table) => (typeof table.verbatim === 'string' ? table.verbatim : printNftTable(table)))
    .join('');
}

/** The text of `nft list table` from the fields of a table. */
export function printNftTable(table: NftTable): string {
  const comment = table.comment === undefined || table.comment === '' ? '' : `\tcomment "${table.comment}"\n`;
  const objects = table.objects.map(printObject).join('\n');
  return `table ${table.family} ${table.name} {${printHandle(table.handle)}\n${comment}${objects}}\n`;
}

function printHandle(handle: number | undefined): string {
  return handle === undefined ? '' : ` # handle ${handle}`;
}

function printObject(object: NftObject): string {
  switch (object.kind) {
    case 'chain':
      return printChain(object);
    case 'other':
      return typeof object.source === 'string' ? `${object.source.replace(/^(?=.)/gm, '\t')}\n` : '';
    default:
      return printCollection(object);
  }
}

function printChain(chain: NftChain): string {
  const lines = [`\tchain ${chain.name} {${printHandle(chain.handle)}\n`];
  for (const each of chainProperties(chain)) lines.push(`\t\t${each}\n`);
  for (const rule of chain.rules) lines.push(printRule(rule));
  lines.push('\t}\n');
  return lines.join('');
}

/** The lines before the rules of a chain. */
export function chainProperties({ comment, base }: NftChain): readonly string[] {
  return [
    ...(comment === undefined || comment === '' ? [] : [`comment "${comment}"`]),
    ...(base === undefined
      ? []
      : [`type ${base.type} hook ${base.hook} priority ${printPriority(base)}; policy ${base.policy};`]),
  ];
}

function printRule(rule: NftRule): string {
  return `\t\t${printRuleText(rule)}${printHandle(rule.handle)}\n`;
}

/** The types of a set's keys, and behind a colon what a map gives. */
export function printType({ keyTypes, dataType }: NftCollection): string {
  return `${keyTypes.join(' . ')}${dataType === '' ? '' : ` : ${dataType}`}`;
}

function printCollection(collection: NftCollection): string {
  const { kind, name, handle, elements } = collection;
  const lines = [`\t${kind} ${name} {${printHandle(handle)}\n`];
  for (const each of collectionProperties(collection)) lines.push(`\t\t${each}\n`);
  if (elements.length > 0) lines.push(`\t\telements = { ${printElements(collection)} }\n`);
  lines.push('\t}\n');
  return lines.join('');
}

/** The lines before the elements of a set or map. */
export function collectionProperties(collection: NftCollection): readonly string[] {
  const { flags, timeout, size, comment, others } = collection;
  return [
    `type ${printType(collection)}`,
    ...(size === undefined ? [] : [`size ${size}`]),
    ...(flags.length === 0 ? [] : [`flags ${flags.join(',')}`]),
    ...(timeout === undefined ? [] : [`timeout ${printDuration(timeout)}`]),
    ...others,
    ...(comment === '' ? [] : [`comment "${comment}"`]),
  ];
}

/** How many elements nft puts in a line; of all other types one. */
const IN_A_LINE: Readonly<Record<string, number>> = { ipv4_addr: 2, inet_proto: 5, inet_service: 5, mark: 5 };

function printElements({ keyTypes, elements }: NftCollection): string {
  const [type = ''] = keyTypes;
  const inALine = keyTypes.length === 1 && Object.hasOwn(IN_A_LINE, type) ? (IN_A_LINE[type] ?? 1) : 1;
  const printed = elements.map((each, i) => {
    const delimiter = i === 0 ? '' : i % inALine === 0 ? ',\n\t\t\t     ' : ', ';
    return delimiter + printElement(each);
  });
  return printed.join('');
}

/** An element, as it stands between the braces. */
export function printElement({ key, data, comment, timeout, expires, others }: NftElement): string {
  return [
    key,
    others === '' ? '' : ` ${others}`,
    timeout === undefined ? '' : ` timeout ${printDuration(timeout)}`,
    expires === undefined ? '' : ` expires ${printDuration(expires)}`,
    printComment(comment),
    data === '' ? '' : ` : ${data}`,
  ].join('');
}

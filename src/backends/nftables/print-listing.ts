/** Rule set → the text that `nft list` prints (nft 1.0.6, without options). */
import { printDuration } from './duration.js';
import { printStatements } from './print-rule.js';
import { printPriority } from './properties.js';
import { statementsOf } from './read-rule.js';
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
  if (chain.comment !== undefined && chain.comment !== '') lines.push(`\t\tcomment "${chain.comment}"\n`);
  if (chain.base !== undefined) {
    const { type, hook, policy } = chain.base;
    lines.push(`\t\ttype ${type} hook ${hook} priority ${printPriority(chain.base)}; policy ${policy};\n`);
  }
  for (const rule of chain.rules) lines.push(printRule(rule));
  lines.push('\t}\n');
  return lines.join('');
}

function printRule(rule: NftRule): string {
  const words = typeof rule.source === 'string' ? rule.source : printStatements(statementsOf(rule));
  return `\t\t${words}${printComment(rule.comment)}${printHandle(rule.handle)}\n`;
}

/** A comment behind other words. */
export function printComment(comment: string): string {
  return comment === '' ? '' : ` comment "${comment}"`;
}

/** The types of a set's keys, and behind a colon what a map gives. */
export function printType({ keyTypes, dataType }: NftCollection): string {
  return `${keyTypes.join(' . ')}${dataType === '' ? '' : ` : ${dataType}`}`;
}

function printCollection(collection: NftCollection): string {
  const { kind, name, handle, flags, timeout, size, comment, others, elements } = collection;
  const lines = [`\t${kind} ${name} {${printHandle(handle)}\n`];
  lines.push(`\t\ttype ${printType(collection)}\n`);
  if (size !== undefined) lines.push(`\t\tsize ${size}\n`);
  if (flags.length > 0) lines.push(`\t\tflags ${flags.join(',')}\n`);
  if (timeout !== undefined) lines.push(`\t\ttimeout ${printDuration(timeout)}\n`);
  for (const each of others) lines.push(`\t\t${each}\n`);
  if (comment !== '') lines.push(`\t\tcomment "${comment}"\n`);
  if (elements.length > 0) lines.push(`\t\telements = { ${printElements(collection)} }\n`);
  lines.push('\t}\n');
  return lines.join('');
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

function printElement({ key, data, comment, timeout, expires, others }: NftElement): string {
  return [
    key,
    others === '' ? '' : ` ${others}`,
    timeout === undefined ? '' : ` timeout ${printDuration(timeout)}`,
    expires === undefined ? '' : ` expires ${printDuration(expires)}`,
    printComment(comment),
    data === '' ? '' : ` : ${data}`,
  ].join('');
}

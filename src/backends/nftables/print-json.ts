/** Rule set → the JSON that `nft -j list` prints (nft 1.0.6). */
import { isFields } from '../../kube/fields.js';
import type { NftChain, NftCollection, NftElement, NftRuleSet, NftTable } from './rule-set.js';

/**
 * The text of `nft -j list ruleset` for a rule set that was read from such a text: the same values, in the order and
 * with the blanks of nft. Rule sets read from other texts have no rules in JSON, so that they cannot be printed.
 */
export function printNftJson(ruleSet: NftRuleSet): string {
  const objects = ruleSet.tables.flatMap((table) =>
    Array.isArray(table.verbatim) ? table.verbatim : nftTableJson(table),
  );
  const metainfo = ruleSet.metainfo === undefined ? [] : [ruleSet.metainfo];
  return printJson({ nftables: [...metainfo, ...objects] });
}

/** The objects of a table, from its fields. */
export function nftTableJson(table: NftTable): readonly object[] {
  const { family, name, handle, comment, objects } = table;
  const chains = objects.filter((each) => each.kind === 'chain');
  return [
    { table: { family, name, ...given({ handle, comment }) } },
    ...objects.map((each) => {
      if (each.kind === 'chain') return chainJson(table, each);
      return each.kind === 'other' ? (each.source as object) : collectionJson(table, each);
    }),
    ...chains.flatMap((chain) =>
      chain.rules.map(({ handle, comment, source }) => ({
        rule: {
          family,
          table: name,
          chain: chain.name,
          ...given({ handle, comment: comment === '' ? undefined : comment }),
          expr: source,
        },
      })),
    ),
  ];
}

/** Without the fields that are not given. */
function given(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function chainJson({ family, name: table }: NftTable, { name, handle, comment, base }: NftChain): object {
  const hook = base === undefined ? {} : { type: base.type, hook: base.hook, prio: base.priority, policy: base.policy };
  return { chain: { family, table, name, ...given({ handle, comment }), ...hook } };
}

/** One text alone, several as a list. */
function oneOrMore(values: readonly string[]): string | readonly string[] {
  const [only = ''] = values;
  return values.length === 1 ? only : values;
}

function collectionJson({ family, name: table }: NftTable, collection: NftCollection): object {
  const { kind, name, handle, keyTypes, dataType, flags, timeout, size, comment, elements } = collection;
  return {
    [kind]: {
      family,
      name,
      table,
      type: oneOrMore(keyTypes),
      ...given({
        handle,
        comment: comment === '' ? undefined : comment,
        map: dataType === '' ? undefined : dataType,
        size,
        flags: flags.length === 0 ? undefined : flags,
        timeout,
        elem: elements.length === 0 ? undefined : elements.map((each) => elementJson(kind, each)),
      }),
    },
  };
}

function elementJson(kind: 'set' | 'map', { key, data, comment, timeout, expires }: NftElement): unknown {
  const value = keyJson(key);
  const plain = comment === '' && timeout === undefined && expires === undefined;
  const element = plain
    ? value
    : { elem: { val: value, ...given({ timeout, expires, comment: comment === '' ? undefined : comment }) } };
  return kind === 'set' ? element : [element, dataJson(data)];
}

function keyJson(key: string): unknown {
  const parts = key.split(' . ').map(valueJson);
  return parts.length === 1 ? parts[0] : { concat: parts };
}

/** A number, a prefix, a range of addresses, or a word. */
function valueJson(text: string): unknown {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  const [, addr, len] = /^([0-9a-f.:]+)\/(\d{1,3})$/.exec(text) ?? [];
  if (addr !== undefined) return { prefix: { addr, len: Number(len) } };
  return /^[0-9a-f.:]+-[0-9a-f.:]+$/.test(text) ? { range: text.split('-').map(valueJson) } : text;
}

function dataJson(data: string): unknown {
  const [kind = '', target] = data.split(' ');
  if (kind === 'goto' || kind === 'jump') return { [kind]: { target } };
  if (kind === 'accept' || kind === 'drop' || kind === 'return' || kind === 'continue') return { [kind]: null };
  return keyJson(data);
}

/** JSON in one line with a blank behind commas and colons, as nft has it. */
function printJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(printJson).join(', ')}]`;
  if (!isFields(value)) return JSON.stringify(value);
  const fields = Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${printJson(each)}`);
  return `{${fields.join(', ')}}`;
}

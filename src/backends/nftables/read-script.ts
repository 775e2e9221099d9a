/** Commands for `nft -f`, as kuberules and kube-proxy's tests write them → rule set. */
import { show } from '../../kube/fields.js';
import type { SourceText } from '../../kube/objects.js';
import { readElements } from './elements.js';
import { type ReadNftResult, RuleSetProblem, reading } from './problem.js';
import {
  applyCollectionProperty,
  type ChainDraft,
  type CollectionDraft,
  commentOf,
  newChain,
  newCollection,
  readBaseChain,
  splitComment,
  splitProperties,
} from './properties.js';
import type { NftElement, NftTable } from './rule-set.js';

/**
 * Reads a script that makes whole tables: `add table` (with `delete table` behind it where a former one is replaced),
 * and `add` for chains, sets, maps, rules and elements, one a line. Empty lines and comments are passed over. Any other
 * command changes a table that is not in the text, so it is a problem: one error `unreadable-rules` with its line.
 */
export function readNftScript(source: SourceText): ReadNftResult {
  return reading(source, () => {
    const tables = new Map<string, TableDraft>();
    const { text } = source;
    for (let at = 0; at < text.length; ) {
      const newline = text.indexOf('\n', at);
      const end = newline < 0 ? text.length : newline;
      readLine(tables, text, at, end);
      at = end + 1;
    }
    return { form: 'script', metainfo: undefined, tables: Array.from(tables.values(), finish) };
  });
}

/** A table that is being read. */
interface TableDraft {
  readonly family: string;
  readonly name: string;
  replaces: boolean;
  comment: string;
  readonly chains: Map<string, ChainDraft>;
  readonly collections: Map<string, CollectionDraft & { elements: NftElement[] }>;
}

function finish({ family, name, replaces, comment, chains, collections }: TableDraft): NftTable {
  return {
    form: 'script',
    family,
    name,
    foreign: false,
    replaces,
    comment,
    handle: undefined,
    objects: [...chains.values(), ...collections.values()],
    verbatim: undefined,
  };
}

/** One command; a word of its beginning at a time, as most of a line is of no concern to the rest. */
function readLine(tables: Map<string, TableDraft>, text: string, start: number, end: number): void {
  if (text.charAt(start) === '#') return;
  const line = text.slice(start, end);
  if (/^\s*$/.test(line)) return;
  const [verb, kind, family, tableName, ...more] = splitWords(line, line.startsWith('add table') ? 4 : 5);
  const [name = '', rest = ''] = more;
  const refuse = (what: string): RuleSetProblem => new RuleSetProblem(`${what}: ${show(line)}.`, start);
  if (family === undefined || tableName === undefined || (verb !== 'add' && verb !== 'delete')) {
    throw refuse('This is no command of a script that makes a whole table');
  }
  const key = `${family} ${tableName}`;
  const table = tables.get(key);
  if (kind === 'table') {
    if (verb === 'delete' && table === undefined) throw refuse('There is no such table before this line');
    if (verb === 'delete' && table !== undefined) {
      tables.set(key, { ...newTable(family, tableName), replaces: true });
      return;
    }
    const draft = table ?? newTable(family, tableName);
    tables.set(key, draft);
    for (const property of splitProperties(bodyOf(name, refuse))) {
      const comment = commentOf(property);
      if (comment === undefined) throw refuse('This property of a table is not known');
      draft.comment = comment;
    }
    return;
  }
  if (verb !== 'add') throw refuse('This is no command of a script that makes a whole table');
  if (table === undefined) throw refuse('There is no such table before this line');
  switch (kind) {
    case 'chain':
      if (name === '' || table.chains.has(name)) throw refuse('A new chain is expected');
      table.chains.set(name, readChain(family, name, splitProperties(bodyOf(rest, refuse)), refuse));
      return;
    case 'set':
    case 'map': {
      if (name === '' || table.collections.has(name)) throw refuse(`A new ${kind} is expected`);
      const draft = { ...newCollection(kind, name, undefined, 'script'), elements: [] as NftElement[] };
      for (const property of splitProperties(bodyOf(rest, refuse))) applyCollectionProperty(draft, property);
      table.collections.set(name, draft);
      return;
    }
    case 'rule': {
      const chain = table.chains.get(name);
      if (chain === undefined) throw refuse('There is no such chain before this line');
      const { words, comment } = splitComment(rest);
      chain.rules.push({ family, source: words, comment, handle: undefined });
      return;
    }
    case 'element': {
      const collection = table.collections.get(name);
      if (collection === undefined) throw refuse('There is no such set or map before this line');
      if (!rest.startsWith('{')) throw refuse('Elements stand between braces');
      const closed = readElements(line, line.length - rest.length + 1, collection.elements, start);
      if (closed !== line.length) throw refuse('Something stands behind these elements');
      return;
    }
    default:
      throw refuse('This is no command of a script that makes a whole table');
  }
}

function newTable(family: string, name: string): TableDraft {
  return { family, name, replaces: false, comment: '', chains: new Map(), collections: new Map() };
}

/** The first words of a line, and as one text what stands behind them. */
function splitWords(line: string, count: number): readonly string[] {
  const words: string[] = [];
  let at = 0;
  while (words.length < count) {
    const blank = line.indexOf(' ', at);
    if (blank < 0) break;
    words.push(line.slice(at, blank));
    at = blank + 1;
  }
  words.push(line.slice(at));
  return words;
}

/** What stands between the braces at the end of a line; `''` where nothing does. */
function bodyOf(text: string, refuse: (what: string) => RuleSetProblem): string {
  const trimmed = text.trim();
  if (trimmed === '') return '';
  if (!trimmed.startsWith('{') || !trimmed.endsWith('}') || trimmed.length < 2)
    throw refuse('Properties stand between braces');
  return trimmed.slice(1, -1);
}

function readChain(
  family: string,
  name: string,
  properties: readonly string[],
  refuse: (what: string) => RuleSetProblem,
): ChainDraft {
  const chain = newChain(name, undefined, 'script');
  const others: string[] = [];
  for (const property of properties) {
    const comment = commentOf(property);
    if (comment === undefined) others.push(property);
    else chain.comment = comment;
  }
  if (others.length === 0) return chain;
  chain.base = readBaseChain(family, `${others.join('; ')};`);
  if (chain.base === undefined) throw refuse(`The hook of chain ${name} cannot be read`);
  return chain;
}

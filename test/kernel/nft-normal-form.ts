/**
 * One form for tables that mean the same, so that a script of nftables mode can be compared with what `nft -y -T list`
 * prints: its text, as its JSON leaves out comments of the table and of chains, the flag `dynamic` and what `dnat` maps
 * to.
 *
 * nft prints a rule otherwise than it was written: `mark` is `meta mark`, `or` is `|`, a mask of high bits is a prefix;
 * `addr . port` is not said again; names are quoted; the addresses of an anonymous set are joined to ranges and, if
 * there is only one, lose their braces; elements come in an order of its own. A base chain gains its policy, a set that
 * rules add to its size. Nothing else may differ.
 */
import ipaddr from 'ipaddr.js';
import { readNftScript } from '../support/nft-script.js';
import type { Family } from './places.js';

interface ChainState {
  readonly properties: readonly string[];
  /** In normal form, in order. */
  readonly rules: readonly string[];
}

interface CollectionState {
  readonly properties: readonly string[];
  /** In order of text. */
  readonly elements: readonly string[];
}

/** What is in a table. */
export interface TableState {
  readonly properties: readonly string[];
  readonly chains: Readonly<Record<string, ChainState>>;
  /** The sets and maps, under names like `set cluster-ips`. */
  readonly collections: Readonly<Record<string, CollectionState>>;
}

/** The table's family and name, as nft has it. */
export function tableName(family: Family): 'ip kube-proxy' | 'ip6 kube-proxy' {
  return family === 'ipv4' ? 'ip kube-proxy' : 'ip6 kube-proxy';
}

/** What a script leaves in a table. */
export function writtenState(script: string, family: Family): TableState {
  const read = readNftScript(script, tableName(family));
  const chains: Record<string, ChainState> = {};
  for (const [name, { type, properties, rules }] of read.chains) {
    const policy = type === undefined ? [] : ['policy accept'];
    chains[name] = { properties: [...statements(properties), ...policy], rules: rules.map(normalRule) };
  }
  const collections: Record<string, CollectionState> = {};
  for (const [name, { kind, properties }] of read.collections) {
    const own = statements(properties);
    const elements = read.elements
      .filter(({ collection }) => collection === name)
      .map(({ key, comment, verdict }) => {
        const said = comment === undefined ? '' : ` comment "${comment}"`;
        return `${key}${said}${verdict === undefined ? '' : ` : ${verdict}`}`;
      });
    // 65535 is what nft gives to a set that rules add to; its place is before the flags.
    if (own.includes('flags dynamic,timeout')) own.splice(1, 0, 'size 65535');
    collections[`${kind} ${name}`] = { properties: own, elements: elements.sort() };
  }
  return { properties: ['comment "rules for kube-proxy"'], chains, collections };
}

/** `{ type ipv4_addr ; comment "x" ; }`, taken apart. */
function statements(properties: string): string[] {
  return properties
    .replace(/^\{ | ; \}$/g, '')
    .split(' ; ')
    .filter((statement) => statement !== '');
}

/** What a listing of all tables shows. Throws unless it is of the one table of a family. */
export function listedState(listing: string, family: Family): TableState {
  const properties: string[] = [];
  const chains: Record<string, ChainState> = {};
  const collections: Record<string, CollectionState> = {};
  // An element list goes over several lines.
  const lines = listing
    .replace(/,\n\s+/g, ', ')
    .split('\n')
    .filter((line) => line !== '');
  if (lines.shift() !== `table ${tableName(family)} {` || lines.pop() !== '}') {
    throw new Error(`not a listing of table ${tableName(family)} alone:\n${listing}`);
  }
  while (lines.length > 0) {
    const line = lines.shift() ?? '';
    const [, kind, name] = /^\t(chain|set|map) (\S+) \{$/.exec(line) ?? [];
    if (kind === undefined || name === undefined) {
      if (!/^\tcomment /.test(line)) throw new Error(`not a line of a table: ${line}`);
      properties.push(line.trim());
      continue;
    }
    const body = lines.splice(0, lines.indexOf('\t}')).map((each) => each.trim());
    lines.shift();
    if (kind === 'chain') chains[name] = listedChain(body);
    else collections[`${kind} ${name}`] = listedCollection(body);
  }
  return { properties, chains, collections };
}

/** What is said of a chain stands before its rules. */
function listedChain(body: readonly string[]): ChainState {
  const said = body.findIndex((line) => !/^(comment|type) /.test(line));
  const end = said < 0 ? body.length : said;
  return {
    properties: body.slice(0, end).flatMap((line) => line.replace(/;$/, '').split('; ')),
    rules: body.slice(end).map(normalRule),
  };
}

function listedCollection(body: readonly string[]): CollectionState {
  const [, elements] = /^elements = \{ (.*) \}$/.exec(body.at(-1) ?? '') ?? [];
  return elements === undefined
    ? { properties: body, elements: [] }
    : { properties: body.slice(0, -1), elements: elements.split(', ').sort() };
}

/** A rule in the form in which the ways of writing it are the same. */
export function normalRule(rule: string): string {
  const [, text = '', comment = ''] = /^(.*?)( comment "[^"]*")?$/.exec(rule) ?? [];
  const normal = text
    .replace(/(^| )(?:meta )?mark set (?:meta )?mark (or|xor|[|^]) 0x/g, (_, before, op) => {
      return `${before}meta mark set meta mark ${op === 'or' || op === '|' ? '|' : '^'} 0x`;
    })
    .replace(/^(?:meta )?mark (?:and|&) (0x[0-9a-f]{8}) != 0(?:x00000000)?(?= )/, 'meta mark & $1 != 0')
    .replace(/^meta mark != 0x00000000\/(\d+)(?= )/, (_, length) => `meta mark & ${highBits(Number(length))} != 0`)
    .replace(/ dnat (ip6?) addr \. port to /, ' dnat $1 to ')
    .replace(/(^| )iifname (!= )?([^"! ]+)/, '$1iifname $2"$3"')
    .replace(/ (v?map) \{ ([^}]*) \}/, (_, kind, entries) => ` ${kind} { ${sortedEntries(entries)} }`)
    .replace(/(?<=^| )(ip6? [sd]addr (?:!= )?)(\{[^}]*\}|[0-9a-f:][0-9a-f:./-]*)(?=$| )/g, (_, match, addresses) => {
      return `${match}${ranges(addresses)}`;
    });
  return `${normal}${comment}`;
}

/** A mask of the first bits of a mark. */
function highBits(length: number): string {
  return `0x${((2 ** 32 - 2 ** (32 - length)) >>> 0).toString(16).padStart(8, '0')}`;
}

function sortedEntries(entries: string): string {
  return entries.split(/ ?, /).sort().join(', ');
}

/** The first and the last address. */
type Range = readonly [bigint, bigint];

/** Addresses, networks and ranges, joined where they overlap or meet: `[c0000201-c0000202 fd00...]`, as numbers. */
function ranges(text: string): string {
  const given = text
    .replace(/^\{ ?| ?\}$/g, '')
    .split(/ ?, ?/)
    .map(rangeOf)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const joined: Range[] = [];
  for (const [first, last] of given) {
    const before = joined.at(-1);
    if (before === undefined || first > before[1] + 1n) joined.push([first, last]);
    else if (last > before[1]) joined[joined.length - 1] = [before[0], last];
  }
  return `[${joined.map((range) => range.map((address) => address.toString(16)).join('-')).join(' ')}]`;
}

function rangeOf(text: string): Range {
  const [first = '', last] = text.split('-');
  if (last !== undefined) return [numberOf(first), numberOf(last)];
  const [address = '', length] = text.split('/');
  const number = numberOf(address);
  const bits = ipaddr.parse(address).kind() === 'ipv4' ? 32 : 128;
  const size = 1n << BigInt(bits - Number(length ?? bits));
  return [number - (number % size), number - (number % size) + size - 1n];
}

function numberOf(address: string): bigint {
  const hex = ipaddr
    .parse(address)
    .toByteArray()
    .map((byte) => byte.toString(16).padStart(2, '0'));
  return BigInt(`0x${hex.join('')}`);
}

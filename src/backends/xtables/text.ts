/**
 * The texts of iptables-save and iptables-restore as data. Every line is kept in its place, and printing what was
 * read gives the same bytes. A rule's arguments stay text until somebody asks for them (`ruleOf`), as a dump may have
 * 300,000 of them; since that text is all that a rule consists of, a changed rule cannot print as it was.
 */
import type { Diagnostic } from '../../kube/diagnostics.js';
import type { SourceText } from '../../kube/objects.js';
import { collectMistakes, type Mistakes, shown } from '../dump.js';
import { endsInsideOption, parseRuleArguments } from './parse-rule.js';
import { printRuleArguments } from './print-rule.js';
import type { RuleSpec } from './rule.js';
import { quotesAreClosed } from './words.js';

/** How many packets and bytes came by. */
export interface Counters {
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** A chain line: `:INPUT ACCEPT [0:0]`. */
export interface ChainLine {
  readonly kind: 'chain';
  readonly name: string;
  /** What a built-in chain does in the end: `ACCEPT`, `DROP`; undefined for a chain that somebody made (`-`). */
  readonly policy: string | undefined;
  readonly counters: Counters | undefined;
  /** 1-based; undefined for what was not read. */
  readonly line: number | undefined;
}

/** A rule line: `-A INPUT -j ACCEPT`. */
export interface XtablesRule {
  readonly kind: 'rule';
  readonly chain: string;
  /** What follows the chain's name, as it is written: empty, or beginning with a space. See `ruleOf`, `withRule`. */
  readonly arguments: string;
  readonly counters: Counters | undefined;
  readonly line: number | undefined;
}

/** `-X CHAIN`, by which a restore input deletes a chain. */
export interface ChainDeletion {
  readonly kind: 'deletion';
  readonly name: string;
  readonly line: number | undefined;
}

/** A comment or an empty line. */
export interface NoteLine {
  readonly kind: 'note';
  readonly text: string;
}

export type TableLine = ChainLine | XtablesRule | ChainDeletion | NoteLine;

/** One table, from `*NAME` to COMMIT. */
export interface XtablesTable {
  readonly name: string;
  readonly line: number | undefined;
  /** Comments and empty lines before it. */
  readonly before: readonly string[];
  readonly lines: readonly TableLine[];
}

/** A whole text. */
export interface XtablesText {
  readonly tables: readonly XtablesTable[];
  /** Comments and empty lines behind the last table. */
  readonly after: readonly string[];
  /** Whether the last line ends as all others do. */
  readonly finalNewline: boolean;
}

/** What was read, with what there is to say; where there is an error among it, lines are missing. */
export interface ReadXtablesResult {
  readonly text: XtablesText;
  readonly diagnostics: readonly Diagnostic[];
}

/** A table while its lines are read. */
interface OpenTable extends XtablesTable {
  readonly line: number;
  readonly lines: TableLine[];
  readonly chains: Set<string>;
}

/** What has been read so far. */
interface Reading {
  readonly mistakes: Mistakes;
  readonly tables: XtablesTable[];
  readonly firstLines: Map<string, number>;
  notes: string[];
  table: OpenTable | undefined;
}

/**
 * Reads what iptables-save or ip6tables-save printed (either variant, with or without counters), or an input of
 * iptables-restore as kuberules writes it. A rule that is not understood is no error, a broken line is one
 * (`unreadable-rules`).
 */
export function readXtables({ name: file, text: source }: SourceText): ReadXtablesResult {
  const mistakes = collectMistakes(file, 'Take the output of iptables-save as it is.');
  const reading: Reading = { mistakes, tables: [], firstLines: new Map(), notes: [], table: undefined };
  // Rules of one chain stand together, so most begin as the one before.
  let chain = '';
  let start = '';
  let number = 0;
  for (let at = 0; at < source.length; ) {
    const newline = source.indexOf('\n', at);
    const end = newline < 0 ? source.length : newline;
    number++;
    if (start !== '' && source.startsWith(start, at)) {
      const rule = readArguments(chain, source.slice(at + start.length - 1, end), undefined, number);
      if (typeof rule === 'string') mistakes.add(number, rule);
      else reading.table?.lines.push(rule);
    } else {
      const read = readLine(reading, source.slice(at, end), number);
      chain = read?.kind === 'rule' ? read.chain : '';
      start = chain === '' ? '' : `-A ${chain} `;
    }
    at = end + 1;
  }
  if (reading.table !== undefined) {
    mistakes.add(number, `table ${shown(reading.table.name)} has no COMMIT: the text is cut off.`);
    closeTable(reading, reading.table);
  }
  const finalNewline = source === '' || source.endsWith('\n');
  return { text: { tables: reading.tables, after: reading.notes, finalNewline }, diagnostics: mistakes.diagnostics() };
}

/** Reads any line; returns what it adds to the table at hand. */
function readLine(reading: Reading, line: string, number: number): TableLine | undefined {
  const { mistakes, table } = reading;
  if (line === '' || line.startsWith('#')) {
    if (table === undefined) reading.notes.push(line);
    else table.lines.push({ kind: 'note', text: line });
  } else if (line.endsWith('\r')) {
    mistakes.add(number, 'the line ends in a carriage return.', 'Convert the file to Unix line ends.');
  } else if (line.startsWith('*')) {
    openTable(reading, line.slice(1), number);
  } else if (table === undefined) {
    mistakes.add(number, `${shown(line)} stands in no table.`);
  } else if (line === 'COMMIT') {
    closeTable(reading, table);
    reading.table = undefined;
  } else {
    const read = readTableLine(line, number);
    if (typeof read === 'string') mistakes.add(number, read);
    else if (read.kind === 'chain' && table.chains.has(read.name)) {
      mistakes.add(number, `chain ${shown(read.name)} of table ${table.name} is declared a second time.`);
    } else {
      if (read.kind === 'chain') table.chains.add(read.name);
      table.lines.push(read);
      return read;
    }
  }
  return undefined;
}

function openTable(reading: Reading, name: string, number: number): void {
  const { mistakes, table, firstLines } = reading;
  const former = firstLines.get(name);
  if (table !== undefined) {
    mistakes.add(number, `table ${shown(name)} starts before table ${shown(table.name)} ended with COMMIT.`);
    closeTable(reading, table);
  } else if (!/^[^\s"]+$/.test(name)) {
    mistakes.add(number, `${shown(name)} is no name of a table.`);
  } else if (former !== undefined) {
    const hint = 'Give one dump at a time: one family, one variant of iptables.';
    mistakes.add(number, `table ${shown(name)} is there a second time, after line ${former}.`, hint);
  }
  firstLines.set(name, former ?? number);
  reading.table = { name, line: number, before: reading.notes, lines: [], chains: new Set() };
  reading.notes = [];
}

function closeTable(reading: Reading, { name, line, before, lines }: OpenTable): void {
  reading.tables.push({ name, line, before, lines });
}

/** In characters; iptables-restore does not read longer lines. */
const LONGEST_LINE = 10_240;

const NO_COUNTERS: Counters = { packets: 0n, bytes: 0n };

/** A line of a table, or what is wrong with it. */
function readTableLine(line: string, number: number): TableLine | string {
  if (line.startsWith(':')) {
    const [, name, policy, digits] = /^:(\S+) (\S+)(?: \[(\d+:\d+)\])?$/.exec(line) ?? [];
    const counters = digits === undefined ? undefined : readCounters(digits);
    if (name === undefined || counters === 'wrong') return `${shown(line)} is no chain with its policy and counters.`;
    return { kind: 'chain', name, policy: policy === '-' ? undefined : policy, counters, line: number };
  }
  if (line.startsWith('[')) {
    const [head, digits = ''] = /^\[(\d+:\d+)\] (?=-A )/.exec(line) ?? [];
    const counters = readCounters(digits);
    if (head === undefined || counters === 'wrong') return `${shown(line)} is no rule with counters.`;
    return readRuleLine(line.slice(head.length), counters, number);
  }
  if (line.startsWith('-A ')) return readRuleLine(line, undefined, number);
  if (/^-X \S+$/.test(line)) return { kind: 'deletion', name: line.slice(3), line: number };
  if (line.startsWith('-')) return `${shown(line)} is a command that iptables-save does not print.`;
  return `${shown(line)} is neither a chain nor a rule.`;
}

/** `-A CHAIN ARGUMENTS`; names of chains are single words. */
function readRuleLine(line: string, counters: Counters | undefined, number: number): XtablesRule | string {
  const space = line.indexOf(' ', 3);
  const end = space < 0 ? line.length : space;
  const chain = line.slice(3, end);
  return /^[^\s"]+$/.test(chain)
    ? readArguments(chain, line.slice(end), counters, number)
    : `${shown(line)} names no chain.`;
}

function readArguments(
  chain: string,
  args: string,
  counters: Counters | undefined,
  number: number,
): XtablesRule | string {
  if (args.length > LONGEST_LINE) return `${shown(args.slice(1))} is longer than a rule can be.`;
  if (args.endsWith('\r')) return 'the line ends in a carriage return.';
  if (!quotesAreClosed(args)) return `${shown(args.slice(1))} has a quote that is not closed.`;
  if (endsInsideOption(args)) return `${shown(args.slice(1))} ends in an option without its value.`;
  return { kind: 'rule', chain, arguments: args, counters, line: number };
}

/** `12:3456`. They are printed as they were read, so a number with zeros in front is none. */
function readCounters(text: string): Counters | 'wrong' {
  if (text === '0:0') return NO_COUNTERS;
  const [packets = '', bytes = ''] = text.split(':');
  return isCount(packets) && isCount(bytes) ? { packets: BigInt(packets), bytes: BigInt(bytes) } : 'wrong';
}

/** The kernel counts in 64 bits. */
function isCount(text: string): boolean {
  return /^(0|[1-9][0-9]{0,19})$/.test(text);
}

/** Prints a text; what was read gives the same bytes. */
export function printXtables({ tables, after, finalNewline }: XtablesText): string {
  const lines: string[] = [];
  for (const table of tables) {
    for (const note of table.before) lines.push(note);
    lines.push(`*${table.name}`);
    for (const line of table.lines) lines.push(printTableLine(line));
    lines.push('COMMIT');
  }
  for (const note of after) lines.push(note);
  if (lines.length === 0) return '';
  return finalNewline ? `${lines.join('\n')}\n` : lines.join('\n');
}

/** One line of a table, without its end. */
export function printTableLine(line: TableLine): string {
  switch (line.kind) {
    case 'chain': {
      const head = `:${line.name} ${line.policy ?? '-'}`;
      return line.counters === undefined ? head : `${head} ${printCounters(line.counters)}`;
    }
    case 'rule': {
      const rule = `-A ${line.chain}${line.arguments}`;
      return line.counters === undefined ? rule : `${printCounters(line.counters)} ${rule}`;
    }
    case 'deletion':
      return `-X ${line.name}`;
    case 'note':
      return line.text;
  }
}

function printCounters({ packets, bytes }: Counters): string {
  return `[${packets}:${bytes}]`;
}

const readRules = new WeakMap<XtablesRule, RuleSpec>();

/** What a rule says. It is read from its text at the first time, and kept. */
export function ruleOf(rule: XtablesRule): RuleSpec {
  const known = readRules.get(rule);
  if (known !== undefined) return known;
  const spec = parseRuleArguments(rule.arguments);
  if (spec === undefined) throw new Error(`a quote is not closed: ${rule.arguments}`);
  readRules.set(rule, spec);
  return spec;
}

/** A rule in the same place that says something else. */
export function withRule(rule: XtablesRule, spec: RuleSpec): XtablesRule {
  return { ...rule, arguments: printRuleArguments(spec) };
}

/** A chain with its rules in order. */
export interface XtablesChain {
  readonly name: string;
  readonly policy: string | undefined;
  readonly counters: Counters | undefined;
  /** Where it is declared; undefined for a chain that only has rules. */
  readonly line: number | undefined;
  readonly rules: readonly XtablesRule[];
}

/** The chains of a table by name, in the order of the text. */
export function xtablesChains(table: XtablesTable): ReadonlyMap<string, XtablesChain> {
  const rules = new Map<string, XtablesRule[]>();
  const chains = new Map<string, XtablesChain>();
  const rulesOf = (name: string): XtablesRule[] => {
    const known = rules.get(name) ?? [];
    rules.set(name, known);
    return known;
  };
  for (const line of table.lines) {
    if (line.kind === 'chain') {
      const { name, policy, counters } = line;
      chains.set(name, { name, policy, counters, line: line.line, rules: rulesOf(name) });
    } else if (line.kind === 'rule') {
      const name = line.chain;
      const known = rulesOf(name);
      known.push(line);
      if (!chains.has(name)) {
        chains.set(name, { name, policy: undefined, counters: undefined, line: undefined, rules: known });
      }
    }
  }
  return chains;
}

/** The table of a name; undefined when the text has none. */
export function xtablesTable(text: XtablesText, name: string): XtablesTable | undefined {
  return text.tables.find((table) => table.name === name);
}

/** The text of `ipset save`, which `ipset restore` takes too, as data. */
import type { Diagnostic } from '../../kube/diagnostics.js';
import type { SourceText } from '../../kube/objects.js';
import { parseCidr, parseIp } from '../../net/ip.js';
import { compareBytes } from '../../net/text.js';
import { collectMistakes, printSpelled, type Spelling, shown, spellingOf } from '../dump.js';
import { readProtocol } from '../xtables/values.js';

/** A set with its entries. */
export interface IpSet {
  readonly name: string;
  /** `hash:ip,port`. */
  readonly type: string;
  readonly options: readonly IpSetOption[];
  /** In the order of the text. */
  readonly entries: readonly IpSetEntry[];
  readonly line: number | undefined;
  readonly spelling: Spelling | undefined;
}

/** An entry. */
export interface IpSetEntry {
  /** As written: `10.96.0.1,tcp:443`. */
  readonly text: string;
  readonly options: readonly IpSetOption[];
  readonly line: number | undefined;
  readonly spelling: Spelling | undefined;
}

/** `maxelem 65536`, or a word alone: `counters`. A value in quotes keeps them. */
export interface IpSetOption {
  readonly name: string;
  readonly value: string | undefined;
}

/** What was read, with what is wrong with it. */
export interface ReadIpsetResult {
  readonly sets: readonly IpSet[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Options without a value, of sets and of entries. */
const SET_FLAGS = new Set(['counters', 'comment', 'skbinfo', 'forceadd', 'markmask', '-exist', '-!']);
const ENTRY_FLAGS = new Set(['nomatch', '-exist', '-!']);

/**
 * Reads what `ipset save` prints, or our own input of `ipset restore`: `create` and `add`. Any other command is an
 * error (`unreadable-rules`).
 */
export function readIpset({ name: file, text: source }: SourceText): ReadIpsetResult {
  const mistakes = collectMistakes(file, 'Take the output of `ipset save` as it is.');
  const sets = new Map<string, IpSet & { readonly entries: IpSetEntry[] }>();
  for (const [i, line] of source.split('\n').entries()) {
    const number = i + 1;
    const [command, name, subject, ...words] = line.match(/"[^"]*"|[^\s"]+/g) ?? [];
    if (command === undefined && line.trim() === '') continue;
    const options = readOptions(words, command === 'create' ? SET_FLAGS : ENTRY_FLAGS);
    if ((command !== 'create' && command !== 'add') || name === undefined || subject === undefined) {
      mistakes.add(number, `${shown(line)} neither creates a set nor adds to one.`);
    } else if (options === undefined || line.split('"').length % 2 === 0) {
      mistakes.add(number, `${shown(line)} lacks a value or a quote.`);
    } else if (command === 'create') {
      const set = { name, type: subject, options, entries: [], line: number, spelling: undefined };
      if (sets.has(name)) mistakes.add(number, `set ${shown(name)} is created a second time.`);
      else sets.set(name, { ...set, spelling: spellingOf(line, printSetLine(set)) });
    } else {
      const entry = { text: subject, options, line: number, spelling: undefined };
      const set = sets.get(name);
      if (set === undefined) mistakes.add(number, `set ${shown(name)} is not created before this line.`);
      else set.entries.push({ ...entry, spelling: spellingOf(line, printEntryLine(name, entry)) });
    }
  }
  return { sets: [...sets.values()], diagnostics: mistakes.diagnostics() };
}

function readOptions(words: readonly string[], flags: ReadonlySet<string>): IpSetOption[] | undefined {
  const options: IpSetOption[] = [];
  for (let i = 0; i < words.length; i++) {
    const name = words[i] ?? '';
    const value = flags.has(name) ? undefined : words[++i];
    if (value === undefined && !flags.has(name)) return undefined;
    options.push({ name, value });
  }
  return options;
}

/** Prints sets, each before its entries; what ipset printed, and our own text, give the same bytes. */
export function printIpset(sets: readonly IpSet[]): string {
  const lines: string[] = [];
  for (const set of sets) {
    lines.push(printSpelled(printSetLine(set), set.spelling));
    for (const entry of set.entries) lines.push(printSpelled(printEntryLine(set.name, entry), entry.spelling));
  }
  return lines.map((line) => `${line}\n`).join('');
}

function printSetLine({ name, type, options }: Omit<IpSet, 'entries'>): string {
  return `create ${name} ${type}${printOptions(options)}`;
}

function printEntryLine(set: string, { text, options }: IpSetEntry): string {
  return `add ${set} ${text}${printOptions(options)}`;
}

function printOptions(options: readonly IpSetOption[]): string {
  return options.map(({ name, value }) => (value === undefined ? ` ${name}` : ` ${name} ${value}`)).join('');
}

/** What a set says, in a form that is the same for all spellings and orders. */
export interface NormalIpSet {
  readonly type: string;
  /** Options that change what the set can hold: `family inet`, `maxelem 65536`; bytewise. */
  readonly options: readonly string[];
  /** Entries in canonical text, each once, bytewise. */
  readonly entries: readonly string[];
}

/** The kernel chooses these, or lets them grow. */
const WITHOUT_MEANING = new Set(['hashsize', 'bucketsize', 'initval', '-exist', '-!']);
const HASH_DEFAULTS = ['family inet', 'maxelem 65536'];

/** The sets by name, bytewise, so that two dumps can be compared. Counters, timeouts and comments of entries are left out. */
export function normalIpset(sets: readonly IpSet[]): ReadonlyMap<string, NormalIpSet> {
  const entries = sets.map(({ name, type, options, entries }): [string, NormalIpSet] => {
    const written = options
      .filter((option) => !WITHOUT_MEANING.has(option.name))
      .map((option) => printOptions([option]).slice(1));
    const defaults = type.startsWith('hash:') ? HASH_DEFAULTS : [];
    const missing = defaults.filter((each) => !options.some((option) => each.startsWith(`${option.name} `)));
    const texts = new Set(entries.map((entry) => normalEntry(type, entry)));
    return [
      name,
      { type, options: [...written, ...missing].sort(compareBytes), entries: [...texts].sort(compareBytes) },
    ];
  });
  return new Map(entries.sort(([a], [b]) => compareBytes(a, b)));
}

/** An entry in canonical text, as normalIpset has it. */
export function normalEntry(type: string, { text, options }: IpSetEntry): string {
  const kinds = type.slice(type.indexOf(':') + 1).split(',');
  const parts = text.split(',');
  const normal =
    parts.length === kinds.length ? parts.map((part, i) => normalPart(kinds[i] ?? '', part, type)).join(',') : text;
  return options.some(({ name }) => name === 'nomatch') ? `${normal} nomatch` : normal;
}

function normalPart(kind: string, text: string, type: string): string {
  if (kind === 'port') {
    if (type.startsWith('bitmap:')) return text;
    // Without a protocol it is TCP.
    const [, protocol = 'tcp', port = text] = /^(?:([a-z0-9-]+):)?([0-9-]+)$/i.exec(text) ?? [];
    return `${readProtocol(protocol)}:${port}`;
  }
  if (kind !== 'ip' && kind !== 'net') return text;
  const network = parseCidr(text);
  if (network === undefined) return parseIp(text)?.text ?? text;
  const isSingle = network.prefixLength === (network.family === 'ipv4' ? 32 : 128);
  return isSingle ? network.text.slice(0, network.text.indexOf('/')) : network.text;
}

/**
 * Reads the arguments of a rule: what kube-proxy writes, what iptables-save prints, and of other programs' rules as
 * much as is certain. What is not understood stays as words; nothing here throws or guesses.
 */
import { arityOf, type Extension, MATCH_OPTIONS, TARGET_OPTIONS, unknownOf } from './extension.js';
import { readMatch } from './read-match.js';
import { readTarget } from './read-target.js';
import { type Match, PORT_PROTOCOLS, type RuleOption, type RuleSpec } from './rule.js';
import { readCidr, readProtocol } from './values.js';
import { splitWords } from './words.js';

type BaseOption = 's' | 'd' | 'i' | 'o' | 'p' | 'm' | 'j' | 'g' | 'c';

/** What a rule can say without an extension, by its short name. */
const BASE_OPTIONS: ReadonlyMap<string, BaseOption> = new Map([
  ['-s', 's'],
  ['--source', 's'],
  ['--src', 's'],
  ['-d', 'd'],
  ['--destination', 'd'],
  ['--dst', 'd'],
  ['-i', 'i'],
  ['--in-interface', 'i'],
  ['-o', 'o'],
  ['--out-interface', 'o'],
  ['-p', 'p'],
  ['--protocol', 'p'],
  ['--proto', 'p'],
  ['-m', 'm'],
  ['--match', 'm'],
  ['-j', 'j'],
  ['--jump', 'j'],
  ['-g', 'g'],
  ['--goto', 'g'],
  ['-c', 'c'],
  ['--set-counters', 'c'],
]);

/** Options that a line must not end in. */
const NEEDS_VALUE: ReadonlySet<string> = new Set([
  '!',
  ...BASE_OPTIONS.keys(),
  ...[...MATCH_OPTIONS.values(), ...TARGET_OPTIONS.values()].flatMap((options) =>
    [...options].filter(([, arity]) => arity > 0).map(([name]) => name),
  ),
]);

/** Whether arguments end in an option without its value, as in a line that was cut off. */
export function endsInsideOption(text: string): boolean {
  const start = text.lastIndexOf(' ') + 1;
  const code = text.charCodeAt(start);
  return (code === 0x2d || code === 0x21) && NEEDS_VALUE.has(text.slice(start));
}

/** Protocols whose extension `-p` alone brings along. */
const IMPLICIT: ReadonlySet<string> = new Set([...PORT_PROTOCOLS, 'icmp', 'ipv6-icmp']);

/** A rule while its words are gone through, each option being given to the extension that it belongs to. */
interface Draft {
  readonly words: readonly string[];
  readonly quoted: ReadonlySet<number>;
  /** The next word. */
  at: number;
  readonly sources: Match[];
  readonly destinations: Match[];
  readonly interfaces: Match[];
  protocol: Extract<Match, { kind: 'protocol' }> | undefined;
  readonly extensions: Extension[];
  target: { readonly extension: Extension; readonly goto: boolean } | undefined;
  /** The extension named last, which options that nobody knows are given to. */
  latest: Extension | undefined;
}

/**
 * Reads a rule's arguments, the text behind `-A CHAIN`.
 * @returns undefined when a quote is not closed
 */
export function parseRuleArguments(text: string): RuleSpec | undefined {
  const split = splitWords(text);
  if (split === undefined) return undefined;
  const draft: Draft = {
    words: split.words,
    quoted: split.quoted,
    at: 0,
    sources: [],
    destinations: [],
    interfaces: [],
    protocol: undefined,
    extensions: [],
    target: undefined,
    latest: undefined,
  };
  while (draft.at < draft.words.length) readOption(draft);

  const matches = [...draft.sources, ...draft.destinations, ...draft.interfaces];
  if (draft.protocol !== undefined) matches.push(draft.protocol);
  for (const extension of draft.extensions) matches.push(readMatch(extension) ?? unknownOf(extension));
  return { matches, target: draft.target && readTarget(draft.target.extension, draft.target.goto) };
}

function readOption(draft: Draft): void {
  const { words } = draft;
  // An option in quotes is one all the same, as quotes are gone before options are looked at.
  const not = words[draft.at] === '!';
  if (not) draft.at++;
  const word = words[draft.at];
  if (word === undefined) {
    addUnknown(draft, { name: '!', not: false, values: [] });
    return;
  }
  const base = BASE_OPTIONS.get(word);
  draft.at++;
  if (base === undefined) readExtensionOption(draft, word, not);
  else readBaseOption(draft, base, not);
}

function readBaseOption(draft: Draft, option: BaseOption, not: boolean): void {
  const value = draft.words[draft.at];
  if (value === undefined) {
    addUnknown(draft, { name: `-${option}`, not, values: [] });
    return;
  }
  draft.at++;
  switch (option) {
    case 'c':
      // The rule's counters, packets and bytes, say nothing about what it does.
      draft.at++;
      return;
    case 'm':
      if (not) addUnknown(draft, { name: '-m', not, values: [] });
      draft.latest = { name: value, options: [] };
      draft.extensions.push(draft.latest);
      return;
    case 'j':
    case 'g':
      readTargetName(draft, option, not, value);
      return;
    case 'p': {
      const protocol = readProtocol(value);
      if (draft.protocol !== undefined || (not && protocol === 'all')) addBaseUnknown(draft, '-p', not, value);
      else if (protocol !== 'all') draft.protocol = { kind: 'protocol', not, protocol };
      return;
    }
    case 'i':
      draft.interfaces.push(interfaceMatch('in-interface', not, value));
      return;
    case 'o':
      draft.interfaces.push(interfaceMatch('out-interface', not, value));
      return;
    case 's':
    case 'd': {
      const cidr = readCidr(value);
      if (cidr === undefined) addBaseUnknown(draft, `-${option}`, not, value);
      else if (option === 's') draft.sources.push({ kind: 'source', not, cidr });
      else draft.destinations.push({ kind: 'destination', not, cidr });
    }
  }
}

function readTargetName(draft: Draft, option: 'j' | 'g', not: boolean, name: string): void {
  if (not || draft.target !== undefined) {
    addBaseUnknown(draft, `-${option}`, not, name);
    return;
  }
  const extension: Extension = { name, options: [] };
  draft.target = { extension, goto: option === 'g' };
  // A chain that is gone to has no options.
  draft.latest = option === 'g' ? undefined : extension;
}

/** An option goes to the target, or else the latest match, that knows it. */
function readExtensionOption(draft: Draft, name: string, not: boolean): void {
  const owner = name.startsWith('-') ? ownerOf(draft, name) : undefined;
  if (owner !== undefined) {
    owner.extension.options.push({ name, not, values: draft.words.slice(draft.at, draft.at + owner.arity) });
    draft.at += owner.arity;
    return;
  }
  // Nobody knows how many values it has: it is given what follows up to the next option.
  const start = draft.at;
  while (draft.at < draft.words.length && !isOption(draft, draft.at)) draft.at++;
  addUnknown(draft, { name, not, values: draft.words.slice(start, draft.at) });
}

function ownerOf(draft: Draft, option: string): { readonly extension: Extension; readonly arity: number } | undefined {
  const target = draft.target?.extension;
  const targetArity = arityOf(TARGET_OPTIONS, target?.name, option);
  if (target !== undefined && targetArity !== undefined) return { extension: target, arity: targetArity };
  for (let i = draft.extensions.length - 1; i >= 0; i--) {
    const extension = draft.extensions[i];
    const arity = arityOf(MATCH_OPTIONS, extension?.name, option);
    if (extension !== undefined && arity !== undefined) return { extension, arity };
  }
  if (draft.protocol === undefined || draft.protocol.not) return undefined;
  const { protocol } = draft.protocol;
  const implied = IMPLICIT.has(protocol) ? arityOf(MATCH_OPTIONS, protocol, option) : undefined;
  if (implied === undefined) return undefined;
  const extension: Extension = { name: protocol, options: [] };
  draft.extensions.push(extension);
  return { extension, arity: implied };
}

/** Whether the word at a place starts an option, as far as can be told: numbers may be negative, values quoted. */
function isOption({ words, quoted }: Draft, at: number): boolean {
  const word = words[at] ?? '';
  return !quoted.has(at) && (word === '!' || /^-[^0-9]/.test(word));
}

function addUnknown(draft: Draft, option: RuleOption): void {
  if (draft.latest === undefined) draft.extensions.push({ name: undefined, options: [option] });
  else draft.latest.options.push(option);
}

function addBaseUnknown(draft: Draft, name: string, not: boolean, value: string): void {
  draft.extensions.push({ name: undefined, options: [{ name, not, values: [value] }] });
}

function interfaceMatch(kind: 'in-interface' | 'out-interface', not: boolean, text: string): Match {
  const prefix = text.endsWith('+');
  return { kind, not, name: prefix ? text.slice(0, -1) : text, prefix };
}

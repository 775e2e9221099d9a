/**
 * Reads the arguments of a rule: what kube-proxy writes, what iptables-save prints, and of other programs' rules as
 * much as is certain. What is not understood stays as words; nothing here throws or guesses.
 */
import {
  type AddressTypes,
  type Match,
  PORT_PROTOCOLS,
  type PortProtocol,
  type PortRange,
  type RuleOption,
  type RuleSpec,
  type Target,
  type UnknownExtension,
} from './rule.js';
import {
  ALL_BITS,
  readAddress,
  readCidr,
  readMark,
  readNatRange,
  readNumber,
  readPort,
  readPorts,
  readProbability,
  readProtocol,
} from './values.js';
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

/** How many values each option of an extension has. */
type Arities = ReadonlyMap<string, number>;

function arities(options: Readonly<Record<string, number>>): Arities {
  return new Map(Object.entries(options));
}

const PORT_OPTIONS = { '--dport': 1, '--destination-port': 1, '--sport': 1, '--source-port': 1 };
const RECENT_ACTIONS = ['set', 'rcheck', 'update', 'remove'] as const;

const MATCH_OPTIONS: ReadonlyMap<string, Arities> = new Map([
  ...PORT_PROTOCOLS.map((protocol): [string, Arities] => [protocol, arities(PORT_OPTIONS)]),
  ['tcp', arities({ ...PORT_OPTIONS, '--tcp-flags': 2, '--syn': 0, '--tcp-option': 1 })],
  ['icmp', arities({ '--icmp-type': 1 })],
  ['ipv6-icmp', arities({ '--icmpv6-type': 1 })],
  ['comment', arities({ '--comment': 1 })],
  ['statistic', arities({ '--mode': 1, '--probability': 1, '--every': 1, '--packet': 1 })],
  [
    'recent',
    arities({
      ...Object.fromEntries(RECENT_ACTIONS.map((action) => [`--${action}`, 0])),
      '--name': 1,
      '--seconds': 1,
      '--reap': 0,
      '--hitcount': 1,
      '--mask': 1,
      '--rsource': 0,
      '--rdest': 0,
    }),
  ],
  ['conntrack', arities({ '--ctstate': 1 })],
  ['state', arities({ '--state': 1 })],
  ['addrtype', arities({ '--src-type': 1, '--dst-type': 1, '--limit-iface-in': 0, '--limit-iface-out': 0 })],
  ['mark', arities({ '--mark': 1 })],
  ['set', arities({ '--match-set': 2 })],
  ['physdev', arities({ '--physdev-is-in': 0 })],
  ['ipvs', arities({ '--ipvs': 0, '--vproto': 1, '--vaddr': 1, '--vport': 1 })],
  ['nfacct', arities({ '--nfacct-name': 1 })],
]);

const TARGET_OPTIONS: ReadonlyMap<string, Arities> = new Map([
  ['REJECT', arities({ '--reject-with': 1 })],
  ['DNAT', arities({ '--to-destination': 1, '--random': 0, '--persistent': 0 })],
  ['SNAT', arities({ '--to-source': 1, '--random': 0, '--random-fully': 0, '--persistent': 0 })],
  ['MASQUERADE', arities({ '--to-ports': 1, '--random': 0, '--random-fully': 0 })],
  ['MARK', arities({ '--set-xmark': 1, '--set-mark': 1, '--and-mark': 1, '--or-mark': 1, '--xor-mark': 1 })],
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

/** An extension (`-m NAME`, `-j NAME`) with the options that belong to it; without a name, options of none. */
interface Extension {
  readonly name: string | undefined;
  readonly options: RuleOption[];
}

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

function arityOf(
  known: ReadonlyMap<string, Arities>,
  extension: string | undefined,
  option: string,
): number | undefined {
  return extension === undefined ? undefined : known.get(extension)?.get(option);
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

function unknownOf({ name, options }: Extension): UnknownExtension {
  return { kind: 'unknown', name, options };
}

/** The one option of an extension that may have no other; undefined when there are others, or it lacks a value. */
function onlyOption({ options }: Extension, ...names: readonly string[]): RuleOption | undefined {
  const [option] = options;
  return options.length === 1 && option !== undefined && names.includes(option.name) ? option : undefined;
}

/**
 * The options of an extension by name; undefined when one comes twice, is not known, lacks a value, or has a `!`
 * where none may be.
 */
function optionsByName(
  { name: extension, options }: Extension,
  known: ReadonlyMap<string, Arities>,
  mayBeNot: (name: string) => boolean = () => false,
): ReadonlyMap<string, RuleOption> | undefined {
  const byName = new Map<string, RuleOption>();
  for (const option of options) {
    const { name, not, values } = option;
    if (byName.has(name) || arityOf(known, extension, name) !== values.length) return undefined;
    if (not && !mayBeNot(name)) return undefined;
    byName.set(name, option);
  }
  return byName;
}

function readMatch(extension: Extension): Match | undefined {
  switch (extension.name) {
    case 'tcp':
    case 'udp':
    case 'sctp':
    case 'udplite':
    case 'dccp':
      return readPortsMatch(extension, extension.name);
    case 'comment': {
      const option = onlyOption(extension, '--comment');
      const text = option?.values[0];
      return option?.not !== false || text === undefined ? undefined : { kind: 'comment', text };
    }
    case 'statistic':
      return readStatistic(extension);
    case 'recent':
      return readRecent(extension);
    case 'conntrack':
    case 'state': {
      // `state` is the older name of the same match.
      const option = onlyOption(extension, '--ctstate', '--state');
      const states = readList(option?.values[0], STATES);
      return option === undefined || states === undefined ? undefined : { kind: 'conntrack', not: option.not, states };
    }
    case 'addrtype':
      return readAddrtype(extension);
    case 'mark': {
      const option = onlyOption(extension, '--mark');
      const mark = readMark(option?.values[0]);
      return option === undefined || mark === undefined ? undefined : { kind: 'mark', not: option.not, ...mark };
    }
    case 'set':
      return readSet(extension);
    case 'physdev': {
      const option = onlyOption(extension, '--physdev-is-in');
      return option === undefined ? undefined : { kind: 'physdev-is-in', not: option.not };
    }
    case 'ipvs':
      return readIpvs(extension);
    case 'nfacct': {
      const option = onlyOption(extension, '--nfacct-name');
      const name = option?.values[0];
      return option?.not !== false || name === undefined ? undefined : { kind: 'nfacct', name };
    }
    default:
      return undefined;
  }
}

const PORT_SIDES: ReadonlyMap<string, 'source' | 'destination'> = new Map([
  ['--sport', 'source'],
  ['--source-port', 'source'],
  ['--dport', 'destination'],
  ['--destination-port', 'destination'],
]);

function readPortsMatch({ options }: Extension, protocol: PortProtocol): Match | undefined {
  const sides = new Map<'source' | 'destination', PortRange>();
  for (const { name, not, values } of options) {
    const side = PORT_SIDES.get(name);
    const ports = readPorts(values[0]);
    if (side === undefined || ports === undefined || sides.has(side)) return undefined;
    sides.set(side, { not, ...ports });
  }
  const range = (side: 'source' | 'destination'): PortRange | undefined => {
    const ports = sides.get(side);
    // iptables-save prints no ports where all match.
    return ports?.not === false && ports.first === 0 && ports.last === 65535 ? undefined : ports;
  };
  return { kind: 'ports', protocol, source: range('source'), destination: range('destination') };
}

function readStatistic(extension: Extension): Match | undefined {
  const options = optionsByName(extension, MATCH_OPTIONS, (name) => name === '--probability');
  const probability = options?.get('--probability');
  const threshold = readProbability(probability?.values[0]);
  if (options?.size !== 2 || options.get('--mode')?.values[0] !== 'random') return undefined;
  return probability === undefined || threshold === undefined
    ? undefined
    : { kind: 'random', not: probability.not, threshold };
}

/** What the kernel says when the whole address counts. */
const WHOLE_ADDRESS = new Set(['255.255.255.255', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff']);

function readRecent(extension: Extension): Match | undefined {
  const isAction = (name: string): boolean => RECENT_ACTIONS.some((action) => name === `--${action}`);
  const options = optionsByName(extension, MATCH_OPTIONS, isAction);
  const actions = RECENT_ACTIONS.filter((each) => options?.has(`--${each}`));
  const [action] = actions;
  if (options === undefined || action === undefined || actions.length > 1) return undefined;
  if (options.has('--rsource') && options.has('--rdest')) return undefined;
  const value = (name: string): string | undefined => options.get(name)?.values[0];
  const seconds = readNumber(value('--seconds'));
  const hitcount = readNumber(value('--hitcount'));
  const mask = readAddress(value('--mask') ?? '')?.text;
  if (seconds === undefined && options.has('--seconds')) return undefined;
  if (hitcount === undefined && options.has('--hitcount')) return undefined;
  if (mask === undefined && options.has('--mask')) return undefined;
  return {
    kind: 'recent',
    action,
    not: options.get(`--${action}`)?.not === true,
    list: value('--name') ?? 'DEFAULT',
    address: options.has('--rdest') ? 'destination' : 'source',
    seconds,
    reap: options.has('--reap'),
    hitcount,
    mask: mask === undefined || WHOLE_ADDRESS.has(mask) ? undefined : mask,
  };
}

/** In the order in which iptables-save prints them. */
const STATES = ['INVALID', 'NEW', 'RELATED', 'ESTABLISHED', 'UNTRACKED', 'SNAT', 'DNAT'];

/** A list of known words, each once and in their order. */
function readList(text: string | undefined, known: readonly string[]): readonly string[] | undefined {
  const words = text?.split(',') ?? [];
  return words.length > 0 && words.every((word) => known.includes(word))
    ? known.filter((word) => words.includes(word))
    : undefined;
}

function readAddrtype(extension: Extension): Match | undefined {
  const options = optionsByName(extension, MATCH_OPTIONS, (name) => name.endsWith('-type'));
  if (options === undefined) return undefined;
  const source = addressTypes(options.get('--src-type'));
  const destination = addressTypes(options.get('--dst-type'));
  const limitIn = options.has('--limit-iface-in');
  const limitOut = options.has('--limit-iface-out');
  if (source === undefined && destination === undefined) return undefined;
  if (source === 'wrong' || destination === 'wrong' || (limitIn && limitOut)) return undefined;
  return { kind: 'addrtype', source, destination, limitInterface: limitIn ? 'in' : limitOut ? 'out' : undefined };
}

/** In the order in which iptables-save prints them. */
const ADDRESS_TYPES = [
  'UNSPEC',
  'UNICAST',
  'LOCAL',
  'BROADCAST',
  'ANYCAST',
  'MULTICAST',
  'BLACKHOLE',
  'UNREACHABLE',
  'PROHIBIT',
];

function addressTypes(option: RuleOption | undefined): AddressTypes | undefined | 'wrong' {
  if (option === undefined) return undefined;
  const types = readList(option.values[0], ADDRESS_TYPES);
  return types === undefined ? 'wrong' : { not: option.not, types };
}

function readSet(extension: Extension): Match | undefined {
  const option = onlyOption(extension, '--match-set');
  const [name, list] = option?.values ?? [];
  if (option === undefined || name === undefined || list === undefined) return undefined;
  const directions = list.split(',').filter((each) => each === 'src' || each === 'dst');
  return directions.join(',') === list ? { kind: 'set', not: option.not, name, directions } : undefined;
}

function readIpvs(extension: Extension): Match | undefined {
  const options = optionsByName(extension, MATCH_OPTIONS);
  if (options === undefined) return undefined;
  const value = (name: string): string | undefined => options.get(name)?.values[0];
  const protocolText = value('--vproto');
  const protocol = protocolText === undefined ? undefined : readProtocol(protocolText);
  const address = readCidr(value('--vaddr'));
  const port = readPort(value('--vport'));
  if (protocol === 'all') return undefined;
  if (address === undefined && options.has('--vaddr')) return undefined;
  if (port === undefined && options.has('--vport')) return undefined;
  return { kind: 'ipvs', protocol, address, port };
}

function readTarget(extension: Extension, goto: boolean): Target {
  const { name = '', options } = extension;
  if (goto) return { kind: 'goto', chain: name };
  return readKnownTarget(extension) ?? (options.length === 0 ? { kind: 'jump', chain: name } : unknownOf(extension));
}

function readKnownTarget(extension: Extension): Target | undefined {
  const { name, options } = extension;
  switch (name) {
    case 'ACCEPT':
      return options.length === 0 ? { kind: 'accept' } : undefined;
    case 'DROP':
      return options.length === 0 ? { kind: 'drop' } : undefined;
    case 'RETURN':
      return options.length === 0 ? { kind: 'return' } : undefined;
    case 'REJECT': {
      const reason = options.length === 0 ? 'port-unreachable' : onlyOption(extension, '--reject-with')?.values[0];
      if (reason === undefined || options[0]?.not === true) return undefined;
      const isDefault = reason === 'icmp-port-unreachable' || reason === 'icmp6-port-unreachable';
      return { kind: 'reject', with: isDefault ? 'port-unreachable' : reason };
    }
    case 'DNAT':
    case 'SNAT':
      return readNat(extension, name === 'DNAT' ? 'dnat' : 'snat');
    case 'MASQUERADE':
      return readMasquerade(extension);
    case 'MARK':
      return readMarkTarget(extension);
    default:
      return undefined;
  }
}

function readNat(extension: Extension, kind: 'dnat' | 'snat'): Target | undefined {
  const options = optionsByName(extension, TARGET_OPTIONS);
  const to = readNatRange(options?.get(kind === 'dnat' ? '--to-destination' : '--to-source')?.values[0]);
  if (options === undefined || to === undefined) return undefined;
  return {
    kind,
    to,
    random: options.has('--random'),
    randomFully: options.has('--random-fully'),
    persistent: options.has('--persistent'),
  };
}

function readMasquerade(extension: Extension): Target | undefined {
  const options = optionsByName(extension, TARGET_OPTIONS);
  if (options === undefined) return undefined;
  const text = options.get('--to-ports')?.values[0];
  const ports = text === undefined || text.includes(':') ? undefined : readPorts(text.replace('-', ':'));
  if (ports === undefined && options.has('--to-ports')) return undefined;
  return { kind: 'masquerade', ports, random: options.has('--random'), randomFully: options.has('--random-fully') };
}

/** The five spellings of `(mark & ~mask) ^ value`. */
function readMarkTarget(extension: Extension): Target | undefined {
  const option = onlyOption(extension, '--set-xmark', '--set-mark', '--and-mark', '--or-mark', '--xor-mark');
  const mark = readMark(option?.values[0]);
  if (option === undefined || option.not || mark === undefined) return undefined;
  const { value, mask } = mark;
  if (option.name === '--set-xmark') return { kind: 'mark', value, mask };
  if (option.name === '--set-mark') return { kind: 'mark', value, mask: (value | mask) >>> 0 };
  // The others have no mask.
  if (option.values[0]?.includes('/') !== false) return undefined;
  if (option.name === '--and-mark') return { kind: 'mark', value: 0, mask: (value ^ ALL_BITS) >>> 0 };
  return { kind: 'mark', value, mask: option.name === '--or-mark' ? value : 0 };
}

/** The extensions of iptables whose options are known, and how options are looked up. */
import { PORT_PROTOCOLS, type RuleOption, type UnknownExtension } from './rule.js';

/** An extension (`-m NAME`, `-j NAME`) with the options that belong to it; without a name, options of none. */
export interface Extension {
  readonly name: string | undefined;
  readonly options: RuleOption[];
}

/** How many values each option of an extension has. */
export type Arities = ReadonlyMap<string, number>;

function arities(options: Readonly<Record<string, number>>): Arities {
  return new Map(Object.entries(options));
}

const PORT_OPTIONS = { '--dport': 1, '--destination-port': 1, '--sport': 1, '--source-port': 1 };
export const RECENT_ACTIONS = ['set', 'rcheck', 'update', 'remove'] as const;

export const MATCH_OPTIONS: ReadonlyMap<string, Arities> = new Map([
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

export const TARGET_OPTIONS: ReadonlyMap<string, Arities> = new Map([
  ['REJECT', arities({ '--reject-with': 1 })],
  ['DNAT', arities({ '--to-destination': 1, '--random': 0, '--persistent': 0 })],
  ['SNAT', arities({ '--to-source': 1, '--random': 0, '--random-fully': 0, '--persistent': 0 })],
  ['MASQUERADE', arities({ '--to-ports': 1, '--random': 0, '--random-fully': 0 })],
  ['MARK', arities({ '--set-xmark': 1, '--set-mark': 1, '--and-mark': 1, '--or-mark': 1, '--xor-mark': 1 })],
]);

/** How many values an option of an extension has; undefined when the extension has no such option. */
export function arityOf(
  known: ReadonlyMap<string, Arities>,
  extension: string | undefined,
  option: string,
): number | undefined {
  return extension === undefined ? undefined : known.get(extension)?.get(option);
}

/** An extension that is not understood, as it was written. */
export function unknownOf({ name, options }: Extension): UnknownExtension {
  return { kind: 'unknown', name, options };
}

/** The one option of an extension that may have no other; undefined when there are others, or it lacks a value. */
export function onlyOption({ options }: Extension, ...names: readonly string[]): RuleOption | undefined {
  const [option] = options;
  return options.length === 1 && option !== undefined && names.includes(option.name) ? option : undefined;
}

/**
 * The options of an extension by name; undefined when one comes twice, is not known, lacks a value, or has a `!`
 * where none may be.
 */
export function optionsByName(
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

/** How nft spells things: families, marks, interfaces, comments. */
import type { Family } from '../../net/family.js';
import type { LocalDetector } from '../../plan/node.js';
import { RESERVED_WORDS } from './reserved-words.js';

/** The words of a family. */
export interface FamilyWords {
  /** The family of the table, and what addresses are matched with: `ip` in `ip saddr`. */
  readonly ip: string;
  readonly addressType: string;
  /** Matches what is not sent to a loopback address. */
  readonly notToLoopback: string;
  /** How every command begins that concerns the table: `ip kube-proxy`. */
  readonly table: string;
}

/** The words of each family. */
export const WORDS: Readonly<Record<Family, FamilyWords>> = {
  ipv4: { ip: 'ip', addressType: 'ipv4_addr', notToLoopback: 'ip daddr != 127.0.0.0/8', table: 'ip kube-proxy' },
  ipv6: { ip: 'ip6', addressType: 'ipv6_addr', notToLoopback: 'ip6 daddr != ::1', table: 'ip6 kube-proxy' },
};

/** The match for traffic of local pods, or with `!= ` for all other; undefined where there is no way to tell. */
export function detectorMatch(
  detector: LocalDetector | undefined,
  family: Family,
  not: '' | '!= ',
): string | undefined {
  if (detector === undefined) return undefined;
  if (detector.kind === 'cidr') return `${WORDS[family].ip} saddr ${not}${detector.cidr}`;
  return `iifname ${not}${quotedInterface(detector) ?? interfaceWord(detector)}`;
}

type InterfaceDetector = Exclude<LocalDetector, { readonly kind: 'cidr' }>;

/**
 * The interface's name in quotes, if kube-proxy's own text, which has none, would not load because of the name, or
 * match another one, with some release of nft from 1.0.1 on, the oldest that kube-proxy takes.
 */
export function quotedInterface(detector: LocalDetector | undefined): string | undefined {
  if (detector === undefined || detector.kind === 'cidr') return undefined;
  const plain = detector.kind === 'interface' ? isPlainWord(detector.name) : isPlainStart(detector.prefix);
  return plain ? undefined : `"${interfaceWord(detector)}"`;
}

function interfaceWord(detector: InterfaceDetector): string {
  return detector.kind === 'interface' ? detector.name : `${detector.prefix}*`;
}

/** nft reads a word as a name if it looks like one and means nothing else. */
function isPlainWord(text: string): boolean {
  return isPlainStart(text) ? !RESERVED_WORDS.has(text) : NAMES_OF_DIGITS.test(text);
}

/** With a star behind it, no reserved word is one any more, and nothing that begins with a digit is a name. */
function isPlainStart(text: string): boolean {
  return /^[A-Za-z_.][A-Za-z0-9_.-]*$/.test(text);
}

/**
 * What nft takes for a name although it begins with a digit: a decimal number, a duration, an IPv4 address, and two
 * protocols. Not a number with a leading zero, which may be read as octal and so become another name.
 */
const NAMES_OF_DIGITS =
  /^(0|[1-9][0-9]*|([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?|[0-9]{1,3}(\.[0-9]{1,3}){3}|8021(q|ad))$/;

/** nft refuses a longer comment of an element, and with it the whole script. */
export const LONGEST_COMMENT = 128;

/** A comment of an element, cut to what nft takes; comments here are ASCII. */
export function elementComment(text: string): string {
  return text.slice(0, LONGEST_COMMENT);
}

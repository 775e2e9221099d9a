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
  return `iifname ${not}${interfaceWord(detector)}`;
}

/** Whether kube-proxy's own text, which has no quotes, would not load because of the interface's name. */
export function needsQuotes(detector: LocalDetector | undefined): boolean {
  if (detector === undefined || detector.kind === 'cidr') return false;
  return detector.kind === 'interface' ? !isPlainWord(detector.name) : !isPlainStart(detector.prefix);
}

function interfaceWord(detector: Exclude<LocalDetector, { readonly kind: 'cidr' }>): string {
  const word = detector.kind === 'interface' ? detector.name : `${detector.prefix}*`;
  return needsQuotes(detector) ? `"${word}"` : word;
}

/** nft reads a word as a name if it looks like one and means nothing else. */
function isPlainWord(text: string): boolean {
  return isPlainStart(text) && !RESERVED_WORDS.has(text);
}

/** With a star behind it, no reserved word is one any more. */
function isPlainStart(text: string): boolean {
  return /^[A-Za-z][A-Za-z0-9/_.-]*$/.test(text);
}

/** nft refuses a longer comment of an element, and with it the whole script. */
const LONGEST_COMMENT = 128;

/** A comment of an element, cut to what nft takes; comments here are ASCII. */
export function elementComment(text: string): { readonly text: string; readonly cut: boolean } {
  return { text: text.slice(0, LONGEST_COMMENT), cut: text.length > LONGEST_COMMENT };
}

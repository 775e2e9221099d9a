/** Addresses of an interface as data: our text of kube-ipvs0's addresses, and what `ip -o addr show` prints. */
import type { Diagnostic } from '../../kube/diagnostics.js';
import type { SourceText } from '../../kube/objects.js';
import { type IpAddress, parseIp } from '../../net/ip.js';
import { compareBytes } from '../../net/text.js';
import { collectMistakes, printSpelled, type Spelling, shown, spellingOf } from '../dump.js';

/** One address. */
export interface InterfaceAddress {
  readonly address: IpAddress;
  /** Where it is; undefined in our own text, which is about kube-ipvs0 alone. */
  readonly at:
    | {
        readonly index: number;
        readonly interface: string;
        readonly prefixLength: number;
        /** What follows the address: ` scope global kube-ipvs0`. */
        readonly details: string;
      }
    | undefined;
  readonly line: number | undefined;
  readonly spelling: Spelling | undefined;
}

/** What was read, with what is wrong with it. */
export interface ReadAddressesResult {
  readonly addresses: readonly InterfaceAddress[];
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Reads addresses, one a line: bare as kuberules writes them, or as `ip -o addr show` prints them. Any other line is
 * an error (`unreadable-rules`).
 */
export function readAddresses({ name: file, text: source }: SourceText): ReadAddressesResult {
  const mistakes = collectMistakes(file, 'Take the output of `ip -o addr show dev kube-ipvs0` as it is.');
  const addresses: InterfaceAddress[] = [];
  for (const [i, line] of source.split('\n').entries()) {
    if (line.trim() === '') continue;
    const address = readAddressLine(line, i + 1);
    if (address === undefined) mistakes.add(i + 1, `${shown(line)} is no address.`);
    else addresses.push({ ...address, spelling: spellingOf(line, printAddress(address)) });
  }
  return { addresses, diagnostics: mistakes.diagnostics() };
}

function readAddressLine(text: string, line: number): InterfaceAddress | undefined {
  const bare = parseIp(text);
  if (bare !== undefined) return { address: bare, at: undefined, line, spelling: undefined };
  const [, index, name, kind, addressText = '', length, details = ''] =
    /^(\d+): +(\S+) +(inet6?) ([0-9a-fA-F.:]+)(?:\/(\d{1,3}))?(.*)$/.exec(text) ?? [];
  const address = parseIp(addressText);
  if (index === undefined || name === undefined || address === undefined) return undefined;
  if ((kind === 'inet6') !== (address.family === 'ipv6')) return undefined;
  const bits = address.family === 'ipv4' ? 32 : 128;
  const prefixLength = Number(length ?? bits);
  if (prefixLength > bits) return undefined;
  return { address, at: { index: Number(index), interface: name, prefixLength, details }, line, spelling: undefined };
}

/** Prints addresses; what was read gives the same bytes. */
export function printAddresses(addresses: readonly InterfaceAddress[]): string {
  return addresses.map((address) => `${printSpelled(printAddress(address), address.spelling)}\n`).join('');
}

function printAddress({ address, at }: InterfaceAddress): string {
  if (at === undefined) return address.text;
  const kind = address.family === 'ipv4' ? 'inet' : 'inet6';
  return `${at.index}: ${at.interface}    ${kind} ${address.text}/${at.prefixLength}${at.details}`;
}

/** The addresses in canonical text, each once, bytewise: all of them, whatever interface they are on. */
export function normalAddresses(addresses: readonly InterfaceAddress[]): readonly string[] {
  return [...new Set(addresses.map(({ address }) => address.text))].sort(compareBytes);
}

/** Addresses, prefixes and ranges as intervals, so that sets of them can be compared and searched. */
import type { Family } from '../../net/family.js';
import { ipBytes, parseIp } from '../../net/ip.js';

/** All addresses from the first to the last, as numbers. */
export interface AddressInterval {
  readonly first: bigint;
  readonly last: bigint;
}

const BITS: Readonly<Record<Family, number>> = { ipv4: 32, ipv6: 128 };

/** What an address, a prefix (`10.0.0.0/8`) or a range (`10.0.0.1-10.0.0.9`) covers; undefined for any other text. */
export function parseInterval(text: string, family: Family): AddressInterval | undefined {
  const slash = text.indexOf('/');
  const dash = text.indexOf('-');
  if (slash >= 0) {
    const address = addressNumber(text.slice(0, slash), family);
    const length = text.slice(slash + 1);
    if (address === undefined || !/^\d{1,3}$/.test(length) || Number(length) > BITS[family]) return undefined;
    const size = 1n << BigInt(BITS[family] - Number(length));
    const first = address - (address % size);
    return { first, last: first + size - 1n };
  }
  const first = addressNumber(dash < 0 ? text : text.slice(0, dash), family);
  const last = dash < 0 ? first : addressNumber(text.slice(dash + 1), family);
  return first === undefined || last === undefined || last < first ? undefined : { first, last };
}

/** An address as a number; an IPv4-mapped one counts as the IPv6 address that nft takes it for. */
function addressNumber(text: string, family: Family): bigint | undefined {
  const ip = parseIp(text);
  if (ip === undefined) return undefined;
  const number = ipBytes(ip).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  if (family === 'ipv4') return ip.family === 'ipv4' && !text.includes(':') ? number : undefined;
  if (ip.family === 'ipv6') return number;
  return text.includes(':') ? 0xffff_0000_0000n + number : undefined;
}

/** The same addresses in the fewest intervals, in ascending order. */
export function mergeIntervals(intervals: readonly AddressInterval[]): readonly AddressInterval[] {
  const merged: AddressInterval[] = [];
  for (const each of intervals.toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))) {
    const before = merged.at(-1);
    if (before === undefined || each.first > before.last + 1n) merged.push(each);
    else if (each.last > before.last) merged[merged.length - 1] = { first: before.first, last: each.last };
  }
  return merged;
}

/** An interval as nft prints it: an address, a prefix where it is one, else a range. */
export function printInterval({ first, last }: AddressInterval, family: Family): string {
  if (first === last) return printAddress(first, family);
  const size = last - first + 1n;
  if ((size & (size - 1n)) === 0n && first % size === 0n) {
    return `${printAddress(first, family)}/${BITS[family] - (size.toString(2).length - 1)}`;
  }
  return `${printAddress(first, family)}-${printAddress(last, family)}`;
}

function printAddress(address: bigint, family: Family): string {
  const hex = address.toString(16).padStart(BITS[family] / 4, '0');
  const text =
    family === 'ipv4'
      ? Array.from(hex.matchAll(/../g), ([byte]) => Number.parseInt(byte, 16)).join('.')
      : Array.from(hex.matchAll(/..../g), ([group]) => group).join(':');
  const ip = parseIp(text);
  // An IPv4-mapped address has no other text of its own family.
  return ip === undefined || ip.family !== family ? text : ip.text;
}

/**
 * IP addresses and CIDRs as kube-proxy reads and prints them: read leniently (leading zeros are decimal, an
 * IPv4-mapped IPv6 address is the IPv4 address), printed in the one canonical text (RFC 5952 for IPv6). This mirrors
 * k8s.io/utils/net ParseIPSloppy and ParseCIDRSloppy; address libraries read such texts otherwise (`010.0.0.1` as
 * octal), so the grammar is the project's own. Canonical texts are what everything else carries; the bytes are
 * computed again where two addresses have to be compared, which is rare.
 */
import type { Family } from './family.js';

/** An IP address: its family and its canonical text. */
export interface IpAddress {
  readonly family: Family;
  readonly text: string;
}

/** A network: family, canonical text of the masked address with its prefix length, and that length. */
export interface Cidr {
  readonly family: Family;
  /** For example `10.244.0.0/16`; host bits are masked away. */
  readonly text: string;
  /** In bits: 0-32 or 0-128. */
  readonly prefixLength: number;
  /** The prefix length as it was written; differs from prefixLength only for IPv4-mapped IPv6 networks. */
  readonly writtenPrefixLength: number;
  /** Whether host bits were set in what was read. */
  readonly hadHostBits: boolean;
}

/**
 * Reads an IP address.
 * @param text any text; white space around it is not accepted (trim where Kubernetes trims)
 * @returns undefined when it is not an address; zones (`fe80::1%eth0`) are none
 */
export function parseIp(text: string): IpAddress | undefined {
  const bytes = parseBytes(text);
  if (bytes === undefined) return undefined;
  return bytes.length === 4 ? { family: 'ipv4', text: printIpv4(bytes) } : { family: 'ipv6', text: printIpv6(bytes) };
}

/** Whether a text is an IPv4 address as it is printed; allocates nothing, for the one place that reads 100,000 of them. */
export function isCanonicalIpv4(text: string): boolean {
  let parts = 0;
  let digits = 0;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x30 && code <= 0x39) {
      if (digits > 0 && value === 0) return false;
      value = value * 10 + (code - 0x30);
      if (value > 255) return false;
      digits++;
    } else {
      if (code !== 0x2e || digits === 0) return false;
      parts++;
      digits = 0;
      value = 0;
    }
  }
  return parts === 3 && digits > 0;
}

/**
 * Reads a CIDR: an address, `/`, a decimal prefix length (leading zeros allowed).
 * An IPv4-mapped IPv6 network with a prefix of 96 or more is the IPv4 network.
 * @returns undefined when it is not one
 */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  if (slash < 0) return undefined;
  const lengthText = text.slice(slash + 1);
  if (!/^[0-9]+$/.test(lengthText)) return undefined;
  const written = Number(lengthText);
  const addressText = text.slice(0, slash);
  const bytes = looksLikeIpv4(addressText) ? parseIpv4(addressText) : parseIpv6(addressText);
  if (bytes === undefined || written > bytes.length * 8) return undefined;
  const masked = bytes.map((byte, i) => byte & maskByte(written, i));
  const hadHostBits = masked.some((byte, i) => byte !== bytes[i]);
  const mapped = masked.length === 16 && written >= 96 && isMapped(masked);
  const network = mapped ? masked.slice(12) : masked;
  const prefixLength = mapped ? written - 96 : written;
  return network.length === 4
    ? {
        family: 'ipv4',
        text: `${printIpv4(network)}/${prefixLength}`,
        prefixLength,
        writtenPrefixLength: written,
        hadHostBits,
      }
    : {
        family: 'ipv6',
        text: `${printIpv6(network)}/${prefixLength}`,
        prefixLength,
        writtenPrefixLength: written,
        hadHostBits,
      };
}

/** The bytes of an address in canonical text: 4 for IPv4, 16 for IPv6. */
export function ipBytes(ip: IpAddress): readonly number[] {
  const bytes = ip.family === 'ipv4' ? parseIpv4(ip.text) : parseIpv6(ip.text);
  if (bytes === undefined) throw new Error(`not a canonical address: ${ip.text}`);
  return bytes;
}

/** The network address of a CIDR (`10.244.0.0` of `10.244.0.0/16`). */
export function networkAddress(cidr: Cidr): IpAddress {
  return { family: cidr.family, text: cidr.text.slice(0, cidr.text.indexOf('/')) };
}

/** Whether an address lies in a network; false when the families differ. */
export function cidrContains(cidr: Cidr, ip: IpAddress): boolean {
  if (cidr.family !== ip.family) return false;
  const network = ipBytes(networkAddress(cidr));
  return ipBytes(ip).every((byte, i) => (byte & maskByte(cidr.prefixLength, i)) === network[i]);
}

/** Whether an address is a loopback address: 127.0.0.0/8 or ::1. */
export function isLoopback(ip: IpAddress): boolean {
  return ip.family === 'ipv4' ? ip.text.startsWith('127.') : ip.text === '::1';
}

/** An address and a port in one text: `10.0.0.1:80`, `[fd00::1]:80`. */
export function joinHostPort(address: string, family: Family, port: number): string {
  return family === 'ipv4' ? `${address}:${port}` : `[${address}]:${port}`;
}

/** The bits of byte number `index` that belong to a network of this prefix length. */
function maskByte(prefixLength: number, index: number): number {
  const bits = Math.min(8, Math.max(0, prefixLength - index * 8));
  return (0xff << (8 - bits)) & 0xff;
}

function parseBytes(text: string): number[] | undefined {
  if (looksLikeIpv4(text)) return parseIpv4(text);
  const bytes = parseIpv6(text);
  return bytes !== undefined && isMapped(bytes) ? bytes.slice(12) : bytes;
}

/** A dot before any colon makes it IPv4. */
function looksLikeIpv4(text: string): boolean {
  const dot = text.indexOf('.');
  const colon = text.indexOf(':');
  return dot >= 0 && (colon < 0 || dot < colon);
}

function isMapped(bytes: readonly number[]): boolean {
  return (
    bytes.length === 16 && bytes[10] === 0xff && bytes[11] === 0xff && bytes.slice(0, 10).every((byte) => byte === 0)
  );
}

/** Four decimal numbers up to 255, each with any number of leading zeros. */
function parseIpv4(text: string): number[] | undefined {
  const bytes: number[] = [];
  let value = -1;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 0x2e;
    if (code >= 0x30 && code <= 0x39) {
      value = (value < 0 ? 0 : value * 10) + (code - 0x30);
      if (value > 255) return undefined;
    } else if (code === 0x2e && value >= 0 && bytes.length < 4) {
      bytes.push(value);
      value = -1;
    } else {
      return undefined;
    }
  }
  return bytes.length === 4 ? bytes : undefined;
}

/** Up to eight groups of hex digits (leading zeros allowed), one `::`, and optionally a dotted IPv4 tail. */
function parseIpv6(text: string): number[] | undefined {
  if (!text.includes(':')) return undefined;
  const gap = text.indexOf('::');
  if (gap >= 0 && text.indexOf('::', gap + 1) >= 0) return undefined;
  const head = parseGroups(gap < 0 ? text : text.slice(0, gap), gap < 0);
  const tail = gap < 0 ? [] : parseGroups(text.slice(gap + 2), true);
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  if (gap < 0 ? missing !== 0 : missing < 2) return undefined;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

/** The bytes of groups joined by single colons; none for the empty text. */
function parseGroups(text: string, mayEndInIpv4: boolean): number[] | undefined {
  const bytes: number[] = [];
  if (text === '') return bytes;
  const groups = text.split(':');
  for (const [i, group] of groups.entries()) {
    if (mayEndInIpv4 && i === groups.length - 1 && group.includes('.')) {
      const ipv4 = parseIpv4(group);
      if (ipv4 === undefined) return undefined;
      bytes.push(...ipv4);
      continue;
    }
    if (!/^0*[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
    const value = Number.parseInt(group, 16);
    bytes.push(value >> 8, value & 0xff);
  }
  return bytes.length <= 16 ? bytes : undefined;
}

function printIpv4(bytes: readonly number[]): string {
  return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
}

/** RFC 5952: lower case, no leading zeros, the first of the longest runs of two or more zero groups as `::`. */
function printIpv6(bytes: readonly number[]): string {
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0));
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && groups[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
    if (end > start) start = end;
  }
  const hex = groups.map((group) => group.toString(16));
  if (best.start < 0) return hex.join(':');
  return `${hex.slice(0, best.start).join(':')}::${hex.slice(best.start + best.length).join(':')}`;
}

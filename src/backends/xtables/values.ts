/**
 * Values in rules. What is not exactly understood is undefined here, and its match is kept as one that is not known:
 * an address that two programs read differently must not be taken for either.
 */
import { type Cidr, type IpAddress, isCanonicalIpv4, parseCidr, parseIp } from '../../net/ip.js';
import type { NatRange } from './rule.js';

export const ALL_BITS = 0xffffffff;

/** A whole number up to 2^32-1, decimal or hexadecimal. iptables takes a leading zero for octal; that is refused. */
export function readNumber(text: string | undefined): number | undefined {
  if (text === undefined || !/^(0|[1-9][0-9]{0,9}|0[xX][0-9a-fA-F]{1,16})$/.test(text)) return undefined;
  const value = Number(text);
  return value <= ALL_BITS ? value : undefined;
}

/** An address with or without a mask, as a network. */
export function readCidr(text: string | undefined): Cidr | undefined {
  if (text === undefined) return undefined;
  const slash = text.indexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  const mask = slash < 0 ? undefined : text.slice(slash + 1);
  if (isCanonicalIpv4(address)) {
    if (mask === undefined || mask === '32') return singleIpv4(address);
    const bits = mask.includes('.') ? maskBits(mask) : mask;
    return bits === undefined ? undefined : withoutHostBits(parseCidr(`${address}/${bits}`));
  }
  if (!address.includes(':')) return undefined;
  const cidr = parseCidr(`${address}/${mask ?? 128}`);
  // An IPv4-mapped network is an IPv6 one to ip6tables.
  return cidr?.family === 'ipv6' ? withoutHostBits(cidr) : undefined;
}

/** The kernel forgets host bits, and so whether there were any. */
function withoutHostBits(cidr: Cidr | undefined): Cidr | undefined {
  return cidr === undefined ? undefined : { ...cidr, hadHostBits: false };
}

function singleIpv4(address: string): Cidr {
  return { family: 'ipv4', text: `${address}/32`, prefixLength: 32, writtenPrefixLength: 32, hadHostBits: false };
}

/** The length of a mask like 255.255.0.0; undefined when its ones have gaps. */
function maskBits(mask: string): number | undefined {
  if (!isCanonicalIpv4(mask)) return undefined;
  const bits = mask
    .split('.')
    .map((part) => Number(part).toString(2).padStart(8, '0'))
    .join('');
  const zero = bits.indexOf('0');
  if (zero < 0) return 32;
  return bits.includes('1', zero) ? undefined : zero;
}

/** An address in canonical text; undefined for another spelling of IPv4, and for IPv4-mapped ones. */
export function readAddress(text: string): IpAddress | undefined {
  const ip = parseIp(text);
  return ip?.family === 'ipv4' && ip.text !== text ? undefined : ip;
}

/** `80` or `80:90`, where the ends may be missing. */
export function readPorts(text: string | undefined): { readonly first: number; readonly last: number } | undefined {
  if (text === undefined) return undefined;
  const colon = text.indexOf(':');
  if (colon < 0) {
    const port = readPort(text);
    return port === undefined ? undefined : { first: port, last: port };
  }
  const first = colon === 0 ? 0 : readPort(text.slice(0, colon));
  const last = colon === text.length - 1 ? 65535 : readPort(text.slice(colon + 1));
  return first === undefined || last === undefined || first > last ? undefined : { first, last };
}

/** A decimal port. Names (`http`) are not resolved. */
export function readPort(text: string | undefined): number | undefined {
  const port = text !== undefined && /^(0|[1-9][0-9]*)$/.test(text) ? Number(text) : undefined;
  return port !== undefined && port <= 65535 ? port : undefined;
}

/** `10.0.0.1-10.0.0.5:80-90`, `[fd00::1]:80`, `fd00::1`, `:80`. */
export function readNatRange(text: string | undefined): NatRange | undefined {
  const parts = text === undefined ? undefined : splitNatRange(text);
  if (parts === undefined) return undefined;
  const addresses = readEnds(parts.addresses, readAddress);
  const ports = readEnds(parts.ports, readPort);
  if (addresses === undefined || ports === undefined) return undefined;
  const [address, lastAddress] = addresses;
  const [port, lastPort] = ports;
  if (lastAddress !== undefined && lastAddress.family !== address?.family) return undefined;
  if (address === undefined && port === undefined) return undefined;
  return {
    family: address?.family,
    address: address?.text,
    lastAddress: lastAddress?.text === address?.text ? undefined : lastAddress?.text,
    port,
    lastPort: lastPort === port ? undefined : lastPort,
  };
}

/** The two sides of the colon before the ports; an IPv6 address stands in brackets when there are ports. */
function splitNatRange(text: string): { readonly addresses: string; readonly ports: string } | undefined {
  if (text.startsWith('[')) {
    const [, addresses = '', ports = ''] = /^\[([^\]]+)\](?::(.+))?$/.exec(text) ?? [];
    return addresses === '' ? undefined : { addresses, ports };
  }
  const colon = text.indexOf(':');
  if (colon < 0 || text.includes(':', colon + 1)) return { addresses: text, ports: '' };
  return { addresses: text.slice(0, colon), ports: text.slice(colon + 1) };
}

/** One value, or two joined by `-`; nothing for the empty text. */
function readEnds<T>(text: string, read: (text: string) => T | undefined): readonly (T | undefined)[] | undefined {
  if (text === '') return [];
  const ends = text.split('-').map(read);
  return ends.length > 2 || ends.includes(undefined) ? undefined : ends;
}

/** `VALUE` or `VALUE/MASK`. */
export function readMark(text: string | undefined): { readonly value: number; readonly mask: number } | undefined {
  if (text === undefined) return undefined;
  const slash = text.indexOf('/');
  const value = readNumber(slash < 0 ? text : text.slice(0, slash));
  const mask = slash < 0 ? ALL_BITS : readNumber(text.slice(slash + 1));
  return value === undefined || mask === undefined ? undefined : { value, mask };
}

/** The kernel keeps a probability as a number of 2^31ths, to the nearest. */
export const PROBABILITY_ONE = 2 ** 31;

/** A probability from 0 to 1 in 2^31ths. */
export function readProbability(text: string | undefined): number | undefined {
  const value = text !== undefined && /^([0-9]+(\.[0-9]*)?|\.[0-9]+)$/.test(text) ? Number(text) : undefined;
  return value !== undefined && value <= 1 ? Math.round(value * PROBABILITY_ONE) : undefined;
}

/**
 * The whole number `k` that a probability in 2^31ths is one `k`th of, as near as ten decimals and the kernel allow;
 * undefined when there is none. Above some 30,000 several `k` look alike, and one of them is given.
 */
export function shareOf(threshold: number): number | undefined {
  if (threshold <= 0) return undefined;
  const k = Math.round(PROBABILITY_ONE / threshold);
  const written = Math.round(Number((1 / k).toFixed(10)) * PROBABILITY_ONE);
  return written === threshold || Math.round(PROBABILITY_ONE / k) === threshold ? k : undefined;
}

/** Names that iptables prints for protocol numbers, and other names of them. */
const PROTOCOL_NAMES: ReadonlyMap<string, string> = new Map([
  ['0', 'all'],
  ['1', 'icmp'],
  ['6', 'tcp'],
  ['17', 'udp'],
  ['33', 'dccp'],
  ['50', 'esp'],
  ['51', 'ah'],
  ['58', 'ipv6-icmp'],
  ['icmpv6', 'ipv6-icmp'],
  ['icmp6', 'ipv6-icmp'],
  ['132', 'sctp'],
  ['135', 'ipv6-mh'],
  ['mh', 'ipv6-mh'],
  ['136', 'udplite'],
]);

/** The name of a protocol given by name or number; `all` for number 0. */
export function readProtocol(text: string): string {
  const lower = text.toLowerCase();
  return PROTOCOL_NAMES.get(lower) ?? lower;
}

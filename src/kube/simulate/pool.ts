/** Pools that numbers and addresses are taken from: deterministic, with a preference as kube-apiserver's have. */
import type { Family } from '../../net/family.js';
import { type Cidr, type IpAddress, ipBytes, networkAddress, parseIp } from '../../net/ip.js';
import { hash32 } from '../generated-names.js';

/** Whole numbers, each given out once. */
export interface NumberPool {
  /** A free number, decided by the identity (and, when that one is taken, the next free one); undefined when none is. */
  take(identity: string): number | undefined;
  /** The lowest free number, preferred or not; undefined when none is. */
  takeLowest(): number | undefined;
  /** Marks a number as taken; numbers outside of the pool are nothing to it. */
  reserve(value: number): void;
}

/** Addresses of one network, each given out once. */
export interface AddressPool {
  readonly cidr: Cidr;
  /** As for numbers. */
  take(identity: string): IpAddress | undefined;
  takeLowest(): IpAddress | undefined;
  /** Marks an address as taken; addresses outside of the pool are nothing to it. */
  reserve(ip: IpAddress): void;
}

/** More of a network than this is not used; far above every number of objects, and exact as a number. */
const MAX_ADDRESSES = 2 ** 32;

/**
 * A pool of `first` to `last` that gives out numbers from `preferredFrom` on as long as there are any: kube-apiserver
 * keeps the lower part of its ranges for values that manifests set (KEP-3070, KEP-3668).
 */
export function createNumberPool(first: number, last: number, preferredFrom: number = first): NumberPool {
  const taken = new Set<number>();
  let freePreferred = Math.max(0, last - preferredFrom + 1);
  let freeReserve = Math.max(0, Math.min(last + 1, preferredFrom) - first);
  const reserve = (value: number): void => {
    if (value < first || value > last || taken.has(value)) return;
    taken.add(value);
    if (value >= preferredFrom) freePreferred--;
    else freeReserve--;
  };
  let lowest = first;
  return {
    reserve,
    takeLowest() {
      while (taken.has(lowest)) lowest++;
      if (lowest > last) return undefined;
      reserve(lowest);
      return lowest;
    },
    take(identity) {
      if (freePreferred + freeReserve <= 0) return undefined;
      const [from, to] = freePreferred > 0 ? [preferredFrom, last] : [first, Math.min(last, preferredFrom - 1)];
      let value = from + (hash32(identity) % (to - from + 1));
      while (taken.has(value)) value = value < to ? value + 1 : from;
      reserve(value);
      return value;
    },
  };
}

/**
 * A pool of the addresses of a network: not its own address, nor IPv4's broadcast address.
 * @param preferredFrom offset in the network from which on addresses are preferred
 * @param first offset of the lowest address to give out
 */
export function createAddressPool(cidr: Cidr, preferredFrom = 1, first = 1): AddressPool {
  const bits = (cidr.family === 'ipv4' ? 32 : 128) - cidr.prefixLength;
  const size = Math.min(2 ** bits, MAX_ADDRESSES);
  const last = size - (cidr.family === 'ipv4' ? 2 : 1);
  const numbers = createNumberPool(first, last, Math.min(Math.max(preferredFrom, first), last + 1));
  const base = addressNumber(networkAddress(cidr));
  const addressAt = (offset: number | undefined): IpAddress | undefined =>
    offset === undefined ? undefined : numberedAddress(cidr.family, base + BigInt(offset));
  return {
    cidr,
    take: (identity) => addressAt(numbers.take(identity)),
    takeLowest: () => addressAt(numbers.takeLowest()),
    reserve(ip) {
      if (ip.family !== cidr.family) return;
      const offset = addressNumber(ip) - base;
      if (offset >= 0n && offset <= BigInt(last)) numbers.reserve(Number(offset));
    },
  };
}

/** An address as one number. */
export function addressNumber(ip: IpAddress): bigint {
  return ipBytes(ip).reduce((value, byte) => value * 256n + BigInt(byte), 0n);
}

/** The address of a number. */
export function numberedAddress(family: Family, value: bigint): IpAddress {
  const bytes: number[] = [];
  for (let rest = value, i = family === 'ipv4' ? 4 : 16; i > 0; i--, rest >>= 8n) bytes.unshift(Number(rest & 0xffn));
  if (family === 'ipv4') return { family, text: bytes.join('.') };
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0'));
  // Never a mapped IPv4 address: those networks are read as IPv4.
  const ip = parseIp(hex.join('').replace(/(.{4})(?!$)/g, '$1:'));
  if (ip === undefined) throw new Error(`not an address: ${value}`);
  return ip;
}

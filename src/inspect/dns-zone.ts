/** DNS zones as data and as zone files (RFC 1035): names that servers load, canonical order, one record a line. */
import { compareBytes } from '../net/text.js';

/** The record types that a zone of Services has, in the order in which those of one name are printed. */
const TYPES = ['SOA', 'NS', 'A', 'AAAA', 'CNAME', 'SRV', 'TXT', 'PTR'] as const;

/** A record type. */
export type DnsType = (typeof TYPES)[number];

/**
 * Why a record is there: the Kubernetes DNS specification asks for it, CoreDNS answers it beyond that, or a zone needs
 * it to be served.
 */
export type DnsSource = 'specification' | 'coredns' | 'zone';

/** One resource record. */
export interface DnsRecord {
  /** Absolute, with the final dot. */
  readonly name: string;
  /** Seconds that an answer may be kept. */
  readonly ttl: number;
  readonly type: DnsType;
  /** As a zone file has it; names in it are absolute. */
  readonly data: string;
  readonly source: DnsSource;
  /** Whose it is: `Service shop/web`, `Pod shop/web-0`; undefined for records of the zone itself. */
  readonly object: string | undefined;
}

/** A zone: its own name (absolute), and its records in canonical order, SOA first. */
export interface DnsZone {
  readonly name: string;
  readonly records: readonly DnsRecord[];
}

/** Most characters of a name without its final dot: 255 octets on the wire (RFC 1035). */
const MAX_NAME = 253;

const HOST_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const SERVICE_LABEL = /^_[a-z0-9-]{1,62}$/;

/**
 * Why servers would refuse a name, or undefined for a good one: each label a host name's (RFC 952, 1123) or one of an
 * SRV name with its underscore, at most 63 octets long, all of it at most 255.
 * @param name absolute, with the final dot
 */
export function nameProblem(name: string): string | undefined {
  const text = name.slice(0, -1);
  if (text.length > MAX_NAME) return `it is longer than ${MAX_NAME} characters`;
  for (const label of text.split('.')) {
    if (label.length > 63) return `the label "${label}" is longer than 63 characters`;
    if (!HOST_LABEL.test(label) && !SERVICE_LABEL.test(label)) return `the label "${label}" cannot be a host's`;
  }
  return undefined;
}

/** A zone of these records: each once, by name from the right (RFC 4034), then type, then data. */
export function createZone(name: string, records: readonly DnsRecord[]): DnsZone {
  const byKey = new Map<string, DnsRecord>();
  for (const record of records) {
    const key = `${sortName(record.name)}${TYPES.indexOf(record.type)} ${record.data}`;
    const known = byKey.get(key);
    if (known === undefined || known.source !== 'specification') byKey.set(key, record);
  }
  return { name, records: [...byKey].sort(([a], [b]) => compareBytes(a, b)).map(([, record]) => record) };
}

/** A zone file's text, a line each. Every name is absolute, so it loads whatever the origin. */
export function zoneLines(zone: DnsZone): readonly string[] {
  return zone.records.map(({ name, ttl, type, data }) => `${name} ${ttl} IN ${type} ${data}\n`);
}

/** Labels from the right, separated so that a name comes before those below it, and these before its neighbours. */
function sortName(name: string): string {
  return `${name.slice(0, -1).split('.').reverse().join('\x01')}\0`;
}

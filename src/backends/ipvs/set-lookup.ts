/** Packets in sets of ipset. */
import { type Cidr, cidrContains, parseCidr, parseIp } from '../../net/ip.js';
import type { Packet, PacketState } from '../packet/packet.js';
import { type IpSet, normalEntry } from './ipset-text.js';

/** Tells whether a set has a packet; undefined for a set that is not there, or of a type that is not known. */
export function lookupSets(
  sets: readonly IpSet[],
): (name: string, directions: readonly ('src' | 'dst')[], state: PacketState) => boolean | undefined {
  const byName = new Map(sets.map((set) => [set.name, set]));
  const indexes = new Map<string, SetIndex>();
  return (name, directions, { packet }) => {
    const set = byName.get(name);
    const types = set === undefined ? undefined : TYPES[set.type];
    if (set === undefined || types === undefined || set.entries.some(({ options }) => options.some(isNoMatch))) {
      return undefined;
    }
    const index = indexes.get(name) ?? indexSet(set);
    indexes.set(name, index);
    if (directions.length < types.length) return undefined;
    const parts = types.map((type, i) => partOf(type, directions[i] ?? 'dst', packet));
    if (parts.includes(undefined)) return false;
    if (types.at(-1) !== 'net') return index.entries.has(parts.join(','));
    const ip = parseIp(parts.at(-1) ?? '');
    const networks = index.networks.get(parts.slice(0, -1).join(',')) ?? [];
    return ip !== undefined && networks.some((network) => cidrContains(network, ip));
  };
}

type PartType = 'ip' | 'port' | 'number' | 'net';

/** The types of sets that kube-proxy uses. */
const TYPES: Readonly<Record<string, readonly PartType[]>> = {
  'bitmap:port': ['number'],
  'hash:ip': ['ip'],
  'hash:ip,port': ['ip', 'port'],
  'hash:ip,port,ip': ['ip', 'port', 'ip'],
  'hash:ip,port,net': ['ip', 'port', 'net'],
};

/** An entry that takes its addresses out of the set. */
function isNoMatch({ name }: { readonly name: string }): boolean {
  return name === 'nomatch';
}

interface SetIndex {
  readonly entries: ReadonlySet<string>;
  /** Of a set of networks: these by the rest of the entry. */
  readonly networks: ReadonlyMap<string, readonly Cidr[]>;
}

function indexSet({ type, entries }: IpSet): SetIndex {
  const texts = entries.map((entry) => normalEntry(type, entry));
  const networks = new Map<string, Cidr[]>();
  if (!type.endsWith('net')) return { entries: new Set(texts), networks };
  for (const text of texts) {
    const comma = text.lastIndexOf(',');
    const written = text.slice(comma + 1);
    const network = parseCidr(written.includes('/') ? written : `${written}/${written.includes(':') ? 128 : 32}`);
    if (network === undefined) continue;
    const key = text.slice(0, comma);
    const known = networks.get(key);
    if (known === undefined) networks.set(key, [network]);
    else known.push(network);
  }
  return { entries: new Set(), networks };
}

/** What a packet is looked up by; undefined where it has no such thing, and then no set has it. */
function partOf(type: PartType, direction: 'src' | 'dst', packet: Packet): string | undefined {
  if (type === 'ip' || type === 'net') return direction === 'src' ? packet.source : packet.destination;
  const port = direction === 'src' ? packet.sourcePort : packet.destinationPort;
  if (packet.protocol === 'icmp' || port === undefined) return undefined;
  // A set of numbers alone takes TCP and UDP only.
  if (type === 'number') return packet.protocol === 'sctp' ? undefined : String(port);
  return `${packet.protocol}:${port}`;
}

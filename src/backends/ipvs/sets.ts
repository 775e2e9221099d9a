/** The ipsets of IPVS mode: names, types, comments and their text. */
import type { Family } from '../../net/family.js';
import { compareBytes } from '../../net/text.js';

type SetType = 'bitmap:port' | 'hash:ip' | 'hash:ip,port' | 'hash:ip,port,ip' | 'hash:ip,port,net';

interface SetDescription {
  readonly type: SetType;
  /** The comment of the rules that match the set; the set itself has none. */
  readonly comment: string;
}

/** Every set by its name without `KUBE-`, bytewise. All of them exist always, as rules name them even when empty. */
export const SETS = {
  'CLUSTER-IP': { type: 'hash:ip,port', comment: 'Kubernetes service cluster ip + port for masquerade purpose' },
  'EXTERNAL-IP': {
    type: 'hash:ip,port',
    comment: 'Kubernetes service external ip + port for masquerade and filter purpose',
  },
  'EXTERNAL-IP-LOCAL': {
    type: 'hash:ip,port',
    comment: 'Kubernetes service external ip + port with externalTrafficPolicy=local',
  },
  'HEALTH-CHECK-NODE-PORT': { type: 'bitmap:port', comment: 'Kubernetes health check node port' },
  'IPVS-IPS': { type: 'hash:ip', comment: 'Addresses on the ipvs interface' },
  'LOAD-BALANCER': { type: 'hash:ip,port', comment: 'Kubernetes service lb portal' },
  'LOAD-BALANCER-FW': {
    type: 'hash:ip,port',
    comment: 'Kubernetes service load balancer ip + port for load balancer with sourceRange',
  },
  'LOAD-BALANCER-LOCAL': {
    type: 'hash:ip,port',
    comment: 'Kubernetes service load balancer ip + port with externalTrafficPolicy=local',
  },
  'LOAD-BALANCER-SOURCE-CIDR': {
    type: 'hash:ip,port,net',
    comment: 'Kubernetes service load balancer ip + port + source cidr for packet filter purpose',
  },
  'LOAD-BALANCER-SOURCE-IP': {
    type: 'hash:ip,port,ip',
    comment: 'Kubernetes service load balancer ip + port + source IP for packet filter purpose',
  },
  'LOOP-BACK': {
    type: 'hash:ip,port,ip',
    comment: 'Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose',
  },
  'NODE-PORT-LOCAL-SCTP-HASH': {
    type: 'hash:ip,port',
    comment: "Kubernetes nodeport SCTP port with externalTrafficPolicy=local with type 'hash ip:port'",
  },
  'NODE-PORT-LOCAL-TCP': {
    type: 'bitmap:port',
    comment: 'Kubernetes nodeport TCP port with externalTrafficPolicy=local',
  },
  'NODE-PORT-LOCAL-UDP': {
    type: 'bitmap:port',
    comment: 'Kubernetes nodeport UDP port with externalTrafficPolicy=local',
  },
  'NODE-PORT-SCTP-HASH': {
    type: 'hash:ip,port',
    comment: "Kubernetes nodeport SCTP port for masquerade purpose with type 'hash ip:port'",
  },
  'NODE-PORT-TCP': { type: 'bitmap:port', comment: 'Kubernetes nodeport TCP port for masquerade purpose' },
  'NODE-PORT-UDP': { type: 'bitmap:port', comment: 'Kubernetes nodeport UDP port for masquerade purpose' },
} as const satisfies Record<string, SetDescription>;

/** A set's name without `KUBE-`. */
export type SetKey = keyof typeof SETS;

/** All of them, bytewise. */
export const SET_KEYS = Object.keys(SETS) as readonly SetKey[];

/** ipset takes no longer names; kube-proxy cuts two of the IPv6 ones. */
const LONGEST_NAME = 31;

/** The name of a set in the kernel. */
export function setName(key: SetKey, family: Family): string {
  return family === 'ipv4' ? `KUBE-${key}` : `KUBE-6-${key}`.slice(0, LONGEST_NAME);
}

/** One entry of one set. */
export interface SetEntry {
  readonly set: SetKey;
  readonly entry: string;
  /** The line that adds it. */
  readonly line: string;
}

/** An entry with its line. */
export function newEntry(family: Family, set: SetKey, entry: string): SetEntry {
  return { set, entry, line: `add ${setName(set, family)} ${entry}\n` };
}

/** Entries bytewise by set, then by entry. */
export function bySet(a: SetEntry, b: SetEntry): number {
  return compareBytes(a.set, b.set) || compareBytes(a.entry, b.entry);
}

/** One set and its entries, each once, bytewise. */
export interface SetContents {
  readonly set: SetKey;
  readonly entries: readonly SetEntry[];
}

/**
 * Every set with its entries.
 * @param entries of all sets in the order of `bySet`, possibly repeated
 */
export function setContents(entries: readonly SetEntry[]): readonly SetContents[] {
  let at = 0;
  return SET_KEYS.map((set) => {
    const own: SetEntry[] = [];
    for (let each = entries[at]; each?.set === set; each = entries[++at]) {
      if (each.entry !== own.at(-1)?.entry) own.push(each);
    }
    return { set, entries: own };
  });
}

/** The input of `ipset restore`: every set, each followed by its entries. */
export function ipsetText(contents: readonly SetContents[], family: Family): readonly string[] {
  const pieces: string[] = [];
  for (const { set, entries } of contents) {
    pieces.push(`create ${setName(set, family)} ${creation(SETS[set].type, family)}\n`);
    for (const { line } of entries) pieces.push(line);
  }
  return pieces;
}

/** How many entries a set takes. */
export const MOST_ENTRIES = 65_536;

function creation(type: SetType, family: Family): string {
  if (type === 'bitmap:port') return `${type} range 0-65535`;
  return `${type} family ${family === 'ipv4' ? 'inet' : 'inet6'} hashsize 1024 maxelem ${MOST_ENTRIES}`;
}

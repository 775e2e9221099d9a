/**
 * A rule as data: what it matches and what it does, whatever spelling it was read from. Values are in the one form
 * that the kernel's follows from, so `--or-mark 0x4000` and `--set-xmark 0x4000/0x4000` are the same data.
 */
import type { Family } from '../../net/family.js';
import type { Cidr } from '../../net/ip.js';

/** One rule without its chain. */
export interface RuleSpec {
  /**
   * All of them must match, in the order in which the kernel looks: addresses, interfaces and protocol, then the
   * extensions as written. The order counts where a match has an effect (`recent --set`).
   */
  readonly matches: readonly Match[];
  /** What happens to a packet that matches; undefined where the rule only counts or carries a comment. */
  readonly target: Target | undefined;
}

/** Ports from `first` to `last`, both included. */
export interface PortRange {
  readonly not: boolean;
  readonly first: number;
  readonly last: number;
}

/** Address types (`LOCAL`, `UNICAST`), in iptables-save's order. */
export interface AddressTypes {
  readonly not: boolean;
  readonly types: readonly string[];
}

/** Protocols with ports, for which `-m tcp` and its like can look at them. */
export const PORT_PROTOCOLS = ['tcp', 'udp', 'sctp', 'udplite', 'dccp'] as const;
export type PortProtocol = (typeof PORT_PROTOCOLS)[number];

/** One condition. `not` is the `!` before it. */
export type Match =
  | { readonly kind: 'source' | 'destination'; readonly not: boolean; readonly cidr: Cidr }
  /** `prefix`: any interface whose name begins so (`eth+`). */
  | {
      readonly kind: 'in-interface' | 'out-interface';
      readonly not: boolean;
      readonly name: string;
      readonly prefix: boolean;
    }
  /** By name (`tcp`, `ipv6-icmp`), or by number where no name is known. */
  | { readonly kind: 'protocol'; readonly not: boolean; readonly protocol: string }
  /** `-m tcp`; without ports it matches every packet of the protocol. */
  | {
      readonly kind: 'ports';
      readonly protocol: PortProtocol;
      readonly source: PortRange | undefined;
      readonly destination: PortRange | undefined;
    }
  | { readonly kind: 'comment'; readonly text: string }
  /** By chance, in 2^31ths as the kernel keeps it: `2 ** 30` is one half. See `shareOf`. */
  | { readonly kind: 'random'; readonly not: boolean; readonly threshold: number }
  /** The kernel's list of addresses seen lately. */
  | {
      readonly kind: 'recent';
      readonly action: 'set' | 'rcheck' | 'update' | 'remove';
      readonly not: boolean;
      readonly list: string;
      readonly address: 'source' | 'destination';
      /** Only addresses seen within this time. */
      readonly seconds: number | undefined;
      /** Whether older ones are forgotten. */
      readonly reap: boolean;
      readonly hitcount: number | undefined;
      /** The part of the address that counts, as an address; undefined for all of it. */
      readonly mask: string | undefined;
    }
  /** `states`: in iptables-save's order. */
  | { readonly kind: 'conntrack'; readonly not: boolean; readonly states: readonly string[] }
  | {
      readonly kind: 'addrtype';
      readonly source: AddressTypes | undefined;
      readonly destination: AddressTypes | undefined;
      /** Whether only addresses of the interface at hand count as local. */
      readonly limitInterface: 'in' | 'out' | undefined;
    }
  /** `(mark & mask) === value`, both unsigned. */
  | { readonly kind: 'mark'; readonly not: boolean; readonly value: number; readonly mask: number }
  | {
      readonly kind: 'set';
      readonly not: boolean;
      readonly name: string;
      readonly directions: readonly ('src' | 'dst')[];
    }
  /** Whether the packet came in over a port of a bridge: `--physdev-is-in`. */
  | { readonly kind: 'physdev-is-in'; readonly not: boolean }
  /** The virtual server that a connection belongs to. */
  | {
      readonly kind: 'ipvs';
      readonly protocol: string | undefined;
      readonly address: Cidr | undefined;
      readonly port: number | undefined;
    }
  /** Counts the packet under a name and matches always. */
  | { readonly kind: 'nfacct'; readonly name: string }
  /** Not understood: an extension (`-m NAME`), or an option of none. It may match or not. */
  | UnknownExtension;

/** An extension of iptables that is kept as it was written. */
export interface UnknownExtension {
  readonly kind: 'unknown';
  /** Undefined for an option that belongs to no extension. */
  readonly name: string | undefined;
  readonly options: readonly RuleOption[];
}

/** One option (`--limit`) with its values. */
export interface RuleOption {
  readonly name: string;
  readonly not: boolean;
  readonly values: readonly string[];
}

/** New addresses and ports: one, or a range that the kernel chooses from. */
export interface NatRange {
  readonly family: Family | undefined;
  readonly address: string | undefined;
  /** The last address of a range; undefined for a single one. */
  readonly lastAddress: string | undefined;
  readonly port: number | undefined;
  readonly lastPort: number | undefined;
}

/** What a rule does. */
export type Target =
  | { readonly kind: 'accept' | 'drop' | 'return' }
  /** `with`: `port-unreachable` is the default, of either family; others as iptables names them. */
  | { readonly kind: 'reject'; readonly with: string }
  | {
      readonly kind: 'dnat' | 'snat';
      readonly to: NatRange;
      readonly random: boolean;
      readonly randomFully: boolean;
      readonly persistent: boolean;
    }
  | {
      readonly kind: 'masquerade';
      readonly ports: { readonly first: number; readonly last: number } | undefined;
      readonly random: boolean;
      readonly randomFully: boolean;
    }
  /** The mark becomes `(mark & ~mask) ^ value`, all unsigned. */
  | { readonly kind: 'mark'; readonly value: number; readonly mask: number }
  /**
   * To a chain; `goto` does not come back. A name that the table has no chain for is a target that is not known
   * (`-j TRACE`).
   */
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  /** A target with options that is not understood. It may do anything. */
  | UnknownExtension;

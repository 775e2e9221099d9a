/** A packet as rules see it, where it stands on its way through a node, and what becomes of it. */
import type { Family } from '../../net/family.js';
import type { Fraction } from './fraction.js';

/** What the first packet of a connection says; `icmp` (an echo request, also ICMPv6) has no ports. */
export interface Packet {
  readonly family: Family;
  readonly protocol: 'tcp' | 'udp' | 'sctp' | 'icmp';
  /** Canonical text. */
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
}

/**
 * The interface by which a packet came. Its name is mostly not known from objects alone, but whether it is one of this
 * node's pods' is, and that is what rules ask.
 */
export type Interface =
  | { readonly kind: 'named'; readonly name: string }
  | { readonly kind: 'pod' }
  | { readonly kind: 'other' };

/** One rule, for reports. */
export interface RuleReference {
  /** `nat KUBE-SVC-…`, `kube-proxy services`, or of IPVS the virtual server. */
  readonly chain: string;
  /** The rule's own text. */
  readonly text: string;
  /** 1-based line in the text that it was read from, where there is one. */
  readonly line?: number | undefined;
}

/** A translated address, and the rule that did it. */
export interface Translation {
  readonly address: string;
  readonly port: number;
  readonly by: RuleReference;
}

/** A packet at one point of its way. */
export interface PacketState {
  /** As it is now. */
  readonly packet: Packet;
  readonly mark: number;
  /** Not the first packet of its connection: rules of type nat are not asked again. */
  readonly established: boolean;
  /** undefined for what the node itself sends. */
  readonly incoming: Interface | undefined;
  /** Destination translation so far. */
  readonly destinationNat: Translation | undefined;
  /** Which rule masquerades it. */
  readonly masqueradedBy: RuleReference | undefined;
  /** The virtual server for which IPVS has taken the packet: its address and port. */
  readonly virtualServer: { readonly address: string; readonly port: number } | undefined;
}

/** The points of a packet's way at which rules are asked. */
export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/** One thing that happened on the way: a rule that matched, or a policy that applied. */
export interface Step {
  readonly hook: Hook;
  readonly rule: RuleReference;
  /** What the rule did: `jump KUBE-SVC-…`, `mark set to 0x4000`, `dnat to 10.244.1.7:8080`. */
  readonly effect: string;
}

/** What a hook function decides. `sent`: IPVS has sent the packet on itself. */
export type Verdict = 'continue' | 'drop' | 'reject' | 'sent';

/** One possible result of a hook function. The probabilities of all results of one call add up to one. */
export interface Branch {
  readonly probability: Fraction;
  readonly state: PacketState;
  readonly verdict: Verdict;
  readonly steps: readonly Step[];
}

/** What the circumstances are; nothing of it is in the rules. */
export interface World {
  readonly family: Family;
  /** Whether an address is one of the node's own: of its interfaces, kube-ipvs0 among them, or a loopback address. */
  isLocal(address: string): boolean;
  /** `10.244.1.7:8080`: the endpoint that the client was sent to last, for session affinity; undefined for none. */
  readonly after: string | undefined;
}

/** Rules that hang in one hook: a base chain, a built-in chain of an iptables table, or IPVS. */
export interface HookFunction {
  readonly hook: Hook;
  /** The kernel's number: lower comes first. */
  readonly priority: number;
  /** Functions of type nat see only the first packet of a connection, and only until its address is decided. */
  readonly type: 'filter' | 'nat' | 'ipvs';
  run(state: PacketState, world: World): readonly Branch[];
}

/** Something in a rule that is not known, or cannot be known here: there is no answer then, rather than a guess. */
export class UnknownRule extends Error {
  constructor(
    readonly rule: RuleReference,
    readonly reason: string,
  ) {
    super(`${rule.chain}: ${rule.text}: ${reason}`);
  }
}

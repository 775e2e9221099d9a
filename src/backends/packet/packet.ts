/** A packet as rules see it, where it stands on its way through a node, and what rules may do with it. */
import type { Family } from '../../net/family.js';
import type { Fraction } from './fraction.js';

/** What the first packet of a connection says; `icmp` (an echo request, also ICMPv6) has no ports. */
export interface Packet {
  readonly family: Family;
  readonly protocol: 'tcp' | 'udp' | 'sctp' | 'icmp';
  /** Canonical text. */
  readonly source: string;
  /** undefined where the sender picks any; a rule that asks for it cannot be judged then. */
  readonly sourcePort: number | undefined;
  readonly destination: string;
  /** 0 for icmp. */
  readonly destinationPort: number;
}

/**
 * The interface by which a packet came. Its name is mostly not known from objects alone, but whether it is one of this
 * node's pods' is, and that is what kube-proxy's rules ask.
 */
export type Interface =
  | { readonly kind: 'named'; readonly name: string }
  | { readonly kind: 'pod' }
  | { readonly kind: 'other' };

/** One rule, for reports. */
export interface RuleReference {
  /** `nat`, `ip kube-proxy`, `ipvs`; `kernel` for what no rule decides. */
  readonly table: string;
  /** The chain; of IPVS the virtual server. */
  readonly chain: string;
  /** The rule's own text. */
  readonly text: string;
  /** 1-based line in the text that it was read from, where that is known. */
  readonly line: number | undefined;
}

/** A translated destination, and the rule that chose it. */
export interface DestinationNat {
  readonly address: string;
  readonly port: number;
  readonly by: RuleReference;
}

/** A translated source, and the rule that asked for it. */
export interface SourceNat {
  /** undefined where masquerading takes whatever address the node has on the link. */
  readonly address: string | undefined;
  readonly by: RuleReference;
}

/** A packet at one point of its way. */
export interface PacketState {
  /** As it is now; the source stays the sender's, as it is replaced behind all rules. */
  readonly packet: Packet;
  readonly mark: number;
  /** Not the first packet of its connection: rules of type nat are not asked again. */
  readonly established: boolean;
  /** undefined for what the node itself sends, as long as it has not come back by the loopback interface. */
  readonly incoming: Interface | undefined;
  readonly destinationNat: DestinationNat | undefined;
  readonly sourceNat: SourceNat | undefined;
  /** The virtual server for which IPVS has taken the packet: its address and port. */
  readonly virtualServer: { readonly address: string; readonly port: number } | undefined;
}

/** The points of a packet's way at which rules are asked. */
export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/** One thing that happened on the way: a rule that matched, or a policy that applied. */
export interface Step {
  readonly hook: Hook;
  readonly rule: RuleReference;
  /** What came of it: `jump KUBE-SVC-...`, `mark set to 0x4000`, `dnat to 10.244.1.7:8080`. */
  readonly effect: string;
}

/** What a hook function decides. `sent`: IPVS has sent the packet on itself. */
type Verdict = 'continue' | 'drop' | 'reject' | 'sent';

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
  /** Whether the kernel lets loopback addresses of IPv4 pass between interfaces (route_localnet). */
  readonly routeLocalnet: boolean;
  /** Whether packets from outside the node come over ports of a bridge (as with br_netfilter); undefined: not known. */
  readonly overBridge: boolean | undefined;
  /** The name of the interface by which the packet leaves, which is the matter of routes; undefined: not known. */
  readonly outInterface?: string | undefined;
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
  readonly rule: RuleReference;
  readonly reason: string;

  constructor(rule: RuleReference, reason: string) {
    super(`${rule.table} ${rule.chain}: ${rule.text}: ${reason}`);
    this.rule = rule;
    this.reason = reason;
  }
}

/** A rule asks whether the packet came over a port of a bridge, and nobody has told. */
export class UnknownBridge extends UnknownRule {}

/**
 * Whether a packet came by an interface of this name (`''` for what the node sends), or one that begins so.
 * @param ofKubeProxy kube-proxy's rules ask for interfaces to tell pods, so being one of a pod's is answer enough
 * @throws UnknownRule where the name would have to be known
 */
export function cameBy(
  incoming: Interface | undefined,
  name: string,
  prefix: boolean,
  ofKubeProxy: boolean,
  rule: RuleReference,
): boolean {
  if (incoming === undefined || incoming.kind === 'named') return isNamed(incoming?.name ?? '', name, prefix);
  // Nothing from elsewhere comes by the loopback interface.
  if (!prefix && name === 'lo') return false;
  if (!ofKubeProxy) throw new UnknownRule(rule, 'it depends on the interface by which the packet comes');
  return incoming.kind === 'pod';
}

/**
 * Whether a packet leaves by an interface of this name, or one that begins so.
 * @throws UnknownRule where nobody has told the name
 */
export function leavesBy({ outInterface }: World, name: string, prefix: boolean, rule: RuleReference): boolean {
  if (outInterface === undefined) throw new UnknownRule(rule, 'it depends on the interface by which the packet leaves');
  return isNamed(outInterface, name, prefix);
}

function isNamed(own: string, name: string, prefix: boolean): boolean {
  return prefix ? own.startsWith(name) : own === name;
}

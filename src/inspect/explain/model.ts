/** Answers of `kuberules explain` as data; the command line prints them. */
import type { ProxyMode } from '../../kube/config.js';
import type { ServiceType } from '../../kube/service.js';
import type { Family } from '../../net/family.js';
import type { Protocol } from '../../net/protocol.js';
import type { Outcome } from '../../plan/service-port.js';
import type { DnsRecord } from '../dns-zone.js';

/** What there is to say about one thing. */
export type Explanation = ServiceExplanation | NameExplanation | LineExplanation | LinesExplanation;

/** For which node and mode an answer holds. */
export interface Setting {
  readonly mode: ProxyMode;
  /** Empty where no node is given. */
  readonly node: string;
  readonly families: readonly Family[];
}

/** A Service: what the node does for it and why, and by what names containers find it. */
export interface ServiceExplanation {
  readonly kind: 'service';
  readonly service: string;
  readonly type: ServiceType;
  /** One sentence on what kind of Service it is. */
  readonly summary: string;
  /** Why the node has no rules for it; undefined where it has. */
  readonly noRules: string | undefined;
  /** Each port in each family. */
  readonly ports: readonly PortExplanation[];
  /** What the DNS specification asks for. */
  readonly records: readonly DnsRecord[];
  readonly variables: readonly { readonly name: string; readonly value: string }[];
}

/** One service port in one family. */
export interface PortExplanation {
  /** `shop/web:http` */
  readonly name: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly family: Family;
  readonly addresses: readonly AddressExplanation[];
  readonly endpoints: readonly EndpointExplanation[];
  /** In the order in which they are taken. */
  readonly decisions: readonly Decision[];
  /** Chains, sets, maps, virtual servers in which it has something. */
  readonly objects: readonly RuleObject[];
  readonly lines: readonly RuleLine[];
}

/** An address that a service port answers on. */
export interface AddressExplanation {
  readonly kind: 'cluster IP' | 'external IP' | 'load-balancer IP' | 'node port' | 'health check';
  /** `10.96.0.20:80`; of a node port `30080`. */
  readonly address: string;
  /** Where it answers, or whom. */
  readonly note: string;
}

/** One endpoint as this node sees it. */
export interface EndpointExplanation {
  /** `10.244.1.7:8080` */
  readonly endpoint: string;
  readonly state: 'ready' | 'not ready' | 'terminating, still serving' | 'terminating';
  readonly node: string | undefined;
  /** Whether it is on the node in question. */
  readonly local: boolean;
  readonly zoneHints: readonly string[];
  readonly nodeHints: readonly string[];
  /** Whether traffic under policy Cluster, or Local, may go to it; undefined where no traffic is under the policy. */
  readonly cluster: boolean | undefined;
  readonly localPolicy: boolean | undefined;
  /** Why it is used, or is not. */
  readonly reason: string;
}

/** A decision with its reason. */
export interface Decision {
  readonly about: 'internal traffic' | 'external traffic' | 'topology' | 'masquerade' | 'hairpin' | 'session affinity';
  /** Of traffic: where it goes. */
  readonly outcome: Outcome | undefined;
  readonly text: string;
}

/** Something of the rules in which a service port has lines. */
export interface RuleObject {
  readonly kind: 'chain' | 'set' | 'map' | 'virtual server' | 'interface';
  /** The table of a chain, in modes iptables and ipvs. */
  readonly table: string | undefined;
  readonly name: string;
  /** How many rules, elements or real servers of this service port it has. */
  readonly count: number;
  readonly purpose: string;
}

/** One line of the compiled text. */
export interface RuleLine {
  /** `iptables.ipv4.rules` */
  readonly part: string;
  readonly table: string | undefined;
  readonly text: string;
}

/** A name of a chain, set or map. */
export interface NameExplanation {
  readonly kind: 'name';
  readonly name: string;
  /** One for each thing that may be meant. */
  readonly meanings: readonly NameMeaning[];
}

/** What a name stands for. */
export interface NameMeaning {
  readonly what: 'chain' | 'set' | 'map';
  readonly table: string | undefined;
  /** `unknown`: made as kube-proxy makes names, but of nothing in this input. */
  readonly owner: 'kube-proxy' | 'kubelet' | 'kernel' | 'foreign' | 'unknown';
  /** Modes that have it. */
  readonly modes: readonly ProxyMode[];
  /** The service port: `shop/web:http`. */
  readonly servicePort: string | undefined;
  readonly protocol: Protocol | undefined;
  readonly endpoint: string | undefined;
  readonly text: string;
  /** Whether the compiled rules of the node have it; undefined where that cannot be told. */
  readonly present: boolean | undefined;
}

/** A line of rules. */
export interface LineExplanation {
  readonly kind: 'line';
  readonly line: string;
  /** What it is in a word or two: `rule of chain KUBE-SERVICES`, `real server`. */
  readonly what: string;
  /** What must be true of a packet; empty for anything. */
  readonly matches: readonly string[];
  /** What it does. */
  readonly effect: string;
  /** Why it is there; empty where nothing is known. */
  readonly reason: string;
  /** What is said of the names in it. */
  readonly names: readonly NameExplanation[];
  /** Whether the compiled rules have such a line; undefined where that cannot be told. */
  readonly written: boolean | undefined;
  /** The compiled line that is most like one that is not written; undefined where none is like it. */
  readonly nearest: string | undefined;
}

/** Several lines: of a file, or elements that stand in one line. */
export interface LinesExplanation {
  readonly kind: 'lines';
  readonly lines: readonly LineExplanation[];
}

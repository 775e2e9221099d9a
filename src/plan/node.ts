/** What is the same for every service port of one node and family: addresses, node ports, how local traffic is told. */
import {
  type DetectLocalMode,
  type IpvsConfig,
  masqueradeAllOf,
  masqueradeBitOf,
  nodePortAddressesOf,
  type ProxyConfig,
  type ProxyMode,
} from '../kube/config.js';
import type { Node } from '../kube/node.js';
import type { Family } from '../net/family.js';
import { type Cidr, cidrContains, type IpAddress, isLoopback, networkAddress, parseCidr, parseIp } from '../net/ip.js';
import { compareBytes } from '../net/text.js';

/** How rules tell the traffic of pods from other traffic. */
export type LocalDetector =
  | { readonly kind: 'cidr'; readonly cidr: string }
  | { readonly kind: 'interface'; readonly name: string }
  | { readonly kind: 'interface-prefix'; readonly prefix: string };

/** On which addresses of the node its node ports answer. */
export interface NodePortAddresses {
  /** On every local address. */
  readonly all: boolean;
  /** The local addresses that nodePortAddresses covers, loopback ones included, bytewise sorted; empty with `all`. */
  readonly local: readonly string[];
  /** Whether 127.0.0.0/8 is covered; false for IPv6. */
  readonly coversLoopback: boolean;
  /** They should answer on the primary address alone, but that is not known; so kube-proxy would have them on all. */
  readonly primaryUnknown: boolean;
}

/** The decisions about one node and family. */
export interface NodeFacts {
  readonly nodeName: string;
  readonly family: Family;
  readonly zone: string;
  /** The node's own address of the family; the loopback address where it has none. */
  readonly nodeIP: IpAddress;
  readonly nodePortAddresses: NodePortAddresses;
  /**
   * The addresses on the node's interfaces, as far as its Node object tells, by which others reach it: without
   * loopback and IPv6 link-local ones; bytewise sorted.
   */
  readonly hostAddresses: readonly string[];
  /** Whether node ports answer on 127.0.0.1 (mode iptables, IPv4 only). */
  readonly localhostNodePorts: boolean;
  /** Whether forwarded packets that conntrack finds invalid are dropped (mode iptables). */
  readonly dropsInvalid: boolean;
  /** Whether external IPs get rules (feature gate AllowServiceExternalIPs); off, they still count as outside access. */
  readonly allowExternalIPs: boolean;
  /** undefined where nothing tells which traffic is local; then cluster IP traffic is never masqueraded for it. */
  readonly localDetector: LocalDetector | undefined;
  /** Masquerade everything sent to a cluster IP. */
  readonly masqueradeAll: boolean;
  /** The bit of the packet mark that asks for masquerading, 0-31. */
  readonly masqueradeBit: number;
  /** Section `ipvs` of the configuration; only mode ipvs looks at it. */
  readonly ipvs: IpvsConfig;
}

const LOOPBACK: Readonly<Record<Family, string>> = { ipv4: '127.0.0.1', ipv6: '::1' };
const ANY: Readonly<Record<Family, string>> = { ipv4: '0.0.0.0/0', ipv6: '::/0' };

/** A node that nobody described: no addresses, no endpoints of its own. */
export function neutralNode(name: string): Node {
  return { name, addresses: [], podCIDRs: [], zone: '', origin: undefined, object: undefined };
}

/** Decides what is the same for all service ports. */
export function nodeFacts(node: Node, family: Family, mode: ProxyMode, config: ProxyConfig): NodeFacts {
  const nodePortAddresses = chooseNodePortAddresses(node, family, mode, config);
  return {
    nodeName: node.name,
    family,
    zone: node.zone,
    nodeIP: nodeIPOf(node, family, config),
    nodePortAddresses,
    hostAddresses: sortedTexts(localAddresses(node, family).filter((ip) => !isLoopback(ip) && !isLinkLocalIPv6(ip))),
    localhostNodePorts: mode === 'iptables' && config.iptables.localhostNodePorts && nodePortAddresses.coversLoopback,
    dropsInvalid: mode === 'iptables' && !config.tcpBeLiberal,
    allowExternalIPs: config.allowServiceExternalIPs,
    localDetector: localDetectorOf(node, family, config),
    masqueradeAll: masqueradeAllOf(config, mode),
    masqueradeBit: masqueradeBitOf(config, mode),
    ipvs: config.ipvs,
  };
}

/** A specific bindAddress, else the first InternalIP, else the first ExternalIP of the family. */
function nodeIPOf(node: Node, family: Family, config: ProxyConfig): IpAddress {
  if (config.bindAddress?.family === family) return config.bindAddress;
  return node.addresses.find((each) => each.family === family) ?? { family, text: LOOPBACK[family] };
}

/**
 * `primary` stands for the node's own address of each family. A family without an entry counts as if every address
 * had been given; the list is read up to the first `/0`, which is every address too.
 */
function chooseNodePortAddresses(node: Node, family: Family, mode: ProxyMode, config: ProxyConfig): NodePortAddresses {
  const given = nodePortAddressesOf(config, mode);
  const cidrs =
    given === 'primary' ? primaryCidrs(node, family, config) : given.filter((cidr) => cidr.family === family);
  const everything = cidrs.findIndex((cidr) => cidr.writtenPrefixLength === 0);
  const all = cidrs.length === 0 || everything >= 0;
  const read = everything >= 0 ? cidrs.slice(0, everything + 1) : cidrs.length === 0 ? [anyCidr(family)] : cidrs;
  const local = all ? [] : localAddresses(node, family).filter((ip) => read.some((cidr) => cidrContains(cidr, ip)));
  return {
    all,
    local: sortedTexts(local),
    coversLoopback: family === 'ipv4' && read.some(coversLoopback),
    primaryUnknown: given === 'primary' && cidrs.length === 0,
  };
}

/** Each address once, bytewise. */
function sortedTexts(addresses: readonly IpAddress[]): readonly string[] {
  return [...new Set(addresses.map((ip) => ip.text))].sort(compareBytes);
}

function isLinkLocalIPv6(ip: IpAddress): boolean {
  return ip.family === 'ipv6' && /^fe[89ab]/.test(ip.text);
}

/** kube-proxy asks this of the network address alone, so 127.0.0.2/32 covers loopback too. */
function coversLoopback(cidr: Cidr): boolean {
  return isLoopback(networkAddress(cidr)) || cidrContains(cidr, { family: 'ipv4', text: '127.0.0.0' });
}

function primaryCidrs(node: Node, family: Family, config: ProxyConfig): readonly Cidr[] {
  const nodeIP = nodeIPOf(node, family, config);
  // Where no address is known the loopback address stands in, and kube-proxy makes no entry of that.
  if (isLoopback(nodeIP)) return [];
  const cidr = parseCidr(`${nodeIP.text}/${family === 'ipv4' ? 32 : 128}`);
  return cidr === undefined ? [] : [cidr];
}

/** The addresses on the node's interfaces, as far as its Node object tells: loopback and its own. */
function localAddresses(node: Node, family: Family): readonly IpAddress[] {
  const loopback = parseIp(LOOPBACK[family]);
  const own = node.addresses.filter((each) => each.family === family);
  return loopback === undefined ? own : [loopback, ...own];
}

function anyCidr(family: Family): Cidr {
  const cidr = parseCidr(ANY[family]);
  if (cidr === undefined) throw new Error(`not a CIDR: ${ANY[family]}`);
  return cidr;
}

/** Each mode reads only its own setting; one that is missing for the family leaves local traffic unknown. */
function localDetectorOf(node: Node, family: Family, config: ProxyConfig): LocalDetector | undefined {
  const detectors: Readonly<Record<DetectLocalMode, () => LocalDetector | undefined>> = {
    ClusterCIDR: () => cidrDetector(config.clusterCIDRs[family]),
    NodeCIDR: () => cidrDetector(node.podCIDRs.find((cidr) => cidr.family === family)?.text),
    BridgeInterface: () =>
      config.bridgeInterface === '' ? undefined : { kind: 'interface', name: config.bridgeInterface },
    InterfaceNamePrefix: () =>
      config.interfaceNamePrefix === '' ? undefined : { kind: 'interface-prefix', prefix: config.interfaceNamePrefix },
  };
  return detectors[config.detectLocalMode]();
}

function cidrDetector(cidr: string | undefined): LocalDetector | undefined {
  return cidr === undefined ? undefined : { kind: 'cidr', cidr };
}

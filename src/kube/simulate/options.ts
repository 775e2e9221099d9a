/** What a simulated cluster is made of: address ranges, node ports, nodes. */
import type { ByFamily, Family } from '../../net/family.js';
import { type Cidr, parseCidr } from '../../net/ip.js';
import { type Diagnostic, diagnostic } from '../diagnostics.js';

/**
 * How to simulate; every field has a default. Ranges are CIDRs, one or two (of different families) with a comma
 * between, as the flags of the Kubernetes components take them.
 */
export interface SimulateOptions {
  /**
   * kube-apiserver's --service-cluster-ip-range. Its first family is what a Service gets that asks for none, and only
   * its families can be had. The default is 10.96.0.0/12, and fd00:10:96::/112 as soon as a Service asks for IPv6.
   */
  readonly serviceClusterIPRange?: string | undefined;
  /** kube-apiserver's --service-node-port-range; 30000-32767 by default. */
  readonly nodePortRange?: string | undefined;
  /**
   * kube-controller-manager's --cluster-cidr, of which nodes without a podCIDR get a part: a /24 of 10.244.0.0/16,
   * and where IPv6 is wanted a /64 of fd00:10:244::/48.
   */
  readonly clusterCIDR?: string | undefined;
  /** Where load-balancer addresses come from; 192.0.2.0/24 and 2001:db8:1b::/64 by default (both for documentation). */
  readonly loadBalancerRange?: string | undefined;
  /** Where InternalIPs of nodes come from; 172.18.0.0/16 (where kind puts its nodes) and fd00:172:18::/64 by default. */
  readonly nodeRange?: string | undefined;
  /** How many nodes to invent when neither a Node nor anything that names one is given; 3 by default, at most 1000. */
  readonly nodes?: number | undefined;
}

/** The options, read. */
export interface Cluster {
  /** Families that Services can have, the default one first. */
  readonly families: readonly Family[];
  /** Whether nodes have all these families from the start, and not only the default one until something asks. */
  readonly isDualStack: boolean;
  readonly serviceRanges: ByFamily<Cidr | undefined>;
  /** First and last. */
  readonly nodePorts: readonly [number, number];
  readonly podRanges: ByFamily<Cidr>;
  readonly loadBalancerRanges: ByFamily<Cidr>;
  readonly nodeRanges: ByFamily<Cidr>;
  readonly nodes: number;
}

const DEFAULTS = {
  serviceClusterIPRange: '10.96.0.0/12,fd00:10:96::/112',
  clusterCIDR: '10.244.0.0/16,fd00:10:244::/48',
  loadBalancerRange: '192.0.2.0/24,2001:db8:1b::/64',
  nodeRange: '172.18.0.0/16,fd00:172:18::/64',
} as const;

/** What options are called on the command line, as in the Kubernetes components. */
const FLAGS: Readonly<Partial<Record<keyof SimulateOptions, string>>> = {
  serviceClusterIPRange: '--service-cluster-ip-range',
  nodePortRange: '--service-node-port-range',
  clusterCIDR: '--cluster-cidr',
  nodes: '--simulate-nodes',
};

type RangeOption = keyof typeof DEFAULTS;

/** More invented nodes than anybody reads about. */
const MAX_NODES = 1000;

/**
 * Reads the options.
 * @returns the cluster, or errors (code invalid-config) that name the options
 */
export function readOptions(options: SimulateOptions): { cluster?: Cluster; diagnostics: Diagnostic[] } {
  const diagnostics: Diagnostic[] = [];
  const fail = (option: keyof SimulateOptions, message: string): void => {
    const flag = FLAGS[option];
    const hint = flag === undefined ? undefined : `On the command line it is ${flag}.`;
    diagnostics.push(diagnostic('invalid-config', `option ${option}: ${message}.`, { hint }));
  };
  const rangesOf = (option: RangeOption): Cidr[] => {
    const text = options[option] ?? DEFAULTS[option];
    const cidrs = text.split(',').map((part) => parseCidr(part.trim()));
    const read = cidrs.filter((cidr) => cidr !== undefined);
    if (read.length < cidrs.length || cidrs.length > 2 || read[0]?.family === read[1]?.family) {
      fail(option, `${JSON.stringify(text)} is no CIDR, nor two of different families with a comma between`);
    }
    return read;
  };
  const byFamily = (option: RangeOption): ByFamily<Cidr> => {
    const cidrs = rangesOf(option);
    const [ipv4, ipv6] = DEFAULTS[option].split(',').map((text) => parseCidr(text));
    if (ipv4 === undefined || ipv6 === undefined) throw new Error(`wrong default of ${option}`);
    const of = (family: Family): Cidr | undefined => cidrs.find((cidr) => cidr.family === family);
    return { ipv4: of('ipv4') ?? ipv4, ipv6: of('ipv6') ?? ipv6 };
  };
  const nodePortText = options.nodePortRange ?? '30000-32767';
  const [from, to] = nodePortText.split('-').map((part) => (/^\d{1,5}$/.test(part) ? Number(part) : 0));
  if (!/^\d+-\d+$/.test(nodePortText) || !from || !to || from > to || to > 65535) {
    fail('nodePortRange', `${JSON.stringify(nodePortText)} is no range of ports such as 30000-32767`);
  }
  const nodes = options.nodes ?? 3;
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > MAX_NODES)
    fail('nodes', `${nodes} is no number from 1 to ${MAX_NODES}`);

  const services = rangesOf('serviceClusterIPRange');
  const cluster: Cluster = {
    families: services.map((cidr) => cidr.family),
    isDualStack: options.serviceClusterIPRange !== undefined && services.length > 1,
    serviceRanges: {
      ipv4: services.find((cidr) => cidr.family === 'ipv4'),
      ipv6: services.find((cidr) => cidr.family === 'ipv6'),
    },
    nodePorts: [from ?? 0, to ?? 0],
    podRanges: byFamily('clusterCIDR'),
    loadBalancerRanges: byFamily('loadBalancerRange'),
    nodeRanges: byFamily('nodeRange'),
    nodes,
  };
  return diagnostics.length > 0 ? { diagnostics } : { cluster, diagnostics };
}

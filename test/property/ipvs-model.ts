/** What IPVS mode must say of a plan, worked out from spec sections 1.4, 2 and 3 alone. */
import ipaddr from 'ipaddr.js';
import type { Endpoint, NodePlan, ProxyConfig, ServicePortPlan } from '../../src/index.js';
import { addressesIn } from '../support/addresses.js';
import type { CompiledFamily } from '../support/compile-objects.js';

/** A virtual server that a service port asks for. */
export interface WantedServer {
  /** `-t 10.96.0.20:80` */
  readonly service: string;
  /** `-s rr -p 10800` */
  readonly options: string;
  readonly realServers: readonly string[];
  readonly kind: WayIn['kind'];
  readonly plan: ServicePortPlan;
}

/** One way to reach a service port. */
interface WayIn {
  readonly kind: 'cluster' | 'external' | 'balancer' | 'node';
  readonly ip: string;
  readonly port: number;
}

/** The texts of one family, the plan behind them, and the configuration. */
export interface Subject extends CompiledFamily {
  readonly config: ProxyConfig;
}

/** The node's addresses of the plan's family by which others reach it. */
function hostAddresses({ node, plan }: Subject): readonly string[] {
  const own = node.addresses.filter(({ family }) => family === plan.node.family).map(({ text }) => text);
  return own.filter((text) => !['loopback', 'linkLocal'].includes(rangeOf(text)));
}

/** ipaddr.js calls 169.254/16 link-local as well, which kube-proxy keeps. */
function rangeOf(text: string): string {
  const ip = ipaddr.parse(text);
  return ip.kind() === 'ipv4' && ip.range() === 'linkLocal' ? 'unicast' : ip.range();
}

/** The node's own address: bindAddress if it is of the family, whether or not the node has it, else the first. */
function nodeIP({ config, node, plan }: Subject): string | undefined {
  const { family } = plan.node;
  if (config.bindAddress?.family === family) return config.bindAddress.text;
  return node.addresses.find((each) => each.family === family)?.text;
}

/** The addresses on which node ports answer (2.3). */
function nodePortIPs(subject: Subject): readonly string[] {
  const { config, node, plan } = subject;
  const own = node.addresses.filter(({ family }) => family === plan.node.family).map(({ text }) => text);
  if (config.nodePortAddresses === 'primary') return own.filter((ip) => ip === nodeIP(subject));
  const cidrs = config.nodePortAddresses.filter(({ family }) => family === plan.node.family);
  if (cidrs.length === 0 || cidrs.some(({ prefixLength }) => prefixLength === 0)) return hostAddresses(subject);
  return addressesIn(
    own.filter((ip) => rangeOf(ip) !== 'loopback'),
    cidrs.map(({ text }) => text),
  );
}

/** The ways in, in kube-proxy's order (2.1): of two of one service port with the same address and port the last counts. */
function waysIn(plan: ServicePortPlan, nodeIPs: readonly string[]): readonly WayIn[] {
  const { port, nodePort } = plan;
  return [
    { kind: 'cluster', ip: plan.clusterIP, port },
    ...plan.externalIPs.map((ip): WayIn => ({ kind: 'external', ip, port })),
    ...plan.loadBalancerIPs.map((ip): WayIn => ({ kind: 'balancer', ip, port })),
    ...(nodePort === undefined ? [] : nodeIPs.map((ip): WayIn => ({ kind: 'node', ip, port: nodePort }))),
  ];
}

/** Under a policy Local that finds no endpoint here, whatever policy Cluster gives (1.4). */
function chosen(plan: ServicePortPlan, way: WayIn): readonly Endpoint[] {
  const onlyLocal = way.kind === 'cluster' ? plan.internalPolicyLocal : plan.externalPolicyLocal;
  return onlyLocal && plan.localEndpoints.length > 0 ? plan.localEndpoints : plan.clusterEndpoints;
}

/** Every claim to a virtual server, those of the first service port by name first; within one the last is first. */
export function claims(subject: Subject): readonly WantedServer[] {
  const { scheduler } = subject.config.ipvs;
  const nodeIPs = nodePortIPs(subject);
  return byName(subject.plan).flatMap((plan) =>
    waysIn(plan, nodeIPs)
      .toReversed()
      .map((way) => ({
        service: `${{ TCP: '-t', UDP: '-u', SCTP: '--sctp-service' }[plan.protocol]} ${hostPort(way.ip, way.port)}`,
        options: [
          `-s ${scheduler}`,
          ...(plan.affinitySeconds === undefined ? [] : [`-p ${plan.affinitySeconds}`]),
          ...(scheduler === 'mh' ? ['-b mh-port'] : []),
        ].join(' '),
        realServers: chosen(plan, way).map(({ source, port }) => hostPort(source.address, port)),
        kind: way.kind,
        plan,
      })),
  );
}

/**
 * Who has each virtual server: of each service port its last claim, and of several the first by name; but those with real
 * servers come before those without, and then other addresses before node ports.
 */
export function wantedServers(subject: Subject): ReadonlyMap<string, WantedServer> {
  const own = claims(subject).filter(
    ({ service, plan }, i, all) => all.findIndex((each) => each.service === service && each.plan === plan) === i,
  );
  const rank = ({ kind, realServers }: WantedServer) => (realServers.length > 0 ? 0 : 2) + (kind === 'node' ? 1 : 0);
  const ranked = own.toSorted((a, b) => rank(a) - rank(b));
  return new Map(ranked.toReversed().map((claim) => [claim.service, claim]));
}

/** Service ports bytewise by name. */
export function byName({ servicePorts }: NodePlan): readonly ServicePortPlan[] {
  return servicePorts.toSorted((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
}

/** The entries of each set by its IPv4 name without `KUBE-` (section 3), not sorted and perhaps repeated. */
export function wantedEntries(subject: Subject): ReadonlyMap<string, readonly string[]> {
  const entries = new Map<string, string[]>();
  const add = (set: string, ...more: readonly string[]) => entries.set(set, [...(entries.get(set) ?? []), ...more]);
  const nodeIPs = nodePortIPs(subject);
  for (const plan of subject.plan.servicePorts) {
    const protocol = plan.protocol.toLowerCase();
    const local = plan.externalPolicyLocal;
    for (const { source, port } of plan.endpoints.filter((each) => each.source.nodeName === subject.node.name)) {
      add('LOOP-BACK', `${source.address},${protocol}:${port},${source.address}`);
    }
    for (const { kind, ip, port } of waysIn(plan, nodeIPs)) {
      const entry = `${ip},${protocol}:${port}`;
      if (kind === 'cluster') add('CLUSTER-IP', entry);
      if (kind === 'external') add(local ? 'EXTERNAL-IP-LOCAL' : 'EXTERNAL-IP', entry);
      if (kind === 'balancer') {
        add('LOAD-BALANCER', entry);
        if (local) add('LOAD-BALANCER-LOCAL', entry);
        if (plan.sourceRanges.length > 0) add('LOAD-BALANCER-FW', entry);
        if (plan.sourceRanges.length > 0 && allowsNode(plan, subject)) add('LOAD-BALANCER-SOURCE-IP', `${entry},${ip}`);
        add('LOAD-BALANCER-SOURCE-CIDR', ...plan.sourceRanges.map(({ text }) => `${entry},${text}`));
      }
      if (kind === 'node') {
        const [suffix, what] = plan.protocol === 'SCTP' ? ['SCTP-HASH', entry] : [plan.protocol, String(port)];
        add(`NODE-PORT-${suffix}`, what);
        if (local) add(`NODE-PORT-LOCAL-${suffix}`, what);
      }
      if (
        kind === 'cluster' ||
        ((kind === 'external' || kind === 'balancer') && !hostAddresses(subject).includes(ip))
      ) {
        add('IPVS-IPS', ip);
      }
    }
    const skipped = plan.nodePort !== undefined && nodeIPs.length === 0;
    if (plan.healthCheckNodePort !== undefined && !skipped) {
      add('HEALTH-CHECK-NODE-PORT', String(plan.healthCheckNodePort));
    }
  }
  return entries;
}

/** The rules that keep the node itself from load-balancer addresses whose ranges it is not in (4.3 rule 5), sorted. */
export function wantedOutFilter(subject: Subject): readonly string[] {
  return subject.plan.servicePorts
    .filter((plan) => plan.sourceRanges.length > 0 && !allowsNode(plan, subject))
    .flatMap(({ loadBalancerIPs, protocol, port }) =>
      loadBalancerIPs.map((ip) => {
        const server = `--vaddr ${ip} --vproto ${protocol.toLowerCase()} --vport ${port}`;
        return `-A KUBE-IPVS-OUT-FILTER -s ${ip} -m ipvs ${server} -j DROP`;
      }),
    )
    .sort();
}

/** Whether the node's own address lies in a source range. */
function allowsNode({ sourceRanges }: ServicePortPlan, subject: Subject): boolean {
  const ip = nodeIP(subject);
  const ranges = sourceRanges.map(({ text }) => text);
  return ip !== undefined && addressesIn([ip], ranges).length > 0;
}

function hostPort(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

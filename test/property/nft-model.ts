/** What nftables mode must say of a plan, worked out from spec sections 5 to 7 alone. */
import { createHash } from 'node:crypto';
import type { Endpoint, ProxyConfig, ServicePortPlan } from '../../src/index.js';
import { addressesIn } from '../support/addresses.js';
import type { CompiledFamily } from '../support/compile-objects.js';
import { BRIDGES, PREFIXES } from './random-cluster.js';

/** The texts of one family, the plan behind them, and the configuration. */
export interface Subject extends CompiledFamily {
  readonly config: ProxyConfig;
}

/** What the script must hold beside the fixed objects. */
export interface Wanted {
  /** The rules of the chains of service ports and endpoints. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  readonly affinitySets: readonly string[];
  /** `service-ips { 10.96.0.20 . tcp . 80 : goto service-… }` */
  readonly elements: readonly string[];
}

/** A name behind eight letters of its hash, cut to 240 characters (section 5). */
export function hashedName(base: string): string {
  const bits = Array.from(createHash('sha256').update(base).digest(), (byte) => byte.toString(2).padStart(8, '0'));
  const letters = (bits.join('').match(/.{5}/g) ?? []).slice(0, 8);
  const hash = letters.map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five, 2)]).join('');
  const name = `${hash}-${base}`;
  return name.length > 240 ? `${name.slice(0, 237)}...` : name;
}

/** The name that the chains of a service port share. */
export function servicePortName({ namespace, service, protocol, portName }: ServicePortPlan): string {
  return hashedName(`${namespace}/${service}/${protocol.toLowerCase()}/${portName}`);
}

function endpointName(plan: ServicePortPlan, { source, port }: Endpoint): string {
  const base = `${plan.namespace}/${plan.service}/${plan.protocol.toLowerCase()}/${plan.portName}`;
  return hashedName(`${base}__${source.address.replaceAll(':', '.')}/${port}`);
}

/** The first addresses of the families that have one, which `primary` stands for. */
function nodeIPs({ node, plan }: Subject): readonly string[] {
  return node.addresses.filter(({ family }) => family === plan.node.family).map(({ text }) => text);
}

/** The node's own address (1.3): bindAddress if it is of the family, whether or not the node has it, else the first. */
function nodeIP(subject: Subject): string | undefined {
  const { bindAddress } = subject.config;
  return bindAddress?.family === subject.plan.node.family ? bindAddress.text : nodeIPs(subject)[0];
}

/** The addresses on which node ports answer; undefined for all (7.3). No node here has a loopback address. */
export function nodePortIPs(subject: Subject): readonly string[] | undefined {
  const given = subject.config.nodePortAddresses;
  const own = nodeIPs(subject);
  if (given === 'primary' || given.length === 0) return own.filter((ip) => ip === nodeIP(subject));
  const cidrs = given.filter(({ family }) => family === subject.plan.node.family);
  if (cidrs.length === 0 || cidrs.some(({ prefixLength }) => prefixLength === 0)) return undefined;
  return addressesIn(
    own,
    cidrs.map(({ text }) => text),
  );
}

/** `ip` or `ip6`. */
export function word({ plan }: Subject): 'ip' | 'ip6' {
  return plan.node.family === 'ipv4' ? 'ip' : 'ip6';
}

/** The mark in eight hex digits. */
export function mark({ config }: Subject): string {
  return `0x${(1n << BigInt(config.nftables.masqueradeBit)).toString(16).padStart(8, '0')}`;
}

/** The match for traffic of local pods, or with `!= ` for other traffic; undefined without a detector (7.2). */
export function fromPods({ config, node, plan }: Subject, not: '' | '!= ' = ''): string | undefined {
  if (config.detectLocalMode === 'BridgeInterface')
    return `iifname ${not}${Object.entries(BRIDGES).find(([name]) => name === config.bridgeInterface)?.[1]}`;
  if (config.detectLocalMode === 'InterfaceNamePrefix')
    return `iifname ${not}${Object.entries(PREFIXES).find(([name]) => name === config.interfaceNamePrefix)?.[1]}`;
  const { family } = plan.node;
  const cidr =
    config.detectLocalMode === 'ClusterCIDR'
      ? config.clusterCIDRs[family]
      : node.podCIDRs.find((each) => each.family === family)?.text;
  return cidr === undefined ? undefined : `${family === 'ipv4' ? 'ip' : 'ip6'} saddr ${not}${cidr}`;
}

/** What all service ports of a family ask for. */
export function wanted(subject: Subject): Wanted {
  const chains = new Map<string, readonly string[]>();
  const affinitySets: string[] = [];
  const elements: string[] = (nodePortIPs(subject) ?? []).map((ip) => `nodeport-ips { ${ip} }`);
  for (const plan of subject.plan.servicePorts) {
    elements.push(...wantedElements(plan, subject));
    for (const [name, rules] of wantedChains(plan, subject)) chains.set(name, rules);
    if (plan.affinitySeconds === undefined) continue;
    for (const endpoint of reachable(plan)) {
      const type = subject.plan.node.family === 'ipv4' ? 'ipv4_addr' : 'ipv6_addr';
      const properties = `{ type ${type} ; flags dynamic,timeout ; timeout ${plan.affinitySeconds}s ; }`;
      affinitySets.push(`affinity-${endpointName(plan, endpoint)} ${properties}`);
    }
  }
  return { chains, affinitySets, elements };
}

const reachable = (plan: ServicePortPlan) => [...new Set([...plan.clusterEndpoints, ...plan.localEndpoints])];

/** Ready, or serving while it terminates, on whatever node (6.5). */
export function hasEndpoints({ endpoints }: ServicePortPlan): boolean {
  return endpoints.some(({ source }) => source.ready || (source.serving && source.terminating));
}

/** Whether traffic that comes in under a policy finds an endpoint. */
function arrives(plan: ServicePortPlan, local: boolean): boolean {
  return hasEndpoints(plan) && (!local || plan.localEndpoints.length > 0);
}

/** What is done with traffic that finds none. */
export function refusal(plan: ServicePortPlan, local: boolean): string | undefined {
  if (arrives(plan, local)) return undefined;
  return hasEndpoints(plan) ? 'drop' : 'goto reject-chain';
}

function wantedElements(plan: ServicePortPlan, subject: Subject): readonly string[] {
  const { clusterIP, externalIPs, loadBalancerIPs, port, nodePort } = plan;
  const name = servicePortName(plan);
  const protocol = plan.protocol.toLowerCase();
  const said = `comment "${plan.namespace}/${plan.service}${plan.portName === '' ? '' : `:${plan.portName}`}"`;
  const result = [`cluster-ips { ${clusterIP} }`];
  const add = (map: string, key: string, verdict: string | undefined) => {
    const commented = map.startsWith('no-endpoint') ? `${key} ${said}` : key;
    if (verdict !== undefined) result.push(`${map} { ${commented} : ${verdict} }`);
  };
  const chain = `${plan.internalPolicyLocal ? 'local' : 'service'}-${name}`;
  const key = (ip: string) => `${ip} . ${protocol} . ${port}`;
  add('service-ips', key(clusterIP), arrives(plan, plan.internalPolicyLocal) ? `goto ${chain}` : undefined);
  add('no-endpoint-services', key(clusterIP), refusal(plan, plan.internalPolicyLocal));
  const external = hasEndpoints(plan) ? `goto external-${name}` : undefined;
  for (const ip of new Set([...externalIPs, ...loadBalancerIPs])) {
    add('service-ips', key(ip), external);
    add('no-endpoint-services', key(ip), refusal(plan, plan.externalPolicyLocal));
  }
  if (nodePort !== undefined) {
    add('service-nodeports', `${protocol} . ${nodePort}`, external);
    add('no-endpoint-nodeports', `${protocol} . ${nodePort}`, refusal(plan, plan.externalPolicyLocal));
  }
  if (plan.sourceRanges.length > 0) {
    for (const ip of new Set(loadBalancerIPs)) add('firewall-ips', key(ip), `goto firewall-${name}`);
  }
  for (const { source, port: to } of reachable(plan).filter((each) => each.source.nodeName === subject.node.name)) {
    result.push(`hairpin-connections { ${source.address} . ${source.address} . ${protocol} . ${to} }`);
  }
  return result;
}

function wantedChains(plan: ServicePortPlan, subject: Subject): ReadonlyMap<string, readonly string[]> {
  const chains = new Map<string, readonly string[]>();
  const name = servicePortName(plan);
  const ip = word(subject);
  const accessible = plan.nodePort !== undefined || plan.loadBalancerIPs.length > 0 || plan.externalIPs.length > 0;
  const usesCluster = !plan.internalPolicyLocal || accessible;
  const usesLocal = plan.internalPolicyLocal || (plan.externalPolicyLocal && accessible);
  if (usesCluster && plan.clusterEndpoints.length > 0) {
    chains.set(`service-${name}`, balancing(plan, plan.clusterEndpoints, subject));
  }
  if (usesLocal && plan.localEndpoints.length > 0) {
    chains.set(`local-${name}`, balancing(plan, plan.localEndpoints, subject));
  }
  if (hasEndpoints(plan) && accessible) chains.set(`external-${name}`, externalRules(plan, subject));
  if (plan.loadBalancerIPs.length > 0 && plan.sourceRanges.length > 0) {
    const ranges = plan.sourceRanges.map(({ text }) => text);
    const own = addressesIn([nodeIP(subject) ?? []].flat(), ranges).length > 0 ? plan.loadBalancerIPs : [];
    chains.set(`firewall-${name}`, [`${ip} saddr != { ${[...ranges, ...own].join(' , ')} } drop`]);
  }
  if (plan.affinitySeconds === undefined) return chains;
  for (const endpoint of reachable(plan)) {
    const own = endpointName(plan, endpoint);
    const to =
      ip === 'ip' ? `${endpoint.source.address}:${endpoint.port}` : `[${endpoint.source.address}]:${endpoint.port}`;
    chains.set(`endpoint-${own}`, [
      `update @affinity-${own} { ${ip} saddr }`,
      `meta l4proto ${plan.protocol.toLowerCase()} dnat to ${to}`,
    ]);
  }
  return chains;
}

function externalRules(plan: ServicePortPlan, subject: Subject): readonly string[] {
  const name = servicePortName(plan);
  const pods = fromPods(subject);
  const setMark = `mark set mark or ${mark(subject)}`;
  if (!plan.externalPolicyLocal) return [`${setMark} comment "masquerade"`, `goto service-${name}`];
  return [
    ...(pods === undefined ? [] : [`${pods} goto service-${name} comment "short-circuit pod traffic"`]),
    `fib saddr type local ${setMark} comment "masquerade local traffic"`,
    `fib saddr type local goto service-${name} comment "short-circuit local traffic"`,
    ...(plan.localEndpoints.length > 0 ? [`goto local-${name}`] : []),
  ];
}

function balancing(plan: ServicePortPlan, endpoints: readonly Endpoint[], subject: Subject): readonly string[] {
  const ip = word(subject);
  const n = endpoints.length;
  if (plan.affinitySeconds === undefined) {
    const map = endpoints.map(({ source, port }, i) => `${i} : ${source.address} . ${port}`).join(' , ');
    return [
      `meta l4proto ${plan.protocol.toLowerCase()} dnat ${ip} addr . port to numgen random mod ${n} map { ${map} }`,
    ];
  }
  const names = endpoints.map((endpoint) => endpointName(plan, endpoint));
  return [
    ...names.map((name) => `${ip} saddr @affinity-${name} goto endpoint-${name}`),
    `numgen random mod ${n} vmap { ${names.map((name, i) => `${i} : goto endpoint-${name}`).join(' , ')} }`,
  ];
}

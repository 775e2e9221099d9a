/** What verify knows of IPVS mode. */
import { givenAddresses, isOnDevice } from '../../backends/ipvs/address-changes.js';
import type { InterfaceAddress } from '../../backends/ipvs/addresses-text.js';
import { lowerServicePort } from '../../backends/ipvs/fragment.js';
import { type IpSet, normalIpset, readIpset } from '../../backends/ipvs/ipset-text.js';
import { type NormalVirtualServer, normalIpvs, type VirtualServer } from '../../backends/ipvs/ipvsadm-text.js';
import { ownership, ownSets, portalAddressesOf } from '../../backends/ipvs/ownership.js';
import { rulesText } from '../../backends/ipvs/rules.js';
import { ipsetText, SET_KEYS, type SetKey, setContents, setName } from '../../backends/ipvs/sets.js';
import type { Version } from '../../backends/version.js';
import { rulesForVersion } from '../../backends/xtables/old-iptables.js';
import type { ClusterState } from '../../kube/state.js';
import type { Family } from '../../net/family.js';
import { cidrContains, parseIp } from '../../net/ip.js';
import { lowerProtocol } from '../../net/protocol.js';
import { compareBytes } from '../../net/text.js';
import type { Endpoint } from '../../plan/endpoints.js';
import type { NodeFacts } from '../../plan/node.js';
import type { NodePlan } from '../../plan/plan.js';
import type { ServicePortPlan } from '../../plan/service-port.js';
import type { Container, Contents, Difference, Item } from './contents.js';
import { endpointOf, endpointsMinus, sameEndpoints, withEndpoints } from './endpoints.js';
import { type Adapter, type Classified, keepLowered } from './engine.js';
import { specOf, writtenContents } from './xtables-contents.js';

/** Which of the texts of a node are there to be compared. */
export interface IpvsParts {
  readonly servers: boolean;
  readonly sets: boolean;
  readonly addresses: boolean;
  readonly rules: boolean;
  /** Of the iptables that printed the rules; undefined where it is not known. */
  readonly version: Version | undefined;
}

const INTERFACE = 'interface kube-ipvs0';

/** Addresses on which Services are to be, whatever network they are in: excludeCIDRs only keeps others' from being deleted. */
export function claimedAddresses({ node, servicePorts }: NodePlan): ReadonlySet<string> {
  const addresses = servicePorts.flatMap((each) => [each.clusterIP, ...each.externalIPs, ...each.loadBalancerIPs]);
  const hasNodePorts = servicePorts.some(({ nodePort }) => nodePort !== undefined);
  return new Set([...addresses, ...(hasNodePorts ? node.hostAddresses : [])]);
}

/**
 * Whether kube-proxy takes a virtual server for its own: not those of marks, and not those of excluded networks.
 * @param claimed see `claimedAddresses`
 */
export function isManaged(
  { service }: VirtualServer,
  { family, ipvs }: NodeFacts,
  claimed: ReadonlySet<string>,
): boolean {
  if (service.kind !== 'address' || service.address.family !== family) return false;
  return claimed.has(service.address.text) || !ipvs.excludeCIDRs.some((cidr) => cidrContains(cidr, service.address));
}

/** What tells of virtual servers that they are kube-proxy's. */
interface Telling {
  readonly sets: readonly IpSet[];
  /** Of kube-ipvs0; those of other interfaces may be among them. */
  readonly addresses: readonly InterfaceAddress[];
  readonly claimed: ReadonlySet<string>;
}

/**
 * Virtual servers that kube-proxy would take for its own and delete, though no set and no address has anything to do with
 * them: what else uses IPVS on a node. `kuberules apply` leaves the same ones.
 */
export function foreignServers(
  services: readonly VirtualServer[],
  node: NodeFacts,
  { sets: all, addresses, claimed }: Telling,
): readonly VirtualServer[] {
  const { family } = node;
  const sets = ownSets(all, family);
  const local = givenAddresses(addresses).filter(({ address }) => address.family === family);
  const bound = local.filter((each) => each.at === undefined || isOnDevice(each));
  const portalAddresses = portalAddressesOf(sets, bound, family);
  const owns = ownership({ family, excludeCIDRs: [], sets, portalAddresses, local, services });
  return services.filter((virtual) => {
    const { service } = virtual;
    const isClaimed = service.kind === 'address' && claimed.has(service.address.text);
    return isManaged(virtual, node, claimed) && !isClaimed && !owns(virtual);
  });
}

/** Virtual servers, each with its real servers. */
export function serverContents(services: readonly VirtualServer[], file: string | undefined): readonly Container[] {
  return services.flatMap((virtual) => {
    const place = (line: number | undefined) => (file === undefined ? undefined : { file, line });
    return Array.from(normalIpvs({ timeouts: undefined, services: [virtual] }), ([key, normal]) => {
      const lines = new Map(virtual.servers.map(({ address, port, line }) => [`${address.text} ${port}`, line]));
      return serverContainer(key, normal, place(virtual.line), (text) => {
        const [, address = '', port = ''] = /^\[?([^\]]+?)\]?:(\d+) /.exec(text) ?? [];
        return place(lines.get(`${address} ${port}`));
      });
    });
  });
}

function serverContainer(
  key: string,
  { settings, servers }: NormalVirtualServer,
  place: Item['place'],
  placeOf: (text: string) => Item['place'],
): Container {
  const items = servers.map((text) => ({ text, place: placeOf(text) }));
  return { kind: 'virtual server', name: `virtual server ${key}`, ordered: false, settings, items, place };
}

/** The sets of a family that are kube-proxy's. */
export function setContainers(sets: readonly IpSet[], family: Family, file: string | undefined): readonly Container[] {
  const names = new Set(SET_KEYS.map((key) => setName(key, family)));
  return sets
    .filter(({ name }) => names.has(name))
    .flatMap((set) =>
      Array.from(normalIpset([set]), ([name, { type, options, entries }]) => {
        const lines = new Map(set.entries.map(({ text, line }) => [text, line]));
        const items = entries.map((text) => ({
          text,
          place: file === undefined ? undefined : { file, line: lines.get(text) },
        }));
        const place = file === undefined ? undefined : { file, line: set.line };
        const settings = [type, ...options].join(' ');
        return { kind: 'set' as const, name: `set ${name}`, ordered: false, settings, items, place };
      }),
    );
}

/** The addresses of kube-ipvs0; other interfaces may be in the dump, too. */
export function interfaceContainer(addresses: readonly InterfaceAddress[], family: Family, file: string): Container {
  const own = addresses.filter(
    ({ address, at }) =>
      address.family === family &&
      (at === undefined || at.interface === 'kube-ipvs0') &&
      !(family === 'ipv6' && /^fe[89ab]/.test(address.text)),
  );
  const items = own.map(({ address, line }) => ({ text: address.text, place: { file, line } }));
  return { kind: 'interface', name: INTERFACE, ordered: false, settings: '', items, place: { file, line: undefined } };
}

/** What a node keeps besides: real servers without weight that are no endpoints any more. */
interface Drained {
  readonly observed: Contents;
  readonly draining: ReadonlyMap<ServicePortPlan, readonly string[]>;
}

/** Takes away real servers of weight 0 that are no endpoints: kube-proxy waits for their last connection. */
function withoutDraining(
  observed: Contents,
  wanted: (name: string) => readonly [ServicePortPlan, Container] | undefined,
): Drained {
  const result = new Map<string, Container>();
  const draining = new Map<ServicePortPlan, string[]>();
  for (const [name, container] of observed) {
    const [plan, should] = (container.kind === 'virtual server' ? wanted(name) : undefined) ?? [];
    const addresses = new Set(should?.items.map(({ text }) => text.replace(/ .*$/, '')));
    const items = container.items.filter(({ text }) => {
      const [address = ''] = text.split(' ');
      if (plan === undefined || !text.includes(' -w 0') || addresses.has(address)) return true;
      const known = draining.get(plan) ?? [];
      if (!known.includes(address)) draining.set(plan, [...known, address]);
      return false;
    });
    result.set(name, items.length === container.items.length ? container : { ...container, items });
  }
  return { observed: result, draining };
}

/** The adapter for one family of a node in IPVS mode. */
export function ipvsAdapter(plan: NodePlan, state: ClusterState, found: Contents, parts: IpvsParts): Adapter {
  const { node, servicePorts } = plan;
  const holders = serverHolders(plan);
  const lower = keepLowered((each) => {
    const holds = (service: string): boolean => holders.get(service) === idOf(each);
    return lowerContents(each, node, parts, holds);
  });
  const byId = new Map(servicePorts.map((each) => [idOf(each), each]));
  const planOfServer = (name: string) => byId.get(holders.get(name.replace('virtual server ', '')) ?? '');
  const { observed, draining } = withoutDraining(found, (name) => {
    const owner = planOfServer(name);
    const container = owner === undefined ? undefined : lower(owner).get(name);
    return owner === undefined || container === undefined ? undefined : [owner, container];
  });
  const owners = createOwners(servicePorts);
  return {
    node,
    state,
    plans: servicePorts,
    fixed: fixedContents(plan, observed, parts),
    observed,
    lower,
    planOf: ({ name }) => planOfServer(name),
    attribute: (container, item) =>
      container.kind === 'chain' ? ruleOwner(item, owners) : owners.get(entryKey(item.text, container.name)),
    infer: (each, scope) => infer(each, scope, parts),
    staleGroup: ({ kind, name }, item) => {
      if (kind === 'chain') return undefined;
      const key = item === undefined ? serverAddress(name) : entryKey(item.text, name);
      const [address = ''] = key.split(',');
      // Of an address alone nobody knows the port; what there is of it belongs together.
      const isAddress = parseIp(address) !== undefined;
      return isAddress ? { key: address, label: `what the node has for ${address}`, used: true } : undefined;
    },
    classify: (difference, each) => classify(difference, each),
    draining,
  };
}

function idOf({ name, protocol }: ServicePortPlan): string {
  return `${name} ${protocol}`;
}

/** Which service port has each virtual server, where several claim it: the first that has endpoints for it. */
function serverHolders({ node, servicePorts }: NodePlan): ReadonlyMap<string, string> {
  const holders = new Map<string, { readonly id: string; readonly empty: boolean; readonly nodePort: boolean }>();
  for (const plan of servicePorts) {
    for (const { service, empty, kind } of lowerServicePort(plan, node).virtualServers) {
      const former = holders.get(service);
      const nodePort = kind === 'node port';
      const wins = former === undefined || (former.empty !== empty ? former.empty : former.nodePort && !nodePort);
      if (wins) holders.set(service, { id: idOf(plan), empty, nodePort });
    }
  }
  return new Map(Array.from(holders, ([service, { id }]) => [service, id]));
}

function lowerContents(
  plan: ServicePortPlan,
  node: NodeFacts,
  parts: IpvsParts,
  holds: (service: string) => boolean,
): Contents {
  const fragment = lowerServicePort(plan, node);
  const contents = new Map<string, Container>();
  const add = (kind: 'set' | 'interface', name: string, text: string): void => {
    const former = contents.get(name);
    const items = [...(former?.items ?? []), { text, place: undefined }];
    contents.set(name, { kind, name, ordered: false, settings: '', items, place: undefined });
  };
  if (parts.servers) {
    for (const { service, text } of fragment.virtualServers) {
      if (!holds(service)) continue;
      const server = writtenServer(service, text);
      contents.set(server.name, server);
    }
  }
  for (const { set, entry } of fragment.entries) {
    if (parts.sets) add('set', `set ${setName(set, node.family)}`, entry);
    if (parts.addresses && set === 'IPVS-IPS') add('interface', INTERFACE, entry);
  }
  return contents;
}

/** A virtual server of ours: its lines say what a dump says, in the same words. */
function writtenServer(service: string, text: string): Container {
  const [first = '', ...lines] = text.trimEnd().split('\n');
  const settings = first.slice(`-A ${service} `.length);
  const servers = lines.map((line) => line.slice(`-a ${service} -r `.length));
  return serverContainer(service, { settings, servers }, undefined, () => undefined);
}

/** Sets without entries, the interface without addresses, and all rules, which depend on which sets have entries. */
function fixedContents({ node, servicePorts }: NodePlan, observed: Contents, parts: IpvsParts): Contents {
  const contents = new Map<string, Container>();
  if (parts.sets) {
    const text = ipsetText(setContents([]), node.family).join('');
    for (const set of setContainers(readIpset({ name: 'ipset', text }).sets, node.family, undefined)) {
      contents.set(set.name, set);
    }
  }
  if (parts.addresses) {
    contents.set(INTERFACE, {
      kind: 'interface',
      name: INTERFACE,
      ordered: false,
      settings: '',
      items: [],
      place: undefined,
    });
  }
  if (parts.rules) {
    const fragments = servicePorts.map((plan) => lowerServicePort(plan, node));
    const outFilterRules = fragments.flatMap((each) => each.outFilterRules).sort(compareBytes);
    const planned = new Set(fragments.flatMap(({ entries }) => entries.map(({ set }) => set)));
    // Where a set has no entries its rules are left out; a missing entry must not be told twice.
    const sets = parts.sets ? foundSets(planned, observed, node.family) : planned;
    const text = rulesForVersion(rulesText(node, sets, outFilterRules).join(''), parts.version);
    for (const [name, chain] of writtenContents([{ table: '', text }])) contents.set(name, chain);
  }
  return contents;
}

/** The sets with entries as the node's rules treat them: those that some rule of nat matches have some. */
function foundSets(planned: ReadonlySet<SetKey>, observed: Contents, family: Family): ReadonlySet<SetKey> {
  const matched = new Set<string>();
  for (const { name, items } of observed.values()) {
    if (
      !name.startsWith('nat ') &&
      name !== 'filter KUBE-PROXY-FIREWALL' &&
      name !== 'filter KUBE-SOURCE-RANGES-FIREWALL'
    )
      continue;
    for (const item of items) {
      for (const match of specOf(item)?.matches ?? []) if (match.kind === 'set') matched.add(match.name);
    }
  }
  const filled = SET_KEYS.filter((key) => {
    const name = setName(key, family);
    const held = (observed.get(`set ${name}`)?.items.length ?? 0) > 0;
    // Only where the node's own set agrees with its rules is it another set that is to blame.
    return held === matched.has(name) ? held : planned.has(key);
  });
  return new Set(filled);
}

/** Service ports by the address, protocol and port of their entries, by node port, and by address alone. */
function createOwners(plans: readonly ServicePortPlan[]): ReadonlyMap<string, ServicePortPlan> {
  const owners = new Map<string, ServicePortPlan>();
  for (const plan of plans) {
    const protocol = lowerProtocol(plan.protocol);
    for (const ip of [plan.clusterIP, ...plan.externalIPs, ...plan.loadBalancerIPs]) {
      owners.set(`${ip},${protocol}:${plan.port}`, plan);
      if (!owners.has(ip)) owners.set(ip, plan);
    }
    for (const { source, port } of plan.endpoints) {
      const key = `${source.address},${protocol}:${port}`;
      if (!owners.has(key)) owners.set(key, plan);
    }
    if (plan.nodePort !== undefined) owners.set(`${protocol} ${plan.nodePort}`, plan);
    if (plan.healthCheckNodePort !== undefined) owners.set(`health ${plan.healthCheckNodePort}`, plan);
  }
  return owners;
}

/** What an entry is about: `10.96.0.20,tcp:80`, `tcp 30080` for a node port, or an address. */
function entryKey(text: string, container: string): string {
  if (container.includes('HEALTH-CHECK')) return `health ${text}`;
  const [, protocol] = /NODE-PORT-(?:LOCAL-)?(TCP|UDP)$/.exec(container) ?? [];
  if (protocol !== undefined) return `${protocol.toLowerCase()} ${text}`;
  const [, port] = /,sctp:(\d+)$/.exec(text) ?? [];
  if (port !== undefined && container.includes('NODE-PORT')) return `sctp ${port}`;
  return text.split(',').slice(0, 2).join(',');
}

/** The address of `virtual server -t 10.96.0.20:80`. */
function serverAddress(name: string): string {
  return (
    /(?:\[([^\]]+)\]|([0-9.]+)):\d+$/
      .exec(name)
      ?.slice(1)
      .find((each) => each !== undefined) ?? ''
  );
}

/** The service port of a rule of KUBE-IPVS-OUT-FILTER. */
function ruleOwner(item: Item, owners: ReadonlyMap<string, ServicePortPlan>): ServicePortPlan | undefined {
  for (const match of specOf(item)?.matches ?? []) {
    if (match.kind !== 'ipvs' || match.address === undefined) continue;
    const address = match.address.text.replace(/\/\d+$/, '');
    return owners.get(`${address},${match.protocol}:${match.port}`);
  }
  return undefined;
}

/** The plan by which the virtual servers of a service port may have been made. */
function infer(plan: ServicePortPlan, scope: Contents, parts: IpvsParts): ServicePortPlan {
  if (!parts.servers) return plan;
  const lists: { readonly usesLocal: boolean; readonly endpoints: readonly Endpoint[] }[] = [];
  let seconds: number | undefined | 'unknown' = 'unknown';
  for (const { kind, name, items, settings } of scope.values()) {
    if (kind !== 'virtual server') continue;
    const isInternal = serverAddress(name) === plan.clusterIP;
    const usesLocal =
      (isInternal ? plan.internalPolicyLocal : plan.externalPolicyLocal) && plan.localEndpoints.length > 0;
    lists.push({ usesLocal, endpoints: items.flatMap(({ text }) => endpointOf(text.replace(/ .*$/, ''), plan) ?? []) });
    const [, persistence] = / -p (\d+)/.exec(settings) ?? [];
    seconds = persistence === undefined ? undefined : Number(persistence);
  }
  const cluster = common(lists.filter(({ usesLocal }) => !usesLocal)) ?? plan.clusterEndpoints;
  const local = common(lists.filter(({ usesLocal }) => usesLocal)) ?? plan.localEndpoints;
  const affinitySeconds = seconds === 'unknown' ? plan.affinitySeconds : seconds;
  const isLost = (each: Endpoint) =>
    endpointsMinus(plan.clusterEndpoints, cluster).includes(each) ||
    endpointsMinus(plan.localEndpoints, local).includes(each);
  // A node that does not know an endpoint does not know it for hairpin traffic either.
  const endpoints = plan.endpoints.filter((each) => !isLost(each) || inLoopBack(each, plan, scope));
  return withEndpoints(plan, cluster, local, { affinitySeconds, endpoints });
}

/** The endpoints of all virtual servers, where they are the same. */
function common(lists: readonly { readonly endpoints: readonly Endpoint[] }[]): readonly Endpoint[] | undefined {
  const [first, ...others] = lists.map(({ endpoints }) => endpoints);
  if (first === undefined) return undefined;
  return others.every((each) => sameEndpoints(each, first)) ? first : undefined;
}

function inLoopBack({ source, port }: Endpoint, plan: ServicePortPlan, scope: Contents): boolean {
  const entry = `${source.address},${lowerProtocol(plan.protocol)}:${port},${source.address}`;
  const set = scope.get(`set ${setName('LOOP-BACK', plan.family)}`);
  return set?.items.some(({ text }) => text === entry) === true;
}

function classify(
  { kind, container, should, is }: Difference,
  plan: ServicePortPlan | undefined,
): Classified | undefined {
  if (container.kind !== 'virtual server') return undefined;
  const server = (item: Item | undefined) => item?.text.replace(/ .*$/, '');
  if (kind === 'missing') {
    return { code: 'endpoint-missing', message: `endpoint ${server(should)} is not in ${container.name}.` };
  }
  if (kind === 'extra') {
    const what = plan === undefined ? 'a real server' : 'an endpoint that it should not have';
    return { code: 'endpoint-extra', message: `${container.name} has ${what}: ${server(is)}.` };
  }
  if (kind !== 'changed') return undefined;
  if (server(should) !== server(is)) {
    return {
      code: 'endpoint-changed',
      message: `${container.name} has ${server(is)} where ${server(should)} should be.`,
    };
  }
  const weight = (item: Item | undefined) => / -w (\d+)/.exec(item?.text ?? '')?.[1];
  if (weight(should) === weight(is)) return { code: 'server-changed' };
  const message = `probabilities uneven: ${server(is)} has weight ${weight(is)} in ${container.name}, should have ${weight(should)}.`;
  return { code: 'uneven', message };
}

/** Names as a container looks them up: its resolv.conf, and what the cluster's name server would answer. */
import type { Diagnostic } from '../kube/diagnostics.js';
import { type Pod, readPods } from '../kube/pod.js';
import { type PodDns, readPodDns } from '../kube/pod-dns.js';
import { serviceKey } from '../kube/service.js';
import type { ClusterState, ServiceEntry } from '../kube/state.js';
import type { IpAddress } from '../net/ip.js';
import { dnsAnswer } from './dns.js';
import { ADDRESS_TYPES, type Domain } from './dns-records.js';
import { type DnsRecord, nameProblem } from './dns-zone.js';
import type { Sender, Surroundings } from './ends.js';

/** What a resolv.conf says, as far as it matters here. */
export interface Resolver {
  /** Whose it is: `pod shop/web-0`. */
  readonly of: string;
  /** Absolute, in the order in which they are tried. */
  readonly searches: readonly string[];
  /** A name with fewer dots is looked up in the search list first. */
  readonly ndots: number;
  /** What had to be assumed of the sender. */
  readonly assumed: string | undefined;
}

/** Why the cluster's name server is not asked. */
export interface NoResolver {
  readonly reason: string;
  /** What to do. */
  readonly hint: string;
}

/** What came of a name. */
export interface Lookup {
  readonly resolver: Resolver;
  /** As it was typed. */
  readonly name: string;
  /** Absolute names in the order in which they were looked up, only the last of them with an answer. */
  readonly tried: readonly string[];
  /** Aliases first, then addresses; where no name has an answer, aliases that lead nowhere. */
  readonly records: readonly DnsRecord[];
  /** The addresses among them. */
  readonly addresses: readonly IpAddress[];
  /** The name outside the cluster at which the aliases end. */
  readonly outside: string | undefined;
  /** The Service that the addresses are of; undefined for names of Pods. */
  readonly entry: ServiceEntry | undefined;
  /** Of a name without an answer: the Services that it could have meant, and why DNS does not know it. */
  readonly nearly: readonly { readonly service: string; readonly why: string }[];
}

/** The kubelet's `ndots` for Pods that use the cluster's name server. */
const NDOTS = 5;

const NODE_HINT = 'Name a Service as namespace/name:port, or write its address.';

/**
 * How a sender looks names up, as the kubelet writes its resolv.conf. Search domains that it takes over from the node
 * are not known and left out.
 * @param diagnostics where mistakes in the sender's Pod are added
 */
export function resolverOf(
  sender: Sender | undefined,
  { pods, state, namespace }: Surroundings,
  { zone }: Domain,
  diagnostics: Diagnostic[],
): Resolver | NoResolver {
  if (sender?.pod === undefined) {
    if (sender?.isNode === true) {
      const reason = `${sender.name ?? 'a node'} has a resolv.conf of its own and does not ask the cluster’s name server`;
      return { reason, hint: NODE_HINT };
    }
    const [own, ...more] = namespacesOf(sender, state);
    if (own !== undefined && more.length === 0) {
      return { of: `a pod of namespace ${own}`, searches: searchList(own, zone), ndots: NDOTS, assumed: undefined };
    }
    const who =
      sender === undefined ? 'nobody is named as sender' : `${sender.addresses[0]?.text} is of no pod that is known`;
    const assumed = `${who}: looked up as by a pod of namespace ${namespace} (give the Pod, or write a namespace in the name).`;
    return { of: `a pod of namespace ${namespace}`, searches: searchList(namespace, zone), ndots: NDOTS, assumed };
  }
  const of = `pod ${sender.pod}`;
  const own = searchList(sender.pod.slice(0, sender.pod.indexOf('/')), zone);
  const [located] = pods.given(sender.pod);
  if (located === undefined) {
    if (sender.isNode)
      return { reason: `${of} has the address of its node, and its dnsPolicy is not known`, hint: 'Give the Pod.' };
    return { of, searches: own, ndots: NDOTS, assumed: undefined };
  }
  const dns = readPodDns(located, diagnostics);
  const reason = withoutCluster(dns, state.services.get('kube-system/kube-dns'));
  if (reason !== undefined) return { reason: `${of} ${reason}`, hint: NODE_HINT };
  return {
    of,
    searches: [...new Set([...(dns.policy === 'None' ? [] : own), ...dns.searches])],
    // Without dnsConfig a resolver's own default holds where the kubelet writes none.
    ndots: dns.ndots ?? (dns.policy === 'None' ? 1 : NDOTS),
    assumed: undefined,
  };
}

/** The namespaces of the Services that select a sender: selectors choose among Pods of their own namespace. */
function namespacesOf(sender: Sender | undefined, state: ClusterState): readonly string[] {
  const addresses = new Set(sender?.addresses.map(({ text }) => text));
  const found = new Set<string>();
  for (const { service, slices } of addresses.size === 0 ? [] : state.services.values()) {
    if (!service.hasSelector) continue;
    const has = slices.some(({ endpoints }) => endpoints.some(({ address }) => addresses.has(address)));
    if (has) found.add(service.namespace);
  }
  return [...found];
}

function searchList(namespace: string, zone: string): readonly string[] {
  return [`${namespace}.svc.${zone}`, `svc.${zone}`, zone];
}

/** Why a Pod does not ask the cluster's name server, or undefined where it does. */
function withoutCluster(dns: PodDns, server: ServiceEntry | undefined): string | undefined {
  const { policy, hostNetwork, nameservers } = dns;
  if (policy === 'Default') return 'has dnsPolicy Default: it has the resolv.conf of its node';
  if (policy === 'ClusterFirst' && hostNetwork) {
    return 'is on the host network, where dnsPolicy ClusterFirst means the resolv.conf of its node (ClusterFirstWithHostNet does not)';
  }
  if (policy !== 'None') return undefined;
  const { ipv4, ipv6 } = server?.service.clusterIPs ?? { ipv4: undefined, ipv6: undefined };
  const asks = nameservers.some((address) => address === ipv4 || address === ipv6);
  return asks
    ? undefined
    : `has dnsPolicy None, and ${nameservers.join(', ')} is not known as the cluster’s name server`;
}

/**
 * The names that a resolver looks up one after the other (as glibc's does): with enough dots the name as it is, then
 * behind it each of the search list, otherwise the other way round; with a final dot nothing but the name.
 */
function candidates(name: string, { searches, ndots }: Pick<Resolver, 'searches' | 'ndots'>): readonly string[] {
  if (name.endsWith('.')) return [name];
  const searched = searches.map((search) => (search === '.' ? `${name}.` : `${name}.${search}`));
  const dots = name.split('.').length - 1;
  const all = dots >= ndots ? [`${name}.`, ...searched] : [...searched, `${name}.`];
  return [...new Set(all)].filter((each) => nameProblem(each) === undefined);
}

/**
 * Looks a name up.
 * @param name in any case, with or without a final dot
 * @param diagnostics where mistakes in Pods are added, which are read for names of pods only
 */
export function lookUp(
  name: string,
  resolver: Resolver,
  { state, objects }: Surroundings,
  domain: Domain,
  diagnostics: Diagnostic[],
): Lookup {
  let read: readonly Pod[] | undefined;
  const pods = (namespace: string): readonly Pod[] => {
    read ??= readPods(objects, diagnostics);
    return read.filter((pod) => pod.namespace === namespace);
  };
  const ask = (each: string) => dnsAnswer(state, each, domain, pods);
  const tried: string[] = [];
  const nearly: { service: string; why: string }[] = [];
  const dangling: DnsRecord[] = [];
  for (const candidate of candidates(name.toLowerCase(), resolver)) {
    tried.push(candidate);
    const records: DnsRecord[] = [];
    let answer = ask(candidate);
    let target: string | undefined;
    const seen = new Set<string>();
    for (let alias = aliasIn(answer.records); alias !== undefined; alias = aliasIn(answer.records)) {
      // Names that lead round in a circle have no address; name servers give up as well.
      if (seen.has(alias.name)) break;
      seen.add(alias.name);
      records.push(alias);
      target = alias.data;
      answer = ask(target);
    }
    const addresses = answer.records.flatMap(addressOf);
    const outside = target !== undefined && !isBelow(target, domain) ? target : undefined;
    if (addresses.length > 0 || outside !== undefined) {
      const all = [...records, ...answer.records.filter((each) => addressOf(each).length > 0)];
      return { resolver, name, tried, records: all, addresses, outside, entry: answer.entry, nearly: [] };
    }
    if (answer.entry !== undefined) {
      const said = answer.diagnostics.map(({ message }) => message.replace(/\.$/, ''));
      const why = said.length === 0 ? 'it has no such name' : said.join('; ');
      nearly.push({ service: serviceKey(answer.entry.service), why });
    }
    dangling.push(...records);
  }
  const nothing = { addresses: [], outside: undefined, entry: undefined };
  return { resolver, name, tried, records: dangling, nearly, ...nothing };
}

/** Whether a name is the cluster's domain or below it. */
export function isBelow(name: string, { zone }: Domain): boolean {
  return name === zone || name.endsWith(`.${zone}`);
}

function aliasIn(records: readonly DnsRecord[]): DnsRecord | undefined {
  return records.find(({ type }) => type === 'CNAME');
}

function addressOf({ type, data }: DnsRecord): readonly IpAddress[] {
  if (type === ADDRESS_TYPES.ipv4) return [{ family: 'ipv4', text: data }];
  return type === ADDRESS_TYPES.ipv6 ? [{ family: 'ipv6', text: data }] : [];
}

/** The records of Services, endpoints and Pods; whether servers load their names is for the zone to see. */
import type { EndpointSlice, SlicePort } from '../kube/endpointslice.js';
import type { Pod } from '../kube/pod.js';
import { serviceKey } from '../kube/service.js';
import type { ClusterState, ServiceEntry } from '../kube/state.js';
import { FAMILIES, type Family } from '../net/family.js';
import { groupBy } from '../net/group.js';
import { ipBytes, parseIp } from '../net/ip.js';
import type { Protocol } from '../net/protocol.js';
import type { DnsRecord, DnsSource, DnsType } from './dns-zone.js';

/** The zones of addresses, as kubeadm's Corefile has them. */
export const REVERSE_ZONES: Readonly<Record<Family, string>> = { ipv4: 'in-addr.arpa.', ipv6: 'ip6.arpa.' };

/** The record type of an address. */
export const ADDRESS_TYPES: Readonly<Record<Family, DnsType>> = { ipv4: 'A', ipv6: 'AAAA' };

/** The cluster's zone (absolute) and the time to live of its records. */
export interface Domain {
  readonly zone: string;
  readonly ttl: number;
}

/** Something that a name of a Service leads to: one port of one address. */
interface Target {
  /** The name that has the address, absolute. */
  readonly host: string;
  readonly portName: string;
  readonly protocol: Protocol;
  readonly port: number;
}

/** A ready endpoint. */
interface PublishedEndpoint {
  /** Its name, absolute. */
  readonly host: string;
  readonly address: string;
  readonly family: Family;
  readonly ports: readonly SlicePort[];
}

/** The records of one Service, CoreDNS' own ones among them. */
export function serviceRecords({ service, slices }: ServiceEntry, domain: Domain): readonly DnsRecord[] {
  const name = serviceName(service, domain);
  const object = `Service ${serviceKey(service)}`;
  const record = (owner: string, type: DnsType, data: string, source: DnsSource): DnsRecord => ({
    name: owner,
    ttl: domain.ttl,
    type,
    data,
    source,
    object,
  });
  const address = (owner: string, family: Family, text: string, source: DnsSource): DnsRecord =>
    record(owner, ADDRESS_TYPES[family], text, source);
  const services = (owner: string, targets: readonly Target[], source: DnsSource): DnsRecord[] => {
    const weight = srvWeight(targets.length);
    return targets.map(({ port, host }) => record(owner, 'SRV', `0 ${weight} ${port} ${host}`, source));
  };

  if (service.type === 'ExternalName') {
    const target = service.externalName ?? '';
    return parseIp(target) === undefined ? [record(name, 'CNAME', `${target}.`, 'specification')] : [];
  }
  const clusterIPs = FAMILIES.filter((family) => service.clusterIPs[family] !== undefined);
  if (!service.headless && clusterIPs.length === 0) return [];

  const endpoints = slices.flatMap((slice) => publishedEndpoints(slice, name));
  const endpointTargets = endpoints.flatMap(({ host, ports }) => ports.map((port) => targetOf(port, host)));
  const targets = service.headless
    ? endpointTargets
    : clusterIPs.flatMap(() => service.ports.map((port) => targetOf(port, name)));
  const endpointSource = service.headless ? 'specification' : 'coredns';
  return [
    ...clusterIPs.map((family) => address(name, family, service.clusterIPs[family] ?? '', 'specification')),
    ...(service.headless ? endpoints.map((each) => address(name, each.family, each.address, 'specification')) : []),
    ...[...groupBy(targets, portLabels)].flatMap(([labels, group]) =>
      labels === '' ? [] : services(`${labels}.${name}`, group, 'specification'),
    ),
    // Peers find each other by SRV of the bare name (peer-finder), which the specification does not ask for.
    ...services(name, targets, 'coredns'),
    ...endpoints.map((each) => address(each.host, each.family, each.address, endpointSource)),
    ...[...groupBy(endpointTargets, ({ host }) => host)].flatMap(([host, group]) => services(host, group, 'coredns')),
  ];
}

function targetOf({ name, protocol, port }: SlicePort, host: string): Target {
  return { host, portName: name, protocol, port };
}

/** `_http._tcp`; empty for a port without a name, which has no SRV record of its own. */
function portLabels({ portName, protocol }: Target): string {
  return portName === '' ? '' : `_${portName}._${protocol.toLowerCase()}`;
}

/** Everybody gets the same share of 100, rounded down but at least 1. CoreDNS counts before it drops repetitions. */
function srvWeight(targets: number): number {
  return Math.max(1, Math.floor((100 / (targets * 100)) * 100));
}

/** `web.shop.svc.cluster.local.` */
export function serviceName(service: { readonly namespace: string; readonly name: string }, { zone }: Domain): string {
  return `${service.name}.${service.namespace}.svc.${zone}`;
}

function publishedEndpoints(slice: EndpointSlice, name: string): readonly PublishedEndpoint[] {
  const { family, ports } = slice;
  if (family === undefined) return [];
  return slice.endpoints
    .filter((endpoint) => endpoint.ready)
    .map(({ address, hostname }) => ({ host: `${hostname ?? dashed(address)}.${name}`, address, family, ports }));
}

/** The label that CoreDNS makes of an address: `10-244-1-7`, `fd00-10--7`; a host's name cannot end in `-`. */
function dashed(address: string): string {
  return address.replace(/[.:]/g, '-').replace(/-$/, '-0');
}

/** The record of a Pod's address, which CoreDNS gives where its Corefile says `pods verified`. */
export function podRecords(pod: Pod, { zone, ttl }: Domain): readonly DnsRecord[] {
  const { address, isOver, namespace } = pod;
  if (address === undefined || isOver) return [];
  const name = `${address.text.replace(/[.:]/g, '-')}.${namespace}.pod.${zone}`;
  const object = `Pod ${namespace}/${pod.name}`;
  return [{ name, ttl, type: ADDRESS_TYPES[address.family], data: address.text, source: 'specification', object }];
}

/**
 * The PTR records of cluster IPs and endpoints. CoreDNS looks for a Service that has the address as its cluster IP, and
 * only then for endpoints, of whatever Service.
 */
export function reverseRecords(
  state: ClusterState,
  entries: readonly ServiceEntry[],
  domain: Domain,
): Readonly<Record<Family, readonly DnsRecord[]>> {
  const records: Record<Family, DnsRecord[]> = { ipv4: [], ipv6: [] };
  const add = (family: Family, address: string, data: string, source: DnsSource, key: string): void => {
    const name = reverseName(address);
    records[family].push({ name, ttl: domain.ttl, type: 'PTR', data, source, object: `Service ${key}` });
  };
  const clusterIPs = new Set<string>();
  for (const { service } of entries) {
    for (const family of FAMILIES) {
      const address = service.clusterIPs[family];
      if (address === undefined) continue;
      clusterIPs.add(address);
      add(family, address, serviceName(service, domain), 'specification', serviceKey(service));
    }
  }
  for (const slice of state.slices.values()) {
    if (slice.service === undefined) continue;
    const [namespace = '', name = ''] = slice.service.split('/');
    const service = state.services.get(slice.service)?.service;
    const source = service?.headless === true ? 'specification' : 'coredns';
    for (const { address, family, host } of publishedEndpoints(slice, serviceName({ namespace, name }, domain))) {
      if (!clusterIPs.has(address)) add(family, address, host, source, slice.service);
    }
  }
  return records;
}

/** The name of an address: `20.0.96.10.in-addr.arpa.`, or for IPv6 its 32 digits from the last to the first. */
function reverseName(address: string): string {
  const ip = parseIp(address);
  if (ip === undefined) throw new Error(`no address: ${address}`);
  const bytes = ipBytes(ip);
  const labels =
    ip.family === 'ipv4' ? bytes.map(String) : bytes.flatMap((byte) => [...byte.toString(16).padStart(2, '0')]);
  return `${labels.toReversed().join('.')}.${REVERSE_ZONES[ip.family]}`;
}

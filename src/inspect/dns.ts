/**
 * The names that Services and their endpoints have in DNS: the records of the Kubernetes DNS specification 1.1.0, and
 * what CoreDNS' plugin `kubernetes` answers beyond it, as the zones of a zone file each.
 */
import { type Diagnostic, diagnostic } from '../kube/diagnostics.js';
import { show } from '../kube/fields.js';
import { isDnsSubdomain } from '../kube/names.js';
import type { Pod } from '../kube/pod.js';
import { serviceKey } from '../kube/service.js';
import type { ClusterState, ServiceEntry } from '../kube/state.js';
import { FAMILIES } from '../net/family.js';
import { parseIp } from '../net/ip.js';
import { compareBytes } from '../net/text.js';
import {
  ADDRESS_TYPES,
  type Domain,
  podRecords,
  REVERSE_ZONES,
  reverseRecords,
  serviceName,
  serviceRecords,
} from './dns-records.js';
import { createZone, type DnsRecord, type DnsType, type DnsZone, nameProblem } from './dns-zone.js';

/** How the zones are made. */
export interface DnsOptions {
  /** The cluster's domain; `cluster.local` when not given. */
  readonly zone?: string | undefined;
  /** Seconds that answers may be kept; 30 when not given, as in kubeadm's Corefile. */
  readonly ttl?: number | undefined;
  /** The serial number of the SOA records, 1 when not given. */
  readonly serial?: number | undefined;
  /** Pods that get a record by their address (`pods verified` of a Corefile). */
  readonly pods?: readonly Pod[] | undefined;
  /** Leave out what only CoreDNS answers. */
  readonly specOnly?: boolean | undefined;
}

/** The zones: the cluster's own first, then one for the addresses of each family; none where there is an error. */
export interface DnsZones {
  readonly zones: readonly DnsZone[];
  readonly diagnostics: readonly Diagnostic[];
}

/** The version of the specification, which a TXT record of the zone tells. */
const SCHEMA_VERSION = '1.1.0';

/** Seconds that CoreDNS gives that TXT record, whatever its `ttl`. */
const SCHEMA_TTL = 28800;

const DEFAULT_ZONE = 'cluster.local';
const DEFAULT_TTL = 30;

/** The longest name that is put before a zone's for the zone itself, `kube-dns.kube-system.svc.`, has to fit. */
const MAX_ZONE = 220;

/**
 * The zones of a cluster.
 *
 * Whether an endpoint is published is what its `ready` condition says, as in CoreDNS; `publishNotReadyAddresses` is
 * for the EndpointSlice controller, which then writes every endpoint as ready. Names that no server could load are
 * left out with a warning. A wrong zone is an error (usage).
 */
export function dnsZones(state: ClusterState, options: DnsOptions = {}): DnsZones {
  const domain = readDomain(options);
  if ('severity' in domain) return { zones: [], diagnostics: [domain] };
  const diagnostics: Diagnostic[] = [];
  const entries = [...state.services].sort(([a], [b]) => compareBytes(a, b)).map(([, entry]) => entry);
  const loadable = createFilter(state, diagnostics);
  const select = (records: readonly DnsRecord[]): readonly DnsRecord[] =>
    records.filter((record) => (options.specOnly !== true || record.source === 'specification') && loadable(record));

  for (const entry of entries) checkService(entry, diagnostics);
  const forward = select([
    ...entries.flatMap((entry) => serviceRecords(entry, domain)),
    ...(options.pods ?? []).flatMap((pod) => podRecords(pod, domain)),
  ]);
  const reverse = reverseRecords(state, entries, domain);
  const nameServer = nameServerOf(state, domain);
  const withApex = (name: string, records: readonly DnsRecord[]): DnsZone =>
    createZone(name, [...apexRecords(name, nameServer.name, domain, options.serial ?? 1), ...records]);
  const zones = [withApex(domain.zone, [versionRecord(domain), ...nameServer.records, ...forward])];
  for (const family of FAMILIES) {
    const records = select(reverse[family]);
    if (records.length > 0) zones.push(withApex(REVERSE_ZONES[family], records));
  }
  return { zones, diagnostics };
}

/** The zone and its time to live, or what is wrong with the zone (usage). */
export function readDomain({ zone, ttl }: DnsOptions): Domain | Diagnostic {
  const name = (zone ?? DEFAULT_ZONE).toLowerCase().replace(/\.$/, '');
  const problem = zoneProblem(name);
  if (problem !== undefined) return diagnostic('usage', `${show(zone)} cannot be the zone: ${problem}.`);
  return { zone: `${name}.`, ttl: ttl ?? DEFAULT_TTL };
}

/** The answer to a question for one name. */
export interface DnsAnswer {
  /** Those that `dnsZones` has of that name, but for what describes the zone itself; none where there is no such name. */
  readonly records: readonly DnsRecord[];
  /** The Service that the name is of, or below, also where DNS knows nothing of it. */
  readonly entry: ServiceEntry | undefined;
  /** What of that Service DNS does not know, as `dnsZones` says it. */
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Looks up one name without making the zones.
 * @param name absolute, in lower case
 * @param pods those that have records by their address
 */
export function dnsAnswer(
  state: ClusterState,
  name: string,
  domain: Domain,
  pods: (namespace: string) => readonly Pod[],
): DnsAnswer {
  const suffix = `.${domain.zone}`;
  if (!name.endsWith(suffix)) return { records: [], entry: undefined, diagnostics: [] };
  const [kind, namespace = '', service = ''] = name.slice(0, -suffix.length).split('.').reverse();
  const entry = kind === 'svc' ? state.services.get(`${namespace}/${service}`) : undefined;
  const ofPods = kind === 'pod' ? pods(namespace).flatMap((pod) => podRecords(pod, domain)) : [];
  const records = entry === undefined ? ofPods : serviceRecords(entry, domain);
  const diagnostics: Diagnostic[] = [];
  const own = createZone(domain.zone, records.filter(createFilter(state, diagnostics))).records;
  if (entry !== undefined) checkService(entry, diagnostics);
  return { records: own.filter((record) => record.name === name), entry, diagnostics };
}

function zoneProblem(zone: string): string | undefined {
  if (!isDnsSubdomain(zone)) return 'it is no DNS name';
  if (zone.length > MAX_ZONE) return `it is longer than ${MAX_ZONE} characters`;
  if (/(^|\.)(in-addr|ip6)\.arpa$/.test(zone)) return 'the names there are addresses';
  return nameProblem(`${zone}.`);
}

/** Tells records that servers load from others, and warns of each wrong name once. */
function createFilter(state: ClusterState, diagnostics: Diagnostic[]): (record: DnsRecord) => boolean {
  const known = new Map<string, boolean>();
  const isGood = (name: string, object: string | undefined): boolean => {
    const seen = known.get(name);
    if (seen !== undefined) return seen;
    const problem = nameProblem(name);
    known.set(name, problem === undefined);
    if (problem !== undefined) {
      const origin = state.services.get(object?.replace(/^Service /, '') ?? '')?.service.origin;
      diagnostics.push(diagnostic('invalid-dns-name', `no name ${show(name)}: ${problem}.`, { object, origin }));
    }
    return problem === undefined;
  };
  return ({ name, type, data, object }) => {
    const target = type === 'CNAME' || type === 'PTR' ? data : type === 'SRV' ? data.split(' ')[3] : undefined;
    return isGood(name, object) && (target === undefined || isGood(target, object));
  };
}

/** Says of a Service what of it DNS does not know. */
function checkService({ service, slices }: ServiceEntry, diagnostics: Diagnostic[]): void {
  const about = { object: `Service ${serviceKey(service)}`, origin: service.origin };
  if (service.type === 'ExternalName') {
    if (parseIp(service.externalName ?? '') === undefined) return;
    const message = `${service.externalName} is an address, so there is no record of it.`;
    const hint = 'For an address use a headless Service with an EndpointSlice.';
    diagnostics.push(diagnostic('external-name-address', message, { ...about, path: ['spec', 'externalName'], hint }));
  } else if (!service.headless) {
    if (FAMILIES.some((family) => service.clusterIPs[family] !== undefined)) return;
    const hint = 'Set spec.clusterIP, or let --simulate allocate one.';
    diagnostics.push(diagnostic('no-cluster-ip', 'no cluster IP, so no name in DNS.', { ...about, hint }));
  } else {
    const endpoints = slices.flatMap((slice) => slice.endpoints);
    const unready = endpoints.filter((endpoint) => !endpoint.ready).length;
    if (service.publishNotReadyAddresses && unready > 0) {
      const message =
        `publishNotReadyAddresses is set, but its EndpointSlices say of ${unready} of ${endpoints.length} endpoints that ` +
        'they are not ready, and DNS goes by those.';
      const hint = 'The EndpointSlice controller would write ready: true.';
      diagnostics.push(diagnostic('unready-not-published', message, { ...about, hint }));
    }
    if (unready === endpoints.length) {
      const hint =
        endpoints.length > 0
          ? undefined
          : service.hasSelector
            ? 'Give its EndpointSlices, or let --simulate derive them from workloads.'
            : 'Give its EndpointSlices.';
      diagnostics.push(diagnostic('no-dns-records', 'no ready endpoint, so no name in DNS.', { ...about, hint }));
    }
  }
}

/** The zone's name server, and the records that it needs. */
interface NameServer {
  readonly name: string;
  readonly records: readonly DnsRecord[];
}

/**
 * CoreDNS calls itself by the name of its own Service, and answers for `ns.dns` with that Service's addresses. Without
 * that Service `ns.dns` is the name server, at the loopback addresses: whoever serves the zone file.
 */
function nameServerOf(state: ClusterState, domain: Domain): NameServer {
  const service = state.services.get('kube-system/kube-dns')?.service;
  const clusterIPs = service?.clusterIPs ?? { ipv4: undefined, ipv6: undefined };
  const isThere = clusterIPs.ipv4 !== undefined || clusterIPs.ipv6 !== undefined;
  const addresses = isThere ? clusterIPs : { ipv4: '127.0.0.1', ipv6: '::1' };
  const name = `ns.dns.${domain.zone}`;
  return {
    name: isThere && service !== undefined ? serviceName(service, domain) : name,
    records: FAMILIES.flatMap((family): DnsRecord[] => {
      const data = addresses[family];
      return data === undefined ? [] : [zoneRecord(name, ADDRESS_TYPES[family], data, domain)];
    }),
  };
}

/** SOA, with the times that CoreDNS gives it (in seconds: refresh, retry, expire, negative answers), and NS. */
function apexRecords(name: string, nameServer: string, domain: Domain, serial: number): readonly DnsRecord[] {
  const soa = `ns.dns.${name} hostmaster.${name} ${serial} 7200 1800 86400 ${domain.ttl}`;
  return [zoneRecord(name, 'SOA', soa, domain), zoneRecord(name, 'NS', nameServer, domain)];
}

function zoneRecord(name: string, type: DnsType, data: string, { ttl }: Domain): DnsRecord {
  return { name, ttl, type, data, source: 'zone', object: undefined };
}

function versionRecord({ zone }: Domain): DnsRecord {
  const data = `"${SCHEMA_VERSION}"`;
  return {
    name: `dns-version.${zone}`,
    ttl: SCHEMA_TTL,
    type: 'TXT',
    data,
    source: 'specification',
    object: undefined,
  };
}

/**
 * What is answered about the Services of names.yaml. The unit tests ask the zones themselves; the kernel tests ask a
 * name server that has loaded the zone files.
 */
import { readFileSync } from 'node:fs';
import { type ClusterState, hasErrors, loadCluster, readObjects } from '../../src/index.js';

/** A question, and what a server has to answer. */
export interface Query {
  readonly name: string;
  readonly type: 'A' | 'AAAA' | 'SRV' | 'PTR' | 'CNAME' | 'TXT' | 'NS' | 'SOA';
  readonly status: 'NOERROR' | 'NXDOMAIN';
  /** The data of the answer, sorted; with a CNAME that leads on, `CNAME target.` before what it leads to. */
  readonly answer: readonly string[];
  /** Which rule it shows. */
  readonly why: string;
}

const ZONE = 'cluster.local.';
const shop = `shop.svc.${ZONE}`;

function found(why: string, name: string, type: Query['type'], ...answer: readonly string[]): Query {
  return { name, type, status: 'NOERROR', answer: [...answer].sort(), why };
}

/** The name exists, but has no record of this type. */
function noData(why: string, name: string, type: Query['type']): Query {
  return { name, type, status: 'NOERROR', answer: [], why };
}

function noName(why: string, name: string, type: Query['type']): Query {
  return { name, type, status: 'NXDOMAIN', answer: [], why };
}

/** An address's name: `20.0.96.10.in-addr.arpa.` */
function reverse4(address: string): string {
  return `${address.split('.').reverse().join('.')}.in-addr.arpa.`;
}

/** The 32 digits of an IPv6 address, written in full, from the last to the first. */
function reverse6(digits: string): string {
  return `${[...digits.replaceAll(':', '')].reverse().join('.')}.ip6.arpa.`;
}

/** All questions, grouped as the specification is. */
export const QUERIES: readonly Query[] = [
  // 2.2 Schema version, and what a zone has.
  found('the schema version', `dns-version.${ZONE}`, 'TXT', '"1.1.0"'),
  found('CoreDNS is known by its Service', ZONE, 'NS', `kube-dns.kube-system.svc.${ZONE}`),
  found('the SOA has the times of CoreDNS', ZONE, 'SOA', `ns.dns.${ZONE} hostmaster.${ZONE} 1 7200 1800 86400 30`),
  found('the server that the SOA names has an address', `ns.dns.${ZONE}`, 'A', '10.96.0.10'),

  // 2.3 Services with a cluster IP.
  found('A is the cluster IP', `kubernetes.default.svc.${ZONE}`, 'A', '10.96.0.1'),
  found('dual stack: A', `web.${shop}`, 'A', '10.96.0.20'),
  found('dual stack: AAAA', `web.${shop}`, 'AAAA', 'fd00:10:96::20'),
  noData('one family only', `plain.${shop}`, 'AAAA'),
  found('IPv6 only', `six.${shop}`, 'AAAA', 'fd00:10:96::30'),
  noData('IPv6 only has no A', `six.${shop}`, 'A'),
  found('endpoints do not matter to a cluster IP', `plain.${shop}`, 'A', '10.96.0.21'),
  found('a load balancer has its cluster IP in DNS', `front.edge.svc.${ZONE}`, 'A', '10.96.0.23'),
  found('comparison is case-insensitive', `WEB.Shop.svc.${ZONE}`, 'A', '10.96.0.20'),
  found(
    'SRV of a named port',
    `_https._tcp.kubernetes.default.svc.${ZONE}`,
    'SRV',
    `0 100 443 kubernetes.default.svc.${ZONE}`,
  ),
  found('SRV counts both families but names the Service once', `_http._tcp.web.${shop}`, 'SRV', `0 50 80 web.${shop}`),
  found('the number is that of the Service, not its target', `_https._tcp.web.${shop}`, 'SRV', `0 50 443 web.${shop}`),
  found('SRV of UDP', `_dns._udp.kube-dns.kube-system.svc.${ZONE}`, 'SRV', `0 100 53 kube-dns.kube-system.svc.${ZONE}`),
  found(
    'SRV of the same number over TCP',
    `_dns-tcp._tcp.kube-dns.kube-system.svc.${ZONE}`,
    'SRV',
    `0 100 53 kube-dns.kube-system.svc.${ZONE}`,
  ),
  found('SRV of SCTP', `_m3ua._sctp.signal.${shop}`, 'SRV', `0 100 2905 signal.${shop}`),
  noName('the protocol is part of the name', `_m3ua._tcp.signal.${shop}`, 'SRV'),
  noName('a port without a name has no SRV', `_8080._tcp.plain.${shop}`, 'SRV'),
  noName('no such port', `_metrics._tcp.web.${shop}`, 'SRV'),
  noData('between a port and its Service there is only an empty name', `_tcp.web.${shop}`, 'SRV'),
  found(
    'CoreDNS: SRV of the bare name has all ports',
    `web.${shop}`,
    'SRV',
    `0 25 443 web.${shop}`,
    `0 25 80 web.${shop}`,
  ),
  found('CoreDNS: also of a port without a name', `plain.${shop}`, 'SRV', `0 100 8080 plain.${shop}`),
  found('PTR of a cluster IP', reverse4('10.96.0.20'), 'PTR', `web.${shop}`),
  found('PTR of an IPv6 cluster IP', reverse6('fd00:0010:0096:0000:0000:0000:0000:0020'), 'PTR', `web.${shop}`),
  noName('an address that nobody has', reverse4('10.96.0.99'), 'PTR'),
  noName('no PTR for the address of a load balancer', reverse4('198.51.100.23'), 'PTR'),

  // CoreDNS gives endpoints of such Services names, too.
  found('CoreDNS: an endpoint by its address', `10-244-1-7.web.${shop}`, 'A', '10.244.1.7'),
  found('CoreDNS: an IPv6 endpoint', `fd00-10-244-1--7.web.${shop}`, 'AAAA', 'fd00:10:244:1::7'),
  found('CoreDNS: an address that ends in a colon', `fd00-10-244-6--0.six.${shop}`, 'AAAA', 'fd00:10:244:6::'),
  found(
    'CoreDNS: SRV of an endpoint has its own ports',
    `10-244-1-7.web.${shop}`,
    'SRV',
    `0 50 8080 10-244-1-7.web.${shop}`,
    `0 50 8443 10-244-1-7.web.${shop}`,
  ),
  noName('a terminating endpoint is not ready', `10-244-2-7.web.${shop}`, 'A'),
  found('CoreDNS: PTR of an endpoint', reverse4('10.244.1.7'), 'PTR', `10-244-1-7.web.${shop}`),
  found('CoreDNS: PTR of the API server', reverse4('172.18.0.2'), 'PTR', `172-18-0-2.kubernetes.default.svc.${ZONE}`),

  // 2.4 Headless Services.
  found('A of all ready endpoints', `db.${shop}`, 'A', '10.244.1.20', '10.244.2.21'),
  noData('one family only', `db.${shop}`, 'AAAA'),
  found('an endpoint by its host name', `db-0.db.${shop}`, 'A', '10.244.1.20'),
  noName('an endpoint that is not ready', `db-1.db.${shop}`, 'A'),
  noName('an endpoint with a host name is not called by its address', `10-244-1-20.db.${shop}`, 'A'),
  found(
    'SRV has the port of the endpoint',
    `_pg._tcp.db.${shop}`,
    'SRV',
    `0 50 15432 db-0.db.${shop}`,
    `0 50 15432 db-2.db.${shop}`,
  ),
  found('PTR of an endpoint with a host name', reverse4('10.244.1.20'), 'PTR', `db-0.db.${shop}`),
  noName('no PTR of an endpoint that is not ready', reverse4('10.244.2.20'), 'PTR'),
  found('no selector is needed', `cache.${shop}`, 'A', '10.244.1.30', '10.244.2.30'),
  found('without a host name the address is the name', `10-244-2-30.cache.${shop}`, 'A', '10.244.2.30'),
  found(
    'CoreDNS: SRV of the bare name',
    `cache.${shop}`,
    'SRV',
    `0 50 6379 10-244-1-30.cache.${shop}`,
    `0 50 6379 10-244-2-30.cache.${shop}`,
  ),
  found('PTR without a host name', reverse4('10.244.1.30'), 'PTR', `10-244-1-30.cache.${shop}`),
  found('publishNotReadyAddresses: the slice says ready', `peers.${shop}`, 'A', '10.244.1.40', '10.244.2.40'),
  found('dual stack, headless: AAAA', `peers.${shop}`, 'AAAA', 'fd00:10:244:1::40'),
  found('a host name has both families: A', `peer-0.peers.${shop}`, 'A', '10.244.1.40'),
  found('a host name has both families: AAAA', `peer-0.peers.${shop}`, 'AAAA', 'fd00:10:244:1::40'),
  found(
    'SRV counts three addresses but names two hosts',
    `_gossip._udp.peers.${shop}`,
    'SRV',
    `0 33 7946 peer-0.peers.${shop}`,
    `0 33 7946 peer-1.peers.${shop}`,
  ),
  found('PTR of an IPv6 endpoint', reverse6('fd00:0010:0244:0001:0000:0000:0000:0040'), 'PTR', `peer-0.peers.${shop}`),
  noName('headless without endpoints', `idle.${shop}`, 'A'),
  noName('and no SRV either', `_http._tcp.idle.${shop}`, 'SRV'),

  // 2.5 ExternalName.
  found('a CNAME', `payments.${shop}`, 'CNAME', 'api.payments.example.com.'),
  found(
    'a CNAME that leads out of the zone is the whole answer',
    `payments.${shop}`,
    'A',
    'CNAME api.payments.example.com.',
  ),
  noName('no SRV below it', `_https._tcp.payments.${shop}`, 'SRV'),
  found('one that leads into the zone is followed', `store.${shop}`, 'A', `CNAME web.${shop}`, '10.96.0.20'),
  found('and in the other family', `store.${shop}`, 'AAAA', `CNAME web.${shop}`, 'fd00:10:96::20'),
  noName('an address is no external name', `old-db.${shop}`, 'CNAME'),

  // What is between the names, and what is not there.
  noData('a namespace with Services', `shop.svc.${ZONE}`, 'A'),
  noData('the Services of all namespaces', `svc.${ZONE}`, 'A'),
  noName('a namespace without Services', `nowhere.svc.${ZONE}`, 'A'),
  noName('no such Service', `nothing.${shop}`, 'A'),
  noName('a Service of another namespace', `web.default.svc.${ZONE}`, 'A'),
  noName('no wildcard of endpoints', `anything.web.${shop}`, 'A'),
  noName('no wildcard of Services', `*.${shop}`, 'A'),
  noName('no records of Pods', `10-244-1-7.shop.pod.${ZONE}`, 'A'),
];

/** The cluster of names.yaml. Throws when it has errors. */
export function namesCluster(): ClusterState {
  const text = readFileSync(new URL('./names.yaml', import.meta.url), 'utf8');
  const cluster = loadCluster(readObjects([{ name: 'names.yaml', text }]).objects);
  if (hasErrors(cluster.diagnostics)) throw new Error(JSON.stringify(cluster.diagnostics));
  return cluster.state;
}

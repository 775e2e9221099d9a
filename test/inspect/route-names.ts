/**
 * Names as the Pods of routes.yaml look them up. The unit tests ask `findRoute`; the kernel tests ask glibc and a name
 * server that has loaded the zone.
 */
import { readFileSync } from 'node:fs';
import { hasErrors, indexPods, loadCluster, readObjects, type Surroundings } from '../../src/index.js';

export const ROUTES = 'test/inspect/routes.yaml';

/** The cluster of routes.yaml, seen from its node. */
export function routesCluster(): Surroundings {
  const { objects } = readObjects([{ name: ROUTES, text: readFileSync(ROUTES, 'utf8') }]);
  const { state, diagnostics } = loadCluster(objects);
  const node = state.nodes.get('worker-1');
  if (node === undefined || hasErrors(diagnostics)) throw new Error(`${ROUTES} is wrong`);
  return { state, objects, pods: indexPods(objects), node, namespace: 'default' };
}

const CLIENT = 'shop/client';
const REDIS = ['10.96.0.30:6379/tcp', 'fd00:96::30:6379/tcp'];
const DB = ['10.244.1.50:5433/tcp', '10.244.2.50:5433/tcp'];

type NameRow = readonly [from: string, to: string, reached: readonly string[], tried: number, why: string];

/** Who asks for what; what it leads to, and how many names were looked up for it. */
export const NAMES: readonly NameRow[] = [
  [CLIENT, 'web:http', ['10.96.0.40:80/tcp'], 1, 'the first of the search list is the namespace of the sender'],
  [CLIENT, 'web:8080', ['10.96.0.40:8080/tcp'], 1, 'a port by its number'],
  [CLIENT, 'WEB:80', ['10.96.0.40:80/tcp'], 1, 'DNS knows no upper case'],
  [CLIENT, 'cart', ['10.96.0.41:80/tcp'], 1, 'the only port may be left out'],
  [CLIENT, 'web:9999', ['10.96.0.40:9999/tcp'], 1, 'a port that is not listed is sent to all the same'],
  [CLIENT, 'web:80/udp', ['10.96.0.40:80/udp'], 1, 'nor is that protocol listed'],
  [CLIENT, 'web/icmp', ['10.96.0.40:0/icmp'], 1, 'no port at all'],
  [CLIENT, 'web.shop:80', ['10.96.0.40:80/tcp'], 2, 'with its namespace it is found below svc'],
  [CLIENT, 'redis.default:client', REDIS, 2, 'both families of sender and name'],
  [CLIENT, 'redis.default.svc', REDIS, 3, 'the third of the search list'],
  [CLIENT, 'redis.default.svc.cluster.local', REDIS, 4, 'four dots are fewer than five: the search list goes first'],
  [CLIENT, 'redis.default.svc.cluster.local.', REDIS, 1, 'a final dot leaves the search list out'],
  ['client-4', 'redis:client', ['10.96.0.30:6379/tcp'], 1, 'an IPv4 sender; the namespace default'],
  ['10.244.1.61', 'redis:client', ['10.96.0.30:6379/tcp'], 1, 'a pod by its address'],
  ['10.244.1.99', 'redis:client', ['10.96.0.30:6379/tcp'], 1, 'a pod that nothing is known of: the default namespace'],
  ['203.0.113.9', 'redis:client', ['10.96.0.30:6379/tcp'], 1, 'nor of this address'],
  ['fd00:10:244:1::99', 'redis:client', ['fd00:96::30:6379/tcp'], 1, 'an IPv6 sender'],
  [CLIENT, 'kube-dns.kube-system:dns', ['10.96.0.10:53/udp'], 2, 'the name of a port tells its protocol'],
  [CLIENT, 'kube-dns.kube-system:53/tcp', ['10.96.0.10:53/tcp'], 2, 'a protocol chooses between two ports'],
  [CLIENT, 'db', DB, 1, 'headless: the endpoints, with the port that they have'],
  [CLIENT, 'db:sql', DB, 1, 'as the SRV records have it'],
  [
    CLIENT,
    'db:5432',
    ['10.244.1.50:5432/tcp', '10.244.2.50:5432/tcp'],
    1,
    'nothing translates the port of the Service',
  ],
  [CLIENT, 'db-1.db:sql', ['10.244.2.50:5433/tcp'], 1, 'one endpoint by its hostname'],
  [
    CLIENT,
    'db-1.db.shop.svc.cluster.local:sql',
    ['10.244.2.50:5433/tcp'],
    1,
    'five dots: as it is before the search list',
  ],
  [CLIENT, '10-244-1-40.web.shop.svc:8000', ['10.244.1.40:8000/tcp'], 3, 'CoreDNS names endpoints by address'],
  [CLIENT, '10-244-1-61.default.pod.cluster.local:22', ['10.244.1.61:22/tcp'], 4, 'a Pod by its address'],
  [CLIENT, 'cache:client', REDIS, 1, 'an ExternalName inside the cluster is followed'],
  [CLIENT, 'alias:client', REDIS, 1, 'through two of them'],
  ['shop/on-host-asking', 'cart', ['10.96.0.41:80/tcp'], 1, 'ClusterFirstWithHostNet'],
  [
    'kube-system/searching',
    'db-0.db.shop.svc.cluster.local:sql',
    ['10.244.1.50:5433/tcp'],
    1,
    'ndots 1: as it is first',
  ],
  ['kube-system/searching', 'cart', ['10.96.0.41:80/tcp'], 4, 'searches of dnsConfig come behind those of the policy'],
  ['shop/own', 'redis:client', ['10.96.0.30:6379/tcp'], 1, 'dnsPolicy None with the cluster’s name server'],
  ['node', 'redis:client', ['10.96.0.30,fd00:96::30:6379/tcp'], 0, 'no DNS there, but a Service is meant'],
  ['node', 'shop/web:http', ['10.96.0.40:80/tcp'], 0, 'a Service by its key needs no DNS'],
  ['node', 'shop/db:sql', DB, 1, 'nor does a headless one'],
];

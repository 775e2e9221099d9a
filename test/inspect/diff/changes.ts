/** Changes of the cluster of base.yaml, seen from node-a, and what they come to. */
import type { Loose, Objects, SideSettings } from './cluster.js';

export interface Change {
  readonly name: string;
  readonly patch: (objects: Objects) => unknown;
  /** Mode, node and configuration of both sides; iptables on node-a with clusterCIDR, if not given. */
  readonly old?: SideSettings;
  /** Those of the new side, where they are not the same. */
  readonly now?: SideSettings;
  /** The lines that are expected: the summary, then the changes. */
  readonly told: readonly string[];
}

const EQUAL = 'Same traffic, same rules (4 Services).';
const EQUAL_OTHER_TEXT = 'Same traffic; the text of the rules differs (4 Services).';
const ONE = '1 Service changed; 3 unchanged.';

const service = (objects: Objects, name: string): Loose => objects.get(`Service ${name}`);
const slice = (objects: Objects, name: string): Loose => objects.get(`EndpointSlice ${name}-1`);
const nothing = () => {};

/** Splits the slice of a Service in two: one endpoint each. */
function split(objects: Objects, name: string): void {
  const whole = slice(objects, name);
  const [first, ...rest] = whole.endpoints;
  objects.set('second', { ...whole, metadata: { ...whole.metadata, name: `${name}-2` }, endpoints: rest });
  whole.endpoints = [first];
}

/** Gives every endpoint of a Service hints. */
function hint(objects: Objects, name: string, zones: (index: number) => readonly string[]): void {
  for (const [i, endpoint] of slice(objects, name).endpoints.entries()) {
    endpoint.hints = { forZones: zones(i).map((zone) => ({ name: zone })) };
  }
}

const WEB_OUTSIDE = 'external IP 198.51.100.2:80/TCP, load-balancer IP 203.0.113.2:80/TCP, node port 30080/TCP';

/** Changes of objects that change no traffic. */
export const EQUAL_CHANGES: readonly Change[] = [
  { name: 'nothing', patch: nothing, told: [EQUAL] },
  {
    name: 'objects in another order',
    patch: (objects) => {
      const entries = [...objects]
        .reverse()
        .sort(([a], [b]) => Number(b.startsWith('Node')) - Number(a.startsWith('Node')));
      objects.clear();
      for (const [key, value] of entries) objects.set(key, value);
    },
    old: { node: 'node-a' },
    told: [EQUAL],
  },
  { name: 'endpoints in another order', patch: (o) => slice(o, 'web').endpoints.reverse(), told: [EQUAL] },
  { name: 'a slice in two', patch: (o) => split(o, 'web'), told: [EQUAL] },
  {
    name: 'one endpoint in two slices',
    patch: (o) => o.set('again', { ...slice(o, 'web'), metadata: { ...slice(o, 'web').metadata, name: 'web-2' } }),
    told: [EQUAL],
  },
  {
    name: 'a slice renamed',
    patch: (o) => Object.assign(slice(o, 'web').metadata, { name: 'web-x7f9q' }),
    told: [EQUAL],
  },
  {
    name: 'a port renamed',
    patch: (o) => {
      service(o, 'web').spec.ports[0].name = 'www';
      slice(o, 'web').ports[0].name = 'www';
    },
    told: [EQUAL_OTHER_TEXT],
  },
  {
    name: 'labels of a Service',
    patch: (o) => Object.assign(service(o, 'web').metadata, { labels: { team: 'blue' } }),
    told: [EQUAL],
  },
  {
    name: 'annotations of a Service',
    patch: (o) => Object.assign(service(o, 'web').metadata, { annotations: { note: 'x' } }),
    told: [EQUAL],
  },
  {
    name: 'a target port by number, with the same slices',
    patch: (o) => Object.assign(service(o, 'cache').spec.ports[0], { targetPort: 6379 }),
    told: [EQUAL],
  },
  {
    name: 'another selector, with the same slices',
    patch: (o) => Object.assign(service(o, 'cache').spec, { selector: { app: 'cache', tier: 'data' } }),
    told: [EQUAL],
  },
  {
    name: 'externalTrafficPolicy of a Service that nobody reaches from outside',
    patch: (o) => Object.assign(service(o, 'cache').spec, { externalTrafficPolicy: 'Local' }),
    told: [EQUAL],
  },
  {
    name: 'hints for all zones',
    patch: (o) => hint(o, 'web', () => ['zone-a', 'zone-b']),
    told: [EQUAL],
  },
  {
    name: 'hints at one endpoint of two',
    patch: (o) => Object.assign(slice(o, 'web').endpoints[0], { hints: { forZones: [{ name: 'zone-a' }] } }),
    told: [EQUAL],
  },
  {
    name: 'an endpoint that is not ready',
    patch: (o) => slice(o, 'web').endpoints.push({ addresses: ['10.244.2.9'], conditions: { ready: false } }),
    told: [EQUAL],
  },
  {
    name: 'an endpoint of a policy Cluster Service moves to the other node',
    patch: (o) => Object.assign(slice(o, 'cache').endpoints[1], { nodeName: 'node-c' }),
    told: [EQUAL],
  },
  {
    name: 'source ranges where there is no load-balancer address',
    patch: (o) => Object.assign(service(o, 'cache').spec, { loadBalancerSourceRanges: ['203.0.113.0/24'] }),
    told: [EQUAL],
  },
  {
    name: 'a source range of everything',
    patch: (o) => Object.assign(service(o, 'far').spec, { loadBalancerSourceRanges: ['0.0.0.0/0'] }),
    told: [EQUAL],
  },
  {
    name: 'a headless Service',
    patch: (o) =>
      o.set('headless', {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'db', namespace: 'shop' },
        spec: { clusterIP: 'None', ports: [{ port: 5432 }] },
      }),
    told: [EQUAL],
  },
  {
    name: 'a Service renamed',
    patch: (o) => {
      service(o, 'cache').metadata.name = 'store';
      slice(o, 'cache').metadata.labels['kubernetes.io/service-name'] = 'store';
    },
    told: [EQUAL_OTHER_TEXT, 'shop/cache is called shop/store now; its name in DNS changes with that'],
  },
  {
    name: 'another masqueradeBit',
    patch: nothing,
    now: { config: { iptables: { masqueradeBit: 13 } } },
    told: [EQUAL_OTHER_TEXT],
  },
  {
    name: 'an external IP that is a load-balancer address as well',
    patch: (o) => Object.assign(service(o, 'web').spec, { externalIPs: ['198.51.100.2', '203.0.113.2'] }),
    told: [EQUAL_OTHER_TEXT],
  },
];

/** Changes of objects that change traffic. */
export const CHANGES: readonly Change[] = [
  {
    name: 'a Service removed',
    patch: (o) => o.delete('Service cache'),
    told: [
      '1 Service removed; 3 unchanged.',
      'shop/cache - cluster IP 10.96.0.1:6379/TCP: from pods reaches 2 endpoints, source kept; from the node and outside reaches 2 endpoints, masqueraded',
    ],
  },
  {
    name: 'a Service added without endpoints',
    patch: (o) =>
      o.set('Service new', {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'new' },
        spec: { clusterIP: '10.96.0.9', ports: [{ port: 80 }] },
      }),
    told: ['1 Service added; 4 unchanged.', 'default/new + cluster IP 10.96.0.9:80/TCP: refused'],
  },
  {
    name: 'a port added',
    patch: (o) => service(o, 'cache').spec.ports.push({ name: 'metrics', port: 9100 }),
    told: [ONE, 'shop/cache + cluster IP 10.96.0.1:9100/TCP: refused'],
  },
  {
    name: 'another port number',
    patch: (o) => Object.assign(service(o, 'none').spec.ports[0], { port: 5353 }),
    told: [
      ONE,
      'shop/none - cluster IP 10.96.0.4:53/UDP: refused',
      'shop/none + cluster IP 10.96.0.4:5353/UDP: refused',
    ],
  },
  {
    name: 'another cluster IP',
    patch: (o) => Object.assign(service(o, 'none').spec, { clusterIP: '10.96.0.40' }),
    told: [
      ONE,
      'shop/none - cluster IP 10.96.0.4:53/UDP: refused',
      'shop/none + cluster IP 10.96.0.40:53/UDP: refused',
    ],
  },
  {
    name: 'another protocol',
    patch: (o) => {
      service(o, 'none').spec.ports[0].protocol = 'TCP';
    },
    told: [ONE, 'shop/none - cluster IP 10.96.0.4:53/UDP: refused', 'shop/none + cluster IP 10.96.0.4:53/TCP: refused'],
  },
  {
    name: 'type NodePort',
    patch: (o) => {
      Object.assign(service(o, 'cache').spec, { type: 'NodePort' });
      service(o, 'cache').spec.ports[0].nodePort = 30100;
    },
    told: [ONE, 'shop/cache + node port 30100/TCP: reaches 2 endpoints, masqueraded'],
  },
  {
    name: 'a load-balancer address assigned',
    patch: (o) => service(o, 'web').status.loadBalancer.ingress.push({ ip: '203.0.113.20' }),
    told: [ONE, 'shop/web + load-balancer IP 203.0.113.20:80/TCP: reaches 2 endpoints, masqueraded'],
  },
  {
    name: 'a load-balancer address that the balancer keeps to itself',
    patch: (o) => Object.assign(service(o, 'web').status.loadBalancer.ingress[0], { ipMode: 'Proxy' }),
    told: [ONE, 'shop/web - load-balancer IP 203.0.113.2:80/TCP: reaches 2 endpoints, masqueraded'],
  },
  {
    name: 'an external IP removed',
    patch: (o) => delete service(o, 'web').spec.externalIPs,
    told: [ONE, 'shop/web - external IP 198.51.100.2:80/TCP: reaches 2 endpoints, masqueraded'],
  },
  {
    name: 'an endpoint gained',
    patch: (o) => slice(o, 'cache').endpoints.push({ addresses: ['10.244.2.9'] }),
    told: [ONE, 'shop/cache ~ cluster IP 10.96.0.1:6379/TCP: gains 10.244.2.9:6379; 3 endpoints, were 2'],
  },
  {
    name: 'an endpoint lost, at every address',
    patch: (o) => slice(o, 'web').endpoints.pop(),
    told: [ONE, `shop/web ~ cluster IP 10.96.0.2:80/TCP, ${WEB_OUTSIDE}: loses 10.244.2.2:8080; 1 endpoint, were 2`],
  },
  {
    name: 'a pod replaced',
    patch: (o) => Object.assign(slice(o, 'cache').endpoints[0], { addresses: ['10.244.1.77'] }),
    told: [ONE, 'shop/cache ~ cluster IP 10.96.0.1:6379/TCP: gains 10.244.1.77:6379; loses 10.244.1.1:6379'],
  },
  {
    name: 'another port of the pods',
    patch: (o) => Object.assign(slice(o, 'far').ports[0], { port: 9443 }),
    told: [
      ONE,
      'shop/far ~ cluster IP 10.96.0.3:443/TCP: gains 10.244.2.3:9443; loses 10.244.2.3:8443',
      'shop/far ~ load-balancer IP 203.0.113.3:443/TCP, from pods and the node: gains 10.244.2.3:9443; loses 10.244.2.3:8443',
    ],
  },
  {
    name: 'the last endpoint lost',
    patch: (o) => {
      slice(o, 'cache').endpoints = [];
    },
    told: [
      ONE,
      'shop/cache ~ cluster IP 10.96.0.1:6379/TCP, from pods: reached 2 endpoints, source kept, now refused',
      'shop/cache ~ cluster IP 10.96.0.1:6379/TCP, from the node and outside: reached 2 endpoints, masqueraded, now refused',
    ],
  },
  {
    name: 'the first endpoint gained',
    patch: (o) => slice(o, 'none').endpoints.push({ addresses: ['10.244.1.4'], nodeName: 'node-a' }),
    told: [
      ONE,
      'shop/none ~ cluster IP 10.96.0.4:53/UDP, from pods: was refused, now reaches 1 endpoint, source kept',
      'shop/none ~ cluster IP 10.96.0.4:53/UDP, from the node and outside: was refused, now reaches 1 endpoint, masqueraded',
    ],
  },
  {
    name: 'a load balancer without endpoints: what the node sends leaves it',
    patch: (o) => {
      slice(o, 'far').endpoints = [];
    },
    told: [
      ONE,
      'shop/far ~ cluster IP 10.96.0.3:443/TCP, load-balancer IP 203.0.113.3:443/TCP, from pods: reached 1 endpoint, source kept, now refused',
      'shop/far ~ cluster IP 10.96.0.3:443/TCP, from the node and outside: reached 1 endpoint, masqueraded, now refused',
      'shop/far ~ load-balancer IP 203.0.113.3:443/TCP, from the node: reached 1 endpoint, masqueraded, now not translated',
      'shop/far ~ load-balancer IP 203.0.113.3:443/TCP, from outside: was dropped, now refused',
    ],
  },
  {
    name: 'a ready endpoint becomes terminating, the other stays',
    patch: (o) =>
      Object.assign(slice(o, 'cache').endpoints[0], { conditions: { ready: false, serving: true, terminating: true } }),
    told: [ONE, 'shop/cache ~ cluster IP 10.96.0.1:6379/TCP: loses 10.244.1.1:6379; 1 endpoint, were 2'],
  },
  {
    name: 'externalTrafficPolicy Local with a local endpoint',
    patch: (o) => Object.assign(service(o, 'web').spec, { externalTrafficPolicy: 'Local' }),
    told: [
      ONE,
      'shop/web is externalTrafficPolicy: was Cluster, now Local',
      `shop/web ~ ${WEB_OUTSIDE}, from pods: now source kept, was masqueraded`,
      `shop/web ~ ${WEB_OUTSIDE}, from outside: loses 10.244.2.2:8080; 1 endpoint, were 2; now source kept, was masqueraded`,
    ],
  },
  {
    name: 'externalTrafficPolicy Cluster where nothing is local',
    patch: (o) =>
      Object.assign(service(o, 'far').spec, { externalTrafficPolicy: 'Cluster', healthCheckNodePort: undefined }),
    told: [
      ONE,
      'shop/far is externalTrafficPolicy: was Local, now Cluster',
      'shop/far - health check node port 32000/TCP: answered with 503 (no ready endpoint here)',
      'shop/far ~ load-balancer IP 203.0.113.3:443/TCP, from pods: now masqueraded, was source kept',
      'shop/far ~ load-balancer IP 203.0.113.3:443/TCP, from outside: was dropped, now reaches 1 endpoint, masqueraded',
    ],
  },
  {
    name: 'a local endpoint for policy Local',
    patch: (o) => slice(o, 'far').endpoints.push({ addresses: ['10.244.1.3'], nodeName: 'node-a' }),
    told: [
      ONE,
      'shop/far ~ cluster IP 10.96.0.3:443/TCP: gains 10.244.1.3:8443; 2 endpoints, was 1',
      'shop/far ~ load-balancer IP 203.0.113.3:443/TCP, from pods and the node: gains 10.244.1.3:8443; 2 endpoints, was 1',
      'shop/far ~ load-balancer IP 203.0.113.3:443/TCP, from outside: was dropped, now reaches 1 endpoint, source kept',
      'shop/far ~ health check node port 32000/TCP: was answered with 503 (no ready endpoint here), now answered with 200 (a ready endpoint here)',
    ],
  },
  {
    name: 'internalTrafficPolicy Local',
    patch: (o) => Object.assign(service(o, 'cache').spec, { internalTrafficPolicy: 'Local' }),
    told: [
      ONE,
      'shop/cache is internalTrafficPolicy: was Cluster, now Local',
      'shop/cache ~ cluster IP 10.96.0.1:6379/TCP: loses 10.244.2.1:6379; 1 endpoint, were 2',
    ],
  },
  {
    name: 'session affinity',
    patch: (o) => Object.assign(service(o, 'cache').spec, { sessionAffinity: 'ClientIP' }),
    told: [
      ONE,
      'shop/cache is session affinity: was none, now 10800 s',
      'shop/cache ~ cluster IP 10.96.0.1:6379/TCP: now sticky for 10800 s',
    ],
  },
  {
    name: 'hints for the zones of the endpoints',
    patch: (o) => hint(o, 'cache', (i) => [i === 0 ? 'zone-a' : 'zone-b']),
    told: [
      ONE,
      'shop/cache is topology hints: was not in force, now for this zone',
      'shop/cache ~ cluster IP 10.96.0.1:6379/TCP: loses 10.244.2.1:6379; 1 endpoint, were 2',
    ],
  },
  {
    name: 'source ranges',
    patch: (o) => Object.assign(service(o, 'web').spec, { loadBalancerSourceRanges: ['203.0.113.0/24'] }),
    told: [
      ONE,
      'shop/web ~ load-balancer IP 203.0.113.2:80/TCP, from pods, the node and outside beyond the source ranges: reached 2 endpoints, masqueraded, now dropped',
      'shop/web ~ load-balancer IP 203.0.113.2:80/TCP: lets in 203.0.113.0/24 only, was everybody',
    ],
  },
  {
    name: 'source ranges without endpoints: iptables does not check them',
    patch: (o) => {
      Object.assign(service(o, 'web').spec, { loadBalancerSourceRanges: ['203.0.113.0/24'] });
      slice(o, 'web').endpoints = [];
    },
    told: [
      ONE,
      'shop/web ~ cluster IP 10.96.0.2:80/TCP, from pods: reached 2 endpoints, source kept, now refused',
      `shop/web ~ cluster IP 10.96.0.2:80/TCP, from the node and outside: reached 2 endpoints, masqueraded, now refused`,
      'shop/web ~ external IP 198.51.100.2:80/TCP, load-balancer IP 203.0.113.2:80/TCP, from pods and outside: reached 2 endpoints, masqueraded, now refused',
      'shop/web ~ external IP 198.51.100.2:80/TCP, load-balancer IP 203.0.113.2:80/TCP, from the node: reached 2 endpoints, masqueraded, now not translated',
      'shop/web ~ node port 30080/TCP: reached 2 endpoints, masqueraded, now refused',
    ],
  },
  {
    name: 'another proxy serves a Service',
    patch: (o) =>
      Object.assign(service(o, 'none').metadata, { labels: { 'service.kubernetes.io/service-proxy-name': 'x' } }),
    told: ['1 Service removed; 3 unchanged.', 'shop/none - cluster IP 10.96.0.4:53/UDP: refused'],
  },
  {
    name: 'a Service renamed that gains an endpoint',
    patch: (o) => {
      service(o, 'none').metadata.name = 'dns';
      slice(o, 'none').metadata.labels['kubernetes.io/service-name'] = 'dns';
      slice(o, 'none').endpoints.push({ addresses: ['10.244.1.4'] });
    },
    told: [
      ONE,
      'shop/none is called shop/dns now; its name in DNS changes with that',
      'shop/dns is was shop/none',
      'shop/dns ~ cluster IP 10.96.0.4:53/UDP, from pods: was refused, now reaches 1 endpoint, source kept',
      'shop/dns ~ cluster IP 10.96.0.4:53/UDP, from the node and outside: was refused, now reaches 1 endpoint, masqueraded',
    ],
  },
];

/** Other configurations, modes and nodes of the same objects. */
export const SETTINGS_CHANGES: readonly Change[] = [
  {
    name: 'masqueradeAll',
    patch: nothing,
    now: { config: { iptables: { masqueradeAll: true } } },
    told: [
      '3 Services changed; 1 unchanged.',
      'node: masqueradeAll: was false, now true',
      'node: cluster IPs of 3 Services (shop/cache, shop/far, shop/web), from pods: now masqueraded, was source kept',
    ],
  },
  {
    name: 'no clusterCIDR',
    patch: nothing,
    now: { config: { clusterCIDR: '' } },
    told: [
      '3 Services changed; 1 unchanged.',
      'node: pods are told by: was 10.244.0.0/16, now nothing',
      'node: cluster IPs of 3 Services (shop/cache, shop/far, shop/web), from the node and outside: now source kept, was masqueraded',
      'shop/far ~ load-balancer IP 203.0.113.3:443/TCP, from pods: reached 1 endpoint, source kept, now dropped',
    ],
  },
  {
    name: 'nodePortAddresses',
    patch: nothing,
    now: { config: { nodePortAddresses: ['192.0.2.0/24'] } },
    told: [
      'The node changes; 4 unchanged.',
      'node: node ports answer on: was every address of the node, now 192.0.2.11',
      'node: node ports on 127.0.0.1: was answered, now not answered',
    ],
  },
  {
    name: 'localhostNodePorts',
    patch: nothing,
    now: { config: { iptables: { localhostNodePorts: false } } },
    told: ['The node changes; 4 unchanged.', 'node: node ports on 127.0.0.1: was answered, now not answered'],
  },
  {
    name: 'another scheduler of IPVS',
    patch: nothing,
    old: { mode: 'ipvs' },
    now: { mode: 'ipvs', config: { ipvs: { scheduler: 'lc' } } },
    told: ['The node changes; 4 unchanged.', 'node: endpoints are chosen: was by rr, now by lc'],
  },
  {
    name: 'the other node',
    patch: nothing,
    old: { node: 'node-a' },
    now: { node: 'node-b' },
    told: [
      '1 Service changed; 3 unchanged.',
      'shop/far ~ load-balancer IP 203.0.113.3:443/TCP, from outside: was dropped, now reaches 1 endpoint, source kept',
      'shop/far ~ health check node port 32000/TCP: was answered with 503 (no ready endpoint here), now answered with 200 (a ready endpoint here)',
    ],
  },
  {
    name: 'a Service removed, in nftables',
    patch: (o) => o.delete('Service none'),
    old: { mode: 'nftables' },
    told: ['1 Service removed; 3 unchanged.', 'shop/none - cluster IP 10.96.0.4:53/UDP: refused'],
  },
  {
    name: 'internalTrafficPolicy Local without a local endpoint, in IPVS',
    patch: (o) => {
      service(o, 'cache').spec.internalTrafficPolicy = 'Local';
      slice(o, 'cache').endpoints[0].nodeName = 'node-b';
    },
    old: { mode: 'ipvs' },
    told: [
      ONE,
      'shop/cache is internalTrafficPolicy: was Cluster, now Local',
      'shop/cache ~ cluster IP 10.96.0.1:6379/TCP, from pods: reached 2 endpoints, source kept, now refused',
      'shop/cache ~ cluster IP 10.96.0.1:6379/TCP, from the node and outside: reached 2 endpoints, masqueraded, now refused',
    ],
  },
  {
    name: 'externalTrafficPolicy Cluster where nothing is local, in IPVS: others were reached before',
    patch: (o) => Object.assign(service(o, 'far').spec, { externalTrafficPolicy: 'Cluster' }),
    old: { mode: 'ipvs' },
    told: [
      ONE,
      'shop/far is externalTrafficPolicy: was Local, now Cluster',
      'shop/far - health check node port 32000/TCP: answered with 503 (no ready endpoint here)',
      'shop/far ~ load-balancer IP 203.0.113.3:443/TCP, from pods and outside: now masqueraded, was source kept',
      'shop/far ~ load-balancer IP 203.0.113.3:443/TCP, from the node: now masqueraded, was from the address that was called',
    ],
  },
];

/** For every check a cluster in which it finds something, and one that differs by little in which it does not. */
import type { RawObject } from '../../src/index.js';
import { parseCidr } from '../../src/net/ip.js';
import {
  CONFIG_ORIGIN,
  deployment,
  endpoint,
  type LintSettings,
  node,
  service,
  serviceCIDR,
  slice,
  sliceMetadata,
} from './lint-support.js';

/** What a check finds and what it leaves alone. */
export interface LintCase {
  readonly code: string;
  /** What is special about it; must differ between cases of one check. */
  readonly why?: string;
  readonly objects: readonly RawObject[];
  readonly settings?: LintSettings;
  /** `object field: message` of everything that the check finds there. */
  readonly finds: readonly string[];
  readonly wayOut?: RegExp;
  /** A cluster in which it finds nothing. */
  readonly quiet: readonly RawObject[];
  readonly quietSettings?: LintSettings;
}

const two = [node('a', ['192.168.0.1']), node('b', ['192.168.0.2'])];
const inZones = [node('a', ['192.168.0.1'], 'zone-a'), node('b', ['192.168.0.2'], 'zone-b')];
const onA = slice('web', [endpoint('10.1.0.1', 'a')]);
const onBoth = slice('web', [endpoint('10.1.0.1', 'a'), endpoint('10.1.0.2', 'b')]);
const hinted = slice('web', [endpoint('10.1.0.1', 'a', 'zone-a'), endpoint('10.1.0.2', 'b', 'zone-b')]);
const local = { type: 'NodePort', externalTrafficPolicy: 'Local', ports: [{ port: 80, nodePort: 30080 }] };
const balanced = { ...local, type: 'LoadBalancer', healthCheckNodePort: 32000 };
const app = { selector: { app: 'web' } };
const dual = {
  clusterIP: '10.96.0.1',
  clusterIPs: ['10.96.0.1', 'fd00::1'],
  ipFamilies: ['IPv4', 'IPv6'],
  ipFamilyPolicy: 'RequireDualStack',
};
const http = [{ name: 'http', port: 80 }];
const dns = [{ port: 53, protocol: 'UDP' }];
const ranges = { type: 'LoadBalancer', loadBalancerSourceRanges: ['198.51.100.0/24'] };
const configured = { configOrigin: CONFIG_ORIGIN };

const twice = 'Service shop/web spec.selector: it selects the same pods as Service shop/other, both on target port 80.';
const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';
const containerPorts = [
  { name: 'http', containerPort: 8080 },
  { name: 'admin', containerPort: 9090 },
];

const second = (spec: object) => service('other', { clusterIP: '10.96.0.2', ...spec });
const ingress = (...ips: readonly string[]) => ({ status: { loadBalancer: { ingress: ips.map((ip) => ({ ip })) } } });
const cidrs = (...texts: readonly string[]) => texts.map(parseCidr).filter((cidr) => cidr !== undefined);
const elsewhere = (name: string) => ({ metadata: { name, namespace: 'elsewhere' } });
const annotated = (annotations: Readonly<Record<string, string>>) => ({
  metadata: { name: 'web', namespace: 'shop', annotations },
});
const ipvs = (changes: object) => ({
  ipvs: {
    scheduler: 'rr',
    excludeCIDRs: [],
    strictARP: false,
    tcpTimeoutSeconds: 0,
    tcpFinTimeoutSeconds: 0,
    udpTimeoutSeconds: 0,
    ...changes,
  },
});
const section = (masqueradeAll: boolean, masqueradeBit: number) => ({
  masqueradeAll,
  masqueradeBit,
  localhostNodePorts: true,
});
const byHand = slice('web', ['10.1.0.1'], {
  metadata: { name: 'web-x', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } },
});
const leaving = (serving: boolean) => ({
  ...endpoint('10.1.0.2', 'b'),
  conditions: { ready: false, serving, terminating: true },
});

/** The cases, in the order of the checks. */
export const LINT_CASES: readonly LintCase[] = [
  {
    code: 'external-local-no-endpoint',
    objects: [...two, service('web', local), onA],
    finds: [
      'Service shop/web spec.externalTrafficPolicy: 1 of 2 nodes (b) has no local endpoint: what arrives there for node port 30080 is dropped.',
    ],
    quiet: [...two, service('web', local), onBoth],
  },
  {
    code: 'external-local-no-endpoint',
    why: 'endpoints that name no node are local nowhere; without any endpoint every node rejects alike',
    objects: [...two, service('web', local), slice('web', ['10.1.0.1'])],
    finds: [
      'Service shop/web spec.externalTrafficPolicy: all 2 nodes (a, b) have no local endpoint: what arrives there for node port 30080 is dropped.',
    ],
    wayOut: /name no node/,
    quiet: [...two, service('web', local), slice('web', [])],
  },
  {
    code: 'external-local-no-endpoint',
    why: 'a terminating endpoint serves while it answers and none that is ready is left there',
    objects: [...two, service('web', local), slice('web', [endpoint('10.1.0.1', 'a'), leaving(false)])],
    finds: [
      'Service shop/web spec.externalTrafficPolicy: 1 of 2 nodes (b) has no local endpoint: what arrives there for node port 30080 is dropped.',
    ],
    quiet: [...two, service('web', local), slice('web', [endpoint('10.1.0.1', 'a'), leaving(true)])],
  },
  {
    code: 'external-local-no-endpoint',
    why: 'mode ipvs forwards all the same, and one of two families lacks an endpoint; with --node one node is looked at',
    settings: { mode: 'ipvs' },
    objects: [
      node('a', ['192.168.0.1', 'fd01::1']),
      node('b', ['192.168.0.2', 'fd01::2']),
      service('web', { ...local, ...dual }),
      onBoth,
      slice('web', [endpoint('fd02::1', 'a')], { addressType: 'IPv6', metadata: sliceMetadata('web', 'web-2') }),
    ],
    finds: [
      'Service shop/web spec.externalTrafficPolicy: IPv6: 1 of 2 nodes (b) has no local endpoint: mode ipvs sends what arrives there for node port 30080 to other nodes all the same.',
    ],
    quiet: [...two, service('web', local), onA],
    quietSettings: { node: 'a' },
  },
  {
    code: 'load-balancer-local-no-endpoint',
    objects: [...two, service('web', balanced, ingress('203.0.113.1')), onA],
    finds: [
      'Service shop/web spec.externalTrafficPolicy: 1 of 2 nodes (b) has no local endpoint: the load balancer must not send anything there.',
    ],
    wayOut: /:32000\/healthz/,
    quiet: [
      node('a', ['192.168.0.1']),
      node('b', ['192.168.0.2'], undefined, { 'node.kubernetes.io/exclude-from-external-load-balancers': '' }),
      service('web', balanced, ingress('203.0.113.1')),
      onA,
    ],
  },
  {
    code: 'internal-local-no-endpoint',
    objects: [...two, service('web', { internalTrafficPolicy: 'Local' }), onA],
    finds: [
      'Service shop/web spec.internalTrafficPolicy: 1 of 2 nodes (b) has no local endpoint: pods there get no answer from the cluster IP.',
    ],
    quiet: [...two, service('web'), onA],
  },
  {
    code: 'internal-local-no-endpoint',
    why: 'one port of two, in mode ipvs',
    settings: { mode: 'ipvs' },
    objects: [
      ...two,
      service('web', { internalTrafficPolicy: 'Local', ports: [...http, { name: 'grpc', port: 90 }] }),
      slice('web', [endpoint('10.1.0.1', 'a')], { ports: [{ name: 'grpc', port: 9000 }] }),
      slice('web', [endpoint('10.1.0.1', 'a'), endpoint('10.1.0.2', 'b')], {
        ports: [{ name: 'http', port: 8080 }],
        metadata: sliceMetadata('web', 'web-2'),
      }),
    ],
    finds: [
      'Service shop/web spec.internalTrafficPolicy: port grpc: 1 of 2 nodes (b) has no local endpoint: pods there are refused at the cluster IP.',
    ],
    quiet: [...two, service('web', { internalTrafficPolicy: 'Local' }), onBoth],
  },
  {
    code: 'local-without-detector',
    settings: configured,
    objects: [...two, service('web', local), onBoth],
    finds: [
      'KubeProxyConfiguration clusterCIDR: detectLocalMode ClusterCIDR has no pod network to go by, so pods count as outside clients of shop/web, which has policy Local.',
    ],
    quiet: [...two, service('web', local), onBoth],
    quietSettings: { ...configured, config: { clusterCIDRs: { ipv4: '10.1.0.0/16', ipv6: undefined } } },
  },
  {
    code: 'external-ip-of-node',
    objects: [...two, service('web', { externalIPs: ['192.0.2.1', '192.168.0.2'] })],
    finds: [
      "Service shop/web spec.externalIPs[1]: external IP 192.168.0.2 is an address of Node b: port 80/TCP there is the Service's now.",
    ],
    quiet: [...two, service('web', { externalIPs: ['192.0.2.1'] })],
  },
  {
    code: 'external-ip-of-service',
    objects: [service('web'), service('grab', { clusterIP: '10.96.0.2', externalIPs: ['10.96.0.1', '10.96.0.2'] })],
    finds: [
      'Service shop/grab spec.externalIPs[0]: external IP 10.96.0.1 is the cluster IP of Service shop/web.',
      'Service shop/grab spec.externalIPs[1]: external IP 10.96.0.2 is its own cluster IP.',
    ],
    quiet: [service('web'), service('grab', { clusterIP: '10.96.0.2', externalIPs: ['10.96.0.3'] })],
  },
  {
    code: 'address-shared',
    why: 'one port; but one owner may share an address by ports',
    objects: [
      service('a', { externalIPs: ['192.0.2.1'] }),
      service('b', { clusterIP: '10.96.0.2', externalIPs: ['192.0.2.1'] }),
    ],
    finds: [
      'Service shop/b spec.externalIPs[0]: external IP 192.0.2.1 port 80/TCP is claimed by Service shop/a too: chance decides who answers.',
    ],
    quiet: [
      service('a', { externalIPs: ['192.0.2.1'] }),
      service('b', { clusterIP: '10.96.0.2', externalIPs: ['192.0.2.1'], ports: [{ port: 443 }] }),
    ],
  },
  {
    code: 'address-shared',
    why: 'what a load balancer gave to somebody else, on another port; but load balancers share as they like',
    objects: [
      service('zoo', { type: 'LoadBalancer' }, ingress('203.0.113.1')),
      service('b', { clusterIP: '10.96.0.2', externalIPs: ['203.0.113.1'], ports: [{ port: 443 }] }, elsewhere('b')),
    ],
    finds: [
      'Service elsewhere/b spec.externalIPs[0]: external IP 203.0.113.1 is an address of Service shop/zoo too, on other ports.',
    ],
    quiet: [
      service('zoo', { type: 'LoadBalancer' }, ingress('203.0.113.1')),
      service(
        'b',
        { type: 'LoadBalancer', clusterIP: '10.96.0.2', ports: [{ port: 443 }] },
        { ...ingress('203.0.113.1'), ...elsewhere('b') },
      ),
    ],
  },
  {
    code: 'external-ips-off',
    settings: { config: { allowServiceExternalIPs: false } },
    objects: [service('web', { externalIPs: ['192.0.2.1'] })],
    finds: ['Service shop/web spec.externalIPs: nothing answers at external IP 192.0.2.1: the feature gate is off.'],
    quiet: [service('web', { externalIPs: ['192.0.2.1'] })],
  },
  {
    code: 'cluster-ip-outside-range',
    objects: [service('web'), serviceCIDR('10.97.0.0/16')],
    finds: [
      'Service shop/web spec.clusterIP: cluster IP 10.96.0.1 lies outside of the IPv4 ServiceCIDRs (10.97.0.0/16).',
    ],
    // Nothing is known of IPv4 here.
    quiet: [service('web'), serviceCIDR('fd00::/112')],
  },
  {
    code: 'source-ranges-bypassed',
    objects: [
      service(
        'web',
        { ...ranges, externalIPs: ['192.0.2.1'], ports: [{ port: 80, nodePort: 30080 }] },
        ingress('203.0.113.1'),
      ),
    ],
    finds: [
      'Service shop/web spec.loadBalancerSourceRanges: node port 30080 and external IP 192.0.2.1 let everybody in: the ranges hold for load-balancer addresses only.',
    ],
    quiet: [service('web', { ...ranges, allocateLoadBalancerNodePorts: false }, ingress('203.0.113.1'))],
  },
  {
    code: 'source-ranges-bypassed',
    why: 'several node ports',
    objects: [
      service(
        'web',
        {
          ...ranges,
          ports: [
            { name: 'a', port: 80, nodePort: 30080 },
            { name: 'b', port: 443, nodePort: 30443 },
          ],
        },
        ingress('203.0.113.1'),
      ),
    ],
    finds: [
      'Service shop/web spec.loadBalancerSourceRanges: node ports 30080, 30443 let everybody in: the ranges hold for load-balancer addresses only.',
    ],
    quiet: [service('web', { ...ranges, allocateLoadBalancerNodePorts: false }, ingress('203.0.113.1'))],
  },
  {
    code: 'source-ranges-bypassed',
    why: 'node ports on loopback only are no way in',
    objects: [node('a', ['192.168.0.1']), service('web', { ...ranges, ports: [{ port: 80, nodePort: 30080 }] })],
    finds: [
      'Service shop/web spec.loadBalancerSourceRanges: node port 30080 lets everybody in: the ranges hold for load-balancer addresses only.',
    ],
    quiet: [node('a', ['192.168.0.1']), service('web', { ...ranges, ports: [{ port: 80, nodePort: 30080 }] })],
    quietSettings: { config: { nodePortAddresses: cidrs('127.0.0.0/8') } },
  },
  {
    code: 'source-ranges-one-family',
    objects: [service('web', { ...dual, ...ranges }, ingress('203.0.113.1', '2001:db8::1'))],
    finds: [
      'Service shop/web spec.loadBalancerSourceRanges: all ranges are IPv4, so its IPv6 addresses let everybody in.',
    ],
    quiet: [service('web', { ...dual, ...ranges }, ingress('203.0.113.1'))],
  },
  {
    code: 'source-ranges-any',
    objects: [service('web', { type: 'LoadBalancer', loadBalancerSourceRanges: ['198.51.100.0/24', '0.0.0.0/0'] })],
    finds: [
      'Service shop/web spec.loadBalancerSourceRanges[1]: 0.0.0.0/0 lets everybody in, so 198.51.100.0/24 means nothing.',
    ],
    quiet: [service('web', { type: 'LoadBalancer', loadBalancerSourceRanges: ['0.0.0.0/0'] })],
  },
  {
    code: 'affinity-masqueraded',
    objects: [
      service('web', { type: 'NodePort', sessionAffinity: 'ClientIP', ports: [{ port: 80, nodePort: 30080 }] }),
    ],
    finds: [
      'Service shop/web spec.sessionAffinity: ClientIP affinity under policy Cluster, reached by node ports: a client sticks to a pod for each node it comes in by, not for the cluster.',
    ],
    quiet: [service('web', { ...local, sessionAffinity: 'ClientIP' })],
  },
  {
    code: 'affinity-masqueraded',
    why: 'behind a proxy all clients are one; inside the cluster nobody comes in by other nodes',
    objects: [
      service(
        'web',
        { type: 'LoadBalancer', sessionAffinity: 'ClientIP' },
        { status: { loadBalancer: { ingress: [{ ip: '203.0.113.1', ipMode: 'Proxy' }] } } },
      ),
    ],
    finds: [
      'Service shop/web spec.sessionAffinity: ClientIP affinity under policy Cluster, reached by a load balancer: the load balancer proxies, so all its clients stick to one pod.',
    ],
    quiet: [service('web', { sessionAffinity: 'ClientIP' })],
  },
  {
    code: 'selector-matches-nothing',
    objects: [
      service('web', { selector: { app: 'web', tier: 'front' } }),
      deployment('web', { app: 'web', tier: 'back' }),
      deployment('api', { app: 'api' }),
    ],
    finds: [
      'Service shop/web spec.selector: selector app=web,tier=front matches no Pod or pod template of namespace shop; Deployment shop/web has tier=back, not front.',
    ],
    quiet: [service('web', app), deployment('web', { app: 'web', tier: 'back' })],
  },
  {
    code: 'selector-matches-nothing',
    why: 'the workload is in another namespace; but endpoints show that there is a Pod that was not given',
    objects: [service('web', app), deployment('web', { app: 'web' }, [], 'elsewhere')],
    finds: [
      'Service shop/web spec.selector: selector app=web matches no Pod or pod template of namespace shop; it does match Deployment elsewhere/web.',
    ],
    quiet: [service('web', app), deployment('web', { app: 'web' }, [], 'elsewhere'), onA],
  },
  {
    code: 'selector-matches-nothing',
    why: 'Pods that are over do not count, templates of CronJobs do',
    objects: [
      service('web', app),
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'p', namespace: 'shop', labels: { app: 'web' } },
        status: { phase: 'Succeeded' },
      },
      deployment('api', { role: 'api' }),
    ],
    finds: ['Service shop/web spec.selector: selector app=web matches no Pod or pod template of namespace shop.'],
    quiet: [
      service('web', app),
      {
        apiVersion: 'batch/v1',
        kind: 'CronJob',
        metadata: { name: 'c', namespace: 'shop' },
        spec: {
          jobTemplate: {
            spec: { template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c' }] } } },
          },
        },
      },
    ],
  },
  {
    code: 'target-port-unknown',
    objects: [
      service('web', { ...app, ports: [{ port: 80, targetPort: 'http' }] }),
      deployment('web', { app: 'web' }, [
        { name: 'web', containerPort: 8080 },
        { name: 'http', containerPort: 8081, protocol: 'UDP' },
      ]),
    ],
    finds: [
      'Service shop/web spec.ports[0].targetPort: target port "http" is no TCP container port of Deployment shop/web; named there: web (8080/TCP), http (8081/UDP).',
    ],
    quiet: [
      service('web', { ...app, ports: [{ port: 80, targetPort: 'http' }] }),
      deployment('web', { app: 'web' }, [{ name: 'http', containerPort: 8080 }]),
    ],
  },
  {
    code: 'selected-twice',
    why: 'but a way in from outside beside the one from inside is on purpose',
    objects: [service('web', app), second(app)],
    finds: [twice],
    wayOut: /^Correct the selector/,
    quiet: [service('web', app), second({ ...app, type: 'NodePort' })],
  },
  {
    code: 'selected-twice',
    why: 'other selectors, but the same endpoints; and other target ports of the same pods',
    objects: [
      service('web', app),
      second({ selector: { tier: 'front' }, ports: [{ port: 8000 }] }),
      onA,
      slice('other', [endpoint('10.1.0.1', 'a')]),
    ],
    finds: [twice],
    quiet: [service('web', app), second({ ...app, ports: [{ port: 80, targetPort: 9090 }] })],
  },
  {
    code: 'selected-twice',
    why: 'with the policies that may be the reason; but a headless Service beside one with a cluster IP is usual',
    objects: [
      service('web', { ...app, internalTrafficPolicy: 'Local', sessionAffinity: 'ClientIP' }),
      second({ ...app, trafficDistribution: 'PreferClose' }),
    ],
    finds: [
      `${twice.slice(0, -1)}; what differs: internalTrafficPolicy Local here, Cluster there; sessionAffinity ClientIP for 10800 s here, None there; trafficDistribution not set here, PreferClose there.`,
    ],
    wayOut: /^If both are meant, silence this/,
    quiet: [service('web', app), second({ ...app, clusterIP: 'None' })],
  },
  {
    code: 'selected-twice',
    why: 'two ways in from outside; but not two kinds of load balancers',
    objects: [
      service('web', { ...app, type: 'NodePort' }),
      second({ ...app, type: 'LoadBalancer', loadBalancerSourceRanges: ['198.51.100.0/24'] }),
    ],
    finds: [
      `${twice.slice(0, -1)}; what differs: type NodePort here, LoadBalancer there; loadBalancerSourceRanges not set here, 198.51.100.0/24 there.`,
    ],
    quiet: [
      service('web', { ...app, type: 'LoadBalancer' }, annotated({ 'lb.example/internal': 'true' })),
      second({ ...app, type: 'LoadBalancer' }),
    ],
  },
  {
    code: 'selected-twice',
    why: 'two load balancers that only kubectl annotates; but not a Service with external IPs beside one without',
    objects: [
      service('web', { ...app, type: 'LoadBalancer' }, annotated({ [lastApplied]: '{"name":"web"}' })),
      second({ ...app, type: 'LoadBalancer' }),
    ],
    finds: [twice],
    quiet: [service('web', { ...app, externalIPs: ['192.0.2.1'] }), second(app)],
  },
  {
    code: 'selected-twice',
    why: 'a new Service of which there are no endpoints yet; but the same selector in another namespace is another one',
    objects: [service('web', app), onA, second(app)],
    finds: [twice],
    quiet: [service('web', app), service('other', { ...app, clusterIP: '10.96.0.2' }, elsewhere('other'))],
  },
  {
    code: 'selected-twice',
    why: 'other selectors, but the same workload, and a name for the port; but not the port of another name',
    objects: [
      service('web', { ...app, ports: [{ port: 80, targetPort: 'http' }] }),
      second({ selector: { tier: 'front' }, ports: [{ port: 80, targetPort: 8080 }] }),
      deployment('web', { app: 'web', tier: 'front' }, containerPorts),
    ],
    finds: [
      'Service shop/web spec.selector: it selects the same pods as Service shop/other, both on target port http.',
    ],
    quiet: [
      service('web', { ...app, ports: [{ port: 80, targetPort: 'http' }] }),
      second({ selector: { tier: 'front' }, ports: [{ port: 80, targetPort: 'admin' }] }),
      deployment('web', { app: 'web', tier: 'front' }, containerPorts),
    ],
  },
  {
    code: 'selected-twice',
    why: 'two headless Services; but one for peers beside one for clients is usual',
    objects: [service('web', { ...app, clusterIP: 'None' }), second({ ...app, clusterIP: 'None' })],
    finds: [twice],
    quiet: [
      service('web', { ...app, clusterIP: 'None' }),
      second({ ...app, clusterIP: 'None', publishNotReadyAddresses: true }),
    ],
  },
  {
    code: 'selected-twice',
    why: 'three of them: each with the first that it may be a copy of; but TCP and UDP are two things',
    objects: [
      service('balancer-a', { ...app, type: 'LoadBalancer', loadBalancerClass: 'a.example/lb' }),
      service('balancer-b', { ...app, type: 'LoadBalancer', clusterIP: '10.96.0.2' }),
      service('balancer-c', { ...app, type: 'LoadBalancer', clusterIP: '10.96.0.3' }),
    ],
    finds: [
      'Service shop/balancer-c spec.selector: it selects the same pods as Service shop/balancer-b, both on target port 80.',
    ],
    quiet: [service('web', app), second({ ...app, ports: [{ port: 80, protocol: 'UDP' }] })],
  },
  {
    code: 'slice-by-hand',
    objects: [service('web', app), byHand],
    finds: [
      'EndpointSlice shop/web-x metadata.labels: EndpointSlice web-x has no endpointslice.kubernetes.io/managed-by, but its Service has a selector.',
    ],
    quiet: [service('web'), byHand],
  },
  {
    code: 'udp-without-endpoints',
    objects: [
      service('web', {
        ports: [
          { name: 'dns', port: 53, protocol: 'UDP' },
          { name: 'dns-tcp', port: 53 },
        ],
      }),
      slice('web', []),
    ],
    finds: [
      'Service shop/web spec.ports[0]: UDP port 53 has no endpoint: datagrams are rejected by ICMP, which most clients never see.',
    ],
    quiet: [service('web', { ports: dns }), slice('web', ['10.1.0.1'], { ports: dns })],
  },
  {
    code: 'udp-without-endpoints',
    why: 'one that is not ready is none; and TCP is refused visibly',
    objects: [
      service('web', { ports: dns }),
      slice('web', [{ addresses: ['10.1.0.1'], conditions: { ready: false } }], { ports: dns }),
    ],
    finds: [
      'Service shop/web spec.ports[0]: UDP port 53 has 1 endpoint, none of them ready: datagrams are rejected by ICMP, which most clients never see.',
    ],
    quiet: [service('web'), slice('web', [])],
  },
  {
    code: 'port-without-endpoints',
    objects: [service('web', { ports: http }), slice('web', ['10.1.0.1'], { ports: [{ name: 'web', port: 8080 }] })],
    finds: ['Service shop/web spec.ports[0]: no IPv4 EndpointSlice has its port http/TCP; they have web 8080/TCP.'],
    quiet: [service('web', { ports: http }), slice('web', ['10.1.0.1'], { ports: [{ name: 'http', port: 8080 }] })],
  },
  {
    code: 'slice-without-service',
    why: 'but where no Service of the namespace is known, the input is a part of a cluster',
    objects: [service('web'), slice('wep', ['10.1.0.1'])],
    finds: [
      'EndpointSlice shop/wep-1 metadata.labels.kubernetes.io/service-name: there is no Service shop/wep, so nothing reaches its 1 endpoint.',
    ],
    quiet: [service('web', {}, elsewhere('web')), slice('wep', ['10.1.0.1'])],
  },
  {
    code: 'not-ready-published',
    objects: [service('web', { publishNotReadyAddresses: true })],
    finds: [
      'Service shop/web spec.publishNotReadyAddresses: pods get traffic whether ready or not: publishNotReadyAddresses is true, with a cluster IP.',
    ],
    quiet: [service('web', { publishNotReadyAddresses: true, clusterIP: 'None' })],
  },
  {
    code: 'endpoints-truncated',
    objects: [
      service('web'),
      {
        apiVersion: 'v1',
        kind: 'Endpoints',
        metadata: {
          name: 'web',
          namespace: 'shop',
          annotations: { 'endpoints.kubernetes.io/over-capacity': 'truncated' },
        },
        subsets: [
          {
            addresses: Array.from({ length: 1001 }, (_, i) => ({ ip: `10.1.${i >> 8}.${i & 255}` })),
            ports: [{ port: 80 }],
          },
        ],
      },
    ],
    finds: [
      'Endpoints shop/web metadata.annotations.endpoints.kubernetes.io/over-capacity: Endpoints shop/web was cut to 1000 endpoints.',
      'Endpoints shop/web subsets[0]: 1001 addresses in one subset of Endpoints shop/web: 1000 are mirrored, the others get nothing.',
    ],
    quiet: [
      service('web'),
      {
        apiVersion: 'v1',
        kind: 'Endpoints',
        metadata: { name: 'web', namespace: 'shop' },
        subsets: [{ addresses: [{ ip: '10.1.0.1' }], ports: [{ port: 80 }] }],
      },
    ],
  },
  {
    code: 'hints-incomplete',
    why: 'but what is not ready needs no hint',
    objects: [
      ...inZones,
      service('web'),
      slice('web', [endpoint('10.1.0.1', 'a', 'zone-a'), endpoint('10.1.0.2', 'b')]),
    ],
    finds: [
      'Service shop/web spec.ports[0]: zone hints of 1 endpoint are ignored everywhere, as 10.1.0.2:8080 has none.',
    ],
    quiet: [
      ...inZones,
      service('web'),
      slice('web', [
        endpoint('10.1.0.1', 'a', 'zone-a'),
        { ...endpoint('10.1.0.2', 'b'), conditions: { ready: false } },
      ]),
    ],
  },
  {
    code: 'hints-node-without-zone',
    objects: [...inZones, node('c', ['192.168.0.3']), service('web'), hinted],
    finds: ['Service shop/web spec.ports[0]: zone hints are ignored on c: no zone label there.'],
    quiet: [...inZones, service('web'), hinted],
  },
  {
    code: 'hints-for-other-zones',
    why: 'but hints for nodes come first, and there is one for c',
    objects: [...inZones, node('c', ['192.168.0.3'], 'zone-c'), service('web'), hinted],
    finds: ['Service shop/web spec.ports[0]: zone hints are ignored on c: no endpoint is for zone zone-c.'],
    quiet: [
      node('c', ['192.168.0.3'], 'zone-c'),
      service('web'),
      slice('web', [{ addresses: ['10.1.0.1'], hints: { forZones: [{ name: 'zone-a' }], forNodes: [{ name: 'c' }] } }]),
    ],
  },
  {
    code: 'hints-missing',
    objects: [...two, service('web', { trafficDistribution: 'PreferSameZone' }), onBoth],
    finds: [
      'Service shop/web spec.trafficDistribution: trafficDistribution PreferSameZone asks for topology hints, but no endpoint has one: the endpoints are in no zone.',
    ],
    quiet: [...inZones, service('web', { trafficDistribution: 'PreferSameZone' }), hinted],
  },
  {
    code: 'hints-missing',
    why: 'mode Auto wants an endpoint for every zone',
    objects: [
      ...inZones,
      service('web', {}, annotated({ 'service.kubernetes.io/topology-mode': 'Auto' })),
      slice('web', [{ addresses: ['10.1.0.1'], zone: 'zone-a' }]),
    ],
    finds: [
      'Service shop/web metadata.annotations.service.kubernetes.io/topology-mode: annotation service.kubernetes.io/topology-mode: Auto asks for topology hints, but no endpoint has one: 1 ready endpoint for 2 zones.',
    ],
    wayOut: /Run 2 pods or more/,
    quiet: [service('web', {}, annotated({ 'service.kubernetes.io/topology-mode': 'Disabled' })), onBoth],
  },
  {
    code: 'hints-without-effect',
    objects: [service('web', { internalTrafficPolicy: 'Local', trafficDistribution: 'PreferSameZone' })],
    finds: [
      'Service shop/web spec.trafficDistribution: trafficDistribution PreferSameZone has no effect: all traffic of the Service is under policy Local.',
    ],
    quiet: [service('web', { ...local, internalTrafficPolicy: 'Local', trafficDistribution: 'PreferSameZone' })],
  },
  {
    code: 'field-refused',
    objects: [
      service('web', {
        loadBalancerSourceRanges: ['198.51.100.0/24'],
        allocateLoadBalancerNodePorts: false,
        loadBalancerClass: 'example.com/lb',
        healthCheckNodePort: 32000,
        externalTrafficPolicy: 'Cluster',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } },
        ports: [{ port: 80, nodePort: 30080 }],
      }),
    ],
    finds: [
      'Service shop/web spec.allocateLoadBalancerNodePorts: the API server refuses allocateLoadBalancerNodePorts unless type is LoadBalancer.',
      'Service shop/web spec.externalTrafficPolicy: the API server refuses externalTrafficPolicy unless the Service has node ports, a load balancer or external IPs.',
      'Service shop/web spec.healthCheckNodePort: the API server refuses healthCheckNodePort unless type is LoadBalancer and externalTrafficPolicy is Local.',
      'Service shop/web spec.loadBalancerClass: the API server refuses loadBalancerClass unless type is LoadBalancer.',
      'Service shop/web spec.loadBalancerSourceRanges: the API server refuses loadBalancerSourceRanges unless type is LoadBalancer.',
      'Service shop/web spec.ports[0].nodePort: the API server refuses node port 30080 of a Service of type ClusterIP.',
      'Service shop/web spec.sessionAffinityConfig: the API server refuses sessionAffinityConfig unless sessionAffinity is ClientIP.',
    ],
    quiet: [
      service('web', {
        type: 'LoadBalancer',
        loadBalancerSourceRanges: ['198.51.100.0/24'],
        allocateLoadBalancerNodePorts: false,
        loadBalancerClass: 'example.com/lb',
        healthCheckNodePort: 32000,
        externalTrafficPolicy: 'Local',
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } },
      }),
    ],
  },
  {
    code: 'address-refused',
    objects: [
      service('web', { externalIPs: ['127.0.0.1', '169.254.169.254', 'fe80::1', '224.0.0.1', '0.0.0.0', '192.0.2.1'] }),
      slice('web', ['10.1.0.1', '127.0.0.53']),
    ],
    finds: [
      'EndpointSlice shop/web-1 endpoints: the API server refuses endpoint 127.0.0.53: 127.0.0.53 is a loopback address.',
      'Service shop/web spec.externalIPs[0]: the API server refuses external IP 127.0.0.1: it is a loopback address.',
      'Service shop/web spec.externalIPs[1]: the API server refuses external IP 169.254.169.254: it is a link-local address.',
      'Service shop/web spec.externalIPs[2]: the API server refuses external IP fe80::1: it is a link-local address.',
      'Service shop/web spec.externalIPs[3]: the API server refuses external IP 224.0.0.1: it is a link-local multicast address.',
      'Service shop/web spec.externalIPs[4]: the API server refuses external IP 0.0.0.0: it is unspecified.',
    ],
    quiet: [service('web', { externalIPs: ['192.0.2.1', '2001:db8::1', 'ff0e::1'] }), slice('web', ['10.1.0.1'])],
  },
  {
    code: 'topology-value-unknown',
    objects: [
      service(
        'web',
        { trafficDistribution: 'PreferLocal' },
        annotated({ 'service.kubernetes.io/topology-mode': 'auto-ish' }),
      ),
    ],
    finds: [
      'Service shop/web metadata.annotations.service.kubernetes.io/topology-mode: annotation service.kubernetes.io/topology-mode: "auto-ish" gives no hints.',
      'Service shop/web spec.trafficDistribution: the API server refuses trafficDistribution "PreferLocal".',
    ],
    quiet: [
      service(
        'web',
        { trafficDistribution: 'PreferClose' },
        annotated({ 'service.kubernetes.io/topology-mode': 'Auto' }),
      ),
    ],
  },
  {
    code: 'node-port-outside-range',
    objects: [service('web', { ...balanced, ports: [{ port: 80, nodePort: 8080 }], healthCheckNodePort: 40000 })],
    finds: [
      'Service shop/web spec.healthCheckNodePort: health check node port 40000 is outside of 30000-32767.',
      'Service shop/web spec.ports[0].nodePort: node port 8080 is outside of 30000-32767.',
    ],
    quiet: [service('web', { ...balanced, ports: [{ port: 80, nodePort: 8080 }], healthCheckNodePort: 40000 })],
    quietSettings: { nodePortRange: [8080, 40000] },
  },
  {
    code: 'node-ports-kept',
    objects: [service('web', { ...balanced, allocateLoadBalancerNodePorts: false })],
    finds: [
      'Service shop/web spec.allocateLoadBalancerNodePorts: node port 30080 stays open although allocateLoadBalancerNodePorts is false.',
    ],
    quiet: [service('web', { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false })],
  },
  {
    code: 'lost-in-mode',
    settings: { ...configured, mode: 'nftables', config: { mode: 'iptables' } },
    objects: [...two, service('web', balanced), onBoth],
    finds: [
      'KubeProxyConfiguration mode: firewall in front of health-check node ports of shop/web. Mode iptables: a rule in filter INPUT accepts them. Mode nftables: no rule: a firewall of the host must let them in.',
      'KubeProxyConfiguration mode: forwarded Service traffic where the FORWARD chain of the host drops. Mode iptables: masqueraded packets and answers pass (KUBE-FORWARD). Mode nftables: dropped: a firewall of the host must let it through.',
      'KubeProxyConfiguration mode: node ports on 127.0.0.1 of shop/web. Mode iptables: answered over IPv4; route_localnet is set for it. Mode nftables: not answered.',
    ],
    quiet: [...two, service('web', balanced), onBoth],
    quietSettings: { ...configured, mode: 'nftables', config: { mode: 'nftables' } },
  },
  {
    code: 'lost-in-mode',
    why: 'IPVS mode has outside addresses on the node; but without a configuration nobody knows what came before',
    settings: { ...configured, mode: 'iptables', config: { mode: 'ipvs' } },
    objects: [...two, service('web', { externalIPs: ['192.0.2.1'] }), onBoth],
    finds: [
      'KubeProxyConfiguration mode: external IPs and load-balancer addresses of shop/web. Mode ipvs: on kube-ipvs0: the node answers ARP for them (unless ipvs.strictARP is set) and refuses their other ports. Mode iptables: not on the node; packets that are routed to it are translated.',
    ],
    quiet: [...two, service('web', { externalIPs: ['192.0.2.1'] }), onBoth],
    quietSettings: { mode: 'nftables' },
  },
  {
    code: 'nftables-no-localhost',
    settings: { mode: 'nftables', config: { nodePortAddresses: cidrs('192.168.0.0/16', '127.0.0.0/8') } },
    objects: [...two, service('web', local), onBoth],
    finds: [
      'KubeProxyConfiguration nodePortAddresses: node ports of shop/web do not answer on 127.0.0.0/8 in mode nftables.',
    ],
    quiet: [...two, service('web', local), onBoth],
    quietSettings: { config: { nodePortAddresses: cidrs('192.168.0.0/16', '127.0.0.0/8') } },
  },
  {
    code: 'nftables-primary-node-ports',
    settings: { mode: 'nftables' },
    objects: [node('a', ['192.168.0.1', '10.0.0.1']), service('web', local)],
    finds: [
      'KubeProxyConfiguration nodePortAddresses: a has several InternalIPs of a family, but node ports of shop/web answer on the first only.',
    ],
    quiet: [node('a', ['192.168.0.1', 'fd01::1']), service('web', local)],
    quietSettings: { mode: 'nftables' },
  },
  {
    code: 'settings-of-other-mode',
    why: 'but the flag --masquerade-all sets the sections of all modes',
    settings: {
      mode: 'nftables',
      config: { iptables: section(true, 15), ...ipvs({ scheduler: 'sh', tcpTimeoutSeconds: 900, strictARP: true }) },
    },
    objects: [service('web')],
    finds: [
      'KubeProxyConfiguration iptables.masqueradeAll: iptables.masqueradeAll is not read in mode nftables: nftables.masqueradeAll is false.',
      'KubeProxyConfiguration iptables.masqueradeBit: iptables.masqueradeBit 15 is not read in mode nftables: the bit is 14.',
      'KubeProxyConfiguration ipvs.scheduler: ipvs.scheduler sh is not read in mode nftables: endpoints are chosen at random, and a client stays with one only by sessionAffinity.',
      'KubeProxyConfiguration ipvs: a timeout of section ipvs is not read in mode nftables: connections live as long as conntrack keeps them.',
    ],
    quiet: [service('web')],
    quietSettings: { mode: 'nftables', config: { iptables: section(true, 14), nftables: section(true, 14) } },
  },
  {
    code: 'ipvs-deprecated',
    settings: { mode: 'ipvs' },
    objects: [service('web')],
    finds: ['KubeProxyConfiguration mode: mode ipvs is deprecated since Kubernetes v1.35.'],
    quiet: [service('web')],
  },
  {
    code: 'ipvs-scheduler',
    settings: { mode: 'ipvs', config: ipvs({ scheduler: 'dh' }) },
    objects: [service('web')],
    finds: [
      'KubeProxyConfiguration ipvs.scheduler: scheduler dh hashes the destination, so all clients of an address get one endpoint.',
    ],
    quiet: [service('web')],
    quietSettings: { mode: 'ipvs', config: ipvs({ scheduler: 'lc' }) },
  },
  {
    code: 'ipvs-scheduler',
    why: 'one that no kernel has; other modes read none',
    settings: { mode: 'ipvs', config: ipvs({ scheduler: 'nope' }) },
    objects: [service('web')],
    finds: ['KubeProxyConfiguration ipvs.scheduler: scheduler nope is none that comes with the kernel.'],
    quiet: [service('web')],
    quietSettings: { mode: 'nftables', config: ipvs({ scheduler: 'nope' }) },
  },
  {
    code: 'unknown-lint-code',
    objects: [service('web', {}, annotated({ 'kuberules.dev/lint-ignore': 'selected-twice, no-such-check,' }))],
    finds: ['Service shop/web metadata.annotations.kuberules.dev/lint-ignore: "no-such-check" is no code of a check.'],
    quiet: [service('web', {}, annotated({ 'kuberules.dev/lint-ignore': 'selected-twice' }))],
  },
];

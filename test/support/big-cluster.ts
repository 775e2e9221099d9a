/** A regular cluster of any size, for measuring. */
import type { RawObject } from '../../src/index.js';

/** One Node, `services` ClusterIP Services and one EndpointSlice of `endpoints` endpoints for each. */
export function bigCluster(services: number, endpoints: number): readonly RawObject[] {
  const objects: RawObject[] = [
    {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'node-0' },
      spec: { podCIDRs: ['10.128.0.0/24'] },
      status: { addresses: [{ type: 'InternalIP', address: '192.168.0.2' }] },
    },
  ];
  for (let i = 0; i < services; i++) objects.push(bigService(i), bigSlice(i, endpoints));
  return objects;
}

function bigService(index: number): RawObject {
  const clusterIP = `10.${96 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `service-${index}`, namespace: `namespace-${index % 50}`, labels: { app: `app-${index}` } },
    spec: {
      type: 'ClusterIP',
      selector: { app: `app-${index}` },
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      internalTrafficPolicy: 'Cluster',
      sessionAffinity: 'None',
      ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 8080 }],
    },
    status: { loadBalancer: {} },
  };
}

/** The slice of one Service; another `round` gives it one other endpoint. */
export function bigSlice(index: number, endpoints: number, round = 0): RawObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `service-${index}-abcde`,
      namespace: `namespace-${index % 50}`,
      labels: { 'kubernetes.io/service-name': `service-${index}` },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    endpoints: Array.from({ length: endpoints }, (_, i) => {
      const n = index * endpoints + i;
      return {
        addresses: [`10.${128 + (n >> 16)}.${(n >> 8) & 255}.${i === 0 ? (n + round) & 255 : n & 255}`],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: `node-${n % 100}`,
        targetRef: { kind: 'Pod', namespace: `namespace-${index % 50}`, name: `service-${index}-${i}` },
      };
    }),
  };
}

/** Two states of one small cluster, between which everything changes that can: for tests of the applier. */

/** Objects as a List in JSON. */
export function clusterList(version: 'old' | 'new', services = 24): string {
  const items: unknown[] = [
    {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'worker-1' },
      status: { addresses: [{ type: 'InternalIP', address: '192.168.0.11' }] },
    },
  ];
  for (let i = 0; i < services; i++) items.push(...service(i, version));
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
}

/** By its number a Service keeps all, swaps an endpoint, loses all, gets its first, appears, goes, or limits who may come. */
function service(i: number, version: 'old' | 'new'): readonly unknown[] {
  const isNew = version === 'new';
  const kind = i % 7;
  if ((kind === 4 && !isNew) || (kind === 5 && isNew)) return [];
  const name = `web-${i}`;
  const endpoints = kind === 1 && isNew ? [1, 2, 9] : (kind === 2 && isNew) || (kind === 3 && !isNew) ? [] : [1, 2, 3];
  const restricted = kind === 6;
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'shop' },
      spec: {
        type: restricted ? 'LoadBalancer' : 'ClusterIP',
        clusterIP: `10.96.1.${i + 1}`,
        ports: [{ port: 80, protocol: 'TCP', ...(restricted ? { nodePort: 30000 + i } : {}) }],
        ...(restricted && isNew ? { loadBalancerSourceRanges: ['203.0.113.0/24'] } : {}),
      },
      ...(restricted ? { status: { loadBalancer: { ingress: [{ ip: `198.51.100.${i + 1}` }] } } } : {}),
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-x`, namespace: 'shop', labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ name: '', port: 8080, protocol: 'TCP' }],
      endpoints: endpoints.map((n) => ({ addresses: [`10.244.${i}.${n}`], conditions: { ready: true } })),
    },
  ];
}

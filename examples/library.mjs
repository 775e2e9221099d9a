import { compile, hasErrors, loadCluster, located, partText } from 'kuberules';

/** @type {import('@kubernetes/client-node').V1Service} */
const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'shop' },
  spec: { clusterIP: '10.96.0.20', ports: [{ port: 80 }] },
};

/** @type {import('@kubernetes/client-node').V1EndpointSlice} */
const slice = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'web-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } },
  addressType: 'IPv4',
  ports: [{ port: 8080 }],
  endpoints: [{ addresses: ['10.244.1.7'] }],
};

const cluster = loadCluster(located([service, slice]));
if (hasErrors(cluster.diagnostics)) throw new Error(cluster.diagnostics[0].message);

const { parts } = compile(cluster.state, { mode: 'iptables' });
for (const line of partText(parts[0]).split('\n')) {
  if (line.includes('DNAT --to')) console.log(line);
}

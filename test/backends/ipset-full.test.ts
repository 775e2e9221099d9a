import { expect, it } from 'vitest';
import { compile, loadCluster, type RawObject } from '../../src/index.js';

const service: RawObject = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }] },
};

/** A slice of local endpoints, each with an entry in KUBE-LOOP-BACK. */
const slice = (count: number): RawObject => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
  addressType: 'IPv4',
  ports: [{ port: 8080 }],
  endpoints: Array.from({ length: count }, (_, i) => ({
    addresses: [`10.${128 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`],
    nodeName: 'here',
  })),
});

it('IPVS mode says when a set would be fuller than ipset allows', () => {
  const said = (count: number) => {
    const { state } = loadCluster([{ object: service }, { object: slice(count) }]);
    return compile(state, { mode: 'ipvs', node: 'here', family: 'ipv4' }).diagnostics.filter(
      ({ code }) => code === 'ipset-full',
    );
  };
  expect(said(65_536)).toEqual([]);
  expect(said(65_537)).toMatchObject([
    { severity: 'warning', message: 'set KUBE-LOOP-BACK would have 65537 entries, but it takes 65536.' },
  ]);
});

import { expect, it } from 'vitest';
import { compile, loadCluster, type RawObject } from '../../src/index.js';

const PORTS = Array.from({ length: 256 }, (_, i) => ({ name: `p-${i}`, port: 8000 + i }));

function service(name: string, ip: string, ports: typeof PORTS): RawObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { clusterIP: ip, ports: ports.map(({ name: port }, i) => ({ name: port, port: 80 + i })) },
  };
}

/** A slice of local endpoints, each with an entry for every port in KUBE-LOOP-BACK. */
function slice(name: string, count: number, ports: typeof PORTS): RawObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports,
    endpoints: Array.from({ length: count }, (_, i) => ({
      addresses: [`10.128.${name.length}.${i}`],
      nodeName: 'here',
    })),
  };
}

it('IPVS mode says when a set would be fuller than ipset allows', () => {
  const full = [service('many', '10.96.0.1', PORTS), slice('many', 256, PORTS)];
  const [port] = PORTS;
  const more = port === undefined ? [] : [service('a', '10.96.0.2', [port]), slice('a', 1, [port])];
  const said = (objects: readonly RawObject[]) => {
    const { state, diagnostics } = loadCluster(objects.map((object) => ({ object })));
    expect(diagnostics).toEqual([]);
    return compile(state, { mode: 'ipvs', node: 'here', family: 'ipv4' }).diagnostics.filter(
      ({ code }) => code === 'ipset-full',
    );
  };
  expect(said(full)).toEqual([]);
  expect(said([...full, ...more])).toMatchObject([
    { severity: 'warning', message: 'set KUBE-LOOP-BACK would have 65537 entries, but it takes 65536.' },
  ]);
});

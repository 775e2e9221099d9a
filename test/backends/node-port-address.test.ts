/** Node ports that answer nowhere are not passed over in silence. */
import { expect, it } from 'vitest';
import { compile, DEFAULT_CONFIG, loadCluster, type ProxyMode, type RawObject } from '../../src/index.js';
import { parseCidr } from '../../src/net/ip.js';

const node: RawObject = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'here' },
  status: { addresses: [{ type: 'InternalIP', address: '192.0.2.1' }] },
};
const service: RawObject = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { type: 'NodePort', clusterIP: '10.96.0.1', ports: [{ port: 80, nodePort: 30080 }] },
};

function warned(objects: readonly RawObject[], mode: ProxyMode, network?: string): boolean {
  const { state } = loadCluster(objects.map((object) => ({ object })));
  const cidr = network === undefined ? undefined : parseCidr(network);
  const config = { ...DEFAULT_CONFIG, nodePortAddresses: cidr === undefined ? [] : [cidr] };
  return compile(state, { mode, config }).diagnostics.some(({ code }) => code === 'no-node-port-address');
}

it.each<[string, readonly RawObject[], ProxyMode, string | undefined, boolean]>([
  ['a known node', [node, service], 'ipvs', undefined, false],
  ['an unknown node in IPVS mode, which needs its addresses', [service], 'ipvs', undefined, true],
  ['an unknown node in iptables mode, which matches any', [service], 'iptables', undefined, false],
  ['an unknown node in nftables mode, whose primary address is wanted', [service], 'nftables', undefined, true],
  ['an unknown node in nftables mode, with networks of everything', [service], 'nftables', '0.0.0.0/0', false],
  ['networks with the node', [node, service], 'iptables', '192.0.2.0/24', false],
  ['networks without the node', [node, service], 'iptables', '10.0.0.0/8', true],
  ['networks without the node', [node, service], 'ipvs', '10.0.0.0/8', true],
  ['networks without the node', [node, service], 'nftables', '10.0.0.0/8', true],
  ['loopback alone, where iptables mode has node ports', [node, service], 'iptables', '127.0.0.0/8', false],
  ['loopback alone, where nftables mode has none', [node, service], 'nftables', '127.0.0.0/8', true],
  ['no node port at all', [node], 'ipvs', '10.0.0.0/8', false],
])('%s (%#)', (_what, objects, mode, network, expected) => {
  expect(warned(objects, mode, network)).toBe(expected);
});

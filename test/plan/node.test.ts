/** What holds for all service ports of a node: each case is a sentence of kube-proxy's behaviour (spec sections 3, 4.6, 9). */
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_CONFIG,
  emptyState,
  loadCluster,
  type ProxyConfig,
  type RawObject,
  readConfig,
} from '../../src/index.js';
import { parseNode } from '../../src/kube/node.js';
import { chooseNode, familiesOf } from '../../src/plan/choose-node.js';
import { neutralNode, nodeFacts } from '../../src/plan/node.js';

function config(yaml: string): ProxyConfig {
  const header = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';
  const loaded = readConfig({ name: 'config.yaml', text: header + yaml });
  expect(loaded.diagnostics.filter((each) => each.severity === 'error')).toEqual([]);
  return loaded.config;
}

function nodeObject(name: string, addresses: readonly [string, string][], spec: object = {}): RawObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    spec,
    status: { addresses: addresses.map(([type, address]) => ({ type, address })) },
  };
}

function node(addresses: readonly [string, string][], spec: object = {}) {
  const parsed = parseNode({ object: nodeObject('here', addresses, spec) }, []);
  if (parsed === undefined) throw new Error('no node');
  return parsed;
}

const HERE = node([
  ['ExternalIP', '203.0.113.5'],
  ['InternalIP', '192.0.2.11'],
  ['InternalIP', '2001:db8::11'],
  ['Hostname', 'here'],
]);

const facts = (yaml: string, family: 'ipv4' | 'ipv6' = 'ipv4', of = HERE) =>
  nodeFacts(of, family, 'iptables', config(yaml));

describe('the node IP', () => {
  it('is the first InternalIP, though an ExternalIP stands before it', () => {
    expect(facts('').nodeIP.text).toBe('192.0.2.11');
  });
  it('is the ExternalIP where there is no InternalIP', () => {
    expect(facts('', 'ipv4', node([['ExternalIP', '203.0.113.5']])).nodeIP.text).toBe('203.0.113.5');
  });
  it('is a specific bindAddress of the family', () => {
    expect(facts('bindAddress: 198.51.100.1').nodeIP.text).toBe('198.51.100.1');
    expect(facts('bindAddress: 198.51.100.1', 'ipv6').nodeIP.text).toBe('2001:db8::11');
    expect(facts('bindAddress: 0.0.0.0').nodeIP.text).toBe('192.0.2.11');
  });
  it('is the loopback address where nothing is known', () => {
    expect(facts('', 'ipv6', neutralNode('')).nodeIP.text).toBe('::1');
  });
});

describe('families', () => {
  it('are those of the addresses and of bindAddress', () => {
    const state = emptyState();
    expect(familiesOf(HERE, state, DEFAULT_CONFIG)).toEqual(['ipv4', 'ipv6']);
    const single = node([['InternalIP', '192.0.2.11']]);
    expect(familiesOf(single, state, DEFAULT_CONFIG)).toEqual(['ipv4']);
    expect(familiesOf(single, state, config('bindAddress: 2001:db8::9'))).toEqual(['ipv4', 'ipv6']);
    expect(familiesOf(neutralNode(''), state, DEFAULT_CONFIG)).toEqual(['ipv4']);
  });
});

describe('nodePortAddresses', () => {
  const ports = (list: string, family: 'ipv4' | 'ipv6' = 'ipv4') => {
    const { nodePortAddresses, localhostNodePorts } = facts(`nodePortAddresses: ${list}`, family);
    return { ...nodePortAddresses, localhostNodePorts };
  };
  it.each<[string, object]>([
    ['[]', { all: true, local: [], localhostNodePorts: true }],
    ['["2001:db8::/64"]', { all: true, local: [], localhostNodePorts: true }],
    ['[192.0.2.0/24]', { all: false, local: ['192.0.2.11'], localhostNodePorts: false }],
    ['[203.0.113.0/24, 192.0.2.0/24]', { all: false, local: ['192.0.2.11', '203.0.113.5'], localhostNodePorts: false }],
    ['[192.0.2.0/24, 127.0.0.0/8]', { all: false, local: ['127.0.0.1', '192.0.2.11'], localhostNodePorts: true }],
    // The network's own address is asked for, so one that has no address here covers loopback all the same.
    ['[127.0.0.2/32]', { all: false, local: [], localhostNodePorts: true }],
    ['[126.0.0.0/7]', { all: false, local: ['127.0.0.1'], localhostNodePorts: true }],
    ['[10.0.0.0/8]', { all: false, local: [], localhostNodePorts: false }],
    ['[10.0.0.0/8, 0.0.0.0/0]', { all: true, local: [], localhostNodePorts: true }],
    ['[primary]', { all: false, local: ['192.0.2.11'], localhostNodePorts: false }],
  ])('%s', (list, expected) => {
    expect(ports(list)).toMatchObject(expected);
  });

  it('covers no loopback for IPv6', () => {
    expect(ports('["::/0"]', 'ipv6')).toMatchObject({ all: true, localhostNodePorts: false });
    expect(ports('["::1/128"]', 'ipv6')).toMatchObject({ all: false, local: ['::1'], localhostNodePorts: false });
  });

  it('primary means everything where the node IP is not known or is a loopback bindAddress', () => {
    const of = (yaml: string) =>
      facts(`nodePortAddresses: [primary]\n${yaml}`, 'ipv4', neutralNode('')).nodePortAddresses;
    expect(of('')).toMatchObject({ all: true });
    expect(of('bindAddress: 127.0.0.1')).toMatchObject({ all: true });
  });

  it('stops at the first /0, so that a loopback network behind it is not read', () => {
    const mapped = facts('nodePortAddresses: ["::/0", "127.0.0.0/8"]', 'ipv6').nodePortAddresses;
    expect(mapped).toMatchObject({ all: true, coversLoopback: false });
  });
});

describe('the local detector', () => {
  it.each<[string, object | undefined]>([
    ['', undefined],
    ['clusterCIDR: 10.244.0.0/16', { kind: 'cidr', cidr: '10.244.0.0/16' }],
    ['clusterCIDR: "fd00:244::/48"', undefined],
    ['clusterCIDR: 10.244.0.0/16\ndetectLocalMode: NodeCIDR', { kind: 'cidr', cidr: '10.244.1.0/24' }],
    ['detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: cni0}', { kind: 'interface', name: 'cni0' }],
    [
      'detectLocalMode: InterfaceNamePrefix\ndetectLocal: {interfaceNamePrefix: veth}',
      { kind: 'interface-prefix', prefix: 'veth' },
    ],
  ])('%j', (yaml, expected) => {
    const here = node([['InternalIP', '192.0.2.11']], { podCIDRs: ['fd00:244:1::/64', '10.244.1.0/24'] });
    expect(facts(yaml, 'ipv4', here).localDetector).toEqual(expected);
  });

  it('takes podCIDR where podCIDRs is missing, as the API server fills it in', () => {
    const here = node([['InternalIP', '192.0.2.11']], { podCIDR: '10.244.3.0/24' });
    expect(facts('detectLocalMode: NodeCIDR', 'ipv4', here).localDetector).toEqual({
      kind: 'cidr',
      cidr: '10.244.3.0/24',
    });
  });
});

describe('the choice of the node', () => {
  const { state } = loadCluster(
    ['b', 'a'].map((name) => ({ object: nodeObject(name, [['InternalIP', '192.0.2.1']]) })),
  );
  const choose = (asked: string | undefined, yaml = '') => {
    const { node: chosen, diagnostics } = chooseNode(state, asked, config(yaml));
    return [chosen?.name, ...diagnostics.map((each) => each.code)];
  };
  it('is what was asked for, else hostnameOverride, else the first in the input', () => {
    expect(choose('a', 'hostnameOverride: b')).toEqual(['a']);
    expect(choose(undefined, 'hostnameOverride: " A "')).toEqual(['a']);
    expect(choose(undefined)).toEqual(['b', 'node-choice']);
    expect(choose('c')).toEqual([undefined, 'unknown-node']);
    expect(choose(undefined, 'hostnameOverride: c')).toEqual([undefined, 'unknown-node']);
  });
  it('is a node without addresses where no Node is given, with the name that was asked for', () => {
    const { node: chosen } = chooseNode(emptyState(), 'edge', DEFAULT_CONFIG);
    expect(chosen).toEqual(neutralNode('edge'));
  });
});

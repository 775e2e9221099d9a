/** Which connections of UDP count as stale, told from what conntrack lists. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readFlows, staleFlows } from '../../src/apply/conntrack.js';
import { DEFAULT_CONFIG, loadCluster, planNode, readObjects } from '../../src/index.js';

const LINES = [
  'udp      17 29 src=10.244.9.9 dst=10.96.0.10 sport=4001 dport=53 src=10.244.1.5 dst=10.244.9.9 sport=5353 dport=4001 mark=0 use=1',
  'udp      17 29 src=10.244.9.9 dst=203.0.113.10 sport=4004 dport=53 [UNREPLIED] src=203.0.113.10 dst=10.244.9.9 sport=53 dport=4004 mark=0 zone=7 use=1',
  'udp      17 29 src=fd00::9 dst=fd00::10 sport=4004 dport=53 [UNREPLIED] src=fd00:1::5 dst=fd00::9 sport=5353 dport=4004 [ASSURED] use=1',
  'conntrack v1.4.7 (conntrack-tools): 3 flow entries have been shown.',
];

it('reads where a client sends and who answers', () => {
  expect(readFlows(LINES.join('\n'))).toEqual([
    { destination: '10.96.0.10', destinationPort: 53, answers: '10.244.1.5', answersPort: 5353, zone: undefined },
    { destination: '203.0.113.10', destinationPort: 53, answers: '203.0.113.10', answersPort: 53, zone: '7' },
    { destination: 'fd00::10', destinationPort: 53, answers: 'fd00:1::5', answersPort: 5353, zone: undefined },
  ]);
});

const text = readFileSync('test/kernel/udp.yaml', 'utf8');
const { state } = loadCluster(readObjects([{ name: 'udp.yaml', text }]).objects);
const [node] = [...state.nodes.values()];
if (node === undefined) throw new Error('the example has no Node');
const { servicePorts } = planNode(state, { node, family: 'ipv4', mode: 'iptables', config: DEFAULT_CONFIG });

it.each([
  ['a serving endpoint', '10.96.0.10', 53, '10.244.1.5', 5353, false],
  ['one that ends, but still serves', '10.96.0.10', 53, '10.244.1.6', 5353, false],
  ['one that does not serve', '10.96.0.10', 53, '10.244.1.7', 5353, true],
  ['another port of a serving one', '10.96.0.10', 53, '10.244.1.5', 5354, true],
  ['nobody: it began without endpoints', '10.96.0.10', 53, '10.96.0.10', 53, true],
  ['another port of the cluster IP', '10.96.0.10', 54, '10.244.1.7', 5353, false],
  ['an external IP', '203.0.113.10', 53, '203.0.113.10', 53, true],
  ['a node port of this host', '192.168.0.11', 30053, '10.244.1.8', 5353, true],
  ['the same port of another host', '192.168.0.12', 30053, '192.168.0.12', 30053, false],
  ['a Service without endpoints', '10.96.0.11', 53, '10.244.1.7', 5353, false],
])('%s', (_, destination, destinationPort, answers, answersPort, isStale) => {
  const flow = { destination, destinationPort, answers, answersPort, zone: undefined };
  expect(staleFlows(servicePorts, [flow, flow], new Set(['192.168.0.11']))).toEqual(isStale ? [flow] : []);
});

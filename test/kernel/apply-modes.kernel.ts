/** A node that changes its mode: open connections stay open, new ones never fail, and of the old mode nothing is left. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { afterAll, expect, test } from 'vitest';
import { leftoversOf } from '../../src/apply/areas.js';
import { compile, DEFAULT_CONFIG, loadCluster, type ProxyMode, type RawObject } from '../../src/index.js';
import { type ApplyHost, applyHost, applyTo, wantedParts } from './apply-host.js';
import { skipWithReason, variantUnavailable } from './available.js';
import type { Host } from './host.js';
import { nftUnavailable } from './nftables.js';
import { hostAddresses } from './places.js';
import { buildTopology } from './topology.js';

const topology = await buildTopology({ sctp: false });
afterAll(() => topology.close());
const node = topology.hosts['node-a'];
const reason =
  (await variantUnavailable(node, 'nft')) ?? (await variantUnavailable(node, 'legacy')) ?? (await nftUnavailable(node));
const skip = skipWithReason('changing the mode', reason);

const VIP = '10.96.7.1';
const PORT = 9000;
const PODS = ['pod-a1', 'pod-b1'] as const;

const objects: readonly RawObject[] = [
  {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'node-0' },
    status: { addresses: [{ type: 'InternalIP', address: hostAddresses['node-a'].ipv4 }] },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'echo', namespace: 'default' },
    spec: {
      clusterIP: VIP,
      ports: [{ port: PORT }, { name: 'line', port: 80 }].map((port, i) => ({ name: `p${i}`, ...port })),
    },
  },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'echo-x', namespace: 'default', labels: { 'kubernetes.io/service-name': 'echo' } },
    addressType: 'IPv4',
    ports: [
      { name: 'p0', port: PORT },
      { name: 'line', port: 8080 },
    ],
    endpoints: PODS.map((pod) => ({ addresses: [hostAddresses[pod].ipv4], conditions: { ready: true } })),
  },
];

const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

/** A script of Node on a host; its first line says that it is ready. */
async function script(host: Host, text: string): Promise<{ readonly child: ChildProcess; readonly lines: Interface }> {
  const child = spawn('nsenter', [`--net=/proc/${host.pid}/ns/net`, process.execPath, '-e', text], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout });
  await new Promise((resolve) => lines.once('line', resolve));
  return { child, lines };
}

const SERVER = `require('net').createServer((s) => { s.on('error', () => {}); s.pipe(s); }).listen(${PORT}, () => console.log('ready'))`;
const CLIENT = `const s = require('net').connect(${PORT}, '${VIP}', () => { console.log('ready'); process.stdin.pipe(s); s.pipe(process.stdout); });
s.on('error', (e) => console.log(e.code)); s.on('end', () => console.log('closed'));`;

async function apply(applier: ApplyHost, mode: ProxyMode, variant: 'nft' | 'legacy'): Promise<void> {
  const { state } = loadCluster(objects.map((object) => ({ object })));
  const { parts } = compile(state, { mode, config: DEFAULT_CONFIG, node: 'node-0' });
  // IPVS needs another kernel; test/kernel/apply-ipvs.uml.ts has it.
  const leftovers = leftoversOf(mode).filter(({ kind }) => kind !== 'ipvs');
  await applyTo(applier, [...wantedParts(parts, { mode, variant }), ...leftovers]);
}

/** What there is of each mode on the host. */
async function present(): Promise<readonly string[]> {
  const results = await node.run([
    { argv: ['iptables-nft-save'] },
    { argv: ['iptables-legacy-save'] },
    { argv: ['nft', 'list', 'tables'] },
  ]);
  const [nft, legacy, tables] = results.map(({ stdout }) => stdout);
  return [
    ...(nft?.includes(':KUBE-') ? ['iptables-nft'] : []),
    ...(legacy?.includes(':KUBE-') ? ['iptables-legacy'] : []),
    ...(tables?.includes('kube-proxy') ? ['nftables'] : []),
  ];
}

test.skipIf(skip)('iptables, nftables and back: open connections survive, and new ones never fail', async () => {
  for (const pod of PODS) await script(topology.hosts[pod], SERVER);
  const applier = applyHost(node);
  await apply(applier, 'iptables', 'nft');
  expect(await present()).toEqual(['iptables-nft']);
  const clients = await Promise.all(Array.from({ length: 6 }, () => script(topology.hosts.client, CLIENT)));
  const speak = async (text: string): Promise<readonly string[]> =>
    Promise.all(
      clients.map(async ({ child, lines }) => {
        const answer = new Promise<string>((resolve) => lines.once('line', resolve));
        child.stdin?.write(`${text}\n`);
        return answer;
      }),
    );
  const same = (text: string) => clients.map(() => text);
  expect(await speak('first')).toEqual(same('first'));
  for (const [mode, variant, left] of [
    ['nftables', 'nft', 'nftables'],
    ['iptables', 'legacy', 'iptables-legacy'],
    ['nftables', 'nft', 'nftables'],
    ['iptables', 'nft', 'iptables-nft'],
  ] as const) {
    let isOver = false;
    const changing = apply(applier, mode, variant).finally(() => {
      isOver = true;
    });
    const errors: (string | undefined)[] = [];
    do {
      const probe = { protocol: 'tcp', to: VIP, port: 80, count: 5, parallel: 1, timeout: 5000 } as const;
      errors.push(...(await topology.hosts.client.probe(probe)).map(({ error }) => error));
    } while (!isOver);
    await changing;
    expect(await present()).toEqual([left]);
    expect(errors.filter((error) => error !== undefined)).toEqual([]);
    expect(await speak(`now in ${left}`)).toEqual(same(`now in ${left}`));
  }
});

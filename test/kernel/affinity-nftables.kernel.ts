/** Session affinity ends after its time without connections, and each connection puts the end off. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { DEFAULT_CONFIG, type RawObject, readObjects } from '../../src/index.js';
import { compileObjects } from '../support/compile-objects.js';
import { skipWithReason } from './available.js';
import { clusterFile } from './backend.js';
import { loadScript, nftUnavailable } from './nftables.js';
import { clusterIP, type Family, families, sources } from './places.js';
import { buildTopology } from './topology.js';

/** Long enough for a busy machine to make all connections in half of it. */
const seconds = 20;
const topology = await buildTopology({ sctp: false });
const node = topology.hosts['node-a'];
const skip = skipWithReason('affinity in nftables mode', await nftUnavailable(node));
afterAll(() => topology.close());

describe.skipIf(skip)('nftables', () => {
  beforeAll(async () => {
    const { objects } = readObjects([{ name: 'cluster.yaml', text: readFileSync(clusterFile, 'utf8') }]);
    const given = { objects: objects.map(({ object }) => impatient(object)), config: DEFAULT_CONFIG, node: 'node-a' };
    for (const { texts } of compileObjects(given, 'nftables').families) await loadScript(node, texts.nft ?? '');
  });

  test.concurrent.for(families)(
    'a client keeps its endpoint while it comes back in time, %s',
    async (family, { expect }) => {
      const first = await choices(family);
      const over = Date.now() + seconds * 1000;
      expect(first).not.toContain(undefined);
      expect(await memories(family)).toHaveLength(first.length);
      // Until the time is over since the first connections, each one in the second half of what is left.
      do {
        await expect.poll(() => leastOf(family), patience).toBeLessThan(seconds / 2);
        const listed = Date.now();
        const left = await memories(family);
        expect(left).toHaveLength(first.length);
        expect(await choices(family)).toEqual(first);
        const took = Date.now() - listed;
        expect(took, 'this machine was too busy: a memory ended meanwhile').toBeLessThan(Math.min(...left) * 1000);
      } while (Date.now() < over);
      await expect.poll(() => memories(family), patience).toEqual([]);
      // Sixteen clients would choose the same again once in 43 million times.
      expect(await choices(family)).not.toEqual(first);
    },
  );
});

const patience = { timeout: 2 * seconds * 1000, interval: 250 };

/** The Service `sticky` with a shorter memory; everything else as it is. */
function impatient(object: RawObject): RawObject {
  const { name } = object.metadata as { readonly name: string };
  if (object.kind !== 'Service' || name !== 'sticky') return object;
  const spec = object.spec as object;
  return { ...object, spec: { ...spec, sessionAffinityConfig: { clientIP: { timeoutSeconds: seconds } } } };
}

/** Which endpoint each client of the crowd gets. */
async function choices(family: Family): Promise<(string | undefined)[]> {
  const { host, addresses } = sources('crowd', family);
  return Promise.all(
    addresses.map(async (from) => {
      const to = clusterIP('sticky')[family];
      const request = { protocol: 'tcp', from, to, port: 80, count: 1, parallel: 1, timeout: 5000 } as const;
      const [outcome] = await topology.hosts[host].probe(request);
      return outcome?.answer?.split(' ')[0];
    }),
  );
}

/** How many seconds, rounded down, each client is still remembered. */
async function memories(family: Family): Promise<number[]> {
  const table = family === 'ipv4' ? 'ip' : 'ip6';
  const [result] = await node.run([{ argv: ['nft', '-j', 'list', 'table', table, 'kube-proxy'] }]);
  return Array.from((result?.stdout ?? '').matchAll(/"expires": (\d+)/g), ([, left]) => Number(left));
}

/** How many seconds are left to the client that is forgotten first; none where all are forgotten. */
async function leastOf(family: Family): Promise<number> {
  return Math.min(...(await memories(family)));
}

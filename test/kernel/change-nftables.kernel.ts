/** One cluster's tables in a real kernel: what clients and others notice of a change, and what goes wrong. */
import { describe, expect, test } from 'vitest';
import type { Wanted } from '../../src/apply/wanted.js';
import type { RawObject } from '../../src/index.js';
import { compileObjects } from '../support/compile-objects.js';
import { applyHost, applyTo, writingCommands } from './apply-host.js';
import { bring, type Table, tableOf, wanted } from './apply-tables.js';
import { skipWithReason } from './available.js';
import { withHost } from './load-suite.js';
import { listedState, writtenState } from './nft-normal-form.js';
import { listing, loadScript, nftUnavailable, olderTable } from './nftables.js';
import { families } from './places.js';

const skip = skipWithReason('changing tables with nft', await withHost('check', nftUnavailable));

describe.skipIf(skip)('nftables', () => {
  test('clients stay remembered, whatever else changes', async () => {
    await withHost('node', async (host) => {
      await bring(host, clusterTables());
      const sets = Array.from((await tableOf(host, 'ipv4'))?.matchAll(/set (affinity-\S+)/g) ?? [], ([, name]) => name);
      expect(sets).toHaveLength(3);
      const remember = sets.map((set) => `add element ip kube-proxy ${set} { 10.0.0.9 }\n`).join('');
      await loadScript(host, remember);
      const remembered = async (): Promise<readonly string[]> => {
        const listed = (await tableOf(host, 'ipv4')) ?? '';
        const found = listed.matchAll(/set (affinity-\S+) \{[^}]*elements = \{ 10\.0\.0\.9 /g);
        return Array.from(found, ([, name = '']) => name);
      };
      expect(await remembered()).toEqual(sets);
      const apply = (change: (object: RawObject) => RawObject | undefined) =>
        applyTo(applyHost(host), wanted(clusterTables(change)));
      // Another Service goes, comes back with a node port, and has no endpoints.
      await apply((object) => (isOf(object, 'web') ? undefined : object));
      await apply((object) =>
        isOf(object, 'web') ? withSpec(object, { type: 'NodePort', ports: [NODE_PORT] }) : object,
      );
      await apply((object) => (isOf(object, 'web') && object.kind === 'EndpointSlice' ? undefined : object));
      // The Service itself: other policies, a source range.
      await apply((object) => (isOf(object, 'sticky') ? withSpec(object, { internalTrafficPolicy: 'Local' }) : object));
      await apply((object) => (isOf(object, 'sticky') ? withSpec(object, { externalIPs: ['198.51.100.9'] }) : object));
      expect(await remembered()).toEqual(sets);
      // An endpoint goes, and with it its clients; when it comes back nobody is remembered there.
      const two = (object: RawObject) =>
        isOf(object, 'sticky') && object.kind === 'EndpointSlice'
          ? { ...object, endpoints: (object.endpoints as readonly unknown[]).slice(1) }
          : object;
      await apply(two);
      const left = await remembered();
      expect(left).toHaveLength(2);
      expect(sets).toEqual(expect.arrayContaining([...left]));
      await apply((object) => object);
      expect([...(await remembered())].sort()).toEqual([...left].sort());
      // Another timeout is for everybody.
      await bring(
        host,
        clusterTables((object) =>
          isOf(object, 'sticky')
            ? withSpec(object, { sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } })
            : object,
        ),
      );
      expect(await remembered()).toEqual([]);
    });
  });

  test('tables of others stay as they are, and are all that is left afterwards', async () => {
    const foreign = [
      'table ip filter {\n\tchain FORWARD {\n\t\ttype filter hook forward priority 0; policy drop;\n\t\tcounter accept\n\t}\n}\n',
      'table inet kube-proxy {\n\tset s { type ipv4_addr; elements = { 10.0.0.1 } }\n\tchain services {\n\t\tip saddr @s drop\n\t}\n}\n',
      'table ip6 kube-proxy-2 {\n\tchain services {\n\t\tdrop\n\t}\n}\n',
    ].join('');
    await withHost('node', async (host) => {
      await loadScript(host, foreign);
      // With handles, by which a rule that was made anew is told.
      const others = async (): Promise<string> => {
        const tables = ['ip filter', 'inet kube-proxy', 'ip6 kube-proxy-2'];
        const argv = ['nft', '-a', 'list', 'table'];
        const results = await host.run(tables.map((table) => ({ argv: [...argv, ...table.split(' ')] })));
        return results.map(({ stdout }) => stdout).join('');
      };
      const before = await others();
      const all = await listing(host);
      await bring(host, clusterTables());
      expect(await others()).toBe(before);
      await bring(
        host,
        clusterTables((object) => (isOf(object, 'web') ? undefined : object)),
      );
      expect(await others()).toBe(before);
      await bring(
        host,
        families.map((family) => ({ family, script: '' })),
      );
      expect(await others()).toBe(before);
      expect(await listing(host)).toBe(all);
    });
  });

  test.concurrent.each<[string, string]>([
    [
      'a base chain of another priority',
      'delete chain ip kube-proxy nat-output\nadd chain ip kube-proxy nat-output { type nat hook output priority -50 ; }',
    ],
    [
      'a set of another type',
      'flush chain ip kube-proxy services\nflush chain ip kube-proxy cluster-ips-check\ndelete set ip kube-proxy cluster-ips\nadd set ip kube-proxy cluster-ips { type ipv4_addr . inet_service ; }',
    ],
    [
      'a map of another type',
      'flush chain ip kube-proxy services\ndelete map ip kube-proxy service-ips\nadd map ip kube-proxy service-ips { type ipv4_addr : verdict ; }',
    ],
    [
      'a set where a map was',
      'flush chain ip kube-proxy services\ndelete map ip kube-proxy service-ips\nadd set ip kube-proxy service-ips { type ipv4_addr ; }',
    ],
    ['a counter', 'add counter ip kube-proxy drops\ninsert rule ip kube-proxy services counter name drops'],
    [
      'a chain and a map in use',
      [
        'add chain ip kube-proxy own',
        'add map ip kube-proxy own { type ipv4_addr : verdict ; }',
        'add element ip kube-proxy own { 10.0.0.1 : goto own }',
        'add rule ip kube-proxy own drop',
        'add rule ip kube-proxy services ip saddr vmap @own',
      ].join('\n'),
    ],
    ['a table that is switched off', 'add table ip kube-proxy { flags dormant ; }'],
    ['rules in another order', 'add rule ip kube-proxy nat-output accept\ninsert rule ip kube-proxy services drop'],
    ['a table of an earlier kube-proxy', `delete table ip kube-proxy\n${olderTable('ipv4')}`],
    ['an empty table', 'delete table ip kube-proxy\nadd table ip kube-proxy'],
  ])('%s is put right', async (_, damage) => {
    await withHost('node', async (host) => {
      await bring(host, clusterTables());
      const right = await tableOf(host, 'ipv4');
      await loadScript(host, `${damage}\n`);
      expect(await tableOf(host, 'ipv4')).not.toBe(right);
      const saved: Wanted[] = [];
      await applyTo(applyHost(host), wanted(clusterTables()), saved);
      const { script } = clusterTables()[0] ?? { script: '' };
      expect(listedState((await tableOf(host, 'ipv4')) ?? '', 'ipv4')).toEqual(writtenState(script, 'ipv4'));
      // And back, whatever it was.
      const damaged = await withHost('other', async (other) => {
        await bring(other, clusterTables());
        await loadScript(other, `${damage}\n`);
        return (await tableOf(other, 'ipv4')) ?? '';
      });
      await applyTo(applyHost(host), saved);
      expect(sortedLines((await tableOf(host, 'ipv4')) ?? '')).toEqual(sortedLines(damaged));
    });
  });

  test('a kernel that frees chains late is left with empty ones until the next change', async () => {
    await withHost('node', async (host) => {
      const old = applyHost(host, { '/proc/sys/kernel/osrelease': '5.15.0-91-generic\n' });
      await bring(host, clusterTables(), old);
      const fewer = wanted(clusterTables((object) => (isOf(object, 'web') ? undefined : object)));
      const { notes } = await applyTo(old, fewer);
      expect(notes).toEqual([expect.stringMatching(/^Chains that are of no use any more \(1\)/)]);
      expect(await tableOf(host, 'ipv4')).toMatch(/chain service-\w+-shop\/web\/tcp\/http \{\n\t\}/);
      old.forget();
      expect((await applyTo(old, fewer)).areas).toEqual([]);
      expect(writingCommands(old)).toEqual([]);
      // The chain is wanted again, and then again not.
      await bring(host, clusterTables(), old);
      await applyTo(old, fewer);
      const change = (object: RawObject) =>
        isOf(object, 'web')
          ? undefined
          : isOf(object, 'sticky')
            ? withSpec(object, { externalIPs: ['198.51.100.9'] })
            : object;
      await bring(host, clusterTables(change), old);
    });
  });

  test('a refused line is named, and what there was stays in force, in both families', async () => {
    await withHost('node', async (host) => {
      await bring(host, clusterTables());
      const before = await listing(host);
      const tables = clusterTables((object) => (isOf(object, 'web') ? undefined : object));
      const bad = tables.map(({ family, script }) => ({
        family,
        script: family === 'ipv4' ? script : `${script}add rule ip6 kube-proxy services goto nowhere\n`,
      }));
      const applied = applyTo(applyHost(host), wanted(bad));
      await expect(applied).rejects.toThrow(
        /^`nft -f -`, run to write table ip6 kube-proxy, failed \(exit status 1\); it says: \/dev\/stdin:\d+:\d+-\d+: Error: Could not process rule: No such file or directory; line \d+ of its input: add rule ip6 kube-proxy services goto nowhere\. The old rules are in force\.$/,
      );
      expect(sortedLines(await listing(host))).toEqual(sortedLines(before));
    });
  });
});

/** A cluster with Services `sticky` (affinity, three endpoints) and `web`, changed by a function. */
function clusterTables(change: (object: RawObject) => RawObject | undefined = (object) => object): readonly Table[] {
  const objects = CLUSTER.flatMap((object) => change(object) ?? []);
  return compileObjects({ objects, node: 'node-1' }, 'nftables').families.map(({ plan, texts }) => ({
    family: plan.node.family,
    script: texts.nft ?? '',
  }));
}

/** Chains and sets that are made anew are listed last. */
function sortedLines(text: string): readonly string[] {
  return text
    .replace(/,\n\s+/g, ', ')
    .split('\n')
    .map((line) => line.replace(/elements = \{ (.*) \}/, (_, all: string) => all.split(', ').sort().join(', ')))
    .sort();
}

const NODE_PORT = { name: 'http', port: 80, nodePort: 30080 };

function service(name: string, number: number, spec: object): RawObject {
  const clusterIPs = [`10.96.0.${number}`, `fd00:10:96::${number}`];
  const all = {
    clusterIP: clusterIPs[0],
    clusterIPs,
    ipFamilies: ['IPv4', 'IPv6'],
    ports: [{ name: 'http', port: 80 }],
  };
  return { apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'shop', name }, spec: { ...all, ...spec } };
}

function slice(name: string, family: 'IPv4' | 'IPv6', hosts: readonly number[]): RawObject {
  const address = (host: number) => (family === 'IPv4' ? `10.244.1.${host}` : `fd00:10:244:1::${host}`);
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      namespace: 'shop',
      name: `${name}-${family.toLowerCase()}`,
      labels: { 'kubernetes.io/service-name': name },
    },
    addressType: family,
    ports: [{ name: 'http', port: 8080 }],
    endpoints: hosts.map((host) => ({ addresses: [address(host)], nodeName: 'node-1', conditions: { ready: true } })),
  };
}

const CLUSTER: readonly RawObject[] = [
  {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'node-1' },
    spec: { podCIDRs: ['10.244.1.0/24', 'fd00:10:244:1::/64'] },
    status: { addresses: ['192.0.2.11', '2001:db8::11'].map((address) => ({ type: 'InternalIP', address })) },
  },
  service('sticky', 10, { sessionAffinity: 'ClientIP' }),
  slice('sticky', 'IPv4', [11, 12, 13]),
  slice('sticky', 'IPv6', [11, 12]),
  service('web', 11, {}),
  slice('web', 'IPv4', [21, 22]),
];

/** Whether an object is a Service or one of its slices. */
function isOf({ metadata }: RawObject, service: string): boolean {
  const { name } = metadata as { readonly name: string };
  return name === service || name.startsWith(`${service}-`);
}

/** A Service with other fields in its spec; slices stay as they are. */
function withSpec(object: RawObject, spec: object): RawObject {
  return object.kind === 'Service' ? { ...object, spec: { ...(object.spec as object), ...spec } } : object;
}

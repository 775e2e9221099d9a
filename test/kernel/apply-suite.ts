/** What connections notice of an apply, in any mode: nothing while other Services change, and never a wrong endpoint. */
import { afterAll, describe, expect, test } from 'vitest';
import { compile, DEFAULT_CONFIG, loadCluster, type ProxyConfig, type RawObject } from '../../src/index.js';
import { type Applied, applyHost, applyTo, wantedParts } from './apply-host.js';
import { skipWithReason } from './available.js';
import type { Host, Outcome } from './host.js';
import { type Family, families, type HostName, hostAddresses } from './places.js';
import { RANDOM_NODE, randomChanges } from './random-changes.js';
import { CHANGES_UNDER_CONNECTIONS } from './sizes.js';
import { buildTopology } from './topology.js';

/** A mode to test. */
export interface AppliedMode extends Applied {
  readonly name: string;
  /** Why it cannot be tested on this machine, or undefined. */
  unavailable(host: Host): Promise<string | undefined>;
}

/** In the numbers of changes. */
export interface SuiteSize {
  readonly others: number;
  readonly own: number;
}

type Pod = Extract<HostName, `pod-${string}`>;

const PODS: readonly Pod[] = ['pod-a1', 'pod-a2', 'pod-a3', 'pod-b1', 'pod-b2'];

const CONFIG: ProxyConfig = { ...DEFAULT_CONFIG, clusterCIDRs: { ipv4: '10.244.0.0/16', ipv6: 'fd00:10:244::/48' } };

/** Both of the tests are about connections of the client to these. */
const STEADY = { ipv4: '10.96.5.1', ipv6: 'fd00:10:96::501' };
const STICKY = { ipv4: '10.96.5.2', ipv6: 'fd00:10:96::502' };
const NODE_PORT = 32_000;

/** One network for the mode, in which node-a is what is applied to. */
export async function applySuite(mode: AppliedMode, size: SuiteSize = CHANGES_UNDER_CONNECTIONS): Promise<void> {
  const topology = await buildTopology({ sctp: false });
  afterAll(() => topology.close());
  const node = topology.hosts['node-a'];
  const reason = await mode.unavailable(node);
  const skip = skipWithReason(`connections while ${mode.name} is applied`, reason);
  const { client } = topology.hosts;
  const applier = applyHost(node);
  const last = new Map<Family, string>();

  /** Applies the families for which something else is wanted than the last time; says how many these were. */
  const bring = async (objects: readonly RawObject[]): Promise<number> => {
    const { state, diagnostics } = loadCluster([nodeObject, ...objects].map((object) => ({ object })));
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
    const { parts } = compile(state, { mode: mode.mode, config: CONFIG, node: RANDOM_NODE });
    const wanted = wantedParts(parts, mode).filter((each) => last.get(each.family) !== JSON.stringify(each));
    await applyTo(applier, wanted);
    for (const each of wanted) last.set(each.family, JSON.stringify(each));
    return wanted.length;
  };

  describe.skipIf(skip)(mode.name, () => {
    test(`${size.others} changes to other Services`, async () => {
      // What is over makes room at once; there are more connections than the usual two minutes leave ports for.
      await node.sysctl({ 'net/netfilter/nf_conntrack_tcp_timeout_time_wait': '1' });
      const steady = [...steadyObjects(PODS), ...stickyObjects()];
      await bring(steady);
      const seed = 500;
      let applied = 0;
      const changes = async (): Promise<void> => {
        for (const { objects } of randomChanges(seed, size.others)) {
          applied += await bring([...steady, ...objects.filter(({ kind }) => kind !== 'Node')]);
        }
      };
      const targets: readonly Target[] = [
        { name: 'steady', to: STEADY.ipv4, port: 80 },
        { name: 'sticky', to: STICKY.ipv6, port: 80 },
        { name: 'node port', to: hostAddresses['node-a'].ipv6, port: NODE_PORT },
      ];
      const outcomes = await connectWhile(client, targets, changes());
      expect(applied, `changes of seed ${seed}`).toBeGreaterThan(size.others / 2);
      for (const { name } of targets) {
        const own = outcomes.get(name) ?? [];
        expect(own.length, name).toBeGreaterThan(size.others / 2);
        expect(
          own.filter(({ error }) => error !== undefined),
          name,
        ).toEqual([]);
        const servers = new Set(own.map(serverOf));
        expect(servers.size, `${name}: ${[...servers].join(', ')}`).toBe(name === 'sticky' ? 1 : PODS.length);
      }
    });

    test(`${size.own} changes to its own endpoints`, async () => {
      const targets = families.map((family) => ({ name: family, to: STEADY[family], port: 80 }));
      let before: readonly Pod[] = PODS;
      await bring(steadyObjects(before));
      for (let number = 1; number <= size.own; number++) {
        // Every set but the empty one, in an order in which neighbours share little.
        const bits = ((number * 11) % 31) + 1;
        const after = PODS.filter((_, i) => (bits >> i) % 2 === 1);
        const during = await connectWhile(client, targets, bring(steadyObjects(after)));
        const afterwards = await connectWhile(client, targets, Promise.resolve());
        for (const { name } of targets) {
          const said = `change ${number}, ${name}: ${before.join(', ')} to ${after.join(', ')}`;
          const reached = (outcomes: ReadonlyMap<string, readonly Outcome[]>) =>
            (outcomes.get(name) ?? []).map(serverOf);
          const either: readonly string[] = [...before, ...after];
          expect(
            reached(during).filter((server) => !either.includes(server)),
            said,
          ).toEqual([]);
          const now: readonly string[] = after;
          expect(
            reached(afterwards).filter((server) => !now.includes(server)),
            said,
          ).toEqual([]);
        }
        before = after;
      }
    });
  });
}

interface Target {
  readonly name: string;
  readonly to: string;
  readonly port: number;
}

/** Opens connections to every target without pause until a work ends; at least some, also where it ends at once. */
async function connectWhile(
  client: Host,
  targets: readonly Target[],
  work: Promise<unknown>,
): Promise<ReadonlyMap<string, readonly Outcome[]>> {
  let isOver = false;
  const ended = work.finally(() => {
    isOver = true;
  });
  const outcomes = new Map<string, Outcome[]>(targets.map(({ name }) => [name, []]));
  const stream = async ({ name, to, port }: Target): Promise<void> => {
    do {
      const request = {
        protocol: 'tcp',
        from: sourceFor(to),
        to,
        port,
        count: 10,
        parallel: 1,
        timeout: 5000,
      } as const;
      outcomes.get(name)?.push(...(await client.probe(request)));
    } while (!isOver);
  };
  await Promise.all([ended, ...targets.map(stream)]);
  return outcomes;
}

/** Always the same source, by which session affinity knows the client. */
function sourceFor(address: string): string {
  return hostAddresses.client[address.includes(':') ? 'ipv6' : 'ipv4'];
}

/** Who answered, or how the connection failed. */
function serverOf({ answer, error }: Outcome): string {
  return answer?.split(' ')[0] ?? String(error);
}

const nodeObject: RawObject = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: RANDOM_NODE },
  spec: { podCIDRs: ['10.244.1.0/24', 'fd00:10:244:1::/64'] },
  status: { addresses: families.map((family) => ({ type: 'InternalIP', address: hostAddresses['node-a'][family] })) },
};

function steadyObjects(pods: readonly Pod[]): readonly RawObject[] {
  const ports = [{ name: 'http', port: 80, nodePort: NODE_PORT }];
  return serviceObjects('steady', STEADY, { type: 'NodePort', ports }, pods);
}

function stickyObjects(): readonly RawObject[] {
  return serviceObjects('sticky', STICKY, { sessionAffinity: 'ClientIP', ports: [{ name: 'http', port: 80 }] }, PODS);
}

function serviceObjects(
  name: string,
  addresses: Readonly<Record<Family, string>>,
  spec: object,
  pods: readonly Pod[],
): readonly RawObject[] {
  const clusterIPs = families.map((family) => addresses[family]);
  const service: RawObject = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'default', name },
    spec: { clusterIP: clusterIPs[0], clusterIPs, ipFamilies: ['IPv4', 'IPv6'], ...spec },
  };
  const slices = families.map(
    (family): RawObject => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { namespace: 'default', name: `${name}-${family}`, labels: { 'kubernetes.io/service-name': name } },
      addressType: family === 'ipv4' ? 'IPv4' : 'IPv6',
      ports: [{ name: 'http', port: 8080 }],
      endpoints: pods.map((pod) => ({
        addresses: [hostAddresses[pod][family]],
        nodeName: pod.startsWith('pod-a') ? RANDOM_NODE : 'node-1',
        conditions: { ready: true },
      })),
    }),
  );
  return [service, ...slices];
}

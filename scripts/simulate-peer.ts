/**
 * npm run simulate-peer -- [SEED...]: compares `simulate` and `mirrorEndpoints` with a real Kubernetes control plane. The
 * same Nodes, Pods, Services and Endpoints go to both (scripts/simulate-peer-objects.ts), then Services, refusals and
 * EndpointSlices are compared: a table of them and some at random for each seed.
 *
 * The control plane has kube-apiserver and the endpoints, endpointslice and endpointslice-mirroring controllers, but no
 * kubelet and no scheduler: their work is done here. SERVICE_CIDR is its --service-cluster-ip-range. Exit status: 0 no
 * difference, or skipped (with the reason) where ../shared/realcluster is not built; 1 differences.
 */
import { isDeepStrictEqual } from 'node:util';
import type { V1EndpointSlice, V1Endpoints, V1Service } from '@kubernetes/client-node';
import { isMirrored, mirrorEndpoints } from '../src/kube/mirror.js';
import type { RawObject } from '../src/kube/objects.js';
import { simulate } from '../src/kube/simulate/simulate.js';
import { type ControlPlane, enterOwnNamespaces, eventually, startControlPlane } from './real-cluster.js';
import { peerObjects } from './simulate-peer-objects.js';

/** What is compared of a set of slices: names, order and where the hundreds are cut apart are the controllers' own. */
function comparable(slices: readonly V1EndpointSlice[]): unknown {
  const sorted = <T>(list: readonly T[]): T[] =>
    [...list].sort((x, y) => (JSON.stringify(x) < JSON.stringify(y) ? -1 : 1));
  const groups = new Map<string, { labels: unknown; sizes: number[]; endpoints: unknown[] }>();
  for (const slice of slices) {
    const ports = sorted((slice.ports ?? []).map((p) => [p.name, p.protocol, p.port, p.appProtocol]));
    const key = `${slice.addressType} ${JSON.stringify(ports)}`;
    const group = groups.get(key) ?? {
      labels: sorted(Object.entries(slice.metadata?.labels ?? {})),
      sizes: [],
      endpoints: [],
    };
    groups.set(key, group);
    group.sizes.push(slice.endpoints?.length ?? 0);
    for (const e of slice.endpoints ?? []) {
      group.endpoints.push([
        e.addresses,
        e.conditions?.ready,
        e.conditions?.serving,
        e.conditions?.terminating,
        e.nodeName,
        e.zone,
        e.hostname,
        e.targetRef?.kind,
        e.targetRef?.namespace,
        e.targetRef?.name,
        e.hints?.forZones?.map((z) => z.name),
        e.hints?.forNodes?.map((n) => n.name),
      ]);
    }
  }
  return sorted([...groups]).map(([key, group]) => ({
    key,
    ...group,
    sizes: sorted(group.sizes),
    endpoints: sorted(group.endpoints),
  }));
}

/** What is compared of a Service: families, and which numbers and addresses there are, not which. */
function comparableService({ spec }: V1Service): unknown {
  const nodePorts = spec?.ports?.map((port) => port.nodePort ?? 0) ?? [];
  return {
    families: spec?.ipFamilies,
    policy: spec?.ipFamilyPolicy,
    clusterIPs: spec?.clusterIPs?.map((ip) => (ip === 'None' ? ip : ip.includes(':') ? 'IPv6' : 'IPv4')),
    nodePorts: nodePorts.map((port) => (port === 0 ? -1 : nodePorts.indexOf(port))),
    healthCheck: (spec?.healthCheckNodePort ?? 0) > 0,
  };
}

const slicesOf = (list: readonly unknown[], name: string): V1EndpointSlice[] =>
  (list as V1EndpointSlice[]).filter((slice) => slice.metadata?.labels?.['kubernetes.io/service-name'] === name);

function nameOf(object: RawObject): string {
  return (object.metadata as { readonly name: string }).name;
}

/** What one seed came to. */
interface Outcome {
  /** How many Services and Endpoints were compared. */
  readonly sets: number;
  readonly refused: number;
  readonly differences: readonly string[];
}

async function compareSeed(plane: ControlPlane, seed: number, serviceRange: string): Promise<Outcome> {
  const { call, ok } = plane;
  const namespace = `peer-${seed}`;
  const { nodes, pods, services, endpoints: allEndpoints } = peerObjects(seed, namespace, serviceRange);
  const simulated = simulate(
    [...nodes, ...pods, ...services].map((object) => ({ object })),
    { serviceClusterIPRange: serviceRange },
  );
  const core = `/api/v1/namespaces/${namespace}`;
  const discovery = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
  await ok('POST', '/api/v1/namespaces', { metadata: { name: namespace } });
  for (const object of nodes) {
    await call('DELETE', `/api/v1/nodes/${nameOf(object)}`);
    await ok('POST', '/api/v1/nodes', object);
  }
  for (const object of simulated.pods) {
    const { metadata, spec, status } = object as unknown as {
      metadata: { name: string; labels: unknown; deletionTimestamp?: string };
      spec: unknown;
      status?: unknown;
    };
    const isDeleting = metadata.deletionTimestamp !== undefined;
    const created = {
      name: metadata.name,
      labels: metadata.labels,
      ...(isDeleting && { finalizers: ['example.com/stay'] }),
    };
    await ok('POST', `${core}/pods`, { ...object, metadata: created, status: undefined, spec });
    if (status !== undefined)
      await ok('PATCH', `${core}/pods/${metadata.name}/status`, { status }, 'application/merge-patch+json');
    if (isDeleting) await ok('DELETE', `${core}/pods/${metadata.name}`);
  }
  const refused = new Map<string, string>();
  for (const object of services) {
    const { code, body } = await call('POST', `${core}/services`, object);
    if (code >= 300) refused.set(nameOf(object), body.message ?? '');
  }
  for (const object of allEndpoints) {
    const alone = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: nameOf(object) },
      spec: { ports: [{ port: 80 }] },
    };
    await ok('POST', `${core}/services`, alone);
    await ok('POST', `${core}/endpoints`, object);
  }

  /** Names of what differs, with both sides. */
  function differences(realSlices: readonly RawObject[], realServices: readonly RawObject[]): string[] {
    const found: string[] = [];
    const compare = (what: string, ours: unknown, real: unknown): void => {
      if (!isDeepStrictEqual(ours, real))
        found.push(`${what}\n  ours ${JSON.stringify(ours)}\n  real ${JSON.stringify(real)}`);
    };
    const mine = simulated.objects.map(({ object }) => object);
    for (const object of services) {
      const name = (object.metadata as { name: string }).name;
      const conflict = simulated.diagnostics.some(
        (each) => each.severity === 'error' && each.object === `Service ${namespace}/${name}`,
      );
      compare(`Service ${name}: refused (${refused.get(name)})`, conflict, refused.has(name));
      if (conflict || refused.has(name)) continue;
      const named = (each: RawObject): boolean =>
        each.kind !== 'EndpointSlice' && (each.metadata as { name: string }).name === name;
      const real = realServices.find(named);
      const our = mine.find((each) => each.kind === 'Service' && named(each));
      compare(
        `Service ${name}`,
        comparableService(our as unknown as V1Service),
        comparableService(real as unknown as V1Service),
      );
      compare(
        `slices of ${name}`,
        comparable(
          slicesOf(
            mine.filter((each) => each.kind === 'EndpointSlice'),
            name,
          ),
        ),
        comparable(slicesOf(realSlices, name)),
      );
    }
    for (const object of allEndpoints) {
      const given = object as unknown as V1Endpoints;
      const name = given.metadata?.name ?? '';
      compare(
        `mirror of ${name}`,
        comparable(isMirrored(given) ? mirrorEndpoints(given) : []),
        comparable(slicesOf(realSlices, name)),
      );
    }
    return found;
  }

  let found: string[] = [];
  await eventually(120, async () => {
    const [slices, all] = await Promise.all([ok('GET', discovery), ok('GET', `${core}/services`)]);
    found = differences(slices.body.items ?? [], all.body.items ?? []);
    return found.length === 0 || undefined;
  });
  // Numbers and addresses that are set can be had by one Service only, so that the next seed needs them back.
  for (const object of [...services, ...allEndpoints]) await call('DELETE', `${core}/services/${nameOf(object)}`);
  return { sets: services.length + allEndpoints.length, refused: refused.size, differences: found };
}

enterOwnNamespaces();
const range = process.env.SERVICE_CIDR ?? '10.96.0.0/16,fd00:96::/112';
const seeds = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [1];
const plane = startControlPlane(range);
const outcomes: Outcome[] = [];
for (const seed of seeds) {
  const outcome = await compareSeed(plane, seed, range);
  for (const each of outcome.differences) console.log(`seed ${seed}: ${each}`);
  outcomes.push(outcome);
}
plane.stop();
const sum = (of: (outcome: Outcome) => number): number => outcomes.reduce((total, each) => total + of(each), 0);
const count = sum(({ differences }) => differences.length);
console.log(
  `${seeds.length === 1 ? 'seed' : 'seeds'} ${seeds.join(', ')}: ${sum(({ sets }) => sets)} Services and Endpoints with their Pods, ` +
    `${sum(({ refused }) => refused)} refused; ${count} differences`,
);
process.exitCode = count > 0 ? 1 : 0;

/** A cluster in which Services, endpoints and policies come and go, step by step. */
import fc from 'fast-check';
import { DEFAULT_CONFIG, type RawObject } from '../../src/index.js';
import { type RandomCluster, randomCluster } from '../property/random-cluster.js';

/** One state of the cluster. */
export type RandomStep = Pick<RandomCluster, 'objects' | 'config'>;

/** The node for which to compile: dual-stack, with addresses of its own. */
export const RANDOM_NODE = 'node-0';

/** Nodes, and what stays the same all the time. */
const NODES: readonly RawObject[] = ['node-0', 'node-1', 'node-2'].map((name, i) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels: { 'topology.kubernetes.io/zone': i === 0 ? 'zone-a' : 'zone-b' } },
  spec: { podCIDRs: [`10.244.${i}.0/24`, `fd00:244:${i}::/64`] },
  status: {
    addresses: [`192.168.${i}.2`, `2001:db8:1::${i + 2}`].map((address) => ({ type: 'InternalIP', address })),
  },
}));

/**
 * Steps that each differ from the one before in one Service with its slices, which is added, changed or removed; about
 * one in twenty in the configuration instead.
 * @param seed the same seed gives the same steps
 */
export function* randomChanges(seed: number, count: number): Generator<RandomStep> {
  const choice = fc.record({ cluster: randomCluster, which: fc.nat(), what: fc.integer({ min: 0, max: 19 }) });
  const services = new Map<number, readonly RawObject[]>();
  let config = DEFAULT_CONFIG;
  for (const { cluster, which, what } of fc.sample(fc.noBias(choice), { seed, numRuns: count })) {
    const offered = cluster.objects.flatMap((object) => (isProxied(object) ? (serviceOf(object) ?? []) : []));
    const index = offered[which % Math.max(offered.length, 1)];
    const objects = cluster.objects.filter((object) => serviceOf(object) === index);
    const present = [...services.keys()];
    if (what === 0) config = cluster.config;
    else if (index === undefined || what < 4) services.delete(present[which % Math.max(present.length, 1)] ?? 0);
    // Sometimes only the endpoints change.
    else services.set(index, what < 10 ? mixed(services.get(index), objects) : objects);
    yield { objects: [...NODES, ...[...services.values()].flat()], config };
  }
}

/** Whether an object is a Service with addresses of its own; others are no change to a node. */
function isProxied({ kind, spec }: RawObject): boolean {
  if (kind !== 'Service') return false;
  const { clusterIP = 'None' } = spec as { readonly clusterIP?: string };
  return clusterIP !== 'None';
}

/** The number of the Service that an object belongs to; undefined for nodes and ranges. */
function serviceOf({ kind, metadata }: RawObject): number | undefined {
  if (kind !== 'Service' && kind !== 'EndpointSlice') return undefined;
  const [, index] = /^svc-(\d+)/.exec((metadata as { readonly name: string }).name) ?? [];
  return Number(index);
}

/** The Service that is there with other endpoints; where there is none, the other Service. */
function mixed(present: readonly RawObject[] | undefined, other: readonly RawObject[]): readonly RawObject[] {
  const service = present?.find(({ kind }) => kind === 'Service');
  if (service === undefined) return other;
  const { namespace } = service.metadata as { readonly namespace: string };
  const slices = other.filter(({ kind }) => kind === 'EndpointSlice');
  return [service, ...slices.map((slice) => ({ ...slice, metadata: { ...(slice.metadata as object), namespace } }))];
}

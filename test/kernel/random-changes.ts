/** A cluster in which Services, endpoints and policies come and go, step by step. */
import fc from 'fast-check';
import type { RawObject } from '../../src/index.js';
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

/** How many Services of the random clusters there may be at a time: their names are svc-0 and so on. */
const MOST_SERVICES = 8;

/**
 * Steps that each differ from the one before in one Service with its slices, which is added, changed or removed; about
 * one in twenty in the configuration instead.
 * @param seed the same seed gives the same steps
 */
export function* randomChanges(seed: number, count: number): Generator<RandomStep> {
  const choices = fc.sample(
    fc.record({
      cluster: randomCluster,
      index: fc.integer({ min: 0, max: MOST_SERVICES - 1 }),
      what: fc.integer({ min: 0, max: 19 }),
    }),
    { seed, numRuns: count },
  );
  const services = new Map<number, readonly RawObject[]>();
  let config = choices[0]?.cluster.config;
  if (config === undefined) return;
  for (const { cluster, index, what } of choices) {
    const found = cluster.objects.filter((object) => serviceOf(object) === index);
    if (what === 0) config = cluster.config;
    else if (what < 4 || found.length === 0) services.delete(index);
    // Sometimes only the endpoints change.
    else if (what < 10) services.set(index, mixed(services.get(index), found));
    else services.set(index, found);
    yield { objects: [...NODES, ...[...services.values()].flat()], config };
  }
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

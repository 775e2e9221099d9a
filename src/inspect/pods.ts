/** Which pods there are, as far as EndpointSlices and Pod objects tell. */
import { isFields } from '../kube/fields.js';
import type { LocatedObject } from '../kube/objects.js';
import { isPod } from '../kube/pod.js';
import { listOf } from '../kube/simulate/values.js';
import { isCanonicalIpv4, parseIp } from '../net/ip.js';

/** A pod with one of its addresses. */
interface PodPlace {
  /** `namespace/name`. */
  readonly name: string;
  /** Canonical text. */
  readonly address: string;
  /** undefined where nothing tells. */
  readonly nodeName: string | undefined;
}

/** Pods by address and by name. */
export interface PodIndex {
  /** The Pod objects of a name, as they were given; of a name without a namespace those of all namespaces. */
  given(name: string): readonly LocatedObject[];
  at(address: string): PodPlace | undefined;
  /** All addresses of a pod; of a name without a namespace those of all namespaces. */
  named(name: string): readonly PodPlace[];
}

/** Reads the pods out of objects, all at once: that belongs to loading a cluster, not to the first answer. */
export function indexPods(objects: readonly LocatedObject[]): PodIndex {
  const pods = readPods(objects);
  const isNamed = (full: string, name: string) => full === name || full.slice(full.indexOf('/') + 1) === name;
  return {
    given: (name) =>
      objects.filter((each) => {
        const full = isPod(each) ? fullName(each) : undefined;
        return full !== undefined && isNamed(full, name);
      }),
    at: (address) => pods.get(address),
    named: (name) => [...pods.values()].filter((pod) => isNamed(pod.name, name)),
  };
}

/** `namespace/name`, or undefined where an object has no name. */
export function fullName({ object: { metadata } }: LocatedObject): string | undefined {
  if (!isFields(metadata) || typeof metadata.name !== 'string') return undefined;
  return `${placeName(metadata.namespace)}/${metadata.name}`;
}

function placeName(namespace: unknown): string {
  return typeof namespace === 'string' && namespace !== '' ? namespace : 'default';
}

function readPods(objects: readonly LocatedObject[]): ReadonlyMap<string, PodPlace> {
  const pods = new Map<string, PodPlace>();
  const add = (address: unknown, namespace: unknown, name: unknown, nodeName: unknown): void => {
    if (typeof address !== 'string' || typeof name !== 'string') return;
    // A large cluster has 100,000 of them, and nearly all are written as they should be.
    const text = isCanonicalIpv4(address) ? address : parseIp(address)?.text;
    if (text === undefined) return;
    const node = typeof nodeName === 'string' ? nodeName : undefined;
    pods.set(text, { name: `${placeName(namespace)}/${name}`, address: text, nodeName: node });
  };
  for (const { object } of objects) {
    if (object.kind === 'EndpointSlice') addSlice(object, add);
    else if (object.kind === 'Pod') addPod(object, add);
  }
  return pods;
}

type Add = (address: unknown, namespace: unknown, name: unknown, nodeName: unknown) => void;

function addSlice(slice: LocatedObject['object'], add: Add): void {
  const namespace = isFields(slice.metadata) ? slice.metadata.namespace : undefined;
  for (const endpoint of listOf(slice.endpoints)) {
    if (!isFields(endpoint) || !isFields(endpoint.targetRef) || endpoint.targetRef.kind !== 'Pod') continue;
    const { targetRef } = endpoint;
    for (const address of listOf(endpoint.addresses)) {
      add(address, targetRef.namespace ?? namespace, targetRef.name, endpoint.nodeName);
    }
  }
}

function addPod(pod: LocatedObject['object'], add: Add): void {
  const { metadata, spec, status } = pod;
  if (!isFields(metadata) || !isFields(status)) return;
  // Such a pod has the addresses of its node, which are not its own.
  if (isFields(spec) && spec.hostNetwork === true) return;
  const addresses = [status.podIP, ...listOf(status.podIPs).map((each) => (isFields(each) ? each.ip : undefined))];
  for (const address of addresses) {
    add(address, metadata.namespace, metadata.name, isFields(spec) ? spec.nodeName : undefined);
  }
}

/**
 * What the planner knows of the cluster: Services with their EndpointSlices, and Nodes. The state takes whole listings
 * and single changes alike; a ServiceEntry is replaced whenever anything of its Service changed, and never modified,
 * so that whoever keeps results for an entry can tell by identity whether they still hold.
 */
import { compareBytes } from '../net/text.js';
import type { EndpointSlice } from './endpointslice.js';
import type { Node } from './node.js';
import { type Service, serviceKey } from './service.js';
import type { ServiceCIDR } from './service-cidr.js';

/** One Service and the EndpointSlices that name it, by slice name. */
export interface ServiceEntry {
  readonly service: Service;
  readonly slices: readonly EndpointSlice[];
}

/** The cluster as far as it matters for rules. Change it only by the functions of this file. */
export interface ClusterState {
  /** By `namespace/name`. */
  readonly services: ReadonlyMap<string, ServiceEntry>;
  /** By name, in the order given. */
  readonly nodes: ReadonlyMap<string, Node>;
  /** EndpointSlices by `namespace/name` of the slice, also those whose Service is not there (yet). */
  readonly slices: ReadonlyMap<string, EndpointSlice>;
  /** By name. */
  readonly serviceCIDRs: ReadonlyMap<string, ServiceCIDR>;
}

/** The same maps for the functions below, and the slices of each Service by its key. */
interface Store {
  readonly services: Map<string, ServiceEntry>;
  readonly nodes: Map<string, Node>;
  readonly slices: Map<string, EndpointSlice>;
  readonly serviceCIDRs: Map<string, ServiceCIDR>;
  readonly slicesByService: Map<string, readonly EndpointSlice[]>;
}

/** A cluster without objects. */
export function emptyState(): ClusterState {
  const store: Store = {
    services: new Map(),
    nodes: new Map(),
    slices: new Map(),
    serviceCIDRs: new Map(),
    slicesByService: new Map(),
  };
  return store;
}

/** Adds a Service or replaces the one of the same name. */
export function setService(state: ClusterState, service: Service): void {
  const store = state as Store;
  const key = serviceKey(service);
  store.services.set(key, { service, slices: store.slicesByService.get(key) ?? [] });
}

/** Removes the Service of a key; its slices stay until they are removed themselves. */
export function removeService(state: ClusterState, key: string): void {
  (state as Store).services.delete(key);
}

/** Adds an EndpointSlice or replaces the one of the same namespace and name, whichever Service that one belonged to. */
export function setSlice(state: ClusterState, slice: EndpointSlice): void {
  const store = state as Store;
  const key = serviceKey(slice);
  removeSlice(state, key);
  store.slices.set(key, slice);
  if (slice.service === undefined) return;
  const slices = store.slicesByService.get(slice.service) ?? [];
  const behind = slices.findLastIndex((each) => compareBytes(each.name, slice.name) < 0) + 1;
  setSlicesOf(store, slice.service, slices.toSpliced(behind, 0, slice));
}

/** Removes the EndpointSlice of this `namespace/name`, if there is one. */
export function removeSlice(state: ClusterState, key: string): void {
  const store = state as Store;
  const slice = store.slices.get(key);
  store.slices.delete(key);
  if (slice?.service === undefined) return;
  const others = store.slicesByService.get(slice.service)?.filter((each) => each !== slice) ?? [];
  setSlicesOf(store, slice.service, others);
}

function setSlicesOf(store: Store, service: string, slices: readonly EndpointSlice[]): void {
  if (slices.length === 0) store.slicesByService.delete(service);
  else store.slicesByService.set(service, slices);
  const entry = store.services.get(service);
  if (entry !== undefined) store.services.set(service, { service: entry.service, slices });
}

/** Adds a Node or replaces the one of the same name. */
export function setNode(state: ClusterState, node: Node): void {
  (state as Store).nodes.set(node.name, node);
}

/** Removes the Node of this name. */
export function removeNode(state: ClusterState, name: string): void {
  (state as Store).nodes.delete(name);
}

/** Adds a ServiceCIDR or replaces the one of the same name. */
export function setServiceCIDR(state: ClusterState, serviceCIDR: ServiceCIDR): void {
  (state as Store).serviceCIDRs.set(serviceCIDR.name, serviceCIDR);
}

/** Removes the ServiceCIDR of this name. */
export function removeServiceCIDR(state: ClusterState, name: string): void {
  (state as Store).serviceCIDRs.delete(name);
}

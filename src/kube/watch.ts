/** Single changes of a cluster, as a watch of the API server reports them. */
import type { KubernetesObject } from '@kubernetes/client-node';
import { type Diagnostic, hasErrors } from './diagnostics.js';
import { parseEndpointSlice } from './endpointslice.js';
import { parseNode } from './node.js';
import type { LocatedObject, RawObject } from './objects.js';
import { parseService, serviceKey } from './service.js';
import { type ClusterState, removeNode, removeService, removeSlice, setNode, setService, setSlice } from './state.js';

/** What happened to an object; `BOOKMARK` and `ERROR` events are the caller's to handle. */
export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED';

/**
 * Applies one event to the state. Services, EndpointSlices and Nodes count, other kinds change nothing; as in
 * kube-proxy, Endpoints are not watched (the mirroring controller turns them into EndpointSlices).
 * @returns what is wrong with an object that was added or modified; with an error among it the state has not changed
 */
export function applyWatchEvent(
  state: ClusterState,
  type: WatchEventType,
  object: KubernetesObject,
): readonly Diagnostic[] {
  const located: LocatedObject = { object: object as unknown as RawObject };
  const diagnostics: Diagnostic[] = [];
  const change = changeOf(state, type === 'DELETED', located, diagnostics);
  // Whatever is wrong with an object, it can go.
  if (type === 'DELETED') diagnostics.length = 0;
  if (!hasErrors(diagnostics)) change?.();
  return diagnostics;
}

function changeOf(
  state: ClusterState,
  deleted: boolean,
  located: LocatedObject,
  diagnostics: Diagnostic[],
): (() => void) | undefined {
  const { apiVersion, kind } = located.object;
  if (apiVersion === 'v1' && kind === 'Service') {
    const service = parseService(located, diagnostics);
    if (service === undefined) return undefined;
    return () => (deleted ? removeService(state, serviceKey(service)) : setService(state, service));
  }
  if (apiVersion === 'discovery.k8s.io/v1' && kind === 'EndpointSlice') {
    const slice = parseEndpointSlice(located, diagnostics);
    if (slice === undefined) return undefined;
    return () => (deleted ? removeSlice(state, serviceKey(slice)) : setSlice(state, slice));
  }
  if (apiVersion === 'v1' && kind === 'Node') {
    const node = parseNode(located, diagnostics);
    if (node === undefined) return undefined;
    return () => (deleted ? removeNode(state, node.name) : setNode(state, node));
  }
  return undefined;
}

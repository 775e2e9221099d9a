/** Single changes of a cluster, as a watch of the API server reports them. */
import type { KubernetesObject } from '@kubernetes/client-node';
import { type Diagnostic, diagnostic, hasErrors } from './diagnostics.js';
import { parseEndpointSlice } from './endpointslice.js';
import { readMetadata, subjectOf } from './metadata.js';
import { parseNode } from './node.js';
import { isTyped, type LocatedObject, type RawObject } from './objects.js';
import { parseService, serviceKey } from './service.js';
import { parseServiceCIDR } from './service-cidr.js';
import {
  type ClusterState,
  removeNode,
  removeService,
  removeServiceCIDR,
  removeSlice,
  setNode,
  setService,
  setServiceCIDR,
  setSlice,
} from './state.js';

/** What happened to an object; `BOOKMARK` and `ERROR` events are the caller's to handle. */
export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED';

/**
 * Applies one event to the state. Services, EndpointSlices, Nodes and ServiceCIDRs count, other kinds change nothing; as in
 * kube-proxy, Endpoints are not watched (the mirroring controller turns them into EndpointSlices). A compiler keeps the
 * Node that it was made for: when that changes, make a new one.
 * @param object with apiVersion and kind, as watch events carry them
 * @returns what is wrong with the object; with an error among it the state has not changed. An object that is deleted
 *   need have nothing but its name
 */
export function applyWatchEvent(
  state: ClusterState,
  type: WatchEventType,
  object: KubernetesObject,
): readonly Diagnostic[] {
  const located: LocatedObject = { object: object as unknown as RawObject };
  const diagnostics: Diagnostic[] = [];
  if (!isTyped(located.object)) return [diagnostic('not-an-object', 'an object has no apiVersion or no kind.')];
  const handle = HANDLERS.get(`${object.apiVersion} ${object.kind}`);
  if (handle === undefined) return [];
  if (type !== 'DELETED') {
    const change = handle.set(state, located, diagnostics);
    if (!hasErrors(diagnostics)) change?.();
    return diagnostics;
  }
  const subject = subjectOf(located, diagnostics);
  const metadata = readMetadata(subject, located, { name: 'subdomain', namespaced: handle.namespaced });
  if (metadata !== undefined) handle.remove(state, handle.namespaced ? serviceKey(metadata) : metadata.name);
  return metadata === undefined ? diagnostics : [];
}

/** What one kind's events do. */
interface Handler {
  readonly namespaced: boolean;
  /** Reads the object; gives what to do once it is known to be right. */
  readonly set: (state: ClusterState, located: LocatedObject, diagnostics: Diagnostic[]) => (() => void) | undefined;
  readonly remove: (state: ClusterState, key: string) => void;
}

function handler<T>(
  namespaced: boolean,
  parse: (located: LocatedObject, diagnostics: Diagnostic[]) => T | undefined,
  set: (state: ClusterState, value: T) => void,
  remove: (state: ClusterState, key: string) => void,
): Handler {
  return {
    namespaced,
    set: (state, located, diagnostics) => {
      const value = parse(located, diagnostics);
      return value === undefined ? undefined : () => set(state, value);
    },
    remove,
  };
}

const HANDLERS: ReadonlyMap<string, Handler> = new Map([
  ['v1 Service', handler(true, parseService, setService, removeService)],
  ['discovery.k8s.io/v1 EndpointSlice', handler(true, parseEndpointSlice, setSlice, removeSlice)],
  ['v1 Node', handler(false, parseNode, setNode, removeNode)],
  ['networking.k8s.io/v1 ServiceCIDR', handler(false, parseServiceCIDR, setServiceCIDR, removeServiceCIDR)],
]);

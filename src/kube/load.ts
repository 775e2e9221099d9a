/** From objects as they were read to a checked ClusterState. */
import type { KubernetesObject } from '@kubernetes/client-node';
import { compareBytes } from '../net/text.js';
import { checkConflicts } from './conflicts.js';
import { type Diagnostic, diagnostic, hasErrors } from './diagnostics.js';
import { type Endpoints, parseEndpoints, slicesOfEndpoints } from './endpoints.js';
import { type EndpointSlice, parseEndpointSlice } from './endpointslice.js';
import { show } from './fields.js';
import { isIngress } from './ingress.js';
import { subjectOf } from './metadata.js';
import { type Node, parseNode } from './node.js';
import { isTyped, type LocatedObject, type RawObject } from './objects.js';
import { isPod } from './pod.js';
import { parseService, type Service, serviceKey } from './service.js';
import { parseServiceCIDR, type ServiceCIDR } from './service-cidr.js';
import { type ClusterState, emptyState, setNode, setService, setServiceCIDR, setSlice } from './state.js';
import { addUnique } from './unique.js';

/** The API version in which each kind that matters is read. */
const VERSIONS: ReadonlyMap<string, string> = new Map([
  ['Service', 'v1'],
  ['Endpoints', 'v1'],
  ['Node', 'v1'],
  ['EndpointSlice', 'discovery.k8s.io/v1'],
  ['ServiceCIDR', 'networking.k8s.io/v1'],
]);

/** Kinds that have no namespace, of those that are read. */
const CLUSTER_SCOPED: ReadonlySet<string> = new Set(['Node', 'ServiceCIDR']);

/** Whether objects of a kind that is read belong to no namespace. */
export function isClusterScoped(kind: string): boolean {
  return CLUSTER_SCOPED.has(kind);
}

/** Kinds that `--simulate` reads, by API version; without it they are skipped like all others. */
const SIMULATED_VERSIONS: ReadonlyMap<string, string> = new Map([
  ['Pod', 'v1'],
  ['ReplicationController', 'v1'],
  ['Deployment', 'apps/v1'],
  ['ReplicaSet', 'apps/v1'],
  ['StatefulSet', 'apps/v1'],
  ['DaemonSet', 'apps/v1'],
]);

/** How many skipped kinds a note names. */
const MOST_KINDS_NAMED = 10;

/** A cluster and what is to be said about it; with an error among the diagnostics the state must not be used. */
export interface LoadedCluster {
  readonly state: ClusterState;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Objects that a program has in hand, as @kubernetes/client-node types them.
 * @param type apiVersion and kind of all of them: the items of a typed list (`V1ServiceList`) carry none of their own
 */
export function located(
  objects: readonly KubernetesObject[],
  type?: { readonly apiVersion: string; readonly kind: string },
): LocatedObject[] {
  return objects.map((object) => ({ object: (type === undefined ? object : { ...object, ...type }) as RawObject }));
}

/**
 * Checks every object on its own and all of them together, and builds the state.
 *
 * What the API server refuses is an error here; what it admits although it is sloppy (leading zeros, host bits) is
 * read as kube-proxy reads it, with a warning. Defaults of the API server are filled in. With an error among the
 * diagnostics the state is empty.
 * @param options.simulated whether workloads were turned into EndpointSlices already, so that nothing points at the flag
 * @param options.readsPods whether the caller reads Pods itself, so that they are not called skipped
 * @param options.readsIngresses the same of Ingresses
 */
export function loadCluster(
  objects: readonly LocatedObject[],
  options: { readonly simulated?: boolean; readonly readsPods?: boolean; readonly readsIngresses?: boolean } = {},
): LoadedCluster {
  const diagnostics: Diagnostic[] = [];
  const services = new Map<string, Service>();
  const slices = new Map<string, EndpointSlice>();
  const endpoints = new Map<string, Endpoints>();
  const nodes = new Map<string, Node>();
  const serviceCIDRs = new Map<string, ServiceCIDR>();
  const skipped = new Map<string, number>();
  for (const each of objects) {
    const kind = knownKind(each, diagnostics);
    if (kind === 'refused') continue;
    if (kind === 'Service') addUnique(services, parseService(each, diagnostics), diagnostics, kind);
    else if (kind === 'EndpointSlice') addUnique(slices, parseEndpointSlice(each, diagnostics), diagnostics, kind);
    else if (kind === 'Endpoints') addUnique(endpoints, parseEndpoints(each, diagnostics), diagnostics, kind);
    else if (kind === 'Node') addUnique(nodes, parseNode(each, diagnostics), diagnostics, kind);
    else if (kind === 'ServiceCIDR') addUnique(serviceCIDRs, parseServiceCIDR(each, diagnostics), diagnostics, kind);
    else if (options.readsPods === true && isPod(each)) continue;
    else if (options.readsIngresses === true && isIngress(each)) continue;
    else if (options.simulated !== true || SIMULATED_VERSIONS.get(each.object.kind) !== each.object.apiVersion) {
      // A kind of the same name in another group is told by its version.
      const name = VERSIONS.has(each.object.kind)
        ? `${each.object.kind} (${each.object.apiVersion})`
        : each.object.kind;
      skipped.set(name, (skipped.get(name) ?? 0) + 1);
    }
  }
  if (skipped.size > 0) diagnostics.push(diagnostic('skipped-kinds', `skipped ${countKinds(skipped)}.`));

  checkConflicts(services, diagnostics);
  const state = emptyState();
  // Nothing is made of wrong objects.
  if (hasErrors(diagnostics)) return { state, diagnostics };

  const withSlices = new Set([...slices.values()].map((slice) => slice.service));
  for (const node of nodes.values()) setNode(state, node);
  for (const each of serviceCIDRs.values()) setServiceCIDR(state, each);
  for (const service of services.values()) setService(state, service);
  for (const slice of slices.values()) setSlice(state, slice);
  for (const each of endpoints.values()) {
    // The mirroring controller waits for the Service; without one there are no rules anyway.
    if (!services.has(serviceKey(each))) continue;
    const mirrored = slicesOfEndpoints(each, withSlices.has(serviceKey(each)), diagnostics);
    for (const slice of mirrored) setSlice(state, slice);
  }
  if (options.simulated !== true) checkEndpointsPresent(state, diagnostics);
  return { state, diagnostics };
}

/** The kind of an object that is read here; undefined for any other, `refused` for a version that is not read. */
function knownKind(located: LocatedObject, diagnostics: Diagnostic[]): string | undefined {
  const { object, origin } = located;
  if (!isTyped(object)) {
    const hint = 'Items of a typed list carry none; give them along.';
    diagnostics.push(diagnostic('not-an-object', 'an object has no apiVersion or no kind.', { hint, origin }));
    return 'refused';
  }
  const expected = VERSIONS.get(object.kind);
  if (expected === undefined || object.apiVersion === expected) return expected === undefined ? undefined : object.kind;
  // Kinds of other API groups may share a name (a Knative Service): those are unrelated.
  if (groupOf(object.apiVersion) !== groupOf(expected)) return undefined;
  // Beta versions of this kind were served for years, and rules are right without it but for one of one mode.
  if (object.kind === 'ServiceCIDR') return undefined;
  const message = `${object.kind} is read in version ${expected}, not ${show(object.apiVersion)}.`;
  const about = {
    object: subjectOf(located, diagnostics, !isClusterScoped(object.kind)).name(),
    path: ['apiVersion'],
    origin,
  };
  diagnostics.push(diagnostic('unsupported-version', message, { ...about, hint: `Convert it to ${expected}.` }));
  return 'refused';
}

/** `discovery.k8s.io` of `discovery.k8s.io/v1`; empty for the core group. */
function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? '' : apiVersion.slice(0, slash);
}

function countKinds(kinds: ReadonlyMap<string, number>): string {
  const counted = [...kinds].sort(([a], [b]) => compareBytes(a, b)).map(([kind, count]) => `${count} ${plain(kind)}`);
  if (counted.length <= MOST_KINDS_NAMED) return counted.join(', ');
  return `${counted.slice(0, MOST_KINDS_NAMED).join(', ')} and objects of ${counted.length - MOST_KINDS_NAMED} more kinds`;
}

/** A kind as it is, or quoted where it is no name. */
function plain(kind: string): string {
  return /^[A-Za-z][A-Za-z0-9]{0,62}( \([a-z0-9./-]{1,80}\))?$/.test(kind) ? kind : show(kind);
}

/** Services whose traffic goes nowhere for want of EndpointSlices, which `--simulate` could derive. */
function checkEndpointsPresent(state: ClusterState, diagnostics: Diagnostic[]): void {
  for (const { service, slices } of state.services.values()) {
    if (service.headless || service.type === 'ExternalName' || service.otherProxy) continue;
    const about = { object: `Service ${serviceKey(service)}`, origin: service.origin };
    if (service.clusterIPs.ipv4 === undefined && service.clusterIPs.ipv6 === undefined) {
      const hint = 'Set spec.clusterIP, or let --simulate allocate one.';
      diagnostics.push(diagnostic('no-cluster-ip', 'no cluster IP, so no rules.', { ...about, hint }));
    } else if (service.hasSelector && slices.length === 0) {
      const hint = 'Give the EndpointSlices too, or let --simulate derive them from workloads.';
      const message = 'a selector but no EndpointSlices, so its traffic is rejected.';
      diagnostics.push(diagnostic('no-endpoint-slices', message, { ...about, hint }));
    }
  }
}

/**
 * What a real cluster would add to hand-written manifests, so that they compile: Pods from workloads, nodes and
 * addresses, cluster IPs, node ports, load-balancer addresses and EndpointSlices.
 */

import { FAMILIES, type Family } from '../../net/family.js';
import type { IpAddress } from '../../net/ip.js';
import { parseIp } from '../../net/ip.js';
import type { Diagnostic } from '../diagnostics.js';
import { isDnsSubdomain } from '../names.js';
import type { LocatedObject, RawObject } from '../objects.js';
import { type NodeNeeds, simulateNodes } from './nodes.js';
import { type Cluster, readOptions, type SimulateOptions } from './options.js';
import { simulatePods } from './pods.js';
import { completeServices, type PlannedService, planServices } from './services.js';
import { simulateSlices } from './slices.js';
import { fieldOf, listOf, objectsOf, textOf } from './values.js';
import { type GivenWork, readWork } from './workloads.js';

export type { SimulateOptions } from './options.js';

/** What comes out of a simulation. */
export interface Simulation {
  /**
   * Everything that was given, in its order, with what was missing filled into copies; then invented Nodes, then
   * EndpointSlices. Made Pods are not among it: nothing that compiles needs them.
   */
  readonly objects: LocatedObject[];
  /** Every Pod, given or made, with its node, addresses and status. */
  readonly pods: RawObject[];
  /** A note for everything that was allocated or made; errors where something could not be. */
  readonly diagnostics: Diagnostic[];
}

/**
 * Adds to manifests what kube-apiserver, kube-scheduler, the kubelets and kube-controller-manager would add.
 *
 * Everything is decided by names and contents: the order of the input makes no difference, and what one object gets
 * depends as little as possible on the others. The input is not changed. Of Services, EndpointSlices, Endpoints and
 * Nodes, malformed parts are left alone, because reading them is somebody else's; Pods and workloads are checked here
 * (invalid-field, invalid-name, invalid-port, invalid-address, duplicate-object, unsupported-version).
 *
 * @param objects any objects; kinds that have no part in it are handed through
 * @param options ranges and numbers; wrong ones are errors (invalid-config) and nothing is simulated
 */
export function simulate(objects: readonly LocatedObject[], options: SimulateOptions = {}): Simulation {
  const { cluster, diagnostics } = readOptions(options);
  if (cluster === undefined) return { objects: [...objects], pods: [], diagnostics };
  const work = readWork(objects, diagnostics);
  const planned = planServices(objects, cluster, diagnostics);
  const needs: NodeNeeds = { named: namedNodes(objects, work), families: nodeFamilies(planned, work, cluster) };
  const { nodes, completed, invented } = simulateNodes(objects, needs, cluster, diagnostics);
  const pods = simulatePods(work, nodes, diagnostics);
  const services = completeServices(planned, objects, cluster, diagnostics);
  const slices = simulateSlices(planned, objects, pods, nodes, diagnostics);

  const changed = new Map([...completed, ...services]);
  for (const { given, object } of pods)
    if (given !== undefined && given.object !== object) changed.set(given, { ...given, object });
  return {
    objects: [
      ...objects.map((located) => changed.get(located) ?? located),
      ...invented,
      ...slices.map((slice) => ({ object: { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', ...slice } })),
    ],
    pods: pods.map((pod) => pod.object),
    diagnostics,
  };
}

/**
 * Nodes that have to be there: those that Pods run on or templates name, because endpoints on missing nodes are no
 * endpoints to the controllers; without any Node in the input also those that endpoints name.
 */
function namedNodes(objects: readonly LocatedObject[], work: GivenWork): Map<string, readonly IpAddress[]> {
  const named = new Map<string, readonly IpAddress[]>();
  const add = (name: unknown, addresses: readonly IpAddress[]): void => {
    const text = textOf(name);
    if (isDnsSubdomain(text) && (named.get(text) ?? []).length === 0) named.set(text, addresses);
  };
  for (const pod of work.pods) add(pod.spec.nodeName, hostAddresses(pod.status));
  for (const workload of work.workloads) add(fieldOf(fieldOf(workload.template, 'spec'), 'nodeName'), []);
  if (objectsOf(objects, 'v1', 'Node').length > 0) return named;
  for (const { object } of objectsOf(objects, 'discovery.k8s.io/v1', 'EndpointSlice')) {
    for (const endpoint of listOf(object.endpoints)) add(fieldOf(endpoint, 'nodeName'), []);
  }
  for (const { object } of objectsOf(objects, 'v1', 'Endpoints')) {
    for (const subset of listOf(object.subsets)) {
      const addresses = [...listOf(fieldOf(subset, 'addresses')), ...listOf(fieldOf(subset, 'notReadyAddresses'))];
      for (const address of addresses) add(fieldOf(address, 'nodeName'), []);
    }
  }
  return named;
}

/** `status.hostIPs`, or else `status.hostIP`: what a Pod tells of its node. */
function hostAddresses(status: unknown): IpAddress[] {
  const list = listOf(fieldOf(status, 'hostIPs')).map((each) => textOf(fieldOf(each, 'ip')));
  return (list.length > 0 ? list : [textOf(fieldOf(status, 'hostIP'))]).flatMap((text) => parseIp(text) ?? []);
}

/** The cluster's first family, and another one when it is dual-stack or a Service or a Pod is of that family. */
function nodeFamilies(planned: readonly PlannedService[], work: GivenWork, cluster: Cluster): Family[] {
  const wanted = new Set(cluster.isDualStack ? cluster.families : cluster.families.slice(0, 1));
  for (const service of planned) if (service.isSelecting) for (const family of service.families) wanted.add(family);
  for (const pod of work.pods) {
    for (const each of [
      fieldOf(pod.status, 'podIP'),
      ...listOf(fieldOf(pod.status, 'podIPs')).map((ip) => fieldOf(ip, 'ip')),
    ]) {
      const family = parseIp(textOf(each))?.family;
      if (family !== undefined) wanted.add(family);
    }
  }
  const order = [...cluster.families, ...FAMILIES];
  return [...wanted].sort((a, b) => order.indexOf(a) - order.indexOf(b));
}

/** EndpointSlices of Services with a selector, as kube-controller-manager's endpointslice controller (v1.36) writes them. */

import type { DiscoveryV1EndpointPort, V1Endpoint, V1EndpointSlice } from '@kubernetes/client-node';
import { apiNameOf, type Family } from '../../net/family.js';
import { compareBytes } from '../../net/text.js';
import type { Diagnostic } from '../diagnostics.js';
import { show } from '../fields.js';
import { generateName } from '../generated-names.js';
import { HEADLESS_LABEL, MANAGED_BY_LABEL, SERVICE_NAME_LABEL, ZONE_LABEL } from '../labels.js';
import type { LocatedObject } from '../objects.js';
import type { SimulatedNode } from './nodes.js';
import { type Say, sayAbout } from './notes.js';
import type { SimulatedPod } from './pods.js';
import { createSelect } from './select.js';
import type { PlannedService } from './services.js';
import {
  type Fields,
  fieldOf,
  fieldsOf,
  type Labels,
  labelsOf,
  listOf,
  nameOf,
  namespaceOf,
  objectsOf,
  textOf,
  wholeNumberOf,
} from './values.js';

/** The controller's --max-endpoints-per-slice. */
const MAX_ENDPOINTS = 100;

/**
 * Writes the slices of every Service that has a selector and no slice in the input: for each of its families, one set
 * of slices for each set of ports that the named target ports come to, each with at most 100 endpoints; an empty one
 * where there are no endpoints. Everything is in order of its name, and names depend on the content.
 *
 * Hints follow `spec.trafficDistribution`. Those of the annotation service.kubernetes.io/topology-mode: Auto are not
 * given (a note says so): the controller weighs zones by the CPUs of their nodes, and picks endpoints at random.
 */
export function simulateSlices(
  services: readonly PlannedService[],
  objects: readonly LocatedObject[],
  pods: readonly SimulatedPod[],
  nodes: readonly SimulatedNode[],
  diagnostics: Diagnostic[],
): V1EndpointSlice[] {
  const given = objectsOf(objects, 'discovery.k8s.io/v1', 'EndpointSlice').map(({ object }) => object);
  const served = new Set(
    given.map((slice) => `${namespaceOf(slice)}/${labelsOf(fieldOf(slice.metadata, 'labels'))[SERVICE_NAME_LABEL]}`),
  );
  const names = new Map<string, Set<string>>();
  for (const slice of given) namesIn(names, namespaceOf(slice)).add(nameOf(slice));
  const select = createSelect(pods.toSorted((a, b) => compareBytes(a.name, b.name)));
  const zones = new Map(nodes.map((node) => [node.name, labelsOf(node.labels)[ZONE_LABEL] ?? '']));
  return services.flatMap((service) => {
    const { object } = service.located;
    const selector = labelsOf(fieldOf(object.spec, 'selector'));
    if (Object.keys(selector).length === 0 || served.has(`${namespaceOf(object)}/${nameOf(object)}`)) return [];
    const say = sayAbout(service.located, diagnostics);
    const selected = select(namespaceOf(object), selector);
    const slices = slicesOf(service, selected, zones, namesIn(names, namespaceOf(object)), say);
    const about = (slice: V1EndpointSlice): LocatedObject => ({
      object: { apiVersion: '', kind: 'EndpointSlice', ...slice },
    });
    for (const slice of slices) {
      const ports = (slice.ports ?? []).map((port) => `${port.port}/${port.protocol}`).join(', ') || 'no ports';
      const count = slice.endpoints.length === 1 ? '1 endpoint' : `${slice.endpoints.length} endpoints`;
      sayAbout(about(slice), diagnostics)('simulated', `written for Service ${nameOf(object)}: ${count}, ${ports}`);
    }
    if (selected.length === 0) {
      say('simulated', `its selector ${show(printLabels(selector))} selects no Pod`, { path: ['spec', 'selector'] });
    }
    if (fieldOf(fieldOf(object.metadata, 'annotations'), 'service.kubernetes.io/topology-mode') === 'Auto') {
      say('simulated', 'the topology hints that its annotation asks for are not given');
    }
    return slices;
  });
}

/** A port of a Service as far as its endpoints are concerned. */
interface TargetPort {
  readonly name: string;
  readonly protocol: string;
  readonly appProtocol: string;
  /** A number, or the name of container ports. */
  readonly target: number | string;
}

function slicesOf(
  service: PlannedService,
  pods: readonly SimulatedPod[],
  zones: ReadonlyMap<string, string>,
  names: Set<string>,
  say: Say,
): V1EndpointSlice[] {
  const { object } = service.located;
  const spec = fieldsOf(object.spec);
  const namespace = namespaceOf(object);
  const name = nameOf(object);
  const uid = textOf(fieldOf(object.metadata, 'uid'));
  const targets = readPorts(listOf(spec.ports));
  const labels = sliceLabels(service, name);
  const resolve = createResolve(targets);
  noteUnresolved(targets, pods, say);

  return service.families.flatMap((family) => {
    const groups = new Map<string, { ports: DiscoveryV1EndpointPort[]; endpoints: V1Endpoint[] }>();
    for (const pod of pods) {
      const endpoint = endpointOf(pod, family, service, zones);
      if (endpoint === undefined) continue;
      const ports = resolve(pod);
      const key = JSON.stringify(ports);
      const group = groups.get(key) ?? { ports, endpoints: [] };
      groups.set(key, group);
      group.endpoints.push(endpoint);
    }
    // So that somebody who looks sees that the controller has been here.
    if (groups.size === 0) groups.set('', { ports: [], endpoints: [] });
    return [...groups]
      .sort(([a], [b]) => compareBytes(a, b))
      .flatMap(([key, { ports, endpoints }]) =>
        chunks(endpoints).map((chunk, i): V1EndpointSlice => {
          const identity = `${namespace}/${name} ${family} ${key} ${i}`;
          return {
            apiVersion: 'discovery.k8s.io/v1',
            kind: 'EndpointSlice',
            metadata: {
              name: generateName(`${name}-`, identity, names),
              namespace,
              labels,
              ...(uid && {
                ownerReferences: [
                  { apiVersion: 'v1', kind: 'Service', name, uid, controller: true, blockOwnerDeletion: true },
                ],
              }),
            },
            addressType: apiNameOf(family),
            ports,
            endpoints: chunk,
          };
        }),
      );
  });
}

/** The endpoint for a Pod in one family; undefined when it has no address there or is over. */
function endpointOf(
  pod: SimulatedPod,
  family: Family,
  service: PlannedService,
  zones: ReadonlyMap<string, string>,
): V1Endpoint | undefined {
  const addresses = pod.addresses.filter((ip) => ip.family === family).map((ip) => ip.text);
  if (addresses.length === 0 || pod.isOver) return undefined;
  const { object } = service.located;
  const spec = fieldsOf(object.spec);
  const zone = zones.get(pod.nodeName) ?? '';
  const hostname = textOf(pod.spec.hostname);
  const ready = spec.publishNotReadyAddresses === true || (pod.isReady && !pod.isDeleting);
  const endpoint: V1Endpoint = {
    addresses,
    conditions: { ready, serving: pod.isReady, terminating: pod.isDeleting },
    ...(hostname !== '' && textOf(pod.spec.subdomain) === nameOf(object) && { hostname }),
    ...(pod.nodeName && { nodeName: pod.nodeName }),
    ...(zone && { zone }),
    targetRef: { kind: 'Pod', namespace: pod.namespace, name: pod.name, ...(pod.uid && { uid: pod.uid }) },
  };
  const hints = ready ? hintsOf(textOf(spec.trafficDistribution), endpoint) : undefined;
  return hints === undefined ? endpoint : { ...endpoint, hints };
}

/** Only ready endpoints get hints, and only those that know their zone or node. */
function hintsOf(distribution: string, { zone, nodeName }: V1Endpoint): V1Endpoint['hints'] {
  const perNode = distribution === 'PreferSameNode';
  const perZone = perNode || distribution === 'PreferSameZone' || distribution === 'PreferClose';
  const hints = {
    ...(perNode && nodeName && { forNodes: [{ name: nodeName }] }),
    ...(perZone && zone && { forZones: [{ name: zone }] }),
  };
  return Object.keys(hints).length > 0 ? hints : undefined;
}

/**
 * The Service's labels, but those that the controller keeps to itself: it sets the Service's name, its own, and the
 * headless label exactly when the Service is headless.
 */
function sliceLabels(service: PlannedService, name: string): Labels {
  const own = Object.entries(labelsOf(fieldOf(service.located.object.metadata, 'labels')));
  return {
    ...Object.fromEntries(own.filter(([key]) => key !== HEADLESS_LABEL)),
    [SERVICE_NAME_LABEL]: name,
    [MANAGED_BY_LABEL]: 'endpointslice-controller.k8s.io',
    ...(service.isHeadless && { [HEADLESS_LABEL]: '' }),
  };
}

/** Ports with a wrong number or target are left out; they are named elsewhere. */
function readPorts(ports: readonly unknown[]): TargetPort[] {
  return ports.flatMap((port) => {
    const number = wholeNumberOf(fieldOf(port, 'port'), 1, 65535);
    const written = fieldOf(port, 'targetPort');
    const isAbsent = written === undefined || written === 0 || written === '';
    const target = isAbsent ? number : textOf(written) || wholeNumberOf(written, 1, 65535);
    if (number === undefined || target === undefined) return [];
    const protocol = textOf(fieldOf(port, 'protocol')) || 'TCP';
    return { name: textOf(fieldOf(port, 'name')), protocol, appProtocol: textOf(fieldOf(port, 'appProtocol')), target };
  });
}

/** The ports of an endpoint: a named target that the Pod does not have is left out. */
function createResolve(targets: readonly TargetPort[]): (pod: SimulatedPod) => DiscoveryV1EndpointPort[] {
  return (pod) =>
    targets.flatMap(({ name, protocol, appProtocol, target }) => {
      const port = typeof target === 'number' ? target : containerPort(pod.spec, target, protocol);
      return port === undefined ? [] : { name, protocol, port, ...(appProtocol && { appProtocol }) };
    });
}

/** The number of a Pod's container port with this name and protocol; sidecars (init containers that stay) come last. */
function containerPort(spec: Fields, name: string, protocol: string): number | undefined {
  const sidecars = listOf(spec.initContainers).filter((container) => fieldOf(container, 'restartPolicy') === 'Always');
  const ports = [...listOf(spec.containers), ...sidecars].flatMap((container) => listOf(fieldOf(container, 'ports')));
  const found = ports.find(
    (port) => fieldOf(port, 'name') === name && (textOf(fieldOf(port, 'protocol')) || 'TCP') === protocol,
  );
  return wholeNumberOf(fieldOf(found, 'containerPort'), 1, 65535);
}

/** A target port that no Pod has is legal, and the commonest slip in hand-written manifests. */
function noteUnresolved(targets: readonly TargetPort[], pods: readonly SimulatedPod[], say: Say): void {
  for (const { target, protocol } of targets) {
    if (typeof target === 'number') continue;
    const without = pods.filter((pod) => containerPort(pod.spec, target, protocol) === undefined).length;
    if (without === 0) continue;
    say(
      'simulated',
      `target port ${show(target)} is no ${protocol} container port of ${without} of the ${pods.length} Pods that it selects`,
      {
        path: ['spec', 'ports'],
      },
    );
  }
}

function namesIn(names: Map<string, Set<string>>, namespace: string): Set<string> {
  const set = names.get(namespace) ?? new Set<string>();
  names.set(namespace, set);
  return set;
}

/** At most a hundred endpoints each; one empty chunk of none. */
function chunks(endpoints: readonly V1Endpoint[]): V1Endpoint[][] {
  const count = Math.max(1, Math.ceil(endpoints.length / MAX_ENDPOINTS));
  return Array.from({ length: count }, (_, i) => endpoints.slice(i * MAX_ENDPOINTS, (i + 1) * MAX_ENDPOINTS));
}

function printLabels(labels: Labels): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(',');
}

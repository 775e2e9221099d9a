/** Topology hints that nobody follows, and why. Mirrors the conditions of kube-proxy's topology.go. */
import type { Node } from '../../kube/node.js';
import type { Service } from '../../kube/service.js';
import { labelsOf } from '../../kube/simulate/values.js';
import type { ServiceEntry } from '../../kube/state.js';
import type { Endpoint } from '../../plan/endpoints.js';
import type { Check } from './check.js';
import { count, hasOutside, type LintCluster, nodeSubject, type PortFacts, serviceSubject, someOf } from './cluster.js';

/** The annotations that ask for hints by zone: the former name, which the controller reads first, and the present one. */
const MODE_ANNOTATIONS = ['service.kubernetes.io/topology-aware-hints', 'service.kubernetes.io/topology-mode'];

/** Their values that do ask. */
const AUTO = ['Auto', 'auto'];

/** Checks about topology hints. */
export const TOPOLOGY_CHECKS = [
  {
    code: 'hints-incomplete',
    severity: 'warning',
    title: 'topology hints on some endpoints only',
    reason:
      'kube-proxy follows hints only if every ready endpoint of the port has one; a single one without switches them ' +
      'off for the port, on every node.',
    wayOut:
      'Give every endpoint a hint: usually those without run on nodes without the label topology.kubernetes.io/zone.',
    *find(cluster) {
      for (const [facts, ready] of hintedPorts(cluster)) {
        const without = ready.filter(({ source }) => source.zoneHints.length === 0);
        // With a hint for a node on every endpoint zones are second.
        if (without.length === 0 || without.length === ready.length || allHinted(ready, 'nodeHints')) continue;
        const hinted = count(ready.length - without.length, 'endpoint');
        const names = someOf(without.map(({ text }) => text));
        yield {
          at: serviceSubject(facts.service),
          path: ['spec', 'ports', facts.index],
          message: `zone hints of ${hinted} are ignored everywhere, as ${names} ${without.length === 1 ? 'has' : 'have'} none.`,
        };
      }
    },
  },
  {
    code: 'hints-node-without-zone',
    severity: 'warning',
    title: 'zone hints, and nodes that are in no zone',
    reason:
      'kube-proxy compares zone hints with the label topology.kubernetes.io/zone of its own node; without that label it ' +
      'ignores the hints and spreads over all zones.',
    wayOut: 'Label the nodes with topology.kubernetes.io/zone.',
    *find(cluster) {
      for (const { facts, nodes } of zoneGaps(cluster, (node) => node.zone === '')) {
        yield {
          at: serviceSubject(facts.service),
          path: ['spec', 'ports', facts.index],
          message: `zone hints are ignored on ${someOf(nodes.map(({ name }) => name))}: no zone label there.`,
          others: nodes.map((node) => nodeSubject(node, ['metadata', 'labels'])),
        };
      }
    },
  },
  {
    code: 'hints-for-other-zones',
    severity: 'note',
    title: 'zone hints, and nodes of a zone that no endpoint is hinted for',
    reason:
      'Where no ready endpoint is meant for the zone of a node, that node ignores all hints and uses every endpoint.',
    wayOut: 'Run pods in every zone that has clients (topologySpreadConstraints), or accept traffic between zones.',
    *find(cluster) {
      for (const { facts, nodes } of zoneGaps(cluster, (node, zones) => node.zone !== '' && !zones.has(node.zone))) {
        const zones = [...new Set(nodes.map(({ zone }) => zone))].sort();
        const where = `zone${zones.length === 1 ? '' : 's'} ${someOf(zones)}`;
        const names = someOf(nodes.map(({ name }) => name));
        yield {
          at: serviceSubject(facts.service),
          path: ['spec', 'ports', facts.index],
          message: `zone hints are ignored on ${names}: no endpoint is for ${where}.`,
          others: nodes.map((node) => nodeSubject(node)),
        };
      }
    },
  },
  {
    code: 'hints-missing',
    severity: 'warning',
    title: 'topology hints that were asked for but not given',
    reason:
      'trafficDistribution and the annotation topology-mode only ask the EndpointSlice controller for hints; kube-proxy ' +
      'sees nothing but the hints of the slices, and without them spreads over the whole cluster.',
    wayOut: 'Label the nodes with topology.kubernetes.io/zone; the events of the Service name other reasons.',
    *find(cluster) {
      for (const entry of cluster.proxied) {
        const { service } = entry;
        const wish = wishOf(service);
        if (wish === undefined || isLocalOnly(service) || cluster.simulated === true) continue;
        if (!cluster.has('endpoints')) return;
        const ready = entry.slices.flatMap((slice) => slice.endpoints.filter((endpoint) => endpoint.ready));
        const isHinted = ready.some(({ zoneHints, nodeHints }) => zoneHints.length + nodeHints.length > 0);
        if (ready.length === 0 || isHinted) continue;
        const { message, wayOut } = whyMissing(cluster, entry, wish.isAuto, ready.length);
        yield {
          at: serviceSubject(service),
          path: wish.path,
          message: `${wish.what} asks for topology hints, but no endpoint has one${message}.`,
          ...(wayOut !== undefined && { wayOut }),
        };
      }
    },
  },
  {
    code: 'hints-without-effect',
    severity: 'note',
    title: 'topology hints for traffic that policy Local keeps on the node',
    reason:
      'Topology hints choose among the endpoints of policy Cluster; traffic under policy Local never looks at them.',
    wayOut: 'Remove one of the two: internalTrafficPolicy: Local, or the wish for hints.',
    *find({ proxied }) {
      for (const { service } of proxied) {
        const wish = wishOf(service);
        if (wish === undefined || !isLocalOnly(service)) continue;
        const message = `${wish.what} has no effect: all traffic of the Service is under policy Local.`;
        yield { at: serviceSubject(service), path: wish.path, message };
      }
    },
  },
] as const satisfies readonly Check[];

/** Ports with zone hints and ready endpoints, if hints matter to some traffic of them. */
function hintedPorts({ ports }: LintCluster): readonly (readonly [PortFacts, readonly Endpoint[]])[] {
  return ports.flatMap((facts) => {
    if (!facts.endpoints.some(({ source }) => source.zoneHints.length > 0) || isLocalOnly(facts.service)) return [];
    const ready = facts.endpoints.filter(({ source }) => source.ready);
    return ready.length === 0 ? [] : [[facts, ready] as const];
  });
}

function allHinted(endpoints: readonly Endpoint[], kind: 'nodeHints' | 'zoneHints'): boolean {
  return endpoints.every(({ source }) => source[kind].length > 0);
}

/** Ports with complete zone hints, and the nodes for which they are of no use although no node hint comes before. */
function zoneGaps(
  cluster: LintCluster,
  isGap: (node: Node, zones: ReadonlySet<string>) => boolean,
): readonly { readonly facts: PortFacts; readonly nodes: readonly Node[] }[] {
  return hintedPorts(cluster).flatMap(([facts, ready]) => {
    if (!allHinted(ready, 'zoneHints') || !cluster.has('nodes')) return [];
    const zones = new Set(ready.flatMap(({ source }) => source.zoneHints));
    const byNode = allHinted(ready, 'nodeHints') ? new Set(ready.flatMap(({ source }) => source.nodeHints)) : undefined;
    const nodes = cluster.nodes.filter((node) => byNode?.has(node.name) !== true && isGap(node, zones));
    return nodes.length === 0 ? [] : [{ facts, nodes }];
  });
}

/** Whether no traffic is under policy Cluster: policy Local inside, and the outside cannot reach the Service. */
function isLocalOnly(service: Service): boolean {
  return service.internalTrafficPolicy === 'Local' && !hasOutside(service);
}

/** How a Service asks for hints. */
interface Wish {
  readonly what: string;
  readonly path: readonly string[];
  readonly isAuto: boolean;
}

/** The annotation comes first, as for the controller. */
function wishOf({ object }: Service): Wish | undefined {
  const annotations = labelsOf(object.metadata?.annotations);
  for (const name of MODE_ANNOTATIONS) {
    const value = annotations[name];
    if (value === undefined || !AUTO.includes(value)) continue;
    return { what: `annotation ${name}: ${value}`, path: ['metadata', 'annotations', name], isAuto: true };
  }
  const distribution = object.spec?.trafficDistribution ?? '';
  if (distribution === '') return undefined;
  return { what: `trafficDistribution ${distribution}`, path: ['spec', 'trafficDistribution'], isAuto: false };
}

/** What keeps the EndpointSlice controller from giving hints, as far as the objects tell. */
function whyMissing(
  { nodes }: LintCluster,
  { slices }: ServiceEntry,
  isAuto: boolean,
  ready: number,
): { readonly message: string; readonly wayOut?: string } {
  const endpoints = slices.flatMap(({ family, object }) => (family === undefined ? [] : (object.endpoints ?? [])));
  if (endpoints.every(({ zone }) => (zone ?? '') === '')) return { message: ': the endpoints are in no zone' };
  const zones = new Set(nodes.map(({ zone }) => zone).filter((zone) => zone !== ''));
  // In mode Auto it weighs zones, for which each must have an endpoint.
  if (isAuto && zones.size > ready) {
    const wayOut = `Run ${zones.size} pods or more, or use trafficDistribution: PreferSameZone, which has no such limit.`;
    return { message: `: ${count(ready, 'ready endpoint')} for ${zones.size} zones`, wayOut };
  }
  return { message: '' };
}

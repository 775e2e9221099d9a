/** Policy Local: nodes that drop what others would forward. */
import type { Node } from '../../kube/node.js';
import { type Service, serviceKey } from '../../kube/service.js';
import type { Family } from '../../net/family.js';
import { nodeFacts } from '../../plan/node.js';
import type { Check, Found } from './check.js';
import {
  eachNamed,
  familiesOf,
  familyPrefix,
  hasOutside,
  isUsable,
  type LintCluster,
  nodeSubject,
  type PortFacts,
  serviceSubject,
  someOf,
} from './cluster.js';

/** Cloud load balancers leave nodes with this label out. */
const EXCLUDED_LABEL = 'node.kubernetes.io/exclude-from-external-load-balancers';

const NO_NODE_NAMES =
  'Its endpoints name no node, so none is local anywhere: set nodeName in the EndpointSlices, or use policy Cluster.';

/** Ports of one Service for which the same nodes have no endpoint. */
interface Gap {
  readonly ports: readonly PortFacts[];
  readonly nodes: readonly Node[];
  /** How many nodes there are of the families concerned. */
  readonly total: number;
}

/** Checks about internalTrafficPolicy and externalTrafficPolicy Local. */
export const POLICY_CHECKS = [
  {
    code: 'external-local-no-endpoint',
    severity: 'warning',
    title: 'externalTrafficPolicy Local, and nodes without a local endpoint',
    reason:
      'Under policy Local a node hands outside traffic to its own endpoints only, and drops it silently where it has ' +
      'none (mode ipvs sends it to other nodes, against the policy); nothing tells clients of a node port or an ' +
      'external IP which nodes to avoid.',
    wayOut: 'Run a ready pod on every node that clients use (a DaemonSet), or set externalTrafficPolicy to Cluster.',
    *find(cluster) {
      const concerns = (service: Service) => hasLocalOutside(service) && !isHealthChecked(service);
      for (const [service, gap] of gapsOf(cluster, concerns, () => true)) {
        const addresses = outsideAddresses(service, gap);
        const effect =
          cluster.mode === 'ipvs'
            ? `mode ipvs sends what arrives there for ${addresses} to other nodes all the same`
            : `what arrives there for ${addresses} is dropped`;
        yield localGap(cluster, service, gap, 'externalTrafficPolicy', effect);
      }
    },
  },
  {
    code: 'load-balancer-local-no-endpoint',
    severity: 'note',
    title: 'externalTrafficPolicy Local behind a load balancer that must leave out nodes without a local endpoint',
    reason:
      'Nodes without a local endpoint drop traffic for the Service, so the load balancer has to ask the health check ' +
      'node port of every node; one that does not loses part of the connections. Nodes that the label ' +
      `${EXCLUDED_LABEL} takes away from load balancers are not counted.`,
    wayOut:
      'See that the load balancer checks http://NODE:HEALTHCHECKNODEPORT/healthz; else set externalTrafficPolicy to Cluster.',
    *find(cluster) {
      const concerns = (service: Service) => hasLocalOutside(service) && isHealthChecked(service);
      const isTarget = (node: Node) => !(EXCLUDED_LABEL in (node.object?.metadata?.labels ?? {}));
      for (const [service, gap] of gapsOf(cluster, concerns, isTarget)) {
        const port = service.healthCheckNodePort ?? 'HEALTHCHECKNODEPORT';
        const effect = 'the load balancer must not send anything there';
        yield {
          wayOut: `See that the load balancer checks http://NODE:${port}/healthz; else set externalTrafficPolicy to Cluster.`,
          ...localGap(cluster, service, gap, 'externalTrafficPolicy', effect),
        };
      }
    },
  },
  {
    code: 'internal-local-no-endpoint',
    severity: 'warning',
    title: 'internalTrafficPolicy Local, and nodes without a local endpoint',
    reason:
      'Under policy Local traffic to the cluster IP goes to endpoints of the same node only; where there are none it is ' +
      'dropped, so clients there run into their timeouts (mode ipvs refuses it, or sends it to other nodes where the ' +
      'port has an outside address too).',
    wayOut:
      'Run a ready pod on every node that has clients (a DaemonSet), or set trafficDistribution: PreferSameNode instead of policy Local.',
    *find(cluster) {
      const concerns = (service: Service) => service.internalTrafficPolicy === 'Local';
      for (const [service, gap] of gapsOf(cluster, concerns, () => true)) {
        const inIpvs = hasOutside(service)
          ? 'mode ipvs sends pods there to other nodes all the same'
          : 'pods there are refused at the cluster IP';
        const effect = cluster.mode === 'ipvs' ? inIpvs : 'pods there get no answer from the cluster IP';
        yield localGap(cluster, service, gap, 'internalTrafficPolicy', effect);
      }
    },
  },
  {
    code: 'local-without-detector',
    severity: 'warning',
    title: 'externalTrafficPolicy Local while kube-proxy cannot tell pods from outside clients',
    reason:
      'kube-proxy forwards what pods send to a load-balancer address or node port of a Local Service to any endpoint, ' +
      'but only if it can tell pods: without a pod network for detectLocalMode their packets count as outside traffic ' +
      'and are dropped on nodes without a local endpoint.',
    wayOut: 'Set clusterCIDR, or another detectLocalMode that fits the network plugin.',
    *find(cluster) {
      // Mode ipvs treats pods and clients alike.
      if (cluster.mode === 'ipvs') return;
      const local = cluster.proxied.filter(({ service }) => hasLocalOutside(service));
      if (local.length === 0 || !cluster.has('config') || !cluster.has('nodes')) return;
      const families = [...new Set(local.flatMap(familiesOf))];
      const blind = families.filter((family) => cluster.nodes.some((node) => !hasDetector(cluster, node, family)));
      if (blind.length === 0) return;
      const names = someOf(local.map(({ service }) => serviceKey(service)));
      yield {
        at: cluster.configSubject,
        path: cluster.config.detectLocalMode === 'ClusterCIDR' ? ['clusterCIDR'] : ['detectLocalMode'],
        message:
          `${familyPrefix(blind, families)}detectLocalMode ${cluster.config.detectLocalMode} has no pod network to go ` +
          `by, so pods count as outside clients of ${names}, which ${local.length === 1 ? 'has' : 'have'} policy Local.`,
        others: local.map(({ service }) => serviceSubject(service, ['spec', 'externalTrafficPolicy'])),
      };
    },
  },
] as const satisfies readonly Check[];

function hasDetector({ config, mode }: LintCluster, node: Node, family: Family): boolean {
  return nodeFacts(node, family, mode, config).localDetector !== undefined;
}

/** Whether policy Local applies to something that the outside can reach. */
function hasLocalOutside(service: Service): boolean {
  return service.externalTrafficPolicy === 'Local' && hasOutside(service);
}

/** External IPs are not a load balancer's, so nobody asks the health check port before using them. */
function isHealthChecked({ type, externalIPs }: Service): boolean {
  return type === 'LoadBalancer' && externalIPs.ipv4.length + externalIPs.ipv6.length === 0;
}

/**
 * Ports that nodes have no usable endpoint for although another node has; this is when the planner says `drop`. Ports
 * with the same nodes come together.
 */
function gapsOf(
  cluster: LintCluster,
  concerns: (service: Service) => boolean,
  isTarget: (node: Node) => boolean,
): readonly (readonly [Service, Gap])[] {
  const gaps = new Map<string, { service: Service; ports: PortFacts[]; nodes: readonly Node[]; total: number }>();
  for (const facts of cluster.ports) {
    const { service, family, endpoints } = facts;
    if (!concerns(service)) continue;
    const usable = endpoints.filter(isUsable);
    if (!cluster.has('nodes') || usable.length === 0) continue;
    const targets = cluster.nodes.filter((node) => isTarget(node) && hasFamily(node, family));
    const served = new Set(usable.map(({ source }) => source.nodeName));
    const nodes = targets.filter(({ name }) => !served.has(name));
    if (nodes.length === 0) continue;
    const key = JSON.stringify([serviceKey(service), targets.length, ...nodes.map(({ name }) => name)]);
    const gap = gaps.get(key);
    if (gap === undefined) gaps.set(key, { service, ports: [facts], nodes, total: targets.length });
    else gap.ports.push(facts);
  }
  return [...gaps.values()].map(({ service, ...gap }) => [service, gap]);
}

function hasFamily({ addresses }: Node, family: Family): boolean {
  return addresses.length === 0 || addresses.some((ip) => ip.family === family);
}

function localGap(
  cluster: LintCluster,
  service: Service,
  gap: Gap,
  field: 'internalTrafficPolicy' | 'externalTrafficPolicy',
  effect: string,
): Found {
  const { nodes, total } = gap;
  const names = nodes.map(({ name }) => name);
  const of = names.length === total ? `all ${total}` : `${names.length} of ${total}`;
  const who = total === 1 ? `node ${names[0]}` : `${of} nodes (${someOf(names)})`;
  const nowhere = gap.ports.every(({ endpoints }) => endpoints.every(({ source }) => source.nodeName === undefined));
  return {
    at: serviceSubject(service),
    path: ['spec', field],
    message: `${whichPorts(cluster, service, gap)}${who} ${names.length === 1 ? 'has' : 'have'} no local endpoint: ${effect}.`,
    others: nodes.map((node) => nodeSubject(node)),
    ...(nowhere && { wayOut: NO_NODE_NAMES }),
  };
}

/** `port http: `, `IPv6: ` or nothing, where it is all ports and families of the Service. */
function whichPorts(cluster: LintCluster, service: Service, gap: Gap): string {
  const entry = cluster.state.services.get(serviceKey(service));
  const families = entry === undefined ? [] : familiesOf(entry);
  const found = [...new Set(gap.ports.map(({ family }) => family))];
  const indexes = [...new Set(gap.ports.map(({ index }) => index))];
  const names = indexes.map((i) => service.ports[i]?.name ?? '');
  const ports = indexes.length === service.ports.length ? '' : `port ${someOf(names)}: `;
  return familyPrefix(found, families) + ports;
}

function outsideAddresses(service: Service, gap: Gap): string {
  const nodePorts = new Set(gap.ports.flatMap(({ port }) => port.nodePort ?? []));
  const addresses = new Set(
    gap.ports.flatMap(({ family }) => [...service.externalIPs[family], ...service.loadBalancerIPs[family]]),
  );
  const named = [
    ...(addresses.size === 0 ? [] : [someOf([...addresses])]),
    ...(nodePorts.size === 0 ? [] : [eachNamed('node port', [...nodePorts].map(String))]),
  ];
  return named.length === 0 ? 'its node ports' : named.join(' or ');
}

/** What one node does for one service port and family: every decision that rules of any backend rest on, by name. */
import type { Origin } from '../kube/diagnostics.js';
import type { Service, ServicePort } from '../kube/service.js';
import { servicePortName } from '../kube/service.js';
import type { ServiceEntry } from '../kube/state.js';
import type { Family } from '../net/family.js';
import { type Cidr, cidrContains } from '../net/ip.js';
import type { Protocol } from '../net/protocol.js';
import { type Contradiction, chooseEndpoints, type Endpoint, mergeEndpoints, type Topology } from './endpoints.js';
import type { NodeFacts } from './node.js';

/**
 * Where traffic of one kind goes: to the endpoints that policy Cluster or policy Local gives; `reject` when no
 * endpoint exists anywhere, `drop` when there are some but, under policy Local, none on this node.
 */
export type Outcome = 'cluster' | 'local' | 'reject' | 'drop';

/** The plan for one service port. Addresses are canonical texts of the plan's family. */
export interface ServicePortPlan {
  /** kube-proxy's name of the service port, `shop/web:http`; sort key of everything that is written. */
  readonly name: string;
  readonly namespace: string;
  readonly service: string;
  readonly portName: string;
  readonly protocol: Protocol;
  readonly family: Family;
  /** Where the Service came from. */
  readonly origin: Origin | undefined;

  readonly clusterIP: string;
  readonly port: number;
  readonly nodePort: number | undefined;
  readonly externalIPs: readonly string[];
  readonly loadBalancerIPs: readonly string[];
  /** Who may use the load-balancer addresses; empty lets everybody in. */
  readonly sourceRanges: readonly Cidr[];
  /** Whether the node's own address lies in a source range, so that it may use the load-balancer addresses itself. */
  readonly sourceRangesAllowNode: boolean;
  /** On every node address, whatever nodePortAddresses says; undefined for none. */
  readonly healthCheckNodePort: number | undefined;
  /** Seconds that a client stays with its endpoint; undefined without session affinity. */
  readonly affinitySeconds: number | undefined;

  /** internalTrafficPolicy and externalTrafficPolicy are Local (as far as they take effect). */
  readonly internalPolicyLocal: boolean;
  readonly externalPolicyLocal: boolean;
  /** Has a node port, a load-balancer address or an external IP in this family. */
  readonly externallyAccessible: boolean;

  /** All endpoints, usable or not. */
  readonly endpoints: readonly Endpoint[];
  /** Whether topology hints narrow the endpoints for policy Cluster. */
  readonly topology: Topology;
  /** What policy Cluster gives; empty where no traffic is under it. */
  readonly clusterEndpoints: readonly Endpoint[];
  /** What policy Local gives; empty where no traffic is under it. */
  readonly localEndpoints: readonly Endpoint[];
  /** All endpoints that some traffic can reach through this node. */
  readonly reachableEndpoints: readonly Endpoint[];
  /** Whether a usable endpoint exists anywhere in the cluster. */
  readonly hasEndpoints: boolean;

  /** Traffic to the cluster IP. */
  readonly internal: Outcome;
  /** Traffic from outside to node port, external IPs and load-balancer addresses. */
  readonly external: Outcome;
}

/** The plans of one Service, and endpoints that its slices describe in contradictory ways. */
export interface PlannedService {
  readonly plans: readonly ServicePortPlan[];
  readonly contradictory: readonly ContradictoryEndpoint[];
}

/** An endpoint that several EndpointSlices of a service port contradict each other about. */
export interface ContradictoryEndpoint extends Contradiction {
  readonly plan: ServicePortPlan;
}

const NOTHING: PlannedService = { plans: [], contradictory: [] };

/** Plans all ports of one Service; none when kube-proxy writes no rules for it in this family. */
export function planService(entry: ServiceEntry, node: NodeFacts): PlannedService {
  const { service } = entry;
  const clusterIP = service.clusterIPs[node.family];
  if (clusterIP === undefined || service.otherProxy || service.type === 'ExternalName') return NOTHING;
  const contradictory: ContradictoryEndpoint[] = [];
  const plans = service.ports.map((port) => {
    const merged = mergeEndpoints(entry.slices, port, node.family, node.nodeName);
    const plan = planServicePort(service, port, clusterIP, merged.endpoints, node);
    for (const each of merged.contradictory) contradictory.push({ plan, ...each });
    return plan;
  });
  return { plans, contradictory };
}

function planServicePort(
  service: Service,
  port: ServicePort,
  clusterIP: string,
  endpoints: readonly Endpoint[],
  node: NodeFacts,
): ServicePortPlan {
  const { family } = node;
  const externalIPs = service.externalIPs[family];
  const loadBalancerIPs = service.loadBalancerIPs[family];
  const sourceRanges = service.sourceRanges[family];
  const internalPolicyLocal = service.internalTrafficPolicy === 'Local';
  const externalPolicyLocal = service.externalTrafficPolicy === 'Local';
  const externallyAccessible = port.nodePort !== undefined || loadBalancerIPs.length > 0 || externalIPs.length > 0;
  const choice = chooseEndpoints(
    endpoints,
    {
      cluster: !internalPolicyLocal || externallyAccessible,
      local: internalPolicyLocal || (externalPolicyLocal && externallyAccessible),
    },
    node,
  );
  const outcome = (policyLocal: boolean): Outcome => {
    if (!choice.any) return 'reject';
    if (!policyLocal) return 'cluster';
    return choice.local.length > 0 ? 'local' : 'drop';
  };
  return {
    name: servicePortName(service, port.name),
    namespace: service.namespace,
    service: service.name,
    portName: port.name,
    protocol: port.protocol,
    family,
    origin: service.origin,
    clusterIP,
    port: port.port,
    nodePort: port.nodePort,
    externalIPs: node.allowExternalIPs ? externalIPs : [],
    loadBalancerIPs,
    sourceRanges,
    sourceRangesAllowNode: sourceRanges.some((cidr) => cidrContains(cidr, node.nodeIP)),
    healthCheckNodePort: service.healthCheckNodePort,
    affinitySeconds: service.affinitySeconds,
    internalPolicyLocal,
    externalPolicyLocal,
    externallyAccessible,
    endpoints,
    topology: choice.topology,
    clusterEndpoints: choice.cluster,
    localEndpoints: choice.local,
    reachableEndpoints: choice.reachable,
    hasEndpoints: choice.any,
    internal: outcome(internalPolicyLocal),
    external: outcome(externalPolicyLocal),
  };
}

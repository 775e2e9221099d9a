/** The plan for one node and family: all service ports in the order in which they are written. */
import type { ProxyConfig, ProxyMode } from '../kube/config.js';
import type { Node } from '../kube/node.js';
import type { ClusterState, ServiceEntry } from '../kube/state.js';
import type { Family } from '../net/family.js';
import { mergeSorted } from '../net/sorted.js';
import { compareBytes } from '../net/text.js';
import { type NodeFacts, nodeFacts } from './node.js';
import { type ContradictoryEndpoint, type PlannedService, planService, type ServicePortPlan } from './service-port.js';

/** Everything that one backend writes for one node and family, as decisions. */
export interface NodePlan {
  readonly node: NodeFacts;
  readonly mode: ProxyMode;
  /** Bytewise by name, then protocol. A plan is the same object as long as nothing of its Service changed. */
  readonly servicePorts: readonly ServicePortPlan[];
  /** Endpoints known for all service ports, usable or not; kube-proxy shortens its output above 1000. */
  readonly endpointCount: number;
  readonly contradictory: readonly ContradictoryEndpoint[];
  /** The ranges of cluster IPs of the family, as far as ServiceCIDR objects tell; canonical, bytewise. */
  readonly serviceCIDRs: readonly string[];
}

/** For whom to plan. */
export interface PlanSettings {
  readonly node: Node;
  readonly family: Family;
  readonly mode: ProxyMode;
  readonly config: ProxyConfig;
}

/** Plans a whole cluster for one node and family. */
export function planNode(state: ClusterState, settings: PlanSettings): NodePlan {
  return createPlanner(settings)(state);
}

/**
 * A planner that keeps what it planned: called again after a few changes to the state it plans the Services
 * concerned and no others.
 */
export function createPlanner(settings: PlanSettings): (state: ClusterState) => NodePlan {
  const node = nodeFacts(settings.node, settings.family, settings.mode, settings.config);
  const known = new Map<string, { readonly entry: ServiceEntry; readonly planned: PlannedService }>();
  let ordered: readonly ServicePortPlan[] = [];

  return (state) => {
    const gone = new Set<ServicePortPlan>();
    const added: ServicePortPlan[] = [];
    for (const [key, former] of known) {
      if (state.services.get(key) === former.entry) continue;
      for (const plan of former.planned.plans) gone.add(plan);
      known.delete(key);
    }
    for (const [key, entry] of state.services) {
      if (known.has(key)) continue;
      const planned = planService(entry, node);
      known.set(key, { entry, planned });
      for (const plan of planned.plans) added.push(plan);
    }
    ordered = mergeSorted(
      gone.size === 0 ? ordered : ordered.filter((plan) => !gone.has(plan)),
      added.sort(byPlanName),
      byPlanName,
    );
    let endpointCount = 0;
    for (const plan of ordered) endpointCount += plan.endpoints.length;
    const contradictory = [...known.values()].flatMap(({ planned }) => planned.contradictory);
    const serviceCIDRs = serviceCIDRsOf(state, settings.family);
    return { node, mode: settings.mode, servicePorts: ordered, endpointCount, contradictory, serviceCIDRs };
  };
}

function serviceCIDRsOf(state: ClusterState, family: Family): readonly string[] {
  const cidrs = [...state.serviceCIDRs.values()].flatMap((each) => each.cidrs);
  return [...new Set(cidrs.filter((cidr) => cidr.family === family).map((cidr) => cidr.text))].sort(compareBytes);
}

/** The order of service ports: by name, then protocol. */
export function byPlanName(a: ServicePortPlan, b: ServicePortPlan): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  return compareBytes(a.protocol, b.protocol);
}

/** Which service ports and endpoints of the plans an address belongs to. */

import { addTo } from '../../net/group.js';
import { lowerProtocol } from '../../net/protocol.js';
import type { NodeFacts } from '../../plan/node.js';
import type { ServicePortPlan } from '../../plan/service-port.js';
import type { ExplainContext } from './context.js';

/** A service port on the node. */
interface Owner {
  readonly plan: ServicePortPlan;
  readonly node: NodeFacts;
}

/** Service ports by what lines name. */
interface Owners {
  /** By cluster IP, external IP, load-balancer IP; each once. */
  readonly byAddress: ReadonlyMap<string, readonly Owner[]>;
  /** By node port and by health check node port. */
  readonly byNodePort: ReadonlyMap<number, readonly Owner[]>;
  /** `endpoint of shop/web:http on node worker-1`, by endpoint. */
  readonly endpoints: ReadonlyMap<string, readonly string[]>;
}

const known = new WeakMap<ExplainContext, Owners>();

/** Everything of the plans by address and port; kept, as files have many lines. */
function ownersOf(context: ExplainContext): Owners {
  const made = known.get(context);
  if (made !== undefined) return made;
  const byAddress = new Map<string, Owner[]>();
  const byNodePort = new Map<number, Owner[]>();
  const endpoints = new Map<string, string[]>();
  for (const { servicePorts, node } of context.plans) {
    for (const plan of servicePorts) {
      const owner = { plan, node };
      const addresses = new Set([plan.clusterIP, ...plan.externalIPs, ...plan.loadBalancerIPs]);
      for (const ip of addresses) addTo(byAddress, ip, owner);
      const ports = new Set([plan.nodePort, plan.healthCheckNodePort]);
      for (const port of ports) if (port !== undefined) addTo(byNodePort, port, owner);
      for (const { text, source } of plan.endpoints) {
        const on = source.nodeName === undefined ? '' : ` on node ${source.nodeName}`;
        addTo(endpoints, text, `endpoint of ${plan.name}${on}`);
      }
    }
  }
  const owners = { byAddress, byNodePort, endpoints };
  known.set(context, owners);
  return owners;
}

/**
 * Service ports that answer at an address and port, with what the address is to them: `cluster IP of shop/web:http`.
 * @param ip undefined for a node port, whatever the address
 */
export function servicePortsAt(
  context: ExplainContext,
  ip: string | undefined,
  port: string,
  protocol: string,
): readonly string[] {
  const { byAddress, byNodePort } = ownersOf(context);
  const found = new Set<string>();
  for (const { plan, node } of byNodePort.get(Number(port)) ?? []) {
    if (plan.healthCheckNodePort === Number(port) && ip === undefined && protocol === 'tcp') {
      found.add(`health check of ${plan.name}`);
    }
    const onNode = ip === undefined || node.hostAddresses.includes(ip);
    if (plan.nodePort === Number(port) && onNode && lowerProtocol(plan.protocol) === protocol) {
      found.add(`node port of ${plan.name}`);
    }
  }
  if (ip === undefined) return [...found];
  for (const { plan } of byAddress.get(ip) ?? []) {
    if (plan.port !== Number(port) || lowerProtocol(plan.protocol) !== protocol) continue;
    if (plan.clusterIP === ip) found.add(`cluster IP of ${plan.name}`);
    if (plan.externalIPs.includes(ip)) found.add(`external IP of ${plan.name}`);
    if (plan.loadBalancerIPs.includes(ip)) found.add(`load-balancer IP of ${plan.name}`);
  }
  return [...found];
}

/** Service ports that have an address, whatever the port: `an address of shop/web:http`. */
export function servicePortsOfAddress(context: ExplainContext, ip: string): readonly string[] {
  return (ownersOf(context).byAddress.get(ip) ?? []).map(({ plan }) => `an address of ${plan.name}`);
}

/** Service ports whose cluster IP it is: `cluster IP of shop/web:http`. */
export function servicePortsOfClusterIP(context: ExplainContext, ip: string): readonly string[] {
  const owners = ownersOf(context).byAddress.get(ip) ?? [];
  return owners.flatMap(({ plan }) => (plan.clusterIP === ip ? [`cluster IP of ${plan.name}`] : []));
}

/** Service ports that have an endpoint (`10.244.1.7:8080`): `endpoint of shop/web:http on node worker-1`. */
export function endpointsAt(context: ExplainContext, text: string): readonly string[] {
  return ownersOf(context).endpoints.get(text) ?? [];
}

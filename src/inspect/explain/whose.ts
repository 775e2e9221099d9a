/** Which service ports and endpoints of the plans an address belongs to. */
import { lowerProtocol } from '../../net/protocol.js';
import type { ExplainContext } from './context.js';

/**
 * Service ports that answer at an address and port, with what the address is to them: `cluster IP of shop/web:http`.
 * @param ip undefined for a node port, whatever the address
 */
export function servicePortsAt(
  { plans }: ExplainContext,
  ip: string | undefined,
  port: string,
  protocol: string,
): readonly string[] {
  const found = new Set<string>();
  for (const { servicePorts, node } of plans) {
    for (const plan of servicePorts) {
      if (plan.healthCheckNodePort === Number(port) && ip === undefined && protocol === 'tcp') {
        found.add(`health check of ${plan.name}`);
      }
      if (lowerProtocol(plan.protocol) !== protocol) continue;
      const onNode = ip === undefined || node.hostAddresses.includes(ip);
      if (plan.nodePort === Number(port) && onNode) found.add(`node port of ${plan.name}`);
      if (plan.port !== Number(port) || ip === undefined) continue;
      if (plan.clusterIP === ip) found.add(`cluster IP of ${plan.name}`);
      if (plan.externalIPs.includes(ip)) found.add(`external IP of ${plan.name}`);
      if (plan.loadBalancerIPs.includes(ip)) found.add(`load-balancer IP of ${plan.name}`);
    }
  }
  return [...found];
}

/** Service ports that have an endpoint (`10.244.1.7:8080`): `endpoint of shop/web:http on node worker-1`. */
export function endpointsAt({ plans }: ExplainContext, text: string): readonly string[] {
  return plans.flatMap(({ servicePorts }) =>
    servicePorts.flatMap((plan) =>
      plan.endpoints
        .filter((endpoint) => endpoint.text === text)
        .map(({ source }) => {
          const node = source.nodeName === undefined ? '' : ` on node ${source.nodeName}`;
          return `endpoint of ${plan.name}${node}`;
        }),
    ),
  );
}

/** Which Service a chain of iptables mode or an address and port belongs to, as far as objects tell. */
import { servicePortChains } from '../backends/iptables/names.js';
import type { Packet } from '../backends/packet/packet.js';
import { type Service, type ServicePort, servicePortName } from '../kube/service.js';
import type { ClusterState } from '../kube/state.js';
import type { IpAddress } from '../net/ip.js';
import { lowerProtocol } from '../net/protocol.js';

/** Names of service ports (`shop/web:http`). */
export interface ServiceNames {
  /** Of `KUBE-SVC-...` and its like; undefined for other chains, and where the Service is not given. */
  ofChain(chain: string): string | undefined;
  /**
   * Of a destination, with what the address is to the Service: `cluster IP of shop/web:http`.
   * @param ofNode whether it is an address of a node, so that its ports may be node ports
   */
  ofDestination(packet: Packet, ofNode: boolean): string | undefined;
}

/** Makes an index of all Services at the first question of a kind. */
export function serviceNames(state: ClusterState): ServiceNames {
  let chains: Map<string, string> | undefined;
  return {
    ofChain: (chain) => {
      if (!/^KUBE-(SVC|SVL|EXT|FW)-/.test(chain)) return undefined;
      chains ??= chainsOf(state);
      return chains.get(chain);
    },
    ofDestination: (packet, ofNode) => destinationName(state, packet, ofNode),
  };
}

function* servicePorts(state: ClusterState): Generator<readonly [Service, ServicePort, string]> {
  for (const { service } of state.services.values()) {
    for (const port of service.ports) yield [service, port, servicePortName(service, port.name)];
  }
}

function chainsOf(state: ClusterState): Map<string, string> {
  const names = new Map<string, string>();
  for (const [, port, name] of servicePorts(state)) {
    const { svc, svl, ext, fw } = servicePortChains(name, lowerProtocol(port.protocol));
    for (const chain of [svc, svl, ext, fw]) names.set(chain, name);
  }
  return names;
}

/** What an address is to a Service; undefined where it is none of its addresses. */
export function addressKind(
  { clusterIPs, externalIPs, loadBalancerIPs }: Service,
  { family, text }: IpAddress,
): 'cluster IP' | 'external IP' | 'load-balancer address' | undefined {
  if (clusterIPs[family] === text) return 'cluster IP';
  if (externalIPs[family].includes(text)) return 'external IP';
  return loadBalancerIPs[family].includes(text) ? 'load-balancer address' : undefined;
}

/** The Services that have an address and that kube-proxy serves. */
export function servicesAt(state: ClusterState, ip: IpAddress): readonly Service[] {
  return [...state.services.values()].flatMap(({ service }) =>
    service.otherProxy || addressKind(service, ip) === undefined ? [] : [service],
  );
}

function destinationName(state: ClusterState, packet: Packet, ofNode: boolean): string | undefined {
  const { family, destination, destinationPort, protocol } = packet;
  let nodePort: string | undefined;
  for (const [service, port, name] of servicePorts(state)) {
    if (lowerProtocol(port.protocol) !== protocol || service.otherProxy) continue;
    if (ofNode && port.nodePort === destinationPort) nodePort = `node port of ${name}`;
    if (port.port !== destinationPort) continue;
    const kind = addressKind(service, { family, text: destination });
    if (kind !== undefined) return `${kind} of ${name}`;
  }
  return nodePort;
}

/** Which service port a chain of iptables mode or an address and port belongs to, as far as objects tell. */
import { servicePortChains } from '../backends/iptables/names.js';
import type { Packet } from '../backends/packet/packet.js';
import { type Service, type ServicePort, servicePortName } from '../kube/service.js';
import type { ClusterState } from '../kube/state.js';
import { lowerProtocol } from '../net/protocol.js';

/** Names of service ports (`shop/web:http`). */
export interface ServiceNames {
  /** Of `KUBE-SVC-...` and its like; undefined for other chains, and where the Service is not given. */
  ofChain(chain: string): string | undefined;
  /** Of a destination, with what the address is to the Service: `cluster IP of shop/web:http`. */
  ofDestination(packet: Packet): string | undefined;
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
    ofDestination: (packet) => destinationName(state, packet),
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

function destinationName(state: ClusterState, packet: Packet): string | undefined {
  const { family, destination, destinationPort, protocol } = packet;
  let nodePort: string | undefined;
  for (const [service, port, name] of servicePorts(state)) {
    if (lowerProtocol(port.protocol) !== protocol || service.otherProxy) continue;
    if (port.nodePort === destinationPort) nodePort = `node port of ${name}`;
    if (port.port !== destinationPort) continue;
    if (service.clusterIPs[family] === destination) return `cluster IP of ${name}`;
    if (service.externalIPs[family].includes(destination)) return `external IP of ${name}`;
    if (service.loadBalancerIPs[family].includes(destination)) return `load-balancer address of ${name}`;
  }
  return nodePort;
}

/** By what virtual servers, real servers and entries of sets are told apart and found again. */
import { joinHostPort } from '../../net/ip.js';
import { lowerProtocol } from '../../net/protocol.js';
import { type RealServer, type ServiceAddress, serviceKey, settingsOf, type VirtualServer } from './ipvsadm-text.js';

/** A virtual server's address and port; all those of kube-proxy have them. */
export type PortalAddress = Extract<ServiceAddress, { readonly kind: 'address' }>;

/** As sets have it: `10.96.0.10,tcp:80`. */
export function portalEntry({ address, protocol, port }: PortalAddress): string {
  return `${address.text},${lowerProtocol(protocol)}:${port}`;
}

/** A real server among those of one virtual server: `10.244.1.5:8080`. */
export function serverKey({ address, port }: RealServer): string {
  return joinHostPort(address.text, address.family, port);
}

/** A real server among all: `-t 10.96.0.10:80 -r 10.244.1.5:8080`. */
export function fullServerKey(service: ServiceAddress, server: RealServer): string {
  return `${serviceKey(service)} -r ${serverKey(server)}`;
}

/** The settings of a virtual server, the same in whatever order its flags are. */
export function normalSettings(virtual: VirtualServer): string {
  return settingsOf({ ...virtual, schedulerFlags: [...virtual.schedulerFlags].sort() });
}

/** The same for virtual servers that differ in their address alone. */
export function twinKey(virtual: VirtualServer): string {
  const { service, servers } = virtual;
  const port = service.kind === 'address' ? `${service.protocol} ${service.port}` : '';
  return [port, normalSettings(virtual), ...servers.map(serverKey).sort()].join(' ');
}

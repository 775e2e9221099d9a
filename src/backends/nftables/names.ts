/** Names of chains and sets that belong to one service port or endpoint, as kube-proxy makes them. */
import { lowerProtocol } from '../../net/protocol.js';
import type { Endpoint } from '../../plan/endpoints.js';
import type { ServicePortPlan } from '../../plan/service-port.js';
import { hashTexts, writeLetters } from '../name-hash.js';

/** The chains of one service port; which of them exist depends on its plan. */
export interface ServicePortChains {
  /** Load-balances over the endpoints of policy Cluster. */
  readonly service: string;
  /** Load-balances over the endpoints of policy Local. */
  readonly local: string;
  /** Takes traffic from outside: masquerading, external traffic policy. */
  readonly external: string;
  /** Drops who may not use the load-balancer addresses. */
  readonly firewall: string;
}

/** The names of one endpoint, which exist with session affinity only. */
export interface EndpointNames {
  /** The chain that remembers the client and translates its packet. */
  readonly chain: string;
  /** The set of the clients that are at this endpoint. */
  readonly affinitySet: string;
}

/** nft takes names of 255 characters; kube-proxy keeps room for prefixes. */
export const LONGEST_NAME = 240;
export const ELLIPSIS = '...';

/** The chain names of a service port. */
export function servicePortChains(plan: ServicePortPlan): ServicePortChains {
  const name = hashedName(servicePortBase(plan));
  return {
    service: `service-${name}`,
    local: `local-${name}`,
    external: `external-${name}`,
    firewall: `firewall-${name}`,
  };
}

/** The names of an endpoint of a service port. */
export function endpointNames(plan: ServicePortPlan, endpoint: Endpoint): EndpointNames {
  const address = endpoint.source.address.replaceAll(':', '.');
  const name = hashedName(`${servicePortBase(plan)}__${address}/${endpoint.port}`);
  return { chain: `endpoint-${name}`, affinitySet: `affinity-${name}` };
}

function servicePortBase({ namespace, service, protocol, portName }: ServicePortPlan): string {
  return `${namespace}/${service}/${lowerProtocol(protocol)}/${portName}`;
}

const letters = new Array<number>(8).fill(0);

/** The base behind eight letters of its hash, which keep it unique where it must be cut. */
export function hashedName(base: string): string {
  hashTexts(base);
  writeLetters(letters, 0, 0);
  const name = `${String.fromCharCode.apply(undefined, letters)}-${base}`;
  return name.length <= LONGEST_NAME ? name : name.slice(0, LONGEST_NAME - ELLIPSIS.length) + ELLIPSIS;
}

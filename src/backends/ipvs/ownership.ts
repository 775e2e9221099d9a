/** What of a host is kube-proxy's: its sets by their names, its virtual servers by what sets and addresses tell of them. */
import type { Family } from '../../net/family.js';
import { type Cidr, cidrContains } from '../../net/ip.js';
import type { InterfaceAddress } from './addresses-text.js';
import { type IpSet, type NormalIpSet, normalIpset } from './ipset-text.js';
import { serviceKey, type VirtualServer } from './ipvsadm-text.js';
import { type PortalAddress, portalEntry, twinKey } from './server-keys.js';
import { SET_KEYS, type SetKey, setName } from './sets.js';

/** Sets that tell which addresses, with which ports, are Services'. */
export const PORTALS: readonly SetKey[] = ['CLUSTER-IP', 'EXTERNAL-IP', 'EXTERNAL-IP-LOCAL', 'LOAD-BALANCER'];

/** Sets of node ports, which only have ports, or a node's address as well. */
const NODE_PORTS = { TCP: 'NODE-PORT-TCP', UDP: 'NODE-PORT-UDP', SCTP: 'NODE-PORT-SCTP-HASH' } as const;

/** An address for documentation, by which kube-proxy tries a scheduler, too. */
export const PROBE = '198.51.100.0:20000';

/** kube-proxy's sets of one family that are there, in normal form by their names in the kernel. */
export type OwnSets = ReadonlyMap<string, NormalIpSet>;

/** Those among the sets of a host. */
export function ownSets(sets: readonly IpSet[], family: Family): OwnSets {
  const names = new Set(SET_KEYS.map((key) => setName(key, family)));
  return normalIpset(sets.filter(({ name }) => names.has(name)));
}

/** The entries of one of them; none if it is not there. */
export function entriesOf(sets: OwnSets, key: SetKey, family: Family): readonly string[] {
  return sets.get(setName(key, family))?.entries ?? [];
}

/**
 * Addresses of Services, of one family.
 * @param bound those that kube-ipvs0 has
 */
export function portalAddressesOf(
  sets: OwnSets,
  bound: readonly InterfaceAddress[],
  family: Family,
): ReadonlySet<string> {
  return new Set([...bound.map(({ address }) => address.text), ...entriesOf(sets, 'IPVS-IPS', family)]);
}

/** What tells whose a virtual server is. */
interface Surroundings {
  readonly family: Family;
  /** Virtual servers with these addresses are others'. */
  readonly excludeCIDRs: readonly Cidr[];
  readonly sets: OwnSets;
  /** Of Services, without ports: those that are bound, or are to be. */
  readonly portalAddresses: ReadonlySet<string>;
  /** Of all interfaces. */
  readonly local: readonly InterfaceAddress[];
  readonly services: readonly VirtualServer[];
}

/** Tells whether a virtual server that nobody wants is kube-proxy's nevertheless. */
export type Ownership = (virtual: VirtualServer) => boolean;

/**
 * A virtual server has no mark of its owner. kube-proxy takes all of them for its own; here only those are that are where
 * it puts its own, as far as sets and addresses still tell. A node port is on each address that the Node object has: on
 * one that an interface has, and just so on those that none has.
 */
export function ownership(surroundings: Surroundings): Ownership {
  const { family, excludeCIDRs, sets, portalAddresses, local, services } = surroundings;
  const portals = new Set(PORTALS.flatMap((key) => entriesOf(sets, key, family)));
  const onNode = new Set(local.map(({ address }) => address.text));
  const onInterface = new Set(
    services.flatMap((virtual) =>
      virtual.service.kind === 'address' && onNode.has(virtual.service.address.text) ? [twinKey(virtual)] : [],
    ),
  );
  const nodePorts = {
    TCP: new Set(entriesOf(sets, NODE_PORTS.TCP, family)),
    UDP: new Set(entriesOf(sets, NODE_PORTS.UDP, family)),
    SCTP: new Set(entriesOf(sets, NODE_PORTS.SCTP, family)),
  };
  return (virtual) => {
    const { service, servers } = virtual;
    if (service.kind !== 'address' || service.address.family !== family) return false;
    // What is left of an apply that was killed while it tried a scheduler.
    if (serviceKey(service) === `-t ${PROBE}` && servers.length === 0) return true;
    if (excludeCIDRs.some((cidr) => cidrContains(cidr, service.address))) return false;
    const { address, protocol, port } = service;
    if (portalAddresses.has(address.text) || portals.has(portalEntry(service))) return true;
    if (protocol === 'SCTP') return nodePorts.SCTP.has(portalEntry(service));
    return nodePorts[protocol].has(String(port)) && onInterface.has(twinKey(virtual));
  };
}

/** An entry with its set: `IPVS-IPS 10.96.0.10`. */
export function entryKey(set: SetKey, entry: string): string {
  return `${set} ${entry}`;
}

/** The keys of all entries by which virtual servers that stay a while are still known as kube-proxy's. */
export function tellingEntries(retained: readonly PortalAddress[]): ReadonlySet<string> {
  return new Set(
    retained.flatMap((service) => [
      entryKey('IPVS-IPS', service.address.text),
      ...PORTALS.map((key) => entryKey(key, portalEntry(service))),
      entryKey(NODE_PORTS[service.protocol], String(service.port)),
    ]),
  );
}

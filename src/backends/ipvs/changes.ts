/**
 * From the virtual servers, sets and addresses that a host has to those that it is to have, in inputs of ipset, ipvsadm
 * and ip. The kernel has no transaction for them. So they come in an order in which traffic keeps flowing after every
 * line, and which can be begun again wherever it was broken off: see `IpvsInputs`.
 */
import { FAMILIES, type Family } from '../../net/family.js';
import type { Cidr } from '../../net/ip.js';
import type { Change } from '../change.js';
import { changeAddresses, givenAddresses, isOnDevice } from './address-changes.js';
import type { InterfaceAddress } from './addresses-text.js';
import type { IpSet } from './ipset-text.js';
import type { IpvsTable } from './ipvsadm-text.js';
import { ownership, ownSets, portalAddressesOf } from './ownership.js';
import { changeServers, type LeavingServer, type Stays } from './server-changes.js';
import { changeSets } from './set-changes.js';

/** What IPVS mode has beside its rules, of one family. */
export interface IpvsState {
  readonly table: IpvsTable;
  readonly sets: readonly IpSet[];
  /** Of what is wanted, those of kube-ipvs0; of a host, those of all its interfaces. */
  readonly addresses: readonly InterfaceAddress[];
}

/** What is to be kept in mind about a host. */
export interface IpvsOptions {
  readonly family: Family;
  /** Virtual servers with these addresses are others', unless they are wanted. */
  readonly excludeCIDRs: readonly Cidr[];
  readonly stays: Stays;
}

/**
 * What is to be written, in this order; each is empty where there is nothing to do.
 *
 * What a Service needs comes before the Service: sets before the rules that name them, entries that let traffic through
 * before those that keep it out, real servers before the address by which packets reach them. What goes, goes the other
 * way round: first no real server takes connections any more (IPVS then refuses them), then the address leaves, and what
 * tells that a virtual server is kube-proxy's goes last, so that a later run still knows it.
 */
export interface IpvsInputs {
  /**
   * Of ipvsadm: virtual servers, still without real ones, whose address is here already. From now on IPVS refuses what the
   * node itself would answer as soon as the sets say that this port is a Service.
   */
  readonly open: string;
  /**
   * Of ipset: sets are made, entries added. Without delay go only those that spare a Service masquerading, as it may be
   * going to get endpoints on other nodes.
   */
  readonly prepare: string;
  /** Of ipset, once the rules are in force: what restricts a Service to source ranges. */
  readonly restrict: string;
  /** Of ipvsadm: timeouts, all other virtual servers, real servers with their weights. */
  readonly arrive: string;
  /** Of ip. */
  readonly bind: string;
  /** Of ipvsadm: real servers leave, or get no new connections. */
  readonly leave: string;
  /**
   * Of ipset: from now on all endpoints are those that are to be. The client's address may be kept if they are on this
   * node, and clients may come that were kept out before.
   */
  readonly release: string;
  /** Of ip. */
  readonly unbind: string;
  /** Of ipset: of Services whose address stays; the rules then refuse what the node itself would answer otherwise. */
  readonly close: string;
  /** Of ipvsadm: virtual servers go. */
  readonly remove: string;
  /** Of ipset: all the rest. */
  readonly clear: string;
}

/** What leads from one to the other. */
export interface IpvsChange {
  readonly inputs: IpvsInputs;
  readonly changes: readonly Change[];
  /** Real servers that are to stay at weight 0, or are there already. */
  readonly draining: readonly LeavingServer[];
  /** What is there and kube-proxy's, as something to go back to. */
  readonly own: IpvsState;
  /** Whether nothing is left on kube-ipvs0 afterwards, and the other family has no use for it. */
  readonly deviceIsFree: boolean;
}

/** Compares, of what is kube-proxy's. */
export function changeIpvs(wanted: IpvsState, current: IpvsState, options: IpvsOptions): IpvsChange {
  const { family, excludeCIDRs, stays } = options;
  const kubeSets = ownSets(current.sets, family);
  const given = givenAddresses(current.addresses);
  const local = given.filter(({ address }) => address.family === family);
  const bound = local.filter(isOnDevice);
  const portalAddresses = portalAddressesOf(kubeSets, bound, family);
  const owns = ownership({
    family,
    excludeCIDRs,
    sets: kubeSets,
    portalAddresses,
    local,
    services: current.table.services,
  });
  const servers = changeServers(wanted.table, current.table, { owns, portalAddresses, stays });
  const sets = changeSets(wanted.sets, { all: current.sets, own: kubeSets }, servers, family);
  const addresses = changeAddresses(wanted.addresses, bound, servers.retained);
  return {
    inputs: inputsOf({ ...servers.lines, ...sets.lines, ...addresses.lines }),
    changes: [...sets.changes, ...servers.changes, ...addresses.changes],
    draining: servers.draining,
    own: {
      table: { timeouts: undefined, services: servers.own },
      sets: current.sets.filter(({ name }) => kubeSets.has(name)),
      addresses: bound,
    },
    deviceIsFree: addresses.left === 0 && !isOtherFamilyHere(family, current.sets, given),
  };
}

/** Whether the other family has sets of kube-proxy's, or addresses on kube-ipvs0. */
function isOtherFamilyHere(family: Family, sets: readonly IpSet[], given: readonly InterfaceAddress[]): boolean {
  return (
    given.some((each) => each.address.family !== family && isOnDevice(each)) ||
    FAMILIES.some((other) => other !== family && ownSets(sets, other).size > 0)
  );
}

/** Each line of an input ends in a newline. */
function inputsOf(lines: Readonly<Record<keyof IpvsInputs, readonly string[]>>): IpvsInputs {
  const input = (each: keyof IpvsInputs): string => lines[each].map((line) => `${line}\n`).join('');
  return {
    open: input('open'),
    prepare: input('prepare'),
    restrict: input('restrict'),
    arrive: input('arrive'),
    bind: input('bind'),
    leave: input('leave'),
    release: input('release'),
    unbind: input('unbind'),
    close: input('close'),
    remove: input('remove'),
    clear: input('clear'),
  };
}

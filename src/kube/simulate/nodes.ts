/**
 * Nodes with everything that the simulation needs: an InternalIP (which a kubelet reports) and a podCIDR (which the
 * node IPAM controller gives out). Nodes are invented where none are given.
 */

import { type ByFamily, FAMILIES, type Family } from '../../net/family.js';
import { type Cidr, cidrContains, type IpAddress, networkAddress, parseCidr, parseIp } from '../../net/ip.js';
import { compareBytes } from '../../net/text.js';
import type { Diagnostic } from '../diagnostics.js';
import type { LocatedObject, RawObject } from '../objects.js';
import { sayAbout } from './notes.js';
import type { Cluster } from './options.js';
import { type AddressPool, addressNumber, createAddressPool, numberedAddress } from './pool.js';
import { type Fields, fieldOf, fieldsOf, type Labels, labelsOf, listOf, nameOf, objectsOf, textOf } from './values.js';

/** A node that Pods can run on. */
export interface SimulatedNode {
  readonly name: string;
  readonly labels: Labels;
  readonly taints: readonly Fields[];
  /** Nobody gave it, so it is as the Pods need it. */
  readonly isInvented: boolean;
  /** One InternalIP of each family that it has. */
  readonly addresses: readonly IpAddress[];
  readonly podPools: readonly AddressPool[];
}

/** The nodes by name in order, and their objects. */
export interface SimulatedNodes {
  readonly nodes: readonly SimulatedNode[];
  /** Given nodes that had something missing. */
  readonly completed: ReadonlyMap<LocatedObject, LocatedObject>;
  readonly invented: readonly LocatedObject[];
}

/** What asks for nodes. */
export interface NodeNeeds {
  /** Nodes that have to be there: name, and the addresses that are known of it. */
  readonly named: ReadonlyMap<string, readonly IpAddress[]>;
  /** Families of nodes that do not say theirs. */
  readonly families: readonly Family[];
}

/** Prefix lengths of the part of the cluster CIDR that a node gets (kube-controller-manager's --node-cidr-mask-size). */
const NODE_MASK: Readonly<Record<Family, number>> = { ipv4: 24, ipv6: 64 };

/**
 * Completes the given nodes and invents the others: those that something names, and `node-1`, `node-2`, … when there
 * are none at all. A node that tells only its podCIDR or only its InternalIPs gets the other for the same families.
 */
export function simulateNodes(
  objects: readonly LocatedObject[],
  needs: NodeNeeds,
  cluster: Cluster,
  diagnostics: Diagnostic[],
): SimulatedNodes {
  const given = new Map(objectsOf(objects, 'v1', 'Node').map((located) => [nameOf(located.object), located]));
  const names = new Set([...given.keys(), ...needs.named.keys()]);
  if (names.size === 0) for (let i = 1; i <= cluster.nodes; i++) names.add(`node-${i}`);

  const facts = [...names].map((name) => readNode(name, given.get(name), needs.named.get(name) ?? []));
  // node-10 comes after node-9.
  const padded = (name: string): string => name.replace(/\d+/g, (digits) => digits.padStart(12, '0'));
  facts.sort((a, b) => compareBytes(padded(a.name), padded(b.name)) || compareBytes(a.name, b.name));

  const addressPools: ByFamily<AddressPool> = {
    ipv4: createAddressPool(cluster.nodeRanges.ipv4),
    ipv6: createAddressPool(cluster.nodeRanges.ipv6),
  };
  const subnets = subnetSource(
    cluster,
    facts.flatMap((node) => node.podCidrs),
  );
  for (const ip of facts.flatMap((node) => node.addresses)) addressPools[ip.family].reserve(ip);

  const completed = new Map<LocatedObject, LocatedObject>();
  const invented: LocatedObject[] = [];
  const nodes = facts.map((node): SimulatedNode => {
    const located = node.located ?? { object: { apiVersion: 'v1', kind: 'Node', metadata: { name: node.name } } };
    const say = sayAbout(located, diagnostics);
    const families = node.addresses.length + node.podCidrs.length === 0 ? needs.families : familiesOf(node);
    const fresh = (node.addresses.length > 0 ? [] : families).flatMap((family) => {
      // Invented nodes count up from the start of the range; the place of a given one depends on its name alone.
      const pool = addressPools[family];
      const ip = node.located === undefined ? pool.takeLowest() : pool.take(node.name);
      if (ip === undefined) say('simulate-exhausted', `${pool.cidr.text} has no address left for it`);
      return ip ?? [];
    });
    const freshCidrs = (node.podCidrs.length > 0 ? [] : families).flatMap((family) => {
      const cidr = subnets(family);
      if (cidr === undefined) {
        say('simulate-exhausted', `${cluster.podRanges[family].text} has no podCIDR left for it`, {
          hint: 'Choose a larger cluster CIDR.',
        });
      }
      return cidr ?? [];
    });
    const addresses = [...node.addresses, ...fresh];
    const podCidrs = [...node.podCidrs, ...freshCidrs];
    if (node.located === undefined) {
      invented.push({ object: nodeObject(node.name, addresses, podCidrs) });
      say('simulated', `invented with InternalIP ${texts(addresses)} and podCIDR ${texts(podCidrs)}`);
    } else if (fresh.length + freshCidrs.length > 0) {
      completed.set(node.located, completeNode(node.located, node.name, fresh, podCidrs));
      if (fresh.length > 0) say('simulated', `InternalIP ${texts(fresh)} allocated`);
      if (freshCidrs.length > 0) say('simulated', `podCIDR ${texts(freshCidrs)} allocated`);
    }
    return {
      name: node.name,
      labels:
        node.located === undefined
          ? inventedLabels(node.name)
          : labelsOf(fieldOf(node.located.object.metadata, 'labels')),
      taints: taintsOf(node.located?.object),
      isInvented: node.located === undefined,
      addresses: FAMILIES.flatMap((family) => addresses.find((ip) => ip.family === family) ?? []),
      // The first address of a podCIDR is the bridge's on the node.
      podPools: podCidrs.map((cidr) => createAddressPool(cidr, 2, 2)),
    };
  });
  return { nodes, completed, invented };
}

interface NodeFacts {
  readonly name: string;
  readonly located: LocatedObject | undefined;
  /** InternalIPs. */
  readonly addresses: readonly IpAddress[];
  readonly podCidrs: readonly Cidr[];
}

function readNode(name: string, located: LocatedObject | undefined, known: readonly IpAddress[]): NodeFacts {
  if (located === undefined) return { name, located, addresses: known, podCidrs: [] };
  const { spec, status } = located.object;
  const addresses = listOf(fieldOf(status, 'addresses'))
    .filter((each) => fieldOf(each, 'type') === 'InternalIP')
    .flatMap((each) => parseIp(textOf(fieldOf(each, 'address'))) ?? []);
  const written = listOf(fieldOf(spec, 'podCIDRs'));
  const podCidrs = (written.length > 0 ? written : [fieldOf(spec, 'podCIDR')]).flatMap(
    (text) => parseCidr(textOf(text)) ?? [],
  );
  return { name, located, addresses, podCidrs };
}

function familiesOf(node: NodeFacts): Family[] {
  return FAMILIES.filter((family) => [...node.addresses, ...node.podCidrs].some((each) => each.family === family));
}

/**
 * Gives out the parts of the cluster CIDRs one after another, without those that overlap a podCIDR that is already
 * there. A cluster CIDR smaller than a part is one part.
 */
function subnetSource(cluster: Cluster, existing: readonly Cidr[]): (family: Family) => Cidr | undefined {
  const next: Record<Family, bigint> = { ipv4: 0n, ipv6: 0n };
  return (family) => {
    const range = cluster.podRanges[family];
    const mask = Math.max(NODE_MASK[family], range.prefixLength);
    const size = 1n << BigInt((family === 'ipv4' ? 32 : 128) - mask);
    const count = 1n << BigInt(mask - range.prefixLength);
    while (next[family] < count) {
      const network = numberedAddress(family, addressNumber(networkAddress(range)) + next[family]++ * size);
      const cidr = parseCidr(`${network.text}/${mask}`);
      if (cidr !== undefined && !existing.some((other) => overlap(cidr, other))) return cidr;
    }
    return undefined;
  };
}

function overlap(a: Cidr, b: Cidr): boolean {
  return cidrContains(a, networkAddress(b)) || cidrContains(b, networkAddress(a));
}

/** As the kubelet registers itself, Ready. */
function nodeObject(name: string, addresses: readonly IpAddress[], podCidrs: readonly Cidr[]): RawObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: inventedLabels(name) },
    spec: podCidrsField(podCidrs),
    status: {
      addresses: [
        ...addresses.map((ip) => ({ type: 'InternalIP', address: ip.text })),
        { type: 'Hostname', address: name },
      ],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  };
}

function completeNode(
  located: LocatedObject,
  name: string,
  fresh: readonly IpAddress[],
  podCidrs: readonly Cidr[],
): LocatedObject {
  const { object } = located;
  const status = fieldsOf(object.status);
  const before = listOf(status.addresses);
  const hostname = before.length === 0 ? [{ type: 'Hostname', address: name }] : [];
  const addresses = [...before, ...fresh.map((ip) => ({ type: 'InternalIP', address: ip.text })), ...hostname];
  return {
    ...located,
    object: {
      ...object,
      spec: { ...fieldsOf(object.spec), ...podCidrsField(podCidrs) },
      status: { ...status, addresses },
    },
  };
}

function podCidrsField(podCidrs: readonly Cidr[]): Fields {
  return podCidrs[0] === undefined ? {} : { podCIDR: podCidrs[0].text, podCIDRs: podCidrs.map((cidr) => cidr.text) };
}

function inventedLabels(name: string): Labels {
  return { 'kubernetes.io/arch': 'amd64', 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux' };
}

/** The taints that keep Pods away, with the one that the node lifecycle controller adds to a cordoned node. */
function taintsOf(node: RawObject | undefined): Fields[] {
  const taints = listOf(fieldOf(node?.spec, 'taints')).map(fieldsOf);
  const cordon = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
  return fieldOf(node?.spec, 'unschedulable') === true ? [...taints, cordon] : taints;
}

function texts(values: readonly { readonly text: string }[]): string {
  return values.map((value) => value.text).join(' and ') || '(none)';
}

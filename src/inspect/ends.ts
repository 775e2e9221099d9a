/** Where a packet comes from and goes to, from what people write to addresses. */
import type { Interface, Packet } from '../backends/packet/packet.js';
import { type Diagnostic, diagnostic } from '../kube/diagnostics.js';
import { show } from '../kube/fields.js';
import type { Node } from '../kube/node.js';
import type { Service } from '../kube/service.js';
import type { ClusterState } from '../kube/state.js';
import { FAMILIES, type Family } from '../net/family.js';
import { cidrContains, type IpAddress, isLoopback, parseIp } from '../net/ip.js';
import type { PodIndex } from './pods.js';

/** What is known of the cluster. */
export interface Surroundings {
  readonly state: ClusterState;
  readonly pods: PodIndex;
  /** The node whose rules are asked. */
  readonly node: Node;
  /** Of Services that are named without one. */
  readonly namespace: string;
}

/** A destination: an address of one family, or one of each family that a Service has. */
export interface Destination {
  readonly addresses: readonly IpAddress[];
  readonly port: number;
  readonly protocol: Packet['protocol'];
  /** `shop/web:http`, where a Service was named. */
  readonly service: string | undefined;
}

/** A sender and its addresses, of which one of the packet's family counts. */
export interface Sender {
  readonly addresses: readonly IpAddress[];
  /** `this node`, `pod shop/web-0`, `node worker-2`; undefined for an address that nothing is known of. */
  readonly name: string | undefined;
  /** How its packets come in, if it is not this node itself; see `Interface`. */
  readonly incoming: Interface | undefined;
}

/** What was found, or what is wrong. */
export type Resolved<T> = T | Diagnostic;

/** Whether something could not be resolved. */
export function isUnresolved(resolved: object): resolved is Diagnostic {
  return 'severity' in resolved;
}

/**
 * Reads where a packet goes: `10.96.0.20:80`, `10.96.0.20:53/udp`, `[fd00::20]:80`, `10.96.0.20/icmp`, and of a
 * Service `shop/web:http`, `shop/web:80`, `shop/web` where it has one port.
 */
export function resolveTarget(text: string, { state, namespace }: Surroundings): Resolved<Destination> {
  // A Service may have the name of a protocol.
  const isService = state.services.has(text);
  const [, before = '', protocolText] = /^(.*?)(?:\/(tcp|udp|sctp|icmp))?$/i.exec(isService ? '' : text) ?? [];
  const place = isService ? text : before;
  const protocol = protocolText?.toLowerCase() as Packet['protocol'] | undefined;
  const [, bracketed, plain, portText] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/.exec(place) ?? [];
  const bare = parseIp(place);
  const ip = bare ?? parseIp(bracketed ?? plain ?? '');
  if (ip !== undefined) {
    if (protocol === 'icmp' && (bare !== undefined || portText === undefined)) {
      return { addresses: [ip], port: 0, protocol, service: undefined };
    }
    const port = bare === undefined ? portOf(portText) : undefined;
    if (port === undefined || protocol === 'icmp') {
      return usage('to', text, 'Write ADDRESS:PORT, ADDRESS:PORT/udp or ADDRESS/icmp; an IPv6 address in brackets.');
    }
    return { addresses: [ip], port, protocol: protocol ?? 'tcp', service: undefined };
  }
  const key = (plain ?? '').includes('/') ? (plain ?? '') : `${namespace}/${plain}`;
  const service = state.services.get(key)?.service;
  if (service === undefined) {
    return usage('to', text, `It is neither an address with a port nor a Service that is given (${key}).`);
  }
  return servicePort(text, service, portText, protocol);
}

function servicePort(
  text: string,
  service: Service,
  wanted: string | undefined,
  protocol: Packet['protocol'] | undefined,
): Resolved<Destination> {
  const addresses = FAMILIES.flatMap((family) => {
    const address = service.clusterIPs[family];
    return address === undefined ? [] : [{ family, text: address }];
  });
  const name = `${service.namespace}/${service.name}`;
  if (addresses.length === 0) return usage('to', text, `Service ${name} has no cluster IP.`);
  if (protocol === 'icmp') return { addresses, port: 0, protocol, service: name };
  const fits = service.ports.filter((port) => {
    const ofProtocol = protocol === undefined || port.protocol.toLowerCase() === protocol;
    return ofProtocol && (wanted === undefined || port.name === wanted || String(port.port) === wanted);
  });
  const all = service.ports.map((port) => `${port.name || port.port}/${port.protocol.toLowerCase()}`).join(', ');
  const [first, ...more] = fits;
  if (first === undefined) return usage('to', text, `Service ${name} has the ports ${all}.`);
  if (more.length > 0) return usage('to', text, `Service ${name} has several such ports: name one of ${all}.`);
  const portName = `${name}${first.name === '' ? '' : `:${first.name}`}`;
  return {
    addresses,
    port: first.port,
    protocol: first.protocol.toLowerCase() as Packet['protocol'],
    service: portName,
  };
}

function portOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535
    ? Number(text)
    : undefined;
}

/**
 * Reads where a packet comes from: an address, `node` for the node itself, `node/NAME` for another one, a pod's name
 * with or without its namespace.
 */
export function resolveSender(text: string, around: Surroundings): Resolved<Sender> {
  const { state, pods, node } = around;
  const ip = parseIp(text);
  if (ip !== undefined) return senderAt(ip, around);
  if (text === 'node') return { addresses: ownAddresses(node), name: 'this node', incoming: undefined };
  const other = text.startsWith('node/') ? state.nodes.get(text.slice(5)) : undefined;
  if (other !== undefined) {
    if (other.name === node.name) return resolveSender('node', around);
    return { addresses: other.addresses, name: `node ${other.name}`, incoming: { kind: 'other' } };
  }
  const found = pods.named(text);
  const names = [...new Set(found.map(({ name }) => name))];
  const [name] = names;
  if (name === undefined) {
    return usage('from', text, 'It is no address, no pod that is given, and neither node nor node/NAME.');
  }
  if (names.length > 1) return usage('from', text, `There are several such pods: ${names.slice(0, 10).join(', ')}.`);
  const addresses = found.map(({ address }) => parseIp(address)).filter((each) => each !== undefined);
  const incoming = addresses.map((each) => senderAt(each, around).incoming)[0];
  return { addresses, name: `pod ${name}`, incoming };
}

/** Who has an address, and by what kind of interface its packets come. */
function senderAt(ip: IpAddress, { state, pods, node }: Surroundings): Sender {
  if (isLoopback(ip) || node.addresses.some((each) => each.text === ip.text)) {
    return { addresses: [ip], name: 'this node', incoming: undefined };
  }
  const pod = pods.at(ip.text);
  const isHere = pod?.nodeName === undefined ? isInPodNetwork(node, ip) : pod.nodeName === node.name;
  if (pod !== undefined || isHere) {
    const name = pod === undefined ? 'a pod of this node' : `pod ${pod.name}`;
    return { addresses: [ip], name, incoming: { kind: isHere ? 'pod' : 'other' } };
  }
  const nodes = [...state.nodes.values()];
  const itself = nodes.find(({ addresses }) => addresses.some((each) => each.text === ip.text));
  const host = nodes.find((each) => isInPodNetwork(each, ip));
  const name =
    itself === undefined ? (host === undefined ? undefined : `a pod of node ${host.name}`) : `node ${itself.name}`;
  return { addresses: [ip], name, incoming: { kind: 'other' } };
}

/** A node without known addresses still has the loopback ones. */
function ownAddresses({ addresses }: Node): readonly IpAddress[] {
  if (addresses.length > 0) return addresses;
  return [
    { family: 'ipv4', text: '127.0.0.1' },
    { family: 'ipv6', text: '::1' },
  ];
}

function isInPodNetwork({ podCIDRs }: Node, ip: IpAddress): boolean {
  return podCIDRs.some((cidr) => cidrContains(cidr, ip));
}

/** The family that both ends have: the one asked for, else the first. */
export function commonFamily(
  sender: Sender,
  target: Destination,
  asked: Family | undefined,
): Resolved<{ family: Family }> {
  const has = (addresses: readonly IpAddress[], family: Family) => addresses.some((each) => each.family === family);
  const family = FAMILIES.find(
    (each) => (asked === undefined || each === asked) && has(target.addresses, each) && has(sender.addresses, each),
  );
  if (family !== undefined) return { family };
  const hint = 'Name the sender by an address of the family that the destination has.';
  return diagnostic('usage', '--from and --to have no IP family in common.', { hint });
}

function usage(option: 'from' | 'to', text: string, hint: string): Diagnostic {
  return diagnostic('usage', `--${option} ${show(text)} is not understood.`, { hint });
}

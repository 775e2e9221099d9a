/** Where a packet comes from and goes to, from what people write to addresses. */
import type { Interface, Packet } from '../backends/packet/packet.js';
import { type Diagnostic, diagnostic } from '../kube/diagnostics.js';
import { isFields, show } from '../kube/fields.js';
import type { Node } from '../kube/node.js';
import type { LocatedObject } from '../kube/objects.js';
import { type Service, type ServicePort, serviceKey, servicePortName } from '../kube/service.js';
import type { ClusterState } from '../kube/state.js';
import { FAMILIES, type Family } from '../net/family.js';
import { cidrContains, type IpAddress, isLoopback, parseIp } from '../net/ip.js';
import { lowerProtocol } from '../net/protocol.js';
import { unknownNode } from '../plan/choose-node.js';
import { fullName, type PodIndex } from './pods.js';

/** What is known of the cluster. */
export interface Surroundings {
  readonly state: ClusterState;
  /** All objects, of which Pods and Ingresses are read where a question is about them. */
  readonly objects: readonly LocatedObject[];
  readonly pods: PodIndex;
  /** The node whose rules are asked. */
  readonly node: Node;
  /** Of Services that are named without one, and of senders of whom nothing is known. */
  readonly namespace: string;
}

/** A destination: an address of one family, or one of each family that a Service has. */
export interface Destination {
  readonly addresses: readonly IpAddress[];
  readonly port: number;
  readonly protocol: Packet['protocol'];
  /** `shop/web:http`, where a Service was named. */
  readonly service: string | undefined;
  /** What there is to say about the port. */
  readonly note: string | undefined;
}

/** A sender and its addresses, of which one of the packet's family counts. */
export interface Sender {
  readonly addresses: readonly IpAddress[];
  /** `this node`, `pod shop/web-0`, `node worker-2`; undefined for an address that nothing is known of. */
  readonly name: string | undefined;
  /** How its packets come in, if it is not this node itself; see `Interface`. */
  readonly incoming: Interface | undefined;
  /** `shop/web-0`, where it is a pod that is known. */
  readonly pod: string | undefined;
  /** Its addresses are those of a node, this one or another. */
  readonly isNode: boolean;
}

/** What was found, or what is wrong. */
export type Resolved<T> = T | Diagnostic;

/** Whether something could not be resolved. */
export function isUnresolved(resolved: object): resolved is Diagnostic {
  return 'severity' in resolved;
}

/** Where a packet goes, taken apart but not looked up. */
export interface Place {
  /** An address, a name, or `namespace/name` of a Service. */
  readonly host: string;
  /** As it was typed; undefined where there is none. */
  readonly port: string | undefined;
  readonly protocol: Packet['protocol'] | undefined;
}

/** Takes apart `10.96.0.20:80`, `10.96.0.20:53/udp`, `[fd00::20]:80`, `10.96.0.20/icmp`, `shop/web:http`, `redis:6379`. */
export function readPlace(text: string, { state }: Surroundings): Place {
  // A Service may have the name of a protocol.
  const isService = state.services.has(text);
  const [, before = '', protocolText] = /^(.*?)(?:\/(tcp|udp|sctp|icmp))?$/i.exec(isService ? '' : text) ?? [];
  const place = isService ? text : before;
  const protocol = protocolText?.toLowerCase() as Packet['protocol'] | undefined;
  if (parseIp(place) !== undefined) return { host: place, port: undefined, protocol };
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/.exec(place) ?? [];
  return { host: bracketed ?? plain ?? '', port, protocol };
}

/** An address with its port; without a port only for icmp. */
export function addressTarget(text: string, ip: IpAddress, { port, protocol }: Place): Resolved<Destination> {
  if (protocol === 'icmp' && port === undefined) {
    return { addresses: [ip], port: 0, protocol, service: undefined, note: undefined };
  }
  const number = portOf(port);
  if (number === undefined || protocol === 'icmp') {
    return usage('to', text, 'Write ADDRESS:PORT, ADDRESS:PORT/udp or ADDRESS/icmp; an IPv6 address in brackets.');
  }
  return { addresses: [ip], port: number, protocol: protocol ?? 'tcp', service: undefined, note: undefined };
}

/**
 * A Service by its cluster IPs.
 * @param wanted the name or number of a port as it was typed; undefined for the only one
 * @param protocol undefined for whatever the port has
 */
export function servicePort(
  text: string,
  service: Service,
  wanted: string | undefined,
  protocol: Packet['protocol'] | undefined,
): Resolved<Destination> {
  const addresses = FAMILIES.flatMap((family) => {
    const address = service.clusterIPs[family];
    return address === undefined ? [] : [{ family, text: address }];
  });
  const name = serviceKey(service);
  if (addresses.length === 0) return usage('to', text, `Service ${name} has no cluster IP.`);
  const chosen = choosePort(text, `Service ${name}`, service.ports, wanted, protocol);
  if (isUnresolved(chosen)) return chosen;
  const { port, protocol: spoken, name: portName, note } = chosen;
  return { addresses, port, protocol: spoken, service: servicePortName(service, portName), note };
}

/** A port that was chosen, and what there is to say about it. */
interface ChosenPort extends Pick<Destination, 'port' | 'protocol' | 'note'> {
  /** Empty for a port without a name, and for one that is not listed. */
  readonly name: string;
}

/**
 * Finds the port that is meant by a name or number, or the only one. A number that is not listed is taken all the same:
 * nobody keeps a packet from being sent there.
 * @param whose who has the ports: `Service shop/web`
 */
export function choosePort(
  text: string,
  whose: string,
  ports: readonly Pick<ServicePort, 'name' | 'port' | 'protocol'>[],
  wanted: string | undefined,
  protocol: Packet['protocol'] | undefined,
): Resolved<ChosenPort> {
  if (protocol === 'icmp') return { port: 0, protocol, name: '', note: undefined };
  const fits = ports.filter((port) => {
    const ofProtocol = protocol === undefined || lowerProtocol(port.protocol) === protocol;
    return ofProtocol && (wanted === undefined || port.name === wanted || String(port.port) === wanted);
  });
  const all = ports.map((port) => portWords(port)).join(', ');
  const [first, ...more] = fits;
  if (more.length > 0) return usage('to', text, `${whose} has several such ports: name one of ${all}.`);
  if (first !== undefined) {
    return { port: first.port, protocol: lowerProtocol(first.protocol), name: first.name, note: undefined };
  }
  const number = portOf(wanted);
  const has = all === '' ? 'has no ports' : `has the ${ports.length === 1 ? 'port' : 'ports'} ${all}`;
  if (number === undefined) return usage('to', text, `${whose} ${has}.`);
  const spoken = protocol ?? 'tcp';
  return { port: number, protocol: spoken, name: '', note: `${whose} has no port ${number}/${spoken}: it ${has}.` };
}

/** `http 80/tcp`. */
function portWords({ name, port, protocol }: Pick<ServicePort, 'name' | 'port' | 'protocol'>): string {
  return `${name === '' ? '' : `${name} `}${port}/${lowerProtocol(protocol)}`;
}

/** A port's number, or undefined for what is none. */
export function portOf(text: string | undefined): number | undefined {
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
  if (text === 'node') return nodeSender(node, around);
  const [, nodeName] = /^node\/(.*)$/.exec(text) ?? [];
  const other = nodeName === undefined ? undefined : state.nodes.get(nodeName);
  if (other !== undefined) return nodeSender(other, around);
  const found = pods.named(text);
  const onHosts = found.length > 0 ? [] : pods.given(text).filter(isOnHostNetwork);
  const names = [...new Set([...found.map(({ name }) => name), ...onHosts.flatMap((each) => fullName(each) ?? [])])];
  const [name] = names;
  if (name === undefined) {
    if (nodeName !== undefined) return unknownNode(nodeName, state);
    return usage('from', text, 'It is no address, no pod that is given, and neither node nor node/NAME.');
  }
  if (names.length > 1) return usage('from', text, `There are several such pods: ${names.slice(0, 10).join(', ')}.`);
  const [onHost] = onHosts;
  if (onHost !== undefined) return hostSender(text, name, onHost, around);
  const addresses = found.map(({ address }) => parseIp(address)).filter((each) => each !== undefined);
  const [sender] = addresses.map((each) => senderAt(each, around));
  return {
    addresses,
    name: `pod ${name}`,
    incoming: sender?.incoming,
    pod: name,
    isNode: sender?.isNode ?? false,
  };
}

/** Whether an address is one of a node that is known, this one or another. */
export function isOfNode(address: string, { state, node }: Surroundings): boolean {
  return [node, ...state.nodes.values()].some(({ addresses }) => addresses.some(({ text }) => text === address));
}

/** A node itself. */
function nodeSender(sender: Node, { node }: Surroundings): Sender {
  const about = { pod: undefined, isNode: true };
  return sender.name === node.name
    ? { addresses: ownAddresses(node), name: 'this node', incoming: undefined, ...about }
    : { addresses: sender.addresses, name: `node ${sender.name}`, incoming: { kind: 'other' }, ...about };
}

/** A pod that has the addresses of its node, which has to be told. */
function hostSender(text: string, pod: string, { object }: LocatedObject, around: Surroundings): Resolved<Sender> {
  const nodeName = isFields(object.spec) ? object.spec.nodeName : undefined;
  const host = nodeName === around.node.name ? around.node : around.state.nodes.get(String(nodeName));
  if (host === undefined) {
    return usage('from', text, `Pod ${pod} is on the host network of a node that is not given; name its address.`);
  }
  return { ...nodeSender(host, around), name: `pod ${pod}, on the host network`, pod };
}

function isOnHostNetwork({ object: { spec } }: LocatedObject): boolean {
  return isFields(spec) && spec.hostNetwork === true;
}

/** Who has an address, and by what kind of interface its packets come. */
function senderAt(ip: IpAddress, { state, pods, node }: Surroundings): Sender {
  if (isLoopback(ip) || node.addresses.some((each) => each.text === ip.text)) {
    return { addresses: [ip], name: 'this node', incoming: undefined, pod: undefined, isNode: true };
  }
  const pod = pods.at(ip.text);
  const isHere = pod?.nodeName === undefined ? isInPodNetwork(node, ip) : pod.nodeName === node.name;
  if (pod !== undefined || isHere) {
    const name = pod === undefined ? 'a pod of this node' : `pod ${pod.name}`;
    return { addresses: [ip], name, incoming: { kind: isHere ? 'pod' : 'other' }, pod: pod?.name, isNode: false };
  }
  const nodes = [...state.nodes.values()];
  const itself = nodes.find(({ addresses }) => addresses.some((each) => each.text === ip.text));
  const host = nodes.find((each) => isInPodNetwork(each, ip));
  const name =
    itself === undefined ? (host === undefined ? undefined : `a pod of node ${host.name}`) : `node ${itself.name}`;
  return { addresses: [ip], name, incoming: { kind: 'other' }, pod: undefined, isNode: itself !== undefined };
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

/** A mistake in one of the two options. */
export function usage(option: 'from' | 'to', text: string, hint: string): Diagnostic {
  return diagnostic('usage', `--${option} ${show(text)} is not understood.`, { hint });
}

/**
 * From the virtual servers, sets and addresses that a host has to those that it is to have, in inputs of ipset, ipvsadm
 * and ip. The kernel has no transaction for them. So they come in an order in which traffic keeps flowing after every
 * line, and which can be begun again wherever it was broken off: see `IpvsInputs`.
 */
import { FAMILIES, type Family } from '../../net/family.js';
import { type Cidr, cidrContains, joinHostPort } from '../../net/ip.js';
import { lowerProtocol } from '../../net/protocol.js';
import type { Change } from '../change.js';
import type { InterfaceAddress } from './addresses-text.js';
import { type IpSet, type NormalIpSet, normalIpset, printIpset } from './ipset-text.js';
import {
  type IpvsTable,
  printIpvsadm,
  type RealServer,
  type ServiceAddress,
  serverText,
  serviceKey,
  settingsOf,
  type VirtualServer,
} from './ipvsadm-text.js';
import { SET_KEYS, type SetKey, setName } from './sets.js';

/** The device that kube-proxy binds addresses of Services to. */
export const IPVS_DEVICE = 'kube-ipvs0';

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
  /** Whether a TCP real server that is not wanted stays for its open connections, without getting new ones. */
  readonly stays: (server: LeavingServer) => boolean;
}

/** A real server that is not wanted any more. */
export interface LeavingServer {
  /** Unique: `-t 10.96.0.10:80 -r 10.244.1.5:8080`. */
  readonly key: string;
  readonly weight: number;
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

/** Sets that tell which addresses, with which ports, are Services'. */
const PORTALS: readonly SetKey[] = ['CLUSTER-IP', 'EXTERNAL-IP', 'EXTERNAL-IP-LOCAL', 'LOAD-BALANCER'];

/** Sets of node ports, which only have ports, or a node's address as well. */
const NODE_PORTS = { TCP: 'NODE-PORT-TCP', UDP: 'NODE-PORT-UDP', SCTP: 'NODE-PORT-SCTP-HASH' } as const;

/** An entry of these keeps the client's address, which only works with endpoints on this node. */
const SPARING = new Set<SetKey>([
  'LOAD-BALANCER-LOCAL',
  'NODE-PORT-LOCAL-TCP',
  'NODE-PORT-LOCAL-UDP',
  'NODE-PORT-LOCAL-SCTP-HASH',
]);

/** An address for documentation, by which kube-proxy tries a scheduler, too. */
export const PROBE = '198.51.100.0:20000';

/** A set to put a new set into another's place; never more than a moment there. */
const SPARE_SET = 'KUBERULES-SPARE';

/** The names of all sets that are looked at, of both families. */
export function ipvsSetNames(): ReadonlySet<string> {
  return new Set([SPARE_SET, ...FAMILIES.flatMap((family) => SET_KEYS.map((key) => setName(key, family)))]);
}

/** Compares, of what is kube-proxy's. */
export function changeIpvs(wanted: IpvsState, current: IpvsState, options: IpvsOptions): IpvsChange {
  const { family } = options;
  const sets = currentSets(current.sets, family);
  const local = addressesOf(current.addresses, family);
  const bound = local.filter(({ at }) => at?.interface === IPVS_DEVICE);
  const known = new Set([
    ...bound.map(({ address }) => address.text),
    ...(sets.get(setName('IPVS-IPS', family))?.entries ?? []),
  ]);
  const owns = ownership(sets, { local, known, services: current.table.services }, options);
  const servers = changeServers(wanted.table, current.table, { owns, known }, options);
  const entries = changeSets(wanted.sets, sets, current.sets, servers, options);
  const addresses = changeAddresses(wanted.addresses, bound, servers);
  const others = current.addresses.filter(
    (each) => each.at?.interface === IPVS_DEVICE && each.address.family !== family && !isKernels(each),
  );
  return {
    inputs: { ...entries.inputs, ...servers.inputs, ...addresses.inputs },
    changes: [...entries.changes, ...servers.changes, ...addresses.changes],
    draining: servers.draining,
    own: {
      table: { timeouts: undefined, services: servers.own },
      sets: current.sets.filter(({ name }) => sets.has(name)),
      addresses: bound,
    },
    deviceIsFree: addresses.left === 0 && others.length === 0 && !hasSets(current.sets, family),
  };
}

/** The normal form of kube-proxy's sets that are there. */
function currentSets(sets: readonly IpSet[], family: Family): ReadonlyMap<string, NormalIpSet> {
  const known = new Set(SET_KEYS.map((key) => setName(key, family)));
  return normalIpset(sets.filter(({ name }) => known.has(name)));
}

/** Whether the other family has sets of kube-proxy's. */
function hasSets(sets: readonly IpSet[], but: Family): boolean {
  return FAMILIES.some((family) => family !== but && currentSets(sets, family).size > 0);
}

/** Those of a family that somebody gave. */
function addressesOf(addresses: readonly InterfaceAddress[], family: Family): readonly InterfaceAddress[] {
  return addresses.filter((each) => each.address.family === family && !isKernels(each));
}

/** The kernel gives a link-local address of its own to devices that were up, with a whole network. */
function isKernels({ address, at }: InterfaceAddress): boolean {
  return /^fe[89ab]/.test(address.text) && at?.prefixLength !== 128;
}

/** Tells whether a virtual server that nobody wants is kube-proxy's nevertheless. */
type Ownership = (virtual: VirtualServer) => boolean;

/** What tells whose a virtual server is, beside sets. */
interface Surroundings {
  readonly local: readonly InterfaceAddress[];
  /** Addresses that are bound, or are to be. */
  readonly known: ReadonlySet<string>;
  readonly services: readonly VirtualServer[];
}

/**
 * A virtual server has no mark of its owner. kube-proxy takes all of them for its own; here only those are that are where
 * it puts its own, as far as sets and addresses still tell. A node port is on each address that the Node object has: on
 * one that an interface has, and just so on those that none has.
 */
function ownership(
  sets: ReadonlyMap<string, NormalIpSet>,
  { local, known, services }: Surroundings,
  { family, excludeCIDRs }: IpvsOptions,
): Ownership {
  const entriesOf = (key: SetKey): readonly string[] => sets.get(setName(key, family))?.entries ?? [];
  const portals = new Set(PORTALS.flatMap(entriesOf));
  const onNode = new Set(local.map(({ address }) => address.text));
  const onInterface = new Set(
    services.flatMap((virtual) =>
      virtual.service.kind === 'address' && onNode.has(virtual.service.address.text) ? [twinKey(virtual)] : [],
    ),
  );
  const nodePorts = {
    TCP: new Set(entriesOf(NODE_PORTS.TCP)),
    UDP: new Set(entriesOf(NODE_PORTS.UDP)),
    SCTP: new Set(entriesOf(NODE_PORTS.SCTP)),
  };
  return (virtual) => {
    const { service, servers } = virtual;
    if (service.kind !== 'address' || service.address.family !== family) return false;
    // What is left of an apply that was killed while it tried a scheduler.
    if (serviceKey(service) === `-t ${PROBE}` && servers.length === 0) return true;
    if (excludeCIDRs.some((cidr) => cidrContains(cidr, service.address))) return false;
    const { address, protocol, port } = service;
    if (known.has(address.text) || portals.has(portalEntry(service))) return true;
    if (protocol === 'SCTP') return nodePorts.SCTP.has(portalEntry(service));
    return nodePorts[protocol].has(String(port)) && onInterface.has(twinKey(virtual));
  };
}

/** The same for virtual servers that differ in their address alone. */
function twinKey({ servers, service, ...settings }: VirtualServer): string {
  const port = service.kind === 'address' ? `${service.protocol} ${service.port}` : '';
  return [port, settingsOf({ service, ...normalFlags(settings) }), ...servers.map(serverKey).sort()].join(' ');
}

type PortalAddress = Extract<ServiceAddress, { readonly kind: 'address' }>;

/** As sets have it: `10.96.0.10,tcp:80`. */
function portalEntry({ address, protocol, port }: PortalAddress): string {
  return `${address.text},${lowerProtocol(protocol)}:${port}`;
}

/** What becomes of virtual servers. */
interface ServerChange {
  readonly inputs: Pick<IpvsInputs, 'open' | 'arrive' | 'leave' | 'remove'>;
  readonly changes: readonly Change[];
  readonly draining: readonly LeavingServer[];
  readonly own: readonly VirtualServer[];
  /** Those that are not wanted but stay for their connections. */
  readonly retained: readonly PortalAddress[];
  /** Those that are there and stay because they are wanted. */
  readonly kept: readonly PortalAddress[];
}

function changeServers(
  wanted: IpvsTable,
  current: IpvsTable,
  { owns, known }: { readonly owns: Ownership; readonly known: ReadonlySet<string> },
  { stays }: IpvsOptions,
): ServerChange {
  const open: string[] = [];
  const arrive: string[] = [];
  const leave: string[] = [];
  const remove: string[] = [];
  const changes: Change[] = [];
  const draining: LeavingServer[] = [];
  const own: VirtualServer[] = [];
  const retained: PortalAddress[] = [];
  const kept: PortalAddress[] = [];
  const timeouts = timeoutsLine(wanted.timeouts, current.timeouts);
  if (timeouts !== undefined) {
    arrive.push(timeouts);
    const before = current.timeouts === undefined ? [] : [`--set ${current.timeouts.join(' ')}`];
    changes.push({ what: 'IPVS timeouts', action: 'change', before, after: [timeouts] });
  }
  const present = new Map(current.services.map((virtual) => [serviceKey(virtual.service), virtual]));
  const isWanted = new Set<string>();
  for (const virtual of wanted.services) {
    const key = serviceKey(virtual.service);
    isWanted.add(key);
    const former = present.get(key);
    if (former === undefined) {
      const isHere = virtual.service.kind === 'address' && known.has(virtual.service.address.text);
      (isHere ? open : arrive).push(`-A ${key} ${settingsOf(virtual)}`);
      arrive.push(...virtual.servers.map((each) => `-a ${key} -r ${serverText(each)}`));
      changes.push({ what: key, action: 'add', before: [], after: linesOf(virtual) });
      continue;
    }
    own.push(former);
    if (virtual.service.kind === 'address') kept.push(virtual.service);
    const count = arrive.length + leave.length;
    // Connections stay, but what is not said again would be lost.
    if (settingsOf(normalFlags(former)) !== settingsOf(normalFlags(virtual)))
      arrive.push(`-E ${key} ${settingsOf(virtual)}`);
    const servers = new Map(former.servers.map((each) => [serverKey(each), each]));
    for (const server of virtual.servers) {
      const is = servers.get(serverKey(server));
      servers.delete(serverKey(server));
      if (is === undefined) arrive.push(`-a ${key} -r ${serverText(server)}`);
      else if (serverText(is) !== serverText(server)) arrive.push(`-e ${key} -r ${serverText(server)}`);
    }
    const leaving = letLeave(virtual.service, [...servers.values()], stays);
    leave.push(...leaving.lines);
    draining.push(...leaving.draining);
    if (arrive.length + leave.length > count) {
      changes.push({ what: key, action: 'change', before: linesOf(former, draining), after: linesOf(virtual) });
    }
  }
  for (const virtual of current.services) {
    const { service } = virtual;
    const key = serviceKey(service);
    if (isWanted.has(key) || service.kind !== 'address' || !owns(virtual)) continue;
    own.push(virtual);
    const leaving = letLeave(service, virtual.servers, stays);
    leave.push(...leaving.lines);
    draining.push(...leaving.draining);
    if (leaving.draining.length > 0) retained.push(service);
    else remove.push(`-D ${key}`);
    if (leaving.lines.length > 0 || leaving.draining.length === 0) {
      changes.push({ what: key, action: 'remove', before: linesOf(virtual), after: [] });
    }
  }
  return {
    inputs: { open: joined(open), arrive: joined(arrive), leave: joined(leave), remove: joined(remove) },
    changes,
    draining,
    own,
    retained,
    kept,
  };
}

/** What sets them, where any differs; 0 leaves one as it is. */
function timeoutsLine(wanted: IpvsTable['timeouts'], current: IpvsTable['timeouts']): string | undefined {
  const differs = wanted?.some((seconds, i) => seconds !== 0 && seconds !== current?.[i]) ?? false;
  return differs ? `--set ${wanted?.join(' ')}` : undefined;
}

function normalFlags<Settings extends Pick<VirtualServer, 'schedulerFlags'>>(settings: Settings): Settings {
  return { ...settings, schedulerFlags: [...settings.schedulerFlags].sort() };
}

function serverKey({ address, port }: RealServer): string {
  return joinHostPort(address.text, address.family, port);
}

/** A virtual server's lines, without real servers that are at weight 0 already and stay so. */
function linesOf(virtual: VirtualServer, draining: readonly LeavingServer[] = []): readonly string[] {
  const key = serviceKey(virtual.service);
  const quiet = new Set(draining.filter(({ weight }) => weight === 0).map((each) => each.key));
  const servers = virtual.servers.filter((server) => !quiet.has(leavingKey(key, server)));
  return printIpvsadm({ timeouts: undefined, services: [{ ...virtual, servers }] })
    .trimEnd()
    .split('\n');
}

function leavingKey(key: string, server: RealServer): string {
  return `${key} -r ${serverKey(server)}`;
}

function letLeave(
  service: ServiceAddress,
  servers: readonly RealServer[],
  stays: IpvsOptions['stays'],
): { readonly lines: readonly string[]; readonly draining: readonly LeavingServer[] } {
  const lines: string[] = [];
  const draining: LeavingServer[] = [];
  for (const server of servers) {
    const leaving = { key: leavingKey(serviceKey(service), server), weight: server.weight };
    // As kube-proxy does: only TCP says when a connection ends.
    if (service.kind === 'address' && service.protocol === 'TCP' && stays(leaving)) {
      draining.push(leaving);
      if (server.weight > 0) lines.push(`-e ${serviceKey(service)} -r ${serverText({ ...server, weight: 0 })}`);
    } else lines.push(`-d ${leaving.key}`);
  }
  return { lines, draining };
}

/** Where lines about sets come: of an input the part, as inputs have several. */
type SetPlace = 'create' | 'add' | 'early' | 'restrict' | 'release' | 'close' | 'ranges' | 'rest' | 'destroy';

/** What becomes of entries, with the place of each in the order. */
function changeSets(
  wantedSets: readonly IpSet[],
  current: ReadonlyMap<string, NormalIpSet>,
  all: readonly IpSet[],
  servers: ServerChange,
  { family }: IpvsOptions,
): {
  readonly inputs: Pick<IpvsInputs, 'prepare' | 'restrict' | 'release' | 'close' | 'clear'>;
  readonly changes: readonly Change[];
} {
  const wanted = normalIpset(wantedSets);
  const creations = new Map(wantedSets.map((set) => [set.name, printIpset([{ ...set, entries: [] }]).trimEnd()]));
  const bound = new Set(current.get(setName('IPVS-IPS', family))?.entries);
  const places = placesOfEntries(servers, bound);
  const needed = neededEntries(servers.retained);
  const lines = new Map<SetPlace, string[]>();
  const put = (place: SetPlace, ...more: readonly string[]): void => {
    const known = lines.get(place) ?? [];
    for (const line of more) known.push(line);
    lines.set(place, known);
  };
  const changes: Change[] = [];
  // What is left of a run that was killed.
  if (all.some(({ name }) => name === SPARE_SET)) put('create', `destroy ${SPARE_SET}`);
  for (const key of SET_KEYS) {
    const name = setName(key, family);
    const should = wanted.get(name);
    const found = current.get(name);
    const creation = creations.get(name) ?? '';
    const fate = fateOf(found, should);
    // Of another type its entries mean something else.
    const is = fate === 'replace' ? undefined : found;
    const has = new Set(is?.entries);
    const keeps = new Set(should?.entries);
    const added = should?.entries.filter((entry) => !has.has(entry)) ?? [];
    const gone = is?.entries.filter((entry) => !keeps.has(entry) && !needed.has(`${key} ${entry}`)) ?? [];
    const isDestroyed = fate === 'leave' && gone.length === has.size;
    if (fate === 'replace') put('create', `destroy ${name}`);
    if (fate === 'create' || fate === 'replace') put('create', creation);
    if (fate === 'swap') put('create', ...swapLines(name, creation, has));
    for (const entry of added) put(places.addition(key, entry), `add ${name} ${entry}`);
    if (isDestroyed) put('destroy', `destroy ${name}`);
    else for (const entry of gone) put(places.removal(key, entry), `del ${name} ${entry}`);
    if ((fate === 'keep' || fate === 'leave') && !isDestroyed && added.length + gone.length === 0) continue;
    const formerHead =
      found === undefined || fate === 'keep' || (fate === 'leave' && !isDestroyed) ? [] : [describe(name, found)];
    const entries = (texts: readonly string[]): readonly string[] => texts.map((entry) => `add ${name} ${entry}`);
    changes.push({
      what: `set ${name}`,
      action: fate === 'create' ? 'add' : isDestroyed ? 'remove' : 'change',
      before: [...formerHead, ...entries(fate === 'replace' ? (found?.entries ?? []) : gone)],
      after: [...(fate === 'keep' || fate === 'leave' ? [] : [creation]), ...entries(added)],
    });
  }
  const input = (...parts: readonly SetPlace[]): string => joined(parts.flatMap((part) => lines.get(part) ?? []));
  return {
    inputs: {
      prepare: input('create', 'add', 'early'),
      restrict: input('restrict'),
      release: input('release'),
      close: input('close'),
      clear: input('ranges', 'rest', 'destroy'),
    },
    changes,
  };
}

/** Where entries are added and removed; see `IpvsInputs` for why. */
function placesOfEntries(
  { kept }: ServerChange,
  bound: ReadonlySet<string>,
): Readonly<Record<'addition' | 'removal', (key: SetKey, entry: string) => SetPlace>> {
  const entries = new Set(kept.map(portalEntry));
  const ports = new Set(kept.map(({ protocol, port }) => `${protocol} ${port}`));
  /** Whether it is about a virtual server that is there and stays. */
  const isKept = (key: SetKey, entry: string): boolean => {
    const [, protocol] = NODE_PORT_PROTOCOL.exec(key) ?? [];
    return protocol === undefined ? entries.has(entry) : ports.has(`${protocol} ${entry}`);
  };
  return {
    addition: (key, entry) => {
      if (key === 'LOAD-BALANCER-FW') return 'restrict';
      return SPARING.has(key) && isKept(key, entry) ? 'release' : 'add';
    },
    removal: (key, entry) => {
      const [address = ''] = entry.split(',');
      const stays = isKept(key, entry);
      if (stays && (SPARING.has(key) || key === 'EXTERNAL-IP-LOCAL')) return 'early';
      // Before the ranges that it lets in.
      if (key === 'LOAD-BALANCER-FW') return stays ? 'release' : 'ranges';
      return PORTALS.includes(key) && bound.has(address) && !stays ? 'close' : 'rest';
    },
  };
}

const NODE_PORT_PROTOCOL = /^NODE-PORT-(?:LOCAL-)?(TCP|UDP)$/;

/** `SET ENTRY` of all by which a virtual server that stays a while is still known as kube-proxy's. */
function neededEntries(retained: readonly PortalAddress[]): ReadonlySet<string> {
  return new Set(
    retained.flatMap((service) => [
      `IPVS-IPS ${service.address.text}`,
      ...PORTALS.map((key) => `${key} ${portalEntry(service)}`),
      `${NODE_PORTS[service.protocol]} ${service.port}`,
    ]),
  );
}

/** What becomes of a set. Only sets of one type and family can be exchanged under the rules that name them. */
function fateOf(
  is: NormalIpSet | undefined,
  should: NormalIpSet | undefined,
): 'keep' | 'create' | 'swap' | 'replace' | 'leave' {
  if (should === undefined) return is === undefined ? 'keep' : 'leave';
  if (is === undefined) return 'create';
  const familyOf = ({ options }: NormalIpSet): string | undefined => options.find((each) => each.startsWith('family '));
  if (is.type !== should.type || familyOf(is) !== familyOf(should)) return 'replace';
  return is.options.join() === should.options.join() ? 'keep' : 'swap';
}

/** Puts a new set with the same entries into the place of one. */
function swapLines(name: string, creation: string, entries: ReadonlySet<string>): readonly string[] {
  return [
    creation.replace(` ${name} `, ` ${SPARE_SET} `),
    ...Array.from(entries, (entry) => `add ${SPARE_SET} ${entry}`),
    `swap ${name} ${SPARE_SET}`,
    `destroy ${SPARE_SET}`,
  ];
}

function describe(name: string, { type, options }: NormalIpSet): string {
  return ['create', name, type, ...options].join(' ');
}

function changeAddresses(
  wanted: readonly InterfaceAddress[],
  bound: readonly InterfaceAddress[],
  { retained }: ServerChange,
): {
  readonly inputs: Pick<IpvsInputs, 'bind' | 'unbind'>;
  readonly changes: readonly Change[];
  readonly left: number;
} {
  const should = new Set(wanted.map(({ address }) => address.text));
  const stays = new Set([...should, ...retained.map(({ address }) => address.text)]);
  const textOf = ({ address, at }: InterfaceAddress): string =>
    `${address.text}/${at?.prefixLength ?? (address.family === 'ipv4' ? 32 : 128)}`;
  const isSingle = ({ address, at }: InterfaceAddress): boolean =>
    at?.prefixLength === (address.family === 'ipv4' ? 32 : 128);
  const has = new Set(bound.filter(isSingle).map(({ address }) => address.text));
  const added = wanted.filter(({ address }) => !has.has(address.text)).map(textOf);
  // A whole network there would draw in all its addresses.
  const gone = bound.filter((each) => !stays.has(each.address.text) || !isSingle(each)).map(textOf);
  const changes: readonly Change[] =
    added.length + gone.length === 0
      ? []
      : [{ what: `interface ${IPVS_DEVICE}`, action: 'change', before: gone, after: added }];
  return {
    inputs: {
      bind: joined(added.map((address) => `addr add ${address} dev ${IPVS_DEVICE}`)),
      unbind: joined(gone.map((address) => `addr del ${address} dev ${IPVS_DEVICE}`)),
    },
    changes,
    left: bound.length + added.length - gone.length,
  };
}

function joined(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

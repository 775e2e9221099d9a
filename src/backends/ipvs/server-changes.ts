/** What becomes of virtual servers and their real ones, in lines of ipvsadm. */
import type { Change } from '../change.js';
import {
  type IpvsTable,
  printIpvsadm,
  type RealServer,
  serverText,
  serviceKey,
  settingsOf,
  type VirtualServer,
} from './ipvsadm-text.js';
import type { Ownership } from './ownership.js';
import { fullServerKey, normalSettings, type PortalAddress, serverKey } from './server-keys.js';

/** A real server that is not wanted any more. */
export interface LeavingServer {
  /** Unique: `-t 10.96.0.10:80 -r 10.244.1.5:8080`. */
  readonly key: string;
  readonly weight: number;
}

/** Whether a TCP real server that is not wanted stays for its open connections, without getting new ones. */
export type Stays = (server: LeavingServer) => boolean;

/** What is to be kept in mind about a host's virtual servers. */
interface Circumstances {
  readonly owns: Ownership;
  /** Addresses of Services that are here already, or are to be. */
  readonly portalAddresses: ReadonlySet<string>;
  readonly stays: Stays;
}

/** The lines by the inputs of `IpvsInputs`, which says what each is for. */
type ServerLines = Readonly<Record<'open' | 'arrive' | 'leave' | 'remove', readonly string[]>>;

/** What becomes of some of them. */
interface Part extends ServerLines {
  readonly changes: readonly Change[];
  /** Real servers that are to stay at weight 0, or are there already. */
  readonly draining: readonly LeavingServer[];
}

const NOTHING: Part = { open: [], arrive: [], leave: [], remove: [], changes: [], draining: [] };

/** What becomes of all of them. */
interface ServerChange extends Pick<Part, 'changes' | 'draining'> {
  readonly lines: ServerLines;
  /** Those that are there and kube-proxy's. */
  readonly own: readonly VirtualServer[];
  /** Those that are not wanted but stay for their connections. */
  readonly retained: readonly PortalAddress[];
  /** Those that are there and stay because they are wanted. */
  readonly kept: readonly PortalAddress[];
}

/** Compares all of them. */
export function changeServers(wanted: IpvsTable, current: IpvsTable, circumstances: Circumstances): ServerChange {
  const { owns, portalAddresses, stays } = circumstances;
  const present = new Map(current.services.map((virtual) => [serviceKey(virtual.service), virtual]));
  const wantedKeys = new Set(wanted.services.map(({ service }) => serviceKey(service)));
  const parts: Part[] = [changeTimeouts(wanted.timeouts, current.timeouts)];
  const own: VirtualServer[] = [];
  const retained: PortalAddress[] = [];
  const kept: PortalAddress[] = [];
  for (const virtual of wanted.services) {
    const former = present.get(serviceKey(virtual.service));
    if (former === undefined) {
      parts.push(addVirtual(virtual, portalAddresses));
      continue;
    }
    own.push(former);
    if (virtual.service.kind === 'address') kept.push(virtual.service);
    parts.push(changeVirtual(former, virtual, stays));
  }
  for (const virtual of current.services) {
    const { service } = virtual;
    if (wantedKeys.has(serviceKey(service)) || service.kind !== 'address' || !owns(virtual)) continue;
    own.push(virtual);
    const part = removeVirtual(virtual, stays);
    if (part.draining.length > 0) retained.push(service);
    parts.push(part);
  }
  return {
    lines: {
      open: parts.flatMap(({ open }) => open),
      arrive: parts.flatMap(({ arrive }) => arrive),
      leave: parts.flatMap(({ leave }) => leave),
      remove: parts.flatMap(({ remove }) => remove),
    },
    changes: parts.flatMap(({ changes }) => changes),
    draining: parts.flatMap(({ draining }) => draining),
    own,
    retained,
    kept,
  };
}

/** Sets them where any differs; 0 leaves one as it is. */
function changeTimeouts(wanted: IpvsTable['timeouts'], current: IpvsTable['timeouts']): Part {
  const differs = wanted?.some((seconds, i) => seconds !== 0 && seconds !== current?.[i]) ?? false;
  if (!differs) return NOTHING;
  const line = `--set ${wanted?.join(' ')}`;
  const before = current === undefined ? [] : [`--set ${current.join(' ')}`];
  return { ...NOTHING, arrive: [line], changes: [{ what: 'IPVS timeouts', action: 'change', before, after: [line] }] };
}

function addVirtual(virtual: VirtualServer, portalAddresses: ReadonlySet<string>): Part {
  const key = serviceKey(virtual.service);
  const creation = `-A ${key} ${settingsOf(virtual)}`;
  const additions = virtual.servers.map((each) => `-a ${key} -r ${serverText(each)}`);
  const isHere = virtual.service.kind === 'address' && portalAddresses.has(virtual.service.address.text);
  return {
    ...NOTHING,
    ...(isHere ? { open: [creation], arrive: additions } : { arrive: [creation, ...additions] }),
    changes: [{ what: key, action: 'add', before: [], after: linesOf(virtual) }],
  };
}

function changeVirtual(former: VirtualServer, virtual: VirtualServer, stays: Stays): Part {
  const key = serviceKey(virtual.service);
  const arrive: string[] = [];
  // Connections stay, but what is not said again would be lost.
  if (normalSettings(former) !== normalSettings(virtual)) arrive.push(`-E ${key} ${settingsOf(virtual)}`);
  const leaving = new Map(former.servers.map((each) => [serverKey(each), each]));
  for (const server of virtual.servers) {
    const is = leaving.get(serverKey(server));
    leaving.delete(serverKey(server));
    if (is === undefined) arrive.push(`-a ${key} -r ${serverText(server)}`);
    else if (serverText(is) !== serverText(server)) arrive.push(`-e ${key} -r ${serverText(server)}`);
  }
  const { leave, draining } = letLeave(virtual, [...leaving.values()], stays);
  if (arrive.length + leave.length === 0) return { ...NOTHING, draining };
  const before = linesOf(withoutQuiet(former, draining));
  const changes: readonly Change[] = [{ what: key, action: 'change', before, after: linesOf(virtual) }];
  return { ...NOTHING, arrive, leave, changes, draining };
}

/** It stays as long as any of its real servers does. */
function removeVirtual(virtual: VirtualServer, stays: Stays): Part {
  const key = serviceKey(virtual.service);
  const { leave, draining } = letLeave(virtual, virtual.servers, stays);
  const remove = draining.length === 0 ? [`-D ${key}`] : [];
  if (leave.length + remove.length === 0) return { ...NOTHING, draining };
  const changes: readonly Change[] = [{ what: key, action: 'remove', before: linesOf(virtual), after: [] }];
  return { ...NOTHING, leave, remove, changes, draining };
}

/** Lets some of a virtual server's real ones leave, or wait for their last connections. */
function letLeave(
  { service }: VirtualServer,
  servers: readonly RealServer[],
  stays: Stays,
): Pick<Part, 'leave' | 'draining'> {
  const leave: string[] = [];
  const draining: LeavingServer[] = [];
  for (const server of servers) {
    const leaving = { key: fullServerKey(service, server), weight: server.weight };
    // As kube-proxy does: only TCP says when a connection ends.
    if (service.kind === 'address' && service.protocol === 'TCP' && stays(leaving)) {
      draining.push(leaving);
      if (server.weight > 0) leave.push(`-e ${serviceKey(service)} -r ${serverText({ ...server, weight: 0 })}`);
    } else leave.push(`-d ${leaving.key}`);
  }
  return { leave, draining };
}

/** A virtual server without real ones that are at weight 0 already and stay so. */
function withoutQuiet(virtual: VirtualServer, draining: readonly LeavingServer[]): VirtualServer {
  const quiet = new Set(draining.filter(({ weight }) => weight === 0).map(({ key }) => key));
  const servers = virtual.servers.filter((server) => !quiet.has(fullServerKey(virtual.service, server)));
  return { ...virtual, servers };
}

function linesOf(virtual: VirtualServer): readonly string[] {
  return printIpvsadm({ timeouts: undefined, services: [virtual] })
    .trimEnd()
    .split('\n');
}

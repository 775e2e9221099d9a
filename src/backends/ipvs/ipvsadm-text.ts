/** The text of `ipvsadm -S -n`, which `ipvsadm -R` takes too, as data. */
import type { Diagnostic } from '../../kube/diagnostics.js';
import type { SourceText } from '../../kube/objects.js';
import type { Family } from '../../net/family.js';
import { type IpAddress, joinHostPort, parseIp } from '../../net/ip.js';
import type { Protocol } from '../../net/protocol.js';
import { compareBytes } from '../../net/text.js';
import { collectMistakes, printSpelled, type Spelling, shown, spellingOf } from '../dump.js';

/** What a virtual server answers to: an address and port, or a mark that other rules set. */
export type ServiceAddress =
  | { readonly kind: 'address'; readonly protocol: Protocol; readonly address: IpAddress; readonly port: number }
  | { readonly kind: 'mark'; readonly mark: number; readonly family: Family };

/** A virtual server with its real ones. */
export interface VirtualServer {
  readonly service: ServiceAddress;
  /** `rr`, `mh` and so on. */
  readonly scheduler: string;
  /** For how many seconds a client keeps its real server; undefined without persistence. */
  readonly persistence: number | undefined;
  /** The part of the client's address that counts for persistence; undefined for all of it. */
  readonly netmask: string | undefined;
  /** Whether each datagram is balanced by itself. */
  readonly onePacket: boolean;
  readonly schedulerFlags: readonly string[];
  /** Options that are not known, as words. */
  readonly other: readonly string[];
  readonly servers: readonly RealServer[];
  readonly line: number | undefined;
  readonly spelling: Spelling | undefined;
}

/** A real server. */
export interface RealServer {
  readonly address: IpAddress;
  readonly port: number;
  readonly forwarding: 'masquerade' | 'tunnel' | 'direct';
  /** 0 takes no new connections. */
  readonly weight: number;
  /** Above so many connections it gets no new ones, until there are fewer than the lower threshold; 0 for never. */
  readonly upperThreshold: number;
  readonly lowerThreshold: number;
  readonly other: readonly string[];
  readonly line: number | undefined;
  readonly spelling: Spelling | undefined;
}

/** Everything that IPVS is to do. */
export interface IpvsTable {
  /** Of connections, in seconds: TCP, TCP after FIN, UDP (0 leaves one as it is). A saved text has none. */
  readonly timeouts: readonly [number, number, number] | undefined;
  /** In the order of the text. */
  readonly services: readonly VirtualServer[];
}

/** What was read, with what is wrong with it. */
export interface ReadIpvsResult {
  readonly table: IpvsTable;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Reads what `ipvsadm -S -n` prints, or our own input of `ipvsadm -R`: `-A`, `-a`, `--set`, also by their long names.
 * A line that is neither is an error (`unreadable-rules`), and so are names instead of numbers.
 */
export function readIpvsadm({ name: file, text: source }: SourceText): ReadIpvsResult {
  const mistakes = collectMistakes(file, 'Take the output of `ipvsadm -S -n` as it is.');
  const services = new Map<string, VirtualServer & { readonly servers: RealServer[] }>();
  let timeouts: IpvsTable['timeouts'];
  for (const [i, line] of source.split('\n').entries()) {
    const number = i + 1;
    const [command, ...words] = line.split(/[ \t]+/).filter((word) => word !== '');
    if (command === undefined) continue;
    if (command === '--set') {
      timeouts = readTimeouts(words);
      if (timeouts === undefined) mistakes.add(number, `${shown(line)} does not set three timeouts.`);
    } else if (command === '-A' || command === '--add-service') {
      const service = readVirtualServer(words, line, number);
      const key = service && serviceKey(service.service);
      if (service === undefined || key === undefined) mistakes.add(number, `${shown(line)} is no virtual server.`);
      else if (services.has(key)) mistakes.add(number, `virtual server ${key} is there a second time.`);
      else services.set(key, service);
    } else if (command === '-a' || command === '--add-server') {
      const read = readRealServer(words, line, number);
      const service = read && services.get(serviceKey(read.service));
      if (read === undefined) mistakes.add(number, `${shown(line)} is no real server.`);
      else if (service === undefined) mistakes.add(number, `${shown(line)} belongs to no virtual server before it.`);
      else service.servers.push(read.server);
    } else {
      mistakes.add(number, `${shown(line)} is a command that ipvsadm does not print.`);
    }
  }
  return { table: { timeouts, services: [...services.values()] }, diagnostics: mistakes.diagnostics() };
}

/** Options of both kinds of lines: short and long names, and how many values they have. */
const OPTIONS: ReadonlyMap<string, { readonly name: string; readonly arity: 0 | 1 }> = new Map(
  (
    [
      ['-t', '--tcp-service', 1],
      ['-u', '--udp-service', 1],
      ['-f', '--fwmark-service', 1],
      ['-s', '--scheduler', 1],
      ['-M', '--netmask', 1],
      ['-b', '--sched-flags', 1],
      ['-o', '--ops', 0],
      ['-6', '--ipv6', 0],
      ['-r', '--real-server', 1],
      ['-g', '--gatewaying', 0],
      ['-i', '--ipip', 0],
      ['-m', '--masquerading', 0],
      ['-w', '--weight', 1],
      ['-x', '--u-threshold', 1],
      ['-y', '--l-threshold', 1],
    ] as const
  ).flatMap(([short, long, arity]) => [
    [short, { name: short, arity }],
    [long, { name: short, arity }],
  ]),
);

/** The options of a line by their short names, and what is not known; undefined when a value is missing. */
function readOptions(
  words: readonly string[],
): { readonly known: ReadonlyMap<string, string>; readonly other: readonly string[] } | undefined {
  const known = new Map<string, string>();
  const other: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    const next = words[i + 1];
    const option = OPTIONS.get(word);
    if (word === '--sctp-service' || option?.arity === 1) {
      if (next === undefined) return undefined;
      known.set(option?.name ?? word, next);
      i++;
    } else if (word === '-p' || word === '--persistent') {
      // Without seconds it means six minutes.
      const seconds = next !== undefined && /^\d+$/.test(next) ? next : undefined;
      known.set('-p', seconds ?? '360');
      if (seconds !== undefined) i++;
    } else if (option !== undefined) known.set(option.name, '');
    else other.push(word);
  }
  return { known, other };
}

const SERVICE_OPTIONS: readonly (readonly [string, Protocol])[] = [
  ['-t', 'TCP'],
  ['-u', 'UDP'],
  ['--sctp-service', 'SCTP'],
];

function readService(known: ReadonlyMap<string, string>): ServiceAddress | undefined {
  const mark = known.get('-f');
  const named = SERVICE_OPTIONS.filter(([option]) => known.has(option));
  if (named.length + (mark === undefined ? 0 : 1) !== 1) return undefined;
  if (mark !== undefined) {
    const value = readCount(mark);
    if (value === undefined || value === 0) return undefined;
    return { kind: 'mark', mark: value, family: known.has('-6') ? 'ipv6' : 'ipv4' };
  }
  const [[option, protocol] = ['', 'TCP' as const]] = named;
  const at = readAddressAndPort(known.get(option) ?? '');
  return at === undefined ? undefined : { kind: 'address', protocol, ...at };
}

/** `10.0.0.1:80`, `[fd00::1]:80`. */
function readAddressAndPort(text: string): { readonly address: IpAddress; readonly port: number } | undefined {
  const [, bracketed, bare, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const address = parseIp(bracketed ?? bare ?? '');
  const port = readCount(digits);
  if (address === undefined || port === undefined || port > 65535) return undefined;
  // ipvsadm takes leading zeros for octal, and an IPv4-mapped address for an IPv6 one.
  if ((address.family === 'ipv6') !== (bracketed !== undefined)) return undefined;
  return address.family === 'ipv4' && address.text !== bare ? undefined : { address, port };
}

/** A whole number without zeros in front. */
function readCount(text: string | undefined): number | undefined {
  return text !== undefined && /^(0|[1-9][0-9]{0,9})$/.test(text) ? Number(text) : undefined;
}

function readTimeouts(words: readonly string[]): [number, number, number] | undefined {
  const [tcp, fin, udp, ...more] = words.map(readCount);
  return tcp === undefined || fin === undefined || udp === undefined || more.length > 0 ? undefined : [tcp, fin, udp];
}

function readVirtualServer(
  words: readonly string[],
  line: string,
  number: number,
): (VirtualServer & { readonly servers: RealServer[] }) | undefined {
  const options = readOptions(words);
  const service = options && readService(options.known);
  if (options === undefined || service === undefined) return undefined;
  const { known, other } = options;
  const persistence = readCount(known.get('-p'));
  if (known.has('-p') && persistence === undefined) return undefined;
  const mask = known.get('-M');
  const server = {
    service,
    // What ipvsadm does without the option.
    scheduler: known.get('-s') ?? 'wlc',
    persistence,
    netmask: mask === '255.255.255.255' || mask === '128' ? undefined : mask,
    onePacket: known.has('-o'),
    schedulerFlags: known.get('-b')?.split(',') ?? [],
    other,
    servers: [],
    line: number,
    spelling: undefined,
  };
  return { ...server, spelling: spellingOf(line, printVirtualServer(server)) };
}

const FORWARDING = { masquerade: '-m', tunnel: '-i', direct: '-g' } as const;

function readRealServer(
  words: readonly string[],
  line: string,
  number: number,
): { readonly service: ServiceAddress; readonly server: RealServer } | undefined {
  const options = readOptions(words);
  const service = options && readService(options.known);
  const at = options && readAddressAndPort(options.known.get('-r') ?? '');
  if (options === undefined || service === undefined || at === undefined) return undefined;
  const { known, other } = options;
  const weight = readCount(known.get('-w') ?? '1');
  const upperThreshold = readCount(known.get('-x') ?? '0');
  const lowerThreshold = readCount(known.get('-y') ?? '0');
  if (weight === undefined || upperThreshold === undefined || lowerThreshold === undefined) return undefined;
  const server: RealServer = {
    ...at,
    forwarding: known.has('-m') ? 'masquerade' : known.has('-i') ? 'tunnel' : 'direct',
    weight,
    upperThreshold,
    lowerThreshold,
    other,
    line: number,
    spelling: undefined,
  };
  return { service, server: { ...server, spelling: spellingOf(line, printRealServer(service, server)) } };
}

/** A virtual server's address as it is written in lines: `-t 10.96.0.10:80`, `-f 7`. No two servers share one. */
export function serviceKey(service: ServiceAddress): string {
  if (service.kind === 'mark') return `-f ${service.mark}${service.family === 'ipv6' ? ' -6' : ''}`;
  const [option] = SERVICE_OPTIONS.find(([, protocol]) => protocol === service.protocol) ?? [''];
  return `${option} ${joinHostPort(service.address.text, service.address.family, service.port)}`;
}

/** Prints a table; what ipvsadm printed, and our own text, give the same bytes. */
export function printIpvsadm({ timeouts, services }: IpvsTable): string {
  const lines = timeouts === undefined ? [] : [`--set ${timeouts.join(' ')}`];
  for (const virtual of services) {
    lines.push(printSpelled(printVirtualServer(virtual), virtual.spelling));
    for (const server of virtual.servers) {
      lines.push(printSpelled(printRealServer(virtual.service, server), server.spelling));
    }
  }
  return lines.map((line) => `${line}\n`).join('');
}

function printVirtualServer(server: Omit<VirtualServer, 'servers'>): string {
  return `-A ${serviceKey(server.service)} ${settingsOf(server)}`;
}

/** Everything about a virtual server but its address and real servers, as it is written: `-s rr -p 10800`. */
export function settingsOf(server: Omit<VirtualServer, 'servers'>): string {
  const { scheduler, persistence, netmask, onePacket, schedulerFlags, other } = server;
  return [
    `-s ${scheduler}`,
    ...(persistence === undefined ? [] : [`-p ${persistence}`]),
    ...(netmask === undefined ? [] : [`-M ${netmask}`]),
    ...(onePacket ? ['-o'] : []),
    ...(schedulerFlags.length === 0 ? [] : [`-b ${schedulerFlags.join(',')}`]),
    ...other,
  ].join(' ');
}

function printRealServer(service: ServiceAddress, server: RealServer): string {
  return `-a ${serviceKey(service)} -r ${serverText(server)}`;
}

/** A real server as it is written: `10.244.1.7:8080 -m -w 1`. */
export function serverText(server: RealServer): string {
  const { address, port, forwarding, weight, upperThreshold, lowerThreshold, other } = server;
  return [
    `${joinHostPort(address.text, address.family, port)} ${FORWARDING[forwarding]} -w ${weight}`,
    ...(upperThreshold === 0 ? [] : [`-x ${upperThreshold}`]),
    ...(lowerThreshold === 0 ? [] : [`-y ${lowerThreshold}`]),
    ...other,
  ].join(' ');
}

/** What a virtual server says, in a form that is the same for all spellings and orders. */
export interface NormalVirtualServer {
  /** Everything but its address: `-s rr -p 10800`. */
  readonly settings: string;
  /** Real servers as they are printed, bytewise. */
  readonly servers: readonly string[];
}

/** The virtual servers by their keys (`serviceKey`), bytewise, so that two tables can be compared. */
export function normalIpvs({ services }: IpvsTable): ReadonlyMap<string, NormalVirtualServer> {
  const entries = services.map((virtual): [string, NormalVirtualServer] => {
    const flags = [...virtual.schedulerFlags].sort(compareBytes);
    const settings = settingsOf({ ...virtual, schedulerFlags: flags });
    return [serviceKey(virtual.service), { settings, servers: virtual.servers.map(serverText).sort(compareBytes) }];
  });
  return new Map(entries.sort(([a], [b]) => compareBytes(a, b)));
}

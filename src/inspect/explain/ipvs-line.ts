/** Lines of ipvsadm and ipset. */
import { type NormalIpSet, normalEntry, normalIpset, readIpset } from '../../backends/ipvs/ipset-text.js';
import { type NormalVirtualServer, normalIpvs, readIpvsadm } from '../../backends/ipvs/ipvsadm-text.js';
import { setName } from '../../backends/ipvs/sets.js';
import { parseIp } from '../../net/ip.js';
import { type ExplainContext, isOfMode } from './context.js';
import { setOfName } from './fixed-names.js';
import type { LineExplanation, NameExplanation } from './model.js';
import { explainName } from './names.js';
import { nearestLine } from './nearest.js';
import { listedServer, type Place } from './place.js';
import { endpointsAt, servicePortsAt, servicePortsOfAddress } from './whose.js';

/** The compiled virtual servers and sets of one family. */
interface Compiled {
  readonly servers: ReadonlyMap<string, NormalVirtualServer>;
  readonly sets: ReadonlyMap<string, NormalIpSet>;
}

const knownTables = new WeakMap<object, Compiled>();

/** Those of each family; undefined where another mode is compiled. */
function compiledOf(context: ExplainContext): readonly Compiled[] | undefined {
  if (!isOfMode(context, 'ipvs')) return undefined;
  return context.setting.families.map((family) => {
    const texts = context.textsOf(family);
    const known = knownTables.get(texts);
    if (known !== undefined) return known;
    const { table } = readIpvsadm({ name: 'compiled', text: texts.ipvsadm ?? '' });
    const { sets } = readIpset({ name: 'compiled', text: texts.ipset ?? '' });
    const made = { servers: normalIpvs(table), sets: normalIpset(sets) };
    knownTables.set(texts, made);
    return made;
  });
}

/** Whether a set is that of a family that is not compiled, of whose sets nothing can be told. */
function isOfOtherFamily({ setting }: ExplainContext, set: string): boolean {
  const key = setOfName(set);
  return key !== undefined && !setting.families.some((family) => setName(key, family) === set);
}

const PROTOCOLS: Readonly<Record<string, string>> = { '-t': 'tcp', '-u': 'udp', '--sctp-service': 'sctp' };

/** `-A -t 10.96.0.20:80 -s rr`, `-a -t 10.96.0.20:80 -r 10.244.1.7:8080 -m -w 1`. */
export function explainIpvsadmLine(line: string, context: ExplainContext, shown = line): LineExplanation {
  const words = line.split(/\s+/);
  const flag = normalFlag(words[1] ?? '');
  const address = words[2] ?? '';
  const { ip, port } = splitAddress(address);
  const protocol = PROTOCOLS[flag] ?? '';
  const owners = servicePortsAt(context, ip, port, protocol);
  const isServer = words[0] === '-a' || words[0] === '--add-server';
  const matches = flag === '-f' ? [`marked ${address}`] : [`${protocol.toUpperCase()} to ${ip}, port ${port}`];
  const written = isServer ? hasRealServer(context, line) : hasVirtualServer(context, line);
  const nearest = written === false ? nearestLine(context, line) : undefined;
  const whose = owners.length === 0 ? 'no Service of this input has this address' : owners.join('; ');
  const base = {
    kind: 'line',
    line: shown,
    matches,
    names: [] as readonly NameExplanation[],
    written,
    nearest,
  } as const;
  if (!isServer) {
    const scheduler = words[words.indexOf('-s') + 1] ?? '';
    const at = words.indexOf('-p');
    const keeps = at < 0 ? '' : `; a client stays with its real server for ${words[at + 1]} seconds (session affinity)`;
    return {
      ...base,
      what: 'virtual server',
      effect: `balances over its real servers by scheduler ${scheduler}; without one it refuses${keeps}`,
      reason: whose,
    };
  }
  const server = words[words.indexOf('-r') + 1] ?? '';
  const weight = words[words.indexOf('-w') + 1] ?? '1';
  const endpoints = endpointsAt(context, server);
  const known = endpoints.length === 0 ? `; ${server} is no endpoint of this input` : `; ${endpoints.join('; ')}`;
  const rest = weight === '0' ? ', but takes no new connections (weight 0)' : '';
  return { ...base, what: 'real server', effect: `translates to ${server}${rest}`, reason: `${whose}${known}` };
}

/** Whether a virtual server is compiled as a line has it, however its options are spelled and ordered. */
function hasVirtualServer(context: ExplainContext, line: string): boolean | undefined {
  const [wanted] = normalIpvs(readIpvsadm({ name: 'line', text: line }).table);
  return compiledOf(context)?.some(
    ({ servers }) => wanted !== undefined && servers.get(wanted[0])?.settings === wanted[1].settings,
  );
}

function hasRealServer(context: ExplainContext, line: string): boolean | undefined {
  const [key = '', text = ''] = readServer(line) ?? [];
  return compiledOf(context)?.some(({ servers }) => servers.get(key)?.servers.includes(text) === true);
}

/** The key of the virtual server and the normal text of the real server that `-a ...` adds. */
function readServer(line: string): readonly [key: string, text: string] | undefined {
  const [, flag, address] = line.split(/\s+/);
  const text = `-A ${flag} ${address} -s rr\n${line}\n`;
  const [read] = normalIpvs(readIpvsadm({ name: 'line', text }).table);
  const [server] = read?.[1].servers ?? [];
  return read === undefined || server === undefined ? undefined : [read[0], server];
}

/** Ways of forwarding as `ipvsadm -L` and `ipvsadm -S` write them. */
const FORWARDING: Readonly<Record<string, string>> = { Masq: '-m', Tunnel: '-i', Route: '-g', Local: '-g' };

/**
 * `TCP  10.96.0.20:80 rr persistent 10800`, `  -> 10.244.1.7:8080  Masq  1  0  0` of `ipvsadm -L -n`; undefined for what
 * is none.
 */
export function explainListedServer(line: string, place: Place, context: ExplainContext): LineExplanation | undefined {
  if (/^(IP Virtual Server version|Prot LocalAddress:Port|-> RemoteAddress:Port)/.test(line)) {
    return ipvsPlain(line, 'heading of ipvsadm -L', 'says what stands in the columns', []);
  }
  const [, address, rest = ''] = listedServer(line) ?? [];
  if (address !== undefined) {
    const [, scheduler = '', flags, seconds] = /^(\S+)(?: \(([\w,-]+)\))?(?: +persistent (\d+))?/.exec(rest) ?? [];
    const options = `${seconds === undefined ? '' : ` -p ${seconds}`}${flags === undefined ? '' : ` -b ${flags}`}`;
    return explainIpvsadmLine(`-A ${address} -s ${scheduler}${options}`, context, line);
  }
  const [, server, forwarding = '', weight] = /^-> (\S+) +(Masq|Tunnel|Route|Local) +(\d+)( |$)/.exec(line) ?? [];
  if (server === undefined) return undefined;
  const of = place.virtualServer ?? virtualServerOf(context, server);
  const known = `-a ${of ?? '-t 0.0.0.0:1'} -r ${server} ${FORWARDING[forwarding]} -w ${weight}`;
  if (of !== undefined) return explainIpvsadmLine(known, context, line);
  const endpoints = endpointsAt(context, server);
  const reason = endpoints.length === 0 ? `${server} is no endpoint of this input` : endpoints.join('; ');
  const [, text = ''] = readServer(known) ?? [];
  const written = compiledOf(context)?.some(({ servers }) =>
    [...servers.values()].some((each) => each.servers.includes(text)),
  );
  return { ...ipvsPlain(line, 'real server', `translates to ${server}`, []), reason, written };
}

/** The only compiled virtual server that has a real server. */
function virtualServerOf(context: ExplainContext, server: string): string | undefined {
  const found = (compiledOf(context) ?? []).flatMap(({ servers }) =>
    [...servers].filter((each) => each[1].servers.some((text) => text.startsWith(`${server} `))),
  );
  return found.length === 1 ? found[0]?.[0] : undefined;
}

function ipvsPlain(line: string, what: string, effect: string, names: readonly NameExplanation[]): LineExplanation {
  return { kind: 'line', line, what, matches: [], effect, reason: '', names, written: undefined, nearest: undefined };
}

/** `add KUBE-CLUSTER-IP 10.96.0.20,tcp:80`, `create KUBE-CLUSTER-IP hash:ip,port ...`. */
export function explainIpsetLine(line: string, context: ExplainContext): LineExplanation {
  const [command = '', set = '', entry = ''] = line.split(/\s+/);
  if (command !== 'create') return explainMember(line, entry, set, context);
  const [wanted] = normalIpset(readIpset({ name: 'line', text: line }).sets);
  const compiled = isOfOtherFamily(context, set) ? undefined : compiledOf(context);
  const written = compiled?.some(({ sets }) => {
    const found = wanted && sets.get(wanted[0]);
    return found?.type === wanted?.[1].type && found?.options.join() === wanted?.[1].options.join();
  });
  const nearest = written === false ? linkedCreate(context, set) : undefined;
  const effect = `makes the set ${set}, of type ${entry}`;
  return { ...ipvsPlain(line, 'set', effect, [explainName(set, context)]), written, nearest };
}

/** The compiled line that makes a set. */
function linkedCreate(context: ExplainContext, set: string): string | undefined {
  const texts = context.setting.families.map((family) => context.textsOf(family).ipset ?? '');
  return texts.flatMap((text) => text.split('\n')).find((line) => line.startsWith(`create ${set} `));
}

/** What `ipset list` prints of a set, or one of its members; undefined for what is none. */
export function explainListedSet(line: string, place: Place, context: ExplainContext): LineExplanation | undefined {
  const [, property, value = ''] =
    /^(Name|Type|Revision|Header|Size in memory|References|Number of entries|Members):(?: (.*))?$/.exec(line) ?? [];
  if (property === 'Name') {
    const isOther = isOfOtherFamily(context, value);
    const written = isOther ? undefined : compiledOf(context)?.some(({ sets }) => sets.has(value));
    return { ...ipvsPlain(line, `set ${value}`, 'begins the set', [explainName(value, context)]), written };
  }
  if (property !== undefined) {
    const of = place.ipset === undefined ? 'a set' : `set ${place.ipset}`;
    const effect = property === 'Members' ? 'begins the list of members' : `says ${property.toLowerCase()}: ${value}`;
    return ipvsPlain(line, `property of ${of}`, effect, []);
  }
  const [entry = ''] = line.split(' ');
  const isMember = place.ipset !== undefined || /^[0-9a-f.:/]+,((tcp|udp|sctp):)?\d+(,[0-9a-f.:/]+)?$/.test(entry);
  return isMember ? explainMember(line, entry, place.ipset, context) : undefined;
}

/** An entry of a set, or of whichever compiled sets have it. */
function explainMember(line: string, entry: string, set: string | undefined, context: ExplainContext): LineExplanation {
  const compiled = set !== undefined && isOfOtherFamily(context, set) ? undefined : compiledOf(context);
  const having = (compiled ?? []).flatMap(({ sets }) =>
    [...sets].filter(([name, { type, entries }]) => {
      const normal = normalEntry(type, { text: entry, options: [], line: undefined, spelling: undefined });
      return (set ?? name) === name && entries.includes(normal);
    }),
  );
  const found = set === undefined ? having.map(([name]) => name) : [set];
  const written = compiled && having.length > 0;
  const where = found.length === 0 ? 'a set' : found.join(', ');
  const isKnown = found.length === 0 || found.some((name) => setOfName(name) !== undefined);
  return {
    ...ipvsPlain(
      line,
      'entry of a set',
      `puts ${entry} into ${where}`,
      found.map((name) => explainName(name, context)),
    ),
    reason: isKnown ? entryReason(entry, context) : '',
    written,
    nearest: written === false ? nearestLine(context, `add ${set ?? ''} ${entry}`) : undefined,
  };
}

function entryReason(entry: string, context: ExplainContext): string {
  if (/^\d+$/.test(entry)) {
    const owners = ['tcp', 'udp', 'sctp'].flatMap((protocol) => servicePortsAt(context, undefined, entry, protocol));
    return owners.length === 0 ? 'no Service of this input has this port' : owners.join('; ');
  }
  const [ip = '', port = ''] = entry.split(',');
  const [, protocol = 'tcp', number = ''] = /^(?:(\w+):)?(\d+)$/.exec(port) ?? [];
  const owners = number === '' ? servicePortsOfAddress(context, ip) : servicePortsAt(context, ip, number, protocol);
  const endpoints =
    number === '' ? [] : endpointsAt(context, ip.includes(':') ? `[${ip}]:${number}` : `${ip}:${number}`);
  const found = [...owners, ...endpoints];
  return found.length === 0 ? 'no Service of this input has this' : found.join('; ');
}

function normalFlag(flag: string): string {
  const short: Readonly<Record<string, string>> = {
    '--tcp-service': '-t',
    '--udp-service': '-u',
    '--fwmark-service': '-f',
  };
  return short[flag] ?? flag;
}

function splitAddress(text: string): { readonly ip: string; readonly port: string } {
  const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(text) ?? [];
  return { ip: parseIp(host)?.text ?? host, port };
}

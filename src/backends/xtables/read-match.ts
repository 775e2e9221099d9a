/** What the options of a match say. */
import { type Extension, MATCH_OPTIONS, onlyOption, optionsByName, RECENT_ACTIONS } from './extension.js';
import type { AddressTypes, Match, PortProtocol, PortRange, RuleOption } from './rule.js';
import {
  readAddress,
  readCidr,
  readMark,
  readNumber,
  readPort,
  readPorts,
  readProbability,
  readProtocol,
} from './values.js';

/** A match by its options; undefined when it is not known, or anything of it is not. */
export function readMatch(extension: Extension): Match | undefined {
  switch (extension.name) {
    case 'tcp':
    case 'udp':
    case 'sctp':
    case 'udplite':
    case 'dccp':
      return readPortsMatch(extension, extension.name);
    case 'comment': {
      const option = onlyOption(extension, '--comment');
      const text = option?.values[0];
      return option?.not !== false || text === undefined ? undefined : { kind: 'comment', text };
    }
    case 'statistic':
      return readStatistic(extension);
    case 'recent':
      return readRecent(extension);
    case 'conntrack':
    case 'state': {
      // `state` is the older name of the same match.
      const option = onlyOption(extension, '--ctstate', '--state');
      const states = readList(option?.values[0], STATES);
      return option === undefined || states === undefined ? undefined : { kind: 'conntrack', not: option.not, states };
    }
    case 'addrtype':
      return readAddrtype(extension);
    case 'mark': {
      const option = onlyOption(extension, '--mark');
      const mark = readMark(option?.values[0]);
      return option === undefined || mark === undefined ? undefined : { kind: 'mark', not: option.not, ...mark };
    }
    case 'set':
      return readSet(extension);
    case 'physdev': {
      const option = onlyOption(extension, '--physdev-is-in');
      return option === undefined ? undefined : { kind: 'physdev-is-in', not: option.not };
    }
    case 'ipvs':
      return readIpvs(extension);
    case 'nfacct': {
      const option = onlyOption(extension, '--nfacct-name');
      const name = option?.values[0];
      return option?.not !== false || name === undefined ? undefined : { kind: 'nfacct', name };
    }
    default:
      return undefined;
  }
}

const PORT_SIDES: ReadonlyMap<string, 'source' | 'destination'> = new Map([
  ['--sport', 'source'],
  ['--source-port', 'source'],
  ['--dport', 'destination'],
  ['--destination-port', 'destination'],
]);

function readPortsMatch({ options }: Extension, protocol: PortProtocol): Match | undefined {
  const sides = new Map<'source' | 'destination', PortRange>();
  for (const { name, not, values } of options) {
    const side = PORT_SIDES.get(name);
    const ports = readPorts(values[0]);
    if (side === undefined || ports === undefined || sides.has(side)) return undefined;
    sides.set(side, { not, ...ports });
  }
  const range = (side: 'source' | 'destination'): PortRange | undefined => {
    const ports = sides.get(side);
    // iptables-save prints no ports where all match.
    return ports?.not === false && ports.first === 0 && ports.last === 65535 ? undefined : ports;
  };
  return { kind: 'ports', protocol, source: range('source'), destination: range('destination') };
}

function readStatistic(extension: Extension): Match | undefined {
  const options = optionsByName(extension, MATCH_OPTIONS, (name) => name === '--probability');
  const probability = options?.get('--probability');
  const threshold = readProbability(probability?.values[0]);
  if (options?.size !== 2 || options.get('--mode')?.values[0] !== 'random') return undefined;
  return probability === undefined || threshold === undefined
    ? undefined
    : { kind: 'random', not: probability.not, threshold };
}

/** What the kernel says when the whole address counts. */
const WHOLE_ADDRESS = new Set(['255.255.255.255', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff']);

function readRecent(extension: Extension): Match | undefined {
  const isAction = (name: string): boolean => RECENT_ACTIONS.some((action) => name === `--${action}`);
  const options = optionsByName(extension, MATCH_OPTIONS, isAction);
  const actions = RECENT_ACTIONS.filter((each) => options?.has(`--${each}`));
  const [action] = actions;
  if (options === undefined || action === undefined || actions.length > 1) return undefined;
  if (options.has('--rsource') && options.has('--rdest')) return undefined;
  const value = (name: string): string | undefined => options.get(name)?.values[0];
  const seconds = readNumber(value('--seconds'));
  const hitcount = readNumber(value('--hitcount'));
  const mask = readAddress(value('--mask') ?? '')?.text;
  if (seconds === undefined && options.has('--seconds')) return undefined;
  if (hitcount === undefined && options.has('--hitcount')) return undefined;
  if (mask === undefined && options.has('--mask')) return undefined;
  return {
    kind: 'recent',
    action,
    not: options.get(`--${action}`)?.not === true,
    list: value('--name') ?? 'DEFAULT',
    address: options.has('--rdest') ? 'destination' : 'source',
    seconds,
    reap: options.has('--reap'),
    hitcount,
    mask: mask === undefined || WHOLE_ADDRESS.has(mask) ? undefined : mask,
  };
}

/** In the order in which iptables-save prints them. */
const STATES = ['INVALID', 'NEW', 'RELATED', 'ESTABLISHED', 'UNTRACKED', 'SNAT', 'DNAT'];

/** A list of known words, each once and in their order. */
function readList(text: string | undefined, known: readonly string[]): readonly string[] | undefined {
  const words = text?.split(',') ?? [];
  return words.length > 0 && words.every((word) => known.includes(word))
    ? known.filter((word) => words.includes(word))
    : undefined;
}

function readAddrtype(extension: Extension): Match | undefined {
  const options = optionsByName(extension, MATCH_OPTIONS, (name) => name.endsWith('-type'));
  if (options === undefined) return undefined;
  const source = addressTypes(options.get('--src-type'));
  const destination = addressTypes(options.get('--dst-type'));
  const limitIn = options.has('--limit-iface-in');
  const limitOut = options.has('--limit-iface-out');
  if (source === undefined && destination === undefined) return undefined;
  if (source === 'wrong' || destination === 'wrong' || (limitIn && limitOut)) return undefined;
  return { kind: 'addrtype', source, destination, limitInterface: limitIn ? 'in' : limitOut ? 'out' : undefined };
}

/** In the order in which iptables-save prints them. */
const ADDRESS_TYPES = [
  'UNSPEC',
  'UNICAST',
  'LOCAL',
  'BROADCAST',
  'ANYCAST',
  'MULTICAST',
  'BLACKHOLE',
  'UNREACHABLE',
  'PROHIBIT',
];

function addressTypes(option: RuleOption | undefined): AddressTypes | undefined | 'wrong' {
  if (option === undefined) return undefined;
  const types = readList(option.values[0], ADDRESS_TYPES);
  return types === undefined ? 'wrong' : { not: option.not, types };
}

function readSet(extension: Extension): Match | undefined {
  const option = onlyOption(extension, '--match-set');
  const [name, list] = option?.values ?? [];
  if (option === undefined || name === undefined || list === undefined) return undefined;
  const directions = list.split(',').filter((each) => each === 'src' || each === 'dst');
  return directions.join(',') === list ? { kind: 'set', not: option.not, name, directions } : undefined;
}

function readIpvs(extension: Extension): Match | undefined {
  const options = optionsByName(extension, MATCH_OPTIONS);
  if (options === undefined) return undefined;
  const value = (name: string): string | undefined => options.get(name)?.values[0];
  const protocolText = value('--vproto');
  const protocol = protocolText === undefined ? undefined : readProtocol(protocolText);
  const address = readCidr(value('--vaddr'));
  const port = readPort(value('--vport'));
  if (protocol === 'all') return undefined;
  if (address === undefined && options.has('--vaddr')) return undefined;
  if (port === undefined && options.has('--vport')) return undefined;
  return { kind: 'ipvs', protocol, address, port };
}

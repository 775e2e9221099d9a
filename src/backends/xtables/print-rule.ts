/** Prints a rule as iptables-save would, so that two rules that say the same have the same text. */
import type { Cidr } from '../../net/ip.js';
import type { AddressTypes, Match, NatRange, PortRange, RuleSpec, Target, UnknownExtension } from './rule.js';
import { ALL_BITS, PROBABILITY_ONE } from './values.js';
import { inQuotes, quoteText, quoteWord } from './words.js';

/**
 * The arguments of a rule, with a space before each word: what follows `-A CHAIN` in a line. Values that the kernel
 * adds by itself (REJECT's default, the whole address of `recent`) are left out, so the text is the same for both
 * families and iptables-restore takes it.
 */
export function printRuleArguments({ matches, target }: RuleSpec): string {
  const words = matches.map((match) => ` ${printMatch(match)}`).join('');
  return target === undefined ? words : `${words} ${printTarget(target)}`;
}

/** One match with its `-m`. */
export function printMatch(match: Match): string {
  switch (match.kind) {
    case 'source':
      return `${not(match.not)}-s ${match.cidr.text}`;
    case 'destination':
      return `${not(match.not)}-d ${match.cidr.text}`;
    case 'in-interface':
      return `${not(match.not)}-i ${quoteWord(match.name + (match.prefix ? '+' : ''))}`;
    case 'out-interface':
      return `${not(match.not)}-o ${quoteWord(match.name + (match.prefix ? '+' : ''))}`;
    case 'protocol':
      return `${not(match.not)}-p ${quoteWord(match.protocol)}`;
    case 'ports':
      return `-m ${match.protocol}${ports('--sport', match.source)}${ports('--dport', match.destination)}`;
    case 'comment':
      return `-m comment --comment ${quoteText(match.text)}`;
    case 'random': {
      const probability = (match.threshold / PROBABILITY_ONE).toFixed(11);
      return `-m statistic --mode random ${not(match.not)}--probability ${probability}`;
    }
    case 'recent':
      return [
        `-m recent ${not(match.not)}--${match.action}`,
        match.seconds === undefined ? '' : ` --seconds ${match.seconds}`,
        match.reap ? ' --reap' : '',
        match.hitcount === undefined ? '' : ` --hitcount ${match.hitcount}`,
        ` --name ${quoteWord(match.list)}`,
        match.mask === undefined ? '' : ` --mask ${match.mask}`,
        match.address === 'source' ? ' --rsource' : ' --rdest',
      ].join('');
    case 'conntrack':
      return `-m conntrack ${not(match.not)}--ctstate ${match.states.join(',')}`;
    case 'addrtype':
      return [
        '-m addrtype',
        types('--src-type', match.source),
        types('--dst-type', match.destination),
        match.limitInterface === undefined ? '' : ` --limit-iface-${match.limitInterface}`,
      ].join('');
    case 'mark': {
      const mask = match.mask === ALL_BITS ? '' : `/${hex(match.mask)}`;
      return `-m mark ${not(match.not)}--mark ${hex(match.value)}${mask}`;
    }
    case 'set':
      return `-m set ${not(match.not)}--match-set ${quoteWord(match.name)} ${match.directions.join(',')}`;
    case 'physdev-is-in':
      return `-m physdev ${not(match.not)}--physdev-is-in`;
    case 'ipvs':
      return [
        '-m ipvs',
        match.protocol === undefined ? '' : ` --vproto ${quoteWord(match.protocol)}`,
        match.address === undefined ? '' : ` --vaddr ${withoutFullMask(match.address)}`,
        match.port === undefined ? '' : ` --vport ${match.port}`,
      ].join('');
    case 'nfacct':
      return `-m nfacct --nfacct-name ${quoteWord(match.name)}`;
    case 'unknown':
      return printUnknown('-m', match);
  }
}

/** A target with its `-j` or `-g`. */
function printTarget(target: Target): string {
  switch (target.kind) {
    case 'accept':
    case 'drop':
    case 'return':
      return `-j ${target.kind.toUpperCase()}`;
    case 'reject':
      return target.with === 'port-unreachable' ? '-j REJECT' : `-j REJECT --reject-with ${quoteWord(target.with)}`;
    case 'dnat':
    case 'snat':
      return [
        target.kind === 'dnat' ? '-j DNAT --to-destination ' : '-j SNAT --to-source ',
        natRange(target.to),
        target.random ? ' --random' : '',
        target.randomFully ? ' --random-fully' : '',
        target.persistent ? ' --persistent' : '',
      ].join('');
    case 'masquerade':
      return [
        '-j MASQUERADE',
        target.ports === undefined ? '' : ` --to-ports ${range(target.ports, '-')}`,
        target.random ? ' --random' : '',
        target.randomFully ? ' --random-fully' : '',
      ].join('');
    case 'mark':
      return `-j MARK --set-xmark ${hex(target.value)}/${hex(target.mask)}`;
    case 'jump':
      return `-j ${quoteWord(target.chain)}`;
    case 'goto':
      return `-g ${quoteWord(target.chain)}`;
    case 'unknown':
      return printUnknown('-j', target);
  }
}

/** Values that look like options are quoted, or they would be read as such. */
function printUnknown(flag: '-m' | '-j', { name, options }: UnknownExtension): string {
  const head = name === undefined ? [] : [flag, quoteWord(name)];
  const words = options.flatMap((option) => [
    ...(option.not ? ['!'] : []),
    quoteWord(option.name),
    ...option.values.map((value) => (/^(-[^0-9]|!$)/.test(value) ? inQuotes(value) : quoteWord(value))),
  ]);
  return [...head, ...words].join(' ');
}

function not(not: boolean): string {
  return not ? '! ' : '';
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

function range({ first, last }: { readonly first: number; readonly last: number }, to: ':' | '-'): string {
  return first === last ? String(first) : `${first}${to}${last}`;
}

function ports(option: string, ports: PortRange | undefined): string {
  return ports === undefined ? '' : ` ${not(ports.not)}${option} ${range(ports, ':')}`;
}

function types(option: string, types: AddressTypes | undefined): string {
  return types === undefined ? '' : ` ${not(types.not)}${option} ${types.types.join(',')}`;
}

function withoutFullMask({ family, text, prefixLength }: Cidr): string {
  return prefixLength === (family === 'ipv4' ? 32 : 128) ? text.slice(0, text.indexOf('/')) : text;
}

function natRange({ family, address, lastAddress, port, lastPort }: NatRange): string {
  const addresses = `${address ?? ''}${lastAddress === undefined ? '' : `-${lastAddress}`}`;
  if (port === undefined) return addresses;
  const ports = range({ first: port, last: lastPort ?? port }, '-');
  return family === 'ipv6' ? `[${addresses}]:${ports}` : `${addresses}:${ports}`;
}

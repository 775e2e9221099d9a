/** Lines of ipvsadm and ipset. */
import { parseIp } from '../../net/ip.js';
import { type ExplainContext, isWritten } from './context.js';
import { setOfName } from './fixed-names.js';
import type { LineExplanation, NameExplanation } from './model.js';
import { explainName } from './names.js';
import { endpointsAt, servicePortsAt } from './whose.js';

const PROTOCOLS: Readonly<Record<string, string>> = { '-t': 'tcp', '-u': 'udp', '--sctp-service': 'sctp' };

/** `-A -t 10.96.0.20:80 -s rr`, `-a -t 10.96.0.20:80 -r 10.244.1.7:8080 -m -w 1`. */
export function explainIpvsadmLine(line: string, context: ExplainContext): LineExplanation {
  const words = line.split(/\s+/);
  const flag = normalFlag(words[1] ?? '');
  const address = words[2] ?? '';
  const { ip, port } = splitAddress(address);
  const protocol = PROTOCOLS[flag] ?? '';
  const owners = servicePortsAt(context, ip, port, protocol);
  const isServer = words[0] === '-a' || words[0] === '--add-server';
  const matches = flag === '-f' ? [`marked ${address}`] : [`${protocol.toUpperCase()} to ${ip}, port ${port}`];
  const written = isWritten(context, 'ipvs', line);
  const whose = owners.length === 0 ? 'no Service of this input has this address' : owners.join('; ');
  const base = { kind: 'line', line, matches, names: [] as readonly NameExplanation[], written } as const;
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

/** `add KUBE-CLUSTER-IP 10.96.0.20,tcp:80`, `create KUBE-CLUSTER-IP hash:ip,port ...`. */
export function explainIpsetLine(line: string, context: ExplainContext): LineExplanation {
  const [command = '', set = '', entry = ''] = line.split(/\s+/);
  const names = [explainName(set, context)];
  const written = isWritten(context, 'ipvs', line);
  if (command === 'create') {
    const effect = `makes the set ${set}, of type ${entry}`;
    return { kind: 'line', line, what: 'set', matches: [], effect, reason: '', names, written };
  }
  const reason = setOfName(set) === undefined ? '' : entryReason(entry, context);
  return {
    kind: 'line',
    line,
    what: 'entry of a set',
    matches: [],
    effect: `puts ${entry} into ${set}`,
    reason,
    names,
    written,
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

function servicePortsOfAddress(context: ExplainContext, ip: string): readonly string[] {
  return context.plans.flatMap(({ servicePorts }) =>
    servicePorts
      .filter((plan) => [plan.clusterIP, ...plan.externalIPs, ...plan.loadBalancerIPs].includes(ip))
      .map((plan) => `an address of ${plan.name}`),
  );
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

/** What addresses, networks and ports must look like in any text: checked with ipaddr.js, which shares no code. */
import ipaddr from 'ipaddr.js';
import type { Family } from '../../src/index.js';

/** Whether a text is an address of a family as kube-proxy prints it, which is how ipaddr.js does. */
export function isAddress(text: string, family: Family): boolean {
  if (!ipaddr.isValid(text)) return false;
  const ip = ipaddr.parse(text);
  return ip.kind() === family && ip.toString() === text;
}

/** Whether a text is a network of a family, masked and not of everything. */
export function isCidr(text: string, family: Family): boolean {
  const [ip = '', length = ''] = text.split('/');
  if (!isAddress(ip, family) || !/^[1-9]\d*$/.test(length)) return false;
  const network =
    family === 'ipv4' ? ipaddr.IPv4.networkAddressFromCIDR(text) : ipaddr.IPv6.networkAddressFromCIDR(text);
  return network.toString() === ip;
}

/** Whether a text is a port number. */
export function isPort(text: string): boolean {
  return /^[1-9]\d*$/.test(text) && Number(text) <= 65535;
}

/** Whether texts are in bytewise order, each once; they are ASCII. */
export function isSortedOnce(texts: readonly string[]): boolean {
  return texts.every((each, i) => i === 0 || (texts[i - 1] ?? '') < each);
}

/** The addresses of some that lie in any of some networks. */
export function addressesIn(texts: readonly string[], networks: readonly string[]): readonly string[] {
  const cidrs = networks.map((text) => ipaddr.parseCIDR(text));
  return texts.filter((text) => cidrs.some((cidr) => ipaddr.parse(text).match(cidr)));
}

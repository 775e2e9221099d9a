/** Names of chains and sets of kube-proxy → what they belong to: the way back from `names.ts`. */
import { isCanonicalIpv4, joinHostPort, parseIp } from '../../net/ip.js';
import { type LowerProtocol, lowerProtocol, PROTOCOLS, type Protocol } from '../../net/protocol.js';
import { ELLIPSIS, hashedName, LONGEST_NAME } from './names.js';

/** The kinds of chains and sets that one service port or endpoint has of its own. */
export type NftOwnerKind = 'service' | 'local' | 'external' | 'firewall' | 'endpoint' | 'affinity';

/** Whose a chain or set is. */
export interface NftOwner {
  readonly kind: NftOwnerKind;
  readonly namespace: string;
  readonly service: string;
  readonly protocol: Protocol;
  /** `''` where the port has no name. */
  readonly portName: string;
  /** `10.244.1.7:8080`, `[fd00::7]:8080`: of kinds endpoint and affinity, unless the name is cut before its end. */
  readonly endpoint: string | undefined;
  /** Whether the name is too long and therefore cut, so that its hash cannot be checked. */
  readonly cut: boolean;
}

const NAME = /^(service|local|external|firewall|endpoint|affinity)-(([A-Z2-7]{8})-(.*))$/s;
const BASE = /^([a-z0-9-]+)\/([a-z0-9-]+)\/([a-z]+)\/([a-z0-9-]*)$/;

/**
 * Reads a name such as `service-SUSTUHLJ-default/web/tcp/http`.
 * @returns undefined for a fixed or foreign name, and where the hash is not that of the rest
 */
export function ownerOf(name: string): NftOwner | undefined {
  const [, kindText, hashed = '', , base = ''] = NAME.exec(name) ?? [];
  if (kindText === undefined) return undefined;
  const kind = kindText as NftOwnerKind;
  const [servicePort = '', endpoint, ...more] = base.split('__');
  const [, namespace, service = '', protocolText = '', portName = ''] = BASE.exec(servicePort) ?? [];
  const protocol = PROTOCOLS.find((each) => lowerProtocol(each) === (protocolText as LowerProtocol));
  const ofEndpoint = kind === 'endpoint' || kind === 'affinity';
  if (namespace === undefined || protocol === undefined || more.length > 0) return undefined;
  if (ofEndpoint !== (endpoint !== undefined)) return undefined;
  const owner = { kind, namespace, service, protocol, portName };
  // Only names of endpoints can become so long, and they are cut behind the service port.
  const cut = hashed.length === LONGEST_NAME && hashed.endsWith(ELLIPSIS);
  if (cut) return { ...owner, endpoint: undefined, cut };
  if (hashedName(base) !== hashed) return undefined;
  if (endpoint === undefined) return { ...owner, endpoint, cut };
  const text = readEndpoint(endpoint);
  return text === undefined ? undefined : { ...owner, endpoint: text, cut };
}

/** `10.244.1.7/8080`, `fd00..7/8080`: in names, dots stand for the colons of IPv6 addresses. */
function readEndpoint(text: string): string | undefined {
  const [, address = '', port = ''] = /^(.+)\/(\d{1,5})$/.exec(text) ?? [];
  if (isCanonicalIpv4(address)) return joinHostPort(address, 'ipv4', Number(port));
  const ip = parseIp(address.replaceAll('.', ':'));
  return ip?.family === 'ipv6' ? joinHostPort(ip.text, 'ipv6', Number(port)) : undefined;
}

/** What becomes of the addresses on kube-ipvs0, in lines of ip. */
import type { Change } from '../change.js';
import type { InterfaceAddress } from './addresses-text.js';
import type { PortalAddress } from './server-keys.js';

/** The device that kube-proxy binds addresses of Services to. */
export const IPVS_DEVICE = 'kube-ipvs0';

/** Whether a host has an address there. */
export function isOnDevice({ at }: InterfaceAddress): boolean {
  return at?.interface === IPVS_DEVICE;
}

/** Those of a host that somebody gave. */
export function givenAddresses(addresses: readonly InterfaceAddress[]): readonly InterfaceAddress[] {
  return addresses.filter((each) => !isKernels(each));
}

/** The kernel gives a link-local address of its own to devices that were up, with a whole network. */
function isKernels({ address, at }: InterfaceAddress): boolean {
  return /^fe[89ab]/.test(address.text) && at?.prefixLength !== 128;
}

/** What becomes of them. */
interface AddressChange {
  /** By the inputs of `IpvsInputs`. */
  readonly lines: Readonly<Record<'bind' | 'unbind', readonly string[]>>;
  readonly changes: readonly Change[];
  /** How many there are afterwards. */
  readonly left: number;
}

/**
 * Compares those of one family.
 * @param bound those that kube-ipvs0 has
 * @param retained virtual servers that are not wanted but stay for their connections, and with them their addresses
 */
export function changeAddresses(
  wanted: readonly InterfaceAddress[],
  bound: readonly InterfaceAddress[],
  retained: readonly PortalAddress[],
): AddressChange {
  const stays = new Set([...wanted, ...retained].map(({ address }) => address.text));
  const has = new Set(bound.filter(isSingle).map(({ address }) => address.text));
  const added = wanted.filter(({ address }) => !has.has(address.text)).map(withPrefix);
  // A whole network there would draw in all its addresses.
  const gone = bound.filter((each) => !stays.has(each.address.text) || !isSingle(each)).map(withPrefix);
  const changes: readonly Change[] =
    added.length + gone.length === 0
      ? []
      : [{ what: `interface ${IPVS_DEVICE}`, action: 'change', before: gone, after: added }];
  return {
    lines: {
      bind: added.map((address) => `addr add ${address} dev ${IPVS_DEVICE}`),
      unbind: gone.map((address) => `addr del ${address} dev ${IPVS_DEVICE}`),
    },
    changes,
    left: bound.length + added.length - gone.length,
  };
}

function isSingle({ address, at }: InterfaceAddress): boolean {
  return at?.prefixLength === bitsOf(address);
}

/** `10.96.0.10/32`. */
function withPrefix({ address, at }: InterfaceAddress): string {
  return `${address.text}/${at?.prefixLength ?? bitsOf(address)}`;
}

function bitsOf({ family }: InterfaceAddress['address']): number {
  return family === 'ipv4' ? 32 : 128;
}

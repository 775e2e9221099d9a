/** An IP family, as the parts of the output are named (`iptables.ipv4.rules`). The API writes them `IPv4` and `IPv6`. */
export type Family = 'ipv4' | 'ipv6';

/** Both families, in the order in which output is printed. */
export const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];

/** One value for each family. */
export type ByFamily<T> = Readonly<Record<Family, T>>;

/** The family that an API object calls `IPv4` or `IPv6`; undefined for any other text (`FQDN` too). */
export function familyOf(apiName: string): Family | undefined {
  if (apiName === 'IPv4') return 'ipv4';
  if (apiName === 'IPv6') return 'ipv6';
  return undefined;
}

/** The API's spelling of a family. */
export function apiNameOf(family: Family): 'IPv4' | 'IPv6' {
  return family === 'ipv4' ? 'IPv4' : 'IPv6';
}

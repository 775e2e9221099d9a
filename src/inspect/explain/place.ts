/** Where a line of a dump stands: what the lines before it have begun. */

/** A place in `nft list`. */
export interface NftPlace {
  /** `ip kube-proxy`; undefined where that is not known. */
  readonly table: string | undefined;
  readonly kind: 'chain' | 'set' | 'map' | undefined;
  readonly name: string | undefined;
  /** Inside of a list of elements that goes on. */
  readonly inElements: boolean;
}

/** A place in any dump. */
export interface Place {
  readonly nft: NftPlace;
  /** The set whose members `ipset list` prints. */
  readonly ipset: string | undefined;
  /** The virtual server whose real servers `ipvsadm -L -n` prints, as `ipvsadm -S -n` has it: `-t 10.96.0.20:80`. */
  readonly virtualServer: string | undefined;
}

const NO_NFT: NftPlace = { table: undefined, kind: undefined, name: undefined, inElements: false };

/** A line that nothing is known to stand before. */
export const NOWHERE: Place = { nft: NO_NFT, ipset: undefined, virtualServer: undefined };

/** Where the line behind a line stands. */
export function placeAfter(line: string, place: Place): Place {
  const nft = nftPlaceAfter(line, place.nft);
  const [, set] = /^Name: (\S+)$/.exec(line) ?? [];
  const [, virtualServer] = listedServer(line) ?? [];
  return {
    nft,
    // A blank line ends a set of `ipset list`.
    ipset: set ?? (line === '' ? undefined : place.ipset),
    virtualServer: virtualServer ?? (line.startsWith('->') ? place.virtualServer : undefined),
  };
}

function nftPlaceAfter(line: string, place: NftPlace): NftPlace {
  const [, family, table] = /^table (\S+) (\S+) \{/.exec(line) ?? [];
  if (table !== undefined) return { ...NO_NFT, table: `${family} ${table}` };
  const [, kind, name] = /^(chain|set|map) (\S+) \{/.exec(line) ?? [];
  if (name !== undefined) return { ...place, kind: kind as NftPlace['kind'], name, inElements: false };
  if (/^elements = \{/.test(line)) return { ...place, inElements: !line.endsWith('}') };
  if (place.inElements) return line.endsWith('}') ? { ...place, inElements: false } : place;
  if (line !== '}') return place;
  return place.kind === undefined ? NO_NFT : { ...NO_NFT, table: place.table };
}

const FLAGS: Readonly<Record<string, string>> = { TCP: '-t', UDP: '-u', SCTP: '--sctp-service', FWM: '-f' };

/** A virtual server of `ipvsadm -L -n`: its address as `ipvsadm -S -n` has it, and what stands behind. */
export function listedServer(line: string): readonly [whole: string, address: string, rest: string] | undefined {
  const [whole, protocol = '', address = '', rest = ''] = /^(TCP|UDP|SCTP|FWM) +(\S+) (.*)$/.exec(line) ?? [];
  return whole === undefined ? undefined : [whole, `${FLAGS[protocol]} ${address}`, rest];
}

/** Where each line about sets comes: in which of their inputs, and where in it. `IpvsInputs` says why. */
import { PORTALS } from './ownership.js';
import { type PortalAddress, portalEntry } from './server-keys.js';
import type { SetKey } from './sets.js';

/** Of an input the part, as inputs have several. */
type SetPlace = 'create' | 'add' | 'early' | 'restrict' | 'release' | 'close' | 'ranges' | 'rest' | 'destroy';

/** A line with its place. */
export interface PlacedLine {
  readonly place: SetPlace;
  readonly line: string;
}

/** The lines by input, in the order of their places; those of one place in the order in which they are given. */
export function linesInPlace(
  placed: readonly PlacedLine[],
): Readonly<Record<'prepare' | 'restrict' | 'release' | 'close' | 'clear', readonly string[]>> {
  const lines = new Map<SetPlace, string[]>();
  for (const { place, line } of placed) {
    const known = lines.get(place);
    if (known === undefined) lines.set(place, [line]);
    else known.push(line);
  }
  const at = (...places: readonly SetPlace[]): readonly string[] => places.flatMap((place) => lines.get(place) ?? []);
  return {
    prepare: at('create', 'add', 'early'),
    restrict: at('restrict'),
    release: at('release'),
    close: at('close'),
    clear: at('ranges', 'rest', 'destroy'),
  };
}

/** An entry of these keeps the client's address, which only works with endpoints on this node. */
const SPARING = new Set<SetKey>([
  'LOAD-BALANCER-LOCAL',
  'NODE-PORT-LOCAL-TCP',
  'NODE-PORT-LOCAL-UDP',
  'NODE-PORT-LOCAL-SCTP-HASH',
]);

/** Where entries are added and removed. */
export type EntryPlaces = Readonly<Record<'addition' | 'removal', (key: SetKey, entry: string) => SetPlace>>;

/**
 * The places of entries.
 * @param kept virtual servers that are there and stay because they are wanted
 * @param bound addresses of Services that are here
 */
export function placesOfEntries(kept: readonly PortalAddress[], bound: ReadonlySet<string>): EntryPlaces {
  const entries = new Set(kept.map(portalEntry));
  const ports = new Set(kept.map(({ protocol, port }) => `${protocol} ${port}`));
  /** Whether it is about a virtual server that is there and stays. */
  const isKept = (key: SetKey, entry: string): boolean => {
    const [, protocol] = NODE_PORT_PROTOCOL.exec(key) ?? [];
    return protocol === undefined ? entries.has(entry) : ports.has(`${protocol} ${entry}`);
  };
  return {
    addition: (key, entry) => {
      if (key === 'LOAD-BALANCER-FW') return 'restrict';
      return SPARING.has(key) && isKept(key, entry) ? 'release' : 'add';
    },
    removal: (key, entry) => {
      const [address = ''] = entry.split(',');
      const stays = isKept(key, entry);
      if (stays && (SPARING.has(key) || key === 'EXTERNAL-IP-LOCAL')) return 'early';
      // Before the ranges that it lets in.
      if (key === 'LOAD-BALANCER-FW') return stays ? 'release' : 'ranges';
      return PORTALS.includes(key) && bound.has(address) && !stays ? 'close' : 'rest';
    },
  };
}

const NODE_PORT_PROTOCOL = /^NODE-PORT-(?:LOCAL-)?(TCP|UDP)$/;

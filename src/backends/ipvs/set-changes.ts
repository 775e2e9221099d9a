/** What becomes of sets and their entries, in lines of ipset. */
import { FAMILIES, type Family } from '../../net/family.js';
import type { Change } from '../change.js';
import { type IpSet, type NormalIpSet, normalIpset, printIpset } from './ipset-text.js';
import { entriesOf, entryKey, type OwnSets, tellingEntries } from './ownership.js';
import type { PortalAddress } from './server-keys.js';
import { type EntryPlaces, linesInPlace, type PlacedLine, placesOfEntries } from './set-places.js';
import { SET_KEYS, type SetKey, setName } from './sets.js';

/** A set to put a new set into another's place; never more than a moment there. */
const SPARE_SET = 'KUBERULES-SPARE';

/** The names of all sets that are looked at, of both families. */
export function ipvsSetNames(): ReadonlySet<string> {
  return new Set([SPARE_SET, ...FAMILIES.flatMap((family) => SET_KEYS.map((key) => setName(key, family)))]);
}

/** The sets of a host. */
interface CurrentSets {
  readonly all: readonly IpSet[];
  readonly own: OwnSets;
}

/** What of virtual servers the order depends on. */
interface StayingServers {
  /** Those that are not wanted but stay for their connections. */
  readonly retained: readonly PortalAddress[];
  /** Those that are there and stay because they are wanted. */
  readonly kept: readonly PortalAddress[];
}

/** What becomes of all sets; the lines by the inputs of `IpvsInputs`. */
interface SetChange {
  readonly lines: ReturnType<typeof linesInPlace>;
  readonly changes: readonly Change[];
}

/** Compares all sets of a family. */
export function changeSets(
  wantedSets: readonly IpSet[],
  { all, own }: CurrentSets,
  { retained, kept }: StayingServers,
  family: Family,
): SetChange {
  const wanted = normalIpset(wantedSets);
  const creations = new Map(wantedSets.map((set) => [set.name, printIpset([{ ...set, entries: [] }]).trimEnd()]));
  const places = placesOfEntries(kept, new Set(entriesOf(own, 'IPVS-IPS', family)));
  const telling = tellingEntries(retained);
  const lines: PlacedLine[] = [];
  const changes: Change[] = [];
  // What is left of a run that was killed.
  if (all.some(({ name }) => name === SPARE_SET)) lines.push({ place: 'create', line: `destroy ${SPARE_SET}` });
  for (const key of SET_KEYS) {
    const name = setName(key, family);
    const found = own.get(name);
    const difference = compareSet(found, wanted.get(name), (entry) => telling.has(entryKey(key, entry)));
    const work: SetWork = { key, name, found, creation: creations.get(name) ?? '', ...difference };
    for (const line of linesOf(work, places)) lines.push(line);
    if (work.fate !== 'keep' || work.added.length + work.gone.length > 0) changes.push(described(work));
  }
  return { lines: linesInPlace(lines), changes };
}

/** What is to happen to one set. */
interface SetDifference {
  /** To the set itself: `swap` puts one with other options into its place, `replace` one of another type. */
  readonly fate: 'keep' | 'create' | 'swap' | 'replace' | 'destroy';
  readonly added: readonly string[];
  /** Also those that go with their set. */
  readonly gone: readonly string[];
}

/** The same, with all that is needed to write it. */
interface SetWork extends SetDifference {
  readonly key: SetKey;
  readonly name: string;
  readonly found: NormalIpSet | undefined;
  /** The line that makes it as it is to be; empty if it is not wanted. */
  readonly creation: string;
}

/** Compares one set; entries that are needed stay although nobody wants them, and so does a set with any. */
function compareSet(
  found: NormalIpSet | undefined,
  wanted: NormalIpSet | undefined,
  isNeeded: (entry: string) => boolean,
): SetDifference {
  if (found === undefined) {
    return { fate: wanted === undefined ? 'keep' : 'create', added: wanted?.entries ?? [], gone: [] };
  }
  if (wanted === undefined) {
    const gone = found.entries.filter((entry) => !isNeeded(entry));
    return { fate: gone.length === found.entries.length ? 'destroy' : 'keep', added: [], gone };
  }
  // Of another type its entries mean something else.
  if (!canBeSwapped(found, wanted)) return { fate: 'replace', added: wanted.entries, gone: found.entries };
  const has = new Set(found.entries);
  const keeps = new Set(wanted.entries);
  return {
    fate: found.options.join() === wanted.options.join() ? 'keep' : 'swap',
    added: wanted.entries.filter((entry) => !has.has(entry)),
    gone: found.entries.filter((entry) => !keeps.has(entry) && !isNeeded(entry)),
  };
}

/** Only sets of one type and family can be exchanged under the rules that name them. */
function canBeSwapped(a: NormalIpSet, b: NormalIpSet): boolean {
  const familyOf = ({ options }: NormalIpSet): string | undefined => options.find((each) => each.startsWith('family '));
  return a.type === b.type && familyOf(a) === familyOf(b);
}

function linesOf(work: SetWork, places: EntryPlaces): readonly PlacedLine[] {
  const { fate, key, name, added, gone, creation } = work;
  const create = (line: string): PlacedLine => ({ place: 'create', line });
  const additions = added.map((entry) => ({ place: places.addition(key, entry), line: `add ${name} ${entry}` }));
  const removals = gone.map((entry) => ({ place: places.removal(key, entry), line: `del ${name} ${entry}` }));
  switch (fate) {
    case 'keep':
      return [...additions, ...removals];
    case 'create':
      return [create(creation), ...additions];
    case 'swap':
      return [...swapLines(work).map(create), ...additions, ...removals];
    case 'replace':
      return [create(`destroy ${name}`), create(creation), ...additions];
    case 'destroy':
      return [{ place: 'destroy', line: `destroy ${name}` }];
  }
}

/** Puts a new set with the same entries into the place of one. */
function swapLines({ name, creation, found }: SetWork): readonly string[] {
  return [
    creation.replace(` ${name} `, ` ${SPARE_SET} `),
    ...(found?.entries ?? []).map((entry) => `add ${SPARE_SET} ${entry}`),
    `swap ${name} ${SPARE_SET}`,
    `destroy ${SPARE_SET}`,
  ];
}

const ACTIONS = { keep: 'change', create: 'add', swap: 'change', replace: 'change', destroy: 'remove' } as const;

/** For people. */
function described({ fate, name, added, gone, found, creation }: SetWork): Change {
  const former =
    found === undefined || fate === 'keep' ? [] : [['create', name, found.type, ...found.options].join(' ')];
  const isMade = fate === 'create' || fate === 'swap' || fate === 'replace';
  const entries = (texts: readonly string[]): readonly string[] => texts.map((entry) => `add ${name} ${entry}`);
  return {
    what: `set ${name}`,
    action: ACTIONS[fate],
    before: [...former, ...entries(gone)],
    after: [...(isMade ? [creation] : []), ...entries(added)],
  };
}

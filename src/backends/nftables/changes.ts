/**
 * From the table that a host has to the one that it is to have: the smallest input of `nft -f` that does it, in one
 * transaction. The units of rewriting are the chain and the element, so that sets that stay keep the clients they hold.
 */
import type { Change } from '../change.js';
import { nftChanges } from './change-lines.js';
import { compareNormalTables, elementsByKey, type NftDifference, normalTable } from './normal-form.js';
import { printNftListing } from './print-listing.js';
import { printRuleText } from './print-rule.js';
import {
  printNftChainCommand,
  printNftCollectionCommand,
  printNftElementCommand,
  printNftRuleCommand,
  printNftScript,
} from './print-script.js';
import { layoutOf } from './recognise.js';
import { chainsOf, collectionsOf, type NftChain, type NftCollection, type NftRule, type NftTable } from './rule-set.js';

/** What leads from one table to the other. */
export interface NftTableChange {
  /** The input of `nft -f`, one transaction; empty where nothing is to change. */
  readonly script: string;
  readonly changes: readonly Change[];
  /** Whether a table that is there is taken away and made anew, which forgets the clients of session affinity. */
  readonly replaced: boolean;
  /** Chains that nobody needs any more but that cannot be deleted yet: emptied, and deleted with the next change. */
  readonly lingering: readonly string[];
}

/** What the kernel of the host is like. */
export interface NftKernel {
  /**
   * Whether a chain may count as in use for a moment after the elements that led to it are deleted, in the same
   * transaction or an earlier one: before Linux 6.2.
   */
  readonly releasesLate: boolean;
}

const NOTHING: NftTableChange = { script: '', changes: [], replaced: false, lingering: [] };

/**
 * Compares two tables of one name, by their normal forms. Everything in kube-proxy's table counts as its own, so what
 * anybody else put there goes. The table is replaced as a whole if it is laid out otherwise, or holds what cannot be
 * changed in place: its own comment, a chain that is to become a base chain, objects of kinds that kube-proxy has not.
 * @param wanted undefined for no table, as is `current`
 */
export function changeNftTable(
  wanted: NftTable | undefined,
  current: NftTable | undefined,
  kernel: NftKernel,
): NftTableChange {
  const known = current ?? wanted;
  if (known === undefined) return NOTHING;
  const empty: NftTable = { ...known, comment: undefined, objects: [], verbatim: undefined };
  const before = current ?? empty;
  const after = wanted ?? empty;
  const differences = compareNormalTables(normalTable(before), normalTable(after));
  const listed = nftChanges(differences, before, after);
  const named = `${known.family} ${known.name}`;
  const ofTable = (action: Change['action']): Change => ({ what: `table ${named}`, action, before: [], after: [] });
  if (wanted === undefined) {
    const script = `delete table ${named}\n`;
    return { ...NOTHING, script, changes: [ofTable('remove'), ...listed] };
  }
  if (current === undefined) return { ...NOTHING, script: wholeScript(wanted), changes: [ofTable('add'), ...listed] };
  if (differences.every((each) => kernel.releasesLate && isEmptyStaleChain(each))) return NOTHING;
  if (!fitsInPlace(differences, wanted, current)) {
    return { ...NOTHING, script: wholeScript(wanted), changes: listed, replaced: true };
  }
  return { ...NOTHING, ...scriptInPlace(differences, wanted, current, kernel), changes: listed };
}

/** The script that makes the table anew whatever there is. */
function wholeScript(table: NftTable): string {
  const ruleSet = { form: table.form, metainfo: undefined, tables: [{ ...table, replaces: true }] };
  if (table.form !== 'listing') return printNftScript(ruleSet);
  const { family, name } = table;
  // A listing may have more in it than our scripts know, and nft takes it as it is.
  return `add table ${family} ${name}\ndelete table ${family} ${name}\n${printNftListing(ruleSet)}`;
}

/** A chain that is not wanted, and of no effect. */
function isEmptyStaleChain({ kind, aspect, left, right }: NftDifference): boolean {
  return kind === 'chain' && aspect === 'existence' && right === undefined && left === '';
}

function fitsInPlace(differences: readonly NftDifference[], wanted: NftTable, current: NftTable): boolean {
  const layouts = [wanted, current].map((table) => layoutOf({ ...NO_RULE_SET, tables: [table] }, table.family));
  if (layouts[0] === undefined || layouts[0] !== layouts[1]) return false;
  const [before, after] = [chainsOf(current), chainsOf(wanted)];
  return differences.every(({ kind, name, aspect }) => {
    if (kind === 'table' || kind === 'other') return false;
    // Only base chains can be made anew by themselves, as nothing leads into them but the kernel.
    const remade = kind === 'chain' && (aspect === 'hook' || aspect === 'comment');
    return !remade || (before.get(name)?.base !== undefined && after.get(name)?.base !== undefined);
  });
}

const NO_RULE_SET = { form: 'script', metainfo: undefined } as const;

/** What becomes of the objects of a table that is changed in place. */
interface Plan {
  /** Names of chains. */
  readonly stale: ReadonlySet<string>;
  readonly remade: ReadonlySet<string>;
  readonly added: ReadonlySet<string>;
  /** Those that get all their rules anew, `remade` and `added` among them. */
  readonly rewritten: ReadonlySet<string>;
  /** Names of sets and maps. */
  readonly goneCollections: ReadonlySet<string>;
  readonly newCollections: ReadonlySet<string>;
  /** In the sets and maps that stay. */
  readonly elements: readonly NftDifference[];
}

function planInPlace(differences: readonly NftDifference[], current: NftTable): Plan {
  const [stale, remade, added] = [new Set<string>(), new Set<string>(), new Set<string>()];
  const [goneCollections, newCollections] = [new Set<string>(), new Set<string>()];
  const rewritten = new Set<string>();
  for (const { kind, name, aspect, left, right } of differences) {
    if (kind === 'chain') {
      if (right === undefined) stale.add(name);
      else rewritten.add(name);
      if (left === undefined) added.add(name);
      else if (aspect === 'hook' || aspect === 'comment') remade.add(name);
    } else if (aspect !== 'element') {
      // One whose properties change is made anew, as none of them can be changed.
      if (left !== undefined) goneCollections.add(name);
      if (right !== undefined) newCollections.add(name);
    }
  }
  // A set goes only when no rule names it any more.
  if ([...newCollections].some((name) => goneCollections.has(name))) {
    for (const { name, rules } of chainsOf(current).values()) {
      if (!stale.has(name) && rules.some((rule) => namesOneOf(goneCollections, rule))) rewritten.add(name);
    }
  }
  const isRemade = (name: string): boolean => goneCollections.has(name) || newCollections.has(name);
  const elements = differences.filter(({ aspect, name }) => aspect === 'element' && !isRemade(name));
  return { stale, remade, added, rewritten, goneCollections, newCollections, elements };
}

/** Whether a rule looks into one of some sets and maps. */
function namesOneOf(names: ReadonlySet<string>, rule: NftRule): boolean {
  return Array.from(printRuleText(rule).matchAll(/@([^\s{}]+)/g)).some(([, name = '']) => names.has(name));
}

/** The commands, in an order in which nothing is named before it is there or goes while it is named. */
function scriptInPlace(
  differences: readonly NftDifference[],
  wanted: NftTable,
  current: NftTable,
  { releasesLate }: NftKernel,
): Pick<NftTableChange, 'script' | 'lingering'> {
  const plan = planInPlace(differences, current);
  const table = `${current.family} ${current.name}`;
  const before = { chains: [...chainsOf(current).values()], collections: collectionsOf(current) };
  const after = { chains: [...chainsOf(wanted).values()], collections: collectionsOf(wanted) };
  const referred = releasesLate && plan.stale.size > 0 ? referredChains(current) : new Set<string>();
  const lingers = ({ name, rules }: NftChain): boolean => releasesLate && (rules.length > 0 || referred.has(name));
  const lingering = before.chains.filter((chain) => plan.stale.has(chain.name) && lingers(chain));
  const elementsOf = (side: ReadonlyMap<string, NftCollection>) => {
    const found = new Map<string, ReturnType<typeof elementsByKey>>();
    return ({ name, key }: NftDifference) => {
      const collection = side.get(name);
      if (collection === undefined) return [];
      const elements = found.get(name) ?? elementsByKey(collection);
      found.set(name, elements);
      const element = elements.get(key);
      return element === undefined ? [] : [{ name, element }];
    };
  };
  const gone = [...before.collections.values()].filter(({ name }) => plan.goneCollections.has(name));
  const made = [...after.collections.values()].filter(({ name }) => plan.newCollections.has(name));
  const script = [
    ...before.chains
      .filter(({ name, rules }) => rules.length > 0 && (plan.stale.has(name) || plan.rewritten.has(name)))
      .map(({ name }) => `flush chain ${table} ${name}\n`),
    // Emptied first: some kernels drop what a map leads to only when they delete the elements one by one.
    ...gone.map(({ kind, name }) =>
      kind === 'map' ? `flush map ${table} ${name}\ndelete map ${table} ${name}\n` : `delete set ${table} ${name}\n`,
    ),
    ...plan.elements
      .flatMap(elementsOf(before.collections))
      .map(({ name, element }) => `delete element ${table} ${name} { ${element.key} }\n`),
    ...before.chains
      .filter((chain) => plan.remade.has(chain.name) || (plan.stale.has(chain.name) && !lingers(chain)))
      .map(({ name }) => `delete chain ${table} ${name}\n`),
    ...after.chains
      .filter(({ name }) => plan.added.has(name) || plan.remade.has(name))
      .map((chain) => printNftChainCommand(wanted, chain)),
    ...made.map((collection) => printNftCollectionCommand(wanted, collection)),
    ...after.chains
      .filter(({ name }) => plan.rewritten.has(name))
      .flatMap(({ name, rules }) => rules.map((rule) => printNftRuleCommand(wanted, name, rule))),
    ...made.flatMap(({ name, elements }) => elements.map((each) => printNftElementCommand(wanted, name, each))),
    ...plan.elements
      .flatMap(elementsOf(after.collections))
      .map(({ name, element }) => printNftElementCommand(wanted, name, element)),
  ].join('');
  return { script, lingering: lingering.map(({ name }) => name) };
}

/** The chains that rules and elements of a table lead to. */
function referredChains(table: NftTable): ReadonlySet<string> {
  const texts = table.objects.flatMap((object) => {
    if (object.kind === 'chain') return object.rules.map(printRuleText);
    return object.kind === 'other' ? [] : object.elements.map(({ data }) => data);
  });
  return new Set(
    texts.flatMap((text) => Array.from(text.matchAll(/\b(?:goto|jump) ([^\s,{}]+)/g), ([, name = '']) => name)),
  );
}

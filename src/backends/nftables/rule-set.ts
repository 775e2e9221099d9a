/**
 * Tables of nftables as data: what kube-proxy's own script, `nft list` and `nft -j list` are read into. Addresses,
 * numbers and names are kept as they were spelled; `normal-form.ts` makes the spellings comparable.
 */

/** From which kind of text rule sets are read; they differ in what they tell. */
export type NftForm =
  /** Commands for `nft -f`: our own text, and the dumps of kube-proxy's tests. */
  | 'script'
  /** `nft list table` or `nft list ruleset`. */
  | 'listing'
  /** `nft -j list table` or `nft -j list ruleset`. */
  | 'json';

/** Everything that one text says. */
export interface NftRuleSet {
  readonly form: NftForm;
  /** Version and schema of the nft that printed JSON, as it printed them. */
  readonly metainfo: unknown;
  readonly tables: readonly NftTable[];
}

/** One table of one family. */
export interface NftTable {
  readonly form: NftForm;
  /** `ip`, `ip6`; of foreign tables also `inet`, `bridge` and others. */
  readonly family: string;
  readonly name: string;
  /** Not kube-proxy's, and therefore not looked into: it has no objects here, only its text. */
  readonly foreign: boolean;
  /** Whether the script takes away the former table first. */
  readonly replaces: boolean;
  /** `''` for none; undefined where the form may not tell, as nft's JSON does not for tables and chains. */
  readonly comment: string | undefined;
  readonly handle: number | undefined;
  /** Sets, maps, chains and what else there is, in the order in which they are listed. */
  readonly objects: readonly NftObject[];
  /**
   * The text (of JSON: the objects), for foreign tables and wherever printing the fields would not give it again, as
   * other versions and options of nft lay some things out otherwise.
   */
  readonly verbatim: string | readonly unknown[] | undefined;
}

/** Something that a table holds. */
export type NftObject = NftChain | NftCollection | NftOther;

/** A chain with its rules. */
export interface NftChain {
  readonly kind: 'chain';
  readonly name: string;
  /** As for tables. */
  readonly comment: string | undefined;
  readonly handle: number | undefined;
  /** Where packets enter it; undefined for a chain that is only jumped to. */
  readonly base: NftBaseChain | undefined;
  readonly rules: readonly NftRule[];
}

/** What makes a chain a base chain. */
export interface NftBaseChain {
  /** `filter`, `nat`, `route`. */
  readonly type: string;
  readonly hook: string;
  /** Lower comes first. */
  readonly priority: number;
  /** `accept` or `drop`: what becomes of a packet that no rule decides on. */
  readonly policy: string;
}

/** One rule. Its statements are read on demand, by `statementsOf`. */
export interface NftRule {
  /** The family of its table, which decides what some words mean. */
  readonly family: string;
  /** Its words without the comment; of JSON its statements as nft printed them. */
  readonly source: string | readonly unknown[];
  /** `''` for none. */
  readonly comment: string;
  readonly handle: number | undefined;
}

/** A named set or map. */
export interface NftCollection {
  readonly kind: 'set' | 'map';
  readonly name: string;
  readonly handle: number | undefined;
  /** The types of the key's parts: `['ipv4_addr', 'inet_proto', 'inet_service']`. */
  readonly keyTypes: readonly string[];
  /** What a map gives: `verdict`; `''` for a set. */
  readonly dataType: string;
  /** `dynamic`, `timeout`, `interval`, ... in the order in which they were given. */
  readonly flags: readonly string[];
  /** Whether rules may add elements; undefined where the form may not tell, as JSON of nft 1.0.6 does not. */
  readonly dynamic: boolean | undefined;
  /** Seconds that an element stays; undefined where elements stay for good. */
  readonly timeout: number | undefined;
  /** The most elements that it takes; undefined where it was not given. */
  readonly size: number | undefined;
  /** `''` for none. */
  readonly comment: string;
  /** Properties of no meaning here (`auto-merge`, `gc-interval 3s`), each in one text. */
  readonly others: readonly string[];
  readonly elements: readonly NftElement[];
}

/** One element of a set or map. */
export interface NftElement {
  /** The parts of the key, joined: `10.96.0.20 . tcp . 80`. */
  readonly key: string;
  /** What a map gives for the key: `goto service-...`, `drop`; `''` in a set. */
  readonly data: string;
  /** `''` for none. */
  readonly comment: string;
  /** Seconds that this element stays, where they differ from the set's; undefined otherwise. */
  readonly timeout: number | undefined;
  /** Seconds that it is still to stay, when listed; undefined where it stays for good. */
  readonly expires: number | undefined;
  /** Words of no meaning here, such as those of a counter. */
  readonly others: string;
}

/** Something in a table that kube-proxy v1.36 has none of: a counter, a flow table, a flag of the table. */
export interface NftOther {
  readonly kind: 'other';
  /** What and which: `counter drops`. */
  readonly name: string;
  readonly handle: number | undefined;
  /** Its lines without the indentation of the table; of JSON the object as nft printed it. */
  readonly source: string | object;
}

/** The chains of a table by name. */
export function chainsOf(table: NftTable): ReadonlyMap<string, NftChain> {
  return new Map(table.objects.filter((each) => each.kind === 'chain').map((each) => [each.name, each]));
}

/** The sets and maps of a table by name; nft keeps both in one name space. */
export function collectionsOf(table: NftTable): ReadonlyMap<string, NftCollection> {
  return new Map(table.objects.filter(isCollection).map((each) => [each.name, each]));
}

/** Whether something in a table is a set or map. */
export function isCollection(object: NftObject): object is NftCollection {
  return object.kind === 'set' || object.kind === 'map';
}

/** The tables of kube-proxy in a rule set, by family (`ip`, `ip6`). */
export function kubeProxyTables(ruleSet: NftRuleSet): ReadonlyMap<string, NftTable> {
  return new Map(ruleSet.tables.filter((table) => !table.foreign).map((table) => [table.family, table]));
}

/** Whether a table is one that kube-proxy writes. */
export function isKubeProxyTable(family: string, name: string): boolean {
  return name === 'kube-proxy' && (family === 'ip' || family === 'ip6');
}

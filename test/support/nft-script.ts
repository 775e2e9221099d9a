/** Reads the script of nftables mode for tests. */

/** A chain with its rules. */
interface ReadChain {
  /** `filter` or `nat` for a base chain; undefined for any other. */
  readonly type: string | undefined;
  /** What stands behind its name. */
  readonly properties: string;
  readonly rules: readonly string[];
}

/** A set, or a map to verdicts. */
interface ReadCollection {
  readonly kind: 'set' | 'map';
  /** The types of its key, one for each field: `['ipv4_addr', 'inet_proto']`. */
  readonly key: readonly string[];
  readonly properties: string;
}

/** An element of a set or map. */
interface ReadElement {
  readonly collection: string;
  readonly key: string;
  readonly comment: string | undefined;
  /** undefined in a set. */
  readonly verdict: string | undefined;
}

/** The script, taken apart. */
export interface ReadScript {
  readonly chains: ReadonlyMap<string, ReadChain>;
  readonly collections: ReadonlyMap<string, ReadCollection>;
  readonly elements: readonly ReadElement[];
}

const KINDS = ['table', 'chain', 'set', 'map', 'rule', 'element'];

/**
 * Reads a script for one family. Throws for a line that it does not know, for anything outside the table, for what is
 * added twice or before what it belongs to, and for kinds of objects that are mixed.
 */
export function readNftScript(text: string, table: 'ip kube-proxy' | 'ip6 kube-proxy'): ReadScript {
  const start = [
    `add table ${table}`,
    `delete table ${table}`,
    `add table ${table} { comment "rules for kube-proxy" ; }`,
  ];
  const lines = text.split('\n').slice(0, -1);
  if (lines.splice(0, 3).join('\n') !== start.join('\n')) throw new Error('the script does not replace the table');
  const chains = new Map<string, ReadChain & { rules: string[] }>();
  const collections = new Map<string, ReadCollection>();
  const elements: ReadElement[] = [];
  let stage = 0;
  for (const line of lines) {
    const [, kind = '', family, name = '', rest = ''] =
      /^add (\w+) (ip6? kube-proxy) (\S+)(?: (.+))?$/.exec(line) ?? [];
    if (family !== table || KINDS.indexOf(kind) < stage) throw new Error(`unknown or misplaced line: ${line}`);
    stage = KINDS.indexOf(kind);
    if (kind === 'chain' && !chains.has(name)) {
      chains.set(name, { type: /^\{ type (\w+) hook /.exec(rest)?.[1], properties: rest, rules: [] });
    } else if ((kind === 'set' || kind === 'map') && !collections.has(name)) {
      const [, type = ''] = /^\{ type ([^;:]+)(?: : verdict)? ; /.exec(rest) ?? [];
      if (rest.includes(' : verdict ;') !== (kind === 'map')) throw new Error(`no key or verdict: ${line}`);
      collections.set(name, { kind, key: type.split(' . '), properties: rest });
    } else if (kind === 'rule' && chains.has(name)) {
      chains.get(name)?.rules.push(rest);
    } else if (kind === 'element' && collections.has(name)) {
      elements.push(readElement(name, rest));
    } else {
      throw new Error(`unknown line, or for nothing that was added: ${line}`);
    }
  }
  return { chains, collections, elements };
}

function readElement(collection: string, text: string): ReadElement {
  const [, key, comment, verdict] =
    /^\{ ([0-9a-z:.]+(?: \. [0-9a-z:.]+)*)(?: comment "([^"]*)")?(?: : (drop|goto \S+))? \}$/.exec(text) ?? [];
  if (key === undefined) throw new Error(`unknown element: ${collection} ${text}`);
  return { collection, key, comment, verdict };
}

/** The chains that a rule or verdict sends packets to. */
export function chainsNamed(text: string): readonly string[] {
  return Array.from(withoutComments(text).matchAll(/(?:^| )(?:goto|jump) (\S+)/g), ([, chain = '']) => chain);
}

/** The sets and maps that a rule looks things up in. */
export function collectionsNamed(rule: string): readonly string[] {
  return Array.from(withoutComments(rule).matchAll(/ ?@(\S+)/g), ([, name = '']) => name);
}

function withoutComments(text: string): string {
  return text.replace(/ comment "[^"]*"/g, '');
}

/** The chains that packets can come to from base chains of a type, these included. */
export function reachedFrom(
  type: 'filter' | 'nat',
  { chains, collections, elements }: ReadScript,
): ReadonlySet<string> {
  const reached = new Set<string>();
  for (const [name, chain] of chains) if (chain.type === type) reached.add(name);
  for (const name of reached) {
    for (const rule of chains.get(name)?.rules ?? []) {
      for (const next of chainsNamed(rule)) reached.add(next);
      const maps = collectionsNamed(rule).filter((each) => collections.get(each)?.kind === 'map');
      for (const { collection, verdict } of maps.length > 0 ? elements : []) {
        if (maps.includes(collection)) for (const next of chainsNamed(verdict ?? '')) reached.add(next);
      }
    }
  }
  return reached;
}

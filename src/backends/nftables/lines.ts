/** The lines of the script, made once for each object of the table. */

/** A chain of the table. */
export interface Chain {
  readonly name: string;
  /** The line that adds it. */
  readonly added: string;
  /** The lines that add its rules, in order. */
  readonly rules: string;
}

/** A set or map of the table. */
export interface Collection {
  readonly name: string;
  /** The line that adds it. */
  readonly added: string;
}

/** An element of a set or map. */
export interface Element {
  /** The set or map and the key, `service-ips { 10.96.0.20 . tcp . 80`: identity, and sort key of the lines. */
  readonly key: string;
  /** The name of the service port that asks for it; `''` where none does. */
  readonly owner: string;
  /** `''` for an element of a set. */
  readonly verdict: string;
  /** `''` for none. */
  readonly comment: string;
  /** The line that adds it. */
  readonly added: string;
}

/**
 * A chain with its rules.
 * @param properties what stands behind the name where it is added: hook and priority, or a comment; mostly nothing
 */
export function newChain(table: string, name: string, properties: string, rules: readonly string[]): Chain {
  return {
    name,
    added: `add chain ${table} ${name}${properties}\n`,
    rules: rules.map((rule) => `add rule ${table} ${name} ${rule}\n`).join(''),
  };
}

/** A set or map without elements. */
export function newCollection(kind: 'set' | 'map', table: string, name: string, properties: string): Collection {
  return { name, added: `add ${kind} ${table} ${name} ${properties}\n` };
}

/** An element; see the fields of `Element`. */
export function newElement(
  table: string,
  key: string,
  { owner, verdict, comment }: Pick<Element, 'owner' | 'verdict' | 'comment'>,
): Element {
  const said = comment === '' ? '' : ` comment "${comment}"`;
  const value = verdict === '' ? '' : ` : ${verdict}`;
  return { key, owner, verdict, comment, added: `add element ${table} ${key}${said}${value} }\n` };
}

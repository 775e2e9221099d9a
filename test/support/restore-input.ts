/** Reads an iptables-restore input for tests, far enough to see chains, rules and jumps. */

interface RestoreRule {
  readonly chain: string;
  /** The rule's arguments, quotes taken off. */
  readonly args: readonly string[];
  /** What follows `-j`; undefined for a rule that only carries a comment. */
  readonly target: string | undefined;
}

export interface RestoreTable {
  readonly chains: readonly string[];
  readonly rules: readonly RestoreRule[];
}

/** Tables by name. Throws for a line that it does not know. */
export function readRestoreInput(text: string): ReadonlyMap<string, RestoreTable> {
  const tables = new Map<string, { chains: string[]; rules: RestoreRule[] }>();
  let current: { chains: string[]; rules: RestoreRule[] } | undefined;
  for (const line of text.split('\n').slice(0, -1)) {
    if (line.startsWith('*')) {
      current = { chains: [], rules: [] };
      tables.set(line.slice(1), current);
    } else if (line === 'COMMIT') {
      current = undefined;
    } else if (current !== undefined && line.startsWith(':')) {
      const [chain = '', ...rest] = line.slice(1).split(' ');
      if (rest.join(' ') !== '- [0:0]') throw new Error(`unknown chain line: ${line}`);
      current.chains.push(chain);
    } else if (current !== undefined && line.startsWith('-A ')) {
      current.rules.push(readRule(line));
    } else {
      throw new Error(`unknown line: ${line}`);
    }
  }
  return tables;
}

function readRule(line: string): RestoreRule {
  const [, chain = '', ...args] = (line.match(/"[^"]*"|[^" ]+/g) ?? []).map((word) => word.replace(/^"(.*)"$/, '$1'));
  const jump = args.indexOf('-j');
  return { chain, args, target: jump < 0 ? undefined : args[jump + 1] };
}

/** The differences of tables as inputs of `iptables-restore --noflush`. */
import type { Change } from '../change.js';

/** The differences of one table. */
export interface TableChange {
  readonly name: string;
  readonly chains: readonly ChainChange[];
  /** Arguments with their chains: `INPUT -j KUBE-FIREWALL`. */
  readonly newJumps: readonly Jump[];
  readonly oldJumps: readonly Jump[];
}

/** The differences of one chain. */
export interface ChainChange {
  readonly name: string;
  readonly action: Change['action'];
  /** As the host writes them and as they are to be written: arguments, each beginning with a space. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** Rules of `before` that are not among `after`, in their order. */
  readonly gone: readonly string[];
  /** Whether there is more in it afterwards than fewer rules. */
  readonly adds: boolean;
  /** Whether rules of others lead into a chain that is to go. */
  readonly referred: boolean;
}

/** A rule of a built-in chain that leads into one of kube-proxy's. */
export interface Jump {
  readonly chain: string;
  readonly args: string;
}

/** What leads where: a chain of each kind has jumps to those before it only, so new ones are made in this order. */
const KINDS = /^KUBE-(?:(SEP)|(SV[CL])|(EXT)|(FW))-/;

function rankOf({ name }: ChainChange): number {
  return (KINDS.exec(name) ?? []).findIndex((part, i) => i > 0 && part !== undefined);
}

/**
 * The inputs. Many new chains are made ahead and many superfluous ones deleted afterwards, where nothing leads to them; all
 * that traffic can notice is in the one input between.
 */
export function inputsOf(tables: readonly TableChange[], chainsAtOnce = Number.POSITIVE_INFINITY): readonly string[] {
  const nat = tables.find(({ name }) => name === 'nat');
  const pick = (isWanted: (chain: ChainChange) => boolean): readonly ChainChange[] => {
    const all = nat?.chains.filter((chain) => rankOf(chain) > 0 && isWanted(chain)) ?? [];
    return all.length > chainsAtOnce ? all.toSorted((a, b) => rankOf(a) - rankOf(b)) : [];
  };
  const fresh = pick(({ action }) => action === 'add');
  const stale = pick(({ action, referred }) => action === 'remove' && !referred).toReversed();
  // Every chain of a Service may jump to it.
  const mark = nat?.chains.filter(({ name }) => name === 'KUBE-MARK-MASQ') ?? [];
  const first = fresh.length === 0 ? [] : [...mark.filter(({ action }) => action === 'add'), ...fresh];
  const last = stale.length === 0 ? [] : [...stale, ...mark.filter(({ action }) => action === 'remove')];
  const elsewhere = new Set([...first, ...last]);
  const rest = tables.map((table) => ({ ...table, chains: table.chains.filter((chain) => !elsewhere.has(chain)) }));
  const inputs = (chains: readonly ChainChange[]): readonly string[] =>
    slices(chains, chainsAtOnce).map((each) =>
      section({ name: 'nat', chains: each, newJumps: [], oldJumps: [] }, 'all'),
    );
  return [...inputs(first), inputOf(rest), ...inputs(last)].filter((input) => input !== '');
}

function slices<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  const result: (readonly T[])[] = [];
  for (let i = 0; i < items.length; i += size) result.push(items.slice(i, i + size));
  return result;
}

/**
 * One input, with one transaction a table. Rules of table filter catch what table nat has not translated, so they are
 * added before nat changes and taken away after it: between two transactions, and if a later one is refused, every
 * Service is as it was or as it is to be.
 */
function inputOf(tables: readonly TableChange[]): string {
  const [filter, ...others] = tables;
  if (filter === undefined) return '';
  const sections = others.map((table) => section(table, 'all'));
  const natChanges = sections.some((text) => text !== '');
  const takesAway = filter.oldJumps.length > 0 || filter.chains.some((chain) => isTakenFrom(chain));
  if (!natChanges || !takesAway) return [section(filter, 'all'), ...sections].join('');
  return [section(filter, 'additions'), ...sections, section(filter, 'removals')].join('');
}

function isTakenFrom({ action, gone }: ChainChange): boolean {
  return action === 'remove' || gone.length > 0;
}

/**
 * One table's part of the input.
 * @param which `additions`: old rules stay behind the new ones, and nothing goes; `removals`: what that left
 */
function section({ name, chains, newJumps, oldJumps }: TableChange, which: 'all' | 'additions' | 'removals'): string {
  const written = chains.filter((chain) => {
    if (which === 'additions') return chain.adds;
    return which === 'all' || isTakenFrom(chain);
  });
  const adds = which === 'removals' ? [] : newJumps;
  const deletes = which === 'additions' ? [] : oldJumps;
  const lines = [
    ...written.map((chain) => `:${chain.name} - [0:0]`),
    ...deletes.map(({ chain, args }) => `-D ${chain}${args}`),
    ...adds.map(({ chain, args }) => `-I ${chain}${args}`),
    ...written.flatMap((chain) => {
      const rules = which === 'additions' ? [...chain.after, ...chain.gone] : chain.after;
      return rules.map((args) => `-A ${chain.name}${args}`);
    }),
    ...written.filter(({ action, referred }) => action === 'remove' && !referred).map((chain) => `-X ${chain.name}`),
  ];
  return lines.length === 0 ? '' : `*${name}\n${lines.join('\n')}\nCOMMIT\n`;
}

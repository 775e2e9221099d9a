/** Comparing a node with what it should be: which containers and items differ, and of which service port they are. */
import type { ClusterState } from '../../kube/state.js';
import { addTo } from '../../net/group.js';
import type { NodeFacts } from '../../plan/node.js';
import type { ServicePortPlan } from '../../plan/service-port.js';
import {
  type Container,
  type Contents,
  compareContainers,
  type Difference,
  type Item,
  sameContainer,
} from './contents.js';
import { onceEach } from './endpoints.js';
import type { VerifyCode } from './finding.js';

/** What one mode knows of itself. */
export interface Adapter {
  readonly node: NodeFacts;
  readonly state: ClusterState;
  readonly plans: readonly ServicePortPlan[];
  /** What is there whatever Services there are, also everything that several service ports share. */
  readonly fixed: Contents;
  /** What the node holds of kube-proxy's. */
  readonly observed: Contents;
  /** What one service port contributes, to shared containers or as containers of its own. */
  readonly lower: (plan: ServicePortPlan) => Contents;
  /** The service port that a container of the node belongs to, though it should not have it. */
  readonly planOf: (container: Container) => ServicePortPlan | undefined;
  /** The service port that an item of a shared container is about. */
  readonly attribute: (container: Container, item: Item) => ServicePortPlan | undefined;
  /** The plan that the node seems to have followed. */
  readonly infer: (plan: ServicePortPlan, scope: Contents) => ServicePortPlan;
  /** What belongs to no service port: a key that all of one kind share, and its name; undefined for none. */
  readonly staleGroup: (container: Container, item: Item | undefined) => StaleGroup | undefined;
  /** What kind of change a difference is, where the mode knows better; the message may be given, too. */
  readonly classify: (difference: Difference, plan: ServicePortPlan | undefined) => Classified | undefined;
  /** Real servers that take no new connections, by service port. */
  readonly draining?: ReadonlyMap<ServicePortPlan, readonly string[]>;
}

/** How many lowered plans an adapter keeps: each is needed a few times in a row, and all of them would be much. */
const MOST_LOWERED = 64;

/** The same function, which keeps what it made last. */
export function keepLowered(lower: Adapter['lower']): Adapter['lower'] {
  const lowered = new Map<ServicePortPlan, Contents>();
  return (plan) => {
    const known = lowered.get(plan);
    if (known !== undefined) return known;
    const contents = lower(plan);
    if (lowered.size >= MOST_LOWERED) lowered.clear();
    lowered.set(plan, contents);
    return contents;
  };
}

/** A kind of change and, where that is not enough, what happened. */
export interface Classified {
  readonly code: VerifyCode;
  readonly message?: string;
}

/** Leftovers of one thing. */
export interface StaleGroup {
  readonly key: string;
  /** `KUBE-SVC-… (of shop/old:http)`. */
  readonly label: string;
  /** Whether anything leads there. */
  readonly used: boolean;
}

/** Everything that differs, before it is put into words. */
export interface Comparison {
  /** How many differences there are; the fewer, the better a configuration explains the node. */
  readonly count: number;
  readonly services: readonly ServicePortPlan[];
  readonly scopes: ReadonlyMap<ServicePortPlan, Contents>;
  readonly fixed: readonly Difference[];
  /** Items of shared containers that nobody claims. */
  readonly loose: readonly Difference[];
  readonly stale: readonly Container[];
  /** Shared containers that are empty or absent as a whole. */
  readonly voided: ReadonlySet<string>;
  /** How many service ports want each entry of a set. */
  readonly claims: ReadonlyMap<string, number>;
}

/** Compares all of a node. */
export function compareNode(adapter: Adapter): Comparison {
  const { plans, observed } = adapter;
  const { pools, lasts, voided, differences } = takeFixed(adapter);
  const { claims, wanted, differing, onlyVoid, taken } = takeServices(adapter, pools, voided);
  const fixed = [...differences];
  for (const [name, last] of lasts) fixed.push(...misplaced(observed.get(name), last, pools.get(name)));
  const flushed = flushedContainers(voided, onlyVoid, fixed);
  for (const [plan, names] of onlyVoid) if (names.some((name) => !flushed.has(name))) differing.add(plan);
  const { extras, loose } = leftItems(adapter, pools);
  const { surplus, stale } = leftContainers(adapter, wanted);

  const services = plans.filter((plan) => differing.has(plan) || extras.has(plan) || surplus.has(plan));
  const scopes = new Map<ServicePortPlan, Contents>();
  for (const plan of services) {
    scopes.set(plan, scopeOf(adapter, plan, [taken.get(plan), extras.get(plan)], surplus.get(plan) ?? []));
  }
  let count = fixed.length + loose.length + stale.length;
  for (const plan of services) count += differencesOf(adapter, plan, scopes.get(plan), flushed).length;
  return { count, services, scopes, fixed, loose, stale, voided: flushed, claims };
}

/** Items by the name of their container. */
type ItemsByName = Map<string, Item[]>;

/**
 * Compares what belongs to no service port, and takes it out of the containers that service ports share.
 * @returns the shared containers (`pools`), what of these chains should come last (`lasts`), and which of them are empty
 * or not there (`voided`)
 */
function takeFixed({ fixed, observed }: Adapter) {
  const pools = new Map<string, Pool>();
  const differences: Difference[] = [];
  const voided = new Set<string>();
  const lasts: ItemsByName = new Map();
  for (const container of fixed.values()) {
    const found = observed.get(container.name);
    if (container.ordered) {
      differences.push(...compareContainers(container, found));
      continue;
    }
    if (found !== undefined && found.settings !== container.settings) {
      differences.push(...compareContainers({ ...container, items: [] }, { ...found, items: [] }));
    }
    const pool = createPool(found);
    pools.set(container.name, pool);
    if (found === undefined || found.items.length === 0) voided.add(container.name);
    for (const item of container.items) {
      const match = pool.take(item);
      if (match === undefined) differences.push({ kind: 'missing', container, should: item, is: undefined });
      else if (container.kind === 'chain') addTo(lasts, container.name, match);
    }
  }
  return { pools, lasts, voided, differences };
}

/**
 * Takes what service ports ask for.
 * @returns how many ask for each entry (`claims`), the containers of their own (`wanted`), which of them lack something
 * (`differing`), or nothing but what empty containers should hold (`onlyVoid`, with their names), and what was found
 */
function takeServices(adapter: Adapter, pools: ReadonlyMap<string, Pool>, voided: ReadonlySet<string>) {
  const claims = new Map<string, number>();
  const wanted = new Set<string>();
  const differing = new Set<ServicePortPlan>();
  const onlyVoid = new Map<ServicePortPlan, readonly string[]>();
  const taken = new Map<ServicePortPlan, ItemsByName>();
  for (const plan of adapter.plans) {
    let differs = false;
    const voids: string[] = [];
    const own: ItemsByName = new Map();
    for (const container of adapter.lower(plan).values()) {
      const pool = pools.get(container.name);
      if (pool === undefined) {
        wanted.add(container.name);
        const found = adapter.observed.get(container.name);
        if (found === undefined || !sameContainer(container, found)) differs = true;
        continue;
      }
      for (const item of container.items) {
        const claim = `${container.name} ${item.text}`;
        if (container.kind !== 'chain') claims.set(claim, (claims.get(claim) ?? 0) + 1);
        const match = pool.take(item);
        if (match !== undefined) addTo(own, container.name, match);
        else if (voided.has(container.name)) voids.push(container.name);
        else differs = true;
      }
    }
    if (differs) differing.add(plan);
    else if (voids.length > 0) onlyVoid.set(plan, voids);
    taken.set(plan, own);
  }
  return { claims, wanted, differing, onlyVoid, taken };
}

/** What nobody has taken out of shared containers: of the service port that it is about, or of none (`loose`). */
function leftItems({ observed, attribute }: Adapter, pools: ReadonlyMap<string, Pool>) {
  const extras = new Map<ServicePortPlan, ItemsByName>();
  const loose: Difference[] = [];
  for (const [name, pool] of pools) {
    const container = observed.get(name);
    if (container === undefined) continue;
    for (const is of pool.left()) {
      const plan = attribute(container, is);
      if (plan === undefined) loose.push({ kind: 'extra', container, should: undefined, is });
      else {
        const own = extras.get(plan) ?? new Map<string, Item[]>();
        extras.set(plan, own);
        addTo(own, name, is);
      }
    }
  }
  return { extras, loose };
}

/** Containers that nobody asks for: of the service port that they are of, or of none (`stale`). */
function leftContainers({ fixed, observed, planOf }: Adapter, wanted: ReadonlySet<string>) {
  const surplus = new Map<ServicePortPlan, Container[]>();
  const stale: Container[] = [];
  for (const container of observed.values()) {
    if (fixed.has(container.name) || wanted.has(container.name)) continue;
    const plan = planOf(container);
    if (plan === undefined) stale.push(container);
    else surplus.set(plan, [...(surplus.get(plan) ?? []), container]);
  }
  return { surplus, stale };
}

/** The items of a shared container that nobody has claimed yet. Entries of sets may be claimed by many. */
interface Pool {
  /** The item of the node that is the one asked for. */
  readonly take: (item: Item) => Item | undefined;
  readonly left: () => readonly Item[];
}

function createPool(container: Container | undefined): Pool {
  const items = new Map<string, Item[]>();
  const used = new Set<Item>();
  for (const item of container?.items ?? []) addTo(items, item.text, item);
  const isRules = container?.kind === 'chain';
  const next = new Map<string, number>();
  return {
    take: ({ text }) => {
      const same = items.get(text);
      const at = isRules ? (next.get(text) ?? 0) : 0;
      const item = same?.[at];
      if (item === undefined) return undefined;
      if (isRules) next.set(text, at + 1);
      used.add(item);
      return item;
    },
    left: () => container?.items.filter((item) => !used.has(item)) ?? [],
  };
}

/** A rule of a Service behind those that are nobody's: in a chain that Services share these come last. */
function misplaced(chain: Container | undefined, last: readonly Item[], pool: Pool | undefined): readonly Difference[] {
  if (chain === undefined || pool === undefined) return [];
  const foreign = new Set(pool.left());
  const is = chain.items.findLast((item) => !foreign.has(item));
  if (is === undefined || last.includes(is)) return [];
  return [{ kind: 'order', container: chain, should: last[0], is }];
}

/** Shared containers that somebody emptied: service ports that lack nothing else, or rules of nobody, are missing there. */
function flushedContainers(
  voided: ReadonlySet<string>,
  onlyVoid: ReadonlyMap<ServicePortPlan, readonly string[]>,
  fixed: readonly Difference[],
): ReadonlySet<string> {
  const counts = new Map<string, number>();
  for (const names of onlyVoid.values())
    for (const name of new Set(names)) counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const { kind, container } of fixed) if (kind === 'missing') counts.set(container.name, 2);
  return new Set([...voided].filter((name) => (counts.get(name) ?? 0) > 1));
}

/** What the node holds for one service port. */
function scopeOf(
  adapter: Adapter,
  plan: ServicePortPlan,
  shared: readonly (ReadonlyMap<string, readonly Item[]> | undefined)[],
  surplus: readonly Container[],
): Contents {
  const scope = new Map<string, Container>();
  for (const each of shared) {
    for (const [name, items] of each ?? []) {
      const container = adapter.observed.get(name);
      if (container === undefined) continue;
      scope.set(name, { ...container, items: [...(scope.get(name)?.items ?? []), ...items] });
    }
  }
  for (const { name } of adapter.lower(plan).values()) {
    const own = adapter.fixed.has(name) ? undefined : adapter.observed.get(name);
    if (own !== undefined) scope.set(name, own);
  }
  for (const container of surplus) scope.set(container.name, container);
  return scope;
}

/** What differs between a service port lowered by some plan and what the node holds for it. */
export function differencesOf(
  adapter: Adapter,
  plan: ServicePortPlan,
  scope: Contents | undefined,
  flushed: ReadonlySet<string>,
): readonly Difference[] {
  const wanted = adapter.lower(plan);
  const differences: Difference[] = [];
  for (const container of wanted.values()) {
    if (flushed.has(container.name)) continue;
    const found = scope?.get(container.name);
    if (!adapter.fixed.has(container.name)) differences.push(...compareContainers(container, found));
    // A shared container holds more than what is this service port's, so it is never empty or absent here.
    else differences.push(...compareShared(container, found ?? { ...container, items: [] }));
  }
  for (const container of scope?.values() ?? []) {
    if (wanted.has(container.name)) continue;
    if (!adapter.fixed.has(container.name)) differences.push(...compareContainers(undefined, container));
    else differences.push(...compareShared({ ...container, items: [] }, container));
  }
  return differences;
}

function compareShared(should: Container, is: Container): readonly Difference[] {
  const unique = is.kind === 'chain' ? should : { ...should, items: onceEach(should.items) };
  if (is.items.length > 0) return compareContainers({ ...unique, settings: '' }, { ...is, settings: '' });
  return unique.items.map((item) => ({ kind: 'missing', container: should, should: item, is: undefined }));
}

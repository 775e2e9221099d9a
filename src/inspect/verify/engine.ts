/**
 * Comparing a node with what it should be, service port by service port. What differs for one service port is
 * explained first by the endpoints that the node seems to know: the plan with those endpoints is lowered again, and
 * only what is different even so is told rule by rule.
 */
import type { ClusterState } from '../../kube/state.js';
import { lowerProtocol } from '../../net/protocol.js';
import type { Endpoint } from '../../plan/endpoints.js';
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
import { endpointsMinus, whyExtra, whyMissing } from './endpoints.js';
import { MOST_DETAILS, VERIFY_CODES, type VerifyCode, type VerifyDetail, type VerifyFinding } from './finding.js';

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
export const MOST_LOWERED = 64;

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
  const { fixed, observed, plans } = adapter;
  const pools = new Map<string, Pool>();
  const fixedDifferences: Difference[] = [];
  const voided = new Set<string>();
  const lasts = new Map<string, Item[]>();
  for (const container of fixed.values()) {
    const found = observed.get(container.name);
    if (container.ordered) {
      fixedDifferences.push(...compareContainers(container, found));
      continue;
    }
    if (found !== undefined && found.settings !== container.settings) {
      fixedDifferences.push(...compareContainers({ ...container, items: [] }, { ...found, items: [] }));
    }
    const pool = createPool(found);
    pools.set(container.name, pool);
    if (found === undefined || found.items.length === 0) voided.add(container.name);
    for (const item of container.items) {
      const match = pool.take(item);
      if (match === undefined) fixedDifferences.push({ kind: 'missing', container, should: item, is: undefined });
      else if (container.kind === 'chain') push(lasts, container.name, match);
    }
  }
  const claims = new Map<string, number>();
  const wanted = new Set<string>();
  const differing = new Set<ServicePortPlan>();
  const onlyVoid = new Map<ServicePortPlan, readonly string[]>();
  const consumed = new Map<ServicePortPlan, Map<string, Item[]>>();
  for (const plan of plans) {
    let differs = false;
    const voids: string[] = [];
    const taken = new Map<string, Item[]>();
    for (const container of adapter.lower(plan).values()) {
      const pool = pools.get(container.name);
      if (pool === undefined) {
        wanted.add(container.name);
        const found = observed.get(container.name);
        if (found === undefined || !sameContainer(container, found)) differs = true;
        continue;
      }
      for (const item of container.items) {
        const claim = `${container.name} ${item.text}`;
        if (container.kind !== 'chain') claims.set(claim, (claims.get(claim) ?? 0) + 1);
        const match = pool.take(item);
        if (match !== undefined) push(taken, container.name, match);
        else if (voided.has(container.name)) voids.push(container.name);
        else differs = true;
      }
    }
    if (differs) differing.add(plan);
    else if (voids.length > 0) onlyVoid.set(plan, voids);
    consumed.set(plan, taken);
  }
  for (const [name, last] of lasts) fixedDifferences.push(...misplaced(observed.get(name), last, pools.get(name)));
  const flushed = flushedContainers(voided, onlyVoid, fixedDifferences);
  for (const [plan, names] of onlyVoid) if (names.some((name) => !flushed.has(name))) differing.add(plan);

  const extras = new Map<ServicePortPlan, Map<string, Item[]>>();
  const loose: Difference[] = [];
  for (const [name, pool] of pools) {
    const container = observed.get(name);
    if (container === undefined) continue;
    for (const is of pool.left()) {
      const plan = adapter.attribute(container, is);
      if (plan === undefined) loose.push({ kind: 'extra', container, should: undefined, is });
      else {
        differing.add(plan);
        const own = extras.get(plan) ?? new Map<string, Item[]>();
        extras.set(plan, own);
        push(own, name, is);
      }
    }
  }
  const surplus = new Map<ServicePortPlan, Container[]>();
  const stale: Container[] = [];
  for (const container of observed.values()) {
    if (fixed.has(container.name) || wanted.has(container.name)) continue;
    const plan = adapter.planOf(container);
    if (plan === undefined) stale.push(container);
    else {
      differing.add(plan);
      surplus.set(plan, [...(surplus.get(plan) ?? []), container]);
    }
  }
  const services = plans.filter((plan) => differing.has(plan));
  const scopes = new Map<ServicePortPlan, Contents>();
  for (const plan of services) {
    scopes.set(plan, scopeOf(adapter, plan, [consumed.get(plan), extras.get(plan)], surplus.get(plan) ?? []));
  }
  let count = fixedDifferences.length + loose.length + stale.length;
  for (const plan of services) count += differencesOf(adapter, plan, scopes.get(plan), flushed).length;
  return { count, services, scopes, fixed: fixedDifferences, loose, stale, voided: flushed, claims };
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
  for (const item of container?.items ?? []) push(items, item.text, item);
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

function push<K>(map: Map<K, Item[]>, key: K, item: Item): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [item]);
  else known.push(item);
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
function differencesOf(
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

function onceEach(items: readonly Item[]): readonly Item[] {
  return [...new Map(items.map((item) => [item.text, item])).values()];
}

/** Puts everything that differs into words. */
export function findingsOf(adapter: Adapter, comparison: Comparison): readonly VerifyFinding[] {
  const reported = new Set<string>();
  return [
    ...fixedFindings(adapter, comparison),
    ...comparison.services.flatMap((plan) => serviceFindings(adapter, comparison, plan, reported)),
    ...drainingFindings(adapter),
    ...staleFindings(adapter, comparison),
  ];
}

/** Differences of what belongs to no service port, and shared containers that were emptied. */
function fixedFindings(adapter: Adapter, { fixed, voided }: Comparison): readonly VerifyFinding[] {
  const emptied = [...voided].flatMap((name) => {
    const container = adapter.fixed.get(name);
    if (container === undefined) return [];
    const isThere = adapter.observed.has(name);
    const code = container.kind === 'chain' ? 'chain-empty' : isThere ? 'entry-missing' : 'set-missing';
    const message = `${nameOf(container)} is ${isThere ? 'empty' : 'missing'}, and so is what it should hold for Services.`;
    return [finding(adapter, undefined, code, message, [])];
  });
  const others = fixed.filter(({ container }) => !voided.has(container.name));
  return [...emptied, ...groupedFindings(adapter, undefined, others)];
}

function serviceFindings(
  adapter: Adapter,
  comparison: Comparison,
  plan: ServicePortPlan,
  reported: Set<string>,
): readonly VerifyFinding[] {
  const scope = comparison.scopes.get(plan) ?? new Map();
  const all = differencesOf(adapter, plan, scope, comparison.voided);
  if (hasNothing(adapter, comparison, plan, scope, all)) {
    return [finding(adapter, plan, 'no-rules', `no rules at all${whatItHas(plan)}.`, detailsOf(all))];
  }
  const inferred = adapter.infer(plan, scope);
  const residual = withoutIntact(adapter, plan, differencesOf(adapter, inferred, scope, comparison.voided));
  const explains = residual.length <= all.length;
  const found = explains
    ? [...endpointFindings(adapter, plan, inferred), ...affinityFindings(adapter, plan, inferred)]
    : [];
  const isMoved = explains && !sameEndpoints(plan, inferred);
  const wanted = adapter.lower(plan);
  const rest = (explains ? residual : all).filter((difference) => {
    // Where endpoints are wrong so are their shares, and both are put right together.
    if (isMoved && adapter.classify(difference, plan)?.code === 'uneven') return false;
    // What the inferred plan alone asks for, or alone does not know, comes of those endpoints, too.
    const { container, is, should } = difference;
    const isWanted = (text: string) => wanted.get(container.name)?.items.some((item) => item.text === text) === true;
    if (isMoved && difference.kind === 'extra' && is !== undefined && isWanted(is.text)) return false;
    if (isMoved && difference.kind === 'missing' && should !== undefined && !isWanted(should.text)) return false;
    // One entry of a set may be missed by all ports of a Service.
    if (difference.kind !== 'missing' || difference.container.kind === 'chain') return true;
    const key = `${difference.container.name} ${difference.should?.text}`;
    if (reported.has(key)) return false;
    reported.add(key);
    return true;
  });
  return [...found, ...groupedFindings(adapter, plan, rest)];
}

/** Whether nothing of a service port is there, but for entries that others want as well. */
function hasNothing(
  adapter: Adapter,
  { claims, voided }: Comparison,
  plan: ServicePortPlan,
  scope: Contents,
  differences: readonly Difference[],
): boolean {
  if (differences.some(({ kind }) => kind !== 'missing' && kind !== 'absent')) return false;
  let wanted = 0;
  for (const container of adapter.lower(plan).values()) {
    if (voided.has(container.name)) return false;
    if (!adapter.fixed.has(container.name)) {
      if (scope.has(container.name)) return false;
      wanted++;
      continue;
    }
    const found = new Set(scope.get(container.name)?.items.map(({ text }) => text));
    for (const { text } of container.items) {
      if ((claims.get(`${container.name} ${text}`) ?? 0) > 1) continue;
      if (found.has(text)) return false;
      wanted++;
    }
  }
  return wanted > 0;
}

function whatItHas(plan: ServicePortPlan): string {
  const count = plan.reachableEndpoints.length;
  if (count === 0) return '; it has no usable endpoint here, and should be refused';
  return `; it has ${count} usable endpoint${count === 1 ? '' : 's'}`;
}

/** Without chains that are too many by the inferred plan, but as they should be by the real one. */
function withoutIntact(
  adapter: Adapter,
  plan: ServicePortPlan,
  differences: readonly Difference[],
): readonly Difference[] {
  const wanted = adapter.lower(plan);
  return differences.filter(({ kind, container }) => {
    const should = kind === 'surplus' ? wanted.get(container.name) : undefined;
    return should === undefined || !sameContainer(should, container);
  });
}

function sameEndpoints(a: ServicePortPlan, b: ServicePortPlan): boolean {
  const same = (x: readonly Endpoint[], y: readonly Endpoint[]) =>
    x.length === y.length && endpointsMinus(x, y).length === 0;
  return same(a.clusterEndpoints, b.clusterEndpoints) && same(a.localEndpoints, b.localEndpoints);
}

function endpointFindings(
  adapter: Adapter,
  plan: ServicePortPlan,
  inferred: ServicePortPlan,
): readonly VerifyFinding[] {
  const findings: VerifyFinding[] = [];
  const both = (a: ServicePortPlan, b: ServicePortPlan): readonly Endpoint[] => [
    ...new Map(
      [
        ...endpointsMinus(a.clusterEndpoints, b.clusterEndpoints),
        ...endpointsMinus(a.localEndpoints, b.localEndpoints),
      ].map((each) => [each.text, each]),
    ).values(),
  ];
  const { node, state } = adapter;
  for (const [why, texts] of byReason(both(inferred, plan), (each) => whyExtra(each, plan, node, state))) {
    const message = `${endpointsText(texts)} in the rules, but ${plural(why, texts.length)}.`;
    findings.push(finding(adapter, plan, 'endpoint-extra', message, []));
  }
  const missing = both(plan, inferred);
  for (const [why, texts] of byReason(missing, whyMissing)) {
    const refused = inferred.hasEndpoints ? '' : ', so that its traffic is refused';
    const message = `${endpointsText(texts)} not in the rules${refused}, but ${plural(why, texts.length)}.`;
    findings.push(finding(adapter, plan, 'endpoint-missing', message, []));
  }
  return findings;
}

function byReason(
  endpoints: readonly Endpoint[],
  why: (endpoint: Endpoint) => string,
): ReadonlyMap<string, readonly string[]> {
  const result = new Map<string, string[]>();
  for (const endpoint of endpoints) {
    const reason = why(endpoint);
    result.set(reason, [...(result.get(reason) ?? []), endpoint.text]);
  }
  return result;
}

const MOST_NAMED = 3;

function listText(texts: readonly string[]): string {
  const more = texts.length - MOST_NAMED;
  const named = texts.slice(0, MOST_NAMED).join(', ');
  return more > 0 ? `${named} and ${more} more` : named;
}

function endpointsText(texts: readonly string[]): string {
  return texts.length === 1 ? `endpoint ${texts[0]} is` : `endpoints ${listText(texts)} are`;
}

/** A reason said of several. */
function plural(why: string, count: number): string {
  if (count === 1) return why;
  return why
    .replace(/^it is/, 'they are')
    .replace(/^its/, 'their')
    .replace(/^it still serves/, 'they still serve');
}

function affinityFindings(
  adapter: Adapter,
  plan: ServicePortPlan,
  inferred: ServicePortPlan,
): readonly VerifyFinding[] {
  const [should, is] = [plan.affinitySeconds, inferred.affinitySeconds];
  if (should === is) return [];
  const text = (seconds: number | undefined) =>
    seconds === undefined ? 'no session affinity' : `${seconds} s of session affinity`;
  const message = `the rules have ${text(is)}, the Service asks for ${text(should)}.`;
  return [finding(adapter, plan, 'affinity', message, [])];
}

/** One finding for all differences of one kind in one place. */
function groupedFindings(
  adapter: Adapter,
  plan: ServicePortPlan | undefined,
  differences: readonly Difference[],
): readonly VerifyFinding[] {
  const groups = new Map<string, { code: VerifyCode; message: string | undefined; all: Difference[] }>();
  for (const difference of differences) {
    const own = adapter.classify(difference, plan);
    const code = own?.code ?? codeOf(difference);
    // Whole chains, servers and entries are told together; rules by their chain.
    const place = difference.is === undefined && difference.should === undefined ? '' : difference.container.name;
    const where = difference.container.kind === 'chain' ? place : difference.container.kind;
    const key = own?.message ?? `${code} ${where}`;
    const group = groups.get(key) ?? { code, message: own?.message, all: [] };
    groups.set(key, group);
    group.all.push(difference);
  }
  return Array.from(groups.values(), ({ code, message, all }) =>
    finding(adapter, plan, code, message ?? messageOf(code, all), detailsOf(all)),
  );
}

function codeOf({ kind, container, should }: Difference): VerifyCode {
  const isChain = container.kind === 'chain';
  switch (kind) {
    case 'absent':
      return isChain ? 'chain-empty' : container.kind === 'virtual server' ? 'server-missing' : 'set-missing';
    case 'empty':
      return 'chain-empty';
    case 'surplus':
      return 'stale';
    case 'settings':
      return isChain ? 'rule-changed' : container.kind === 'virtual server' ? 'server-changed' : 'set-changed';
    case 'missing':
      if (!isChain) return 'entry-missing';
      return masquerades(should?.text ?? '') ? 'masquerade-missing' : 'rule-missing';
    case 'extra':
      return isChain ? 'rule-extra' : 'entry-extra';
    case 'changed':
      return isChain ? 'rule-changed' : 'entry-missing';
    case 'order':
      return 'rule-order';
  }
}

/** Whether a rule marks packets for masquerading, or masquerades. */
function masquerades(text: string): boolean {
  return /-j (KUBE-MARK-MASQ|MASQUERADE)|mark set |masquerade /.test(`${text} `);
}

function messageOf(code: VerifyCode, differences: readonly Difference[]): string {
  const [first] = differences;
  if (first === undefined) return '';
  const { container, is, should } = first;
  const more = differences.length > 1 ? ` (and ${differences.length - 1} more)` : '';
  const names = listText(differences.map((each) => nameOf(each.container)));
  const be = differences.length === 1 ? 'is' : 'are';
  const name = nameOf(container);
  switch (first.kind) {
    case 'absent':
      return `${names} ${be} missing.`;
    case 'empty':
      return `${names} ${be} empty.`;
    case 'surplus':
      return `${names} ${be} left over: nothing of the kind belongs to it any more.`;
    case 'missing': {
      const what = container.kind === 'chain' ? `a rule is missing in ${name}` : `${name} lacks an entry`;
      const effect = code === 'masquerade-missing' ? ', so that traffic is not masqueraded' : '';
      return `${what}${effect}: ${shown(should)}${more}`;
    }
    case 'extra':
      return container.kind === 'chain'
        ? `${name} has a rule that kube-proxy does not write: ${shown(is)}${more}`
        : `${name} has an entry too many: ${shown(is)}${more}`;
    case 'order':
      return `the rules of ${name} stand in another order: ${shown(is)} where ${shown(should)} should be.`;
    default:
      return `${name} was changed: it is ${shown(is)} and should be ${shown(should)}${more}`;
  }
}

function shown(item: Item | undefined): string {
  return item === undefined ? 'nothing' : `\`${item.shown ?? item.text}\``;
}

/** `chain nat KUBE-SERVICES`, `virtual server -t 10.96.0.1:443`. */
function nameOf({ kind, name }: Container): string {
  return name.startsWith(`${kind} `) ? name : `${kind} ${name}`;
}

function detailsOf(differences: readonly Difference[]): readonly VerifyDetail[] {
  return differences.slice(0, MOST_DETAILS).map(({ kind, container, is, should }) => {
    const place = is?.place ?? (kind === 'absent' ? undefined : container.place);
    return { where: container.name, is: is?.shown ?? is?.text, should: should?.shown ?? should?.text, place };
  });
}

function drainingFindings(adapter: Adapter): readonly VerifyFinding[] {
  return Array.from(adapter.draining ?? [], ([plan, servers]) => {
    const message = `${endpointsText(servers)} kept with weight 0 until ${servers.length === 1 ? 'its' : 'their'} connections end.`;
    return finding(adapter, plan, 'draining', message, []);
  });
}

/** What belongs to nothing: chains and entries of Services that are gone, one finding for each Service. */
function staleFindings(adapter: Adapter, { stale, loose }: Comparison): readonly VerifyFinding[] {
  const groups = new Map<string, { group: StaleGroup; all: Difference[] }>();
  const alone: Difference[] = [];
  const add = (difference: Difference): void => {
    const group = adapter.staleGroup(difference.container, difference.is);
    if (group === undefined) {
      alone.push(difference);
      return;
    }
    const known = groups.get(group.key) ?? { group, all: [] };
    groups.set(group.key, {
      group: { ...group, used: group.used || known.group.used, label: known.group.label },
      all: known.all,
    });
    known.all.push(difference);
  };
  for (const container of stale) add({ kind: 'surplus', container, should: undefined, is: undefined });
  for (const difference of loose) add(difference);
  const found = Array.from(groups.values(), ({ group, all }) => {
    const containers = all.filter(({ kind }) => kind === 'surplus').length;
    const more = containers > 1 ? ` and ${containers - 1} more` : '';
    const message = `${group.label}${more} ${containers > 1 ? 'belong' : 'belongs'} to no service (stale).`;
    return finding(adapter, undefined, group.used ? 'stale' : 'stale-unused', message, detailsOf(all));
  });
  return [...found, ...groupedFindings(adapter, undefined, alone)];
}

const HINTS: Readonly<Partial<Record<VerifyCode, string>>> = {
  draining: 'Nothing to do: kube-proxy removes it when the last connection is over.',
  'endpoint-extra':
    'If the dump is newer than the objects by more than a few seconds, kube-proxy has not followed: see its log.',
  'endpoint-missing':
    'If the dump is newer than the objects by more than a few seconds, kube-proxy has not followed: see its log.',
  'no-rules': 'See the log of kube-proxy; if the Service is new, dump the rules again.',
  stale: 'kube-proxy removes what it knows; what stays after it was restarted was made by somebody else.',
  'stale-unused': 'Nothing leads there, so no traffic is concerned.',
};

const HINT =
  'Somebody else changed the rules, or kube-proxy did not finish: restart kube-proxy on the node, it writes them anew.';

function finding(
  adapter: Adapter,
  plan: ServicePortPlan | undefined,
  code: VerifyCode,
  message: string,
  details: readonly VerifyDetail[],
): VerifyFinding {
  return {
    code,
    severity: VERIFY_CODES[code].severity,
    servicePort: plan?.name,
    protocol: plan === undefined ? undefined : lowerProtocol(plan.protocol),
    family: adapter.node.family,
    message,
    hint: HINTS[code] ?? HINT,
    details,
  };
}

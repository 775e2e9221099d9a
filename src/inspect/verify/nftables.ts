/** What verify knows of nftables mode. */
import { nftablesBackend } from '../../backends/nftables/backend.js';
import { lowerServicePort } from '../../backends/nftables/fragment.js';
import { endpointNames, servicePortChains } from '../../backends/nftables/names.js';
import { normalTable } from '../../backends/nftables/normal-form.js';
import { normalStatementsOf } from '../../backends/nftables/normal-statements.js';
import { ownerOf } from '../../backends/nftables/owners.js';
import { printStatements } from '../../backends/nftables/print-rule.js';
import { splitComment } from '../../backends/nftables/properties.js';
import { readNftScript } from '../../backends/nftables/read-script.js';
import type { NftTable } from '../../backends/nftables/rule-set.js';
import { WORDS } from '../../backends/nftables/words.js';
import { type Fraction, fraction, isZero } from '../../backends/packet/fraction.js';
import type { ClusterState } from '../../kube/state.js';
import { joinHostPort } from '../../net/ip.js';
import { lowerProtocol } from '../../net/protocol.js';
import type { Endpoint } from '../../plan/endpoints.js';
import type { NodeFacts } from '../../plan/node.js';
import type { NodePlan } from '../../plan/plan.js';
import type { Outcome, ServicePortPlan } from '../../plan/service-port.js';
import type { Container, Contents, Difference, Item } from './contents.js';
import { endpointOf, endpointsMinus, onceEach, sameEndpoints, withEndpoints } from './endpoints.js';
import { type Adapter, type Classified, keepLowered, type StaleGroup } from './engine.js';
import { isEven, sharesText } from './shares.js';

/** A table as contents. Comments do not count; elements of sets with timeouts are clients and left out. */
export function tableContents(table: NftTable, file: string | undefined): Contents {
  const { chains, collections, others } = normalTable(table);
  const contents = new Map<string, Container>();
  const place = file === undefined ? undefined : { file, line: undefined };
  const add = (container: Omit<Container, 'place'>): void => {
    contents.set(container.name, { ...container, place });
  };
  for (const [name, { hook, rules }] of chains) {
    const items = rules.map((rule) => ({ text: rule.replace(COMMENT, ''), shown: rule, place }));
    add({ kind: 'chain', name: `chain ${name}`, ordered: true, settings: hook, items });
  }
  for (const [name, { kind, properties, elements }] of collections) {
    const items = Array.from(elements, ([key, beside]) => elementItem(key, beside, place));
    add({ kind, name: `${kind} ${name}`, ordered: false, settings: properties, items });
  }
  for (const name of others) add({ kind: 'set', name, ordered: false, settings: '', items: [] });
  return contents;
}

const COMMENT = / comment "[^"]*"$/;

function elementItem(key: string, beside: string, place: Item['place']): Item {
  const data = beside.replace(/comment "[^"]*" ?/, '').trim();
  return { text: data === '' ? key : `${key} ${data}`, shown: beside === '' ? key : `${key} ${beside}`, place };
}

/** Takes away what kube-proxy leaves for its next sync, and what only ServiceCIDRs would tell. */
export function expected(contents: Contents, plan: NodePlan): Contents {
  const named = new Set<string>();
  for (const { items } of contents.values()) {
    for (const { text } of items)
      for (const [, name] of text.matchAll(/(?:goto |jump |@)([^\s,}]+)/g)) named.add(name ?? '');
  }
  const result = new Map<string, Container>();
  for (const [name, container] of contents) {
    const own = name.slice(name.indexOf(' ') + 1);
    // A chain that is not used any more is emptied first and deleted with the next change.
    if (container.items.length === 0 && ownerOf(own) !== undefined && !named.has(own)) continue;
    const items =
      own === 'cluster-ips-check' && plan.serviceCIDRs.length === 0
        ? container.items.filter(({ shown }) => !shown?.endsWith('comment "Drop traffic to unallocated ClusterIPs"'))
        : container.items;
    result.set(name, { ...container, items });
  }
  return result;
}

/** The adapter for one family of a node in nftables mode. */
export function nftablesAdapter(plan: NodePlan, state: ClusterState, observed: Contents): Adapter {
  const { node, servicePorts } = plan;
  const contested = contestedElements(plan);
  const lower = keepLowered((each) => lowerContents(each, node, contested));
  const { texts } = nftablesBackend.create()({ ...plan, servicePorts: [] });
  const text = texts.flatMap(({ pieces }) => pieces).join('');
  const [table] = readNftScript({ name: 'nft', text }).ruleSet?.tables ?? [];
  if (table === undefined) throw new Error('the script has no table');
  const owners = createOwners(servicePorts, observed);
  return {
    node,
    state,
    plans: servicePorts,
    fixed: tableContents(table, undefined),
    observed,
    lower,
    ...owners,
    infer,
    classify,
  };
}

/** Elements that several service ports claim with different verdicts: which of them has it. */
function contestedElements({ node, servicePorts }: NodePlan): ReadonlyMap<string, string> {
  const first = new Map<string, { readonly verdict: string; readonly owner: string }>();
  const contested = new Map<string, string>();
  for (const plan of servicePorts) {
    for (const { key, verdict } of lowerServicePort(plan, node).elements) {
      const former = first.get(key);
      if (former === undefined) first.set(key, { verdict, owner: idOf(plan) });
      else if (former.verdict !== verdict && former.owner !== idOf(plan)) contested.set(key, former.owner);
    }
  }
  return contested;
}

function idOf({ name, protocol }: ServicePortPlan): string {
  return `${name} ${protocol}`;
}

function lowerContents(plan: ServicePortPlan, node: NodeFacts, contested: ReadonlyMap<string, string>): Contents {
  const fragment = lowerServicePort(plan, node);
  const contents = new Map<string, Container>();
  const family = WORDS[node.family].ip;
  for (const { name, rules } of fragment.chains) {
    const lines = rules.split('\n').slice(0, -1);
    const start = `add rule ${WORDS[node.family].table} ${name} `.length;
    const items = lines.map((line) => {
      const rule = line.slice(start);
      const { words, comment } = splitComment(rule);
      const text = printStatements(normalStatementsOf({ family, source: words, comment, handle: undefined }));
      return { text, place: undefined };
    });
    contents.set(`chain ${name}`, { ...OWN, kind: 'chain', name: `chain ${name}`, ordered: true, items });
  }
  for (const { name } of fragment.affinitySets) {
    const settings = `type ${WORDS[node.family].addressType}; flag timeout; timeout ${plan.affinitySeconds}s`;
    contents.set(`set ${name}`, { ...OWN, kind: 'set', name: `set ${name}`, ordered: false, settings });
  }
  for (const { key: start, verdict } of fragment.elements) {
    const owner = contested.get(start);
    if (owner !== undefined && owner !== idOf(plan)) continue;
    const [collection = '', key = ''] = start.split(' { ');
    const kind = verdict === '' ? 'set' : 'map';
    const name = `${kind} ${collection}`;
    const item = { text: verdict === '' ? key : `${key} : ${verdict}`, place: undefined };
    const items = [...(contents.get(name)?.items ?? []), item];
    contents.set(name, { ...OWN, kind, name, ordered: false, items });
  }
  return contents;
}

const OWN = { settings: '', items: [], place: undefined } as const;

function createOwners(
  plans: readonly ServicePortPlan[],
  observed: Contents,
): Pick<Adapter, 'planOf' | 'attribute' | 'staleGroup'> {
  let made: ReturnType<typeof makeIndex> | undefined;
  const index = () => {
    made ??= makeIndex(plans, observed);
    return made;
  };
  const planOfName = (name: string): ServicePortPlan | undefined => {
    const text = ownerText(name);
    return text === undefined ? undefined : index().byName.get(text);
  };
  return {
    planOf: ({ name }) => planOfName(name.slice(name.indexOf(' ') + 1)),
    attribute: (_container, item) => {
      const [, target] = / : goto (\S+)$/.exec(item.text) ?? [];
      const [, said = ''] = /comment "([^"]*)"/.exec(item.shown ?? '') ?? [];
      const key = item.text.replace(/ : .*$/, '');
      const [, protocol = ''] = / \. (tcp|udp|sctp) \. |^(?:tcp|udp|sctp)/.exec(` . ${key}`) ?? [];
      const { byName, byAddress } = index();
      return (
        (target === undefined ? undefined : planOfName(target)) ??
        byName.get(`${said} ${protocol}`) ??
        byAddress.get(key)
      );
    },
    staleGroup: ({ name }, item): StaleGroup | undefined => {
      const own = item === undefined ? name.slice(name.indexOf(' ') + 1) : / : goto (\S+)$/.exec(item.text)?.[1];
      const [, said] = /comment "([^"]*)"/.exec(item?.shown ?? '') ?? [];
      const text = own === undefined ? undefined : ownerText(own);
      if (text !== undefined && own !== undefined) {
        const used = item !== undefined || index().named.has(own);
        return { key: `service ${text}`, label: `${own} (of ${text.replace(/ \S+$/, '')})`, used };
      }
      // Addresses and connections in sets are known by the chains of the same Service.
      const former = item === undefined ? undefined : index().formers.get(item.text);
      if (former !== undefined) return { key: `service ${former}`, label: `an element of ${former}`, used: true };
      if (said !== undefined && item !== undefined) {
        return { key: `service ${said}`, label: `an element of ${said}`, used: true };
      }
      return undefined;
    },
  };
}

/** `shop/web:http TCP`, of the name of a chain or set. */
function ownerText(name: string): string | undefined {
  const owner = ownerOf(name);
  if (owner === undefined) return undefined;
  const port = owner.portName === '' ? '' : `:${owner.portName}`;
  return `${owner.namespace}/${owner.service}${port} ${owner.protocol}`;
}

function makeIndex(plans: readonly ServicePortPlan[], observed: Contents) {
  const byName = new Map<string, ServicePortPlan>();
  const byAddress = new Map<string, ServicePortPlan>();
  for (const plan of plans) {
    const protocol = lowerProtocol(plan.protocol);
    byName.set(`${plan.name} ${plan.protocol}`, plan);
    byName.set(`${plan.name} ${protocol}`, plan);
    byAddress.set(plan.clusterIP, plan);
    for (const ip of [plan.clusterIP, ...plan.externalIPs, ...plan.loadBalancerIPs]) {
      byAddress.set(`${ip} . ${protocol} . ${plan.port}`, plan);
    }
    if (plan.nodePort !== undefined) byAddress.set(`${protocol} . ${plan.nodePort}`, plan);
    for (const { source, port } of plan.endpoints) {
      byAddress.set(`${source.address} . ${source.address} . ${protocol} . ${port}`, plan);
    }
  }
  const named = new Set<string>();
  for (const { items } of observed.values()) {
    for (const { text } of items) for (const [, name] of text.matchAll(/(?:goto |@)([^\s,}]+)/g)) named.add(name ?? '');
  }
  const formers = new Map<string, string>();
  for (const { name, items } of observed.values()) {
    const own = ownerOf(name.replace('chain ', ''));
    for (const { text } of items) {
      const [, address, target = ''] = /^(\S+) \. \S+ \. \d+ : goto (\S+)$/.exec(text) ?? [];
      const former = address === undefined ? undefined : ownerText(target);
      if (address !== undefined && former !== undefined) formers.set(address, former);
      if (own === undefined) continue;
      const protocol = lowerProtocol(own.protocol);
      for (const [, ip, port] of text.matchAll(/ : ([0-9a-f.:]+) \. (\d+)/g)) {
        formers.set(`${ip} . ${ip} . ${protocol} . ${port}`, ownerText(name.replace('chain ', '')) ?? '');
      }
    }
  }
  return { byName, byAddress, named, formers };
}

/** The plan by which the chains of a service port may have been written. */
function infer(plan: ServicePortPlan, scope: Contents): ServicePortPlan {
  const names = servicePortChains(plan);
  const endpointsIn = (name: string, wanted: readonly Endpoint[]): readonly Endpoint[] => {
    const container = scope.get(`chain ${name}`);
    if (container === undefined) return [];
    if (container.items.length === 0) return wanted;
    const found = choicesOf(container, plan).flatMap(({ endpoint }) => endpointOf(endpoint, plan) ?? []);
    return onceEach(found);
  };
  const cluster = endpointsIn(names.service, plan.clusterEndpoints);
  const local = endpointsIn(names.local, plan.localEndpoints);
  const affinity = { affinitySeconds: affinityOf(plan, scope, [names.service, names.local]) };
  if (sameEndpoints(cluster, plan.clusterEndpoints) && sameEndpoints(local, plan.localEndpoints)) {
    return withEndpoints(plan, cluster, local, affinity);
  }
  // A node that does not take an endpoint for its own does not know it for hairpin traffic either.
  const asKnown = (each: Endpoint): Endpoint =>
    each.local && !inHairpin(each, plan, scope) ? { ...each, local: false } : each;
  const lost = new Set(endpointsMinus(plan.localEndpoints, local).map(({ text }) => text));
  const known = cluster.map((each) => (lost.has(each.text) ? asKnown(each) : each));
  const outside = scope.get(`chain ${names.external}`);
  const isOpen = cluster.length > 0 || local.length > 0 || outside !== undefined;
  const protocol = lowerProtocol(plan.protocol);
  const key = `${plan.clusterIP} . ${protocol} . ${plan.port}`;
  const verdicts = (of: (key: string) => boolean) =>
    ['map service-ips', 'map no-endpoint-services', 'map service-nodeports', 'map no-endpoint-nodeports'].flatMap(
      (name) =>
        (scope.get(name)?.items ?? []).filter(({ text }) => of(text.replace(/ : .*$/, ''))).map(({ text }) => text),
    );
  const internal = outcomeOf(verdicts((each) => each === key)) ?? (isOpen ? plan.internal : 'reject');
  const refused = outcomeOf(verdicts((each) => each !== key).filter((text) => !text.includes(': goto external-')));
  const last = outside?.items.at(-1)?.text ?? '';
  const external: Outcome =
    refused ??
    (last.startsWith('goto local-') ? 'local' : last.startsWith('goto service-') ? 'cluster' : plan.external);
  const hasEndpoints = isOpen || internal === 'drop';
  return withEndpoints(plan, known, local, { ...affinity, hasEndpoints, internal, external });
}

function inHairpin({ source, port }: Endpoint, plan: ServicePortPlan, scope: Contents): boolean {
  const entry = `${source.address} . ${source.address} . ${lowerProtocol(plan.protocol)} . ${port}`;
  return scope.get('set hairpin-connections')?.items.some(({ text }) => text === entry) === true;
}

/** What a verdict of a map means. */
function outcomeOf(elements: readonly string[]): Outcome | undefined {
  for (const text of elements) {
    if (text.endsWith(': goto reject-chain')) return 'reject';
    if (text.endsWith(': drop')) return 'drop';
    if (text.includes(': goto local-')) return 'local';
    if (text.includes(': goto service-')) return 'cluster';
  }
  return undefined;
}

function affinityOf(plan: ServicePortPlan, scope: Contents, chains: readonly string[]): number | undefined {
  const items = chains.flatMap((name) => scope.get(`chain ${name}`)?.items ?? []);
  if (items.length === 0) return plan.affinitySeconds;
  if (!items.some(({ text }) => text.includes('@affinity-'))) return undefined;
  const seconds = new Set<number>();
  for (const { name, settings } of scope.values()) {
    const [, timeout] = name.startsWith('set affinity-') ? (/timeout (\d+)s/.exec(settings) ?? []) : [];
    if (timeout !== undefined) seconds.add(Number(timeout));
  }
  return seconds.size === 1 ? [...seconds][0] : plan.affinitySeconds;
}

/** The endpoints that a chain chooses from by chance, each as often as it is there, and out of how many. */
function choicesOf({ items }: Container, plan: ServicePortPlan): readonly { endpoint: string; mod: number }[] {
  const rule = items.map(({ text }) => text).find((text) => text.includes('numgen random mod '));
  if (rule === undefined) return [];
  const mod = Number(/numgen random mod (\d+)/.exec(rule)?.[1]);
  const direct = Array.from(rule.matchAll(/\d+ : ([0-9a-f.:]+) \. (\d+)/g), ([, address = '', port]) => ({
    endpoint: joinHostPort(address, plan.family, Number(port)),
    mod,
  }));
  const names = new Map(plan.endpoints.map((each) => [endpointNames(plan, each).chain, each.text]));
  const behind = Array.from(rule.matchAll(/\d+ : goto ([^\s,}]+)/g), ([, name = '']) => ({
    endpoint: names.get(name) ?? ownerOf(name)?.endpoint ?? name,
    mod,
  }));
  return [...direct, ...behind];
}

function classify(
  { kind, container, should, is }: Difference,
  plan: ServicePortPlan | undefined,
): Classified | undefined {
  if (plan === undefined) return undefined;
  if (kind === 'settings' && container.name.startsWith('set affinity-')) return { code: 'affinity' };
  if (kind === 'missing' && / ?@affinity-/.test(should?.text ?? '')) return { code: 'affinity' };
  if (kind !== 'changed') return undefined;
  const translation = / dnat to (\S+)$/;
  if (container.name.startsWith('chain endpoint-')) {
    const [from, to] = [translation.exec(should?.text ?? '')?.[1], translation.exec(is?.text ?? '')?.[1]];
    if (from !== to)
      return { code: 'endpoint-changed', message: `endpoint ${from} leads to ${to ?? 'nowhere'} instead.` };
  }
  if (!/^chain (service|local)-/.test(container.name) || !is?.text.includes('numgen random')) return undefined;
  const choices = choicesOf({ ...container, items: [is] }, plan);
  const shares = new Map<string, Fraction>();
  const mod = choices[0]?.mod ?? 1;
  const shareOf = (count: number): Fraction => fraction(BigInt(count), BigInt(mod));
  for (const name of new Set(choices.map(({ endpoint }) => endpoint))) {
    shares.set(name, shareOf(choices.filter(({ endpoint }) => endpoint === name).length));
  }
  const uneven = [...shares.values()].some((share) => !isEven(share, shares.size));
  const lost = shareOf(mod - choices.length);
  if (!uneven && isZero(lost)) return undefined;
  return { code: 'uneven', message: sharesText(shares, lost) };
}

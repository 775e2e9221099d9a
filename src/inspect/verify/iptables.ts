/** What verify knows of iptables mode. */

import { lowerServicePort } from '../../backends/iptables/fragment.js';
import { endpointChain, servicePortChains } from '../../backends/iptables/names.js';
import { createRulesCompiler, LARGE_CLUSTER_ENDPOINTS, LOCALNET_RULE } from '../../backends/iptables/rules.js';
import { type Fraction, fraction, minus, ONE, oneIn, plus, times, ZERO } from '../../backends/packet/fraction.js';
import type { Version } from '../../backends/version.js';
import { rulesForVersion } from '../../backends/xtables/old-iptables.js';
import type { RuleSpec } from '../../backends/xtables/rule.js';
import { PROBABILITY_ONE, shareOf } from '../../backends/xtables/values.js';
import type { ClusterState } from '../../kube/state.js';
import { joinHostPort } from '../../net/ip.js';
import { lowerProtocol } from '../../net/protocol.js';
import type { Endpoint } from '../../plan/endpoints.js';
import type { NodePlan } from '../../plan/plan.js';
import type { Outcome, ServicePortPlan } from '../../plan/service-port.js';
import type { Container, Contents, Difference, Item } from './contents.js';
import { endpointOf, onceEach, sameEndpoints, withEndpoints } from './endpoints.js';
import { type Adapter, type Classified, keepLowered, type StaleGroup } from './engine.js';
import { sharesText } from './shares.js';
import { chainContainer, commentOf, specOf, targetOf, writtenContents } from './xtables-contents.js';

/**
 * The adapter for one family of a node in iptables mode.
 * @param version of the iptables that printed what is observed, where it is known
 */
export function iptablesAdapter(
  plan: NodePlan,
  state: ClusterState,
  observed: Contents,
  version: Version | undefined,
): Adapter {
  const { node, servicePorts } = plan;
  const context = { node, endpointComments: plan.endpointCount <= LARGE_CLUSTER_ENDPOINTS };
  const lower = keepLowered((each) => {
    const { filterRules, natChains, natRules } = lowerServicePort(each, context);
    return writtenContents([
      { table: 'filter', text: filterRules },
      { table: 'nat', text: natChains + natRules },
    ]);
  });
  const text = rulesForVersion(createRulesCompiler()({ ...plan, servicePorts: [] }).join(''), version);
  const fixed = new Map(writtenContents([{ table: '', text }]));
  if (!fixed.has(FIREWALL)) fixed.set(FIREWALL, chainContainer(FIREWALL, kubeletRules(observed)));
  const owners = createOwners(servicePorts, observed);
  return {
    node,
    state,
    plans: servicePorts,
    fixed,
    observed,
    lower,
    planOf: owners.planOf,
    attribute: owners.attribute,
    infer: (each, scope) => infer(each, scope),
    staleGroup: owners.staleGroup,
    classify: (difference, each) => classify(difference, each, observed),
  };
}

const FIREWALL = 'filter KUBE-FIREWALL';

/** kube-proxy makes the chain in any case, and leaves it to kubelet, which has one rule in it, where there is nothing to block. */
function kubeletRules(observed: Contents): readonly Item[] {
  const [rule] = writtenContents([{ table: 'filter', text: LOCALNET_RULE }]).get(FIREWALL)?.items ?? [];
  return (
    observed
      .get(FIREWALL)
      ?.items.filter(({ text }) => text === rule?.text)
      .slice(0, 1) ?? []
  );
}

interface Owners {
  readonly planOf: (container: Container) => ServicePortPlan | undefined;
  readonly attribute: (container: Container, item: Item) => ServicePortPlan | undefined;
  readonly staleGroup: (container: Container, item: Item | undefined) => StaleGroup | undefined;
}

/** The way back from chains and rules to service ports; made when something is found that nobody asked for. */
function createOwners(plans: readonly ServicePortPlan[], observed: Contents): Owners {
  let made: ReturnType<typeof makeIndex> | undefined;
  const index = () => {
    made ??= makeIndex(plans, observed);
    return made;
  };
  const planOfChain = (chain: string): ServicePortPlan | undefined => {
    const { byChain, sources } = index();
    const known = byChain.get(chain);
    if (known !== undefined) return known;
    // The chain of an endpoint that no slice has is known by the chain that leads to it.
    return chain.startsWith('KUBE-SEP-')
      ? (sources.get(chain) ?? []).flatMap((from) => byChain.get(from) ?? [])[0]
      : undefined;
  };
  const groupOfChain = (chain: string, depth = 0): StaleGroup => {
    const { sources } = index();
    const from = sources.get(chain) ?? [];
    const used = from.length > 0;
    const name = serviceNameIn(observed.get(`nat ${chain}`)?.items ?? []);
    if (name !== undefined) return { key: `service ${name}`, label: `${chain} (its comments say ${name})`, used };
    const parent = from.find((each) => each.startsWith('KUBE-S') && each !== 'KUBE-SERVICES');
    if (parent !== undefined && depth < 3) return groupOfChain(parent, depth + 1);
    return { key: `chain ${chain}`, label: chain, used };
  };
  return {
    planOf: ({ name }) => planOfChain(name.slice(name.indexOf(' ') + 1)),
    attribute: (_container, item) => {
      const { byName, byAddress } = index();
      const target = targetOf(item);
      const owned = target === undefined ? undefined : planOfChain(target);
      const said = serviceNameIn([item]);
      const { protocol, address, port } = destinationOf(item);
      return (
        owned ??
        (said === undefined ? undefined : byName.get(`${said} ${protocol}`)) ??
        byAddress.get(`${protocol} ${address ?? 'node'} ${port}`)
      );
    },
    staleGroup: ({ name }, item) => {
      if (item === undefined) return groupOfChain(name.slice(name.indexOf(' ') + 1));
      const target = targetOf(item);
      if (target !== undefined && observed.has(`nat ${target}`) && /^KUBE-(SVC|SVL|EXT|FW)-/.test(target)) {
        return { ...groupOfChain(target), used: true };
      }
      const said = serviceNameIn([item]);
      return said === undefined ? undefined : { key: `service ${said}`, label: `a rule for ${said}`, used: true };
    },
  };
}

function makeIndex(plans: readonly ServicePortPlan[], observed: Contents) {
  const byChain = new Map<string, ServicePortPlan>();
  const byName = new Map<string, ServicePortPlan>();
  const byAddress = new Map<string, ServicePortPlan>();
  for (const plan of plans) {
    const protocol = lowerProtocol(plan.protocol);
    const { svc, svl, ext, fw } = servicePortChains(plan.name, protocol);
    for (const chain of [svc, svl, ext, fw]) byChain.set(chain, plan);
    for (const { text } of plan.endpoints) byChain.set(endpointChain(plan.name, protocol, text), plan);
    byName.set(`${plan.name} ${protocol}`, plan);
    for (const ip of [plan.clusterIP, ...plan.externalIPs, ...plan.loadBalancerIPs]) {
      byAddress.set(`${protocol} ${ip} ${plan.port}`, plan);
    }
    if (plan.nodePort !== undefined) byAddress.set(`${protocol} node ${plan.nodePort}`, plan);
  }
  const sources = new Map<string, string[]>();
  for (const { name, items } of observed.values()) {
    const from = name.slice(name.indexOf(' ') + 1);
    for (const item of items) {
      const target = targetOf(item);
      if (target !== undefined) sources.set(target, [...(sources.get(target) ?? []), from]);
    }
  }
  return { byChain, byName, byAddress, sources };
}

const NAME_IN_COMMENT =
  /^(?:(?:masquerade|pod|masquerade LOCAL|route LOCAL) traffic for |other traffic to )?([a-z0-9.-]+\/[a-z0-9.-]+(?::[a-z0-9-]+)?)(?= |$)/;

/** The service port that the comments of rules speak of. */
function serviceNameIn(items: readonly Item[]): string | undefined {
  for (const item of items) {
    const [, name] = NAME_IN_COMMENT.exec(commentOf(item) ?? '') ?? [];
    if (name !== undefined) return name;
  }
  return undefined;
}

function destinationOf(item: Item): { protocol: string; address: string | undefined; port: number | undefined } {
  let protocol = '';
  let address: string | undefined;
  let port: number | undefined;
  for (const match of specOf(item)?.matches ?? []) {
    if (match.kind === 'protocol') protocol = match.protocol;
    if (match.kind === 'destination') address = match.cidr.text.replace(/\/\d+$/, '');
    if (match.kind === 'ports') port = match.destination?.first;
  }
  return { protocol, address, port };
}

/** The plan by which the chains of a service port may have been written. */
function infer(plan: ServicePortPlan, scope: Contents): ServicePortPlan {
  const protocol = lowerProtocol(plan.protocol);
  const chains = servicePortChains(plan.name, protocol);
  const chain = (name: string): readonly Item[] | undefined => scope.get(`nat ${name}`)?.items;
  const known = new Map(plan.endpoints.map((each) => [endpointChain(plan.name, protocol, each.text), each]));
  const endpointBehind = (name: string): Endpoint | undefined => {
    const translated = chain(name)
      ?.map(translationOf)
      .find((each) => each !== undefined);
    if (known.has(name) || translated === undefined) return known.get(name);
    return endpointChain(plan.name, protocol, translated) === name ? endpointOf(translated, plan) : undefined;
  };
  const endpointsIn = (name: string, wanted: readonly Endpoint[]): readonly Endpoint[] => {
    const items = chain(name);
    if (items === undefined) return [];
    if (items.length === 0) return wanted;
    return items.flatMap((item) =>
      recentOf(specOf(item)) === undefined ? (endpointBehind(targetOf(item) ?? '') ?? []) : [],
    );
  };
  const cluster = onceEach(endpointsIn(chains.svc, plan.clusterEndpoints));
  const local = onceEach(endpointsIn(chains.svl, plan.localEndpoints));
  const affinity = affinityOf([...(chain(chains.svc) ?? []), ...(chain(chains.svl) ?? [])], plan, [
    ...cluster,
    ...local,
  ]);
  if (sameEndpoints(cluster, plan.clusterEndpoints) && sameEndpoints(local, plan.localEndpoints)) {
    return withEndpoints(plan, cluster, local, affinity);
  }
  const isOpen = cluster.length > 0 || local.length > 0 || chain(chains.ext) !== undefined;
  const internal = outcomeOf(scope, 'KUBE-SERVICES', chains) ?? (isOpen ? plan.internal : 'reject');
  const external =
    outcomeOfChain(
      chain(chains.ext)?.filter(({ text }) => text.startsWith('-j ')),
      chains,
    ) ??
    refusalIn(scope, 'KUBE-EXTERNAL-SERVICES') ??
    internal;
  const hasEndpoints = isOpen || internal === 'drop';
  return withEndpoints(plan, cluster, local, { ...affinity, hasEndpoints, internal, external });
}

function affinityOf(
  items: readonly Item[],
  plan: ServicePortPlan,
  endpoints: readonly Endpoint[],
): { readonly affinitySeconds: number | undefined } {
  const seconds = new Set(items.flatMap((item) => recentOf(specOf(item))?.seconds ?? []));
  if (items.length === 0 || endpoints.length === 0 || seconds.size > 1)
    return { affinitySeconds: plan.affinitySeconds };
  return { affinitySeconds: [...seconds][0] };
}

function recentOf(spec: RuleSpec | undefined) {
  for (const match of spec?.matches ?? []) if (match.kind === 'recent') return match;
  return undefined;
}

/** `10.244.1.7:8080`: where a rule translates to. */
function translationOf(item: Item): string | undefined {
  const spec = specOf(item);
  if (spec?.target?.kind !== 'dnat') return undefined;
  const { address, family, port } = spec.target.to;
  return address === undefined || family === undefined || port === undefined
    ? undefined
    : joinHostPort(address, family, port);
}

type Chains = ReturnType<typeof servicePortChains>;

/** Where traffic to the cluster IP goes. */
function outcomeOf(scope: Contents, shared: string, chains: Chains): Outcome | undefined {
  return outcomeOfChain(scope.get(`nat ${shared}`)?.items, chains) ?? refusalIn(scope, shared);
}

/** Where the last rule that leads to a choice of endpoints goes. */
function outcomeOfChain(items: readonly Item[] | undefined, { svc, svl }: Chains): Outcome | undefined {
  const targets = items?.map(targetOf).filter((target) => target === svc || target === svl) ?? [];
  const last = targets.at(-1);
  return last === undefined ? undefined : last === svl ? 'local' : 'cluster';
}

function refusalIn(scope: Contents, shared: string): Outcome | undefined {
  for (const item of scope.get(`filter ${shared}`)?.items ?? []) {
    const spec = specOf(item);
    if (spec?.target?.kind === 'reject') return 'reject';
    if (spec?.target?.kind === 'drop') return 'drop';
  }
  return undefined;
}

/** What kind of change it is, from what is in the rules. */
function classify(
  { kind, container, should, is }: Difference,
  plan: ServicePortPlan | undefined,
  observed: Contents,
): Classified | undefined {
  const chain = container.name.replace('nat ', '');
  if (kind === 'missing' && plan !== undefined && recentOf(specOf(should)) !== undefined) return { code: 'affinity' };
  if (kind !== 'changed' || plan === undefined || should === undefined || is === undefined) {
    const lost =
      kind === 'missing' && /^KUBE-SV[CL]-/.test(chain) && plan !== undefined
        ? endpointOfJump(should, plan)
        : undefined;
    if (lost !== undefined) {
      const message = `endpoint ${lost} is not in the rules, and nothing has its share of the connections.`;
      return { code: 'endpoint-missing', message };
    }
    const isShare = /^KUBE-SV[CL]-/.test(chain) && [should, is].some((item) => randomOf(item) !== undefined);
    if (!isShare || kind === 'empty' || plan === undefined) return undefined;
    return uneven(observed.get(container.name)?.items ?? [], plan);
  }
  if (chain.startsWith('KUBE-SEP-') && translationOf(should) !== undefined) {
    const [from, to] = [translationOf(should), translationOf(is)];
    if (from !== to)
      return { code: 'endpoint-changed', message: `endpoint ${from} leads to ${to ?? 'nowhere'} instead.` };
  }
  const [wanted, found] = [recentOf(specOf(should)), recentOf(specOf(is))];
  if (wanted?.seconds !== found?.seconds || (wanted === undefined) !== (found === undefined))
    return { code: 'affinity' };
  if (randomOf(should) === randomOf(is)) return undefined;
  return uneven(observed.get(container.name)?.items ?? [], plan);
}

/** The endpoint that the last rule of a choice leads to. */
function endpointOfJump(item: Item | undefined, { name, protocol, endpoints }: ServicePortPlan): string | undefined {
  const spec = specOf(item);
  if (item === undefined || randomOf(item) !== undefined || recentOf(spec) !== undefined) return undefined;
  const target = targetOf(item);
  return endpoints.find(({ text }) => endpointChain(name, lowerProtocol(protocol), text) === target)?.text;
}

function randomOf(item: Item | undefined): number | undefined {
  for (const match of specOf(item)?.matches ?? []) if (match.kind === 'random' && !match.not) return match.threshold;
  return undefined;
}

/** Who gets which share; undefined where the shares are even all the same. */
function uneven(items: readonly Item[], plan: ServicePortPlan): Classified | undefined {
  const protocol = lowerProtocol(plan.protocol);
  const names = new Map(plan.endpoints.map((each) => [endpointChain(plan.name, protocol, each.text), each.text]));
  const shares = new Map<string, Fraction>();
  let left = ONE;
  for (const item of items) {
    const target = targetOf(item);
    if (target === undefined || !target.startsWith('KUBE-SEP-') || recentOf(specOf(item)) !== undefined) continue;
    const threshold = randomOf(item);
    const chance = threshold === undefined ? ONE : chanceOf(threshold);
    const name = names.get(target) ?? target;
    shares.set(name, plus(shares.get(name) ?? ZERO, times(left, chance)));
    left = times(left, minus(ONE, chance));
  }
  return { code: 'uneven', message: sharesText(shares, left) };
}

/** A probability as the fraction that was meant. */
function chanceOf(threshold: number): Fraction {
  const k = shareOf(threshold);
  if (k !== undefined) return oneIn(k);
  // What is left to the others may be the round number: 0.75 is three quarters.
  for (let parts = 2; parts <= 100; parts++) {
    const count = Math.round((threshold / PROBABILITY_ONE) * parts);
    if (Math.abs((count / parts) * PROBABILITY_ONE - threshold) < 1) return fraction(BigInt(count), BigInt(parts));
  }
  return fraction(BigInt(threshold), BigInt(PROBABILITY_ONE));
}

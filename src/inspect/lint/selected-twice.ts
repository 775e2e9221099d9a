/** Two Services for the same pods: one of them may be a copy whose selector nobody changed. */
import { type Service, serviceKey } from '../../kube/service.js';
import { labelsOf } from '../../kube/simulate/values.js';
import { addTo } from '../../net/group.js';
import type { Check } from './check.js';
import {
  hasOutside,
  type LintCluster,
  type PortFacts,
  portsOf,
  printLabels,
  selectorOf,
  serviceSubject,
  someOf,
} from './cluster.js';
import { containerPortsOf } from './workloads.js';

/** The check about pairs of Services. */
export const SELECTED_TWICE = {
  code: 'selected-twice',
  severity: 'note',
  title: 'two Services that send the same traffic to the same pods',
  reason:
    'Two Services of a namespace select the same pods and lead to the same port of them: often a copied manifest whose ' +
    'selector was not changed, so that one of them reaches the wrong pods. What is usual is not listed: a headless ' +
    'Service beside one with a cluster IP, one for clients inside beside one for those outside (node port, load balancer, ' +
    'external IP), load balancers of different class or annotations, and headless Services of which one publishes pods ' +
    'that are not ready.',
  wayOut: 'Correct the selector of one of them, or remove it.',
  *find(cluster) {
    for (const { services, targets } of pairsOf(cluster)) {
      const [first, second] = services;
      const ports = `target port${targets.size === 1 ? '' : 's'} ${someOf([...targets])}`;
      const differences = differencesOf(second, first);
      const purpose = differences.length === 0 ? '' : `; what differs: ${differences.join('; ')}`;
      yield {
        at: serviceSubject(second),
        path: ['spec', 'selector'],
        message: `it selects the same pods as Service ${serviceKey(first)}, both on ${ports}${purpose}.`,
        others: [serviceSubject(first, ['spec', 'selector'])],
        ...(differences.length === 0
          ? {}
          : { wayOut: 'If both are meant, silence this; else correct the selector of one of them, or remove it.' }),
      };
    }
  },
} as const satisfies Check;

/** Two Services, and their common target ports. */
interface Pair {
  readonly services: readonly [Service, Service];
  readonly targets: Set<string>;
}

/** Each port of a Service with the first earlier one that leads to the same. */
function pairsOf(cluster: LintCluster): Iterable<Pair> {
  // Headless Services have no rules, but may be copies all the same.
  const headless = cluster.entries.filter(({ service }) => service.headless && !service.otherProxy).flatMap(portsOf);
  const seen = new Map<string, PortFacts[]>();
  const pairs = new Map<string, Pair>();
  for (const facts of [...cluster.ports, ...headless]) {
    const keys = destinationsOf(cluster, facts);
    const first = earlierOf(seen, keys, facts.service);
    if (first !== undefined) {
      const key = `${serviceKey(first)} ${serviceKey(facts.service)}`;
      const pair = pairs.get(key) ?? { services: [first, facts.service], targets: new Set<string>() };
      pairs.set(key, pair);
      pair.targets.add(targetOf(facts));
    }
    for (const key of keys) addTo(seen, key, facts);
  }
  return pairs.values();
}

/** The first Service under one of the keys that is not there beside this one on purpose. */
function earlierOf(
  seen: ReadonlyMap<string, readonly PortFacts[]>,
  keys: readonly string[],
  service: Service,
): Service | undefined {
  for (const key of keys) {
    const found = seen.get(key)?.find((each) => each.service !== service && !areTwoBalancers(each.service, service));
    if (found !== undefined) return found.service;
  }
  return undefined;
}

/**
 * What a port leads to, in every way in which that can be told; ports with a text in common lead to the same pods on the
 * same port: by their endpoints, by the Pods and pod templates where there are no endpoints yet, by the selectors.
 */
function destinationsOf(cluster: LintCluster, facts: PortFacts): readonly string[] {
  const { service, port, family, endpoints } = facts;
  const selector = selectorOf(service);
  if (selector === undefined) return [];
  const common = [service.namespace, family, port.protocol, audienceOf(service)].join('|');
  const target = targetOf(facts);
  const keys = [`${common}|selector ${printLabels(selector)} ${target}`];
  if (endpoints.length > 0) {
    keys.unshift(`${common}|endpoints ${endpoints.map(({ text }) => text).join()}`);
  } else {
    const sources = cluster.select(service.namespace, selector);
    const numbers = sources.map(({ spec }) => {
      const named = containerPortsOf(spec).find(({ name, protocol }) => name === target && protocol === port.protocol);
      return named?.number ?? target;
    });
    const pods = sources.map(({ subject }, i) => `${subject.object} ${numbers[i]}`);
    if (pods.length > 0) keys.unshift(`${common}|pods ${pods.join()}`);
  }
  return keys;
}

/** The target port as it is written; the port itself where nothing is. */
function targetOf({ service, port, index }: PortFacts): string {
  return String(service.object.spec?.ports?.[index]?.targetPort || port.port);
}

/** Whom a Service is for; what is for others may well lead to the same pods. */
function audienceOf(service: Service): string {
  // Peers look each other up before they are ready, clients after.
  if (service.headless) return service.publishNotReadyAddresses ? 'peers' : 'clients by name';
  return hasOutside(service) ? 'outside' : 'inside';
}

/** Annotations of programs that write manifests: they differ between any two Services. */
const TOOL_ANNOTATION = /^(?:kubectl\.kubernetes\.io|meta\.helm\.sh|argocd\.argoproj\.io|kuberules\.dev)\//;

/** Whether these are two load balancers of different making: one for the intranet, one for the internet. */
function areTwoBalancers(a: Service, b: Service): boolean {
  if (a.type !== 'LoadBalancer' || b.type !== 'LoadBalancer') return false;
  const [one, other] = [a, b].map(({ object: { spec, metadata } }) => {
    const annotations = Object.entries(labelsOf(metadata?.annotations)).filter(([key]) => !TOOL_ANNOTATION.test(key));
    return `${spec?.loadBalancerClass ?? ''} ${printLabels(Object.fromEntries(annotations))}`;
  });
  return one !== other;
}

/** What two Services for the same pods do differently, which may be why there are two. */
function differencesOf(here: Service, there: Service): readonly string[] {
  const other = traitsOf(there);
  return Object.entries(traitsOf(here))
    .filter(([name, value]) => other[name] !== value)
    .map(([name, value]) => `${name} ${value} here, ${other[name]} there`);
}

function traitsOf(service: Service): Readonly<Record<string, string>> {
  const { type, affinitySeconds, internalTrafficPolicy, externalTrafficPolicy, publishNotReadyAddresses } = service;
  const { trafficDistribution, loadBalancerSourceRanges = [] } = service.object.spec ?? {};
  return {
    type,
    internalTrafficPolicy,
    externalTrafficPolicy,
    sessionAffinity: affinitySeconds === undefined ? 'None' : `ClientIP for ${affinitySeconds} s`,
    trafficDistribution: trafficDistribution || 'not set',
    loadBalancerSourceRanges: someOf(loadBalancerSourceRanges) || 'not set',
    publishNotReadyAddresses: String(publishNotReadyAddresses),
  };
}

/** Selectors and target ports against Pods and pod templates. */
import { show } from '../../kube/fields.js';
import { MANAGED_BY_LABEL } from '../../kube/labels.js';
import { type Labels, labelsOf } from '../../kube/simulate/values.js';
import type { ServiceEntry } from '../../kube/state.js';
import type { Check } from './check.js';
import { type LintCluster, printLabels, selectorOf, serviceSubject, sliceSubject, someOf } from './cluster.js';
import { SELECTED_TWICE } from './selected-twice.js';
import { containerPortsOf, type PodSource } from './workloads.js';

/** Checks about what a Service selects. */
export const SELECTOR_CHECKS = [
  {
    code: 'selector-matches-nothing',
    severity: 'warning',
    title: 'a selector that matches no Pod and no pod template',
    reason: 'Without a match the Service has no endpoints, and connections to it are refused.',
    wayOut: 'Make the selector and the labels of the pods (metadata.labels of the template) equal.',
    *find(cluster) {
      for (const entry of cluster.entries) {
        const { service } = entry;
        const selector = selectorOf(service);
        // Endpoints mean that there is a Pod, given or not.
        if (selector === undefined || hasAnyEndpoint(entry)) continue;
        if (!cluster.has('workloads')) return;
        if (cluster.select(service.namespace, selector).length > 0) continue;
        const nearest = nearestSource(cluster, service.namespace, selector);
        const why = nearest === undefined ? '' : `; ${nearest.why}`;
        yield {
          at: serviceSubject(service),
          path: ['spec', 'selector'],
          message: `selector ${printLabels(selector)} matches no Pod or pod template of namespace ${service.namespace}${why}.`,
          others: nearest === undefined ? [] : [nearest.source.subject],
        };
      }
    },
  },
  {
    code: 'target-port-unknown',
    severity: 'warning',
    title: 'a named target port that no container of the selected pods has',
    reason:
      'A named target port stands for the container port of that name and protocol; a pod without it is no endpoint.',
    wayOut: 'Name the container port so, or write its number as targetPort.',
    *find(cluster) {
      for (const entry of cluster.entries) {
        for (const { index, target, protocol, sources } of unknownTargets(cluster, entry)) {
          const all = sources.flatMap(({ spec }) => containerPortsOf(spec)).filter(({ name }) => name !== '');
          const offered = [...new Set(all.map((port) => `${port.name} (${port.number}/${port.protocol})`))];
          const who = sources.length === 1 ? sources[0]?.subject.object : `any of ${sources.length} selected workloads`;
          const has = offered.length === 0 ? 'no port has a name there' : `named there: ${someOf(offered)}`;
          yield {
            at: serviceSubject(entry.service),
            path: ['spec', 'ports', index, 'targetPort'],
            message: `target port ${show(target)} is no ${protocol} container port of ${who}; ${has}.`,
            others: sources.map(({ subject }) => subject),
          };
        }
      }
    },
  },
  SELECTED_TWICE,
  {
    code: 'slice-by-hand',
    severity: 'warning',
    title: 'an EndpointSlice written by hand for a Service with a selector',
    reason:
      `A slice without the label ${MANAGED_BY_LABEL} is nobody's to update: the controller writes its own slices beside ` +
      'it, kube-proxy uses both, and the addresses by hand stay when pods go.',
    wayOut: 'Remove the slice, or remove spec.selector of the Service.',
    *find(cluster) {
      for (const { service, slices } of cluster.entries) {
        if (selectorOf(service) === undefined) continue;
        for (const slice of slices) {
          const manager = labelsOf(slice.object.metadata?.labels)[MANAGED_BY_LABEL] ?? '';
          if (manager !== '' || !cluster.isGiven(slice)) continue;
          yield {
            at: sliceSubject(slice, service),
            path: ['metadata', 'labels'],
            message: `EndpointSlice ${slice.name} has no ${MANAGED_BY_LABEL}, but its Service has a selector.`,
            others: [serviceSubject(service, ['spec', 'selector'])],
          };
        }
      }
    },
  },
] as const satisfies readonly Check[];

/** A port whose named target no selected source has. */
interface UnknownTarget {
  readonly index: number;
  readonly target: string;
  readonly protocol: string;
  readonly sources: readonly PodSource[];
}

/** Ports of a Service that select Pods or templates, none of which has the named target port; none without any. */
export function unknownTargets(cluster: LintCluster, { service, slices }: ServiceEntry): readonly UnknownTarget[] {
  const selector = selectorOf(service);
  const named = service.ports.flatMap(({ name, protocol }, index) => {
    const target: unknown = service.object.spec?.ports?.[index]?.targetPort;
    // With a port in a slice some Pod has it, given or not.
    const isServed = slices.some(({ ports }) => ports.some((port) => port.name === name && port.protocol === protocol));
    return typeof target === 'string' && target !== '' && !isServed ? [{ index, target, protocol }] : [];
  });
  if (selector === undefined || named.length === 0 || !cluster.has('workloads')) return [];
  const sources = cluster.select(service.namespace, selector);
  if (sources.length === 0) return [];
  const offered = sources.flatMap(({ spec }) => containerPortsOf(spec));
  return named
    .filter(({ target, protocol }) => !offered.some((port) => port.name === target && port.protocol === protocol))
    .map((port) => ({ ...port, sources }));
}

function hasAnyEndpoint({ slices }: ServiceEntry): boolean {
  return slices.some(({ endpoints }) => endpoints.length > 0);
}

/** What the selector was probably meant for: the same labels in another namespace, else the most of them in its own. */
function nearestSource(
  { podSources }: LintCluster,
  namespace: string,
  selector: Labels,
): { readonly source: PodSource; readonly why: string } | undefined {
  const pairs = Object.entries(selector);
  const missing = (source: PodSource) => pairs.filter(([key, value]) => source.labels[key] !== value);
  let best: { readonly source: PodSource; readonly lacks: readonly (readonly [string, string])[] } | undefined;
  for (const source of podSources) {
    const lacks = missing(source);
    if (source.namespace !== namespace) {
      if (lacks.length === 0) return { source, why: `it does match ${source.subject.object}` };
    } else if (lacks.length < (best?.lacks.length ?? pairs.length)) {
      best = { source, lacks };
    }
  }
  if (best === undefined) return undefined;
  const [key = '', value] = best.lacks[0] ?? [];
  const has = best.source.labels[key];
  const what = has === undefined ? `lacks ${key}=${value}` : `has ${key}=${has}, not ${value}`;
  return { source: best.source, why: `${best.source.subject.object} ${what}` };
}

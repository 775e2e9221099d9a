/** core/v1 Pod: what its containers' resolv.conf is made of. */
import type { Diagnostic, FieldPath } from './diagnostics.js';
import {
  type Fields,
  readBoolean,
  readChoice,
  readFields,
  readIp,
  readItem,
  readList,
  readRequiredText,
  readText,
  report,
  type Subject,
  show,
} from './fields.js';
import { subjectOf } from './metadata.js';
import { isDnsSubdomain } from './names.js';
import type { LocatedObject } from './objects.js';

const DNS_POLICIES = ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'] as const;

/** Most dots that a resolver takes for `ndots` (resolv.conf(5)). */
const MOST_DOTS = 15;

/** How a Pod looks names up. */
export interface PodDns {
  /** spec.dnsPolicy, ClusterFirst when unset. */
  readonly policy: (typeof DNS_POLICIES)[number];
  readonly hostNetwork: boolean;
  /** spec.dnsConfig.nameservers, canonical. */
  readonly nameservers: readonly string[];
  /** spec.dnsConfig.searches, absolute: with the final dot. */
  readonly searches: readonly string[];
  /** The option `ndots` of spec.dnsConfig; undefined when unset. */
  readonly ndots: number | undefined;
}

/**
 * Reads how a Pod looks names up.
 * @param diagnostics where problems are added (invalid-field, invalid-address, invalid-name); with an error among them
 * the result must not be used
 */
export function readPodDns(located: LocatedObject, diagnostics: Diagnostic[]): PodDns {
  const subject = subjectOf(located, diagnostics);
  const spec = readFields(subject, located.object.spec, ['spec']);
  const at = ['spec', 'dnsConfig'];
  const config = readFields(subject, spec?.dnsConfig, at);
  const policy = readChoice(subject, spec?.dnsPolicy, ['spec', 'dnsPolicy'], DNS_POLICIES) ?? 'ClusterFirst';
  const nameservers = readList(subject, config?.nameservers, [...at, 'nameservers']).flatMap((each, i) => {
    const path = [...at, 'nameservers', i];
    const text = readRequiredText(subject, each, path);
    return text === undefined ? [] : (readIp(subject, text, path)?.text ?? []);
  });
  if (policy === 'None' && nameservers.length === 0) {
    report(subject, 'invalid-field', [...at, 'nameservers'], 'with dnsPolicy None it must hold a name server.');
  }
  return {
    policy,
    hostNetwork: readBoolean(subject, spec?.hostNetwork, ['spec', 'hostNetwork']) ?? false,
    nameservers,
    searches: readList(subject, config?.searches, [...at, 'searches']).flatMap(
      (each, i) => readSearch(subject, each, [...at, 'searches', i]) ?? [],
    ),
    ndots: readDots(subject, config, [...at, 'options']),
  };
}

function readSearch(subject: Subject, value: unknown, path: FieldPath): string | undefined {
  const text = readRequiredText(subject, value, path);
  if (text === undefined) return undefined;
  const name = text.replace(/\.$/, '').toLowerCase();
  // Search domains may have underscores, and the root is one.
  if (text === '.' || isDnsSubdomain(name.replaceAll('_', 'x'))) return `${name}.`;
  return report(subject, 'invalid-name', path, `${show(text)} is no DNS name.`);
}

/** The last of several counts; what is no number is 0, as resolvers read it. */
function readDots(subject: Subject, config: Fields | undefined, path: FieldPath): number | undefined {
  let ndots: number | undefined;
  for (const [i, each] of readList(subject, config?.options, path).entries()) {
    const option = readItem(subject, each, [...path, i]);
    if (readText(subject, option?.name, [...path, i, 'name']) !== 'ndots') continue;
    const value = readText(subject, option?.value, [...path, i, 'value']) ?? '';
    ndots = Math.min(MOST_DOTS, Number(/^\d*/.exec(value)?.[0] ?? ''));
  }
  return ndots;
}

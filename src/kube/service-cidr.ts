/** networking.k8s.io/v1 ServiceCIDR: a range from which cluster IPs are given out. Only mode nftables looks at it. */
import type { Cidr } from '../net/ip.js';
import type { Diagnostic, FieldPath, Origin } from './diagnostics.js';
import { readCidr, readFields, readList, readRequiredText } from './fields.js';
import { readMetadata, subjectOf } from './metadata.js';
import type { LocatedObject } from './objects.js';

/** A ServiceCIDR as the planner reads it. */
export interface ServiceCIDR {
  readonly name: string;
  /** spec.cidrs: one, or one of each family. */
  readonly cidrs: readonly Cidr[];
  readonly origin: Origin | undefined;
}

/**
 * Checks one ServiceCIDR and reads it.
 * @param diagnostics where problems are added; with an error among them the ServiceCIDR must not be used
 * @returns undefined when it cannot even be named
 */
export function parseServiceCIDR(located: LocatedObject, diagnostics: Diagnostic[]): ServiceCIDR | undefined {
  const subject = subjectOf(located, diagnostics, false);
  const metadata = readMetadata(subject, located, { name: 'subdomain', namespaced: false });
  if (metadata === undefined) return undefined;
  const spec = readFields(subject, located.object.spec, ['spec']);
  const cidrs = readList(subject, spec?.cidrs, ['spec', 'cidrs']).flatMap((each, i) => {
    const path: FieldPath = ['spec', 'cidrs', i];
    const text = readRequiredText(subject, each, path);
    return (text === undefined ? undefined : readCidr(subject, text, path)) ?? [];
  });
  return { name: metadata.name, cidrs, origin: located.origin };
}

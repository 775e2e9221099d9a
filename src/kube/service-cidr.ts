/** networking.k8s.io/v1 ServiceCIDR: a range from which cluster IPs are given out. Only mode nftables looks at it. */
import { type Cidr, parseCidr } from '../net/ip.js';
import type { Diagnostic, FieldPath, Origin } from './diagnostics.js';
import { readFields, readList, readRequiredText, report, type Subject, show } from './fields.js';
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
 * Checks one ServiceCIDR and reads it. As in the API server, a CIDR must be written canonically.
 * @param diagnostics where problems are added; with an error among them the ServiceCIDR must not be used
 * @returns undefined when it cannot even be named
 */
export function parseServiceCIDR(located: LocatedObject, diagnostics: Diagnostic[]): ServiceCIDR | undefined {
  const subject = subjectOf(located, diagnostics, false);
  const metadata = readMetadata(subject, located, { name: 'subdomain', namespaced: false });
  if (metadata === undefined) return undefined;
  const spec = readFields(subject, located.object.spec, ['spec']);
  const listed = readList(subject, spec?.cidrs, ['spec', 'cidrs']);
  const cidrs = listed.flatMap((each, i) => readCanonicalCidr(subject, each, ['spec', 'cidrs', i]) ?? []);
  const families = new Set(cidrs.map(({ family }) => family));
  if (listed.length === 0 || listed.length > 2 || (cidrs.length === listed.length && families.size < cidrs.length)) {
    report(subject, 'invalid-field', ['spec', 'cidrs'], 'it must hold one CIDR, or one of each IP family.');
  }
  return { name: metadata.name, cidrs, origin: located.origin };
}

function readCanonicalCidr(subject: Subject, value: unknown, path: FieldPath): Cidr | undefined {
  const text = readRequiredText(subject, value, path);
  if (text === undefined) return undefined;
  const cidr = parseCidr(text);
  if (cidr?.text === text) return cidr;
  const hint = cidr === undefined ? undefined : `Write ${cidr.text}.`;
  return report(subject, 'invalid-address', path, `${show(text)} is no canonical CIDR.`, hint);
}

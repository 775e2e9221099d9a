/** metadata: what every object has. */
import type { Diagnostic } from './diagnostics.js';
import { type Fields, isFields, readTextMap, report, type Subject, show, wrongType } from './fields.js';
import { isDnsLabel, isDnsSubdomain } from './names.js';
import type { LocatedObject } from './objects.js';

/** The checked metadata of one object. */
export interface Metadata {
  /** `default` where the manifest gives none; empty for kinds without a namespace. */
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Which names a kind allows. */
export interface NameRules {
  readonly name: 'label' | 'subdomain';
  readonly namespaced: boolean;
}

/** The subject of an object for reports, named as well as its metadata allow. */
export function subjectOf(located: LocatedObject, diagnostics: Diagnostic[], namespaced = true): Subject {
  return { name: () => objectName(located, namespaced), origin: located.origin, diagnostics };
}

/** `Service shop/web`; a name that could garble a terminal is quoted. */
function objectName({ object }: LocatedObject, namespaced: boolean): string {
  const metadata: Fields = isFields(object.metadata) ? object.metadata : {};
  const text = (value: unknown, absent: string) =>
    value === undefined || value === null
      ? absent
      : typeof value === 'string' && isDnsSubdomain(value)
        ? value
        : show(value);
  const name = text(metadata.name, '(no name)');
  return namespaced ? `${object.kind} ${text(metadata.namespace, 'default')}/${name}` : `${object.kind} ${name}`;
}

/** Reads metadata; undefined (after reports) when the object cannot be named. */
export function readMetadata(subject: Subject, located: LocatedObject, rules: NameRules): Metadata | undefined {
  const metadata = located.object.metadata;
  if (!isFields(metadata)) return report(subject, 'invalid-field', ['metadata'], 'metadata is missing.');
  const nameOk = rules.name === 'label' ? isDnsLabel : isDnsSubdomain;
  const name = metadata.name;
  const namespace = rules.namespaced ? metadata.namespace || 'default' : '';
  if (name !== undefined && name !== null && typeof name !== 'string') {
    return wrongType(subject, name, ['metadata', 'name'], 'a string', 'Put quotes around it.');
  }
  if (name === undefined || name === null || name === '') {
    return report(subject, 'invalid-name', ['metadata', 'name'], 'metadata.name is missing.');
  }
  if (!nameOk(name)) {
    return report(
      subject,
      'invalid-name',
      ['metadata', 'name'],
      `${show(name)} is no valid name: ${NAME_RULE[rules.name]}`,
    );
  }
  if (typeof namespace !== 'string' || (rules.namespaced && !isDnsLabel(namespace))) {
    return report(
      subject,
      'invalid-name',
      ['metadata', 'namespace'],
      `${show(namespace)} is no valid namespace: ${NAME_RULE.label}`,
    );
  }
  return {
    namespace,
    name,
    labels: readTextMap(subject, metadata.labels, ['metadata', 'labels']),
    annotations: readTextMap(subject, metadata.annotations, ['metadata', 'annotations']),
  };
}

const NAME_RULE = {
  label: 'lower-case letters, digits and "-", at most 63 characters, a letter or digit at both ends.',
  subdomain: 'lower-case letters, digits, "-" and ".", at most 253 characters, a letter or digit at both ends.',
} as const;

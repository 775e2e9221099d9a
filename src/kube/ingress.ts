/** networking.k8s.io/v1 Ingress: which HTTP requests go to which Service. Only `trace` looks at it. */
import { parseIp } from '../net/ip.js';
import type { Diagnostic, FieldPath, Origin } from './diagnostics.js';
import {
  readChoice,
  readFields,
  readItem,
  readList,
  readPort,
  readRequiredText,
  readText,
  report,
  type Subject,
  show,
} from './fields.js';
import { readMetadata, subjectOf } from './metadata.js';
import { isDnsLabel, isDnsSubdomain, isPortName } from './names.js';
import type { LocatedObject } from './objects.js';
import { addUnique } from './unique.js';

const PATH_TYPES = ['Exact', 'Prefix', 'ImplementationSpecific'] as const;

/** How a path is compared with that of a request. */
export type PathType = (typeof PATH_TYPES)[number];

/** Where requests go: a port of a Service of the Ingress' namespace, or anything else that a controller may know. */
export type IngressBackend =
  | { readonly kind: 'service'; readonly name: string; readonly port: string | number }
  | { readonly kind: 'resource'; readonly name: string };

/** One path of a rule. */
interface IngressPath {
  /** Empty where an ImplementationSpecific one is not given. */
  readonly path: string;
  readonly pathType: PathType;
  readonly backend: IngressBackend;
}

/** One entry of spec.rules. */
interface IngressRule {
  /** A name, or a wildcard `*.shop.example`; undefined for requests of any host. */
  readonly host: string | undefined;
  /** None where the rule has no `http`: then everything goes to the default backend. */
  readonly paths: readonly IngressPath[];
}

/** An Ingress as far as it says where requests go. */
export interface Ingress {
  readonly namespace: string;
  readonly name: string;
  /** spec.ingressClassName, else the annotation from before there were classes; undefined without both. */
  readonly className: string | undefined;
  readonly defaultBackend: IngressBackend | undefined;
  readonly rules: readonly IngressRule[];
  /** The hosts of each entry of spec.tls; an empty list stands for every host. */
  readonly tls: readonly (readonly string[])[];
  readonly origin: Origin | undefined;
}

/** The annotation that named the controller before spec.ingressClassName did. */
const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';

/** What the API server refuses in paths, as servers would not agree on what they mean. */
const CONFUSING = /\/\/|\/\.\.?(\/|$)|%2f/i;

/** Whether an object is an Ingress in the version that is read; older ones were not served for years. */
export function isIngress({ object }: LocatedObject): boolean {
  return object.kind === 'Ingress' && object.apiVersion === 'networking.k8s.io/v1';
}

/**
 * Reads the Ingresses among some objects, in their order.
 * @param diagnostics where problems are added (invalid-name, invalid-field, invalid-port, duplicate-object); with an
 * error among them the result must not be used
 */
export function readIngresses(objects: readonly LocatedObject[], diagnostics: Diagnostic[]): readonly Ingress[] {
  const ingresses = new Map<string, Ingress>();
  for (const located of objects) {
    if (isIngress(located)) addUnique(ingresses, parseIngress(located, diagnostics), diagnostics, 'Ingress');
  }
  return [...ingresses.values()];
}

function parseIngress(located: LocatedObject, diagnostics: Diagnostic[]): Ingress | undefined {
  const subject = subjectOf(located, diagnostics);
  const metadata = readMetadata(subject, located, { name: 'subdomain', namespaced: true });
  if (metadata === undefined) return undefined;
  const spec = readFields(subject, located.object.spec, ['spec']);
  const className = readText(subject, spec?.ingressClassName, ['spec', 'ingressClassName']);
  const rules = readList(subject, spec?.rules, ['spec', 'rules']);
  const given = spec?.defaultBackend ?? undefined;
  // What is of a wrong type was reported already.
  const isEmpty = (located.object.spec ?? undefined) === undefined || (spec !== undefined && isEmptyList(spec.rules));
  if (isEmpty && given === undefined) {
    report(subject, 'invalid-field', ['spec'], 'it must hold rules or a defaultBackend.');
  }
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    className: className ?? metadata.annotations[CLASS_ANNOTATION] ?? undefined,
    defaultBackend: given === undefined ? undefined : readBackend(subject, given, ['spec', 'defaultBackend']),
    rules: rules.flatMap((rule, i) => readRule(subject, rule, ['spec', 'rules', i]) ?? []),
    tls: readList(subject, spec?.tls, ['spec', 'tls']).flatMap((entry, i) => {
      const fields = readItem(subject, entry, ['spec', 'tls', i]);
      if (fields === undefined) return [];
      const hosts = readList(subject, fields.hosts, ['spec', 'tls', i, 'hosts']);
      return [hosts.flatMap((host, j) => readHost(subject, host, ['spec', 'tls', i, 'hosts', j]) ?? [])];
    }),
    origin: located.origin,
  };
}

function isEmptyList(value: unknown): boolean {
  return (value ?? undefined) === undefined || (Array.isArray(value) && value.length === 0);
}

function readRule(subject: Subject, value: unknown, path: FieldPath): IngressRule | undefined {
  const rule = readItem(subject, value, path);
  if (rule === undefined) return undefined;
  const hostText = readText(subject, rule.host, [...path, 'host']) ?? '';
  const http = readFields(subject, rule.http, [...path, 'http']);
  const at = [...path, 'http', 'paths'];
  const paths = readList(subject, http?.paths, at);
  if (http !== undefined && isEmptyList(http.paths)) report(subject, 'invalid-field', at, 'it must hold a path.');
  return {
    host: hostText === '' ? undefined : readHost(subject, hostText, [...path, 'host']),
    paths: paths.flatMap((each, i) => readPath(subject, each, [...at, i]) ?? []),
  };
}

function readHost(subject: Subject, value: unknown, path: FieldPath): string | undefined {
  const host = readRequiredText(subject, value, path);
  if (host === undefined) return undefined;
  const name = host.startsWith('*.') ? host.slice(2) : host;
  if (isDnsSubdomain(name) && parseIp(name) === undefined) return host;
  const hint = 'Write a DNS name in lower case, or one behind "*.".';
  return report(subject, 'invalid-name', path, `${show(host)} is no host name.`, hint);
}

function readPath(subject: Subject, value: unknown, path: FieldPath): IngressPath | undefined {
  const fields = readItem(subject, value, path);
  if (fields === undefined) return undefined;
  const pathType = readChoice(subject, fields.pathType, [...path, 'pathType'], PATH_TYPES);
  if (pathType === undefined && (fields.pathType ?? '') === '') {
    const hint = `Write one of ${PATH_TYPES.join(', ')}.`;
    report(subject, 'invalid-field', [...path, 'pathType'], 'it is missing.', hint);
  }
  const text = readText(subject, fields.path ?? '', [...path, 'path']);
  const isFree = pathType === 'ImplementationSpecific';
  const backend = readBackend(subject, fields.backend, [...path, 'backend']);
  if (text === undefined || backend === undefined || pathType === undefined) return undefined;
  if (!text.startsWith('/') && !(isFree && text === '')) {
    report(subject, 'invalid-field', [...path, 'path'], `${show(text)} does not begin with "/".`);
  } else if (!isFree && CONFUSING.test(text)) {
    report(subject, 'invalid-field', [...path, 'path'], `${show(text)} has "//", "/./", "/../" or "%2f" in it.`);
  }
  return { path: text, pathType, backend };
}

function readBackend(subject: Subject, value: unknown, path: FieldPath): IngressBackend | undefined {
  const backend = readItem(subject, value, path);
  if (backend === undefined) return undefined;
  const service = readFields(subject, backend.service, [...path, 'service']);
  const resource = readFields(subject, backend.resource, [...path, 'resource']);
  if ((service === undefined) === (resource === undefined)) {
    return report(subject, 'invalid-field', path, 'it must hold either a service or a resource.');
  }
  if (resource !== undefined) {
    const kind = readRequiredText(subject, resource.kind, [...path, 'resource', 'kind']);
    const name = readRequiredText(subject, resource.name, [...path, 'resource', 'name']);
    return kind === undefined || name === undefined ? undefined : { kind: 'resource', name: `${kind} ${name}` };
  }
  const name = readRequiredText(subject, service?.name, [...path, 'service', 'name']);
  if (name === undefined) return undefined;
  const at = [...path, 'service', 'port'];
  if (!isDnsLabel(name)) {
    return report(subject, 'invalid-name', [...path, 'service', 'name'], `${show(name)} is no name of a Service.`);
  }
  const given = readFields(subject, service?.port, at);
  const number = readPort(subject, given?.number, [...at, 'number'], { zero: true });
  const portName = readText(subject, given?.name, [...at, 'name']) ?? '';
  if (portName !== '' && !isPortName(portName)) {
    return report(subject, 'invalid-name', [...at, 'name'], `${show(portName)} is no name of a port.`);
  }
  if ((number === undefined) === (portName === '')) {
    // A number that is none was reported already.
    const isReported = number === undefined && (given?.number ?? 0) !== 0;
    return isReported
      ? undefined
      : report(subject, 'invalid-field', at, 'it must hold either the name or the number of a port.');
  }
  return { kind: 'service', name, port: number ?? portName };
}

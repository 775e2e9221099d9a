/**
 * What the API server would refuse in Pods and workloads, as far as the simulation reads them; other fields are not
 * looked at. Everything wrong is said, with the path of the field.
 */
import type { Diagnostic, FieldPath } from '../diagnostics.js';
import {
  type Fields,
  readBoolean,
  readFields,
  readInteger,
  readIp,
  readItem,
  readList,
  readPort,
  readProtocol,
  readText,
  readTextMap,
  report,
  type Subject,
  show,
} from '../fields.js';
import { readMetadata, subjectOf } from '../metadata.js';
import { isDnsLabel, isDnsSubdomain, isPortName } from '../names.js';
import type { LocatedObject } from '../objects.js';

/** What replicas and ordinals can be at most (a 32-bit number). */
const MAX_COUNT = 2 ** 31 - 1;

/** Checks a Pod. */
export function checkPod(located: LocatedObject, diagnostics: Diagnostic[]): void {
  const subject = subjectOf(located, diagnostics);
  const { metadata, spec, status } = located.object;
  readMetadata(subject, located, { name: 'subdomain', namespaced: true });
  readText(subject, (metadata as Fields | undefined)?.deletionTimestamp, ['metadata', 'deletionTimestamp']);
  checkPodSpec(subject, spec, ['spec']);
  const fields = readFields(subject, status, ['status']) ?? {};
  readText(subject, fields.phase, ['status', 'phase']);
  for (const field of ['podIP', 'hostIP']) checkAddress(subject, fields[field], ['status', field]);
  for (const field of ['podIPs', 'hostIPs']) {
    for (const [path, each] of mappings(subject, fields[field], ['status', field])) {
      checkAddress(subject, each.ip, [...path, 'ip']);
    }
  }
  for (const [path, condition] of mappings(subject, fields.conditions, ['status', 'conditions'])) {
    for (const field of ['type', 'status']) readText(subject, condition[field], [...path, field]);
  }
}

/**
 * Checks a workload: name, replicas, template, and that its selector selects the template's labels, which every
 * controller asks for.
 */
export function checkWorkload(located: LocatedObject, diagnostics: Diagnostic[]): void {
  const subject = subjectOf(located, diagnostics);
  readMetadata(subject, located, { name: 'subdomain', namespaced: true });
  const spec = needFields(subject, located.object.spec, ['spec']);
  if (spec === undefined) return;
  const count = { min: 0, max: MAX_COUNT };
  readInteger(subject, spec.replicas, ['spec', 'replicas'], count);
  checkName(subject, spec.serviceName, ['spec', 'serviceName'], isDnsLabel);
  readInteger(
    subject,
    readFields(subject, spec.ordinals, ['spec', 'ordinals'])?.start,
    ['spec', 'ordinals', 'start'],
    count,
  );
  const template = needFields(subject, spec.template, ['spec', 'template']);
  if (template === undefined) return;
  const path = ['spec', 'template', 'metadata'];
  const labels = readTextMap(subject, readFields(subject, template.metadata, path)?.labels, [...path, 'labels']);
  checkSelector(subject, located.object.kind, spec, labels);
  checkPodSpec(subject, template.spec, ['spec', 'template', 'spec']);
}

/** Only the plain pairs of a selector are compared; expressions are for the controllers. */
function checkSelector(subject: Subject, kind: string, spec: Fields, labels: Readonly<Record<string, string>>): void {
  const isPlain = kind === 'ReplicationController';
  const path = isPlain ? ['spec', 'selector'] : ['spec', 'selector', 'matchLabels'];
  const pairs = isPlain ? spec.selector : needFields(subject, spec.selector, ['spec', 'selector'])?.matchLabels;
  for (const [key, value] of Object.entries(readTextMap(subject, pairs, path))) {
    if (typeof value !== 'string' || (Object.hasOwn(labels, key) && labels[key] === value)) continue;
    report(
      subject,
      'invalid-field',
      [...path, key],
      `the labels of spec.template do not have ${show(key)}: ${show(value)}, which the selector asks for.`,
      'Give spec.template.metadata.labels every label of the selector.',
    );
  }
}

function checkPodSpec(subject: Subject, value: unknown, path: FieldPath): void {
  const spec = needFields(subject, value, path);
  if (spec === undefined) return;
  for (const field of ['containers', 'initContainers']) {
    const containers = mappings(subject, spec[field], [...path, field]);
    if (field === 'containers' && containers.length === 0) {
      report(subject, 'invalid-field', [...path, field], 'a Pod needs a container.');
    }
    for (const [at, container] of containers) {
      readText(subject, container.restartPolicy, [...at, 'restartPolicy']);
      for (const [place, port] of mappings(subject, container.ports, [...at, 'ports'])) checkPort(subject, port, place);
    }
  }
  readBoolean(subject, spec.hostNetwork, [...path, 'hostNetwork']);
  checkName(subject, spec.hostname, [...path, 'hostname'], isDnsLabel);
  checkName(subject, spec.subdomain, [...path, 'subdomain'], isDnsLabel);
  checkName(subject, spec.nodeName, [...path, 'nodeName'], isDnsSubdomain);
  readTextMap(subject, spec.nodeSelector, [...path, 'nodeSelector']);
  mappings(subject, spec.tolerations, [...path, 'tolerations']);
}

function checkPort(subject: Subject, port: Fields, path: FieldPath): void {
  if ((port.containerPort ?? undefined) === undefined) {
    report(subject, 'invalid-port', [...path, 'containerPort'], 'containerPort is missing.');
  }
  readPort(subject, port.containerPort, [...path, 'containerPort']);
  checkName(subject, port.name, [...path, 'name'], isPortName);
  readProtocol(subject, port.protocol, [...path, 'protocol']);
}

function checkName(subject: Subject, value: unknown, path: FieldPath, isName: (text: string) => boolean): void {
  const name = readText(subject, value, path) ?? '';
  if (name !== '' && !isName(name))
    report(subject, 'invalid-name', path, `${show(name)} is no name that can stand here.`);
}

function checkAddress(subject: Subject, value: unknown, path: FieldPath): void {
  const text = readText(subject, value, path) ?? '';
  if (text !== '') readIp(subject, text, path);
}

/** The mappings of a list with their paths. */
function mappings(subject: Subject, value: unknown, path: FieldPath): [FieldPath, Fields][] {
  return readList(subject, value, path).flatMap((each, i): [FieldPath, Fields][] => {
    const fields = readItem(subject, each, [...path, i]);
    return fields === undefined ? [] : [[[...path, i], fields]];
  });
}

function needFields(subject: Subject, value: unknown, path: FieldPath): Fields | undefined {
  if ((value ?? undefined) === undefined)
    return report(subject, 'invalid-field', path, `${path.join('.')} is missing.`);
  return readFields(subject, value, path);
}

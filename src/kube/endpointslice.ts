/** discovery.k8s.io/v1 EndpointSlice: checked, conditions resolved as kube-proxy resolves them. */
import type { V1EndpointSlice } from '@kubernetes/client-node';
import { apiNameOf, type Family } from '../net/family.js';
import { isCanonicalIpv4, parseIp } from '../net/ip.js';
import type { Protocol } from '../net/protocol.js';
import type { Diagnostic, FieldPath, Origin } from './diagnostics.js';
import {
  isFields,
  readBoolean,
  readChoice,
  readFields,
  readIp,
  readItem,
  readList,
  readPort,
  readPortName,
  readProtocol,
  readRequiredText,
  readText,
  report,
  reportHostname,
  type Subject,
  show,
} from './fields.js';
import { HEADLESS_LABEL, SERVICE_NAME_LABEL } from './labels.js';
import { readMetadata, subjectOf } from './metadata.js';
import { isDnsLabel } from './names.js';
import type { LocatedObject } from './objects.js';

/** One entry of a slice's ports; entries without a number stand for every port and are left out. */
export interface SlicePort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

/** One endpoint of a slice: what is true of the address on every port. */
export interface SliceEndpoint {
  /** The first address, canonical; kube-proxy uses no other. */
  readonly address: string;
  /** conditions.ready, true when unset. */
  readonly ready: boolean;
  /** conditions.serving, true when unset. */
  readonly serving: boolean;
  /** conditions.terminating, false when unset. */
  readonly terminating: boolean;
  readonly nodeName: string | undefined;
  /** The endpoint's own name below that of its Service in DNS, a DNS label; undefined when it has none. */
  readonly hostname: string | undefined;
  /** hints.forZones, hints.forNodes: names only; empty when there is no hint. */
  readonly zoneHints: readonly string[];
  readonly nodeHints: readonly string[];
}

/** An EndpointSlice as the planner reads it. */
export interface EndpointSlice {
  readonly namespace: string;
  readonly name: string;
  /** `namespace/name` of its Service (label kubernetes.io/service-name); undefined when no Service is named. */
  readonly service: string | undefined;
  /** undefined for addressType FQDN, which kube-proxy ignores. */
  readonly family: Family | undefined;
  /** Label service.kubernetes.io/headless: kube-proxy does not see it. */
  readonly headless: boolean;
  readonly ports: readonly SlicePort[];
  readonly endpoints: readonly SliceEndpoint[];
  readonly origin: Origin | undefined;
  /** The object as it was given (for a mirrored one: the EndpointSlice that the mirroring controller writes). */
  readonly object: V1EndpointSlice;
}

const NO_NAMES: readonly string[] = [];

/**
 * Checks one EndpointSlice as the API server would and reads it.
 * @param diagnostics where problems are added; with an error among them the slice must not be used
 * @returns undefined when it cannot even be named
 */
export function parseEndpointSlice(located: LocatedObject, diagnostics: Diagnostic[]): EndpointSlice | undefined {
  const subject = subjectOf(located, diagnostics);
  const metadata = readMetadata(subject, located, { name: 'subdomain', namespaced: true });
  if (metadata === undefined) return undefined;
  const { object } = located;
  const addressType = readChoice(subject, object.addressType, ['addressType'], ['IPv4', 'IPv6', 'FQDN']);
  if (addressType === undefined && (object.addressType ?? '') === '') {
    report(subject, 'invalid-field', ['addressType'], 'addressType is missing.', 'Write IPv4 or IPv6.');
  }
  const family = addressType === 'IPv4' ? 'ipv4' : addressType === 'IPv6' ? 'ipv6' : undefined;
  const serviceName = metadata.labels[SERVICE_NAME_LABEL] ?? '';
  if (serviceName === '') {
    const message = `it names no Service (label ${SERVICE_NAME_LABEL}), so kube-proxy ignores it.`;
    report(subject, 'orphan-slice', ['metadata', 'labels'], message, `Add the label ${SERVICE_NAME_LABEL}.`);
  }
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    service: serviceName === '' ? undefined : `${metadata.namespace}/${serviceName}`,
    family,
    headless: HEADLESS_LABEL in metadata.labels,
    ports: readSlicePorts(subject, object.ports),
    endpoints: family === undefined ? [] : readEndpoints(subject, object.endpoints, family),
    origin: located.origin,
    object: object as unknown as V1EndpointSlice,
  };
}

function readSlicePorts(subject: Subject, value: unknown): readonly SlicePort[] {
  const ports: SlicePort[] = [];
  for (const [i, each] of readList(subject, value, ['ports']).entries()) {
    const path: FieldPath = ['ports', i];
    const fields = readItem(subject, each, path);
    if (fields === undefined) continue;
    const name = readPortName(subject, fields.name, [...path, 'name']) ?? '';
    // The API server takes any number here; iptables-restore would not.
    const port = readPort(subject, fields.port, [...path, 'port'], { zero: true });
    const protocol = readProtocol(subject, fields.protocol, [...path, 'protocol']);
    if (port !== undefined) ports.push({ name, protocol, port });
  }
  return ports;
}

function readEndpoints(subject: Subject, value: unknown, family: Family): readonly SliceEndpoint[] {
  const endpoints: SliceEndpoint[] = [];
  for (const [i, each] of readList(subject, value, ['endpoints']).entries()) {
    const endpoint = readEndpoint(subject, each, i, family);
    if (endpoint !== undefined) endpoints.push(endpoint);
  }
  return endpoints;
}

/** One endpoint. A hundred thousand of them are read in one go, so paths are only built when something is wrong. */
function readEndpoint(subject: Subject, value: unknown, index: number, family: Family): SliceEndpoint | undefined {
  if (!isFields(value))
    return report(subject, 'invalid-field', ['endpoints', index], `${show(value)} is not a mapping.`);
  const address = readEndpointAddresses(subject, value.addresses, index, family);
  const conditions = value.conditions ?? undefined;
  if (conditions !== undefined && !isFields(conditions)) {
    return report(
      subject,
      'invalid-field',
      ['endpoints', index, 'conditions'],
      `${show(conditions)} is not a mapping.`,
    );
  }
  const nodeName = value.nodeName ?? undefined;
  if (nodeName !== undefined && typeof nodeName !== 'string') {
    return report(subject, 'invalid-field', ['endpoints', index, 'nodeName'], `${show(nodeName)} is not a string.`);
  }
  const hostname = value.hostname ?? undefined;
  if (hostname !== undefined && (typeof hostname !== 'string' || !isDnsLabel(hostname))) {
    return reportHostname(subject, hostname, ['endpoints', index, 'hostname']);
  }
  const ready = readCondition(subject, conditions?.ready, index, 'ready') ?? true;
  const serving = readCondition(subject, conditions?.serving, index, 'serving') ?? true;
  const terminating = readCondition(subject, conditions?.terminating, index, 'terminating') ?? false;
  let zoneHints = NO_NAMES;
  let nodeHints = NO_NAMES;
  if (value.hints !== undefined && value.hints !== null) {
    const hints = readFields(subject, value.hints, ['endpoints', index, 'hints']);
    zoneHints = readHintNames(subject, hints?.forZones, ['endpoints', index, 'hints', 'forZones']);
    nodeHints = readHintNames(subject, hints?.forNodes, ['endpoints', index, 'hints', 'forNodes']);
  }
  if (address === undefined) return undefined;
  return { address, ready, serving, terminating, nodeName, hostname, zoneHints, nodeHints };
}

function readCondition(subject: Subject, value: unknown, index: number, name: string): boolean | undefined {
  return typeof value === 'boolean' ? value : readBoolean(subject, value, ['endpoints', index, 'conditions', name]);
}

function readEndpointAddresses(subject: Subject, value: unknown, index: number, family: Family): string | undefined {
  const addresses = Array.isArray(value) ? value : readList(subject, value, ['endpoints', index, 'addresses']);
  if (addresses.length === 0) {
    return report(
      subject,
      'invalid-field',
      ['endpoints', index, 'addresses'],
      'an endpoint needs an address.',
      'Add one or remove the endpoint.',
    );
  }
  let first: string | undefined;
  for (let i = 0; i < addresses.length; i++) {
    const text: unknown = addresses[i];
    if (family === 'ipv4' && typeof text === 'string' && isCanonicalIpv4(text)) {
      if (i === 0) first = text;
      continue;
    }
    const ip = typeof text === 'string' ? parseIp(text) : undefined;
    if (ip === undefined || ip.text !== text || ip.family !== family) {
      reportAddress(subject, text, ['endpoints', index, 'addresses', i], family);
    }
    if (i === 0) first = ip?.text;
  }
  return first;
}

/** Something is unusual about an endpoint's address: says what, or nothing where it is only spelled differently. */
function reportAddress(subject: Subject, value: unknown, path: FieldPath, family: Family): void {
  const text = readRequiredText(subject, value, path);
  const ip = text === undefined ? undefined : readIp(subject, text, path);
  if (ip === undefined || ip.family === family) return;
  report(subject, 'wrong-family', path, `${ip.text} is no ${apiNameOf(family)} address, as addressType says.`);
}

function readHintNames(subject: Subject, value: unknown, path: FieldPath): readonly string[] {
  const names: string[] = [];
  for (const [i, each] of readList(subject, value, path).entries()) {
    const name = readText(subject, readItem(subject, each, [...path, i])?.name, [...path, i, 'name']);
    if (name !== undefined) names.push(name);
  }
  return names.length === 0 ? NO_NAMES : names;
}

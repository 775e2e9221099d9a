/** core/v1 Endpoints: checked, then turned into EndpointSlices as the mirroring controller does it. */
import type { V1Endpoints } from '@kubernetes/client-node';
import { type Diagnostic, diagnostic, type FieldPath, type Origin } from './diagnostics.js';
import { type EndpointSlice, parseEndpointSlice } from './endpointslice.js';
import {
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
} from './fields.js';
import { readMetadata, subjectOf } from './metadata.js';
import { isMirrored, mirrorEndpoints } from './mirror.js';
import { isDnsLabel } from './names.js';
import type { LocatedObject, RawObject } from './objects.js';

/** A checked Endpoints object. */
export interface Endpoints {
  readonly namespace: string;
  /** Also the name of its Service. */
  readonly name: string;
  readonly origin: Origin | undefined;
  readonly object: V1Endpoints;
}

/**
 * Checks one Endpoints object as the API server would.
 * @param diagnostics where problems are added; with an error among them it must not be used
 * @returns undefined when it cannot even be named
 */
export function parseEndpoints(located: LocatedObject, diagnostics: Diagnostic[]): Endpoints | undefined {
  const subject = subjectOf(located, diagnostics);
  const metadata = readMetadata(subject, located, { name: 'subdomain', namespaced: true });
  if (metadata === undefined) return undefined;
  for (const [i, each] of readList(subject, located.object.subsets, ['subsets']).entries()) {
    const path: FieldPath = ['subsets', i];
    const subset = readItem(subject, each, path);
    checkAddresses(subject, subset?.addresses, [...path, 'addresses']);
    checkAddresses(subject, subset?.notReadyAddresses, [...path, 'notReadyAddresses']);
    checkPorts(subject, subset?.ports, [...path, 'ports']);
  }
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    origin: located.origin,
    object: located.object as unknown as V1Endpoints,
  };
}

function checkAddresses(subject: Subject, value: unknown, path: FieldPath): void {
  for (const [i, each] of readList(subject, value, path).entries()) {
    const address = readItem(subject, each, [...path, i]);
    if (address === undefined) continue;
    const text = readRequiredText(subject, address.ip, [...path, i, 'ip']);
    if (text !== undefined) readIp(subject, text, [...path, i, 'ip']);
    readText(subject, address.nodeName, [...path, i, 'nodeName']);
    const hostname = readText(subject, address.hostname, [...path, i, 'hostname']) ?? '';
    if (hostname !== '' && !isDnsLabel(hostname)) reportHostname(subject, hostname, [...path, i, 'hostname']);
  }
}

function checkPorts(subject: Subject, value: unknown, path: FieldPath): void {
  for (const [i, each] of readList(subject, value, path).entries()) {
    const fields = readItem(subject, each, [...path, i]);
    if (fields === undefined) continue;
    readPortName(subject, fields.name, [...path, i, 'name']);
    if ((fields.port ?? undefined) === undefined) {
      report(subject, 'invalid-port', [...path, i], 'port is missing.', 'Add it.');
    }
    readPort(subject, fields.port, [...path, i, 'port']);
    readProtocol(subject, fields.protocol, [...path, i, 'protocol']);
  }
}

/**
 * The EndpointSlices that stand for an Endpoints object in the cluster. In a real cluster Endpoints of a Service with
 * a selector have EndpointSlices of the same content beside them, written by another controller; where a listing has
 * only the Endpoints, they are turned into slices in the same way.
 * @param hasSlices whether the input has EndpointSlices of the same Service, which then count alone
 */
export function slicesOfEndpoints(
  endpoints: Endpoints,
  hasSlices: boolean,
  diagnostics: Diagnostic[],
): readonly EndpointSlice[] {
  const say = (code: 'endpoints-mirrored' | 'endpoints-ignored', message: string): void => {
    const object = `Endpoints ${endpoints.namespace}/${endpoints.name}`;
    diagnostics.push(diagnostic(code, message, { object, origin: endpoints.origin }));
  };
  if (hasSlices) {
    say('endpoints-ignored', 'ignored: its Service has EndpointSlices, which count instead.');
    return [];
  }
  if (!isMirrored(endpoints.object)) {
    say('endpoints-ignored', 'ignored: a label or annotation keeps it from being mirrored to EndpointSlices.');
    return [];
  }
  // Everything was checked above; what the parser has to say about spelling was said about the Endpoints already.
  const slices = mirrorEndpoints(endpoints.object).map((slice) =>
    parseEndpointSlice({ object: slice as unknown as RawObject, origin: endpoints.origin }, []),
  );
  say('endpoints-mirrored', `read as ${slices.length} EndpointSlice${slices.length === 1 ? '' : 's'}.`);
  return slices.filter((slice) => slice !== undefined);
}

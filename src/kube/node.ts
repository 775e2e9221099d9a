/** core/v1 Node: its addresses, pod networks and zone. */
import type { V1Node } from '@kubernetes/client-node';
import type { Cidr, IpAddress } from '../net/ip.js';
import type { Diagnostic, FieldPath, Origin } from './diagnostics.js';
import { readCidr, readFields, readIp, readList, readText, type Subject } from './fields.js';
import { readMetadata, subjectOf } from './metadata.js';
import type { LocatedObject } from './objects.js';

/** A Node as the planner reads it. */
export interface Node {
  readonly name: string;
  /** All InternalIPs in list order, then all ExternalIPs: the order in which kube-proxy looks for the node's own IP. */
  readonly addresses: readonly IpAddress[];
  /** spec.podCIDRs in list order. */
  readonly podCIDRs: readonly Cidr[];
  /** Label topology.kubernetes.io/zone, empty without it. */
  readonly zone: string;
  readonly origin: Origin | undefined;
  readonly object: V1Node | undefined;
}

const ZONE_LABEL = 'topology.kubernetes.io/zone';

/**
 * Checks one Node and reads it.
 * @param diagnostics where problems are added; with an error among them the Node must not be used
 * @returns undefined when it cannot even be named
 */
export function parseNode(located: LocatedObject, diagnostics: Diagnostic[]): Node | undefined {
  const subject = subjectOf(located, diagnostics, false);
  const metadata = readMetadata(subject, located, { name: 'subdomain', namespaced: false });
  if (metadata === undefined) return undefined;
  const spec = readFields(subject, located.object.spec, ['spec']);
  const status = readFields(subject, located.object.status, ['status']);
  return {
    name: metadata.name,
    addresses: readNodeAddresses(subject, status?.addresses),
    podCIDRs: readPodCIDRs(subject, spec?.podCIDRs),
    zone: metadata.labels[ZONE_LABEL] ?? '',
    origin: located.origin,
    object: located.object as unknown as V1Node,
  };
}

function readNodeAddresses(subject: Subject, value: unknown): readonly IpAddress[] {
  const internal: IpAddress[] = [];
  const external: IpAddress[] = [];
  for (const [i, each] of readList(subject, value, ['status', 'addresses']).entries()) {
    const path: FieldPath = ['status', 'addresses', i];
    const fields = readFields(subject, each, path);
    const type = readText(subject, fields?.type, [...path, 'type']);
    if (type !== 'InternalIP' && type !== 'ExternalIP') continue;
    const text = readText(subject, fields?.address ?? 'null', [...path, 'address']);
    const ip = text === undefined ? undefined : readIp(subject, text, [...path, 'address']);
    if (ip !== undefined) (type === 'InternalIP' ? internal : external).push(ip);
  }
  return [...internal, ...external];
}

function readPodCIDRs(subject: Subject, value: unknown): readonly Cidr[] {
  const cidrs: Cidr[] = [];
  for (const [i, each] of readList(subject, value, ['spec', 'podCIDRs']).entries()) {
    const text = readText(subject, each ?? 'null', ['spec', 'podCIDRs', i]);
    const cidr = text === undefined ? undefined : readCidr(subject, text, ['spec', 'podCIDRs', i]);
    if (cidr !== undefined) cidrs.push(cidr);
  }
  return cidrs;
}

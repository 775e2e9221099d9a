/** core/v1 Node: its addresses, pod networks and zone. */
import type { V1Node } from '@kubernetes/client-node';
import { type Cidr, type IpAddress, parseIp } from '../net/ip.js';
import type { Diagnostic, FieldPath, Origin } from './diagnostics.js';
import {
  type Fields,
  readCidr,
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
import { ZONE_LABEL } from './labels.js';
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
    podCIDRs: readPodCIDRs(subject, spec),
    zone: metadata.labels[ZONE_LABEL] ?? '',
    origin: located.origin,
    object: located.object as unknown as V1Node,
  };
}

/** kube-proxy leaves out what is no address; some clouds put host names here. */
function readNodeAddresses(subject: Subject, value: unknown): readonly IpAddress[] {
  const internal: IpAddress[] = [];
  const external: IpAddress[] = [];
  for (const [i, each] of readList(subject, value, ['status', 'addresses']).entries()) {
    const path: FieldPath = ['status', 'addresses', i];
    const fields = readItem(subject, each, path);
    const type = readText(subject, fields?.type, [...path, 'type']);
    if (type !== 'InternalIP' && type !== 'ExternalIP') continue;
    const text = readText(subject, fields?.address, [...path, 'address']) ?? '';
    if (parseIp(text) === undefined) {
      const message = `${show(text)} is no IP address and is left out, as kube-proxy does.`;
      report(subject, 'ignored-node-address', [...path, 'address'], message);
      continue;
    }
    const ip = readIp(subject, text, [...path, 'address']);
    if (ip !== undefined) (type === 'InternalIP' ? internal : external).push(ip);
  }
  return [...internal, ...external];
}

/** The API server fills podCIDRs from podCIDR where a manifest has that alone. */
function readPodCIDRs(subject: Subject, spec: Fields | undefined): readonly Cidr[] {
  const listed = readList(subject, spec?.podCIDRs, ['spec', 'podCIDRs']);
  const single = readText(subject, spec?.podCIDR, ['spec', 'podCIDR']) ?? '';
  const cidrs: Cidr[] = [];
  const add = (text: string | undefined, path: FieldPath): void => {
    const cidr = text === undefined ? undefined : readCidr(subject, text, path);
    if (cidr !== undefined) cidrs.push(cidr);
  };
  for (const [i, each] of listed.entries()) {
    const path: FieldPath = ['spec', 'podCIDRs', i];
    add(readRequiredText(subject, each, path), path);
  }
  if (listed.length === 0 && single !== '') add(single, ['spec', 'podCIDR']);
  return cidrs;
}

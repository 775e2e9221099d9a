/** core/v1 Pod: what names and environment variables depend on. Its containers are looked at by `--simulate` only. */
import type { IpAddress } from '../net/ip.js';
import type { Diagnostic, Origin } from './diagnostics.js';
import { readBoolean, readFields, readIp, readText } from './fields.js';
import { readMetadata, subjectOf } from './metadata.js';
import type { LocatedObject } from './objects.js';
import { addUnique } from './unique.js';

/** A Pod as far as it is read here. */
export interface Pod {
  readonly namespace: string;
  readonly name: string;
  /** spec.enableServiceLinks, true when unset. */
  readonly enableServiceLinks: boolean;
  /** status.podIP; undefined before the Pod has one. */
  readonly address: IpAddress | undefined;
  /** It succeeded, failed or is being deleted. */
  readonly isOver: boolean;
  readonly origin: Origin | undefined;
}

/** Whether an object is a Pod. */
export function isPod({ object }: LocatedObject): boolean {
  return object.kind === 'Pod' && object.apiVersion === 'v1';
}

/**
 * Reads the Pods among some objects, in their order. Wrong ones are named and left out, and so is the second of two
 * with one name.
 * @param diagnostics where problems are added (invalid-name, invalid-field, invalid-address, duplicate-object)
 */
export function readPods(objects: readonly LocatedObject[], diagnostics: Diagnostic[]): readonly Pod[] {
  const pods = new Map<string, Pod>();
  for (const located of objects) {
    if (isPod(located)) addUnique(pods, parsePod(located, diagnostics), diagnostics, 'Pod');
  }
  return [...pods.values()];
}

function parsePod(located: LocatedObject, diagnostics: Diagnostic[]): Pod | undefined {
  const subject = subjectOf(located, diagnostics);
  const metadata = readMetadata(subject, located, { name: 'subdomain', namespaced: true });
  if (metadata === undefined) return undefined;
  const spec = readFields(subject, located.object.spec, ['spec']);
  const status = readFields(subject, located.object.status, ['status']);
  const given = readFields(subject, located.object.metadata, ['metadata']);
  const podIP = readText(subject, status?.podIP, ['status', 'podIP']) ?? '';
  const phase = readText(subject, status?.phase, ['status', 'phase']);
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    enableServiceLinks: readBoolean(subject, spec?.enableServiceLinks, ['spec', 'enableServiceLinks']) ?? true,
    address: podIP === '' ? undefined : readIp(subject, podIP, ['status', 'podIP']),
    isOver: phase === 'Succeeded' || phase === 'Failed' || (given?.deletionTimestamp ?? '') !== '',
    origin: located.origin,
  };
}

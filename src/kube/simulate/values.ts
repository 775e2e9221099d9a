/**
 * Reading values of which nothing is known. A malformed part reads as if it were absent: whoever reports it does so
 * elsewhere, everybody else just leaves it alone. `null` is absent too, as it is for the API server.
 */
import { compareBytes } from '../../net/text.js';
import { type Fields, isFields } from '../fields.js';
import type { LocatedObject } from '../objects.js';

export { type Fields, isFields } from '../fields.js';

/** A mapping of texts to texts, as labels and selectors are. */
export type Labels = Readonly<Record<string, string>>;

const NOTHING: Fields = Object.freeze({});

/** The mapping, or an empty one. */
export function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : NOTHING;
}

/** A field of a mapping; undefined also for what every JavaScript object inherits (`constructor`). */
export function fieldOf(value: unknown, name: string): unknown {
  return isFields(value) && Object.hasOwn(value, name) ? (value[name] ?? undefined) : undefined;
}

/** The list, or an empty one. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The text, or the empty one; Kubernetes does not tell an empty text from none. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The whole number in these bounds, or undefined. */
export function wholeNumberOf(value: unknown, least: number, most: number): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most ? value : undefined;
}

/** The entries of a mapping whose values are texts. */
export function labelsOf(value: unknown): Labels {
  return Object.fromEntries(
    Object.entries(fieldsOf(value)).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

/** `metadata.name`, empty when there is none. */
export function nameOf(object: Fields): string {
  return textOf(fieldOf(object.metadata, 'name'));
}

/** `metadata.namespace`; `default` when there is none, as kubectl has it. */
export function namespaceOf(object: Fields): string {
  return textOf(fieldOf(object.metadata, 'namespace')) || 'default';
}

/** The objects of a kind, in order of namespace and name; equal names keep the order they came in. */
export function objectsOf(objects: readonly LocatedObject[], apiVersion: string, kind: string): LocatedObject[] {
  return objects
    .filter(({ object }) => object.kind === kind && object.apiVersion === apiVersion && nameOf(object) !== '')
    .map((located) => ({ located, namespace: namespaceOf(located.object), name: nameOf(located.object) }))
    .sort((a, b) => compareBytes(a.namespace, b.namespace) || compareBytes(a.name, b.name))
    .map(({ located }) => located);
}

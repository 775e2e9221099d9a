/** One object a name. */
import { type Diagnostic, diagnostic, type Origin } from './diagnostics.js';

/** What is named. */
interface Named {
  readonly namespace?: string;
  readonly name: string;
  readonly origin: Origin | undefined;
}

/**
 * Adds an object by its name (`namespace/name`, or the name alone), unless there is one of that name already.
 * @param diagnostics where the second of two is reported (duplicate-object)
 */
export function addUnique<T extends Named>(
  map: Map<string, T>,
  value: T | undefined,
  diagnostics: Diagnostic[],
  kind: string,
): void {
  if (value === undefined) return;
  const key = value.namespace === undefined ? value.name : `${value.namespace}/${value.name}`;
  const first = map.get(key);
  if (first === undefined) {
    map.set(key, value);
    return;
  }
  const where =
    first.origin === undefined ? '' : ` (first in ${first.origin.file}, document ${first.origin.document + 1})`;
  diagnostics.push(
    diagnostic('duplicate-object', `${kind} ${key} is given twice${where}.`, {
      object: `${kind} ${key}`,
      path: ['metadata', 'name'],
      hint: 'Remove one of them.',
      origin: value.origin,
    }),
  );
}

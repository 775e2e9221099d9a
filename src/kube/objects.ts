import type { Origin } from './diagnostics.js';

/** A Kubernetes object as it was read: known to be a mapping with apiVersion and kind, nothing else checked yet. */
export interface RawObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly [field: string]: unknown;
}

/** An object and where it came from; objects handed over by a program have no origin. */
export interface LocatedObject {
  readonly object: RawObject;
  readonly origin?: Origin | undefined;
}

/** A text to read objects from, with the name it goes by in diagnostics. */
export interface SourceText {
  readonly name: string;
  readonly text: string;
}

/** Objects that a program hands over may lack what every object of a text has. */
export function isTyped(object: Partial<RawObject>): object is RawObject {
  return typeof object.apiVersion === 'string' && typeof object.kind === 'string';
}

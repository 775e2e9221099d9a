/** Diagnostics about one object of the input or one that was made up. */
import { type Diagnostic, type DiagnosticCode, diagnostic, type FieldPath } from '../diagnostics.js';
import { subjectOf } from '../metadata.js';
import type { LocatedObject } from '../objects.js';

/** Says something about an object: what (a sentence without its full stop), and where in it and what to do if that helps. */
export type Say = (
  code: DiagnosticCode,
  message: string,
  rest?: { readonly path?: FieldPath; readonly hint?: string },
) => void;

/** A Say that collects into `diagnostics`, each with the object's name and origin. */
export function sayAbout(located: LocatedObject, diagnostics: Diagnostic[]): Say {
  const subject = subjectOf(located, diagnostics, located.object.kind !== 'Node');
  const origin = located.origin && { origin: located.origin };
  return (code, message, rest = {}) => {
    diagnostics.push(diagnostic(code, `${message}.`, { object: subject.name(), ...origin, ...rest }));
  };
}

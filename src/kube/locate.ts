/** From a field of an object to the line on which it is written. */
import { groupBy } from '../net/group.js';
import type { Diagnostic, FieldPath, Place } from './diagnostics.js';
import { looksLikeJson, splitDocuments, type TextDocument } from './documents.js';
import { JsonProblem, locateInJson, skipJsonValue } from './json.js';
import type { SourceText } from './objects.js';
import { placeFinder } from './places.js';
import { locateInYaml } from './yaml-locate.js';

/** What can be looked up in a text: a diagnostic, or anything else about a field of an object. */
export type Placeable = Pick<Diagnostic, 'origin' | 'path' | 'place'>;

/**
 * The same diagnostics in the same order, with the place filled in of those that have none but an origin in one of the
 * texts: where their field is written, or if it is absent its nearest ancestor. Objects are read without keeping
 * lines, since those are wanted only for what is wrong: the documents concerned are parsed again, each once.
 */
export function placeDiagnostics<T extends Placeable>(diagnostics: readonly T[], sources: readonly SourceText[]): T[] {
  const places = new Map<T, Place>();
  for (const [file, inFile] of groupBy(diagnostics.filter(isUnplaced), (each) => each.origin?.file)) {
    const source = sources.find((each) => each.name === file);
    if (source === undefined) continue;
    const documents = splitDocuments(source.text);
    const placeOf = placeFinder(source);
    for (const [index, inDocument] of groupBy(inFile, (each) => each.origin?.document)) {
      const document = documents[index ?? -1];
      if (document === undefined) continue;
      const paths = inDocument.map((each) => [...(each.origin?.path ?? []), ...(each.path ?? [])]);
      const offsets = locate(source.text, document, paths);
      for (const [i, each] of inDocument.entries()) places.set(each, placeOf(offsets[i] ?? document.first));
    }
  }
  return diagnostics.map((each) => {
    const place = places.get(each);
    return place === undefined ? each : { ...each, place };
  });
}

function isUnplaced(each: Placeable): boolean {
  return each.place === undefined && each.origin !== undefined;
}

function locate(text: string, document: TextDocument, paths: readonly FieldPath[]): number[] {
  if (paths.every((path) => path.length === 0)) return paths.map(() => document.first);
  if (looksLikeJson(text, document) && isJson(text, document)) {
    return locateInJson(text, document.first, document.end, paths);
  }
  return locateInYaml(text, document, paths);
}

function isJson(text: string, { first, end }: TextDocument): boolean {
  try {
    skipJsonValue(text, first, end);
    return true;
  } catch (error) {
    if (error instanceof JsonProblem) return false;
    throw error;
  }
}

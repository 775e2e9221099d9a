/** Reading texts into objects, as kubectl reads the files that it is given. */
import { type Diagnostic, diagnostic, type FieldPath, type Origin } from './diagnostics.js';
import { looksLikeJson, splitDocuments, type TextDocument } from './documents.js';
import { isFields, show } from './fields.js';
import { JsonProblem, MAX_DEPTH, nestsTooDeep, skipJsonSpace, skipJsonValue } from './json.js';
import type { LocatedObject, RawObject, SourceText } from './objects.js';
import { placeFinder } from './places.js';
import { type LoadedDocument, loadYaml } from './yaml-load.js';

/** The objects of some texts, in the order in which they are written, and what was wrong with the rest. */
export interface ReadObjects {
  readonly objects: LocatedObject[];
  readonly diagnostics: Diagnostic[];
}

/**
 * Reads every object of the texts: JSON and YAML, several documents in one text, `List`s taken apart at any depth.
 *
 * Nothing but apiVersion and kind is checked. A document (or an item of a List) that is no object, or that cannot be
 * read, gives one diagnostic, and reading goes on behind it; a text with a NUL character is refused as a whole.
 *
 * Mirrors kubectl v1.36 (the resource builder of k8s.io/cli-runtime, k8s.io/apimachinery/pkg/util/yaml and
 * sigs.k8s.io/yaml), except that kubectl stops at the first error, and where it would lose something without a word: a
 * repeated key of a YAML mapping and text behind a `...` are errors here. Values may share parts (YAML aliases) and
 * are not to be changed.
 */
export function readObjects(sources: readonly SourceText[]): ReadObjects {
  const result: ReadObjects = { objects: [], diagnostics: [] };
  for (const source of sources) {
    for (const document of readDocuments(source)) {
      if ('diagnostic' in document) result.diagnostics.push(document.diagnostic);
      else addObjects(document.value, document.origin, result);
    }
  }
  return result;
}

/** A document that holds something, or why it cannot be read. */
export type ReadDocument = { readonly value: unknown; readonly origin: Origin } | { readonly diagnostic: Diagnostic };

/** Reads the documents of one text, whatever they hold: JSON values, as kubectl makes them of JSON and YAML. */
export function readDocuments(source: SourceText): ReadDocument[] {
  const { name: file, text } = source;
  const placeOf = placeFinder(source);
  const nul = text.indexOf('\0');
  if (nul >= 0) {
    const about = { place: placeOf(nul), hint: 'Give YAML or JSON in UTF-8.' };
    return [{ diagnostic: diagnostic('binary-input', 'there is a NUL character in it.', about) }];
  }
  const documents = splitDocuments(text);
  return loadDocuments(text, documents).flatMap((loaded, i): ReadDocument[] => {
    const origin: Origin = { file, document: i, path: [] };
    if ('value' in loaded) return loaded.value === null ? [] : [{ value: loaded.value, origin }];
    const { code, reason, offset } = loaded.refusal;
    const place = placeOf(offset >= (documents[i]?.end ?? 0) ? lastContent(text, offset) : offset);
    const message = `this is no ${FORMATS[code]}: ${reason}.`;
    return [{ diagnostic: diagnostic(code, message, { origin, place, hint: HINTS[code] }) }];
  });
}

/** The offset behind the last character before another that is no white space: there a document ends to the eye. */
function lastContent(text: string, offset: number): number {
  let at = offset;
  while (at > 0 && /\s/.test(text.charAt(at - 1))) at--;
  return at;
}

const FORMATS = { 'invalid-json': 'JSON', 'invalid-yaml': 'YAML' } as const;
const HINTS = {
  'invalid-json': 'Look for a comma, a quote or a closing bracket that is missing or too many.',
  'invalid-yaml': 'Look at the indentation, at colons without a space and at quotes, in this line and the one before.',
} as const;

/** Why a document cannot be read. */
interface Refusal {
  readonly code: 'invalid-json' | 'invalid-yaml';
  readonly reason: string;
  readonly offset: number;
}

type DocumentResult = { readonly value: unknown } | { readonly refusal: Refusal };

/** The values of documents; null stands for documents without content, too. */
function loadDocuments(text: string, documents: readonly TextDocument[]): DocumentResult[] {
  const results: (DocumentResult | undefined)[] = documents.map((document) => {
    if (document.problem !== undefined) return { refusal: { code: 'invalid-yaml', ...document.problem } };
    if (document.first >= document.end) return { value: null };
    return looksLikeJson(text, document) ? loadJson(text, document) : undefined;
  });
  const rest = documents.filter((_, i) => results[i] === undefined);
  const loaded = loadYaml(text, rest);
  let next = 0;
  return results.map((result, i) => result ?? judgeYaml(text, documents[i], loaded[next++]));
}

/** In characters: a longer document that begins as JSON is JSON. */
const LONGEST_FLOW_YAML = 1_000_000;

/** Reads a document that begins as JSON; undefined if it is none, but may be a YAML flow collection. */
function loadJson(text: string, document: TextDocument): DocumentResult | undefined {
  const { first, end } = document;
  try {
    const value: unknown = JSON.parse(first === 0 && end === text.length ? text : text.slice(first, end));
    if (!nestsTooDeep(text, first, end)) return { value };
    return refuseJson(`it nests deeper than ${MAX_DEPTH} levels`, first);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  const problem = jsonProblem(text, document);
  if (problem === undefined) return undefined;
  // What is JSON up to its very end, but not closed, is not closed in YAML either; and nobody writes YAML's own flow
  // collections of this size.
  const isMeantAsJson = problem.offset >= end || end - first > LONGEST_FLOW_YAML;
  return isMeantAsJson ? refuseJson(problem.message, Math.min(problem.offset, end)) : undefined;
}

function refuseJson(reason: string, offset: number): DocumentResult {
  return { refusal: { code: 'invalid-json', reason, offset } };
}

function jsonProblem(text: string, { first, end }: TextDocument): JsonProblem | undefined {
  try {
    const behind = skipJsonSpace(text, skipJsonValue(text, first, end), end);
    return behind < end ? new JsonProblem('something follows the end of the value', behind) : undefined;
  } catch (error) {
    if (error instanceof JsonProblem) return error;
    throw error;
  }
}

/** What YAML takes where JSON takes nothing: with such a character a flow collection is meant. */
const NO_JSON = /[A-Za-z_'#&*!?|>.~-]/;

/** Of a document that begins as JSON and is not even YAML, kubectl tells why it is no JSON; so it is here, if it looks so. */
function judgeYaml(
  text: string,
  document: TextDocument | undefined,
  loaded: LoadedDocument | undefined,
): DocumentResult {
  if (loaded === undefined || document === undefined) return { value: null };
  if ('value' in loaded) return loaded;
  const json = looksLikeJson(text, document) ? jsonProblem(text, document) : undefined;
  if (json !== undefined && !NO_JSON.test(text.charAt(json.offset))) return refuseJson(json.message, json.offset);
  return { refusal: { code: 'invalid-yaml', reason: loaded.problem.message, offset: loaded.problem.offset } };
}

/** Adds an object, or those of a List. */
function addObjects(value: unknown, origin: Origin, result: ReadObjects): void {
  if (!isObject(value)) {
    const hint = 'Every object is a mapping with apiVersion and kind.';
    const message = `${describe(value, origin.path)}.`;
    result.diagnostics.push(diagnostic('not-an-object', message, { origin, hint }));
  } else if (!isList(value)) {
    result.objects.push({ object: value, origin });
  } else if (Array.isArray(value.items)) {
    for (const [i, item] of value.items.entries()) {
      addObjects(completeItem(item, value), { ...origin, path: [...origin.path, 'items', i] }, result);
    }
  } else if (value.items !== null) {
    const path: FieldPath = ['items'];
    result.diagnostics.push(diagnostic('invalid-field', `items of a ${value.kind} is no list.`, { origin, path }));
  }
}

function isObject(value: unknown): value is RawObject {
  return isFields(value) && isName(value.apiVersion) && isName(value.kind);
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

/** What is wrong with a value that is no object. */
function describe(value: unknown, path: FieldPath): string {
  const index = path.at(-1);
  const subject = index === undefined ? 'this document' : `item ${index} of the List`;
  if (isFields(value)) {
    const missing = ['apiVersion', 'kind'].filter((field) => !isName(value[field]));
    return `${subject} has no ${missing.join(' and no ')}`;
  }
  return `${subject} is ${typeof value === 'string' ? `the text ${show(value)}` : show(value)}, no object`;
}

/** Whether an object stands for its items; an empty list may come as `items: null`. */
function isList(object: RawObject): boolean {
  return object.kind.endsWith('List') && Object.hasOwn(object, 'items');
}

/** The API server leaves apiVersion and kind out of the items of typed lists (`ServiceList`): they follow from the list. */
function completeItem(item: unknown, list: RawObject): unknown {
  if (!isFields(item) || list.kind === 'List') return item;
  const given = isName(item.apiVersion) || isName(item.kind);
  return given ? item : { ...item, apiVersion: list.apiVersion, kind: list.kind.slice(0, -'List'.length) };
}

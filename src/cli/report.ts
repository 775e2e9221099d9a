/** Diagnostics for people: one line each on stderr. */
import { styleText } from 'node:util';
import { type Diagnostic, printPath, type Severity } from '../kube/diagnostics.js';
import type { Io } from './io.js';

/** How many objects of one diagnostic are named before the rest is only counted. */
const MOST_OBJECTS = 3;

/** How many diagnostics of one code are printed before the rest is only counted. */
const MOST_OF_A_CODE = 20;

const COLORS: Readonly<Record<Severity, 'red' | 'yellow' | 'cyan'>> = { error: 'red', warning: 'yellow', note: 'cyan' };
const RANK: Readonly<Record<Severity, number>> = { error: 0, warning: 1, note: 2 };

/** Prints diagnostics: errors first, otherwise in the order found. */
export function printDiagnostics(diagnostics: readonly Diagnostic[], io: Io): void {
  for (const line of diagnosticLines(diagnostics, io.color)) io.err(`${line}\n`);
}

/** The lines that printDiagnostics prints. */
export function diagnosticLines(diagnostics: readonly Diagnostic[], color: boolean): readonly string[] {
  const ordered = [...diagnostics].sort((a, b) => RANK[a.severity] - RANK[b.severity]);
  const counts = new Map<string, number>();
  const lines: string[] = [];
  for (const each of ordered) {
    const tag = tagOf(each);
    const count = (counts.get(tag) ?? 0) + 1;
    counts.set(tag, count);
    // What was allocated is the answer to a question; everything else tells its story in a few lines.
    if (count <= MOST_OF_A_CODE || each.code === 'simulated') lines.push(printDiagnostic(each, color));
  }
  for (const [tag, count] of counts) {
    if (count > MOST_OF_A_CODE && tag !== 'simulated') {
      lines.push(`... and ${count - MOST_OF_A_CODE} more [${tag}] (all of them with --output json)`);
    }
  }
  return lines;
}

/** `objects.yaml:12: error: Service shop/web: spec.ports[0].port: 0 is no port. Write … [invalid-port]` */
export function printDiagnostic(each: Diagnostic, color: boolean): string {
  const { place, severity, path } = each;
  const paint = (style: 'bold' | 'dim' | 'red' | 'yellow' | 'cyan', text: string) =>
    color ? styleText(style, printable(text), { validateStream: false }) : printable(text);
  const file = place?.file ?? each.origin?.file;
  const where = file === undefined ? '' : `${file}${place?.line === undefined ? '' : `:${place.line}`}: `;
  const object = objectsText(each);
  const about = object === undefined ? '' : `${object}: `;
  const field = path === undefined || path.length === 0 ? '' : `${printPath(path)}: `;
  const hint = each.hint === undefined ? '' : ` ${each.hint}`;
  const text = printable(`${about}${field}${each.message}${hint}`);
  return `${paint('bold', where)}${paint(COLORS[severity], `${severity}:`)} ${text} ${paint('dim', `[${tagOf(each)}]`)}`;
}

/** What stands in brackets: the code, and the topic where there is one. */
function tagOf({ code, topic }: Diagnostic): string {
  return topic === undefined ? code : `${code}: ${topic}`;
}

/** `Service shop/web`, or of many `Service shop/web, shop/cart, shop/pay and 12 more`. */
function objectsText({ object, objects = [] }: Diagnostic): string | undefined {
  if (objects.length === 0) return object;
  const named = objects.slice(0, MOST_OBJECTS).map((each, i) => (i === 0 ? each : each.replace(/^\S+ /, '')));
  const more = objects.length - named.length;
  return more === 0 ? named.join(', ') : `${named.join(', ')} and ${more} more`;
}

/** Names of files and keys of mappings are anybody's; nothing but printable text reaches the terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`);
}

/** A diagnostic as it is printed by `--output json`. */
export function diagnosticJson(each: Diagnostic): unknown {
  const { code, topic, severity, object, objects, path, place, origin, message, hint } = each;
  return {
    code,
    topic,
    severity,
    object,
    objects,
    path: path && printPath(path),
    file: place?.file ?? origin?.file,
    line: place?.line,
    column: place?.column,
    message,
    hint,
  };
}

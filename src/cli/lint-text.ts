/** Findings for people and for programs. */
import type { Check, Finding, Involved } from '../inspect/lint/check.js';
import { LINT_CHECKS, type LintResult } from '../inspect/lint/lint.js';
import { type Diagnostic, printPath } from '../kube/diagnostics.js';
import type { Terminal } from './io.js';
import { type Paint, painter } from './paint.js';
import { diagnosticJson, printable } from './report.js';
import { LEAST_WIDTH, textOf, wrap } from './wrap.js';

const COLORS = { warning: 'yellow', note: 'cyan' } as const;

/** How many of the other objects of a finding are shown with their places. */
const MOST_OTHERS = 4;

/**
 * Findings under the object that they are about, places and severities in columns; then once the reason of each check
 * that found something, and a line that counts. Lines are broken at the width of the terminal only, so that elsewhere
 * each finding is one line for grep.
 */
export function findingsText(result: LintResult, terminal: Terminal | undefined): string {
  const paint = painter(terminal);
  const lines: string[] = [];
  let group: string | undefined;
  const placeWidth = result.findings.reduce((width, finding) => Math.max(width, placeText(finding).length), 0);
  for (const finding of result.findings) {
    if (finding.group !== group) {
      if (group !== undefined) lines.push('');
      group = finding.group;
      lines.push(paint('bold', printable(group)));
    }
    for (const line of findingLines(finding, placeWidth, terminal, paint)) lines.push(line);
  }
  if (lines.length > 0) lines.push('', 'Reasons');
  for (const { code, reason } of checksOf(result.findings)) {
    const [first = '', ...more] = wrap(`${code}: ${reason}`, '  ', terminal?.width);
    lines.push(
      first.replace(code, () => paint('bold', code)),
      ...more,
    );
  }
  if (lines.length > 0) lines.push('');
  lines.push(...wrap(summary(result), '', terminal?.width));
  return textOf(lines);
}

/** The checks of which something was found, in the order of the table. */
export function checksOf(findings: readonly Finding[]): readonly Check[] {
  const codes = new Set(findings.map(({ code }) => code));
  return LINT_CHECKS.filter(({ code }) => codes.has(code));
}

function findingLines(
  finding: Finding,
  placeWidth: number,
  terminal: Terminal | undefined,
  paint: Paint,
): readonly string[] {
  const { severity, code, message, wayOut } = finding;
  const place = placeWidth === 0 ? '' : `${placeText(finding).padEnd(placeWidth)}  `;
  const head = `  ${place}${severity.padEnd(7)}  `;
  const painted = `  ${place}${paint(COLORS[severity], severity)}${' '.repeat(9 - severity.length)}`;
  const width = terminal?.width;
  // Beside long names of files nothing has room; then the text stands below them.
  const isBeside = width === undefined || width - head.length >= LEAST_WIDTH;
  const indent = isBeside ? ' '.repeat(head.length) : '    ';
  const text = [
    ...wrap(`${printable(message)} [${code}]`, indent, width).map((line) => dimCode(line, code, paint)),
    ...wrap(`Way out: ${printable(wayOut)}`, indent, width),
    ...wrap(othersText(finding), indent, width).map((line) => paint('dim', line)),
  ];
  if (!isBeside) return [painted.trimEnd(), ...text];
  return text.map((line, i) => (i === 0 ? painted + line.slice(indent.length) : line));
}

function dimCode(line: string, code: string, paint: Paint): string {
  const tag = `[${code}]`;
  return line.endsWith(tag) ? line.slice(0, -tag.length) + paint('dim', tag) : line;
}

/** Where the other objects are written, if it is a handful. */
function othersText({ others }: Finding): string {
  const known = others.filter(({ place }) => place?.line !== undefined);
  if (known.length === 0 || known.length > MOST_OTHERS) return '';
  const list = known.map((other) => `${printable(other.object)} (${placeText(other)})`);
  return `See also: ${list.join(', ')}`;
}

function placeText({ place, origin }: Involved): string {
  const file = place?.file ?? origin?.file;
  if (file === undefined) return '';
  return printable(place?.line === undefined ? file : `${file}:${place.line}`);
}

function summary({ findings, silenced, checks }: LintResult): string {
  const counted = (['warning', 'note'] as const).flatMap((severity) => {
    const number = findings.filter((each) => each.severity === severity).length;
    return number === 0 ? [] : [`${number} ${severity}${number === 1 ? '' : 's'}`];
  });
  const found = counted.length === 0 ? 'Nothing found' : counted.join(', ');
  const hidden = silenced === 0 ? '' : `; ${silenced} silenced by annotations`;
  return `${found} (${checks} check${checks === 1 ? '' : 's'}${hidden}).`;
}

/** The table of checks: code, severity, title. */
export function checkListText(checks: readonly Check[], terminal: Terminal | undefined): string {
  const paint = painter(terminal);
  const codeWidth = checks.reduce((width, { code }) => Math.max(width, code.length), 0);
  const width = terminal?.width;
  const isBeside = width === undefined || width - codeWidth - 11 >= LEAST_WIDTH;
  const indent = ' '.repeat(isBeside ? codeWidth + 11 : 4);
  return textOf(
    checks.flatMap(({ code, severity, title }) => {
      const gaps = [codeWidth - code.length + 2, 9 - severity.length].map((length) => ' '.repeat(length));
      const head = `${paint('bold', code)}${gaps[0]}${paint(COLORS[severity], severity)}`;
      const lines = wrap(title, indent, width);
      if (!isBeside) return [head, ...lines];
      return lines.map((line, i) => (i === 0 ? head + gaps[1] + line.slice(indent.length) : line));
    }),
  );
}

/** Everything about one check. */
export function explanationText(check: Check, terminal: Terminal | undefined): string {
  const paint = painter(terminal);
  const { code, severity, title, reason, wayOut } = check;
  return textOf([
    `${paint('bold', code)} (${paint(COLORS[severity], severity)})`,
    ...wrap(`Finds: ${title}.`, '', terminal?.width),
    ...wrap(`Reason: ${reason}`, '', terminal?.width),
    ...wrap(`Way out: ${wayOut}`, '', terminal?.width),
  ]);
}

/**
 * What `--output json` prints; docs/schema/lint.json describes it.
 * @param checks those of which something was found, or that were asked for
 */
export function jsonText(
  result: LintResult | undefined,
  checks: readonly Check[],
  diagnostics: readonly Diagnostic[],
): string {
  const value = {
    findings: (result?.findings ?? []).map(findingJson),
    checks: checks.map(({ code, severity, title, reason, wayOut }) => ({ code, severity, title, reason, wayOut })),
    notChecked: result?.notChecked ?? [],
    silenced: result?.silenced ?? 0,
    diagnostics: diagnostics.map(diagnosticJson),
  };
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

function findingJson(finding: Finding): unknown {
  const { code, severity, message, wayOut, others } = finding;
  return { code, severity, ...involvedJson(finding), message, wayOut, others: others.map(involvedJson) };
}

function involvedJson({ object, path, place, origin }: Involved) {
  return {
    object,
    path: path && printPath(path),
    file: place?.file ?? origin?.file,
    line: place?.line,
    column: place?.column,
  };
}

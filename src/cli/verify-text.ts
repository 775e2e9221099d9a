/** What verify found, for people and for programs. */
import type { VerifyFinding } from '../inspect/verify/finding.js';
import type { VerifyResult } from '../inspect/verify/verify.js';
import type { Diagnostic } from '../kube/diagnostics.js';
import { apiNameOf, FAMILIES } from '../net/family.js';
import type { Terminal } from './io.js';
import { type Paint, painter } from './paint.js';
import { diagnosticJson, printable } from './report.js';
import { textOf, wrap } from './wrap.js';

const COLORS = { error: 'red', note: 'cyan' } as const;

/** How many of the differences behind a finding are shown. */
const MOST_SHOWN = 4;

/** Findings about the whole node, then by service port; lines are broken at the width of the terminal only. */
export function verifyText(result: VerifyResult, terminal: Terminal | undefined): string {
  const paint = painter(terminal);
  const lines: string[] = [];
  const groups = new Map<string, VerifyFinding[]>();
  for (const finding of result.findings) {
    const name = finding.servicePort === undefined ? '' : `${finding.servicePort} (${finding.protocol})`;
    groups.set(name, [...(groups.get(name) ?? []), finding]);
  }
  const names = [...groups.keys()].sort((a, b) => (a === '' ? -1 : b === '' ? 1 : 0));
  for (const name of names) {
    lines.push(paint('bold', printable(name === '' ? `Node ${result.node ?? ''}`.trim() : name)));
    for (const finding of groups.get(name) ?? []) lines.push(...findingLines(finding, terminal, paint));
    lines.push('');
  }
  lines.push(...wrap(summary(result), '', terminal?.width));
  return textOf(lines);
}

function findingLines(
  { code, severity, family, message, hint, details }: VerifyFinding,
  terminal: Terminal | undefined,
  paint: Paint,
): readonly string[] {
  const head = `  ${family === undefined ? '    ' : apiNameOf(family)}  ${severity}`;
  const indent = ' '.repeat(15);
  const text = wrap(`${printable(message)} [${code}]`, indent, terminal?.width);
  const [first = '', ...more] = text;
  const shown = details.filter(({ place }) => place?.line !== undefined).slice(0, MOST_SHOWN);
  const places = [...new Set(shown.map(({ place }) => `${printable(place?.file ?? '')}:${place?.line}`))];
  return [
    `${head.replace(severity, () => paint(COLORS[severity], severity))}${' '.repeat(indent.length - head.length)}${first.slice(indent.length)}`,
    ...more,
    ...(places.length === 0
      ? []
      : wrap(`See ${places.join(', ')}`, indent, terminal?.width).map((line) => paint('dim', line))),
    ...wrap(hint, indent, terminal?.width).map((line) => paint('dim', line)),
  ];
}

function summary({ findings, servicePorts, mode, node }: VerifyResult): string {
  const counted = (['error', 'note'] as const).flatMap((severity) => {
    const number = findings.filter((each) => each.severity === severity).length;
    return number === 0 ? [] : [`${number} ${severity}${number === 1 ? '' : 's'}`];
  });
  const compared = FAMILIES.flatMap((family) => {
    const number = servicePorts[family];
    return number === undefined ? [] : [`${number} service port${number === 1 ? '' : 's'} of ${apiNameOf(family)}`];
  });
  const where = node === undefined ? '' : ` on ${node}`;
  return `${counted.length === 0 ? 'Nothing wrong' : counted.join(', ')} (mode ${mode}${where}: ${compared.join(', ')}).`;
}

/** What `--output json` prints; docs/schema/verify.json describes it. */
export function verifyJson(result: VerifyResult | undefined, diagnostics: readonly Diagnostic[]): string {
  const value = {
    mode: result?.mode ?? null,
    node: result?.node ?? null,
    servicePorts: result?.servicePorts ?? {},
    findings: (result?.findings ?? []).map(findingJson),
    diagnostics: diagnostics.map(diagnosticJson),
  };
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

function findingJson({ details, ...finding }: VerifyFinding): unknown {
  return {
    ...finding,
    details: details.map(({ place, ...detail }) => ({ ...detail, file: place?.file, line: place?.line })),
  };
}

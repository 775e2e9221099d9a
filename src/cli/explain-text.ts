/** Explanations for people. */
import type {
  EndpointExplanation,
  Explanation,
  LineExplanation,
  NameExplanation,
  NameMeaning,
  PortExplanation,
  ServiceExplanation,
  Setting,
} from '../inspect/explain/model.js';
import { apiNameOf } from '../net/family.js';
import type { Terminal } from './io.js';
import { painter } from './paint.js';
import { printable } from './report.js';
import { LEAST_WIDTH, textOf, wrap } from './wrap.js';

/** How to print. */
export interface ExplainTextOptions {
  /** Whether the lines of a Service are printed too. */
  readonly rules: boolean;
  readonly terminal: Terminal | undefined;
}

/** More endpoints or sets are counted, unless the lines are asked for. */
const MOST_ROWS = 30;

interface Printer {
  readonly lines: string[];
  readonly rules: boolean;
  /** A line below a heading, broken at the width of a terminal; further lines stand `hang` columns in. */
  text(indent: number, text: string, hang?: number): void;
  heading(indent: number, text: string): void;
  /** Columns side by side, the last one broken. */
  rows(indent: number, rows: readonly (readonly string[])[]): void;
}

/** The text of an explanation. */
export function explanationText(explanation: Explanation, setting: Setting, options: ExplainTextOptions): string {
  const printer = createPrinter(options);
  if (explanation.kind === 'service') printService(printer, explanation, setting);
  else if (explanation.kind === 'name') printName(printer, explanation, setting, 0);
  else printLines(printer, explanation.kind === 'lines' ? explanation.lines : [explanation], setting);
  return textOf(printer.lines);
}

function createPrinter({ rules, terminal }: ExplainTextOptions): Printer {
  const lines: string[] = [];
  const paint = painter(terminal);
  const text = (indent: number, value: string, hang = indent): void => {
    lines.push(...wrap(printable(value), ' '.repeat(indent), terminal?.width, ' '.repeat(hang)));
  };
  return {
    lines,
    rules,
    text,
    heading: (indent, value) => {
      lines.push(' '.repeat(indent) + paint('bold', printable(value)));
    },
    rows: (indent, rows) => {
      const widths: number[] = [];
      for (const row of rows) {
        for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
      }
      for (const row of rows) {
        const last = row.length - 1;
        const before = row.slice(0, last).map((cell, i) => cell.padEnd((widths[i] ?? 0) + 2));
        const hang = indent + before.join('').length;
        const isNarrow = terminal !== undefined && terminal.width - hang < LEAST_WIDTH;
        text(indent, `${before.join('')}${row[last] ?? ''}`.trimEnd(), isNarrow ? indent + 4 : hang);
      }
    },
  };
}

function printService(printer: Printer, explanation: ServiceExplanation, setting: Setting): void {
  const { service, type, summary, noRules, ports, records, variables } = explanation;
  printer.heading(0, `Service ${service}`);
  printer.text(0, `Type ${type}: ${summary}`);
  printer.text(0, settingText(setting));
  if (noRules !== undefined) printer.text(0, `No rules: ${noRules}`);
  for (const port of ports) printPort(printer, port);
  if (records.length > 0) {
    printer.lines.push('');
    printer.heading(0, 'DNS');
    printer.rows(
      2,
      records.map(({ name, type: kind, data }) => [name, kind, data]),
    );
  }
  if (variables.length > 0) {
    printer.lines.push('');
    printer.heading(0, 'Environment of Pods of its namespace');
    for (const { name, value } of variables) printer.text(2, `${name}=${value}`);
  }
}

function settingText({ mode, node }: Setting): string {
  return node === '' ? `On a node without endpoints of its own, mode ${mode}.` : `On node ${node}, mode ${mode}.`;
}

function printPort(printer: Printer, port: PortExplanation): void {
  const { name, protocol, family, addresses, endpoints, decisions, objects, lines } = port;
  printer.lines.push('');
  printer.heading(0, `${name}, ${port.port}/${protocol}, ${apiNameOf(family)}`);
  printer.text(2, 'Answers on');
  printer.rows(
    4,
    addresses.map(({ kind, address, note }) => [kind, address, note]),
  );
  printer.text(2, endpoints.length === 0 ? 'Endpoints: none' : 'Endpoints');
  printer.rows(4, limited(printer, endpoints.map(endpointRow)));
  printer.text(2, 'Decisions');
  printer.rows(
    4,
    decisions.map(({ about, text }) => [about, text]),
  );
  printer.text(2, 'Rules');
  printer.rows(
    4,
    limited(
      printer,
      objects.map(({ kind, table, name: object, count, purpose }) => [
        table === undefined ? kind : `${kind} of ${table}`,
        object,
        String(count),
        purpose,
      ]),
    ),
  );
  if (!printer.rules) return;
  let part = '';
  for (const line of lines) {
    const place = line.table === undefined ? line.part : `${line.part}, table ${line.table}`;
    if (place !== part) printer.text(2, `Lines of ${place}`);
    part = place;
    // Lines are for copying: they are never broken.
    printer.lines.push(`    ${printable(line.text)}`);
  }
}

function limited(printer: Printer, rows: readonly (readonly string[])[]): readonly (readonly string[])[] {
  if (printer.rules || rows.length <= MOST_ROWS) return rows;
  return [...rows.slice(0, MOST_ROWS), [`... and ${rows.length - MOST_ROWS} more (--rules prints all)`]];
}

function endpointRow(each: EndpointExplanation): readonly string[] {
  const where = each.local ? 'this node' : (each.node ?? 'no node');
  return [each.endpoint, each.state, where, each.reason];
}

function printName(printer: Printer, explanation: NameExplanation, setting: Setting, indent: number): void {
  printer.heading(indent, explanation.name);
  for (const meaning of explanation.meanings) printer.text(indent + 2, meaningText(meaning, setting), indent + 4);
}

function meaningText(meaning: NameMeaning, setting: Setting): string {
  const { what, table, owner, modes, servicePort, protocol, endpoint, text, present } = meaning;
  const whose =
    owner === 'kube-proxy'
      ? `kube-proxy's ${what}`
      : owner === 'kubelet'
        ? `kubelet's ${what}`
        : owner === 'kernel'
          ? `built-in ${what}`
          : what;
  const where = table === undefined ? '' : ` of table ${table}`;
  const inModes = modes.length === 0 ? '' : ` (mode ${modes.join(', ')})`;
  const of = servicePort === undefined ? '' : ` of ${servicePort} (${protocol})`;
  const at = endpoint === undefined ? '' : `, endpoint ${endpoint}`;
  const isOther = modes.length > 0 && !modes.includes(setting.mode);
  const there = isOther
    ? ` Mode ${setting.mode} has no such ${what}: if a node has it, it was left behind by another mode.`
    : present === false
      ? ` The rules of this node have no such ${what} now.`
      : '';
  return `${whose}${where}${inModes}${of}${at}: ${text}.${there}`;
}

/** Lines below each other; what was said of a name is not said again. */
function printLines(printer: Printer, lines: readonly LineExplanation[], setting: Setting): void {
  const said = new Set<string>();
  for (const [i, each] of lines.entries()) {
    if (i > 0) printer.lines.push('');
    printLine(printer, each);
    for (const name of each.names) {
      if (!said.has(name.name)) printName(printer, name, setting, 2);
      said.add(name.name);
    }
  }
}

function printLine(printer: Printer, explanation: LineExplanation): void {
  const { line, what, matches, effect, reason, written, nearest } = explanation;
  printer.lines.push(printable(line));
  const rows: (readonly string[])[] = [['what', what]];
  if (matches.length > 0) rows.push(['if', matches.join(', and ')]);
  rows.push(['does', effect]);
  if (reason !== '') rows.push(['why', reason]);
  if (written !== undefined) rows.push(['written', writtenText(written)]);
  if (nearest !== undefined) rows.push(['nearest', nearest]);
  printer.rows(2, rows);
}

function writtenText(written: boolean): string {
  return written
    ? 'yes, the compiled rules of this node have it'
    : 'no, this is not a line that kube-proxy writes for these objects on this node: it is stale, changed, of another cluster, or not of kube-proxy';
}

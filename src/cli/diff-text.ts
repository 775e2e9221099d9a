/** What `diff` found, for people. */
import type { ServiceChange } from '../inspect/diff/services.js';
import type { DiffReport, DiffView } from './diff-report.js';
import {
  commonText,
  detailLines,
  type Mark,
  modeText,
  nodesText,
  renamedTexts,
  settingText,
  sidesText,
  summaryText,
} from './diff-words.js';
import type { Terminal } from './io.js';
import { type Paint, painter, type Style } from './paint.js';
import { printable } from './report.js';
import { textOf, wrap } from './wrap.js';

const COLORS: Readonly<Record<Mark, Style | undefined>> = { '+': 'green', '-': 'red', '~': 'yellow', ' ': undefined };
const MARKS = { added: '+', removed: '-', changed: '~' } as const;

/** The summary first, then the node, the modes, each Service, and the lines of rules; wrapped on a terminal only. */
export function diffText({ views }: DiffReport, terminal: Terminal | undefined): string {
  const overview = nodesText(views);
  const lines = views.flatMap((view, i) => [
    ...(i === 0 && overview === undefined ? [] : ['']),
    ...viewLines(view, terminal),
  ]);
  return textOf(overview === undefined ? lines : [overview, ...lines]);
}

function viewLines(view: DiffView, terminal: Terminal | undefined): readonly string[] {
  const paint = painter(terminal);
  const width = terminal?.width;
  const { diff } = view;
  const section = (title: string, texts: readonly string[]) =>
    texts.length === 0
      ? []
      : ['', paint('bold', title), ...texts.flatMap((text) => wrap(printable(text), '  ', width, '    '))];
  return [
    ...wrap(printable(summaryText(diff)), '', width).map((line) => paint('bold', line)),
    ...wrap(printable(sidesText(view)), '', width),
    ...section('Renamed', renamedTexts(diff)),
    ...section('Node', [...diff.settings.map(settingText), ...diff.common.map(commonText)]),
    ...section('Modes', diff.modes.map(modeText)),
    ...diff.services.flatMap((service) => ['', ...serviceLines(service, width, paint)]),
    ...diff.rules.flatMap(({ service, diff: text }) => [
      '',
      paint('bold', `Rules of ${service === '' ? 'the node' : printable(service)}`),
      ...text
        .split('\n')
        .slice(0, -1)
        .map((line) => ruleLine(line, paint)),
    ]),
  ];
}

function serviceLines(change: ServiceChange, width: number | undefined, paint: Paint): readonly string[] {
  const mark = MARKS[change.status];
  const head = `${paint(COLORS[mark] ?? 'bold', mark)} ${paint('bold', printable(change.service))}`;
  return [
    head,
    ...detailLines(change).flatMap((line) => {
      const [first = '', ...more] = wrap(printable(line.text), '    ', width, '      ');
      const color = COLORS[line.mark];
      const sign = color === undefined ? ' ' : paint(color, line.mark);
      return [`  ${sign} ${first.slice(4)}`, ...more];
    }),
  ];
}

function ruleLine(line: string, paint: Paint): string {
  const text = printable(line);
  if (line.startsWith('+')) return paint('green', text);
  if (line.startsWith('-')) return paint('red', text);
  return line.startsWith('@@') ? paint('cyan', text) : text;
}

/** What `diff` found, as JSON for programs and as markdown for a pull request. */
import type { TrafficDiff } from '../inspect/diff/diff.js';
import type { ServiceChange } from '../inspect/diff/services.js';
import type { ProxyMode } from '../kube/config.js';
import type { Diagnostic } from '../kube/diagnostics.js';
import {
  commonText,
  detailLines,
  modeText,
  nodesText,
  renamedTexts,
  settingText,
  sidesText,
  summaryText,
} from './diff-words.js';
import { diagnosticJson, printable } from './report.js';

/** What changes on some nodes alike. */
export interface DiffView {
  readonly nodes: readonly string[];
  readonly before: { readonly node: string; readonly mode: ProxyMode };
  readonly after: { readonly node: string; readonly mode: ProxyMode };
  readonly diff: TrafficDiff;
}

/** Everything that was compared; one view unless there are several nodes. */
export interface DiffReport {
  readonly views: readonly DiffView[];
}

/** What `--output json` prints; docs/schema/diff.json describes it. */
export function diffJson(report: DiffReport | undefined, diagnostics: readonly Diagnostic[]): string {
  const value = {
    same: report === undefined ? null : report.views.every(({ diff }) => diff.same),
    views: (report?.views ?? []).map(({ nodes, before, after, diff }) => ({ nodes, before, after, ...diff })),
    diagnostics: diagnostics.map(diagnosticJson),
  };
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** A comment for a pull request: the summary in sight, the details of each Service folded. */
export function diffMarkdown({ views }: DiffReport): string {
  const overview = nodesText(views);
  const blocks = views.map((view) => viewMarkdown(view));
  return (overview === undefined ? blocks : [`${escaped(overview)}\n`, ...blocks]).join('\n');
}

function viewMarkdown(view: DiffView): string {
  const { diff } = view;
  const blocks: string[] = [`### Traffic: ${escaped(summaryText(diff))}`, escaped(sidesText(view))];
  const list = (texts: readonly string[]) => texts.map((text) => `- ${escaped(text)}`).join('\n');
  const notes = [...renamedTexts(diff), ...diff.settings.map(settingText), ...diff.common.map(commonText)];
  if (notes.length > 0) blocks.push(list(notes));
  if (diff.services.length > 0) blocks.push(table(diff.services));
  for (const service of diff.services) {
    const details = list(detailLines(service).map(({ mark, text }) => `${SIGNS[mark]}${text}`));
    blocks.push(folded(`${service.service}: ${service.status}`, details));
  }
  if (diff.modes.length > 0) blocks.push(folded('What the modes do differently', list(diff.modes.map(modeText))));
  for (const { service, diff: lines } of diff.rules) {
    blocks.push(folded(`Rules of ${service === '' ? 'the node' : service}`, fenced(lines)));
  }
  return `${blocks.join('\n\n')}\n`;
}

const SIGNS = { '+': 'new: ', '-': 'gone: ', '~': '', ' ': '' } as const;

function table(services: readonly ServiceChange[]): string {
  const rows = services.map(({ service, status, added, removed, effects }) => {
    const senders = effects.length === 0 ? '' : String(effects.length);
    return `| ${escaped(service)} | ${status} | ${added.length || ''} | ${removed.length || ''} | ${senders} |`;
  });
  return ['| Service | | new addresses | gone | changes |', '| --- | --- | ---: | ---: | ---: |', ...rows].join('\n');
}

function folded(summary: string, content: string): string {
  return `<details><summary>${escaped(summary)}</summary>\n\n${content}\n\n</details>`;
}

/** A fence longer than any in the text. */
function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}diff\n${printableLines(text)}${fence}`;
}

function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/** Text that stays text: no markup, no HTML, no mention of anybody. */
function escaped(text: string): string {
  return printable(text)
    .replace(/[\\`*_{}[\]#|~]/g, (char) => `\\${char}`)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('@', '&#64;');
}

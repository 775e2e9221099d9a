/** What apply and cleanup changed, or would change, for people and for programs. */
import type { AreaChange } from '../apply/apply.js';
import type { UdpFlow } from '../apply/conntrack.js';
import { commandText } from '../apply/host.js';
import { wantedName } from '../apply/wanted.js';
import type { Change } from '../backends/change.js';
import type { Diagnostic } from '../kube/diagnostics.js';
import { joinHostPort } from '../net/ip.js';
import type { Terminal } from './io.js';
import { painter } from './paint.js';
import { diagnosticJson, printable } from './report.js';
import { textOf } from './wrap.js';

/** What there is to print. */
export interface ApplyReport {
  readonly command: 'apply' | 'cleanup';
  readonly areas: readonly AreaChange[];
  readonly flows: readonly UdpFlow[];
  readonly dryRun: boolean;
  /** Where what was there before is saved; undefined where nothing was written. */
  readonly saved: string | undefined;
}

/** So many changes of an area are shown, and so many lines of each. */
const MOST_CHANGES = 40;
const MOST_LINES = 12;

/** Areas with their changes, and a summary as the last line. */
export function applyText(report: ApplyReport, terminal: Terminal | undefined): string {
  const { areas, flows, saved } = report;
  const paint = painter(terminal);
  const lines: string[] = [];
  for (const { wanted, changes } of areas) {
    lines.push(paint('bold', wantedName(wanted)));
    for (const change of changes.slice(0, MOST_CHANGES)) {
      const service = change.service === undefined ? '' : `  ${printable(change.service)}`;
      lines.push(`  ${change.action.padEnd(6)}  ${printable(change.what)}${service}${countText(change)}`);
      if (change.action !== 'change') continue;
      lines.push(
        ...changedLines(change).map((line) =>
          paint(line.startsWith('-') ? 'red' : 'cyan', `            ${printable(line)}`),
        ),
      );
    }
    if (changes.length > MOST_CHANGES) {
      lines.push(`  ... and ${changes.length - MOST_CHANGES} more (all of them with --output json)`);
    }
    lines.push('');
  }
  for (const flow of flows) lines.push(`stale UDP connection  ${flowText(flow)}`);
  lines.push(summary(report));
  if (saved !== undefined) {
    lines.push(`To go back: ${commandText({ program: 'kuberules', args: ['apply', '--restore', saved] })}`);
  }
  return textOf(lines);
}

function countText({ action, before, after }: Change): string {
  const count = action === 'add' ? after.length : before.length;
  return action === 'change' || count === 0 ? '' : `  (${count} line${count === 1 ? '' : 's'})`;
}

/** What is only on one side, in order. */
function changedLines({ before, after }: Change): readonly string[] {
  const old = new Set(before);
  const fresh = new Set(after);
  const lines = [
    ...before.filter((line) => !fresh.has(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !old.has(line)).map((line) => `+ ${line}`),
  ];
  const more = lines.length - MOST_LINES;
  return more <= 0 ? lines : [...lines.slice(0, MOST_LINES), `  ... and ${more} more lines`];
}

function flowText({ destination, destinationPort, answers, answersPort }: UdpFlow): string {
  const at = (address: string, port: number): string =>
    joinHostPort(address, address.includes(':') ? 'ipv6' : 'ipv4', port);
  return `${at(destination, destinationPort)} answered by ${at(answers, answersPort)}`;
}

function summary({ command, areas, flows, dryRun }: ApplyReport): string {
  const counts = (['add', 'change', 'remove'] as const).map((action) => {
    const words = { add: 'added', change: 'changed', remove: 'removed' };
    const number = areas.flatMap(({ changes }) => changes).filter((change) => change.action === action).length;
    return number === 0 ? [] : [`${number} ${words[action]}`];
  });
  const all = [...counts.flat(), ...(flows.length === 0 ? [] : [`${flows.length} stale UDP connections deleted`])];
  if (all.length === 0) {
    return command === 'apply'
      ? 'Nothing to change: the kernel has these rules.'
      : 'Nothing to remove: no rule of kube-proxy was found.';
  }
  return dryRun ? `Not done (--dry-run): ${all.join(', ')}.` : `${all.join(', ')}; read back, and as wanted.`;
}

/** The same for programs; without a report there was trouble. */
export function applyJson(report: ApplyReport | undefined, diagnostics: readonly Diagnostic[]): string {
  const areas = report?.areas.map(({ wanted, changes }) => ({
    kind: wanted.kind,
    family: wanted.family,
    variant: wanted.kind === 'xtables' ? wanted.variant : undefined,
    changes,
  }));
  const result = {
    dryRun: report?.dryRun ?? null,
    areas: areas ?? [],
    staleUdp: report?.flows ?? [],
    saved: report?.saved,
    diagnostics: diagnostics.map(diagnosticJson),
  };
  return `${JSON.stringify(result, undefined, 2)}\n`;
}

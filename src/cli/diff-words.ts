/** The words that the text and the markdown of `diff` share. */
import { named } from '../inspect/diff/answers.js';
import type { CommonEffect, ModeChange, TrafficDiff } from '../inspect/diff/diff.js';
import type { Effect, ServiceChange, SettingChange, WayChange } from '../inspect/diff/services.js';
import type { SenderKind } from '../inspect/traffic.js';
import type { DiffView } from './diff-report.js';

/** How many Services or addresses a line names before it counts the rest. */
const MOST_NAMED = 5;

const SENDERS: Readonly<Record<SenderKind, string>> = {
  pod: 'pods',
  'pod-beyond': 'pods beyond the source ranges',
  node: 'the node',
  localhost: 'the node on 127.0.0.1',
  outside: 'outside',
  'outside-beyond': 'outside beyond the source ranges',
};

/** What a line is about: something that comes, goes or changes, or what is behind that. */
export type Mark = '+' | '-' | '~' | ' ';

/** A line of details. */
export interface DetailLine {
  readonly mark: Mark;
  readonly text: string;
}

/** `1 Service added, 2 changed; 14 unchanged.`, or that the traffic is the same. */
export function summaryText(diff: TrafficDiff): string {
  const { same, sameRules, unchanged } = diff;
  const counts = (['added', 'removed', 'changed'] as const).flatMap((status) => {
    const { length } = diff[status];
    return length === 0 ? [] : [{ length, status }];
  });
  if (same) {
    const rules = sameRules === undefined ? '' : sameRules ? ', same rules' : '; the text of the rules differs';
    return `Same traffic${rules} (${services(unchanged)}).`;
  }
  const told = counts.map(({ length, status }, i) =>
    i === 0 ? `${services(length)} ${status}` : `${length} ${status}`,
  );
  const node = told.length === 0 ? 'The node changes' : told.join(', ');
  return `${node}; ${unchanged} unchanged.`;
}

/** `Node worker-1, mode iptables -> nftables.` */
export function sidesText({ nodes, before, after }: DiffView): string {
  const mode = before.mode === after.mode ? before.mode : `${before.mode} -> ${after.mode}`;
  const name = (text: string) => (text === '' ? 'without a name' : text);
  const node = before.node === after.node ? nodes.map(name).join(', ') : `${name(before.node)} -> ${name(after.node)}`;
  return `Node${nodes.length > 1 ? 's' : ''} ${node}, mode ${mode}.`;
}

/** `Traffic changes on 2 of 3 nodes.`; nothing for one node. */
export function nodesText(views: readonly DiffView[]): string | undefined {
  const count = (some: readonly DiffView[]) => some.reduce((sum, { nodes }) => sum + nodes.length, 0);
  if (count(views) < 2) return undefined;
  return `Traffic changes on ${count(views.filter(({ diff }) => !diff.same))} of ${count(views)} nodes.`;
}

/** `shop/old is shop/new now` */
export function renamedTexts({ renamed }: TrafficDiff): readonly string[] {
  return renamed.map(({ from, to }) => `${from} is called ${to} now; its name in DNS changes with that`);
}

/** `masqueradeAll: was false, now true` */
export function settingText({ name, before, after }: SettingChange): string {
  return `${name}: was ${before}, now ${after}`;
}

/** `cluster IPs of 3 Services (shop/a, shop/b, shop/c), from pods: now masqueraded, …` */
export function commonText({ kinds, senders, everyone, text, services: names }: CommonEffect): string {
  const what = kinds.map((kind) => `${kind}s`).join(', ');
  return `${what} of ${services(names.length)} (${named(names, MOST_NAMED)})${fromText(senders, everyone)}: ${text}`;
}

/** `node ports on 127.0.0.1: was answered, now not answered (shop/web)` */
export function modeText({ title, before, after, services: names }: ModeChange): string {
  return `${title}: was ${before}; now ${after}${names.length === 0 ? '' : ` (${named(names, MOST_NAMED)})`}`;
}

/** The details of one Service: what is behind the changes, ways in that come and go, and what changes at the others. */
export function detailLines({ settings, renamedFrom, added, removed, effects }: ServiceChange): readonly DetailLine[] {
  return [
    ...(renamedFrom === undefined ? [] : [{ mark: ' ', text: `was ${renamedFrom}` } as const]),
    ...settings.map((setting) => ({ mark: ' ', text: settingText(setting) }) as const),
    ...removed.map((way) => ({ mark: '-', text: wayText(way) }) as const),
    ...added.map((way) => ({ mark: '+', text: wayText(way) }) as const),
    ...effects.map((effect) => ({ mark: '~', text: effectText(effect) }) as const),
  ];
}

function wayText({ target, answers, sourceRanges }: WayChange): string {
  const told = answers.map(({ senders, everyone, text }) => `${fromText(senders, everyone).slice(2)} ${text}`.trim());
  const ranges = sourceRanges.length === 0 ? '' : `; lets in ${named(sourceRanges)} only`;
  return `${target}: ${told.join('; ')}${ranges}`;
}

function effectText({ targets, senders, everyone, text }: Effect): string {
  return `${named(targets, MOST_NAMED)}${fromText(senders, everyone)}: ${text}`;
}

function fromText(senders: readonly SenderKind[], everyone: boolean): string {
  const names = senders.map((sender) => SENDERS[sender]);
  return everyone ? '' : `, from ${names.join(', ').replace(/, (?!.*, )/, ' and ')}`;
}

function services(count: number): string {
  return `${count} Service${count === 1 ? '' : 's'}`;
}

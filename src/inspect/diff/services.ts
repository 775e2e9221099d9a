/** What changes for each Service between two sides. */
import type { Family } from '../../net/family.js';
import { compareBytes } from '../../net/text.js';
import type { ServicePortPlan } from '../../plan/service-port.js';
import {
  type Answer,
  answerOf,
  SENDERS,
  type SenderKind,
  type TrafficModel,
  type WayIn,
  type WayKind,
  wayName,
} from '../traffic.js';
import { type AnswerChange, answerChange, answerText, named } from './answers.js';

/** Something that changes alike for some senders at some addresses. */
export interface Effect extends AnswerChange {
  /** Names of the ways in, in the order of the plans. */
  readonly targets: readonly string[];
  /** Of what kind the targets are. */
  readonly kinds: readonly WayKind[];
  /** Whose traffic changes. */
  readonly senders: readonly SenderKind[];
  /** Whether nobody else sends there. */
  readonly everyone: boolean;
}

/** A way in that comes or goes, with what becomes of connections there. */
export interface WayChange {
  /** The name of the way in. */
  readonly target: string;
  /** Senders with the same answer together; one entry for everyone mostly. */
  readonly answers: readonly {
    readonly senders: readonly SenderKind[];
    readonly everyone: boolean;
    readonly text: string;
  }[];
  /** Whom the source ranges let in; empty for everybody. */
  readonly sourceRanges: readonly string[];
}

/** A field of the Service that is not what it was. */
export interface SettingChange {
  readonly name: string;
  readonly before: string;
  readonly after: string;
}

/** What changes for one Service. */
export interface ServiceChange {
  /** `namespace/name` */
  readonly service: string;
  readonly status: 'added' | 'removed' | 'changed';
  /** The Service that had these ways in before and is gone. */
  readonly renamedFrom: string | undefined;
  /** Fields behind the changes of traffic, for both families once. */
  readonly settings: readonly SettingChange[];
  readonly added: readonly WayChange[];
  readonly removed: readonly WayChange[];
  readonly effects: readonly Effect[];
}

/** What changes between two sides. */
export interface ServiceChanges {
  /** By name, bytewise; only those whose traffic changes. */
  readonly changes: readonly ServiceChange[];
  /** Services that are gone, and the new Service that has their cluster IP; from old name to new. */
  readonly renamed: ReadonlyMap<string, string>;
  /** How many Services have a way in on either side. */
  readonly count: number;
}

interface Draft {
  readonly added: WayIn[];
  readonly removed: WayIn[];
  readonly pairs: { readonly before: WayIn; readonly after: WayIn }[];
}

/** Compares the models of both sides, one a family. */
export function compareServices(before: readonly TrafficModel[], after: readonly TrafficModel[]): ServiceChanges {
  const [old, now] = [waysOf(before), waysOf(after)];
  const oldServices = servicesOf(old);
  const newServices = servicesOf(now);
  const renamed = renamedServices(old, now, oldServices, newServices);
  const oldNames = new Map(Array.from(renamed, ([from, to]) => [to, from]));
  const drafts = new Map<string, Draft>();
  const draftOf = (service: string): Draft => {
    const draft = drafts.get(service) ?? { added: [], removed: [], pairs: [] };
    drafts.set(service, draft);
    return draft;
  };
  for (const way of now.values()) {
    const former = old.get(way.target);
    if (former === undefined) draftOf(serviceOf(way)).added.push(way);
    else draftOf(serviceOf(way)).pairs.push({ before: former, after: way });
  }
  for (const way of old.values()) {
    const service = serviceOf(way);
    if (!now.has(way.target)) draftOf(renamed.get(service) ?? service).removed.push(way);
  }
  const statusOf = (service: string): ServiceChange['status'] => {
    if (!newServices.has(service)) return 'removed';
    return oldServices.has(oldNames.get(service) ?? service) ? 'changed' : 'added';
  };
  const toldOfNode = localhostChanges(before, after);
  const changes: ServiceChange[] = [];
  for (const [service, draft] of drafts) {
    const change = changeOf(service, statusOf(service), oldNames.get(service), draft, toldOfNode);
    if (change !== undefined) changes.push(change);
  }
  const names = new Set([...newServices, ...[...oldServices].map((service) => renamed.get(service) ?? service)]);
  return { changes: changes.sort((a, b) => compareBytes(a.service, b.service)), renamed, count: names.size };
}

/** Targets of the two families are never the same. */
function waysOf(models: readonly TrafficModel[]): ReadonlyMap<string, WayIn> {
  return new Map(models.flatMap(({ ways }) => [...ways]));
}

/** Families in which node ports come or go on 127.0.0.1, which is told of the node. */
function localhostChanges(before: readonly TrafficModel[], after: readonly TrafficModel[]): ReadonlySet<Family> {
  const changed = after.filter(({ node }) => {
    const former = before.find((each) => each.node.family === node.family);
    return former !== undefined && former.node.localhostNodePorts !== node.localhostNodePorts;
  });
  return new Set(changed.map(({ node }) => node.family));
}

function serviceOf({ plan }: WayIn): string {
  return `${plan.namespace}/${plan.service}`;
}

function servicesOf(ways: ReadonlyMap<string, WayIn>): ReadonlySet<string> {
  const services = new Set<string>();
  for (const way of ways.values()) services.add(serviceOf(way));
  return services;
}

/** A Service that is gone lives on in the new one that has its cluster IP, if there is just one. */
function renamedServices(
  old: ReadonlyMap<string, WayIn>,
  now: ReadonlyMap<string, WayIn>,
  oldServices: ReadonlySet<string>,
  newServices: ReadonlySet<string>,
): ReadonlyMap<string, string> {
  const heirs = new Map<string, Set<string>>();
  const ancestors = new Map<string, Set<string>>();
  for (const way of now.values()) {
    const former = old.get(way.target);
    if (former === undefined || way.kind !== 'cluster IP' || former.kind !== 'cluster IP') continue;
    const [from, to] = [serviceOf(former), serviceOf(way)];
    if (newServices.has(from) || oldServices.has(to)) continue;
    heirs.set(from, (heirs.get(from) ?? new Set()).add(to));
    ancestors.set(to, (ancestors.get(to) ?? new Set()).add(from));
  }
  const renamed = new Map<string, string>();
  for (const [from, [to = '', ...others]] of heirs) {
    if (others.length === 0 && ancestors.get(to)?.size === 1) renamed.set(from, to);
  }
  return renamed;
}

function changeOf(
  service: string,
  status: ServiceChange['status'],
  renamedFrom: string | undefined,
  { added, removed, pairs }: Draft,
  toldOfNode: ReadonlySet<Family>,
): ServiceChange | undefined {
  const effects = mergedEffects(
    pairs.flatMap(({ before, after }) => effectsOf(before, after, !toldOfNode.has(after.plan.family))),
  );
  if (effects.length === 0 && added.length === 0 && removed.length === 0) return undefined;
  const settings = new Map<string, SettingChange>();
  for (const { before, after } of pairs) {
    for (const setting of settingChanges(before.plan, after.plan)) {
      settings.set(`${setting.name}: ${setting.before}, ${setting.after}`, setting);
    }
  }
  return {
    service,
    status,
    renamedFrom,
    settings: [...settings.values()],
    added: added.map(wayChange),
    removed: removed.map(wayChange),
    effects,
  };
}

/** The fields of a Service that decide what becomes of its traffic, so far as they differ. */
function settingChanges(before: ServicePortPlan, after: ServicePortPlan): readonly SettingChange[] {
  if (before === after) return [];
  const policy = (isLocal: boolean) => (isLocal ? 'Local' : 'Cluster');
  const seconds = (affinity: number | undefined) => (affinity === undefined ? 'none' : `${affinity} s`);
  const hints = { none: 'not in force', zone: 'for this zone', node: 'for this node' } as const;
  const rows: readonly (readonly [name: string, before: string, after: string])[] = [
    ['internalTrafficPolicy', policy(before.internalPolicyLocal), policy(after.internalPolicyLocal)],
    ['externalTrafficPolicy', policy(before.externalPolicyLocal), policy(after.externalPolicyLocal)],
    ['session affinity', seconds(before.affinitySeconds), seconds(after.affinitySeconds)],
    ['topology hints', hints[before.topology], hints[after.topology]],
  ];
  return rows.filter(([, old, now]) => old !== now).map(([name, old, now]) => ({ name, before: old, after: now }));
}

function wayChange(way: WayIn): WayChange {
  const groups = new Map<string, SenderKind[]>();
  const present = SENDERS.filter((sender) => isServed(way, sender));
  for (const sender of present) {
    const text = answerText(way.answers[sender] as Answer);
    groups.set(text, [...(groups.get(text) ?? []), sender]);
  }
  const answers = Array.from(groups, ([text, senders]) => ({
    text,
    senders,
    everyone: senders.length === present.length,
  }));
  return { target: wayName(way), answers, sourceRanges: way.sourceRanges };
}

/** Whether a way in has an answer for a sender. Where node ports on 127.0.0.1 are nobody's, that needs no words. */
function isServed({ answers }: WayIn, sender: SenderKind): boolean {
  const answer = answers[sender];
  return answer !== undefined && (sender !== 'localhost' || answer.verdict !== 'untouched');
}

/** What changes at one way in that is on both sides. */
function effectsOf(before: WayIn, after: WayIn, localhost: boolean): readonly Effect[] {
  const groups = new Map<string, { readonly change: AnswerChange; readonly senders: SenderKind[] }>();
  const present = SENDERS.filter(
    (sender) => (sender !== 'localhost' || localhost) && (isServed(before, sender) || isServed(after, sender)),
  );
  for (const sender of present) {
    const [old, now] = [answerOf(before, sender), answerOf(after, sender)];
    const change = old === undefined || now === undefined ? undefined : answerChange(old, now);
    if (change === undefined) continue;
    const group = groups.get(change.text);
    if (group === undefined) groups.set(change.text, { change, senders: [sender] });
    else group.senders.push(sender);
  }
  const effects = Array.from(groups.values(), ({ change, senders }) => effect(after, change, senders, present));
  const ranges = rangesChange(before, after);
  return ranges === undefined ? effects : [...effects, effect(after, ranges, present, present)];
}

function effect(way: WayIn, change: AnswerChange, senders: readonly SenderKind[], all: readonly SenderKind[]): Effect {
  return { ...change, targets: [wayName(way)], kinds: [way.kind], senders, everyone: senders.length === all.length };
}

/** Source ranges that let in others than before; where everybody is dropped they change nothing. */
function rangesChange(before: WayIn, after: WayIn): AnswerChange | undefined {
  const [old, now] = [before.sourceRanges, after.sourceRanges];
  if (old.length === now.length && old.every((range, i) => range === now[i])) return undefined;
  const isClosed = ({ answers }: WayIn) => answers.pod?.verdict === 'dropped' && answers.outside?.verdict === 'dropped';
  if (isClosed(before) && isClosed(after)) return undefined;
  const gained = now.filter((range) => !old.includes(range));
  const lost = old.filter((range) => !now.includes(range));
  const parts =
    now.length === 0
      ? [`lets in everybody, was ${named(old)}`]
      : old.length === 0
        ? [`lets in ${named(now)} only, was everybody`]
        : [
            gained.length === 0 ? [] : `lets in ${named(gained)}`,
            lost.length === 0 ? [] : `no longer lets in ${named(lost)}`,
          ].flat();
  return { text: parts.join('; '), aspects: ['source-ranges'], gained: [], lost: [] };
}

/** Effects that are the same at several ways in become one. */
function mergedEffects(effects: readonly Effect[]): readonly Effect[] {
  const merged = new Map<string, Effect>();
  for (const each of effects) {
    const key = `${each.everyone ? 'everyone' : each.senders} ${each.text} ${each.gained} ${each.lost}`;
    const other = merged.get(key);
    merged.set(key, other === undefined ? each : joined(other, each));
  }
  return [...merged.values()];
}

function joined(a: Effect, b: Effect): Effect {
  return {
    ...a,
    targets: [...a.targets, ...b.targets],
    kinds: [...new Set([...a.kinds, ...b.kinds])],
    senders: SENDERS.filter((sender) => a.senders.includes(sender) || b.senders.includes(sender)),
  };
}

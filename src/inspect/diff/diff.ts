/**
 * What changes for traffic between two clusters, two configurations, two modes or two nodes. Compared are not rules but
 * what they do, as src/inspect/traffic.ts tells it; so equal traffic with other rules is equal.
 */
import { BACKENDS } from '../../backends/compile.js';
import { concernedDifferences } from '../../backends/mode-notes.js';
import { MODE_DIFFERENCES } from '../../backends/modes.js';
import type { ProxyConfig, ProxyMode } from '../../kube/config.js';
import type { Node } from '../../kube/node.js';
import type { ClusterState } from '../../kube/state.js';
import { FAMILIES, type Family } from '../../net/family.js';
import { compareBytes } from '../../net/text.js';
import { familiesOf } from '../../plan/choose-node.js';
import { type NodePlan, planNode } from '../../plan/plan.js';
import { type TrafficModel, trafficModel, type WayKind } from '../traffic.js';
import { type RulesDiff, rulesDiff } from './rules.js';
import { compareServices, type Effect, type ServiceChange, type SettingChange } from './services.js';
import { type FamilySide, settingChangesOf } from './settings.js';

/** One of the two sides: a cluster as one node sees it. */
export interface DiffSide {
  readonly state: ClusterState;
  readonly node: Node;
  readonly mode: ProxyMode;
  readonly config: ProxyConfig;
}

/** How to compare. */
export interface DiffOptions {
  /** Whether to give the changed lines of rules, too. */
  readonly rules?: boolean | undefined;
}

/** The same change for many Services, told once. */
export interface CommonEffect extends Omit<Effect, 'targets' | 'gained' | 'lost'> {
  readonly kinds: readonly WayKind[];
  /** `namespace/name`, bytewise. */
  readonly services: readonly string[];
}

/** What two modes do differently beside what the model of traffic tells; docs/modes.md has all differences. */
export interface ModeChange {
  readonly code: string;
  readonly title: string;
  readonly before: string;
  readonly after: string;
  /** `namespace/name` of those whom it concerns; empty where it is the node as a whole. */
  readonly services: readonly string[];
}

/** What changes between two sides. */
export interface TrafficDiff {
  /** Whether no traffic changes at all. */
  readonly same: boolean;
  /** Whether the texts of all rules are the same; undefined for two modes or nodes, whose texts always differ. */
  readonly sameRules: boolean | undefined;
  /** Services by what becomes of them, `namespace/name`; bytewise. Those without ways in are not counted. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
  readonly unchanged: number;
  /** Services that are called otherwise now, whatever else changes. */
  readonly renamed: readonly { readonly from: string; readonly to: string }[];
  /** Settings of the node that differ and that some traffic depends on. */
  readonly settings: readonly SettingChange[];
  /** What changes alike for several Services because of the node. */
  readonly common: readonly CommonEffect[];
  readonly modes: readonly ModeChange[];
  /** The Services in detail, bytewise by name; without those for which `common` says everything. */
  readonly services: readonly ServiceChange[];
  /** By Service, and under '' what belongs to none; empty unless asked for. */
  readonly rules: readonly RulesDiff[];
}

/** Compares two sides. */
export function diffTraffic(before: DiffSide, after: DiffSide, options: DiffOptions = {}): TrafficDiff {
  const [old, now] = [planSide(before), planSide(after)];
  const families = FAMILIES.filter((family) => old.has(family) || now.has(family));
  const settings = uniqueSettings(families.map((family) => settingChangesOf(old.get(family), now.get(family))));
  const { changes: all, renamed, count } = compareServices(modelsOf(old), modelsOf(now));
  const { common, services } = settings.length === 0 ? { common: [], services: all } : extractCommon(all);
  const modes = before.mode === after.mode ? [] : modeChanges(before, after, old, now);
  const ofStatus = (status: ServiceChange['status']) =>
    all.filter((each) => each.status === status).map(({ service }) => service);
  return {
    same: all.length === 0 && settings.length === 0,
    sameRules: sameRules(before, after, old, now),
    added: ofStatus('added'),
    removed: ofStatus('removed'),
    changed: ofStatus('changed'),
    unchanged: count - all.length,
    renamed: Array.from(renamed, ([from, to]) => ({ from, to })).sort((a, b) => compareBytes(a.to, b.to)),
    settings,
    common,
    modes,
    services,
    rules: options.rules === true ? rulesDiff([...old.values()], [...now.values()], renamed) : [],
  };
}

type Side = ReadonlyMap<Family, FamilySide>;

function planSide({ state, node, mode, config }: DiffSide): Side {
  return new Map(
    familiesOf(node, state, config).map((family) => {
      const plan = planNode(state, { node, family, mode, config });
      return [family, { plan, model: trafficModel(plan), config }];
    }),
  );
}

/** What differs alike in both families is told once. */
function uniqueSettings(byFamily: readonly (readonly SettingChange[])[]): readonly SettingChange[] {
  const settings = new Map<string, SettingChange>();
  for (const each of byFamily.flat()) settings.set(`${each.name}\n${each.before}\n${each.after}`, each);
  return [...settings.values()];
}

/** Takes out of the Services what happens alike to two or more of them; endpoints are always a Service's own. */
function extractCommon(services: readonly ServiceChange[]): Pick<TrafficDiff, 'common' | 'services'> {
  const keyOf = (effect: Effect): string | undefined =>
    effect.gained.length > 0 || effect.lost.length > 0 || effect.aspects.includes('source-ranges')
      ? undefined
      : `${effect.kinds} ${effect.everyone ? '' : effect.senders} ${effect.text}`;
  const groups = new Map<string, { readonly effect: Effect; readonly services: Set<string> }>();
  for (const { service, effects } of services) {
    for (const effect of effects) {
      const key = keyOf(effect);
      if (key === undefined) continue;
      const group = groups.get(key) ?? { effect, services: new Set() };
      groups.set(key, group);
      group.services.add(service);
    }
  }
  for (const [key, group] of groups) if (group.services.size < 2) groups.delete(key);
  const rest = services.flatMap((each) => {
    const effects = each.effects.filter((effect) => !groups.has(keyOf(effect) ?? ''));
    const isEmpty = effects.length === 0 && each.added.length === 0 && each.removed.length === 0;
    return isEmpty ? [] : { ...each, effects };
  });
  const common = Array.from(
    groups.values(),
    ({ effect: { kinds, senders, everyone, text, aspects }, services: names }) => ({
      kinds,
      senders,
      everyone,
      text,
      aspects,
      services: [...names],
    }),
  );
  return { common, services: rest };
}

/** Differences between modes that show in the ways in or in the settings of the node. */
const TOLD_BY_TRAFFIC: ReadonlySet<string> = new Set([
  'node-port-localhost',
  'node-port-addresses',
  'no-endpoints-from-node',
  'source-ranges-external-ip',
  'external-local-from-inside',
  'external-local-source',
  'external-local-without-endpoint',
  'internal-local-without-endpoint',
  'load-balancing',
  'cluster-ip-other-ports',
  'unallocated-cluster-ips',
  'cluster-ip-masquerade',
  'masquerade-settings',
]);

function modeChanges(before: DiffSide, after: DiffSide, old: Side, now: Side): readonly ModeChange[] {
  const concerned = [
    ...concernedDifferences(plansOf(old), before.node, before.config),
    ...concernedDifferences(plansOf(now), after.node, after.config),
  ];
  return MODE_DIFFERENCES.flatMap((difference) => {
    const { code, title, modes } = difference;
    const [was, is] = [modes[before.mode], modes[after.mode]];
    const subjects = concerned.filter((each) => each.difference.code === code);
    if (was === is || subjects.length === 0 || TOLD_BY_TRAFFIC.has(code)) return [];
    const objects = new Set(subjects.flatMap((each) => each.objects ?? []));
    const services = Array.from(objects, (object) => object.replace(/^Service /, '')).sort(compareBytes);
    return { code, title, before: was, after: is, services };
  });
}

function modelsOf(side: Side): readonly TrafficModel[] {
  return [...side.values()].map(({ model }) => model);
}

function plansOf(side: Side): readonly NodePlan[] {
  return [...side.values()].map(({ plan }) => plan);
}

function sameRules(before: DiffSide, after: DiffSide, old: Side, now: Side): boolean | undefined {
  if (before.mode !== after.mode || before.node.name !== after.node.name) return undefined;
  const families = [...new Set([...old.keys(), ...now.keys()])];
  return families.every((family) => {
    const [was, is] = [old.get(family), now.get(family)];
    if (was === undefined || is === undefined) return false;
    const texts = [was, is].map(({ plan }) => {
      const lowered = BACKENDS[plan.mode].create()(plan);
      return lowered.texts.map(({ pieces }) => pieces.join(''));
    });
    return texts[0]?.every((text, i) => text === texts[1]?.[i]) ?? false;
  });
}

/** The cluster of base.yaml, changed in one thing, and what diff says about that. */
import { readFileSync } from 'node:fs';
import {
  commonText,
  detailLines,
  modeText,
  renamedTexts,
  settingText,
  summaryText,
} from '../../../src/cli/diff-words.js';
import {
  type ClusterState,
  chooseNode,
  DEFAULT_CONFIG,
  hasErrors,
  loadCluster,
  type ProxyConfig,
  type ProxyMode,
  type RawObject,
  readConfig,
  readObjects,
} from '../../../src/index.js';
import { type DiffSide, diffTraffic, type TrafficDiff } from '../../../src/inspect/diff/diff.js';

// biome-ignore lint/suspicious/noExplicitAny: patches reach deep into objects that were checked when they were loaded
export type Loose = any;

/** Objects by `Kind name`; a patch sets, deletes and changes them. */
export type Objects = Map<string, Loose>;

/** What a side is compared with, apart from its objects. */
export interface SideSettings {
  readonly mode?: ProxyMode;
  readonly node?: string;
  /** Fields of a KubeProxyConfiguration. */
  readonly config?: Readonly<Record<string, unknown>>;
}

const text = readFileSync('test/inspect/diff/base.yaml', 'utf8');

/** A new copy of the base. */
function baseObjects(): Objects {
  const { objects } = readObjects([{ name: 'base.yaml', text }]);
  return new Map(objects.map(({ object }) => [`${object.kind} ${(object.metadata as Loose).name}`, object]));
}

function sideOf(objects: Iterable<RawObject>, settings: SideSettings): DiffSide {
  const { state, diagnostics } = loadCluster([...objects].map((object) => ({ object })));
  if (hasErrors(diagnostics)) throw new Error(diagnostics.map(({ message }) => message).join('\n'));
  return sideOfState(state, configOf(settings), settings);
}

export function sideOfState(state: ClusterState, config: ProxyConfig, { mode, node: name }: SideSettings): DiffSide {
  const { node } = chooseNode(state, name, config);
  if (node === undefined) throw new Error(`no node ${name}`);
  return { state, node, config, mode: mode ?? 'iptables' };
}

/** With pods told by the cluster's network, unless the settings say otherwise. */
function configOf({ config = {}, mode }: SideSettings): ProxyConfig {
  const yaml = JSON.stringify({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    clusterCIDR: '10.244.0.0/16',
    ...config,
  });
  const read = readConfig({ name: 'config.yaml', text: yaml }, { mode });
  if (hasErrors(read.diagnostics)) throw new Error(read.diagnostics.map(({ message }) => message).join('\n'));
  return read.config ?? DEFAULT_CONFIG;
}

/** What the text output says, without headings: the summary, then a line for each change. */
export function told(diff: TrafficDiff): readonly string[] {
  return [
    summaryText(diff),
    ...renamedTexts(diff),
    ...diff.settings.map((setting) => `node: ${settingText(setting)}`),
    ...diff.common.map((common) => `node: ${commonText(common)}`),
    ...diff.modes.map((mode) => `mode: ${modeText(mode)}`),
    ...diff.services.flatMap((service) =>
      detailLines(service).map(({ mark, text: line }) => `${service.service} ${mark === ' ' ? 'is' : mark} ${line}`),
    ),
  ];
}

/** What diff says of the base and the patched base. */
export function changed(
  patch: (objects: Objects) => unknown,
  old: SideSettings = {},
  now: SideSettings = old,
): TrafficDiff {
  const objects = baseObjects();
  patch(objects);
  return diffTraffic(sideOf(baseObjects().values(), old), sideOf(objects.values(), now));
}

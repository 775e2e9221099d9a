/** From a cluster to the texts of one mode for one node. */
import { DEFAULT_CONFIG, type ProxyConfig, type ProxyMode } from '../kube/config.js';
import { type Diagnostic, diagnostic } from '../kube/diagnostics.js';
import type { ClusterState } from '../kube/state.js';
import type { Family } from '../net/family.js';
import { chooseNode, familiesOf } from '../plan/choose-node.js';
import { createPlanner, type NodePlan, type PlanSettings } from '../plan/plan.js';
import type { Backend } from './backend.js';
import { iptablesBackend } from './iptables/backend.js';
import { ipvsBackend } from './ipvs/backend.js';
import { nftablesBackend } from './nftables/backend.js';

/** One text of a backend. */
export interface Part {
  /** As the file is named: `iptables.ipv4.rules`. */
  readonly name: string;
  readonly family: Family;
  /** What it is of its backend: `rules`, `setup`, `ipvsadm`. */
  readonly part: string;
  /** The text in pieces, each of whole lines; see `partText`. */
  readonly pieces: readonly string[];
}

/** Every backend by its mode. */
export const BACKENDS: Readonly<Record<ProxyMode, Backend>> = {
  iptables: iptablesBackend,
  ipvs: ipvsBackend,
  nftables: nftablesBackend,
};

/** What to compile for. */
export interface CompileOptions {
  readonly mode?: ProxyMode | undefined;
  readonly config?: ProxyConfig | undefined;
  /** The node's name; without it hostnameOverride, else the first Node counts. */
  readonly node?: string | undefined;
  /** Only this family, whatever addresses the node has. */
  readonly family?: Family | undefined;
}

/** The texts, and what is to be said about them; no parts where there is an error. */
export interface Compiled {
  readonly mode: ProxyMode;
  readonly parts: readonly Part[];
  readonly diagnostics: readonly Diagnostic[];
}

/** The whole text of a part. */
export function partText(part: Pick<Part, 'pieces'>): string {
  return part.pieces.join('');
}

/**
 * Compiles a cluster for one node: what kube-proxy would write there in the given mode (default: the configuration's).
 * An unknown node is an error among the diagnostics, and there are no parts.
 */
export function compile(state: ClusterState, options: CompileOptions = {}): Compiled {
  const config = options.config ?? DEFAULT_CONFIG;
  const mode = modeOf(options.mode, config);
  const { node, diagnostics } = chooseNode(state, options.node, config);
  if (node === undefined) return { mode, parts: [], diagnostics };
  const families = options.family === undefined ? familiesOf(node, state, config) : [options.family];
  const compiled = families.map((family) => createCompiler({ node, family, mode, config })(state));
  return {
    mode,
    parts: compiled.flatMap(({ parts }) => parts),
    diagnostics: [...diagnostics, ...compiled.flatMap((each) => each.diagnostics)],
  };
}

/** The mode asked for, else the configuration's, else kube-proxy's default on Linux. */
export function modeOf(asked: ProxyMode | undefined, config: ProxyConfig): ProxyMode {
  return asked ?? config.mode ?? 'iptables';
}

/**
 * A compiler that keeps its results: called again after a few changes to the state, it plans and lowers only the
 * Services that changed. The node is part of the settings: when it changes, make a new compiler.
 */
export function createCompiler(settings: PlanSettings): (state: ClusterState) => Compiled {
  const { family, mode } = settings;
  const plan = createPlanner(settings);
  const backend = BACKENDS[mode];
  const lower = backend.create();
  return (state) => {
    const nodePlan = plan(state);
    const { texts, diagnostics } = lower(nodePlan);
    const part = (name: string): Part => ({
      name: `${mode}.${family}.${name}`,
      family,
      part: name,
      pieces: texts[name] ?? [],
    });
    return { mode, parts: backend.parts.map(part), diagnostics: [...contradictions(nodePlan), ...diagnostics] };
  };
}

function contradictions({ contradictory }: NodePlan): readonly Diagnostic[] {
  return contradictory.map(({ plan: { name, namespace, service }, endpoint, slices }) => {
    const given = slices.map((slice) => `${namespace}/${slice}`).join(' and ');
    const message = `endpoint ${endpoint} of ${name} is in EndpointSlices ${given} with different data.`;
    const hint = 'kube-proxy picks one by chance; here the last by name counts that has it not terminating.';
    return diagnostic('endpoint-conflict', message, { object: `Service ${namespace}/${service}`, hint });
  });
}

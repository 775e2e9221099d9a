/** From a cluster to the texts of one mode for one node. */
import { DEFAULT_CONFIG, type ProxyConfig, type ProxyMode } from '../kube/config.js';
import type { Diagnostic } from '../kube/diagnostics.js';
import type { ClusterState } from '../kube/state.js';
import type { Family } from '../net/family.js';
import { chooseNode, familiesOf } from '../plan/choose-node.js';
import { createPlanner, type NodePlan, type PlanSettings } from '../plan/plan.js';
import type { Backend, BackendText } from './backend.js';
import { iptablesBackend } from './iptables/backend.js';
import { ipvsBackend } from './ipvs/backend.js';
import { modeNotes } from './mode-notes.js';
import { nftablesBackend } from './nftables/backend.js';
import { planWarnings } from './warnings.js';

/** One text of a backend. */
export interface Part extends BackendText {
  /** As the file is named: `iptables.ipv4.rules`. */
  readonly name: string;
  readonly family: Family;
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
  /** Whether to note what the other modes do differently for these Services. */
  readonly notes?: boolean | undefined;
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
  const runs = families.map((family) => createPasses({ node, family, mode, config })(state));
  const plans = runs.map(({ plan }) => plan);
  const notes = options.notes ? modeNotes(plans, node, config) : [];
  return {
    mode,
    parts: runs.flatMap(({ compiled }) => compiled.parts),
    diagnostics: [...diagnostics, ...runs.flatMap(({ compiled }) => compiled.diagnostics), ...notes],
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
  const run = createPasses(settings);
  return (state) => run(state).compiled;
}

/** The passes of one family: the texts, and the plan that they come from. */
function createPasses(settings: PlanSettings): (state: ClusterState) => { compiled: Compiled; plan: NodePlan } {
  const { family, mode } = settings;
  const planner = createPlanner(settings);
  const lower = BACKENDS[mode].create();
  return (state) => {
    const plan = planner(state);
    const { texts, diagnostics } = lower(plan);
    const parts = texts.map((text): Part => ({ name: `${mode}.${family}.${text.part}`, family, ...text }));
    return { compiled: { mode, parts, diagnostics: [...planWarnings(plan), ...diagnostics] }, plan };
  };
}

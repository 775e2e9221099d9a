/** From a cluster to the texts of one mode for one node. */
import { DEFAULT_CONFIG, type ProxyConfig, type ProxyMode } from '../kube/config.js';
import { type Diagnostic, diagnostic } from '../kube/diagnostics.js';
import type { ClusterState } from '../kube/state.js';
import type { Family } from '../net/family.js';
import { chooseNode, familiesOf } from '../plan/choose-node.js';
import { createPlanner, type NodePlan, type PlanSettings } from '../plan/plan.js';
import { createRulesCompiler } from './iptables/rules.js';
import { setupText } from './iptables/setup.js';

/** One text of a backend. */
export interface Part {
  /** As the file is named: `iptables.ipv4.rules`. */
  readonly name: string;
  readonly family: Family;
  /** What it is of its backend: `rules`, `setup`. */
  readonly part: string;
  /** The text in pieces, each of whole lines; see `partText`. */
  readonly pieces: readonly string[];
}

/** Modes that can be compiled so far. */
export const COMPILED_MODES: readonly ProxyMode[] = ['iptables'];

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
  readonly parts: readonly Part[];
  readonly diagnostics: readonly Diagnostic[];
}

/** The whole text of a part. */
export function partText(part: Part): string {
  return part.pieces.join('');
}

/**
 * Compiles a cluster for one node: what kube-proxy would write there in the given mode (default: the configuration's).
 * An unknown node and a mode that cannot be compiled yet are errors among the diagnostics, and there are no parts.
 */
export function compile(state: ClusterState, options: CompileOptions = {}): Compiled {
  const config = options.config ?? DEFAULT_CONFIG;
  const mode = options.mode ?? config.mode ?? 'iptables';
  if (!COMPILED_MODES.includes(mode)) {
    const hint = `Choose ${COMPILED_MODES.join(' or ')}.`;
    return {
      parts: [],
      diagnostics: [diagnostic('unsupported-mode', `mode ${mode} cannot be compiled yet.`, { hint })],
    };
  }
  const { node, diagnostics } = chooseNode(state, options.node, config);
  if (node === undefined) return { parts: [], diagnostics };
  const families = options.family === undefined ? familiesOf(node, state, config) : [options.family];
  const compiled = families.map((family) => createCompiler({ node, family, mode, config })(state));
  return {
    parts: compiled.flatMap(({ parts }) => parts),
    diagnostics: [...diagnostics, ...compiled.flatMap((each) => each.diagnostics)],
  };
}

/**
 * A compiler that keeps its results: called again after a few changes to the state, it plans and lowers only the
 * Services that changed. The node is part of the settings: when it changes, make a new compiler.
 * @throws RangeError for a mode that is not among COMPILED_MODES
 */
export function createCompiler(settings: PlanSettings): (state: ClusterState) => Compiled {
  const { family, mode } = settings;
  if (mode !== 'iptables') throw new RangeError(`mode ${mode} cannot be compiled yet`);
  const plan = createPlanner(settings);
  const rules = createRulesCompiler();
  return (state) => {
    const nodePlan = plan(state);
    const part = (name: string, pieces: readonly string[]): Part => ({
      name: `${mode}.${family}.${name}`,
      family,
      part: name,
      pieces,
    });
    return {
      parts: [part('rules', rules(nodePlan)), part('setup', [setupText(nodePlan)])],
      diagnostics: contradictions(nodePlan),
    };
  };
}

function contradictions(plan: NodePlan): readonly Diagnostic[] {
  return plan.contradictory.map(({ servicePort, endpoint }) => {
    const message = `endpoint ${endpoint} of ${servicePort} is in several EndpointSlices with different data.`;
    const hint =
      'kube-proxy picks one by chance; here the last slice by name counts, and a terminating copy never does.';
    return diagnostic('endpoint-conflict', message, { object: `Service ${servicePort.split(':', 1)[0]}`, hint });
  });
}

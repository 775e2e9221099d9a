/** What all answers are drawn from: a cluster, planned and compiled for one node. */
import { BACKENDS, type CompileOptions, modeOf } from '../../backends/compile.js';
import { DEFAULT_CONFIG, type ProxyMode } from '../../kube/config.js';
import type { Diagnostic } from '../../kube/diagnostics.js';
import type { ClusterState } from '../../kube/state.js';
import type { Family } from '../../net/family.js';
import { chooseNode, familiesOf } from '../../plan/choose-node.js';
import { type NodePlan, planNode } from '../../plan/plan.js';
import type { Setting } from './model.js';

/** A planned cluster. */
export interface ExplainContext {
  readonly state: ClusterState;
  readonly setting: Setting;
  /** One for each family. */
  readonly plans: readonly NodePlan[];
  /** The compiled text of a family, made when it is first asked for. */
  textsOf(family: Family): Readonly<Record<string, string>>;
}

/** The context, or an error why there is none. */
export interface ExplainStart {
  readonly context: ExplainContext | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** Plans a cluster as `compile` does, and compiles it only if an answer needs that. */
export function explainContext(state: ClusterState, options: CompileOptions = {}): ExplainStart {
  const config = options.config ?? DEFAULT_CONFIG;
  const mode = modeOf(options.mode, config);
  const { node, diagnostics } = chooseNode(state, options.node, config);
  if (node === undefined) return { context: undefined, diagnostics };
  const families = options.family === undefined ? familiesOf(node, state, config) : [options.family];
  const plans = families.map((family) => planNode(state, { node, family, mode, config }));
  const texts = new Map<Family, Readonly<Record<string, string>>>();
  const context: ExplainContext = {
    state,
    setting: { mode, node: node.name, families },
    plans,
    textsOf(family) {
      const known = texts.get(family);
      if (known !== undefined) return known;
      const plan = plans.find((each) => each.node.family === family);
      const made = plan === undefined ? {} : compiledTexts(plan, mode);
      texts.set(family, made);
      return made;
    },
  };
  return { context, diagnostics };
}

function compiledTexts(plan: NodePlan, mode: ProxyMode): Readonly<Record<string, string>> {
  const { texts } = BACKENDS[mode].create()(plan);
  return Object.fromEntries(Object.entries(texts).map(([part, pieces]) => [part, pieces.join('')]));
}

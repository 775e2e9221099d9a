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
  return Object.fromEntries(texts.map(({ part, pieces }) => [part, pieces.join('')]));
}

const knownLines = new WeakMap<object, ReadonlySet<string>>();

/** All lines of some texts. They are kept, as most answers ask about many. */
export function linesOf(texts: Readonly<Record<string, string>>): ReadonlySet<string> {
  const known = knownLines.get(texts);
  if (known !== undefined) return known;
  const lines = new Set(Object.values(texts).flatMap((text) => text.split('\n')));
  knownLines.set(texts, lines);
  return lines;
}

/** Whether a mode is the one that is compiled. */
export function isOfMode({ setting }: ExplainContext, mode: ProxyMode): boolean {
  return setting.mode === mode;
}

/** Whether the compiled texts of any family have a line; undefined where another mode writes such lines. */
export function isWritten(context: ExplainContext, mode: ProxyMode, line: string): boolean | undefined {
  if (!isOfMode(context, mode)) return undefined;
  return context.setting.families.some((family) => linesOf(context.textsOf(family)).has(line));
}

/** What every backend is to the rest: a name for each text, and a function from plans to texts. */
import type { Diagnostic } from '../kube/diagnostics.js';
import type { NodePlan } from '../plan/plan.js';

/** The texts that one backend writes for one node and family. */
export interface Lowered {
  /** By part, in the order of `Backend.parts`; each text in pieces of whole lines. */
  readonly texts: Readonly<Record<string, readonly string[]>>;
  /** What the texts do not show. */
  readonly diagnostics: readonly Diagnostic[];
}

/** One of kube-proxy's backends. */
export interface Backend {
  /** Its texts: `rules`, `setup`. */
  readonly parts: readonly string[];
  /** Those that are printed when nobody says which. */
  readonly printed: readonly string[];
  /** A function from plans to texts that keeps what it lowered for plans that are the same objects again. */
  create(): (plan: NodePlan) => Lowered;
}

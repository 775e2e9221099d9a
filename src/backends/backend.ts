/** What every backend is to the rest: a name for each text, and a function from plans to texts. */
import type { Diagnostic } from '../kube/diagnostics.js';
import type { NodePlan } from '../plan/plan.js';

/** Every text that some backend writes. */
export type PartName = 'rules' | 'setup' | 'ipvsadm' | 'ipset' | 'addresses' | 'nft';

/** One text of one backend. */
export interface BackendText {
  readonly part: PartName;
  /** The text in pieces, each of whole lines. */
  readonly pieces: readonly string[];
}

/** The texts that one backend writes for one node and family. */
interface Lowered {
  /** In the order of `Backend.parts`. */
  readonly texts: readonly BackendText[];
  /** What the texts do not show. */
  readonly diagnostics: readonly Diagnostic[];
}

/** One of kube-proxy's backends. */
export interface Backend {
  /** Its texts, in the order in which they are written. */
  readonly parts: readonly PartName[];
  /** Those that are printed when nobody says which. */
  readonly printed: readonly PartName[];
  /** A function from plans to texts that keeps what it lowered for plans that are the same objects again. */
  create(): (plan: NodePlan) => Lowered;
}

/** What a check is and what it finds. Adding a check is one entry in a file of its subject. */
import type { FieldPath, Origin, Place } from '../../kube/diagnostics.js';
import type { LintCluster, Subject } from './cluster.js';

/** warning: traffic goes where nobody expects it, or nowhere; note: meant so by many, but worth knowing. */
export type LintSeverity = 'warning' | 'note';

/** Input without which some checks say nothing. */
export type Need = 'nodes' | 'endpoints' | 'workloads' | 'serviceCIDRs' | 'config';

/** One entry of the table of checks. */
export interface Check {
  /** Stable; what annotations and `--ignore` name. Never used for anything else again. */
  readonly code: string;
  readonly severity: LintSeverity;
  /** What it finds, as the head of a table row. */
  readonly title: string;
  /** Why that surprises: what kube-proxy or the API server does. */
  readonly reason: string;
  /** What to do, unless a finding knows better. */
  readonly wayOut: string;
  /** Finds every occurrence in a cluster; in any order. */
  readonly find: (cluster: LintCluster) => Iterable<Found>;
}

/** One occurrence. */
export interface Found {
  /** The object that somebody would change. */
  readonly at: Subject;
  /** The field inside it. */
  readonly path?: FieldPath;
  /** One sentence: what is there and what comes of it. */
  readonly message: string;
  /** One sentence: what to do; the check's own where absent. */
  readonly wayOut?: string;
  /** Other objects that take part. */
  readonly others?: readonly Subject[];
}

/** An object that takes part in a finding. */
export interface Involved {
  /** `Node worker-1`, `Service shop/web`. */
  readonly object: string;
  readonly path?: FieldPath | undefined;
  readonly origin?: Origin | undefined;
  readonly place?: Place | undefined;
}

/** One thing that is legal but surprising. */
export interface Finding extends Involved {
  readonly code: string;
  readonly severity: LintSeverity;
  /** The object under which it is listed: the Service of an EndpointSlice, else `object` itself. */
  readonly group: string;
  /** undefined for what belongs to no namespace. */
  readonly namespace: string | undefined;
  /** One sentence: what. */
  readonly message: string;
  /** One sentence: what to do. */
  readonly wayOut: string;
  /** At most 100 of the other objects that take part. */
  readonly others: readonly Involved[];
}

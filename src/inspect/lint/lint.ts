/** Runs the checks: what is legal in a cluster but will surprise somebody. */
import { show } from '../../kube/fields.js';
import { compareBytes } from '../../net/text.js';
import { ADDRESS_CHECKS } from './addresses.js';
import { ADMISSION_CHECKS } from './admission.js';
import type { Check, Finding, Found, Involved, Need } from './check.js';
import { CLIENT_CHECKS } from './clients.js';
import {
  type LintCluster,
  type LintInput,
  lintCluster,
  type Subject,
  serviceSubject,
  sliceSubject,
} from './cluster.js';
import { ENDPOINT_CHECKS } from './endpoints.js';
import { MODE_CHECKS } from './modes.js';
import { POLICY_CHECKS } from './policies.js';
import { SELECTOR_CHECKS } from './selectors.js';
import { TOPOLOGY_CHECKS } from './topology.js';

/** On a Service, EndpointSlice or Endpoints object: the codes of checks that are to say nothing about it. */
export const LINT_IGNORE_ANNOTATION = 'kuberules.dev/lint-ignore';

/** How many other objects a finding carries; a node list of thousands helps nobody. */
const MOST_OTHERS = 100;

/** The check that looks after the annotation itself. */
const ANNOTATION_CHECK = {
  code: 'unknown-lint-code',
  severity: 'warning',
  title: `an annotation ${LINT_IGNORE_ANNOTATION} that names no check`,
  reason: 'A misspelt code silences nothing, and nobody notices before the finding is in the way.',
  wayOut: 'Write codes of `kuberules lint --list` with commas between.',
  *find(cluster) {
    const services = cluster.entries.map(({ service }) => serviceSubject(service));
    const slices = [...cluster.state.slices.values()].map((slice) => sliceSubject(slice, undefined));
    for (const at of [...services, ...slices]) {
      const unknown = ignoredCodes(at).filter((code) => !isLintCode(code));
      if (unknown.length === 0) continue;
      const verb = unknown.length === 1 ? 'is no code' : 'are no codes';
      const message = `${unknown.map(show).join(', ')} ${verb} of a check.`;
      yield { at, path: ['metadata', 'annotations', LINT_IGNORE_ANNOTATION], message };
    }
  },
} as const satisfies Check;

/** Every check, in the order in which the documents list them. */
export const LINT_CHECKS = [
  ...POLICY_CHECKS,
  ...ADDRESS_CHECKS,
  ...CLIENT_CHECKS,
  ...SELECTOR_CHECKS,
  ...ENDPOINT_CHECKS,
  ...TOPOLOGY_CHECKS,
  ...ADMISSION_CHECKS,
  ...MODE_CHECKS,
  ANNOTATION_CHECK,
] as const;

/** The code of a check. */
export type LintCode = (typeof LINT_CHECKS)[number]['code'];

/** Which checks to run. */
export interface LintOptions {
  /** Only these checks. */
  readonly only?: readonly LintCode[] | undefined;
  /** All but these. */
  readonly ignore?: readonly LintCode[] | undefined;
}

/** What was found. */
export interface LintResult {
  /** By object, then in the order of the checks; the same for every order of the input. */
  readonly findings: readonly Finding[];
  /** Checks that had something to look at, but lacked input to judge it. */
  readonly notChecked: readonly { readonly code: LintCode; readonly needs: readonly Need[] }[];
  /** How many findings an annotation has silenced. */
  readonly silenced: number;
  /** How many checks were run. */
  readonly checks: number;
}

const CODES: ReadonlySet<string> = new Set(LINT_CHECKS.map(({ code }) => code));

/** Whether a text is the code of a check. */
export function isLintCode(code: string): code is LintCode {
  return CODES.has(code);
}

/** Lints a cluster. Never fails: objects that cannot be read are for `loadCluster` to name. */
export function lint(input: LintInput, options: LintOptions = {}): LintResult {
  const cluster = lintCluster(input);
  const checks = LINT_CHECKS.filter(
    ({ code }) => options.only?.includes(code) !== false && options.ignore?.includes(code) !== true,
  );
  const findings: Finding[] = [];
  const notChecked: { code: LintCode; needs: readonly Need[] }[] = [];
  let silenced = 0;
  for (const check of checks) {
    const lacking = new Set<Need>();
    for (const found of check.find(askingCluster(cluster, lacking))) {
      if (ignoredCodes(found.at).includes(check.code)) silenced++;
      else findings.push(findingOf(check, found));
    }
    if (lacking.size > 0) notChecked.push({ code: check.code, needs: [...lacking] });
  }
  const rank = new Map<string, number>(checks.map(({ code }, i) => [code, i]));
  const rankOf = ({ code }: Finding): number => rank.get(code) ?? 0;
  findings.sort(
    (a, b) =>
      compareBytes(a.group, b.group) ||
      rankOf(a) - rankOf(b) ||
      compareBytes(a.object, b.object) ||
      compareBytes(JSON.stringify(a.path ?? []), JSON.stringify(b.path ?? [])) ||
      compareBytes(a.message, b.message),
  );
  return { findings, notChecked, silenced, checks: checks.length };
}

/** The cluster for one check, which notes what that check asked for in vain. */
function askingCluster(cluster: LintCluster, lacking: Set<Need>): LintCluster {
  return {
    ...cluster,
    has: (need) => {
      const isThere = cluster.has(need);
      if (!isThere) lacking.add(need);
      return isThere;
    },
  };
}

function findingOf(check: Check, found: Found): Finding {
  const { at, path, message, wayOut, others = [] } = found;
  return {
    code: check.code,
    severity: check.severity,
    object: at.object,
    group: at.group,
    namespace: at.namespace,
    path,
    origin: at.origin,
    message,
    wayOut: wayOut ?? check.wayOut,
    others: others.slice(0, MOST_OTHERS).map(involvedOf),
  };
}

function involvedOf({ object, path, origin }: Subject): Involved {
  return { object, path, origin };
}

/** The codes in the annotation of an object and of the one under which it is listed. */
function ignoredCodes({ annotations }: Subject): readonly string[] {
  return annotations.flatMap((each) => {
    const text = each[LINT_IGNORE_ANNOTATION];
    if (text === undefined) return [];
    const codes = text.split(',').map((code) => code.trim());
    return codes.filter((code) => code !== '');
  });
}

/** `kuberules lint`: what is legal but surprising. */
import type { Finding, Need } from '../inspect/lint/check.js';
import { isLintCode, LINT_CHECKS, type LintResult, lint } from '../inspect/lint/lint.js';
import { type Diagnostic, diagnostic, hasErrors } from '../kube/diagnostics.js';
import { show } from '../kube/fields.js';
import { isClusterScoped } from '../kube/load.js';
import { placeDiagnostics } from '../kube/locate.js';
import type { LocatedObject, SourceText } from '../kube/objects.js';
import { namespaceOf } from '../kube/simulate/values.js';
import { unknownNode } from '../plan/choose-node.js';
import { type ClusterFlags, type ClusterInput, readCluster, readConfiguration } from './cluster.js';
import { DONE, FOUND, TROUBLE } from './exit.js';
import type { Io } from './io.js';
import { checkListText, checksOf, explanationText, findingsText, jsonText } from './lint-text.js';
import { printDiagnostics } from './report.js';

/** The command's options as commander gives them. */
export interface LintFlags extends ClusterFlags {
  readonly nodePortRange?: readonly [number, number];
  readonly only?: readonly string[];
  readonly ignore?: readonly string[];
  readonly list: boolean;
  readonly explain?: string;
  readonly output: 'text' | 'json';
}

const NEEDED: Readonly<Record<Need, string>> = {
  nodes: 'Nodes',
  endpoints: 'EndpointSlices',
  workloads: 'Pods and workloads',
  serviceCIDRs: 'ServiceCIDRs',
  config: '--config',
};

/** What reading says that is no matter here: Pods and workloads are read, and shared addresses are a finding. */
const SAID_OTHERWISE: ReadonlySet<string> = new Set(['skipped-kinds', 'address-conflict']);

/** Runs the command; returns the exit code. */
export async function runLint(flags: LintFlags, io: Io): Promise<number> {
  const unknown = unknownCodes(flags);
  if (unknown.length > 0) return finish(flags, io, undefined, unknown);
  if (flags.list || flags.explain !== undefined) return printChecks(flags, io);
  if (flags.filename === undefined && flags.fromCluster !== true) {
    const hint = 'Name files or folders with -f, give --from-cluster, or see --list.';
    return finish(flags, io, undefined, [diagnostic('usage', 'no objects to lint.', { hint })]);
  }
  const configuration = readConfiguration(flags);
  // Other namespaces are read too: their Services may claim the same addresses.
  const { namespace: _, ...everywhere } = flags;
  const cluster = await readCluster(everywhere, configuration, io, { readsPods: true });
  const said = cluster.diagnostics.filter(({ code }) => !SAID_OTHERWISE.has(code));
  const wrong = hasErrors(said) ? [] : [...missingNode(flags, cluster), ...missingNamespace(flags, cluster.objects)];
  const before = [...said, ...wrong];
  if (hasErrors(before)) return finish(flags, io, undefined, placeDiagnostics(before, cluster.sources));
  const result = lintCluster(flags, cluster);
  const diagnostics = placeDiagnostics([...before, ...notChecked(result)], cluster.sources);
  return finish(flags, io, placed(result, cluster.sources), diagnostics);
}

function lintCluster(flags: LintFlags, { state, objects, config, mode }: ClusterInput): LintResult {
  const file = flags.config === '-' ? '<stdin>' : flags.config;
  const result = lint(
    {
      state,
      objects,
      config,
      mode,
      configOrigin: file === undefined ? undefined : { file, document: 0, path: [] },
      nodePortRange: flags.nodePortRange ?? simulatedRange(flags),
      node: flags.node,
      simulated: flags.simulate,
    },
    { only: flags.only?.filter(isLintCode), ignore: flags.ignore?.filter(isLintCode) },
  );
  const { namespace } = flags;
  if (namespace === undefined) return result;
  return { ...result, findings: result.findings.filter((finding) => finding.namespace === namespace) };
}

/** With --simulate node ports were given out of this range, which was checked then. */
function simulatedRange({ serviceNodePortRange }: LintFlags): readonly [number, number] | undefined {
  const [first, last] = serviceNodePortRange?.split('-').map(Number) ?? [];
  return first === undefined || last === undefined ? undefined : [first, last];
}

/** Prints what came of it; without a result that is trouble. */
async function finish(
  flags: LintFlags,
  io: Io,
  result: LintResult | undefined,
  diagnostics: readonly Diagnostic[],
): Promise<number> {
  const findings = result?.findings ?? [];
  if (flags.output === 'json') {
    await io.out(jsonText(result, checksOf(findings), diagnostics));
  } else {
    printDiagnostics(diagnostics, io);
    if (result !== undefined) await io.out(findingsText(result, io.terminal));
  }
  if (result === undefined) return TROUBLE;
  return findings.length > 0 ? FOUND : DONE;
}

async function printChecks(flags: LintFlags, io: Io): Promise<number> {
  const checks = LINT_CHECKS.filter(({ code }) => flags.explain === undefined || flags.explain === code);
  if (flags.output === 'json') await io.out(jsonText(undefined, checks, []));
  else if (flags.explain === undefined) await io.out(checkListText(checks, io.terminal));
  else await io.out(checks.map((check) => explanationText(check, io.terminal)).join(''));
  return DONE;
}

function unknownCodes({ only = [], ignore = [], explain }: LintFlags): readonly Diagnostic[] {
  const given = [...only, ...ignore, ...(explain === undefined ? [] : [explain])];
  return given
    .filter((code) => !isLintCode(code))
    .map((code) => diagnostic('usage', `there is no check ${show(code)}.`, { hint: hintFor(code) }));
}

/** A code that somebody has half in mind is one of a few. */
function hintFor(code: string): string {
  const words = code.split('-').filter((word) => word.length > 2);
  const codes = LINT_CHECKS.map((check) => check.code);
  const alike = codes.filter((each) => words.some((word) => each.includes(word)));
  return alike.length === 0 || alike.length > 6 ? 'See --list.' : `Is it ${alike.join(', ')}? See --list.`;
}

function missingNode({ node }: LintFlags, { state }: ClusterInput): readonly Diagnostic[] {
  if (node === undefined || state.nodes.has(node)) return [];
  return [unknownNode(show(node), state)];
}

function missingNamespace({ namespace }: LintFlags, objects: readonly LocatedObject[]): readonly Diagnostic[] {
  if (namespace === undefined) return [];
  const isThere = objects.some(({ object }) => !isClusterScoped(object.kind) && namespaceOf(object) === namespace);
  return isThere ? [] : [diagnostic('no-objects', `the input holds no object in namespace ${show(namespace)}.`)];
}

/** One note for each kind of object that is missing. */
function notChecked({ notChecked }: LintResult): readonly Diagnostic[] {
  return (Object.keys(NEEDED) as Need[]).flatMap((need) => {
    const codes = notChecked.filter(({ needs }) => needs.includes(need)).map(({ code }) => code);
    return codes.length === 0 ? [] : [diagnostic('not-checked', `without ${NEEDED[need]}: ${codes.join(', ')}.`)];
  });
}

/** Findings and the other objects in them with their lines. */
function placed(result: LintResult, sources: readonly SourceText[]): LintResult {
  const findings: readonly Finding[] = placeDiagnostics(result.findings, sources);
  const all = findings.flatMap(({ others }) => others);
  const others = placeDiagnostics(all, sources)[Symbol.iterator]();
  const withPlaces = findings.map((finding) => ({
    ...finding,
    others: finding.others.map((other) => others.next().value ?? other),
  }));
  return { ...result, findings: withPlaces };
}

/** `kuberules trace`: a packet through the rules of one node. */
import { compile } from '../backends/compile.js';
import { type Asked, askTrace } from '../inspect/ask.js';
import type { Surroundings } from '../inspect/ends.js';
import { indexPods } from '../inspect/pods.js';
import { type KernelRules, rulesOfDumps, rulesOfParts } from '../inspect/rule-texts.js';
import { type Diagnostic, diagnostic, hasErrors } from '../kube/diagnostics.js';
import { placeDiagnostics } from '../kube/locate.js';
import type { SourceText } from '../kube/objects.js';
import { emptyState } from '../kube/state.js';
import type { Family } from '../net/family.js';
import { chooseNode } from '../plan/choose-node.js';
import { type ClusterFlags, type ClusterInput, readCluster, readConfiguration } from './cluster.js';
import { DONE, TROUBLE } from './exit.js';
import { readDumpFiles, repeatedStdin } from './input.js';
import type { Io } from './io.js';
import { printDiagnostics } from './report.js';
import { traceJson, traceText } from './trace-report.js';

/** The command's options as commander gives them. */
export interface TraceFlags extends ClusterFlags {
  readonly from?: string;
  readonly to: string;
  readonly zone: string;
  readonly ingressClass?: string;
  readonly dump?: readonly string[];
  readonly family?: Family;
  readonly after?: string;
  readonly established: boolean;
  readonly inInterface?: string;
  readonly outInterface?: string;
  readonly localAddress?: readonly string[];
  readonly output: 'text' | 'json';
}

/** Answers with what they are about. */
interface Traced extends Asked {
  readonly around: Surroundings | undefined;
  /** `nftables rules of worker-1`, `rules in nft.txt`. */
  readonly rules: string;
  readonly sources: readonly SourceText[];
}

/** Runs the command; returns the exit code. */
export async function runTrace(flags: TraceFlags, io: Io): Promise<number> {
  const { route, answers, diagnostics, around, rules, sources } = await traceInputs(flags, io);
  const found = placeDiagnostics(diagnostics, sources);
  const shown = route === undefined || around === undefined ? undefined : { route, answers, around, rules };
  if (flags.output === 'json') await io.out(traceJson(shown, found));
  else {
    printDiagnostics(found, io);
    if (shown !== undefined) await io.out(traceText(shown, io.terminal));
  }
  return shown === undefined ? TROUBLE : DONE;
}

async function traceInputs(flags: TraceFlags, io: Io): Promise<Traced> {
  const fail = (diagnostics: readonly Diagnostic[], sources: readonly SourceText[] = []): Traced => {
    return { route: undefined, answers: [], diagnostics, around: undefined, rules: '', sources };
  };
  const { dump = [] } = flags;
  if (!givesObjects(flags) && dump.length === 0) {
    const hint = 'Give objects with -f or --from-cluster, or what a node printed with --dump.';
    return fail([diagnostic('usage', 'there are no rules to trace through.', { hint })]);
  }
  const twice = repeatedStdin(flags.filename, dump);
  if (twice.length > 0) return fail(twice);
  const { dumps, diagnostics: unread } = readDumpFiles(dump);
  if (unread.length > 0) return fail(unread);
  const cluster = await clusterOf(flags, io);
  const { state, config, mode, sources } = cluster;
  // Pods that were made are among the objects only where they were given.
  const objects = flags.simulate ? [...new Set([...cluster.objects, ...cluster.pods])] : cluster.objects;
  if (hasErrors(cluster.diagnostics)) return fail(cluster.diagnostics, sources);
  const { node, diagnostics: chosen } = chooseNode(state, flags.node, config);
  // Compiling says it once more, and of dumps alone it says nothing.
  const said = [...cluster.diagnostics, ...(hasErrors(chosen) ? chosen : []), ...ignoredMode(flags)];
  if (node === undefined) return fail(said, sources);

  const namespace = flags.namespace ?? 'default';
  const around: Surroundings = { state, objects, pods: indexPods(objects), node, namespace };
  const compiled = (family: Family): KernelRules => {
    const { parts, diagnostics } = compile(state, { mode, config, node: flags.node, family });
    const rules = hasErrors(diagnostics) ? NO_RULES : rulesOfParts(parts, family);
    return { ...rules, diagnostics: [...diagnostics, ...rules.diagnostics] };
  };
  const asked = askTrace(around, dump.length === 0 ? compiled : (family) => rulesOfDumps(dumps, family), {
    from: flags.from,
    to: flags.to,
    family: flags.family,
    zone: flags.zone,
    ingressClass: flags.ingressClass,
    after: flags.after,
    established: flags.established,
    inInterface: flags.inInterface,
    outInterface: flags.outInterface,
    localAddresses: flags.localAddress ?? [],
  });
  const rules =
    dump.length === 0
      ? `${mode} rules${node.name === '' ? '' : ` of ${node.name}`}`
      : dumps.map(({ name }) => name).join(', ');
  return { ...asked, diagnostics: [...said, ...asked.diagnostics], around, rules, sources };
}

/** Dumps are what they are. */
function ignoredMode({ mode, dump }: TraceFlags): readonly Diagnostic[] {
  if (mode === undefined || dump === undefined) return [];
  return [diagnostic('ignored-flags', '--mode plays no part: the dumps tell which rules the node has.')];
}

const NO_RULES: KernelRules = { functions: [], localAddresses: [], routeLocalnet: undefined, diagnostics: [] };

/** The cluster; without objects an empty one, which dumps can do with. */
async function clusterOf(flags: ClusterFlags, io: Io): Promise<ClusterInput> {
  const configuration = readConfiguration(flags);
  if (givesObjects(flags)) return readCluster(flags, configuration, io, { readsPods: true, readsIngresses: true });
  return { ...configuration, state: emptyState(), objects: [], pods: [] };
}

function givesObjects({ filename, fromCluster }: ClusterFlags): boolean {
  return filename !== undefined || fromCluster === true;
}

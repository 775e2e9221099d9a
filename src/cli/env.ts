/** `kuberules env`: the environment variables that Services give a Pod. */
import { alikeText, someNames } from '../inspect/alike.js';
import { type PodEnvironment, podEnvironment } from '../inspect/env.js';
import { type Diagnostic, diagnostic, hasErrors } from '../kube/diagnostics.js';
import { show } from '../kube/fields.js';
import { placeDiagnostics } from '../kube/locate.js';
import { type Pod, readPods } from '../kube/pod.js';
import { compareBytes } from '../net/text.js';
import { type ClusterInput, DEFAULT_CONFIGURATION, type ObjectFlags, readCluster } from './cluster.js';
import { DONE, TROUBLE } from './exit.js';
import type { Io } from './io.js';
import { diagnosticJson, printDiagnostics } from './report.js';

/** The command's options as commander gives them. */
export interface EnvFlags extends ObjectFlags {
  readonly pod: string;
  readonly output: 'text' | 'json';
}

/** What is said of rules alone; what concerns variables is said here in its own words. */
const ABOUT_RULES: ReadonlySet<string> = new Set(['no-cluster-ip', 'no-endpoint-slices']);

/** Runs the command; returns the exit code. */
export async function runEnv(flags: EnvFlags, io: Io): Promise<number> {
  // The Service kubernetes is of the namespace default, whatever that of the Pod.
  const { namespace, ...everywhere } = flags;
  const cluster = await readCluster(everywhere, DEFAULT_CONFIGURATION, io, { readsPods: true });
  const read = cluster.diagnostics.filter(({ code }) => !ABOUT_RULES.has(code));
  const { pod, variables, diagnostics: own } = hasErrors(read) ? NOTHING : environment(cluster, namespace, flags);
  const diagnostics = placeDiagnostics([...read, ...own], cluster.sources);
  const failed = hasErrors(diagnostics);
  if (flags.output === 'json') {
    const result = {
      pod: failed || pod === undefined ? null : `${pod.namespace}/${pod.name}`,
      variables: failed ? [] : variables,
      diagnostics: diagnostics.map(diagnosticJson),
    };
    await io.out(`${JSON.stringify(result, undefined, 2)}\n`);
  } else {
    printDiagnostics(diagnostics, io);
    if (!failed) await io.out(variables.map(({ name, value }) => `${name}=${value}\n`).join(''));
  }
  return failed ? TROUBLE : DONE;
}

interface Environment extends PodEnvironment {
  readonly pod: Pod | undefined;
}

const NOTHING: Environment = { pod: undefined, variables: [], diagnostics: [] };

function environment(cluster: ClusterInput, namespace: string | undefined, flags: EnvFlags): Environment {
  const diagnostics: Diagnostic[] = [];
  const pods = readPods(cluster.pods, diagnostics);
  const pod = findPod(pods, namespace, flags, diagnostics);
  if (pod === undefined || hasErrors(diagnostics)) return { ...NOTHING, diagnostics };
  const made = podEnvironment(cluster.state, pod);
  return { pod, variables: made.variables, diagnostics: [...diagnostics, ...made.diagnostics] };
}

/** The Pod that is meant; where there is none or more than one, which there are. */
function findPod(
  pods: readonly Pod[],
  namespace: string | undefined,
  flags: EnvFlags,
  diagnostics: Diagnostic[],
): Pod | undefined {
  const inNamespace = pods.filter((pod) => namespace === undefined || pod.namespace === namespace);
  const found = inNamespace.filter((pod) => [pod.name, `${pod.namespace}/${pod.name}`].includes(flags.pod));
  if (found.length === 1) return found[0];
  const where = namespace === undefined ? '' : ` in namespace ${show(namespace)}`;
  if (found.length > 1) {
    const namespaces = found.map((pod) => pod.namespace).sort(compareBytes);
    const message = `there is a Pod ${show(flags.pod)} in the namespaces ${someNames(namespaces)}.`;
    diagnostics.push(diagnostic('unknown-pod', message, { hint: 'Choose one with -n.' }));
  } else {
    const message = `there is no Pod ${show(flags.pod)}${where}.`;
    diagnostics.push(diagnostic('unknown-pod', message, { hint: candidates(inNamespace, flags) }));
  }
  return undefined;
}

/** Pods whose names are like the one that was asked for, or else all. */
function candidates(pods: readonly Pod[], flags: EnvFlags): string {
  const simulate = flags.simulate ? '' : ' --simulate adds those that workloads make.';
  return `${alikeText(flags.pod, pods) ?? 'There are no Pods here.'}${simulate}`;
}

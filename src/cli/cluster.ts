/** What most commands begin with: a cluster from files or an API server, and the configuration of a kube-proxy. */
import { modeOf } from '../backends/compile.js';
import { DEFAULT_CONFIG, type ProxyConfig, type ProxyMode, readConfig } from '../kube/config.js';
import { type Diagnostic, diagnostic, hasErrors } from '../kube/diagnostics.js';
import { isFields, show } from '../kube/fields.js';
import { isClusterScoped, type LoadedCluster, loadCluster } from '../kube/load.js';
import type { LocatedObject, SourceText } from '../kube/objects.js';
import { isPod } from '../kube/pod.js';
import { readObjects } from '../kube/read.js';
import { simulate } from '../kube/simulate/simulate.js';
import type { ClusterState } from '../kube/state.js';
import { emptyState } from '../kube/state.js';
import { FAMILIES } from '../net/family.js';
import { type InputTexts, readInputFile, readInputs } from './input.js';
import type { Io } from './io.js';
import { configFromFlags } from './proxy-flag-values.js';
import { printable } from './report.js';

/** The flags that say which objects, as commander gives them. */
export interface ObjectFlags {
  /** undefined only with --from-cluster. */
  readonly filename?: readonly string[] | undefined;
  readonly fromCluster?: boolean;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly recursive: boolean;
  readonly namespace?: string;
  readonly simulate: boolean;
  readonly serviceClusterIpRange?: string;
  readonly serviceNodePortRange?: string;
  readonly simulateNodes?: number;
}

/** The flags that say which objects and which configuration, as commander gives them. */
export interface ClusterFlags extends ObjectFlags {
  readonly mode?: ProxyMode;
  readonly config?: string;
  readonly node?: string;
}

/** A configuration and what is to be said about it; with an error among the diagnostics it must not be used. */
export interface Configuration {
  readonly config: ProxyConfig;
  readonly mode: ProxyMode;
  readonly diagnostics: readonly Diagnostic[];
  /** Texts in which the places of diagnostics can be looked up. */
  readonly sources: readonly SourceText[];
}

/** A cluster with its configuration; with an error among the diagnostics the state is empty. */
export interface ClusterInput extends Configuration {
  readonly state: ClusterState;
  /** All objects, also of kinds that give no rules, and with --simulate those that it made. */
  readonly objects: readonly LocatedObject[];
  /** The Pods, given or made; with --simulate as they run. */
  readonly pods: readonly LocatedObject[];
}

/** Of commands for which it makes no difference how kube-proxy is configured. */
export const DEFAULT_CONFIGURATION: Configuration = {
  config: DEFAULT_CONFIG,
  mode: modeOf(undefined, DEFAULT_CONFIG),
  diagnostics: [],
  sources: [],
};

/** The configuration from --config and kube-proxy's own flags. */
export function readConfiguration(flags: ClusterFlags): Configuration {
  const source = flags.config === undefined ? undefined : readInputFile(flags.config);
  const loaded = source !== undefined && 'text' in source ? readConfig(source, { mode: flags.mode }) : undefined;
  const merged = configFromFlags(flags, loaded?.config, flags.mode);
  const unread = source !== undefined && !('text' in source) ? [source] : [];
  return {
    config: merged.config,
    mode: modeOf(flags.mode, merged.config),
    diagnostics: [...unread, ...(loaded?.diagnostics ?? []), ...merged.diagnostics],
    sources: source !== undefined && 'text' in source ? [source] : [],
  };
}

/** What a command reads itself, so that it is asked for and not called skipped. */
interface OwnReading {
  readonly readsPods?: boolean;
  readonly readsIngresses?: boolean;
}

/** Reads the objects and builds the cluster. */
export async function readCluster(
  flags: ObjectFlags,
  configuration: Configuration,
  io: Io,
  options: OwnReading = {},
): Promise<ClusterInput> {
  const start = [...configuration.diagnostics, ...wrongFlags(flags)];
  const nothing = { ...configuration, state: emptyState(), objects: [], pods: [] };
  if (hasErrors(start)) return { ...nothing, diagnostics: start };
  const inputs = await readTexts(flags, options, (text) => {
    if (io.interactive) io.err(`${printable(text)}\n`);
  });
  const sources = [...configuration.sources, ...inputs.sources];
  const read = readObjects(inputs.sources);
  const objects = selectNamespace(read.objects, flags.namespace);
  const before = [...start, ...inputs.diagnostics, ...read.diagnostics];
  if (objects.length === 0 && !hasErrors(before)) before.push(noObjects(flags.namespace, inputs.sources));
  const cluster = loadObjects(objects, flags, configuration.config, options);
  return { ...configuration, ...cluster, diagnostics: [...before, ...cluster.diagnostics], sources };
}

async function readTexts(
  { filename = [], recursive, fromCluster, kubeconfig, context }: ObjectFlags,
  { readsPods: pods = false, readsIngresses: ingresses = false }: OwnReading,
  progress: (text: string) => void,
): Promise<InputTexts> {
  if (fromCluster !== true) return readInputs(filename, { recursive, progress });
  const { readFromCluster } = await import('./from-cluster.js');
  return readFromCluster({ kubeconfig, context }, { pods, ingresses, progress });
}

function noObjects(namespace: string | undefined, sources: readonly SourceText[]): Diagnostic {
  const where = namespace === undefined ? '' : ` in namespace ${show(namespace)}`;
  const hint = 'A cluster without Services still has Nodes; give those to compile its rules.';
  const [only, ...more] = sources;
  const place = only === undefined || more.length > 0 ? undefined : { file: only.name };
  return diagnostic('no-objects', `the input holds no object${where}.`, { place, hint });
}

function wrongFlags(flags: ObjectFlags): readonly Diagnostic[] {
  return [...wrongSource(flags), ...unusedFlags(flags)];
}

/** A cluster has everything that files could add, and that --simulate would make up. */
function wrongSource({ filename, fromCluster, context, simulate }: ObjectFlags): readonly Diagnostic[] {
  if (fromCluster !== true) {
    if (context === undefined) return [];
    return [diagnostic('usage', '--context means something only with --from-cluster.')];
  }
  const others = [filename === undefined ? [] : '-f', simulate ? '--simulate' : []].flat();
  return others.map((flag) => diagnostic('usage', `--from-cluster and ${flag} exclude each other.`));
}

/** Flags that only --simulate reads. */
function unusedFlags(flags: ObjectFlags): readonly Diagnostic[] {
  if (flags.simulate) return [];
  const given = [
    flags.serviceClusterIpRange === undefined ? [] : '--service-cluster-ip-range',
    flags.serviceNodePortRange === undefined ? [] : '--service-node-port-range',
    flags.simulateNodes === undefined ? [] : '--simulate-nodes',
  ].flat();
  return given.map((flag) => diagnostic('usage', `${flag} means something only with --simulate.`));
}

function selectNamespace(objects: readonly LocatedObject[], namespace: string | undefined): readonly LocatedObject[] {
  if (namespace === undefined) return objects;
  const inNamespace = objects.filter(({ object }) => {
    if (isClusterScoped(object.kind)) return true;
    const given = isFields(object.metadata) ? object.metadata.namespace : undefined;
    return (given || 'default') === namespace;
  });
  // Without anything that is in the namespace its name is a mistake.
  return inNamespace.every(({ object }) => isClusterScoped(object.kind)) ? [] : inNamespace;
}

/** With --simulate the objects are checked as they were given first, so that nothing is derived from wrong ones. */
function loadObjects(
  objects: readonly LocatedObject[],
  flags: ObjectFlags,
  config: ProxyConfig,
  options: OwnReading,
): LoadedCluster & Pick<ClusterInput, 'objects' | 'pods'> {
  const pods = objects.filter(isPod);
  if (!flags.simulate) return { ...loadCluster(objects, options), objects, pods };
  const given = loadCluster(objects, { ...options, simulated: true });
  if (hasErrors(given.diagnostics)) return { ...given, objects, pods };
  // Where pods are told by the cluster's network, made up pods belong into it.
  const clusterCIDR = FAMILIES.flatMap((family) => config.clusterCIDRs[family] ?? []).join(',');
  const simulated = simulate(objects, {
    clusterCIDR: clusterCIDR === '' ? undefined : clusterCIDR,
    serviceClusterIPRange: flags.serviceClusterIpRange,
    nodePortRange: flags.serviceNodePortRange,
    nodes: flags.simulateNodes,
  });
  if (hasErrors(simulated.diagnostics)) {
    // What was made up for nothing would only hide the error.
    const diagnostics = simulated.diagnostics.filter((each) => each.severity !== 'note');
    return { state: given.state, objects, pods, diagnostics };
  }
  const loaded = loadCluster(simulated.objects, { ...options, simulated: true });
  const diagnostics = [...simulated.diagnostics, ...loaded.diagnostics];
  // Given Pods come with their origin; those that were made have none.
  const running = simulated.objects.filter(isPod);
  const known = new Set(running.map(({ object }) => object));
  const made = simulated.pods.filter((object) => !known.has(object)).map((object) => ({ object }));
  return { state: loaded.state, objects: simulated.objects, pods: [...running, ...made], diagnostics };
}

/** `kuberules compile`: the rules of one node. */
import { BACKENDS, type Compiled, compile, modeOf, type Part, partText } from '../backends/compile.js';
import { type ProxyConfig, type ProxyMode, readConfig } from '../kube/config.js';
import { type Diagnostic, diagnostic, hasErrors } from '../kube/diagnostics.js';
import { isFields, show } from '../kube/fields.js';
import { isClusterScoped, type LoadedCluster, loadCluster } from '../kube/load.js';
import { placeDiagnostics } from '../kube/locate.js';
import type { LocatedObject, SourceText } from '../kube/objects.js';
import { readObjects } from '../kube/read.js';
import { simulate } from '../kube/simulate/simulate.js';
import { FAMILIES, type Family } from '../net/family.js';
import { DONE, TROUBLE } from './exit.js';
import { readInputFile, readInputs, reason } from './input.js';
import type { Io } from './io.js';
import { printedParts, writeParts, writePieces } from './output.js';
import { configFromFlags } from './proxy-flags.js';
import { diagnosticJson, printable, printDiagnostics } from './report.js';

/** The command's options as commander gives them. */
export interface CompileFlags {
  readonly filename: readonly string[];
  readonly recursive: boolean;
  readonly namespace?: string;
  readonly mode?: ProxyMode;
  readonly config?: string;
  readonly node?: string;
  readonly family?: Family;
  readonly outputDir?: string;
  readonly part?: readonly string[];
  readonly output: 'text' | 'json';
  readonly simulate: boolean;
  readonly serviceClusterIpRange?: string;
  readonly serviceNodePortRange?: string;
  readonly simulateNodes?: number;
}

/** Everything that one run has found out. */
interface Outcome extends Compiled {
  /** Texts in which the places of diagnostics can be looked up. */
  readonly sources: readonly SourceText[];
}

/** Runs the command; returns the exit code. */
export async function runCompile(flags: CompileFlags, io: Io): Promise<number> {
  const outcome = compileInputs(flags, io);
  const found = placeDiagnostics(outcome.diagnostics, outcome.sources);
  const selected = hasErrors(found) ? [] : selectParts(outcome, flags);
  const written = hasErrors(found) || flags.outputDir === undefined ? [] : writeFolder(flags.outputDir, selected);
  const diagnostics = [...found, ...written];
  const failed = hasErrors(diagnostics);
  const parts = failed ? [] : selected;
  if (flags.output === 'json') await io.out(jsonText(parts, diagnostics));
  else printDiagnostics(diagnostics, io);
  if (flags.output === 'text' && flags.outputDir === undefined) await writePieces(printedParts(parts), io);
  return failed ? TROUBLE : DONE;
}

function compileInputs(flags: CompileFlags, io: Io): Outcome {
  const configuration = readConfiguration(flags);
  const { config } = configuration;
  const unused = [...unusedFlags(flags), ...missingParts(flags, modeOf(flags.mode, config))];
  if (hasErrors([...configuration.diagnostics, ...unused])) {
    const diagnostics = [...configuration.diagnostics, ...unused];
    return { mode: modeOf(flags.mode, config), parts: [], diagnostics, sources: configuration.sources };
  }
  const inputs = readInputs(flags.filename, {
    recursive: flags.recursive,
    progress: (text) => {
      if (io.interactive) io.err(`${printable(text)}\n`);
    },
  });
  const sources = [...configuration.sources, ...inputs.sources];
  const read = readObjects(inputs.sources);
  const objects = selectNamespace(read.objects, flags.namespace);
  const before = [...configuration.diagnostics, ...inputs.diagnostics, ...read.diagnostics];
  if (objects.length === 0 && !hasErrors(before)) before.push(noObjects(flags.namespace));
  const cluster = loadInputs(objects, flags, config);
  const known = [...before, ...cluster.diagnostics];
  const mode = modeOf(flags.mode, config);
  if (hasErrors(known)) return { mode, parts: [], diagnostics: known, sources };

  const { node, family } = flags;
  const compiled = compile(cluster.state, { mode, config, node, family });
  return { mode, parts: compiled.parts, diagnostics: [...known, ...compiled.diagnostics], sources };
}

function noObjects(namespace: string | undefined): Diagnostic {
  const where = namespace === undefined ? '' : ` in namespace ${show(namespace)}`;
  const hint = 'A cluster without Services still has Nodes; give those to compile its rules.';
  return diagnostic('no-objects', `the input holds no object${where}.`, { hint });
}

/** Flags that only --simulate reads. */
function unusedFlags(flags: CompileFlags): readonly Diagnostic[] {
  if (flags.simulate) return [];
  const given = [
    flags.serviceClusterIpRange === undefined ? [] : '--service-cluster-ip-range',
    flags.serviceNodePortRange === undefined ? [] : '--service-node-port-range',
    flags.simulateNodes === undefined ? [] : '--simulate-nodes',
  ].flat();
  return given.map((flag) => diagnostic('usage', `${flag} means something only with --simulate.`));
}

/** Parts asked for that the mode does not have. */
function missingParts({ part = [] }: CompileFlags, mode: ProxyMode): readonly Diagnostic[] {
  const { parts } = BACKENDS[mode];
  return part
    .filter((name) => name !== 'all' && !parts.includes(name))
    .map((name) => {
      const hint = parts.length === 1 ? `It has one part: ${parts[0]}.` : `Its parts are ${parts.join(', ')}.`;
      return diagnostic('usage', `mode ${mode} has no part ${name}.`, { hint });
    });
}

/** The configuration from --config and kube-proxy's own flags. */
function readConfiguration(flags: CompileFlags): {
  readonly config: ProxyConfig;
  readonly diagnostics: readonly Diagnostic[];
  readonly sources: readonly SourceText[];
} {
  const source = flags.config === undefined ? undefined : readInputFile(flags.config);
  const loaded = source !== undefined && 'text' in source ? readConfig(source, { mode: flags.mode }) : undefined;
  const merged = configFromFlags(flags, loaded?.config, flags.mode);
  const unread = source !== undefined && !('text' in source) ? [source] : [];
  return {
    config: merged.config,
    diagnostics: [...unread, ...(loaded?.diagnostics ?? []), ...merged.diagnostics],
    sources: source !== undefined && 'text' in source ? [source] : [],
  };
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
function loadInputs(objects: readonly LocatedObject[], flags: CompileFlags, config: ProxyConfig): LoadedCluster {
  if (!flags.simulate) return loadCluster(objects);
  const given = loadCluster(objects, { simulated: true });
  if (hasErrors(given.diagnostics)) return given;
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
    return { state: given.state, diagnostics: simulated.diagnostics.filter((each) => each.severity !== 'note') };
  }
  const loaded = loadCluster(simulated.objects, { simulated: true });
  return { state: loaded.state, diagnostics: [...simulated.diagnostics, ...loaded.diagnostics] };
}

/** To stdout goes what its mode prints unless parts are asked for; into a folder and into JSON go all. */
function selectParts({ parts, mode }: Compiled, flags: CompileFlags): readonly Part[] {
  const everything = flags.outputDir !== undefined || flags.output === 'json';
  const wanted = flags.part ?? (everything ? ['all'] : BACKENDS[mode].printed);
  return wanted.includes('all') ? parts : parts.filter((part) => wanted.includes(part.part));
}

function jsonText(parts: readonly Part[], diagnostics: readonly Diagnostic[]): string {
  const result = {
    parts: Object.fromEntries(parts.map((part) => [part.name, partText(part)])),
    diagnostics: diagnostics.map(diagnosticJson),
  };
  return `${JSON.stringify(result, undefined, 2)}\n`;
}

/** Writes the parts; returns why that could not be. */
function writeFolder(folder: string, parts: readonly Part[]): readonly Diagnostic[] {
  try {
    writeParts(folder, parts);
    return [];
  } catch (error) {
    return [diagnostic('unwritable-output', `${show(folder)} cannot be written: ${reason(error)}`)];
  }
}

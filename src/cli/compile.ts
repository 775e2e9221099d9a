/** `kuberules compile`: the rules of one node. */
import { COMPILED_MODES, type Compiled, compile, type Part, partText } from '../backends/compile.js';
import { type ProxyConfig, type ProxyMode, readConfig } from '../kube/config.js';
import { type Diagnostic, diagnostic, hasErrors } from '../kube/diagnostics.js';
import { isFields, show } from '../kube/fields.js';
import { type LoadedCluster, loadCluster } from '../kube/load.js';
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
import { diagnosticJson, printDiagnostics } from './report.js';

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
  const failed = hasErrors(outcome.diagnostics);
  const diagnostics = placeDiagnostics(outcome.diagnostics, outcome.sources);
  const parts = failed ? [] : selectParts(outcome.parts, flags);
  if (flags.output === 'json') await io.out(jsonText(parts, diagnostics));
  else printDiagnostics(diagnostics, io);
  if (failed) return TROUBLE;
  if (flags.outputDir !== undefined) return writeFolder(flags.outputDir, parts, io);
  if (flags.output === 'text') await writePieces(printedParts(parts), io);
  return DONE;
}

function compileInputs(flags: CompileFlags, io: Io): Outcome {
  const { config, diagnostics, sources } = readConfiguration(flags);
  const mode = flags.mode ?? config.mode ?? 'iptables';
  if (!COMPILED_MODES.includes(mode)) {
    const hint = 'Use --mode iptables.';
    diagnostics.push(diagnostic('unsupported-mode', `mode ${mode} cannot be compiled yet.`, { hint }));
  }
  if (hasErrors(diagnostics)) return { parts: [], diagnostics, sources };

  const progress = (text: string): void => {
    if (io.interactive) io.err(`${text}\n`);
  };
  const inputs = readInputs(flags.filename, { recursive: flags.recursive, progress });
  const read = readObjects(inputs.sources);
  sources.push(...inputs.sources);
  diagnostics.push(...inputs.diagnostics, ...read.diagnostics);
  if (read.objects.length === 0 && !hasErrors(diagnostics)) {
    const hint = 'A cluster without Services still has Nodes; give those to compile its rules.';
    diagnostics.push(diagnostic('no-objects', 'the input holds no object.', { hint }));
  }
  const cluster = loadInputs(selectNamespace(read.objects, flags.namespace), flags, config);
  diagnostics.push(...cluster.diagnostics);
  if (hasErrors(diagnostics)) return { parts: [], diagnostics, sources };

  const compiled = compile(cluster.state, {
    mode,
    config,
    ...(flags.node === undefined ? {} : { node: flags.node }),
    ...(flags.family === undefined ? {} : { family: flags.family }),
  });
  diagnostics.push(...compiled.diagnostics);
  return { parts: compiled.parts, diagnostics, sources };
}

/** The configuration from --config and kube-proxy's own flags. */
function readConfiguration(flags: CompileFlags): {
  config: ProxyConfig;
  diagnostics: Diagnostic[];
  sources: SourceText[];
} {
  const sources: SourceText[] = [];
  const diagnostics: Diagnostic[] = [];
  let base: ProxyConfig | undefined;
  if (flags.config !== undefined) {
    const source = readInputFile(flags.config);
    if ('text' in source) {
      sources.push(source);
      const loaded = readConfig(source, flags.mode === undefined ? {} : { mode: flags.mode });
      diagnostics.push(...loaded.diagnostics);
      base = loaded.config;
    } else {
      diagnostics.push(source);
    }
  }
  const merged = configFromFlags(flags, base, flags.mode);
  diagnostics.push(...merged.diagnostics);
  return { config: merged.config, diagnostics, sources };
}

function selectNamespace(objects: readonly LocatedObject[], namespace: string | undefined): readonly LocatedObject[] {
  if (namespace === undefined) return objects;
  return objects.filter(({ object }) => {
    if (object.kind === 'Node') return true;
    const given = isFields(object.metadata) ? object.metadata.namespace : undefined;
    return (given || 'default') === namespace;
  });
}

/** With --simulate the objects are checked as they were given first, so that nothing is derived from wrong ones. */
function loadInputs(objects: readonly LocatedObject[], flags: CompileFlags, config: ProxyConfig): LoadedCluster {
  if (!flags.simulate) return loadCluster(objects);
  const given = loadCluster(objects, { simulated: true });
  if (hasErrors(given.diagnostics)) return given;
  // Where pods are told by the cluster's network, made up pods belong into it.
  const clusterCIDR = FAMILIES.flatMap((family) => config.clusterCIDRs[family] ?? []).join(',');
  const simulated = simulate(objects, {
    ...(clusterCIDR === '' ? {} : { clusterCIDR }),
    ...(flags.serviceClusterIpRange === undefined ? {} : { serviceClusterIPRange: flags.serviceClusterIpRange }),
    ...(flags.serviceNodePortRange === undefined ? {} : { nodePortRange: flags.serviceNodePortRange }),
    ...(flags.simulateNodes === undefined ? {} : { nodes: flags.simulateNodes }),
  });
  if (hasErrors(simulated.diagnostics)) return { state: given.state, diagnostics: simulated.diagnostics };
  const loaded = loadCluster(simulated.objects, { simulated: true });
  return { state: loaded.state, diagnostics: [...simulated.diagnostics, ...loaded.diagnostics] };
}

/** To stdout go the rules unless other parts are asked for; into a folder and into JSON go all. */
function selectParts(parts: readonly Part[], flags: CompileFlags): readonly Part[] {
  const wanted = flags.part ?? (flags.outputDir !== undefined || flags.output === 'json' ? ['all'] : ['rules']);
  return wanted.includes('all') ? parts : parts.filter((part) => wanted.includes(part.part));
}

function jsonText(parts: readonly Part[], diagnostics: readonly Diagnostic[]): string {
  const result = {
    parts: Object.fromEntries(parts.map((part) => [part.name, partText(part)])),
    diagnostics: diagnostics.map(diagnosticJson),
  };
  return `${JSON.stringify(result, undefined, 2)}\n`;
}

function writeFolder(folder: string, parts: readonly Part[], io: Io): number {
  try {
    writeParts(folder, parts);
    return DONE;
  } catch (error) {
    const message = `${show(folder)} cannot be written: ${reason(error)}`;
    printDiagnostics([diagnostic('unwritable-output', message)], io);
    return TROUBLE;
  }
}

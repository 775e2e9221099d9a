/** `kuberules compile`: the rules of one node. */
import type { PartName } from '../backends/backend.js';
import { BACKENDS, type Compiled, compile, type Part, partText } from '../backends/compile.js';
import type { ProxyMode } from '../kube/config.js';
import { type Diagnostic, diagnostic, hasErrors } from '../kube/diagnostics.js';
import { placeDiagnostics } from '../kube/locate.js';
import type { SourceText } from '../kube/objects.js';
import type { Family } from '../net/family.js';
import { type ClusterFlags, readCluster, readConfiguration } from './cluster.js';
import { DONE, TROUBLE } from './exit.js';
import type { Io } from './io.js';
import { printedParts, writeFolder, writePieces } from './output.js';
import { diagnosticJson, printDiagnostics } from './report.js';

/** The command's options as commander gives them. */
export interface CompileFlags extends ClusterFlags {
  readonly family?: Family;
  readonly outputDir?: string;
  readonly part?: readonly (PartName | 'all')[];
  readonly output: 'text' | 'json';
  readonly notes: boolean;
}

/** Everything that one run has found out. */
interface Outcome extends Compiled {
  /** Texts in which the places of diagnostics can be looked up. */
  readonly sources: readonly SourceText[];
}

/** Runs the command; returns the exit code. */
export async function runCompile(flags: CompileFlags, io: Io): Promise<number> {
  const outcome = await compileInputs(flags, io);
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

async function compileInputs(flags: CompileFlags, io: Io): Promise<Outcome> {
  const configuration = readConfiguration(flags);
  // A configuration that cannot be used has no mode, either.
  const missing = hasErrors(configuration.diagnostics) ? [] : missingParts(flags, configuration.mode);
  if (missing.length > 0)
    return { ...configuration, parts: [], diagnostics: [...configuration.diagnostics, ...missing] };
  const { state, mode, config, diagnostics, sources } = await readCluster(flags, configuration, io);
  if (hasErrors(diagnostics)) return { mode, parts: [], diagnostics, sources };
  const { node, family, notes } = flags;
  const compiled = compile(state, { mode, config, node, family, notes });
  return { mode, parts: compiled.parts, diagnostics: [...diagnostics, ...compiled.diagnostics], sources };
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

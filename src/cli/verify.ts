/** `kuberules verify`: is this node right? */
import { type VerifyResult, verify } from '../inspect/verify/verify.js';
import type { ProxyConfig } from '../kube/config.js';
import { type Diagnostic, diagnostic, hasErrors } from '../kube/diagnostics.js';
import { placeDiagnostics } from '../kube/locate.js';
import type { ClusterState } from '../kube/state.js';
import { type ClusterFlags, type Configuration, readCluster, readConfiguration } from './cluster.js';
import { DONE, FOUND, TROUBLE } from './exit.js';
import { hostNodeName } from './host-name.js';
import { readDumpFiles, repeatedStdin } from './input.js';
import type { Io } from './io.js';
import { dumpHost } from './live.js';
import { printDiagnostics } from './report.js';
import { verifyJson, verifyText } from './verify-text.js';

/** The command's options as commander gives them. */
export interface VerifyFlags extends ClusterFlags {
  readonly dump?: readonly string[];
  readonly live: boolean;
  readonly output: 'text' | 'json';
}

/** Runs the command; returns the exit code. */
export async function runVerify(flags: VerifyFlags, io: Io): Promise<number> {
  const wrong = usageErrors(flags);
  if (wrong.length > 0) return finish(flags, io, undefined, wrong);
  const configuration = readConfiguration(flags);
  const cluster = await readCluster(flags, configuration, io);
  if (hasErrors(cluster.diagnostics)) {
    return finish(flags, io, undefined, placeDiagnostics(cluster.diagnostics, cluster.sources));
  }
  const read = flags.live ? dumpHost(configuration.mode) : readDumpFiles(flags.dump ?? []);
  const { state, config, sources } = cluster;
  const before = [...cluster.diagnostics, ...read.diagnostics];
  if (hasErrors(before)) return finish(flags, io, undefined, placeDiagnostics(before, sources));
  const node = nodeAsked(flags, state, config);
  const result = verify({ state, config, mode: modeAsked(flags, configuration), node, dumps: read.dumps });
  const diagnostics = placeDiagnostics([...before, ...result.diagnostics], sources);
  return finish(flags, io, hasErrors(diagnostics) ? undefined : result, diagnostics);
}

/** Of this host the mode is taken that its programs were run for. */
function modeAsked({ mode, live }: VerifyFlags, configuration: Configuration) {
  return live ? configuration.mode : mode;
}

/** This host is the Node of its name, if there is one. */
function nodeAsked({ node, live }: VerifyFlags, { nodes }: ClusterState, config: ProxyConfig): string | undefined {
  const own = live ? hostNodeName(config) : undefined;
  return node ?? (own !== undefined && nodes.has(own) ? own : undefined);
}

function usageErrors({ filename = [], dump = [], live, namespace }: VerifyFlags): readonly Diagnostic[] {
  const errors: Diagnostic[] = [];
  if (live === dump.length > 0) {
    const hint = 'Give files with --dump, or --live on the node itself.';
    errors.push(
      diagnostic('usage', live ? '--live and --dump exclude each other.' : 'there is no dump to verify.', { hint }),
    );
  }
  errors.push(...repeatedStdin(filename, dump));
  if (namespace !== undefined) {
    const hint = 'The rules of other namespaces would look stale: give all objects.';
    errors.push(diagnostic('usage', 'verify needs the Services of all namespaces.', { hint }));
  }
  return errors;
}

async function finish(
  flags: VerifyFlags,
  io: Io,
  result: VerifyResult | undefined,
  diagnostics: readonly Diagnostic[],
): Promise<number> {
  if (flags.output === 'json') await io.out(verifyJson(result, diagnostics));
  else {
    printDiagnostics(diagnostics, io);
    if (result !== undefined) await io.out(verifyText(result, io.terminal));
  }
  if (result === undefined) return TROUBLE;
  return result.findings.some(({ severity }) => severity === 'error') ? FOUND : DONE;
}

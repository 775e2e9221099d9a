/** `kuberules explain`: what a Service has on a node and why, and what names and lines of rules stand for. */
import { explainContext } from '../inspect/explain/context.js';
import { type ExplainKind, explain } from '../inspect/explain/explain.js';
import type { Explanation, Setting } from '../inspect/explain/model.js';
import { type Diagnostic, diagnostic, hasErrors } from '../kube/diagnostics.js';
import { show } from '../kube/fields.js';
import { placeDiagnostics } from '../kube/locate.js';
import type { Family } from '../net/family.js';
import { type ClusterFlags, readCluster, readConfiguration } from './cluster.js';
import { DONE, TROUBLE } from './exit.js';
import { explanationText } from './explain-text.js';
import { readDumpFile } from './input.js';
import type { Io } from './io.js';
import { diagnosticJson, printDiagnostics } from './report.js';

/** The command's options as commander gives them. */
export interface ExplainFlags extends ClusterFlags {
  readonly family?: Family;
  readonly as?: ExplainKind;
  /** A file of lines to explain, `-` for standard input. */
  readonly lineFile?: string;
  readonly rules: boolean;
  readonly output: 'text' | 'json';
}

/** Runs the command; returns the exit code. */
export async function runExplain(what: string | undefined, flags: ExplainFlags, io: Io): Promise<number> {
  const question = readQuestion(what, flags);
  if ('severity' in question) return finish(flags, io, undefined, [question]);
  const configuration = readConfiguration(flags);
  // Names of rules may be of any namespace, whatever that of a Service that is named without.
  const { namespace, ...everywhere } = flags;
  const cluster = await readCluster(everywhere, configuration, io);
  if (hasErrors(cluster.diagnostics)) {
    return finish(flags, io, undefined, placeDiagnostics(cluster.diagnostics, cluster.sources));
  }
  const { mode, config } = configuration;
  const { context, diagnostics } = explainContext(cluster.state, {
    mode,
    config,
    node: flags.node,
    family: flags.family,
  });
  const answer = context && explain(question.text, context, question.as, namespace);
  const said = [...cluster.diagnostics, ...diagnostics, ...(answer?.diagnostics ?? [])];
  const result = context && answer?.explanation && { setting: context.setting, explanation: answer.explanation };
  return finish(flags, io, result, placeDiagnostics(said, cluster.sources));
}

/** What is asked: the argument, or a file. */
function readQuestion(
  what: string | undefined,
  { as, lineFile, filename = [] }: ExplainFlags,
): { readonly text: string; readonly as: ExplainKind | undefined } | Diagnostic {
  const hint = 'Give a Service, a name or a line, or --line-file FILE.';
  if (lineFile === undefined) {
    if (what !== undefined) return { text: what, as };
    const last =
      filename.length > 1 ? ` What stands behind -f is taken for a file: put ${show(filename.at(-1))} first.` : '';
    return diagnostic('usage', 'there is nothing to explain.', { hint: hint + last });
  }
  if (what !== undefined) return diagnostic('usage', 'an argument and --line-file exclude each other.', { hint });
  if (as !== undefined && as !== 'line') return diagnostic('usage', `--line-file has lines, not a ${as}.`);
  if (lineFile === '-' && filename.includes('-')) {
    return diagnostic('usage', 'standard input can be read only once.', { hint: 'Give the objects as files.' });
  }
  const source = readDumpFile(lineFile);
  return 'text' in source ? { text: source.text, as: 'line' } : source;
}

interface Result {
  readonly setting: Setting;
  readonly explanation: Explanation;
}

/** Prints what came of it; without an answer that is trouble. */
async function finish(
  flags: ExplainFlags,
  io: Io,
  result: Result | undefined,
  diagnostics: readonly Diagnostic[],
): Promise<number> {
  if (flags.output === 'json') {
    const value = {
      setting: result?.setting ?? null,
      explanation: result === undefined ? null : explanationJson(result.explanation, flags.rules),
      diagnostics: diagnostics.map(diagnosticJson),
    };
    await io.out(`${JSON.stringify(value, undefined, 2)}\n`);
  } else {
    printDiagnostics(diagnostics, io);
    if (result !== undefined) {
      await io.out(explanationText(result.explanation, result.setting, { rules: flags.rules, terminal: io.terminal }));
    }
  }
  return result === undefined ? TROUBLE : DONE;
}

/** Lines are many; whoever wants them says so. */
function explanationJson(explanation: Explanation, rules: boolean): unknown {
  if (explanation.kind !== 'service' || rules) return explanation;
  return { ...explanation, ports: explanation.ports.map(({ lines: _, ...port }) => port) };
}

/** `kuberules diff`: what changes for traffic between two sides. */
import { type DiffSide, diffTraffic, type TrafficDiff } from '../inspect/diff/diff.js';
import type { ProxyMode } from '../kube/config.js';
import { type Diagnostic, diagnostic, hasErrors } from '../kube/diagnostics.js';
import { placeDiagnostics } from '../kube/locate.js';
import type { SourceText } from '../kube/objects.js';
import type { ClusterState } from '../kube/state.js';
import { chooseNode } from '../plan/choose-node.js';
import { type ClusterInput, type ObjectFlags, readCluster, readConfiguration } from './cluster.js';
import { type DiffReport, type DiffView, diffJson, diffMarkdown } from './diff-report.js';
import { diffText } from './diff-text.js';
import { DONE, FOUND, TROUBLE } from './exit.js';
import type { Io } from './io.js';
import { printDiagnostics } from './report.js';

/** The command's options as commander gives them; a pair is what OLD and NEW have. */
export interface DiffFlags extends Omit<ObjectFlags, 'filename'> {
  readonly mode?: readonly [ProxyMode, ProxyMode];
  readonly node?: readonly [string, string];
  readonly config?: string;
  readonly oldConfig?: string;
  readonly newConfig?: string;
  readonly allNodes: boolean;
  readonly rules: boolean;
  readonly output: 'text' | 'markdown' | 'json';
}

/** Both sides as they were read, and what is to be said about them. */
interface Inputs {
  readonly old: ClusterInput;
  readonly now: ClusterInput;
  readonly diagnostics: readonly Diagnostic[];
  readonly sources: readonly SourceText[];
}

/** Runs the command; returns the exit code. */
export async function runDiff(old: string, now: string | undefined, flags: DiffFlags, io: Io): Promise<number> {
  const wrong = usageProblems(old, now, flags);
  if (wrong.length > 0) return finish(flags, io, undefined, wrong);
  const inputs = await readSides(old, now, flags, io);
  if (hasErrors(inputs.diagnostics)) return finish(flags, io, undefined, placed(inputs, inputs.diagnostics));
  const { pairs, diagnostics } = chooseSides(inputs, flags);
  const said = placed(inputs, [...inputs.diagnostics, ...diagnostics]);
  if (hasErrors(said)) return finish(flags, io, undefined, said);
  return finish(flags, io, compareAll(pairs, flags), said);
}

function usageProblems(old: string, now: string | undefined, flags: DiffFlags): readonly Diagnostic[] {
  const { node, mode } = flags;
  if (old === '-' && now === '-') {
    return [diagnostic('usage', 'standard input can be read only once.', { hint: 'Give one side as a file.' })];
  }
  if (flags.allNodes && node !== undefined) return [diagnostic('usage', '--all-nodes and --node exclude each other.')];
  const isPair = (pair: readonly [string, string] | undefined) => pair !== undefined && pair[0] !== pair[1];
  const differs = isPair(node) || isPair(mode) || flags.oldConfig !== undefined || flags.newConfig !== undefined;
  if (now !== undefined || differs) return [];
  const hint = 'Give NEW, or two modes (--mode iptables..nftables), nodes (--node a..b) or configurations.';
  return [diagnostic('usage', 'there is nothing to compare with.', { hint })];
}

async function readSides(old: string, now: string | undefined, flags: DiffFlags, io: Io): Promise<Inputs> {
  const { mode, node: _, config, oldConfig, newConfig, ...rest } = flags;
  const configuration = (file: string | undefined, side: 0 | 1) =>
    readConfiguration({ ...rest, filename: [], ...optional('config', file), ...optional('mode', mode?.[side]) });
  const first = configuration(oldConfig ?? config, 0);
  const second = configuration(newConfig ?? config, 1);
  const before = await readCluster({ ...rest, filename: [old] }, first, io);
  // What is read once cannot be wrong twice.
  const after =
    now === undefined
      ? { ...before, ...second, sources: [...before.sources, ...second.sources] }
      : await readCluster({ ...rest, filename: [now] }, second, io);
  const diagnostics = [...before.diagnostics, ...after.diagnostics];
  return {
    old: before,
    now: after,
    diagnostics: unique(diagnostics),
    sources: [...before.sources, ...after.sources],
  };
}

/** An optional property, absent where there is no value. */
function optional<Key extends string, Value>(key: Key, value: Value | undefined): { readonly [K in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [K in Key]?: Value });
}

/** What both sides have in common is said once. */
function unique(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const keyOf = ({ origin, ...rest }: Diagnostic) =>
    JSON.stringify([rest, origin?.file, origin?.document, origin?.path]);
  return [...new Map(diagnostics.map((each) => [keyOf(each), each])).values()];
}

function placed({ sources }: Inputs, diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return placeDiagnostics(diagnostics, sources);
}

/** The sides to compare: those of one node, or with --all-nodes of every Node object that both sides have. */
function chooseSides(
  { old, now }: Inputs,
  flags: DiffFlags,
): { readonly pairs: readonly (readonly [DiffSide, DiffSide])[]; readonly diagnostics: readonly Diagnostic[] } {
  // Manifests of Services come without Nodes; then those of the other side are meant.
  const [before, after] = [withNodes(old.state, now.state), withNodes(now.state, old.state)];
  const names = flags.allNodes ? [...before.nodes.keys()].filter((name) => after.nodes.has(name)) : [undefined];
  if (names.length === 0) {
    return { pairs: [], diagnostics: [diagnostic('usage', '--all-nodes needs Node objects that are on both sides.')] };
  }
  const diagnostics: Diagnostic[] = [];
  const pairs = names.flatMap((name) => {
    const first = chooseNode(before, name ?? flags.node?.[0], old.config);
    const asked = name ?? flags.node?.[1] ?? (first.node?.name || undefined);
    const second = chooseNode(after, asked, now.config);
    diagnostics.push(...first.diagnostics);
    for (const each of second.diagnostics) if (each.severity === 'error') diagnostics.push(each);
    if (first.node === undefined || second.node === undefined) return [];
    const sides = [
      { state: before, node: first.node, mode: old.mode, config: old.config },
      { state: after, node: second.node, mode: now.mode, config: now.config },
    ] as const;
    return [sides];
  });
  return { pairs, diagnostics: unique(diagnostics) };
}

function withNodes(state: ClusterState, other: ClusterState): ClusterState {
  return state.nodes.size > 0 ? state : { ...state, nodes: other.nodes };
}

/** One view for each node; nodes for which the same changes are one view. */
function compareAll(pairs: readonly (readonly [DiffSide, DiffSide])[], { rules }: DiffFlags): DiffReport {
  const views = new Map<string, { nodes: string[]; view: Omit<DiffView, 'nodes'> }>();
  for (const [before, after] of pairs) {
    const diff = diffTraffic(before, after, { rules });
    const key = pairs.length === 1 ? '' : keyOf(diff);
    const known = views.get(key);
    if (known !== undefined) known.nodes.push(before.node.name);
    else {
      const side = ({ node, mode }: DiffSide) => ({ node: node.name, mode });
      views.set(key, { nodes: [before.node.name], view: { before: side(before), after: side(after), diff } });
    }
  }
  return { views: Array.from(views.values(), ({ nodes, view }) => ({ nodes, ...view })) };
}

function keyOf(diff: TrafficDiff): string {
  return JSON.stringify(diff);
}

/** Prints what came of it; without a result that is trouble. */
async function finish(
  { output }: DiffFlags,
  io: Io,
  report: DiffReport | undefined,
  diagnostics: readonly Diagnostic[],
): Promise<number> {
  if (output === 'json') {
    await io.out(diffJson(report, diagnostics));
  } else {
    printDiagnostics(diagnostics, io);
    if (report !== undefined)
      await io.out(output === 'markdown' ? diffMarkdown(report) : diffText(report, io.terminal));
  }
  if (report === undefined) return TROUBLE;
  return report.views.every(({ diff }) => diff.same) ? DONE : FOUND;
}

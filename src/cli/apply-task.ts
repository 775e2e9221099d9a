/** What `kuberules apply` is asked for: which rules this host is to have. */
import { leftoversOf, textsOf, wantedOf } from '../apply/areas.js';
import { finishedTexts } from '../apply/finished.js';
import type { Host } from '../apply/host.js';
import { readState } from '../apply/saved-state.js';
import { chooseVariant } from '../apply/variant.js';
import type { Variant, Wanted } from '../apply/wanted.js';
import { compile } from '../backends/compile.js';
import type { ProxyConfig, ProxyMode } from '../kube/config.js';
import { type Diagnostic, diagnostic, hasErrors } from '../kube/diagnostics.js';
import { placeDiagnostics } from '../kube/locate.js';
import { isDnsSubdomain } from '../kube/names.js';
import type { ClusterState } from '../kube/state.js';
import { chooseNode, familiesOf } from '../plan/choose-node.js';
import { type NodePlan, planNode } from '../plan/plan.js';
import { type ClusterFlags, readCluster, readConfiguration } from './cluster.js';
import { hostNodeName } from './host-name.js';
import { readInputFile } from './input.js';
import type { Io } from './io.js';

/** The options of both commands as commander gives them. */
export interface HostFlags {
  readonly dryRun: boolean;
  readonly iptablesVariant?: Variant;
  /** In seconds. */
  readonly wait: number;
  readonly stateDir: string;
  readonly output: 'text' | 'json';
}

/** The options of `kuberules apply` as commander gives them. */
export interface ApplyFlags extends ClusterFlags, HostFlags {
  /** `-` for finished text on standard input. */
  readonly text: string | undefined;
  readonly restore?: string;
  /** In seconds. */
  readonly confirmWithin?: number;
  readonly confirm: boolean;
  readonly guard?: boolean;
  /** In seconds. */
  readonly drain: number;
}

/** What the host is to have. */
export interface Task {
  readonly command: 'apply' | 'cleanup';
  readonly wanted: readonly Wanted[];
  /** Plans by family, where the objects are known: by them stale connections are told. */
  readonly plans: readonly NodePlan[];
  readonly diagnostics: readonly Diagnostic[];
}

export const NO_TASK: Task = { command: 'apply', wanted: [], plans: [], diagnostics: [] };

/** What is asked for. */
export async function taskOf(flags: ApplyFlags, host: Host, io: Io): Promise<Task> {
  if (flags.restore !== undefined) return { ...NO_TASK, wanted: readState(flags.restore) };
  if (flags.text !== undefined) return finishedTask(flags, host);
  const { state, mode, config, diagnostics, sources } = await readCluster(flags, readConfiguration(flags), io);
  if (hasErrors(diagnostics)) return { ...NO_TASK, diagnostics: placeDiagnostics(diagnostics, sources) };
  const own = flags.node === undefined ? thisNode(state, config) : { node: flags.node, diagnostics: [] };
  if (hasErrors(own.diagnostics)) return { ...NO_TASK, diagnostics: own.diagnostics };
  const { node } = own;
  const compiled = compile(state, { mode, config, node });
  const said = placeDiagnostics([...diagnostics, ...own.diagnostics, ...compiled.diagnostics], sources);
  if (hasErrors(said)) return { ...NO_TASK, diagnostics: said };
  const { variant, notes } = await variantOf(mode, flags, host);
  const excluded = config.ipvs.excludeCIDRs.map(({ text }) => text);
  return {
    command: 'apply',
    wanted: [...wantedOf(mode, textsOf(compiled.parts), variant, excluded), ...leftoversOf(mode, excluded)],
    plans: plansOf(state, { node, mode }, config),
    diagnostics: [...said, ...notes.map((note) => diagnostic('host-note', note))],
  };
}

/**
 * The Node that this host is, as kube-proxy finds it: hostnameOverride, else the name of the host. Rules of another node
 * would be wrong here, so it is not guessed among several.
 */
function thisNode(
  { nodes }: ClusterState,
  config: ProxyConfig,
): { readonly node: string | undefined; readonly diagnostics: readonly Diagnostic[] } {
  const name = hostNodeName(config);
  if (name === undefined || nodes.has(name)) return { node: name, diagnostics: [] };
  const [only, ...others] = nodes.keys();
  // Without Node objects there still may be endpoints on it.
  if (only === undefined) return { node: isDnsSubdomain(name) ? name : undefined, diagnostics: [] };
  const message = `no Node is called ${name}, as this host is`;
  if (others.length === 0) {
    const note = `${message}: the rules are those of the only one, ${only}.`;
    return { node: only, diagnostics: [diagnostic('host-note', note)] };
  }
  const hint = `Say it with --node: ${[only, ...others].slice(0, 5).join(', ')}${nodes.size > 5 ? ', ...' : ''}.`;
  return {
    node: undefined,
    diagnostics: [diagnostic('unknown-node', `${message}, and there are ${nodes.size}.`, { hint })],
  };
}

function plansOf(
  state: ClusterState,
  { node: name, mode }: { readonly node: string | undefined; readonly mode: ProxyMode },
  config: ProxyConfig,
): readonly NodePlan[] {
  const { node } = chooseNode(state, name, config);
  if (node === undefined) return [];
  return familiesOf(node, state, config).map((family) => planNode(state, { node, family, mode, config }));
}

async function finishedTask(flags: ApplyFlags, host: Host): Promise<Task> {
  if (flags.mode === undefined) {
    const hint = 'Give the one that it was compiled for.';
    return { ...NO_TASK, diagnostics: [diagnostic('usage', 'finished text needs --mode.', { hint })] };
  }
  const source = readInputFile('-');
  if (!('text' in source)) return { ...NO_TASK, diagnostics: [source] };
  const { texts, diagnostics } = finishedTexts(source, flags.mode);
  if (hasErrors(diagnostics)) return { ...NO_TASK, diagnostics };
  const { variant, notes } = await variantOf(flags.mode, flags, host);
  const noUdp = /\budp\b/.test(source.text)
    ? ['stale UDP connections are not looked for, as finished text does not tell which endpoints serve.']
    : [];
  return {
    command: 'apply',
    wanted: [...wantedOf(flags.mode, texts, variant), ...leftoversOf(flags.mode)],
    plans: [],
    diagnostics: [...diagnostics, ...[...notes, ...noUdp].map((note) => diagnostic('host-note', note))],
  };
}

async function variantOf(mode: ProxyMode, { iptablesVariant }: HostFlags, host: Host) {
  return mode === 'nftables' ? { variant: 'nft' as const, notes: [] } : chooseVariant(host, iptablesVariant);
}

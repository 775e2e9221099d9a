/** A case folder, of golden/ or of a conformance corpus: a cluster, a configuration, and the texts expected of it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import {
  type ClusterState,
  compile,
  DEFAULT_CONFIG,
  type Diagnostic,
  hasErrors,
  loadCluster,
  type ProxyConfig,
  type ProxyMode,
  partText,
  readConfig,
  readObjects,
  simulate,
} from '../../src/index.js';

/** Settings of a case in `case.json`; cases recorded from kube-proxy have none. */
interface CaseSettings {
  readonly simulate?: boolean;
  readonly node?: string;
}

/** What a case compiles to: the texts by file name, and what was said about the input. */
export interface CompiledCase {
  readonly texts: ReadonlyMap<string, string>;
  readonly diagnostics: readonly Diagnostic[];
}

/** Folders below a folder (or itself) that hold a case, sorted. */
export function findCases(folder: string): readonly string[] {
  if (existsSync(join(folder, 'objects.yaml'))) return [folder];
  const folders = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders.flatMap((entry) => findCases(join(folder, entry.name))).sort();
}

/** Whether the expected texts of a case are kube-proxy's own, and so never to be refreshed from ours. */
export function isRecorded(folder: string): boolean {
  return !existsSync(join(folder, 'case.json'));
}

/** What a case is about. */
export interface LoadedCase {
  readonly state: ClusterState;
  readonly config: ProxyConfig;
  readonly node: string | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads the objects and the configuration of a case. */
export function loadCase(folder: string, mode: ProxyMode): LoadedCase {
  const settingsFile = join(folder, 'case.json');
  const settings = existsSync(settingsFile) ? (JSON.parse(readFileSync(settingsFile, 'utf8')) as CaseSettings) : {};
  const configFile = join(folder, 'config.yaml');
  const loadedConfig = existsSync(configFile)
    ? readConfig({ name: 'config.yaml', text: readFileSync(configFile, 'utf8') }, { mode })
    : { config: DEFAULT_CONFIG, diagnostics: [] };
  const read = readObjects([{ name: 'objects.yaml', text: readFileSync(join(folder, 'objects.yaml'), 'utf8') }]);
  const simulated =
    settings.simulate === true ? simulate(read.objects) : { objects: read.objects, diagnostics: [] as Diagnostic[] };
  const cluster = loadCluster(simulated.objects, { simulated: settings.simulate === true });
  return {
    state: cluster.state,
    config: loadedConfig.config,
    node: settings.node,
    diagnostics: [...loadedConfig.diagnostics, ...read.diagnostics, ...simulated.diagnostics, ...cluster.diagnostics],
  };
}

/** Compiles a case for one mode. */
export function compileCase(folder: string, mode: ProxyMode): CompiledCase {
  const { state, config, node, diagnostics: before } = loadCase(folder, mode);
  if (hasErrors(before)) return { texts: new Map(), diagnostics: before };
  const { parts, diagnostics } = compile(state, { mode, config, ...(node === undefined ? {} : { node }) });
  return {
    texts: new Map(parts.map((part) => [part.name, partText(part)])),
    diagnostics: [...before, ...diagnostics],
  };
}

/** The expected texts of one mode, by file name. */
export function expectedTexts(folder: string, mode: ProxyMode): ReadonlyMap<string, string> {
  const expected = join(folder, 'expected');
  const names = existsSync(expected) ? readdirSync(expected).filter((name) => name.startsWith(`${mode}.`)) : [];
  return new Map(
    names.sort().map((name) => {
      const text = readFileSync(join(expected, name), 'utf8');
      return name.endsWith('.dump') ? [name.replace(/dump$/, 'nft'), replacing(text)] : [name, text];
    }),
  );
}

/** A recording has the state of a table; the script that makes it so takes away first whatever table there is. */
function replacing(dump: string): string {
  const [, table] = /^add table (ip6? kube-proxy) /.exec(dump) ?? [];
  if (table === undefined) throw new Error(`not a dump of kube-proxy's table: ${dump.slice(0, 80)}`);
  return `add table ${table}\ndelete table ${table}\n${dump}`;
}

/** The name by which a case is shown. */
export function caseName(folder: string): string {
  return basename(folder);
}

/** Dumps of nodes that kube-proxy had synced, and what we compile for the same clusters. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import {
  compile,
  type Family,
  hasErrors,
  loadCluster,
  type ProxyMode,
  partText,
  readConfig,
  readObjects,
} from '../../src/index.js';
import { SHARED_DUMPS } from './shared.js';

/** The folders of dumps: those of the repository and, when they are there, all the others. */
export const DUMP_ROOTS: readonly string[] = existsSync(SHARED_DUMPS) ? ['test/dumps', SHARED_DUMPS] : ['test/dumps'];

/** Files below a folder whose names match, sorted. */
export function filesBelow(folder: string, name: RegExp): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && name.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Folders of clusters with dumps of one kind: `host` (iptables mode) or `ipvs`; each by its name once. */
export function dumpFolders(kind: 'host' | 'ipvs'): readonly string[] {
  const folders = new Map<string, string>();
  for (const root of DUMP_ROOTS) {
    for (const file of filesBelow(join(root, kind), /^objects\.yaml$/)) {
      const folder = join(file, '..');
      folders.set(basename(folder), folder);
    }
  }
  return [...folders.values()].sort();
}

/** A file of a folder of dumps. */
export function dumpText(folder: string, name: string): string {
  return readFileSync(join(folder, name), 'utf8');
}

/**
 * What we write for the cluster of a folder of dumps: texts by part. A node has both families, whatever its cluster.
 * @param slices whether there are EndpointSlices
 */
export function compileDumped(
  folder: string,
  mode: ProxyMode,
  family: Family,
  slices = true,
): Readonly<Record<string, string>> {
  const loaded = readConfig({ name: 'config.yaml', text: dumpText(folder, 'config.yaml') }, { mode });
  const read = readObjects([{ name: 'objects.yaml', text: dumpText(folder, 'objects.yaml') }]);
  const cluster = loadCluster(read.objects.filter(({ object }) => slices || object.kind !== 'EndpointSlice'));
  const { parts, diagnostics } = compile(cluster.state, { mode, config: loaded.config, family });
  const all = [...loaded.diagnostics, ...read.diagnostics, ...cluster.diagnostics, ...diagnostics];
  if (hasErrors(all)) throw new Error(all.map(({ message }) => message).join('\n'));
  return Object.fromEntries(parts.map((part) => [part.part, partText(part)]));
}

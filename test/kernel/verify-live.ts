/** `verify --live` on a host of the kernel tests, as an operator runs it on a node. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ProxyMode } from '../../src/index.js';
import type { Host } from './host.js';
import { root } from './load-suite.js';

const cli = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** What verify has found: its exit status, and code and service port of each finding, sorted. */
export interface Verified {
  readonly status: number | undefined;
  readonly findings: readonly string[];
}

/** Compares what the host has with what the objects and the configuration of a golden case ask for. */
export async function verifyLive(host: Host, name: string, mode: ProxyMode): Promise<Verified> {
  const folder = join(root, name);
  const config = existsSync(join(folder, 'config.yaml')) ? ['--config', join(folder, 'config.yaml')] : [];
  const args = ['-f', join(folder, 'objects.yaml'), ...config, '--mode', mode, '--output', 'json'];
  const argv = [process.execPath, '--import', 'tsx', cli, 'verify', '--live', ...args];
  const [result] = await host.run([{ argv, allow: [0, 1] }]);
  const { findings } = JSON.parse(result?.stdout ?? '') as {
    readonly findings: readonly { readonly code: string; readonly servicePort: string | null }[];
  };
  const named = findings.map(({ code, servicePort }) => (servicePort == null ? code : `${code} ${servicePort}`));
  return { status: result?.status, findings: named.sort() };
}

/** A text of a golden case, by its file name; undefined where the case has none. */
export function expectedText(name: string, file: string): string | undefined {
  const path = join(root, name, 'expected', file);
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

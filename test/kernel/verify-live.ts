/** `verify --live` on a host of the kernel tests, as an operator runs it on a node; for the files whose tests use it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import type { ProxyMode } from '../../src/index.js';
import type { Host } from './host.js';
import { root } from './load-suite.js';
import { buildProgram, type Program } from './program.js';

/** What verify has found: its exit status, and code and service port of each finding, sorted. */
export interface Verified {
  readonly status: number | undefined;
  readonly findings: readonly string[];
}

let program: Program;
beforeAll(async () => {
  program = await buildProgram();
});
afterAll(() => program.remove());

/** Compares what the host has with what the objects and the configuration of a golden case ask for. */
export async function verifyLive(host: Host, name: string, mode: ProxyMode): Promise<Verified> {
  const folder = join(root, name);
  const config = existsSync(join(folder, 'config.yaml')) ? ['--config', join(folder, 'config.yaml')] : [];
  const args = ['-f', join(folder, 'objects.yaml'), ...config, '--mode', mode, '--output', 'json'];
  const { status, out } = await program.run(host, ['verify', '--live', ...args]);
  const { findings } = JSON.parse(out) as {
    readonly findings: readonly { readonly code: string; readonly servicePort: string | null }[];
  };
  const named = findings.map(({ code, servicePort }) => (servicePort == null ? code : `${code} ${servicePort}`));
  return { status, findings: named.sort() };
}

/** A text of a golden case, by its file name; undefined where the case has none. */
export function expectedText(name: string, file: string): string | undefined {
  const path = join(root, name, 'expected', file);
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

/** What the traffic tests need of a backend: text for the cluster, into a node's kernel and out again. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ProxyMode } from '../../src/index.js';
import { variantUnavailable } from './available.js';
import type { Host } from './host.js';
import { flush, readSetup, restore, runSetup, type Variant } from './iptables.js';
import { type Family, families } from './places.js';

export interface Backend {
  readonly name: string;
  readonly mode: ProxyMode;
  /** Why it cannot be tested on this machine, or undefined. */
  unavailable(host: Host): Promise<string | undefined>;
  /** Takes everything out that a load put in, and sets the policy of FORWARD. */
  clear(host: Host, forwardPolicy: 'ACCEPT' | 'DROP'): Promise<void>;
  /** Puts what the compiler wrote, and nothing else, into the kernel of a cleared node. */
  load(host: Host, texts: Texts): Promise<void>;
}

/** Compiled text by file name, for example `iptables.ipv4.rules`. */
export type Texts = ReadonlyMap<string, string>;

export function iptablesBackend(variant: Variant): Backend {
  return {
    name: `iptables-${variant}`,
    mode: 'iptables',
    unavailable: (host) => variantUnavailable(host, variant),
    async clear(host, forwardPolicy) {
      for (const family of families) await flush(host, family, variant, forwardPolicy);
    },
    async load(host, texts) {
      for (const family of families) {
        await runSetup(host, family, variant, readSetup(part(texts, family, 'setup')));
        await restore(host, family, variant, part(texts, family, 'rules'));
      }
    },
  };
}

function part(texts: Texts, family: Family, name: 'setup' | 'rules'): string {
  const text = texts.get(`iptables.${family}.${name}`);
  if (text === undefined) throw new Error(`the compiler wrote no iptables.${family}.${name}`);
  return text;
}

/** The cluster of the traffic tests. */
export const clusterFile = fileURLToPath(new URL('./cluster.yaml', import.meta.url));
const cli = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** Compiles cluster.yaml for node-a under a configuration, by the command line as a user would. */
export function compileCluster(mode: ProxyMode, config: Readonly<Record<string, unknown>>): Texts {
  const folder = mkdtempSync(join(tmpdir(), 'kuberules-kernel-'));
  try {
    const configFile = join(folder, 'config.yaml');
    // JSON is YAML.
    writeFileSync(
      configFile,
      JSON.stringify({ apiVersion: 'kubeproxy.config.k8s.io/v1alpha1', kind: 'KubeProxyConfiguration', ...config }),
    );
    const output = join(folder, 'output');
    const input = ['-f', clusterFile, '--config', configFile];
    const args = ['compile', '--mode', mode, ...input, '--node', 'node-a', '-o', output];
    execFileSync(process.execPath, ['--import', 'tsx', cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    return new Map(readdirSync(output).map((name) => [name, readFileSync(join(output, name), 'utf8')]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

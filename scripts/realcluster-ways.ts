/** The ways in which a real kube-proxy writes rules: its modes, each with the programs that it calls. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { ProxyMode } from '../src/kube/config.js';
import { FAMILIES } from '../src/net/family.js';
import { eventually, KUBE_PROXY, shell } from './real-cluster.js';
import { type Damage, IPTABLES_DAMAGES, IPVS_DAMAGES, NFTABLES_DAMAGES } from './realcluster-damages.js';

/** One way in which kube-proxy writes rules. */
export interface Way {
  readonly name: string;
  readonly mode: ProxyMode;
  /** Of the programs called iptables. */
  readonly variant: 'nft' | 'legacy';
  readonly damages: readonly Damage[];
  /** Fails where the kernel or a program is missing. */
  readonly probe: string;
}

export const WAYS: readonly Way[] = [
  {
    name: 'iptables (nft)',
    mode: 'iptables',
    variant: 'nft',
    damages: IPTABLES_DAMAGES,
    probe: 'iptables-nft -t nat -S && ip6tables-nft -t nat -S',
  },
  {
    name: 'iptables (legacy)',
    mode: 'iptables',
    variant: 'legacy',
    damages: IPTABLES_DAMAGES,
    probe: 'iptables-legacy -t nat -S && ip6tables-legacy -t nat -S',
  },
  { name: 'nftables', mode: 'nftables', variant: 'nft', damages: NFTABLES_DAMAGES, probe: 'nft list ruleset' },
  { name: 'ipvs', mode: 'ipvs', variant: 'legacy', damages: IPVS_DAMAGES, probe: 'ipvsadm -L -n && ipset list -n' },
];

/** Why a way cannot be gone here, or undefined. */
export function obstacle({ probe }: Way): string | undefined {
  try {
    shell(`{ ${probe}; } 2>&1`);
    return undefined;
  } catch (error) {
    const said = error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error);
    return said.trim().split('\n')[0];
  }
}

/** A folder with the iptables programs of a variant, by the names that kube-proxy calls. */
export function programs(dir: string, variant: Way['variant']): string {
  const folder = join(dir, `bin-${variant}`);
  if (existsSync(folder)) return folder;
  mkdirSync(folder);
  for (const family of ['iptables', 'ip6tables']) {
    for (const tool of ['', '-save', '-restore']) {
      symlinkSync(shell(`command -v ${family}-${variant}${tool}`).trim(), join(folder, `${family}${tool}`));
    }
  }
  return folder;
}

/** In seconds; a kernel in user mode is slow. */
const SYNC_TIMEOUT = 120;

/** Starts kube-proxy and waits until it has written all rules. */
export async function startKubeProxy(dir: string, config: string): Promise<ChildProcess> {
  const file = join(dir, 'kube-proxy.log');
  const log = openSync(file, 'w');
  const proxy = spawn(KUBE_PROXY, ['--config', config], { stdio: ['ignore', log, log] });
  let times: readonly string[] = [];
  const synced = await eventually(SYNC_TIMEOUT, async () => {
    if (proxy.exitCode !== null) throw new Error(`kube-proxy has ended:\n${readFileSync(file, 'utf8')}`);
    const metrics = await fetch('http://127.0.0.1:10249/metrics', { signal: AbortSignal.timeout(5000) }).then(
      (answer) => answer.text(),
      () => '',
    );
    times = metrics.match(/^kubeproxy_sync_proxy_rules_last_(queued_)?timestamp_seconds\S* \S+$/gm) ?? [];
    return isSynced(times) || undefined;
  });
  if (synced === undefined)
    throw new Error([...times, 'kube-proxy writes no rules:', readFileSync(file, 'utf8')].join('\n'));
  return proxy;
}

/** Whether each family was written after its last change was queued; there is a line for each of them. */
function isSynced(times: readonly string[]): boolean {
  const of = (kind: string) =>
    times.filter((line) => line.includes(`last_${kind}timestamp`)).map((line) => Number(line.split(' ')[1]));
  const queued = of('queued_');
  const written = of('');
  return written.length === FAMILIES.length && written.every((time, i) => time > 0 && time >= (queued[i] ?? 0));
}

export async function stopKubeProxy(proxy: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => proxy.once('exit', resolve));
  proxy.kill();
  await ended;
}

/** All rules of this host, to be put back. */
export function savedRules({ mode }: Way): () => void {
  if (mode === 'nftables') {
    const text = shell('nft list ruleset');
    return () => shell('nft -f -', `flush ruleset\n${text}`);
  }
  const texts = ['iptables', 'ip6tables'].map((program) => [program, shell(`${program}-save`)] as const);
  const others = mode === 'ipvs' ? savedIpvs() : () => {};
  return () => {
    for (const [program, text] of texts) shell(`${program}-restore`, text);
    others();
  };
}

/** What mode ipvs has besides rules. */
function savedIpvs(): () => void {
  const servers = shell('ipvsadm -S -n');
  const sets = shell('ipset save');
  const shown = shell('ip -o addr show dev kube-ipvs0');
  const addresses = Array.from(
    shown.matchAll(/ inet6? (\S+)/g),
    ([, address]) => `addr add ${address} dev kube-ipvs0\n`,
  );
  return () => {
    shell('ipvsadm -C; ipvsadm -R', servers);
    shell('ipset flush; ipset -exist restore', sets);
    shell('ip addr flush dev kube-ipvs0; ip -batch -', addresses.join(''));
  };
}

/** What this host has of kube-proxy's, in any mode: lines that name it. Throws where it cannot be listed. */
export function ownRules(): readonly string[] {
  const programs = ['iptables-nft-save', 'ip6tables-nft-save', 'iptables-legacy-save', 'ip6tables-legacy-save'];
  const lists = [...programs, 'ipset list -n', 'nft list tables', 'ip -o link show'];
  return lists
    .flatMap((list) => shell(`if command -v ${list.split(' ')[0]} >/dev/null; then ${list}; fi`).split('\n'))
    .filter((line) => /KUBE-|kube-/.test(line));
}

/** Leaves no rule of kube-proxy on this host. */
export function clear({ mode }: Way): void {
  if (mode === 'nftables') {
    shell('nft flush ruleset');
    return;
  }
  for (const program of ['iptables', 'ip6tables']) {
    for (const table of ['filter', 'nat', 'mangle']) shell(`${program} -t ${table} -F; ${program} -t ${table} -X`);
  }
  if (mode !== 'ipvs') return;
  // cleanup may have taken the device already.
  shell(
    'ipvsadm -C; ipset destroy; if ip link show dev kube-ipvs0 >/dev/null 2>&1; then ip link delete kube-ipvs0; fi',
  );
}

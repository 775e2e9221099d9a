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

/** Starts kube-proxy and waits until it has written all rules. */
export async function startKubeProxy(dir: string, config: string): Promise<ChildProcess> {
  const log = openSync(join(dir, 'kube-proxy.log'), 'w');
  const proxy = spawn(KUBE_PROXY, ['--config', config], { stdio: ['ignore', log, log] });
  const synced = await eventually(30, async () => {
    if (proxy.exitCode !== null)
      throw new Error(`kube-proxy has ended:\n${readFileSync(join(dir, 'kube-proxy.log'), 'utf8')}`);
    const metrics = await fetch('http://127.0.0.1:10249/metrics').then(
      (answer) => answer.text(),
      () => '',
    );
    const times = (which: string) =>
      [
        ...metrics.matchAll(new RegExp(`^kubeproxy_sync_proxy_rules_last_${which}timestamp_seconds\\S* (\\S+)$`, 'gm')),
      ].map(([, time]) => Number(time));
    const written = times('');
    const queued = times('queued_');
    // One of each family, which are written one after the other.
    return (
      (written.length === FAMILIES.length && written.every((time, i) => time > 0 && time >= (queued[i] ?? 0))) ||
      undefined
    );
  });
  if (synced === undefined)
    throw new Error(`kube-proxy writes no rules:\n${readFileSync(join(dir, 'kube-proxy.log'), 'utf8')}`);
  return proxy;
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

/** Leaves no rule of kube-proxy on this host. */
export function clear({ mode }: Way): void {
  if (mode === 'nftables') {
    shell('nft flush ruleset');
    return;
  }
  for (const program of ['iptables', 'ip6tables']) {
    for (const table of ['filter', 'nat', 'mangle']) shell(`${program} -t ${table} -F; ${program} -t ${table} -X`);
  }
  if (mode === 'ipvs') shell('ipvsadm -C; ip link delete kube-ipvs0; ipset destroy');
}

/** The two variants of iptables: which programs there are, and which of them a host uses. */
import { isAtLeast, parseVersion, type Version } from '../backends/version.js';
import { FAMILIES, type Family } from '../net/family.js';
import type { Command, Host } from './host.js';
import { type ApplyError, commandTrouble, trouble } from './trouble.js';
import type { Variant } from './wanted.js';
import { underXtablesLock } from './xtables-lock.js';

const VARIANTS: readonly Variant[] = ['nft', 'legacy'];

/** The programs of one variant and family. */
export interface Iptables {
  readonly program: string;
  readonly save: string;
  readonly restore: string;
  readonly version: Version;
}

function baseName(family: Family): string {
  return family === 'ipv4' ? 'iptables' : 'ip6tables';
}

/** `iptables v1.8.9 (nf_tables)`; old ones do not tell their variant, as there was only one. */
const VERSION = /v(\d+(?:\.\d+)+)(?: \((nf_tables|legacy)\))?/;

/**
 * Finds the programs of a variant: by their full names (`iptables-nft-save`), or by the short ones where these are
 * of that variant.
 * @returns undefined where the host has none
 */
export async function findIptables(host: Host, variant: Variant, family: Family): Promise<Iptables | undefined> {
  for (const program of [`${baseName(family)}-${variant}`, baseName(family)]) {
    const { status, stdout } = await host.run({ program, args: ['--version'] });
    const [, version, kind = 'legacy'] = VERSION.exec(stdout) ?? [];
    if (status !== 0 || version === undefined || (kind === 'nf_tables') !== (variant === 'nft')) continue;
    return { program, save: `${program}-save`, restore: `${program}-restore`, version: parseVersion(version) };
  }
  return undefined;
}

/** Chains that only kube-proxy makes, and that each of its iptables modes has. */
const OF_KUBE_PROXY = ['nat KUBE-SERVICES', 'nat KUBE-POSTROUTING', 'filter KUBE-FORWARD', 'mangle KUBE-PROXY-CANARY'];

/** kubelet's: it makes the hint for everybody who asks which variant to use. */
const OF_KUBELET = ['mangle KUBE-IPTABLES-HINT', 'mangle KUBE-KUBELET-CANARY'];

/** What a host has of a variant. */
interface Holdings {
  readonly variant: Variant;
  readonly kubeProxy: readonly string[];
  readonly kubelet: readonly string[];
}

/** Which variant to use, with what is to be said about it. */
export interface ChosenVariant {
  readonly variant: Variant;
  readonly notes: readonly string[];
}

/**
 * Chooses as kube-proxy's image and istio do: the variant that holds kube-proxy's rules, else the one with kubelet's
 * hint, else that of `iptables` itself. Rejects where both hold kube-proxy's rules.
 * @param asked a variant to use whatever kubelet hints at
 */
export async function chooseVariant(host: Host, asked: Variant | undefined): Promise<ChosenVariant> {
  const usual = await usualVariant(host);
  const held: Holdings[] = [];
  for (const variant of VARIANTS) held.push(await holdings(host, variant));
  const withRules = held.filter(({ kubeProxy }) => kubeProxy.length > 0);
  const withHint = held.filter(({ kubelet }) => kubelet.length > 0).map(({ variant }) => variant);
  const [first, second] = withRules;
  if (first !== undefined && second !== undefined) throw bothHoldRules(first, second, undefined);
  if (first !== undefined && asked !== undefined && asked !== first.variant)
    throw bothHoldRules(first, undefined, asked);
  const variant = asked ?? first?.variant ?? (withHint.includes(usual) ? usual : (withHint[0] ?? usual));
  const notes =
    withHint.length > 0 && !withHint.includes(variant)
      ? [`kubelet uses iptables-${withHint[0]}, but iptables-${variant} is written: both are in force.`]
      : [];
  return { variant, notes };
}

function bothHoldRules(first: Holdings, second: Holdings | undefined, asked: Variant | undefined): ApplyError {
  const names = ({ variant, kubeProxy }: Holdings): string => `iptables-${variant} (${kubeProxy.join(', ')})`;
  const message =
    second === undefined
      ? `iptables-${asked} is asked for, but kube-proxy's rules are in ${names(first)}.`
      : `kube-proxy's rules are in both ${names(first)} and ${names(second)}.`;
  const which = second === undefined ? first.variant : 'nft|legacy';
  const hint = `Both would be in force: remove those that are not used with \`kuberules cleanup --iptables-variant ${which}\`.`;
  return trouble('two-variants', message, hint);
}

/** That of the program `iptables`; of a host without it, the one that it has. */
async function usualVariant(host: Host): Promise<Variant> {
  const command: Command = { program: 'iptables', args: ['--version'] };
  const finished = await host.run(command);
  if (finished.status === 0) return finished.stdout.includes('(nf_tables)') ? 'nft' : 'legacy';
  for (const variant of VARIANTS) if ((await findIptables(host, variant, 'ipv4')) !== undefined) return variant;
  throw commandTrouble(command, finished, 'to write rules');
}

async function holdings(host: Host, variant: Variant): Promise<Holdings> {
  const found = new Set<string>();
  for (const family of FAMILIES) {
    const tools = await findIptables(host, variant, family);
    if (tools === undefined) continue;
    for (const each of variant === 'nft' ? await chainsOfNft(host, tools) : await chainsOfLegacy(host, tools, family)) {
      found.add(each);
    }
  }
  return {
    variant,
    kubeProxy: OF_KUBE_PROXY.filter((each) => found.has(each)),
    kubelet: OF_KUBELET.filter((each) => found.has(each)),
  };
}

/** Asking for single chains is quick, however many rules there are. */
async function chainsOfNft(host: Host, { program }: Iptables): Promise<readonly string[]> {
  const found: string[] = [];
  for (const each of [...OF_KUBE_PROXY, ...OF_KUBELET]) {
    const [table = '', chain = ''] = each.split(' ');
    const { status } = await host.run({ program, args: ['-t', table, '-S', chain] });
    if (status === 0) found.push(each);
  }
  return found;
}

/** Asking for single chains would wait for the lock, and make the tables; saving does neither. */
async function chainsOfLegacy(host: Host, { save }: Iptables, family: Family): Promise<readonly string[]> {
  if (legacyTables(host, family).length === 0) return [];
  const command: Command = { program: save, args: [] };
  const finished = await host.run(command);
  if (finished.status !== 0) throw commandTrouble(command, finished, 'to find the rules in use');
  let table = '';
  return finished.stdout.split('\n').flatMap((line) => {
    if (line.startsWith('*')) table = line.slice(1);
    return line.startsWith(':') ? [`${table} ${line.slice(1, line.indexOf(' '))}`] : [];
  });
}

/** The legacy tables that are there. */
export function legacyTables(host: Host, family: Family): readonly string[] {
  const file = family === 'ipv4' ? '/proc/net/ip_tables_names' : '/proc/net/ip6_tables_names';
  return (host.read(file) ?? '').split('\n').filter((name) => name !== '');
}

/** The oldest that kube-proxy can tell how long to wait for the lock. */
const OLDEST: Version = [1, 4, 22];

/** Rejects programs that are too old to write with. */
export function demandVersion({ program, version }: Iptables): void {
  if (isAtLeast(version, OLDEST)) return;
  const message = `${program} is of version ${version.join('.')}, but rules are written with ${OLDEST.join('.')} or newer.`;
  throw trouble('missing-feature', message, 'Install a newer iptables, or use mode nftables.');
}

/** The oldest whose iptables-restore takes the lock. */
const TAKES_LOCK: Version = [1, 6, 2];

/**
 * The run of iptables-restore that writes an input and leaves all else as it is.
 * @param wait for the lock, in seconds
 */
export function restoreCommand({ restore, version }: Iptables, input: string, wait: number): Command {
  const args = ['--noflush', '--counters'];
  return isAtLeast(version, TAKES_LOCK)
    ? { program: restore, args: ['-w', String(wait), ...args], input }
    : underXtablesLock({ program: restore, args, input }, wait);
}

/** What a host has of IPVS mode, read with its programs. */
import { IPVS_DEVICE } from '../backends/ipvs/address-changes.js';
import { type InterfaceAddress, readAddresses } from '../backends/ipvs/addresses-text.js';
import type { IpvsState } from '../backends/ipvs/changes.js';
import { readConnections, readTimeouts } from '../backends/ipvs/connections-text.js';
import { readIpset } from '../backends/ipvs/ipset-text.js';
import { readIpvsadm } from '../backends/ipvs/ipvsadm-text.js';
import { ipvsSetNames } from '../backends/ipvs/set-changes.js';
import type { Command, Host } from './host.js';
import { commandTrouble, parsed, trouble } from './trouble.js';

function isIpvsLoaded(host: Host): boolean {
  return host.read('/proc/net/ip_vs') !== undefined;
}

/** Its parameter is there as soon as it is. */
function isIpsetLoaded(host: Host): boolean {
  return host.read('/sys/module/ip_set/parameters/max_sets') !== undefined;
}

/** What IPVS mode needs of a kernel. */
const IPVS = { module: 'ip_vs', isLoaded: isIpvsLoaded, lacking: 'the kernel has no IPVS' };
const SETS = { module: 'ip_set', isLoaded: isIpsetLoaded, lacking: 'the kernel has no sets' };

/**
 * Loads IPVS where it is missing; rejects where that fails. Sets the kernel loads itself as soon as anybody asks for them.
 * @param dryRun loads nothing, and rejects where there are no modules
 */
export async function demandIpvs(host: Host, dryRun: boolean): Promise<void> {
  for (const { module, isLoaded, lacking } of dryRun ? [IPVS, SETS] : [IPVS]) {
    if (isLoaded(host)) continue;
    // Whichever modprobe it is, with -D it only shows what it would load.
    const { stderr, status } = await host.run({ program: 'modprobe', args: [...(dryRun ? ['-D'] : []), module] });
    if (dryRun ? status === 0 : isLoaded(host)) continue;
    const why =
      status === undefined ? 'and there is no modprobe to load it' : `and cannot be loaded (${stderr.trim()})`;
    throw trouble(
      'missing-feature',
      `${lacking}: module ${module} is not loaded, ${why}.`,
      `Run \`modprobe ${module}\` on the host itself, or take another mode.`,
    );
  }
}

/** What a host has. */
export interface HostState extends IpvsState {
  readonly hasDevice: boolean;
  /** Text of /proc/modules. */
  readonly modules: string;
}

/** What is asked of a host. */
interface ReadOptions {
  readonly wantsIpvs: boolean;
  readonly wantsTimeouts: boolean;
  readonly dryRun: boolean;
}

/**
 * Reads it. Where nothing is wanted, and by a dry run, no module is loaded by asking: without it there is nothing. A host
 * without the programs has nothing of ours, unless the device tells that IPVS mode was here.
 */
export async function readHost(host: Host, { wantsIpvs, wantsTimeouts, dryRun }: ReadOptions): Promise<HostState> {
  const hasIpvs = isIpvsLoaded(host);
  const hasSets = (wantsIpvs && !dryRun) || isIpsetLoaded(host);
  // Those of all interfaces: a virtual server of a node port has one of them.
  const show: Command = { program: 'ip', args: ['-o', 'addr', 'show'] };
  const text = onlyAddresses(await output(host, show, { purpose: 'to read addresses', isNeeded: wantsIpvs }));
  const hasDevice = text.includes(`: ${IPVS_DEVICE} `) || (await isThere(host, IPVS_DEVICE));
  const isNeeded = wantsIpvs || hasDevice;
  const lacking = 'The kernel has no sets';
  const sets = hasSets ? await output(host, ipset(['save']), { purpose: 'to read sets', lacking, isNeeded }) : '';
  const servers = hasIpvs
    ? await output(host, ipvsadm(['-S', '-n']), { purpose: 'to read virtual servers', isNeeded })
    : '';
  const table = parsed(readIpvsadm({ name: 'the output of ipvsadm', text: servers }), (read) => read.table);
  const timeouts =
    wantsTimeouts && hasIpvs
      ? readTimeouts(await output(host, ipvsadm(['-L', '--timeout']), { purpose: 'to read timeouts' }))
      : undefined;
  return {
    table: { ...table, timeouts },
    sets: parsed(readIpset({ name: 'the output of ipset', text: onlyOwnSets(sets) }), (read) => read.sets),
    addresses: parsed(
      readAddresses({ name: 'the output of ip', text }),
      (read): readonly InterfaceAddress[] => read.addresses,
    ),
    hasDevice,
    modules: host.read('/proc/modules') ?? '',
  };
}

/** Without addresses it is not among those that are listed. */
async function isThere(host: Host, device: string): Promise<boolean> {
  return (await host.run({ program: 'ip', args: ['-o', 'link', 'show', 'dev', device] })).status === 0;
}

/** Sets of others may be large, and hold what nobody here knows. Lines keep their numbers. */
function onlyOwnSets(text: string): string {
  const own = ipvsSetNames();
  return text
    .split('\n')
    .map((line) => (own.has(line.split(' ', 2)[1] ?? '') ? line : ''))
    .join('\n');
}

function onlyAddresses(text: string): string {
  return text
    .split('\n')
    .map((line) => (/ inet6? /.test(line) ? line : ''))
    .join('\n');
}

/** A run of ipvsadm. */
export function ipvsadm(args: readonly string[]): Command {
  return { program: 'ipvsadm', args };
}

/** A run of ipset. */
export function ipset(args: readonly string[]): Command {
  return { program: 'ipset', args };
}

/** What a program prints; of one that is missing and not needed, nothing. */
async function output(
  host: Host,
  command: Command,
  {
    purpose,
    lacking,
    isNeeded = true,
  }: { readonly purpose: string; readonly lacking?: string; readonly isNeeded?: boolean },
): Promise<string> {
  const finished = await host.run(command);
  if (finished.status === 0) return finished.stdout;
  if (finished.trouble === 'ENOENT' && !isNeeded) return '';
  const failed = commandTrouble(command, finished, purpose);
  if (lacking === undefined || finished.status === undefined) throw failed;
  throw trouble('missing-feature', `${lacking}: ${failed.message}`);
}

/** How many connections each real server has, by its key. */
export async function countConnections(host: Host): Promise<ReadonlyMap<string, number>> {
  return readConnections(await output(host, ipvsadm(['-L', '-n']), { purpose: 'to count connections' }));
}

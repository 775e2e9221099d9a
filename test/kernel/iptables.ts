/** Loads compiled iptables text into a host's kernel, with the programs of either variant, and reads it back. */
import type { Command, Host } from './host.js';
import { splitArguments } from './normal-form.js';
import type { Family } from './places.js';

/** The two sets of iptables programs: those that write nf_tables, and those for the older xtables. */
export type Variant = 'nft' | 'legacy';

/** A setup file: single iptables commands, then kernel parameters. */
export interface Setup {
  /** Arguments of each command, from `-t TABLE` on. */
  readonly commands: readonly (readonly string[])[];
  /** Path below /proc/sys and value. */
  readonly parameters: Readonly<Record<string, string>>;
}

export function readSetup(text: string): Setup {
  const commands: string[][] = [];
  const parameters: Record<string, string> = {};
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, path, value] = /^(net\/\S+)=(\S+)$/.exec(line) ?? [];
    if (line.startsWith('-')) commands.push(splitArguments(line));
    else if (path !== undefined && value !== undefined) parameters[path] = value;
    else throw new Error(`not a line of a setup file: ${line}`);
  }
  return { commands, parameters };
}

/** The name of a program, for example ip6tables-nft-restore. */
export function program(family: Family, variant: Variant, tool?: 'restore' | 'save'): string {
  const name = `${family === 'ipv4' ? 'iptables' : 'ip6tables'}-${variant}`;
  return tool === undefined ? name : `${name}-${tool}`;
}

/** All programs that a variant needs. */
export function programsOf(variant: Variant): string[] {
  return (['ipv4', 'ipv6'] as const).flatMap((family) =>
    [undefined, 'restore' as const, 'save' as const].map((tool) => program(family, variant, tool)),
  );
}

// Legacy programs share one lock file, which namespaces do not divide: wait for the tests that run beside this one.
const wait = ['-w', '60'];

/** Does what a setup file says: each chain and each jump only if it is missing, then the kernel parameters. */
export async function runSetup(host: Host, family: Family, variant: Variant, setup: Setup): Promise<void> {
  const iptables = program(family, variant);
  for (const [flag = '', table = '', op, ...rest] of setup.commands) {
    const command = (operation: string, allow?: number[]): Command => ({
      argv: [iptables, ...wait, flag, table, operation, ...rest],
      ...(allow === undefined ? {} : { allow }),
    });
    if (op === '-N') {
      // Status 1: the chain is there already.
      await host.run([command('-N', [0, 1])]);
    } else if (op === '-I') {
      // Status 1: the rule is not there.
      const [found] = await host.run([command('-C', [0, 1])]);
      if (found?.status === 1) await host.run([command('-I')]);
    } else {
      throw new Error(`a setup command is -N or -I, not ${op}`);
    }
  }
  await host.sysctl(setup.parameters);
}

/** Hands rules to iptables-restore as kube-proxy does. */
export async function restore(host: Host, family: Family, variant: Variant, rules: string): Promise<void> {
  const argv = [program(family, variant, 'restore'), ...wait, '--noflush', '--counters'];
  await host.run([{ argv, input: rules }]);
}

/** What iptables-save prints, without the lines that hold the time. */
export async function save(host: Host, family: Family, variant: Variant): Promise<string> {
  const [result] = await host.run([{ argv: [program(family, variant, 'save')] }]);
  return (result?.stdout ?? '').replace(/^#.*\n/gm, '');
}

/** Empties the tables that kube-proxy writes, and sets the policy of FORWARD. */
export async function flush(
  host: Host,
  family: Family,
  variant: Variant,
  forwardPolicy: 'ACCEPT' | 'DROP',
): Promise<void> {
  const iptables = program(family, variant);
  const commands: Command[] = [];
  for (const table of ['filter', 'nat']) {
    for (const op of ['-F', '-X']) commands.push({ argv: [iptables, ...wait, '-t', table, op] });
  }
  commands.push({ argv: [iptables, ...wait, '-t', 'filter', '-P', 'FORWARD', forwardPolicy] });
  await host.run(commands);
}

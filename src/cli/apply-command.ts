import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { USUAL_FOLDER } from '../apply/usual-folder.js';
import { addClusterOptions } from './cluster-options.js';
import type { Io } from './io.js';
import { wholeNumber } from './object-options.js';
import { addProxyFlags } from './proxy-flags.js';

/** `kuberules apply`; see ApplyFlags. */
export function addApply(program: Command, io: Io, exit: (code: number) => void): void {
  const apply = program
    .command('apply')
    .summary("write a node's rules into the kernel of this host")
    .description(
      'Compiles the rules of this node, or takes finished ones (apply --mode M - < FILE), compares them with what the ' +
        'kernel has, saves that, writes only what differs, and reads it back. Needs root. Exit status: 0 the kernel has ' +
        'the rules, 1 with --dry-run something would change, 2 trouble; then it is said which rules are in force.',
    )
    .argument('[TEXT]', '- for finished text on standard input, as `kuberules compile` prints it');
  addClusterOptions(apply, false);
  apply
    .option('--dry-run', 'only show what would change', false)
    .option('--restore <FILE>', 'bring back what an earlier apply saved')
    .option('--confirm-within <TIME>', 'go back to the rules before unless confirmed in that time (30s, 5m)', duration)
    .option('--confirm', 'confirm the apply that waits for it', false)
    .addOption(iptablesVariant())
    .option('--drain <SECONDS>', 'mode ipvs: how long endpoints that go keep their open connections', seconds, 30);
  addHostOptions(apply);
  apply.addOption(new Option('--guard').hideHelp());
  addProxyFlags(apply);
  apply.action(async (text: string | undefined, options) => {
    const { runApply } = await import('./apply.js');
    exit(await runApply({ ...options, text }, io));
  });
}

/** `kuberules cleanup`; see CleanupFlags. */
export function addCleanup(program: Command, io: Io, exit: (code: number) => void): void {
  const cleanup = program
    .command('cleanup')
    .summary('remove from this host what kuberules or kube-proxy wrote, in any mode')
    .description(
      "Removes kube-proxy's chains, jumps, sets, virtual servers and tables of all modes and both families, and nothing " +
        'else. Needs root. Exit status: 0 nothing is left, 1 with --dry-run something would be removed, 2 trouble.',
    )
    .option('--dry-run', 'only show what would be removed', false)
    .addOption(iptablesVariant());
  addHostOptions(cleanup);
  cleanup.action(async (options) => {
    const { runCleanup } = await import('./apply.js');
    exit(await runCleanup(options, io));
  });
}

function iptablesVariant(): Option {
  return new Option('--iptables-variant <VARIANT>', 'which iptables (default: the one that is in use here)').choices([
    'nft',
    'legacy',
  ]);
}

function addHostOptions(command: Command): void {
  command
    .option('--wait <SECONDS>', 'how long to wait for the xtables lock', lockSeconds, 5)
    .option('--state-dir <DIR>', 'where the rules before are saved', (folder) => resolve(folder), USUAL_FOLDER)
    .addOption(new Option('--output <FORMAT>', 'how to print').choices(['text', 'json']).default('text'));
}

/** iptables takes 0 for a wait without end. */
function lockSeconds(text: string): number {
  return wholeNumber(text, 1, 3600);
}

function seconds(text: string): number {
  return wholeNumber(text, 0, 3600);
}

/** `30s`, `5m`, `90`: seconds. */
function duration(text: string): number {
  const [, digits = '', unit] = /^(\d{1,4})(s|m)?$/.exec(text) ?? [];
  const value = Number(digits) * (unit === 'm' ? 60 : 1);
  if (digits === '' || value < 1 || value > 3600) {
    throw new InvalidArgumentError('It must be a time from 1s to 60m.');
  }
  return value;
}

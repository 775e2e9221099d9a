import { type Command, InvalidArgumentError, Option } from 'commander';
import { PROXY_MODES, type ProxyMode } from '../kube/proxy-mode.js';
import type { Io } from './io.js';
import { addReadingOptions } from './object-options.js';
import { addProxyFlags } from './proxy-flags.js';

/** `kuberules diff`; see DiffFlags. */
export function addDiff(program: Command, io: Io, exit: (code: number) => void): void {
  const diff = program
    .command('diff')
    .summary('say what a change does to traffic')
    .description(
      'Says what changes for traffic from OLD to NEW, or between two modes or two nodes of one cluster: addresses and ' +
        'ports, who reaches which endpoints, masquerading. Exit status: 0 same traffic, 1 differences, 2 trouble.',
    )
    .argument('<OLD>', 'a file, a folder of .yaml, .yml and .json files, or - for standard input')
    .argument('[NEW]', 'the same (default: OLD, to compare modes, nodes or configurations)');
  addReadingOptions(diff, 'only objects of this namespace');
  diff
    .addOption(new Option('-m, --mode <MODE>', 'the kube-proxy backend, or two: iptables..nftables').argParser(modes))
    .option('--config <FILE>', 'a KubeProxyConfiguration file, for both sides')
    .option('--old-config <FILE>', 'the configuration of OLD')
    .option('--new-config <FILE>', 'the configuration of NEW')
    .addOption(
      new Option('--node <NAME>', 'the node, or two: worker-1..worker-2 (default: the first Node object)').argParser(
        nodes,
      ),
    )
    .option('--all-nodes', 'compare every Node object, and say which are concerned', false)
    .option('--rules', 'also print the changed lines of rules, as unified diffs', false)
    .addOption(
      new Option('--output <FORMAT>', 'how to print; markdown is made for a pull request')
        .choices(['text', 'markdown', 'json'])
        .default('text'),
    );
  addProxyFlags(diff);
  diff.action(async (old: string, now: string | undefined, options) => {
    const { runDiff } = await import('./diff.js');
    exit(await runDiff(old, now, options, io));
  });
}

/** One value for both sides, or two with `..` between. */
function pair(text: string): readonly [string, string] {
  // No name of a node has two dots in a row.
  const [old = '', now = old, ...more] = text.split('..');
  if (old === '' || now === '' || more.length > 0)
    throw new InvalidArgumentError('It must be OLD..NEW, or one for both.');
  return [old, now];
}

function modes(text: string): readonly [ProxyMode, ProxyMode] {
  const [old, now] = pair(text);
  if (!isMode(old) || !isMode(now)) {
    throw new InvalidArgumentError(`Modes are ${PROXY_MODES.join(', ')}; two of them have .. between.`);
  }
  return [old, now];
}

function isMode(text: string): text is ProxyMode {
  return PROXY_MODES.some((mode) => mode === text);
}

function nodes(text: string): readonly [string, string] {
  return pair(text);
}

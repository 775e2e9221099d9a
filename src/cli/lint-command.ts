import { type Command, InvalidArgumentError, Option } from 'commander';
import { addClusterOptions } from './cluster-options.js';
import type { Io } from './io.js';
import { addProxyFlags } from './proxy-flags.js';

/** `kuberules lint`; see LintFlags. */
export function addLint(program: Command, io: Io, exit: (code: number) => void): void {
  const lint = program
    .command('lint')
    .summary('find what is legal but surprising')
    .description(
      'Finds Services that the API server admits and kube-proxy serves, but not as people expect: each with a reason ' +
        'and a way out. Exit status: 0 nothing found, 1 findings, 2 trouble.',
    );
  // Without objects there still is --list.
  addClusterOptions(lint, false);
  reword(lint, '--namespace', 'only findings about objects of this namespace');
  reword(lint, '--node', 'look at the rules of this node only (default: all Node objects)');
  lint
    .option('--node-port-range <RANGE>', 'the range of node ports (default: 30000-32767)', portRange)
    .option('--only <CODE...>', 'run these checks only')
    .option('--ignore <CODE...>', 'do not run these checks')
    .option('--list', 'print all checks instead', false)
    .option('--explain <CODE>', 'print what a check finds, why, and the way out instead')
    .addOption(new Option('--output <FORMAT>', 'how to print').choices(['text', 'json']).default('text'));
  addProxyFlags(lint);
  lint.action(async (options) => {
    const { runLint } = await import('./lint.js');
    exit(await runLint(options, io));
  });
}

/** Says what an option that several commands share means here. */
function reword(command: Command, long: string, description: string): void {
  const option = command.options.find((each) => each.long === long);
  if (option === undefined) throw new Error(`no option ${long}`);
  option.description = description;
}

/** `30000-32767`, as kube-apiserver's --service-node-port-range is mostly written. */
function portRange(text: string): readonly [number, number] {
  const [, first = '', last = ''] = /^([0-9]{1,5})-([0-9]{1,5})$/.exec(text) ?? [];
  const range = [Number(first), Number(last)] as const;
  if (last === '' || range[0] < 1 || range[0] > range[1] || range[1] > 65535) {
    throw new InvalidArgumentError('It must be a range of ports such as 30000-32767.');
  }
  return range;
}

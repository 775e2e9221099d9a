import { type Command, Option } from 'commander';
import { FAMILIES } from '../net/family.js';
import { addClusterOptions } from './cluster-options.js';
import type { Io } from './io.js';
import { addProxyFlags } from './proxy-flags.js';

/** `kuberules explain`; see ExplainFlags. */
export function addExplain(program: Command, io: Io, exit: (code: number) => void): void {
  const explain = program
    .command('explain')
    .summary('say what a Service has on a node and why, and what a chain or a line of rules is for')
    .description(
      'Explains a Service (shop/web, shop/web:http), the name of a chain, set or map (KUBE-SEP-..., service-ips), or a ' +
        "line of rules ('-A KUBE-SERVICES ...'), as iptables, ipvsadm, ipset and nft save, list or take it.",
    )
    .argument('[what]', 'a Service, a name, or a line in quotes')
    .option('--line-file <FILE>', 'instead of WHAT: explain every line of a file, or with - of standard input');
  addClusterOptions(explain);
  explain
    .addOption(new Option('--family <FAMILY>', 'only this IP family (default: those of the node)').choices(FAMILIES))
    .addOption(new Option('--as <KIND>', 'what it is, where that is not clear').choices(['service', 'name', 'line']))
    .option('--rules', 'print the lines that a Service has in the compiled rules', false)
    .addOption(new Option('--output <FORMAT>', 'how to print').choices(['text', 'json']).default('text'));
  addProxyFlags(explain);
  explain.action(async (what: string | undefined, options) => {
    const { runExplain } = await import('./explain.js');
    exit(await runExplain(what, options, io));
  });
}

/**
 * Command line arguments with lines of rules behind all others and `--`: such a line begins with a dash, but is no
 * option, as no option has a blank behind its letter.
 */
export function linesLast(args: readonly string[]): readonly string[] {
  const lines = args.filter((arg) => /^-[A-Za-z>] /.test(arg));
  if (lines.length === 0 || args.includes('--')) return args;
  return [...args.filter((arg) => !lines.includes(arg)), '--', ...lines];
}

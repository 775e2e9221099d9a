import { type Command, Option } from 'commander';
import { addClusterOptions } from './cluster-options.js';
import type { Io } from './io.js';
import { addProxyFlags } from './proxy-flags.js';

/** `kuberules verify`; see VerifyFlags. */
export function addVerify(program: Command, io: Io, exit: (code: number) => void): void {
  const verify = program
    .command('verify')
    .summary('compare what a node has with what kube-proxy would write')
    .description(
      'Compares dumps of a node with what kube-proxy v1.36 would have written for the objects, and says in terms of ' +
        'Services what is wrong. Rules of others are left alone. Exit status: 0 nothing wrong, 1 findings, 2 trouble.',
    );
  addClusterOptions(verify);
  verify
    .option(
      '--dump <FILE...>',
      'what iptables-save, ip6tables-save, ipvsadm -S -n, ipset save, ip -o addr show dev kube-ipvs0 or nft list table ' +
        'printed on the node; - for standard input; ipv4=FILE or ipv6=FILE where its content does not tell the family',
    )
    .option('--live', 'run these programs on this host instead', false)
    .addOption(new Option('--output <FORMAT>', 'how to print').choices(['text', 'json']).default('text'));
  addProxyFlags(verify);
  verify.action(async (options) => {
    const { runVerify } = await import('./verify.js');
    exit(await runVerify(options, io));
  });
}

/** The command line of `kuberules trace`. */
import { type Command, Option } from 'commander';
import { FAMILIES } from '../net/family.js';
import { addClusterOptions } from './cluster-options.js';
import type { Io } from './io.js';
import { addProxyFlags } from './proxy-flags.js';

/** Adds the command; `exit` takes its exit code. */
export function addTrace(program: Command, io: Io, exit: (code: number) => void): void {
  const trace = program
    .command('trace')
    .summary('follow a packet through the rules of one node')
    .description(
      'Follows a packet through the rules that kube-proxy would write on one node, or through those that a node ' +
        'printed: every rule it meets, and every end it may come to with its exact probability.',
    );
  addClusterOptions(trace, false);
  trace
    .option('--from <PLACE>', 'an address, a pod ([namespace/]name), node, or node/NAME; not needed for an Ingress')
    .requiredOption(
      '--to <PLACE>',
      'ADDRESS:PORT[/udp|/sctp], ADDRESS/icmp, namespace/service[:port], a name as the sender looks it up ' +
        '(redis:6379, redis.shop.svc.cluster.local), or a URL (https://shop.example/cart)',
    )
    .option('--zone <NAME>', "the cluster's domain", 'cluster.local')
    .option('--ingress-class <NAME>', 'for a URL: only Ingresses of this class')
    .option(
      '--dump <FILE...>',
      'what a node printed, instead of compiled rules (iptables-save, ipvsadm -S -n, nft ...); - for standard input; ' +
        'ipv4=FILE or ipv6=FILE where its content does not tell the family',
    )
    .addOption(new Option('--family <FAMILY>', 'the IP family, where both are possible').choices(FAMILIES))
    .option('--after <ENDPOINT>', 'where the client’s last connection went (ADDRESS:PORT), for session affinity')
    .option('--established', 'a later packet of a connection that these rules let begin', false)
    .option('--in-interface <NAME>', 'the interface of the node by which the packet comes')
    .option('--out-interface <NAME>', 'the interface of the node by which the packet leaves')
    .option('--local-address <IP...>', 'further addresses of the node, which its Node object does not have')
    .addOption(new Option('--output <FORMAT>', 'how to print').choices(['text', 'json']).default('text'));
  addProxyFlags(trace);
  trace.action(async (options) => {
    const { runTrace } = await import('./trace.js');
    exit(await runTrace(options, io));
  });
}

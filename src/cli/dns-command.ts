import { type Command, Option } from 'commander';
import type { Io } from './io.js';
import { addObjectOptions, wholeNumber } from './object-options.js';

/** The zones of `--part` by what they are called there. */
export const DNS_PARTS = ['forward', 'in-addr.arpa', 'ip6.arpa'] as const;

/** `kuberules dns`; see DnsFlags. */
export function addDns(program: Command, io: Io, exit: (code: number) => void): void {
  const dns = program
    .command('dns')
    .summary('print the DNS records of Services')
    .description(
      'Prints the names that CoreDNS would answer for these Services, as zone files that a DNS server loads.',
    );
  addObjectOptions(dns)
    .option('--zone <NAME>', "the cluster's domain", 'cluster.local')
    .option('--ttl <SECONDS>', 'how long answers may be kept', (text) => wholeNumber(text, 0, 3600), 30)
    .option('--serial <N>', 'the serial number of the zones', (text) => wholeNumber(text, 1, 4294967295), 1)
    .option('--pods', 'add the records of Pods by address, as with "pods verified" in a Corefile', false)
    .option('--spec-only', 'only what the DNS specification asks for, not what CoreDNS answers beyond it', false)
    .option('-o, --output-dir <DIR>', 'write one file a zone into this folder')
    .addOption(new Option('--part <PART...>', 'which zones to print (default: forward)').choices([...DNS_PARTS, 'all']))
    .addOption(new Option('--output <FORMAT>', 'how to print').choices(['text', 'json']).default('text'));
  dns.action(async (options) => {
    const { runDns } = await import('./dns.js');
    exit(await runDns(options, io));
  });
}

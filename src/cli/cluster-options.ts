import { type Command, InvalidArgumentError, Option } from 'commander';
import { PROXY_MODES } from '../kube/config.js';

/** The options of every command that reads a cluster; see ClusterFlags. */
export function addClusterOptions(command: Command): void {
  command
    .requiredOption(
      '-f, --filename <FILE...>',
      'a file, a folder of .yaml, .yml and .json files, or - for standard input',
    )
    .option('-R, --recursive', 'read folders inside folders too', false)
    .option('-n, --namespace <NAME>', 'only objects of this namespace')
    .addOption(new Option('-m, --mode <MODE>', 'the kube-proxy backend').choices(PROXY_MODES))
    .option('--config <FILE>', 'a KubeProxyConfiguration file')
    .option('--node <NAME>', 'the node (default: hostnameOverride, else the first Node object)')
    .option('--simulate', 'add what a cluster would: Pods of workloads, EndpointSlices, addresses, node ports', false)
    .option('--service-cluster-ip-range <CIDR>', 'with --simulate: where cluster IPs come from')
    .option('--service-node-port-range <RANGE>', 'with --simulate: where node ports come from')
    .option('--simulate-nodes <N>', 'with --simulate: how many nodes to invent when no Node is given', wholeNumber);
}

function wholeNumber(text: string): number {
  if (!/^([1-9][0-9]{0,2}|1000)$/.test(text)) throw new InvalidArgumentError('It must be a number from 1 to 1000.');
  return Number(text);
}

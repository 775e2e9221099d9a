import { type Command, Option } from 'commander';
import { PROXY_MODES } from '../kube/config.js';
import { addObjectOptions } from './object-options.js';

/** The options of every command that looks at what a kube-proxy does; see ClusterFlags. */
export function addClusterOptions(command: Command): void {
  addObjectOptions(command)
    .addOption(new Option('-m, --mode <MODE>', 'the kube-proxy backend').choices(PROXY_MODES))
    .option('--config <FILE>', 'a KubeProxyConfiguration file')
    .option('--node <NAME>', 'the node (default: hostnameOverride, else the first Node object)');
}

/** The options of every command that asks for the rules of a cluster. */
import { type Command, Option } from 'commander';
import { PROXY_MODES } from '../kube/proxy-mode.js';
import { addObjectOptions } from './object-options.js';

/**
 * Adds them; see ClusterFlags.
 * @param needed whether the command can do nothing without objects
 */
export function addClusterOptions(command: Command, needed = true): Command {
  return addObjectOptions(command, undefined, needed)
    .addOption(new Option('-m, --mode <MODE>', 'the kube-proxy backend').choices(PROXY_MODES))
    .option('--config <FILE>', 'a KubeProxyConfiguration file')
    .option('--node <NAME>', 'the node (default: hostnameOverride, else the first Node object)');
}

import { type Command, InvalidArgumentError, Option } from 'commander';

/**
 * The options of every command that reads objects; see ObjectFlags.
 * @param namespace what `-n` means to the command
 * @param needed whether the command can do nothing without objects
 */
export function addObjectOptions(
  command: Command,
  namespace = 'only objects of this namespace',
  needed = true,
): Command {
  const files = new Option(
    '-f, --filename <FILE...>',
    'a file, a folder of .yaml, .yml and .json files, or - for standard input',
  );
  command.addOption(files);
  command
    .option('--from-cluster', 'the objects of a running cluster instead of files', false)
    .option('--kubeconfig <FILE>', 'with --from-cluster: how to reach it (default: as kubectl finds it)')
    .option('--context <NAME>', "with --from-cluster: instead of the kubeconfig's current context");
  if (needed) {
    // Not as a mandatory option: there is another way to give objects.
    command.hook('preAction', (_, action) => {
      if (action.getOptionValue('filename') !== undefined || action.getOptionValue('fromCluster') === true) return;
      action.error("error: no objects: give files with '-f, --filename <FILE...>', or --from-cluster");
    });
  }
  return addReadingOptions(command, namespace);
}

/** Those of them that say how to read, for a command that takes its files as arguments. */
export function addReadingOptions(command: Command, namespace: string): Command {
  return command
    .option('-R, --recursive', 'read folders inside folders too', false)
    .option('-n, --namespace <NAME>', namespace)
    .option('--simulate', 'add what a cluster would: Pods of workloads, EndpointSlices, addresses, node ports', false)
    .option('--service-cluster-ip-range <CIDR>', 'with --simulate: where cluster IPs come from')
    .option('--service-node-port-range <RANGE>', 'with --simulate: where node ports come from')
    .option('--simulate-nodes <N>', 'with --simulate: how many nodes to invent when no Node is given', (text) =>
      wholeNumber(text, 1, 1000),
    );
}

/** A flag's whole number within bounds, both included. */
export function wholeNumber(text: string, least: number, most: number): number {
  const number = Number(text);
  if (!/^(0|[1-9][0-9]{0,9})$/.test(text) || number < least || number > most) {
    throw new InvalidArgumentError(`It must be a number from ${least} to ${most}.`);
  }
  return number;
}

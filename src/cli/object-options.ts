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
  return command
    .addOption(files.makeOptionMandatory(needed))
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

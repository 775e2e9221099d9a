import { type Command, Option } from 'commander';
import type { Io } from './io.js';
import { addObjectOptions } from './object-options.js';

/** `kuberules env`; see EnvFlags. */
export function addEnv(program: Command, io: Io, exit: (code: number) => void): void {
  const env = program
    .command('env')
    .summary('print the environment variables that Services give a Pod')
    .description('Prints the variables of Services that the kubelet would give a Pod that is created now.');
  addObjectOptions(env, "the Pod's namespace; needed where several have a Pod of that name")
    .requiredOption('--pod <NAME>', 'the Pod ([namespace/]name); with --simulate also one that a workload makes')
    .addOption(new Option('--output <FORMAT>', 'how to print').choices(['text', 'json']).default('text'));
  env.action(async (options) => {
    const { runEnv } = await import('./env.js');
    exit(await runEnv(options, io));
  });
}

/** The command line: which command, then its file. Commands are loaded when they are called, so that starting is quick. */
import { Command, CommanderError, Option } from 'commander';
import type { PartName } from '../backends/backend.js';
import { type Diagnostic, diagnostic } from '../kube/diagnostics.js';
import { FAMILIES } from '../net/family.js';
import { addApply, addCleanup } from './apply-command.js';
import { addClusterOptions } from './cluster-options.js';
import { addDiff } from './diff-command.js';
import { addDns } from './dns-command.js';
import { addEnv } from './env-command.js';
import { DONE, TROUBLE } from './exit.js';
import { addExplain, linesLast } from './explain-command.js';
import { type Io, OutputError } from './io.js';
import { addLint } from './lint-command.js';
import { addProxyFlags } from './proxy-flags.js';
import { printDiagnostics } from './report.js';
import { addTrace } from './trace-command.js';
import { addVerify } from './verify-command.js';
import { version } from './version.js';

/**
 * Runs one command line.
 * @param args the arguments behind the program's name
 * @returns the exit code
 */
export async function run(args: readonly string[], io: Io): Promise<number> {
  // Commander writes help and version without waiting; whether they could be written is known at the end.
  const written: Promise<void>[] = [];
  let exitCode = 0;
  const program = createProgram(
    io,
    (text) => written.push(io.out(text)),
    (code) => {
      exitCode = code;
    },
  );
  try {
    exitCode = (await parse(program, args)) ?? exitCode;
    await Promise.all(written);
    return exitCode;
  } catch (error) {
    printDiagnostics([unexpected(error)], io);
    return TROUBLE;
  }
}

/** Runs the command that the arguments name; gives the exit code if Commander ended it, having said why itself. */
async function parse(program: Command, args: readonly string[]): Promise<number | undefined> {
  try {
    await program.parseAsync(linesLast(args), { from: 'user' });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? DONE : TROUBLE;
  }
}

/** What nobody foresaw; with KUBERULES_DEBUG set, where it happened. */
function unexpected(error: unknown): Diagnostic {
  if (error instanceof OutputError)
    return diagnostic('unwritable-output', `the output cannot be written: ${error.message}`);
  const text = error instanceof Error ? (process.env.KUBERULES_DEBUG && error.stack) || error.message : String(error);
  return diagnostic('internal', `${text}`, { hint: 'This is a mistake in kuberules: please report it.' });
}

function createProgram(io: Io, writeOut: (text: string) => void, exit: (code: number) => void): Command {
  const program = new Command('kuberules')
    .description('Compiles Kubernetes Services to the rules that kube-proxy v1.36 writes on a node.')
    .version(version(), '-V, --version')
    .showHelpAfterError('(kuberules --help shows what there is)')
    .configureOutput({
      writeOut,
      writeErr: io.err,
      outputError: (text, write) => write(`${text.trimEnd()} [usage]\n`),
    })
    .exitOverride();
  addApply(program, io, exit);
  addCleanup(program, io, exit);
  addCompile(program, io, exit);
  addDiff(program, io, exit);
  addDns(program, io, exit);
  addEnv(program, io, exit);
  addExplain(program, io, exit);
  addLint(program, io, exit);
  addTrace(program, io, exit);
  addVerify(program, io, exit);
  return program;
}

/**
 * The parts of all modes, and all at once; which of them a mode has is checked once the mode is known. Said once more
 * here, as the backends that know are loaded only to compile.
 */
export const PART_CHOICES: readonly (PartName | 'all')[] = [
  'rules',
  'setup',
  'nft',
  'ipvsadm',
  'ipset',
  'addresses',
  'all',
];

function addCompile(program: Command, io: Io, exit: (code: number) => void): void {
  const compile = program
    .command('compile')
    .summary('print the rules of one node')
    .description(
      'Prints what kube-proxy would hand to the kernel of one node, from Services, EndpointSlices and Nodes in files.',
    );
  addClusterOptions(compile);
  compile
    .addOption(new Option('--family <FAMILY>', 'only this IP family (default: those of the node)').choices(FAMILIES))
    .option('-o, --output-dir <DIR>', 'write one file a part into this folder')
    .addOption(
      new Option(
        '--part <PART...>',
        'which parts to print (default: iptables: rules; nftables: nft; ipvs: all)',
      ).choices(PART_CHOICES),
    )
    .option('--notes', 'say what the other modes would do differently for these Services', false)
    .addOption(new Option('--output <FORMAT>', 'how to print').choices(['text', 'json']).default('text'));
  addProxyFlags(compile);
  compile.action(async (options) => {
    const { runCompile } = await import('./compile.js');
    exit(await runCompile(options, io));
  });
}

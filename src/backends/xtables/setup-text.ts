/** The text of what is done before a restore, as data: `setup` of iptables and IPVS mode. See emit.ts. */
import type { Diagnostic } from '../../kube/diagnostics.js';
import type { SourceText } from '../../kube/objects.js';
import { collectMistakes, shown } from '../dump.js';
import type { XtablesRule } from './text.js';
import { quotesAreClosed } from './words.js';

/** One step, to be taken where it is not yet so. */
export type SetupStep =
  /** A chain that has to be there. */
  | { readonly kind: 'chain'; readonly table: string; readonly name: string; readonly line: number | undefined }
  /** A rule that has to be there, at the head of its chain when it is missing. */
  | { readonly kind: 'jump'; readonly table: string; readonly rule: XtablesRule }
  /** A kernel parameter below /proc/sys. */
  | { readonly kind: 'parameter'; readonly path: string; readonly value: string; readonly line: number | undefined };

/** What was read, with what is wrong with it. */
export interface ReadSetupResult {
  readonly steps: readonly SetupStep[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads a `setup` text of kuberules. A line that is none of its kind is an error (`unreadable-rules`). */
export function readSetup({ name: file, text: source }: SourceText): ReadSetupResult {
  const mistakes = collectMistakes(file, 'Take a setup file as kuberules writes it.');
  const steps: SetupStep[] = [];
  for (const [i, line] of source.split('\n').entries()) {
    const step = line === '' ? undefined : readStep(line, i + 1);
    if (step !== undefined) steps.push(step);
    else if (line !== '') mistakes.add(i + 1, `${shown(line)} is no step of a setup.`);
  }
  return { steps, diagnostics: mistakes.diagnostics() };
}

function readStep(text: string, line: number): SetupStep | undefined {
  const [, path, value] = /^(net(?:\/\w[\w.-]*)+)=(\S+)$/.exec(text) ?? [];
  if (path !== undefined && value !== undefined) return { kind: 'parameter', path, value, line };
  const [, table, command, name, args] = /^-t (\S+) -([NI]) ([^\s"]+)((?: .*)?)$/.exec(text) ?? [];
  if (table === undefined || name === undefined || args === undefined) return undefined;
  if (command === 'N') return args === '' ? { kind: 'chain', table, name, line } : undefined;
  if (args === '' || !quotesAreClosed(args)) return undefined;
  return { kind: 'jump', table, rule: { kind: 'rule', chain: name, arguments: args, counters: undefined, line } };
}

/** Prints the steps; what was read gives the same bytes. */
export function printSetup(steps: readonly SetupStep[]): string {
  return steps.map((step) => `${printStep(step)}\n`).join('');
}

function printStep(step: SetupStep): string {
  switch (step.kind) {
    case 'chain':
      return `-t ${step.table} -N ${step.name}`;
    case 'jump':
      return `-t ${step.table} -I ${step.rule.chain}${step.rule.arguments}`;
    case 'parameter':
      return `${step.path}=${step.value}`;
  }
}

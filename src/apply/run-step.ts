/** Taking one step. */
import type { Step } from './area.js';
import type { Host } from './host.js';
import { parameterFile } from './parameters.js';
import { commandTrouble, trouble } from './trouble.js';

/** Takes a step; rejects with an ApplyError that says what it was for. */
export async function runStep(step: Step, host: Host): Promise<void> {
  if (step.kind === 'command') {
    const { command, purpose, strict, lacking } = step;
    const finished = await host.run(command);
    if (finished.status === 0 && (strict !== true || finished.stderr.trim() === '')) return;
    const failed = commandTrouble(command, finished, purpose);
    if (lacking === undefined || finished.status === undefined) throw failed;
    throw trouble('missing-feature', `${lacking}: ${failed.message}`);
  }
  try {
    host.write(parameterFile(step.path), step.value);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw trouble('command-failed', `${parameterFile(step.path)} cannot be written ${step.purpose}: ${said}.`);
  }
}

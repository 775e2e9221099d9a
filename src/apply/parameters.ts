/** Kernel parameters: which are not as they are to be. */
import type { SetupStep } from '../backends/xtables/setup-text.js';
import type { Step } from './area.js';
import type { Host } from './host.js';

/** Where the kernel shows its parameters. */
export function parameterFile(path: string): string {
  return `/proc/sys/${path}`;
}

/** One parameter that is to change. */
interface ParameterChange {
  readonly path: string;
  readonly value: string;
  /** What it is; undefined where the kernel does not have it (yet). */
  readonly former: string | undefined;
}

/** The parameters of a setup that have another value. Each is written only then, as kube-proxy does it. */
export function changedParameters(setup: readonly SetupStep[], host: Host): readonly ParameterChange[] {
  return setup.flatMap((step) => {
    if (step.kind !== 'parameter') return [];
    const former = host.read(parameterFile(step.path))?.trim();
    return former === step.value ? [] : [{ path: step.path, value: step.value, former }];
  });
}

/** The steps that set them. */
export function parameterSteps(changed: readonly ParameterChange[]): readonly Step[] {
  return changed.map(({ path, value }) => ({ kind: 'parameter', path, value, purpose: `to set ${path} to ${value}` }));
}

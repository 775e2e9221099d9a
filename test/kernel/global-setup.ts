import { kernelTestsUnavailable } from './available.js';

/** Says once, before any test, why none can run; asking for the kernel tests where they cannot run is an error. */
export function setup(): void {
  const reason = kernelTestsUnavailable();
  if (reason !== undefined) throw new Error(reason);
}

/** What lies beside a checkout in the folder ../shared, and is not always there: recordings of kube-proxy. */
import { existsSync } from 'node:fs';

/** Cases such as those of golden/, with the texts that kube-proxy wrote. */
export const CONFORMANCE = '../shared/conformance';

/** Dumps of nodes, laid out as test/dumps. */
export const SHARED_DUMPS = '../shared/dumps';

/** Whether tests of a folder are to be skipped, which is said on the terminal. */
export function isMissing(folder: string): boolean {
  if (existsSync(folder)) return false;
  process.stderr.write(`SKIPPED: what needs ${folder}, which is not there\n`);
  return true;
}

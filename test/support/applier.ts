/** The applier against a host of tests. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ApplyResult, apply } from '../../src/apply/apply.js';
import { areaOf } from '../../src/apply/areas.js';
import type { Host } from '../../src/apply/host.js';
import type { Wanted } from '../../src/apply/wanted.js';

/** How to apply; by default real servers do not wait for connections. */
export interface BringOptions {
  /** For a lock, in seconds. */
  readonly wait?: number;
  /** For connections, in seconds. */
  readonly drain?: number;
  /** Keeps since when real servers wait; without one that is forgotten at once. */
  readonly folder?: string;
  readonly dryRun?: boolean;
  /** The former states go here. */
  readonly saved?: Wanted[];
  readonly now?: () => number;
  /** What happens while the applier waits. */
  readonly sleep?: (milliseconds: number) => void | Promise<void>;
}

/** There is no such folder. */
const NOWHERE = join(tmpdir(), 'kuberules-nowhere', 'state');

/** Applies as `kuberules apply` does. */
export async function bring(host: Host, wanted: readonly Wanted[], options: BringOptions = {}): Promise<ApplyResult> {
  const { wait = 5, drain = 0, folder = NOWHERE, dryRun = false, saved = [], now = () => 0, sleep } = options;
  const clock = { now, sleep: async (milliseconds: number) => sleep?.(milliseconds) };
  const create = (each: Wanted) => areaOf(each, { host, wait, drain, dryRun, folder, clock, progress: () => {} });
  const result = await apply({
    host,
    areas: wanted.map(create),
    areaOf: create,
    dryRun,
    save: (former) => {
      saved.push(...former);
    },
    progress: () => {},
  });
  if (!dryRun) await result.finish();
  return result;
}

/** Commands that do no more than read, as people would type them. */
export const READING =
  /^(\S+ --version$|nft -s -y list |ip6?tables(-\w+)?-save\b|ip6?tables(-\w+)? -t \w+ -S |ipvsadm -(S|L) |ipset save$|ip -o )/;

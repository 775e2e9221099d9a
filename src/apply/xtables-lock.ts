/** The lock that all programs of iptables take before they write; the nft variant needs none. */
import type { Command, Finished } from './host.js';

/** Its file, found as iptables finds it. */
export function lockFile(): string {
  return process.env.XTABLES_LOCKFILE || '/run/xtables.lock';
}

/** The exit status of iptables when its lock is held, or the kernel is short of something. */
const RESOURCE_PROBLEM = 4;

/** An exit status that no version of iptables-restore has. */
const HELD = 75;

/**
 * A run under the lock, of a program that does not take it itself.
 * @param wait for the lock, in seconds
 */
export function underXtablesLock({ program, args, input }: Command, wait: number): Command {
  return {
    program: 'flock',
    args: ['-w', String(wait), '-E', String(HELD), lockFile(), program, ...args],
    input,
  };
}

/** Whether a program gave up because another one had the lock. */
export function wasLocked({ program }: Command, { status, stderr }: Finished): boolean {
  return program === 'flock' ? status === HELD : status === RESOURCE_PROBLEM && /xtables lock/.test(stderr);
}

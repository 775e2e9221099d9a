/** What this machine can do. Missing parts are said out loud; in CI, and for a root user who asked, they are failures. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Host } from './host.js';
import { programsOf, type Variant } from './iptables.js';

/** Whether a program is in PATH (with the folders that a root shell has). */
export function hasProgram(name: string): boolean {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Why no kernel test can run here, or undefined. */
export function kernelTestsUnavailable(): string | undefined {
  if (process.getuid?.() !== 0) return 'the kernel tests need root, as they make network namespaces';
  const missing = ['unshare', 'nsenter', 'ip', 'conntrack'].filter((program) => !hasProgram(program));
  if (missing.length > 0) return `the kernel tests need ${missing.join(', ')} (scripts/test installs them)`;
  try {
    execFileSync('unshare', ['--net', 'true'], { stdio: 'pipe' });
  } catch (error) {
    return `the kernel refuses a network namespace: ${error instanceof Error ? error.message.trim() : String(error)}`;
  }
  return undefined;
}

/** Why the name server's suite cannot run, or undefined. */
export function nameServerUnavailable(): string | undefined {
  const missing = ['named', 'named-checkzone', 'dig', 'setpriv', 'nsenter'].filter((program) => !hasProgram(program));
  return missing.length === 0 ? undefined : `missing programs: ${missing.join(', ')} (scripts/test installs them)`;
}

/** Why a variant of iptables cannot be tested, or undefined. `host` is any host; nothing is left in it. */
export async function variantUnavailable(host: Host, variant: Variant): Promise<string | undefined> {
  const missing = programsOf(variant).filter((program) => !hasProgram(program));
  if (missing.length > 0) return `missing programs: ${missing.join(', ')}`;
  for (const iptables of ['iptables', 'ip6tables']) {
    const [result] = await host.run([{ argv: [`${iptables}-${variant}`, '-t', 'nat', '-S'], allow: [0, 1, 2, 3, 4] }]);
    if (result?.status !== 0) return `the kernel has no ${iptables}-${variant}: ${result?.stderr.trim()}`;
  }
  return undefined;
}

/** Why the SCTP flows cannot run, or undefined. */
export function sctpUnavailable(): string | undefined {
  if (!hasProgram('perl')) return 'missing program: perl';
  // Its answer to a packet without a socket would be an ABORT, which ends what our raw sockets begin.
  if (existsSync('/proc/net/sctp')) return "the kernel's own SCTP is in use";
  return undefined;
}

/**
 * Decides what happens where something is missing: in CI it is an error, elsewhere the tests that need it are skipped,
 * with the reason on the terminal. Returns whether to skip.
 */
export function skipWithReason(what: string, reason: string | undefined): boolean {
  if (reason === undefined) return false;
  if (process.env.CI === 'true') throw new Error(`${what} cannot be tested: ${reason}`);
  process.stderr.write(`SKIPPED: ${what}: ${reason}\n`);
  return true;
}

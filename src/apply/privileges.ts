/** Whether this process may change the rules of its host. */
import type { Host } from './host.js';
import { trouble } from './trouble.js';

/** Bits of a capability set. */
const CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13 } as const;

/** Rejects, in one line, a process without the capabilities that the programs need. */
export function demandPrivileges(host: Host): void {
  const [, text] = /^CapEff:\s*([0-9a-f]+)$/m.exec(host.read('/proc/self/status') ?? '') ?? [];
  // Nothing tells, so the programs will.
  if (text === undefined) return;
  const effective = BigInt(`0x${text}`);
  const missing = Object.entries(CAPABILITIES).filter(([, bit]) => (effective & (1n << BigInt(bit))) === 0n);
  if (missing.length === 0) return;
  const names = missing.map(([name]) => name).join(' and ');
  throw trouble(
    'missing-privilege',
    `changing rules needs root, or ${names}.`,
    'Run it with sudo, or compile and verify without.',
  );
}

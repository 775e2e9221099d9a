/** Loads compiled nftables text into a host's kernel, and reads it back. */
import { hasProgram } from './available.js';
import type { Backend } from './backend.js';
import type { Host } from './host.js';
import { tableName } from './nft-normal-form.js';
import { type Family, families } from './places.js';

/** Why nft cannot be tested, or undefined. `host` is any host; nothing is left in it. */
export async function nftUnavailable(host: Host): Promise<string | undefined> {
  if (!hasProgram('nft')) return 'missing program: nft';
  const [result] = await host.run([{ argv: ['nft', 'list', 'ruleset'], allow: [0, 1] }]);
  return result?.status === 0 ? undefined : `the kernel has no nf_tables: ${result?.stderr.trim()}`;
}

/** Loads a script in one transaction. */
export async function loadScript(host: Host, script: string): Promise<void> {
  await host.run([{ argv: ['nft', '-f', '-'], input: script }]);
}

/** Tries to load a script that must be refused, and returns what nft says to it. */
export async function refusal(host: Host, script: string): Promise<string> {
  const [result] = await host.run([{ argv: ['nft', '-f', '-'], input: script, allow: [1] }]);
  return result?.stderr ?? '';
}

/** All tables of a host, with priorities and times as numbers. */
export async function listing(host: Host, ...options: readonly string[]): Promise<string> {
  const [result] = await host.run([{ argv: ['nft', '-y', '-T', ...options, 'list', 'ruleset'] }]);
  return result?.stdout ?? '';
}

export function nftablesBackend(): Backend {
  return {
    name: 'nftables',
    mode: 'nftables',
    unavailable: nftUnavailable,
    async clear(host, forwardPolicy) {
      // The table and the chain are those that iptables-nft makes, as on a host where Docker has set the policy.
      const forward = ['ip', 'ip6'].map(
        (ip) =>
          `add table ${ip} filter\n` +
          `add chain ${ip} filter FORWARD { type filter hook forward priority 0 ; policy ${forwardPolicy.toLowerCase()} ; }\n`,
      );
      await loadScript(host, `flush ruleset\n${forward.join('')}`);
    },
    async load(host, texts) {
      for (const family of families) {
        const script = texts.get(`nftables.${family}.nft`);
        if (script === undefined) throw new Error(`the compiler wrote no nftables.${family}.nft`);
        await loadScript(host, script);
      }
    },
  };
}

/** A table as kube-proxy 1.33 left it, in the essentials: other priorities, chains, types and timeouts. */
export function olderTable(family: Family): string {
  const table = tableName(family);
  const type = family === 'ipv4' ? 'ipv4_addr' : 'ipv6_addr';
  const address = family === 'ipv4' ? '10.96.0.20' : 'fd00:10:96::20';
  return [
    `add table ${table} { comment "rules for kube-proxy" ; }`,
    `add chain ${table} filter-prerouting { type filter hook prerouting priority -110 ; }`,
    `add chain ${table} filter-input { type filter hook input priority -110 ; }`,
    `add chain ${table} filter-output { type filter hook output priority -110 ; }`,
    `add chain ${table} filter-output-post-dnat { type filter hook output priority -90 ; }`,
    `add chain ${table} nat-output { type nat hook output priority -100 ; }`,
    `add chain ${table} mark-for-masquerade`,
    `add chain ${table} services`,
    `add set ${table} cluster-ips { type ${type} . inet_service ; }`,
    `add map ${table} service-ips { type ${type} : verdict ; }`,
    `add rule ${table} mark-for-masquerade mark set mark or 0x00004000`,
    `add rule ${table} nat-output jump services`,
    `add element ${table} service-ips { ${address} : goto mark-for-masquerade }`,
    '',
  ].join('\n');
}

/** `verify --live` on nodes whose kernel has what we compile: nothing is wrong until somebody damages it. */
import { describe, expect, test } from 'vitest';
import type { ProxyMode } from '../../src/index.js';
import { skipWithReason, variantUnavailable } from './available.js';
import type { Command, Host } from './host.js';
import { program, readSetup, restore, runSetup, type Variant } from './iptables.js';
import { withHost } from './load-suite.js';
import { loadScript, nftUnavailable } from './nftables.js';
import { families } from './places.js';
import { expectedText, verifyLive } from './verify-live.js';

/** Both families; IPv6 alone; sets with timeouts and matches that keep clients. */
const CASES = ['dual-stack', 'ipv6-only', 'session-affinity'];

interface Way {
  readonly name: string;
  readonly mode: ProxyMode;
  readonly unavailable: (host: Host) => Promise<string | undefined>;
  readonly load: (host: Host, name: string) => Promise<void>;
  /** Done to the case dual-stack, one after the other, with all findings then. */
  readonly damages: readonly (readonly [what: string, command: Command, expected: readonly string[]])[];
}

function iptablesWay(variant: Variant): Way {
  const iptables = (...args: readonly string[]): Command => ({ argv: [program('ipv4', variant), '-w', '60', ...args] });
  const ip6tables = (...args: readonly string[]): Command => ({
    argv: [program('ipv6', variant), '-w', '60', ...args],
  });
  return {
    name: `iptables-${variant}`,
    mode: 'iptables',
    unavailable: (host) => variantUnavailable(host, variant),
    load: async (host, name) => {
      for (const family of families) {
        const rules = expectedText(name, `iptables.${family}.rules`);
        if (rules === undefined) continue;
        await runSetup(host, family, variant, readSetup(expectedText(name, `iptables.${family}.setup`) ?? ''));
        await restore(host, family, variant, rules);
      }
    },
    damages: [
      ['a jump deleted', iptables('-t', 'nat', '-D', 'PREROUTING', '1'), ['jump-missing']],
      [
        'IPv6: the Service deleted from KUBE-SERVICES',
        ip6tables('-t', 'nat', '-D', 'KUBE-SERVICES', '1'),
        ['jump-missing', 'rule-missing default/web:http'],
      ],
    ],
  };
}

const nft: Way = {
  name: 'nftables',
  mode: 'nftables',
  unavailable: nftUnavailable,
  load: async (host, name) => {
    for (const family of families) {
      const script = expectedText(name, `nftables.${family}.nft`);
      if (script !== undefined) await loadScript(host, script);
    }
  },
  damages: [
    [
      'the Service deleted from a map',
      { argv: ['nft', 'delete element ip kube-proxy service-ips { 10.96.0.20 . tcp . 80 }'] },
      ['entry-missing default/web:http'],
    ],
    [
      'IPv6: the table deleted',
      { argv: ['nft', 'delete table ip6 kube-proxy'] },
      ['entry-missing default/web:http', 'nothing-there'],
    ],
  ],
};

for (const way of [iptablesWay('nft'), iptablesWay('legacy'), nft]) {
  const skip = skipWithReason(`verify --live, ${way.name}`, await withHost('check', way.unavailable));
  describe.skipIf(skip).concurrent(way.name, () => {
    test.for(CASES)('%s: nothing, and the damage that is done', async (name, { expect }) => {
      await withHost('node', async (host) => {
        await way.load(host, name);
        expect(await verifyLive(host, name, way.mode)).toEqual({ status: 0, findings: [] });
        for (const [what, command, findings] of name === 'dual-stack' ? way.damages : []) {
          await host.run([command]);
          expect(await verifyLive(host, name, way.mode), what).toEqual({ status: 1, findings });
        }
      });
    });

    test('a node without any rule', async () => {
      const { status, findings } = await withHost('node', (host) => verifyLive(host, 'dual-stack', way.mode));
      expect({ status, findings }).toEqual({ status: 1, findings: ['nothing-there', 'nothing-there'] });
    });
  });
}

/** Loads every recorded case with nft and lists it: the same table; over any other state as well, and all or nothing. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { RESERVED_ALWAYS, RESERVED_WORDS } from '../../src/backends/nftables/reserved-words.js';
import { detectorMatch } from '../../src/backends/nftables/words.js';
import { DEFAULT_CONFIG, type LocalDetector, type ProxyConfig, type RawObject } from '../../src/index.js';
import { compileObjects } from '../support/compile-objects.js';
import { skipWithReason } from './available.js';
import type { Host } from './host.js';
import { root, withHost } from './load-suite.js';
import { listedState, tableName, writtenState } from './nft-normal-form.js';
import { listing, loadScript, nftUnavailable, olderTable, refusal } from './nftables.js';
import { type Family, families } from './places.js';

interface Case {
  readonly name: string;
  readonly family: Family;
  readonly script: string;
}

function cases(): Case[] {
  return (existsSync(root) ? readdirSync(root).sort() : []).flatMap((name) =>
    families.flatMap((family) => {
      const file = join(root, name, 'expected', `nftables.${family}.nft`);
      return existsSync(file) ? [{ name, family, script: readFileSync(file, 'utf8') }] : [];
    }),
  );
}

const skip = skipWithReason('loading tables with nft', await withHost('check', nftUnavailable));
const all = cases();

test(`there are cases below ${root}`, () => {
  expect(all.length).toBeGreaterThan(0);
});

describe.skipIf(skip)('nftables', () => {
  test.concurrent.for(all.map((one) => [`${one.name} ${one.family}`, one] as const))(
    '%s',
    async ([, { family, script }], { expect }) => {
      const [once, twice, overOlder] = await withHost('node', async (host) => {
        await loadScript(host, script);
        const first = await listing(host);
        await loadScript(host, script);
        const second = await listing(host);
        await loadScript(host, `flush ruleset\n${olderTable(family)}`);
        await loadScript(host, script);
        return [first, second, await listing(host)];
      });
      const written = writtenState(script, family);
      expect(listedState(once, family)).toEqual(written);
      expect(listedState(twice, family)).toEqual(written);
      expect(listedState(overOlder, family)).toEqual(written);
    },
  );

  describe.each(families)('%s', (family) => {
    const table = tableName(family);
    const script = compiled({}, service('shop', 'web', 'http'), family).script;

    test('the table of an earlier kube-proxy must be gone before', async () => {
      const [unlike, said] = await withHost('node', async (host) => {
        await loadScript(host, olderTable(family));
        // The script without the lines that delete the table.
        return [await listing(host), await refusal(host, script.split('\n').slice(2).join('\n'))];
      });
      expect(said).toContain('Error: ');
      expect(listedState(unlike, family)).not.toEqual(writtenState(script, family));
    });

    test.each([
      ['that nft cannot read', `add rule ${table} services what is this`, 'syntax error'],
      ['that the kernel refuses', `add rule ${table} services goto nowhere`, 'No such file or directory'],
    ])('a line %s leaves everything as it was', async (_, line, complaint) => {
      await withHost('node', async (host) => {
        await loadScript(host, olderTable(family));
        // Handles tell whether a rule is still the same one.
        const before = await listing(host, '-a');
        expect(await refusal(host, `${script}${line}\n`)).toContain(complaint);
        expect(await listing(host, '-a')).toBe(before);
      });
    });

    test('a long comment loads cut, and does not as kube-proxy writes it', async () => {
      // 63 letters is the most that namespace, Service and port may have.
      const [namespace, name, port] = [letters('n', 63), letters('s', 63), letters('p', 63)];
      const { script: cut, codes } = compiled({}, service(namespace, name, port), family);
      const full = `${namespace}/${name}:${port}`;
      expect(codes).toContain('nft-comment-cut');
      expect(cut).toContain(`comment "${full.slice(0, 128)}"`);
      await withHost('node', async (host) => {
        await loadScript(host, cut);
        expect(listedState(await listing(host), family)).toEqual(writtenState(cut, family));
        const said = await refusal(host, cut.replaceAll(`"${full.slice(0, 128)}"`, `"${full}"`));
        expect(said).toContain('comment too long');
      });
    });

    test('an interface called bridge loads quoted, and does not as kube-proxy writes it', async () => {
      const config: Partial<ProxyConfig> = { detectLocalMode: 'BridgeInterface', bridgeInterface: 'bridge' };
      const { script: quoted, codes } = compiled(config, service('shop', 'web', 'http'), family);
      expect(codes).toContain('nft-name-quoted');
      expect(quoted).toContain('iifname != "bridge"');
      await withHost('node', async (host) => {
        await loadScript(host, quoted);
        expect(listedState(await listing(host), family)).toEqual(writtenState(quoted, family));
        expect(await refusal(host, quoted.replaceAll('"bridge"', 'bridge'))).toContain('syntax error');
      });
    });
  });

  test('what is written for any interface is read as its name', async () => {
    const names = [...RESERVED_WORDS, ...plainNames, ...oddNames];
    // A prefix leaves room for one letter more.
    const prefixes = [...names.filter((name) => name.length < 15), '.'];
    const detectors: LocalDetector[] = [
      ...names.map((name) => ({ kind: 'interface' as const, name })),
      ...prefixes.map((prefix) => ({ kind: 'interface-prefix' as const, prefix })),
    ];
    const matches = detectors.flatMap((each) => [detectorMatch(each, 'ipv4', ''), detectorMatch(each, 'ipv4', '!= ')]);
    const listed = await withHost('node', (host) => listMatches(host, matches));
    expect(listed).toEqual(
      detectors.flatMap((each) => {
        const name = each.kind === 'interface' ? each.name : each.kind === 'cidr' ? '' : `${each.prefix}*`;
        return [`iifname "${name}"`, `iifname != "${name}"`];
      }),
    );
  });

  test('only what must be is quoted', async () => {
    const bare = (names: Iterable<string>): string[] => Array.from(names, (name) => `iifname ${name}`);
    await withHost('node', async (host) => {
      // All in one, as none may fail.
      expect(await listMatches(host, bare(plainNames))).toEqual(plainNames.map((name) => `iifname "${name}"`));
      for (const name of [...RESERVED_ALWAYS, ...oddNames]) {
        const refused = await refusedOrMistaken(host, name);
        expect(refused, name).toBe(true);
      }
    });
  });
});

/** Names that need no quotes, some of which look as if they did. */
const plainNames = [
  ...['br0', 'cni0', 'docker0', 'kube-bridge', 'flannel.1', 'br-3f9e8c0a1b2d', 'cali_1', '_lo', '.hidden', 'Bridge'],
  // Keywords that may stand for a value, and values that are no keywords.
  ...['ip', 'ip6', 'arp', 'ether', 'vlan', 'snat', 'dnat', 'reset', 'destroy', 'last', 'ecn'],
  ...['established', 'new', 'prerouting', 'broadcast', 'local', 'filter', 'raw', 'nat', 'http', 'gbytes', 'saddr'],
  // What begins with a digit and is no number, and what is one, but written as nft would.
  ...['0', '42', '123456789012345', '1d', '2h30m', '5ms', '10.0.0.1', '8021q', '8021ad'],
];

/** Names that the configuration may hold and nft does not take as they are. */
const oddNames = ['1a', '5eth', '0x1f', '007', '1.5', '10.0.0.1.2', '1-2', 'tun0@if2', 'a=b', 'a~b', 'a+b', 'ppp~'];

/** Loads a table with a rule for each match and returns the rules as listed. */
async function listMatches(host: Host, matches: readonly (string | undefined)[]): Promise<string[]> {
  const rules = matches.map((match) => `add rule ip names matches ${match}\n`);
  await loadScript(host, `flush ruleset\nadd table ip names\nadd chain ip names matches\n${rules.join('')}`);
  const lines = (await listing(host)).split('\n');
  return lines.filter((line) => line.includes('iifname')).map((line) => line.trim());
}

/** Whether nft refuses a name without quotes, or takes it for another name. */
async function refusedOrMistaken(host: Host, name: string): Promise<boolean> {
  const script = `flush ruleset\nadd table ip names\nadd chain ip names matches\nadd rule ip names matches iifname ${name}\n`;
  const [result] = await host.run([{ argv: ['nft', '-f', '-'], input: script, allow: [0, 1] }]);
  return result?.status !== 0 || !(await listing(host)).includes(`iifname "${name}"`);
}

function letters(letter: string, count: number): string {
  return letter.repeat(count);
}

/** A Service without endpoints, which every address of it refuses. */
function service(namespace: string, name: string, port: string): RawObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name },
    spec: {
      type: 'NodePort',
      clusterIP: '10.96.0.20',
      clusterIPs: ['10.96.0.20', 'fd00:10:96::20'],
      ipFamilies: ['IPv4', 'IPv6'],
      ports: [{ name: port, port: 80, nodePort: 30080 }],
    },
  };
}

/** The script of a family for one Service, and what was said about it. */
function compiled(
  config: Partial<ProxyConfig>,
  object: RawObject,
  family: Family,
): { readonly script: string; readonly codes: readonly string[] } {
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'node' },
    status: { addresses: ['192.0.2.11', '2001:db8::11'].map((address) => ({ type: 'InternalIP', address })) },
  };
  const given = { objects: [node, object], config: { ...DEFAULT_CONFIG, ...config }, node: 'node' };
  const { families: parts, diagnostics } = compileObjects(given, 'nftables');
  const script = parts.find(({ plan }) => plan.node.family === family)?.texts.nft;
  if (script === undefined) throw new Error(`no script for ${family}`);
  return { script, codes: diagnostics.map(({ code }) => code) };
}

/** `kuberules apply` and `cleanup` as their users type them, on hosts with a real kernel. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { schemaProblems } from '../support/json-schema.js';
import { startHost } from './host.js';
import { buildProgram, type Program, temporaryFolder } from './program.js';

let program: Program;
beforeAll(async () => {
  program = await buildProgram();
});
afterAll(() => program.remove());

const SHOP = 'golden/shop/objects.yaml';
const NOTHING = 'Nothing to change: the kernel has these rules.\n';

/** An empty host, and the program on it. */
async function freshHost() {
  const host = await startHost('node');
  onTestFinished(() => host.close());
  const state = temporaryFolder();
  const run = (input: string, ...args: readonly string[]) =>
    program.run(host, [...args, '--state-dir', state], { input });
  const list = async (...argv: readonly string[]) => (await host.run([{ argv }]))[0]?.stdout ?? '';
  return { run, list };
}

const expected = (name: string) => readFileSync(`golden/shop/expected/${name}`, 'utf8');

test('a dry run shows and changes nothing', async () => {
  const { run, list } = await freshHost();
  const apply = ['apply', '-m', 'iptables', '-f', SHOP, '--node', 'worker-1', '--iptables-variant', 'nft'];
  const dry = await run('', ...apply, '--dry-run');
  expect(dry.status).toBe(1);
  expect(dry.out).toMatch(/^iptables rules \(nft, ipv4\)\n/);
  expect(dry.out).toMatch(/\n {2}add {5}nat KUBE-SVC-\w+ .*\n/);
  expect(dry.out).toMatch(/\nNot done \(--dry-run\): 24 added, 7 changed\.\n$/);
  expect(await list('iptables-nft-save')).not.toContain('KUBE-');
  const json = await run('', ...apply, '--dry-run', '--output', 'json');
  expect(json.status).toBe(1);
  expect(schemaProblems(JSON.parse(json.out), 'apply.json')).toEqual([]);
  expect(JSON.parse(json.out)).toMatchObject({
    dryRun: true,
    areas: [{ kind: 'xtables', family: 'ipv4', variant: 'nft' }],
  });
  expect(await run('', ...apply)).toMatchObject({ status: 0 });
  expect(await run('', ...apply, '--dry-run')).toMatchObject({ status: 0, out: NOTHING });
});

test.each([
  ['iptables', expected('iptables.ipv4.rules')],
  [
    'iptables',
    `# iptables.ipv4.rules\n${expected('iptables.ipv4.rules')}# iptables.ipv4.setup\n${expected('iptables.ipv4.setup')}`,
  ],
  ['nftables', expected('nftables.ipv4.nft')],
])('finished text is what compiling gives: mode %s', async (mode, text) => {
  const { run } = await freshHost();
  const variant = ['--iptables-variant', 'nft'];
  expect(await run(text, 'apply', '-m', mode, '-', ...variant)).toMatchObject({ status: 0 });
  const again = await run('', 'apply', '-m', mode, '-f', SHOP, '--node', 'worker-1', ...variant);
  expect(again).toMatchObject({ status: 0, out: NOTHING });
});

test.each([
  [
    'text of another mode',
    'nftables',
    '*filter\n:KUBE-FORWARD - [0:0]\n-A KUBE-FORWARD -s 10.0.0.1 -j ACCEPT\nCOMMIT\n',
    'no text of mode nftables',
  ],
  [
    'what iptables-save prints',
    'iptables',
    '*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 10.0.0.1/32 -j DROP\nCOMMIT\n',
    "chain INPUT of table filter is not kube-proxy's",
  ],
  [
    'a table of somebody else',
    'nftables',
    'add table ip kube-proxy\nadd table ip filter\n',
    'must have table ip kube-proxy alone',
  ],
  ['half a text', 'iptables', '*filter\n:KUBE-FORWARD - [0:0]\n-A KUBE-FORWARD -s 10.0.0.1 -j ACCEPT\n', 'no COMMIT'],
  ['parts of IPVS mode', 'ipvs', '# ipvs.ipv4.rules\n*nat\nCOMMIT\n', 'parts are missing for ipv4: ipvsadm'],
  ['nothing', 'iptables', '', 'the text is empty'],
])('refuses %s', async (_, mode, text, says) => {
  const { run, list } = await freshHost();
  const before = await list('nft', 'list', 'ruleset');
  const result = await run(text, 'apply', '-m', mode, '-');
  expect(result).toMatchObject({ status: 2, out: '' });
  expect(result.err).toContain(says);
  expect(await list('nft', 'list', 'ruleset')).toBe(before);
});

test('among several nodes none is guessed', async () => {
  const { run } = await freshHost();
  const result = await run('', 'apply', '-m', 'iptables', '-f', SHOP);
  expect(result).toMatchObject({ status: 2, out: '' });
  expect(result.err).toMatch(
    /no Node is called .*, as this host is, and there are 2\. Say it with --node: worker-1, worker-2\. \[unknown-node\]/,
  );
});

test('cleanup says what it removed, once', async () => {
  const { run, list } = await freshHost();
  const before = await list('nft', 'list', 'tables');
  for (const mode of ['iptables', 'nftables']) {
    await run('', 'apply', '-m', mode, '-f', SHOP, '--node', 'worker-1', '--iptables-variant', 'nft');
  }
  expect(await run('', 'cleanup', '--dry-run')).toMatchObject({ status: 1 });
  const cleaned = await run('', 'cleanup');
  expect(cleaned.status).toBe(0);
  expect(cleaned.out).toMatch(/^nftables table \(ipv4\)\n {2}remove {2}table ip kube-proxy/);
  expect((await list('nft', 'list', 'tables')).includes('kube-proxy')).toBe(before.includes('kube-proxy'));
  expect(await run('', 'cleanup')).toMatchObject({
    status: 0,
    out: 'Nothing to remove: no rule of kube-proxy was found.\n',
  });
});

/** The table of a host that has no nft, an old one, or no nf_tables: what is said then. */
import { expect, it } from 'vitest';
import type { Command, Finished, Host } from '../../src/apply/host.js';
import { tableArea } from '../../src/apply/table-area.js';

const TABLE = 'add table ip kube-proxy { comment "rules for kube-proxy" ; }\n';

const ok = (stdout: string): Finished => ({ status: 0, stdout, stderr: '', trouble: '' });
const failed = (stderr: string): Finished => ({ status: 1, stdout: '', stderr, trouble: '' });
const MISSING: Finished = { status: undefined, stdout: '', stderr: '', trouble: 'ENOENT' };
const NO_TABLE = failed('Error: No such file or directory\nlist table ip kube-proxy\n              ^^^^^^^^^^\n');
const NO_NF_TABLES = failed('netlink.c:61: Unable to initialize Netlink socket: Protocol not supported\n');
const NOT_ALLOWED = failed('Operation not permitted (you must be root)\nnetlink: Error: cache initialization failed\n');

/** A host whose nft answers so. */
function hostWith(version: Finished, list: Finished, modules?: string): Host {
  return {
    run: async ({ args }: Command) => (args[0] === '--version' ? version : list),
    read: (path) =>
      path === '/proc/sys/kernel/osrelease' ? '6.18.44\n' : path === '/proc/modules' ? modules : undefined,
    write: () => {
      throw new Error('nothing is written');
    },
  };
}

const reading = (script: string, version: Finished, list: Finished, modules?: string) =>
  tableArea({ kind: 'nftables', family: 'ipv4', script }, hostWith(version, list, modules)).read();

const CURRENT = ok('nftables v1.0.6 (Lester Gooch #5)\n');

it.each<[string, Finished, Finished]>([
  ['no nft', MISSING, MISSING],
  ['no nf_tables', CURRENT, NO_NF_TABLES],
  ['no table', CURRENT, NO_TABLE],
])('where nothing is wanted, there is nothing to do with %s', async (_, version, list) => {
  expect(await reading('', version, list, '')).toEqual({
    work: { steps: [], changes: [], notes: [] },
    former: { kind: 'nftables', family: 'ipv4', script: '' },
  });
});

it.each([[undefined], ['nf_tables 1 2 - Live 0x0\n']])(
  'without nft it is said that nobody looked, modules: %j',
  async (modules) => {
    const { work } = await reading('', MISSING, MISSING, modules);
    const note = 'nft is not in PATH, so nobody looked whether rules of mode nftables are in force.';
    expect(work).toEqual({ steps: [], changes: [], notes: [note] });
  },
);

it.each<[string, Finished, Finished, RegExp]>([
  ['no nft', MISSING, MISSING, /^nft is not in PATH; it is needed/],
  ['an nft of before its maps', ok('nftables v1.0.0 (Fearless Fosdick #2)\n'), NO_TABLE, /version 1\.0\.0, .* 1\.0\.1/],
  ['no nf_tables', CURRENT, NO_NF_TABLES, /no nf_tables: nft says .*Protocol not supported/],
  [
    'no right to',
    CURRENT,
    NOT_ALLOWED,
    /`nft -s -y list table ip kube-proxy`, .* failed \(exit status 1\); it says: Op/,
  ],
  ['a listing that is cut off', CURRENT, ok('table ip kube-proxy {\n'), /cut off/],
])('a table is not written with %s', async (_, version, list, message) => {
  await expect(reading(TABLE, version, list)).rejects.toThrow(message);
});

it.each<[string, string]>([
  ['another family', TABLE.replace('ip ', 'ip6 ')],
  ['another table', TABLE.replace('kube-proxy', 'mine')],
  ['a second table', `${TABLE}add table ip mine\n`],
  ['no command of ours', 'flush ruleset\n'],
])('a script of %s is refused', async (_, script) => {
  await expect(reading(script, CURRENT, NO_TABLE)).rejects.toThrow();
});

it('what there was is kept as it is listed', async () => {
  const listing = 'table ip kube-proxy {\n\tcounter drops {\n\t\tpackets 0 bytes 0\n\t}\n}\n';
  const { work, former } = await reading(TABLE, CURRENT, ok(listing));
  expect(former).toEqual({ kind: 'nftables', family: 'ipv4', script: listing });
  expect(work.notes).toEqual([
    'Table ip kube-proxy is laid out otherwise, so it is replaced as a whole: session affinity starts anew.',
  ]);
  expect(work.steps).toMatchObject([
    { kind: 'command', command: { program: 'nft', args: ['-f', '-'] }, purpose: 'to write table ip kube-proxy' },
  ]);
  // And that can be gone back to.
  const back = await reading(former.kind === 'nftables' ? former.script : '', CURRENT, NO_TABLE);
  expect(back.work.steps).toMatchObject([
    { command: { input: `add table ip kube-proxy\ndelete table ip kube-proxy\n${listing}` } },
  ]);
});

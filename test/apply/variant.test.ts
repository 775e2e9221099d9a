/** Which programs of iptables are used, on hosts that are made up: versions as real ones tell them. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Finished, Host } from '../../src/apply/host.js';
import { rulesArea } from '../../src/apply/rules-area.js';
import { runStep } from '../../src/apply/run-step.js';
import { chooseVariant, findIptables } from '../../src/apply/variant.js';
import type { WantedRules } from '../../src/apply/wanted.js';

const MISSING: Finished = { status: undefined, stdout: '', stderr: '', trouble: 'ENOENT' };

/** A host on which some command lines answer; any other program is not there. Files are those given. */
function host(answers: Readonly<Record<string, string>>, files: Readonly<Record<string, string>> = {}): Host {
  const programs = new Set(Object.keys(answers).map((line) => line.split(' ')[0]));
  return {
    run: async ({ program, args }) => {
      const stdout = answers[[program, ...args].join(' ')];
      if (stdout !== undefined) return { status: 0, stdout, stderr: '', trouble: '' };
      return programs.has(program) ? { status: 1, stdout: '', stderr: 'no', trouble: '' } : MISSING;
    },
    read: (path) => files[path],
    write: () => {},
  };
}

const KUBE = '*nat\n:KUBE-SERVICES - [0:0]\nCOMMIT\n';
const LEGACY_TABLES = { '/proc/net/ip_tables_names': 'nat\n' };

it.each([
  ['iptables v1.4.21', 'legacy', [1, 4, 21]],
  ['iptables v1.6.1', 'legacy', [1, 6, 1]],
  ['iptables v1.8.4 (nf_tables)', 'nft', [1, 8, 4]],
  ['iptables v1.8.9 (legacy)', 'legacy', [1, 8, 9]],
] as const)('%s', async (text, variant, version) => {
  const it = host({ 'iptables --version': `${text}\n` });
  expect(await chooseVariant(it, undefined)).toEqual({ variant, notes: [] });
  expect(await findIptables(it, variant, 'ipv4')).toMatchObject({ restore: 'iptables-restore', version });
  expect(await findIptables(it, variant === 'nft' ? 'legacy' : 'nft', 'ipv4')).toBeUndefined();
});

it('a host with programs of full names alone, and one without any', async () => {
  const only = host({ 'iptables-legacy --version': 'iptables v1.8.9 (legacy)\n' });
  expect(await chooseVariant(only, undefined)).toMatchObject({ variant: 'legacy' });
  await expect(chooseVariant(host({}), undefined)).rejects.toThrow(
    'iptables is not in PATH; it is needed to write rules',
  );
});

it("kube-proxy's rules tell, then kubelet's hint", async () => {
  const both = {
    'iptables --version': 'iptables v1.8.9 (nf_tables)\n',
    'iptables-legacy --version': 'iptables v1.8.9 (legacy)\n',
  };
  const save = (text: string) => host({ ...both, 'iptables-legacy-save': text }, LEGACY_TABLES);
  expect(await chooseVariant(save('*nat\nCOMMIT\n'), undefined)).toMatchObject({ variant: 'nft' });
  expect(await chooseVariant(save('*mangle\n:KUBE-IPTABLES-HINT - [0:0]\nCOMMIT\n'), undefined)).toMatchObject({
    variant: 'legacy',
  });
  expect(await chooseVariant(save(KUBE), undefined)).toMatchObject({ variant: 'legacy' });
  await expect(chooseVariant(save(KUBE), 'nft')).rejects.toThrow(/iptables-nft is asked for.*iptables-legacy/);
});

const NONE: WantedRules = { kind: 'xtables', family: 'ipv4', variant: 'nft', rules: '', setup: '', clean: true };
const read = (wanted: WantedRules, on: Host) => rulesArea(wanted, { host: on, wait: 5 }).read();

it('an iptables that is too old is refused before it writes, and not where there is nothing to write', async () => {
  const old = host({ 'iptables --version': 'iptables v1.4.21\n', 'iptables-save': KUBE }, LEGACY_TABLES);
  const wanted: WantedRules = { ...NONE, variant: 'legacy' };
  await expect(read(wanted, old)).rejects.toThrow(
    'iptables is of version 1.4.21, but rules are written with 1.4.22 or newer.',
  );
  const empty = host({ 'iptables --version': 'iptables v1.4.21\n', 'iptables-save': '*nat\nCOMMIT\n' }, LEGACY_TABLES);
  expect((await read(wanted, empty)).work.steps).toEqual([]);
});

describe('an iptables whose iptables-restore does not take the lock', () => {
  const rules = (option: string) =>
    `*nat\n:KUBE-POSTROUTING - [0:0]\n-A KUBE-POSTROUTING -j MASQUERADE${option}\n-A KUBE-POSTROUTING -j RETURN\nCOMMIT\n`;
  const wanted: WantedRules = { ...NONE, variant: 'legacy', rules: rules(' --random-fully') };
  const of = (version: string, save = '*nat\nCOMMIT\n') =>
    host({ 'iptables --version': `iptables v${version}\n`, 'iptables-save': save }, LEGACY_TABLES);
  const lock = process.env.XTABLES_LOCKFILE;
  afterEach(() => {
    if (lock === undefined) delete process.env.XTABLES_LOCKFILE;
    else process.env.XTABLES_LOCKFILE = lock;
  });

  it.each([
    ['1.4.22', '', '/run/xtables.lock'],
    ['1.6.1', '/some/where', '/some/where'],
  ])('%s is run under it, without what it does not know', async (version, variable, file) => {
    process.env.XTABLES_LOCKFILE = variable;
    const { work } = await read(wanted, of(version));
    const args = ['-w', '5', '-E', '75', file, 'iptables-restore', '--noflush', '--counters'];
    expect(work.steps).toEqual([
      {
        kind: 'command',
        command: { program: 'flock', args, input: rules('') },
        purpose: 'to write the ipv4 rules',
      },
    ]);
    expect((await read(wanted, of(version, rules('')))).work.steps).toEqual([]);
  });

  it('1.6.2 takes it itself, and knows all', async () => {
    const { work } = await read(wanted, of('1.6.2'));
    const args = ['-w', '5', '--noflush', '--counters'];
    expect(work.steps).toMatchObject([
      { command: { program: 'iptables-restore', args, input: rules(' --random-fully') } },
    ]);
  });

  it('that another program has the lock is said as of newer ones', async () => {
    process.env.XTABLES_LOCKFILE = '/some/where';
    const [step] = (await read(wanted, of('1.6.1'))).work.steps;
    const ending = (status: number): Host => ({
      ...of('1.6.1'),
      run: async () => ({ status, stdout: '', stderr: '', trouble: '' }),
    });
    const taken = (status: number) => (step === undefined ? undefined : runStep(step, ending(status)));
    await expect(taken(75)).rejects.toMatchObject({
      diagnostics: [{ code: 'lock-held', hint: expect.stringContaining('fuser -v /some/where') }],
    });
    await expect(taken(4)).rejects.toMatchObject({ diagnostics: [{ code: 'command-failed' }] });
  });
});

it('rules in the kernel that no program of this host can remove are told', async () => {
  const nft = host({ 'nft -s -y list chain ip nat KUBE-SERVICES': 'table ip nat {}\n' });
  await expect(read(NONE, nft)).rejects.toThrow(
    "iptables-nft-restore is not in PATH; it is needed to remove kube-proxy's ipv4 rules.",
  );
  expect((await read({ ...NONE, family: 'ipv6' }, nft)).work.steps).toEqual([]);
  expect((await read(NONE, host({}))).work.steps).toEqual([]);
});

it('legacy tables into which no program of this host can look are told', async () => {
  const { work } = await read({ ...NONE, variant: 'legacy' }, host({}, LEGACY_TABLES));
  const note = "iptables-legacy is not in PATH, so nobody looked whether kube-proxy's rules are in its tables.";
  expect(work).toEqual({ steps: [], changes: [], notes: [note] });
});

it('a table with rules that only nft knows is not written to, as what is in it cannot be told', async () => {
  const save = "# Table `filter' is incompatible, use 'nft' tool.\n*nat\nCOMMIT\n";
  const programs = { 'iptables --version': 'iptables v1.8.9 (nf_tables)\n', 'iptables-save': save };
  const wanted = { ...NONE, rules: '*filter\n:KUBE-FORWARD - [0:0]\nCOMMIT\n' };
  const says = 'iptables-save cannot read table filter of ipv4, as rules are in it that only nft knows.';
  await expect(read(wanted, host(programs))).rejects.toThrow(says);
  // Where nothing is to be there, and nothing is, it does not matter.
  expect((await read(NONE, host(programs))).work.steps).toEqual([]);
  const left = host({ ...programs, 'nft -s -y list chain ip filter KUBE-FORWARD': 'table ip filter {}\n' });
  await expect(read(NONE, left)).rejects.toThrow(says);
});

it('where the kernel has no IPv6, its programs may fail to tell what is left', async () => {
  const failing = { 'ip6tables --version': 'ip6tables v1.8.9 (nf_tables)\n' };
  const wanted: WantedRules = { ...NONE, family: 'ipv6' };
  expect((await read(wanted, host(failing))).work.steps).toEqual([]);
  await expect(read(wanted, host(failing, { '/proc/net/if_inet6': '' }))).rejects.toThrow(
    'ip6tables-save is not in PATH; it is needed to read the ipv6 rules.',
  );
});

it.each([
  ['a chain', '*filter\n:INPUT DROP [0:0]\nCOMMIT\n', '', 'chain INPUT of table filter'],
  ['a rule', '*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n', '', 'chain POSTROUTING of table nat'],
  ['a jump', '', '-t filter -I INPUT -p tcp --dport 22 -j KUBE-FIREWALL\n', 'rule INPUT -p tcp --dport 22'],
  ['a new chain', '', '-t nat -N DOCKER\n', 'chain DOCKER of table nat'],
  ['a file elsewhere', '', 'net/../../etc/passwd=1\n', 'is no step of a setup'],
])('%s of somebody else in a saved state is refused', async (_, rules, setup, says) => {
  const on = host({ 'iptables --version': 'iptables v1.8.9 (nf_tables)\n', 'iptables-save': '' });
  await expect(read({ ...NONE, rules, setup }, on)).rejects.toThrow(says);
});

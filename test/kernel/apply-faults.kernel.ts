/** What goes wrong with an apply, each thing really caused: afterwards the old or the new rules are in force. */
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { schemaProblems } from '../support/json-schema.js';
import { clusterList } from './changing-cluster.js';
import { FOLDERS, fake, holdLock, realPath } from './fake-tools.js';
import { type Host, startHost } from './host.js';
import { buildProgram, type Program, type RunOptions, settled, temporaryFolder } from './program.js';
import { MOMENTS } from './sizes.js';

let program: Program;
beforeAll(async () => {
  program = await buildProgram();
});
afterAll(() => program.remove());

/** A host with two states of a cluster, of which the old one is applied. */
async function node(mode: string, ...flags: readonly string[]) {
  const host = await startHost('node');
  onTestFinished(() => host.close());
  const folder = temporaryFolder();
  for (const version of ['old', 'new'] as const) writeFileSync(join(folder, `${version}.json`), clusterList(version));
  const state = join(folder, 'state');
  const apply = (version: 'old' | 'new', options: RunOptions = {}, ...more: readonly string[]) =>
    program.run(
      host,
      ['apply', '-m', mode, '-f', join(folder, `${version}.json`), '--state-dir', state, ...flags, ...more],
      options,
    );
  const first = await apply('old');
  expect(first).toMatchObject({ status: 0 });
  return { host, folder, state, apply };
}

/** The rules of a host, without times and counters. */
async function rules(host: Host, ...argv: readonly string[]): Promise<string> {
  const [result] = await host.run([{ argv }]);
  return (result?.stdout ?? '').replace(/^#.*\n/gm, '').replace(/\[\d+:\d+\]/g, '[0:0]');
}

const NFT = ['--iptables-variant', 'nft'];

test('the lock is held for longer than the wait; another lock file is another lock', async () => {
  const { host, folder, apply } = await node('iptables', '--iptables-variant', 'legacy');
  const before = await rules(host, 'iptables-legacy-save');
  const lock = join(folder, 'xtables.lock');
  await holdLock(lock);
  const refused = await apply('new', { env: { XTABLES_LOCKFILE: lock } }, '--wait', '1');
  expect(refused).toMatchObject({ status: 2, out: '' });
  expect(refused.err).toMatch(/another program holds the xtables lock.*The old rules are in force.*\[lock-held\]/);
  expect(refused.err).toContain(`fuser -v ${lock}`);
  expect(await rules(host, 'iptables-legacy-save')).toBe(before);
  expect(await apply('new', { env: { XTABLES_LOCKFILE: join(folder, 'free.lock') } }, '--wait', '1')).toMatchObject({
    status: 0,
  });
});

test('the lock is freed within the wait', async () => {
  const { folder, apply } = await node('iptables', '--iptables-variant', 'legacy');
  const lock = join(folder, 'xtables.lock');
  const free = await holdLock(lock);
  const applying = apply('new', { env: { XTABLES_LOCKFILE: lock } }, '--wait', '30');
  // It has saved the old rules, so it is about to write.
  while (
    !readdirSync(join(folder, 'state')).some(
      (name) =>
        name.startsWith('before-2') &&
        name.endsWith('.json') &&
        readFileSync(join(folder, 'state', name), 'utf8').includes('KUBE-SEP'),
    )
  ) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  free();
  expect(await applying).toMatchObject({ status: 0 });
});

test('a kernel without a match refuses the table: the exact line, and the old rules in all tables', async () => {
  const { host, folder, apply } = await node('iptables', ...NFT);
  const before = await rules(host, 'iptables-nft-save');
  // Table filter is written by then, so that going back has something to do.
  const env = fake(
    folder,
    'iptables-nft-restore',
    `sed '/^\\*nat/,$ s/ -m statistic / -m nosuchmatch /' | exec ${realPath('iptables-nft-restore')} "$@"\n`,
  );
  const refused = await apply('new', { env });
  expect(refused).toMatchObject({ status: 2, out: '' });
  expect(refused.err).toMatch(
    /`iptables-nft-restore -w 5 --noflush --counters`, run to write the ipv4 rules, failed \(exit status \d+\); it says: .*nosuchmatch.*line \d+ of its input: -A KUBE-SV.*The old rules are in force\./,
  );
  expect(await rules(host, 'iptables-nft-save')).toBe(before);
  expect(await apply('new')).toMatchObject({ status: 0 });
});

test('nft refuses a line: the exact line, and the old table', async () => {
  const { host, folder, apply } = await node('nftables');
  const before = await rules(host, 'nft', '-s', 'list', 'ruleset');
  const env = fake(
    folder,
    'nft',
    `case "$*" in *list*|*version*) exec ${realPath('nft')} "$@";; esac\nsed 's/numgen random/nosuchword random/' | exec ${realPath('nft')} "$@"\n`,
  );
  const refused = await apply('new', { env });
  expect(refused).toMatchObject({ status: 2, out: '' });
  expect(refused.err).toMatch(
    /`nft .*failed \(exit status 1\).*line \d+ of its input: add rule .*The old rules are in force\./,
  );
  expect(await rules(host, 'nft', '-s', 'list', 'ruleset')).toBe(before);
});

test('another writer between reading and writing: written again until it is as wanted', async () => {
  const { host, folder, apply } = await node('iptables', ...NFT);
  const iptables = realPath('iptables-nft');
  const once = join(folder, 'once');
  writeFileSync(once, '');
  const env = fake(
    folder,
    'iptables-nft-restore',
    `${realPath('iptables-nft-restore')} "$@" || exit\nif [ -e ${once} ]; then rm ${once}; ${iptables} -t nat -F KUBE-POSTROUTING; ${iptables} -t nat -I OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES; ${iptables} -t nat -N KUBE-SEP-STALE; fi\n`,
  );
  expect(await apply('new', { env })).toMatchObject({ status: 0 });
  expect(existsSync(once)).toBe(false);
  const written = await rules(host, 'iptables-nft-save');
  expect(written).not.toContain('KUBE-SEP-STALE');
  expect(written.match(/-A OUTPUT .* -j KUBE-SERVICES/g)).toHaveLength(2);
  expect((await apply('new')).out).toBe('Nothing to change: the kernel has these rules.\n');
});

test('a writer that never stops is told', async () => {
  const { folder, apply } = await node('iptables', ...NFT);
  const env = fake(
    folder,
    'iptables-nft-restore',
    `${realPath('iptables-nft-restore')} "$@" || exit\n${realPath('iptables-nft')} -t nat -F KUBE-POSTROUTING\n`,
  );
  const result = await apply('new', { env });
  expect(result.status).toBe(2);
  expect(result.err).toMatch(/nat KUBE-POSTROUTING.*\[not-as-written\]/);
});

test('a full file system for the saved state: nothing is changed', async () => {
  const { host, folder, apply } = await node('iptables', ...NFT);
  const before = await rules(host, 'iptables-nft-save');
  const full = join(folder, 'full');
  mkdirSync(full);
  const script = `mount -t tmpfs -o size=16k,mode=0700 tmpfs ${full} && head -c 100000 /dev/zero > ${full}/filler 2>/dev/null; exec "$@"`;
  const result = await apply('new', { prefix: ['unshare', '--mount', 'sh', '-c', script, 'sh'] }, '--state-dir', full);
  expect(result).toMatchObject({ status: 2, out: '' });
  expect(result.err).toMatch(
    /cannot be written \(.*(no space|ENOSPC).*\), so nothing was changed.*--state-dir.*\[unwritable-state\]/i,
  );
  expect(await rules(host, 'iptables-nft-save')).toBe(before);
});

test.each([
  ['iptables', 'iptables-nft-restore', 2],
  ['iptables', 'iptables-nft-save', 2],
  ['nftables', 'nft', 2],
  // Stale UDP connections are looked for only where a Service has UDP.
  ['iptables', 'conntrack', 0],
])('mode %s without %s', async (mode, missing, status) => {
  const { host, folder, apply } = await node(mode, ...NFT);
  const before = await rules(host, 'iptables-nft-save');
  const tools = join(folder, 'tools');
  mkdirSync(tools);
  for (const each of FOLDERS) {
    for (const name of existsSync(each) ? readdirSync(each) : []) {
      if (
        /^(ip6?tables|nft|conntrack|ip|ipset|ipvsadm|modprobe)/.test(name) &&
        name !== missing &&
        !existsSync(join(tools, name))
      ) {
        symlinkSync(join(each, name), join(tools, name));
      }
    }
  }
  const result = await apply('new', { env: { PATH: tools } });
  expect(result.status, result.err).toBe(status);
  if (status === 0) return;
  expect(result.err).toMatch(new RegExp(`${missing} is not in PATH; it is needed .*\\[missing-program\\]`));
  expect(await rules(host, 'iptables-nft-save')).toBe(before);
});

test('without privileges one line says so; CAP_NET_ADMIN and CAP_NET_RAW are enough', async () => {
  const { apply } = await node('iptables', ...NFT);
  // The same user, to whom the program and the state folder belong, with no capability but these.
  const only = (...names: readonly string[]) => {
    const set = ['-all', ...names.map((name) => `+${name}`)].join(',');
    return ['setpriv', '--bounding-set', set, '--inh-caps', '-all'];
  };
  const refused = await apply('new', { prefix: only() });
  expect(refused).toMatchObject({ status: 2, out: '' });
  expect(refused.err).toMatch(
    /^error: changing rules needs root, or CAP_NET_ADMIN and CAP_NET_RAW\. .*\[missing-privilege\]\n$/,
  );
  expect(await apply('new', { prefix: only('net_admin') })).toMatchObject({ status: 2 });
  const allowed = await apply('new', { prefix: only('net_admin', 'net_raw') });
  expect(allowed.status, allowed.err).toBe(0);
});

describe.each([
  ['iptables', 'nft', ['iptables-nft-save', '-t', 'nat'], ['iptables-nft-save', '-t', 'filter']],
  ['iptables', 'legacy', ['iptables-legacy-save', '-t', 'nat'], ['iptables-legacy-save', '-t', 'filter']],
  [
    'nftables',
    'nft',
    ['nft', '-s', 'list', 'table', 'ip', 'kube-proxy'],
    ['nft', '-s', 'list', 'table', 'ip', 'kube-proxy'],
  ],
] as const)('killed at any moment: mode %s (%s)', (mode, variant, nat, filter) => {
  test('the old or the new rules are in force, and a second run completes it', async () => {
    const { host, apply } = await node(mode, '--iptables-variant', variant);
    const sorted = async (argv: readonly string[]) => (await rules(host, ...argv)).split('\n').sort();
    const texts = { old: await Promise.all([sorted(nat), sorted(filter)]), new: [] as string[][] };
    const started = Date.now();
    expect(await apply('new')).toMatchObject({ status: 0 });
    let duration = Date.now() - started;
    texts.new = await Promise.all([sorted(nat), sorted(filter)]);
    expect(texts.new[0]).not.toEqual(texts.old[0]);
    let next: 'old' | 'new' = 'old';
    const seen = { killed: 0, former: 0, fresh: 0 };
    for (let tries = 0; seen.killed < MOMENTS && tries < MOMENTS * 6; tries++) {
      // Evenly from before it reads to its last look.
      const begun = Date.now();
      const { status } = await apply(next, { killAfter: (duration * (seen.killed + 3)) / (MOMENTS + 3) });
      // It was done before: this moment is tried again. The runs before may have been slow, as other tests run beside.
      if (status !== undefined) duration = Math.min(duration * 0.95, Date.now() - begun);
      await settled(host);
      const [natNow, filterNow] = await Promise.all([sorted(nat), sorted(filter)]);
      const fresh = texts[next];
      const former = texts[next === 'new' ? 'old' : 'new'];
      if (status === undefined) seen.killed++;
      const isFresh = JSON.stringify(natNow) === JSON.stringify(fresh[0]);
      seen[isFresh ? 'fresh' : 'former']++;
      if (!isFresh) expect(natNow).toEqual(former[0]);
      // What only catches untranslated traffic may be there in both versions at once.
      const all = new Set([...(fresh[1] ?? []), ...(former[1] ?? [])]);
      const common = fresh[1]?.filter((line) => former[1]?.includes(line)) ?? [];
      expect(filterNow.filter((line) => !all.has(line))).toEqual([]);
      expect(filterNow).toEqual(expect.arrayContaining(common));
      const again = await apply(next);
      expect(again).toMatchObject({ status: 0 });
      expect(await Promise.all([sorted(nat), sorted(filter)])).toEqual(fresh);
      next = next === 'new' ? 'old' : 'new';
    }
    expect(seen.killed).toBe(MOMENTS);
    expect(seen.former).toBeGreaterThan(0);
  });
});

describe('with --confirm-within', () => {
  test('the new rules stay when somebody else confirms; until then nothing else is written', async () => {
    const { host, state, apply } = await node('iptables', ...NFT);
    const before = await rules(host, 'iptables-nft-save');
    // Longer than anything here takes.
    const applying = apply('new', {}, '--confirm-within', '600s');
    const confirmed = async () => (await program.run(host, ['apply', '--confirm', '--state-dir', state])).status === 0;
    await waiting(state);
    const written = await rules(host, 'iptables-nft-save');
    expect(written).not.toBe(before);
    for (const flags of [[], ['--confirm-within', '600s']]) {
      const refused = await apply('old', {}, ...flags);
      expect(refused).toMatchObject({ status: 2, out: '' });
      expect(refused.err).toMatch(/an earlier apply waits for being confirmed.*\[lock-held\]/);
    }
    expect(await confirmed()).toBe(true);
    expect(await applying).toMatchObject({ status: 0 });
    expect(await rules(host, 'iptables-nft-save')).toBe(written);
    expect(await confirmed()).toBe(false);
  });

  test('the rules before come back when nobody confirms', async () => {
    const { host, state, apply } = await node('iptables', ...NFT);
    const before = await rules(host, 'iptables-nft-save');
    const result = await apply('new', {}, '--confirm-within', '1s');
    expect(result.status).toBe(2);
    expect(result.err).toContain(`\`kuberules apply --confirm --state-dir ${state}\``);
    expect(result.err).toMatch(/nobody confirmed in time, so the rules before were brought back.*\[not-confirmed\]/);
    expect(await rules(host, 'iptables-nft-save')).toBe(before);
  });

  test('that nobody keeps the time any more is told, and hinders nothing later', async () => {
    const { state, apply } = await node('iptables', ...NFT);
    const applying = apply('new', {}, '--confirm-within', '600s');
    process.kill((await waiting(state)).guard, 'SIGKILL');
    const { status, err } = await applying;
    expect(status).toBe(2);
    expect(err).toMatch(/nobody confirmed, and going back failed: the new rules may be in force.*\[not-confirmed\]/);
    expect(await apply('old')).toMatchObject({ status: 0 });
  });

  test('an apply that fails goes back by itself, and nothing waits any more', async () => {
    const { host, folder, state, apply } = await node('iptables', ...NFT);
    const before = await rules(host, 'iptables-nft-save');
    // Only the first of the programs fails, so that the guard can go back.
    const once = join(folder, 'once');
    writeFileSync(once, '');
    const real = `exec ${realPath('iptables-nft-restore')} "$@"`;
    const env = fake(folder, 'iptables-nft-restore', `if [ -e ${once} ]; then rm ${once}; exit 7; fi\n${real}\n`);
    const result = await apply('new', { env }, '--confirm-within', '600s');
    expect(result).toMatchObject({ status: 2, out: '' });
    expect(result.err).toMatch(
      /failed \(exit status 7\).*The old rules are in force.*\n.*the rules before are in force/,
    );
    expect(existsSync(join(state, 'pending.json'))).toBe(false);
    expect(await rules(host, 'iptables-nft-save')).toBe(before);
  });

  test('what a killed session had started, and what ends only later, is taken back as well', async () => {
    const { host, folder, state, apply } = await node('iptables', ...NFT);
    const before = await rules(host, 'iptables-nft-save');
    const [begun, go] = [join(folder, 'begun'), join(folder, 'go')];
    const first = `if [ ! -e ${begun} ]; then echo $PPID > ${begun}; until [ -e ${go} ]; do sleep 0.05; done; fi`;
    const env = fake(folder, 'iptables-nft-restore', `${first}\nexec ${realPath('iptables-nft-restore')} "$@"\n`);
    const applying = apply('new', { env }, '--confirm-within', '600s', '--wait', '1');
    await contains(begun, '\n');
    process.kill(Number(readFileSync(begun, 'utf8')), 'SIGKILL');
    await applying;
    await contains(join(state, 'guard.log'), 'looked at again');
    writeFileSync(go, '');
    await settled(host);
    expect(readFileSync(join(state, 'guard.log'), 'utf8')).toContain('read back, and as wanted');
    expect(await rules(host, 'iptables-nft-save')).toBe(before);
  });

  test('the rules before come back although the session is killed while it waits', async () => {
    const { host, state, apply } = await node('iptables', ...NFT);
    const before = await rules(host, 'iptables-nft-save');
    // Long enough to see that the new rules are there.
    const applying = apply('new', {}, '--confirm-within', '10s');
    process.kill((await waiting(state)).writer, 'SIGKILL');
    expect(await applying).toMatchObject({ status: undefined });
    expect(await rules(host, 'iptables-nft-save')).not.toBe(before);
    await settled(host);
    expect(await rules(host, 'iptables-nft-save')).toBe(before);
    expect(existsSync(join(state, 'pending.json'))).toBe(false);
  });
});

/** Resolves when a file is there and has a text in it. */
async function contains(file: string, text: string): Promise<void> {
  while (!existsSync(file) || !readFileSync(file, 'utf8').includes(text)) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Resolves when an apply waits for being confirmed; gives the processes that wrote and that would go back. */
async function waiting(state: string): Promise<{ readonly writer: number; readonly guard: number }> {
  const file = join(state, 'pending.json');
  for (;;) {
    const pending: Readonly<Record<string, unknown>> = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
    const pid = (mark: unknown): number => Number(String(mark).split(' ')[0]);
    if (Number(pending.deadline) > 0) return { writer: pid(pending.writer), guard: pid(pending.guard) };
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('what an apply saved is brought back, once and twice', async () => {
  const { host, state, apply } = await node('iptables', ...NFT);
  const before = await rules(host, 'iptables-nft-save');
  const result = await apply('new', {}, '--output', 'json');
  expect(schemaProblems(JSON.parse(result.out), 'apply.json')).toEqual([]);
  const { saved, areas } = JSON.parse(result.out) as {
    readonly saved: string;
    readonly areas: readonly { readonly changes: readonly { readonly what: string; readonly service?: string }[] }[];
  };
  // Chains of one Service say whose they are.
  const ofServices = areas.flatMap(({ changes }) => changes).filter(({ what }) => what.startsWith('nat KUBE-SEP-'));
  expect(ofServices.length).toBeGreaterThan(0);
  for (const { service } of ofServices) expect(service).toMatch(/^[a-z0-9-]+\/[a-z0-9-]+/);
  const restore = () => program.run(host, ['apply', '--restore', saved, '--state-dir', state]);
  expect(await restore()).toMatchObject({ status: 0 });
  expect(await rules(host, 'iptables-nft-save')).toBe(before);
  expect((await restore()).out).toMatch(/^Nothing to change/);
  writeFileSync(saved, '{"kuberules": 2}');
  expect((await restore()).err).toMatch(/holds no saved state/);
});

test('after a change of the mode, what was there before comes back before the new rules go', async () => {
  const { host, folder, state, apply } = await node('iptables', ...NFT);
  const before = await rules(host, 'iptables-nft-save');
  const changed = await program.run(host, [
    ...['apply', '-m', 'nftables', '-f', join(folder, 'old.json')],
    ...['--state-dir', state, '--output', 'json'],
  ]);
  const { saved } = JSON.parse(changed.out) as { readonly saved: string };
  // A later state of the other mode does not matter.
  await program.run(host, ['apply', '-m', 'nftables', '-f', join(folder, 'new.json'), '--state-dir', state]);
  const restored = await program.run(host, ['apply', '--restore', saved, '--state-dir', state, '--output', 'json']);
  expect(restored).toMatchObject({ status: 0 });
  const { areas } = JSON.parse(restored.out) as { readonly areas: readonly { readonly kind: string }[] };
  const kinds = areas.map(({ kind }) => kind);
  expect(kinds.lastIndexOf('xtables')).toBeLessThan(kinds.indexOf('nftables'));
  expect(await rules(host, 'iptables-nft-save')).toBe(before);
  expect(await rules(host, 'nft', 'list', 'tables')).not.toContain('kube-proxy');
  expect((await apply('old')).out).toMatch(/^Nothing to change/);
});

test('Ctrl-C while it writes: what is written is whole, and it is said what to do', async () => {
  const { host, folder, apply } = await node('iptables', ...NFT);
  const [begun, go] = [join(folder, 'begun'), join(folder, 'go')];
  const wait = `echo $PPID > ${begun}; until [ -e ${go} ]; do sleep 0.05; done`;
  const env = fake(folder, 'iptables-nft-restore', `${wait}\nexec ${realPath('iptables-nft-restore')} "$@"\n`);
  const applying = apply('new', { env });
  await contains(begun, '\n');
  process.kill(Number(readFileSync(begun, 'utf8')), 'SIGINT');
  const { status, err } = await applying;
  expect(status).toBeUndefined();
  expect(err).toContain('Stopped: each family has the old or the new rules; run it again to complete it.');
  writeFileSync(go, '');
  await settled(host);
  expect(await apply('new')).toMatchObject({ status: 0 });
});

test('stale UDP connections are deleted, and nothing else', async () => {
  const { host, folder, apply } = await node('iptables', ...NFT);
  const objects = join(folder, 'udp.yaml');
  const text = readFileSync(new URL('./udp.yaml', import.meta.url), 'utf8');
  writeFileSync(objects, text);
  await host.run([
    { argv: ['ip', 'link', 'set', 'lo', 'up'] },
    { argv: ['ip', 'addr', 'add', '192.168.0.11/32', 'dev', 'lo'] },
  ]);
  let client = 4000;
  const flow = (destination: string, port: number, answers: string, answersPort: number) => {
    client++;
    return [
      ...['conntrack', '-I', '-p', 'udp', '-t', '600', '-s', '10.244.9.9', '-d', destination],
      ...['--sport', String(client), '--dport', String(port), '-r', answers, '-q', '10.244.9.9'],
      ...['--reply-port-src', String(answersPort), '--reply-port-dst', String(client)],
    ];
  };
  const flows = {
    serving: flow('10.96.0.10', 53, '10.244.1.5', 5353),
    terminating: flow('10.96.0.10', 53, '10.244.1.6', 5353),
    gone: flow('10.96.0.10', 53, '10.244.1.7', 5353),
    untranslated: flow('203.0.113.10', 53, '203.0.113.10', 53),
    nodePort: flow('192.168.0.11', 30053, '10.244.1.8', 5353),
    elsewhere: flow('192.0.2.1', 30053, '192.0.2.1', 30053),
    noEndpoints: flow('10.96.0.11', 53, '10.244.1.7', 5353),
    another: flow('192.0.2.1', 53, '192.0.2.1', 53),
  };
  await host.run(Object.values(flows).map((argv) => ({ argv })));
  const result = await program.run(host, [
    'apply',
    '-m',
    'iptables',
    '-f',
    objects,
    '--state-dir',
    join(folder, 'state'),
  ]);
  expect(result.status, result.err).toBe(0);
  expect(
    result.out
      .split('\n')
      .filter((line) => line.startsWith('stale'))
      .sort(),
  ).toEqual([
    'stale UDP connection  10.96.0.10:53 answered by 10.244.1.7:5353',
    'stale UDP connection  192.168.0.11:30053 answered by 10.244.1.8:5353',
    'stale UDP connection  203.0.113.10:53 answered by 203.0.113.10:53',
  ]);
  const [left] = await host.run([{ argv: ['conntrack', '-L', '-p', 'udp'] }]);
  const destinations = [
    ...(left?.stdout ?? '').matchAll(/src=10\.244\.9\.9 dst=(\S+) sport=\d+ dport=(\d+).*? src=(\S+)/g),
  ];
  expect(destinations.map(([, ...all]) => all.join(' ')).sort()).toEqual([
    '10.96.0.10 53 10.244.1.5',
    '10.96.0.10 53 10.244.1.6',
    '10.96.0.11 53 10.244.1.7',
    '192.0.2.1 30053 192.0.2.1',
    '192.0.2.1 53 192.0.2.1',
  ]);
  expect(await apply('old', {}, '--dry-run')).toMatchObject({ status: 1 });
});

test('rules in both variants are refused, naming both and the way out', async () => {
  const { host, folder, state } = await node('iptables', ...NFT);
  const apply = (...more: readonly string[]) =>
    program.run(host, ['apply', '-m', 'iptables', '-f', join(folder, 'new.json'), '--state-dir', state, ...more]);
  const asked = await apply('--iptables-variant', 'legacy');
  expect(asked).toMatchObject({ status: 2, out: '' });
  expect(asked.err).toMatch(
    /iptables-legacy is asked for, but kube-proxy's rules are in iptables-nft .*cleanup --iptables-variant nft/,
  );
  const iptables = ['iptables-legacy', '-w', '60', '-t', 'nat'];
  await host.run([{ argv: [...iptables, '-N', 'KUBE-SERVICES'] }]);
  const both = await apply();
  expect(both.err).toMatch(/in both iptables-nft \(.*\) and iptables-legacy \(nat KUBE-SERVICES\).*\[two-variants\]/);
  const cleaned = await program.run(host, ['cleanup', '--iptables-variant', 'legacy', '--state-dir', state]);
  expect(cleaned).toMatchObject({ status: 0 });
  expect(await apply()).toMatchObject({ status: 0 });
});

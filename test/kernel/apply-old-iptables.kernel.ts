/**
 * An iptables before 1.6.2, whose iptables-restore knows neither the lock nor `--random-fully`: programs that tell such a
 * version, refuse what it refuses, and leave the work to the real ones. Nobody installs it beside a newer one.
 */
import { appendFileSync, existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { clusterList } from './changing-cluster.js';
import { fake, holdLock, realPath } from './fake-tools.js';
import { startHost } from './host.js';
import { buildProgram, type Program, type RunOptions, temporaryFolder } from './program.js';

let program: Program;
beforeAll(async () => {
  program = await buildProgram();
});
afterAll(() => program.remove());

/** Puts the programs of such a version into a folder, and nothing else but flock; runs of iptables-restore go to a log. */
function oldPrograms(folder: string): { readonly path: string; readonly log: string } {
  const log = join(folder, 'restores');
  appendFileSync(log, '');
  for (const name of ['iptables', 'ip6tables']) {
    const real = realPath(`${name}-legacy`);
    fake(folder, name, `[ "$*" != --version ] || { echo '${name} v1.6.1'; exit; }\nexec ${real} "$@"\n`);
    fake(folder, `${name}-save`, `${real}-save "$@" | ${realPath('sed')} 's/ v[0-9.]* on / v1.6.1 on /'\n`);
    const restore = [
      `for word; do case $word in -w*|--wait*) echo "invalid option -- 'w'" >&2; exit 2;; esac; done`,
      `echo ran >>${log}`,
      `input=$(${realPath('cat')}; echo .)`,
      `case $input in *--random-fully*) echo '${name}-restore v1.6.1: unknown option "--random-fully"' >&2; exit 2;; esac`,
      // The real one takes the lock itself.
      `printf %s "\${input%.}" | XTABLES_LOCKFILE=${join(folder, 'other.lock')} exec ${real}-restore "$@"`,
    ];
    fake(folder, `${name}-restore`, `${restore.join('\n')}\n`);
  }
  const path = join(folder, 'fake');
  symlinkSync(realPath('flock'), join(path, 'flock'));
  return { path, log };
}

async function oldHost() {
  const host = await startHost('node');
  onTestFinished(() => host.close());
  const folder = temporaryFolder();
  const { path, log } = oldPrograms(folder);
  const lock = join(folder, 'xtables.lock');
  for (const version of ['old', 'new'] as const) writeFileSync(join(folder, `${version}.json`), clusterList(version));
  const run = (command: string, version: 'old' | 'new', options: RunOptions, ...more: readonly string[]) =>
    program.run(host, [command, '-m', 'iptables', '-f', join(folder, `${version}.json`), ...more], options);
  const env = { PATH: path, XTABLES_LOCKFILE: lock };
  const apply = (version: 'old' | 'new', ...more: readonly string[]) =>
    run('apply', version, { env }, '--state-dir', join(folder, 'state'), ...more);
  const verify = (version: 'old' | 'new') => run('verify', version, { env }, '--live');
  const rules = async (): Promise<string> => {
    const [result] = await host.run([{ argv: ['iptables-legacy-save'] }]);
    return (result?.stdout ?? '').replace(/^#.*\n/gm, '').replace(/\[\d+:\d+\]/g, '[0:0]');
  };
  return { path, log, lock, apply, verify, rules };
}

test('applied, verified, and nothing is written the second time', async () => {
  const { log, lock, apply, verify, rules } = await oldHost();
  for (const version of ['old', 'new'] as const) {
    const first = await apply(version);
    expect(first.status, first.err).toBe(0);
    expect(first.out).toContain('read back, and as wanted');
    const written = readFileSync(log, 'utf8');
    expect((await apply(version)).out).toBe('Nothing to change: the kernel has these rules.\n');
    expect(readFileSync(log, 'utf8')).toBe(written);
    const verified = await verify(version);
    expect(verified.status, verified.out).toBe(0);
  }
  expect(readFileSync(log, 'utf8')).toBe('ran\nran\n');
  expect(await rules()).toMatch(/-A KUBE-POSTROUTING .* -j MASQUERADE\n/);
  expect(existsSync(lock)).toBe(true);
});

test('the lock is held for longer than the wait, and then freed', async () => {
  const { lock, log, apply, rules } = await oldHost();
  await apply('old');
  const before = await rules();
  const free = await holdLock(lock);
  const refused = await apply('new', '--wait', '1');
  expect(refused).toMatchObject({ status: 2, out: '' });
  expect(refused.err).toMatch(
    /another program holds the xtables lock; `flock -w 1 .* iptables-restore .*The old rules are in force.*\[lock-held\]/,
  );
  expect(refused.err).toContain(`fuser -v ${lock}`);
  expect(await rules()).toBe(before);
  expect(readFileSync(log, 'utf8')).toBe('ran\n');
  const applying = apply('new', '--wait', '30');
  free();
  expect(await applying).toMatchObject({ status: 0 });
});

test('without flock nothing is written', async () => {
  const { path, apply, rules } = await oldHost();
  await apply('old');
  const before = await rules();
  rmSync(join(path, 'flock'));
  const refused = await apply('new');
  expect(refused).toMatchObject({ status: 2, out: '' });
  expect(refused.err).toMatch(/flock is not in PATH; it is needed to write the ipv4 rules.*\[missing-program\]/);
  expect(await rules()).toBe(before);
});

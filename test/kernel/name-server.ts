/** BIND with some zone files, in a network namespace of its own: whatever it answers, nobody else hears it. */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** How dig prints an answer. */
interface Answer {
  readonly status: string;
  /** From the server that is responsible for the name. */
  readonly authoritative: boolean;
  readonly answer: readonly AnsweredRecord[];
  readonly additional: readonly AnsweredRecord[];
}

interface GlibcLookup {
  /** In the order given; none where the name was not found. */
  readonly addresses: readonly string[];
  /** Absolute names in lower case, in the order asked for; repeated questions once. */
  readonly asked: readonly string[];
}

interface AnsweredRecord {
  readonly name: string;
  readonly ttl: number;
  readonly type: string;
  readonly data: string;
}

export interface NameServer {
  /** Everything that the server said while it started. */
  readonly log: string;
  /** Asks without recursion. */
  ask(name: string, type: string): Promise<Answer>;
  /** Has glibc look up the IPv4 addresses of a name with this resolv.conf, and gives what it asked the server for. */
  lookUp(name: string, resolvConf: string): Promise<GlibcLookup>;
  stop(): Promise<void>;
}

/** Folders of zones. AppArmor lets Debian's BIND read its own folder only. */
export function zoneFolder(): string {
  const own = '/var/cache/bind';
  return mkdtempSync(join(existsSync(own) ? own : tmpdir(), 'kuberules-'));
}

/**
 * Starts a server for zones whose files are in a folder, which is removed when it stops. It ends with this process,
 * however that happens. Rejects, with what it said, when it does not come up.
 * @param zones the zones' names; the file of `cluster.local` is `cluster.local.zone`
 */
export async function startNameServer(folder: string, zones: readonly string[]): Promise<NameServer> {
  const config = join(folder, 'named.conf');
  writeFileSync(
    config,
    `options {
  directory "${folder}";
  listen-on port 53 { 127.0.0.1; };
  listen-on-v6 { none; };
  pid-file none;
  recursion no;
  dnssec-validation no;
  notify no;
  querylog yes;
  minimal-responses no-auth;
};
controls {};
${zones.map((zone) => `zone "${zone}" { type primary; file "${zone}.zone"; };\n`).join('')}`,
  );
  // Without an address of its own glibc asks for none (AI_ADDRCONFIG), and those of loopback do not count.
  // Each program is replaced by the next, so the process that is started is the server in the end.
  const server = spawn(
    'setpriv',
    [
      '--pdeathsig',
      'KILL',
      'unshare',
      '--net',
      'sh',
      '-c',
      'ip link set lo up && ip address add 192.0.2.53/32 dev lo && exec named -g -4 -n 1 -c "$1"',
      'sh',
      config,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` } },
  );
  let log = '';
  const heard = (text: string, from: number): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!log.includes(text, from)) return;
        server.stderr.off('data', look);
        resolve();
      };
      server.stderr.on('data', look);
      look();
    });
  const ended = new Promise<void>((resolve) => {
    server.once('close', () => resolve());
  });
  const stop = async (): Promise<void> => {
    server.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  const ready = new Promise<boolean>((resolve) => {
    server.once('error', (error) => {
      log += error.message;
      resolve(false);
    });
    server.stderr.on('data', (chunk: Buffer) => {
      log += chunk.toString();
      if (/ running$/m.test(log)) resolve(true);
    });
    void ended.then(() => resolve(false));
  });
  if (!(await ready)) {
    await stop();
    throw new Error(`named did not start:\n${log}`);
  }
  let lookups = 0;
  return {
    log,
    async lookUp(name, resolvConf) {
      const from = log.length;
      const marker = `end-${lookups++}.cluster.local`;
      const files = { 'resolv.conf': resolvConf, 'nsswitch.conf': 'hosts: dns\n' };
      for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
      const mount = 'for f in resolv.conf nsswitch.conf; do mount --bind "$1/$f" "/etc/$f" || exit 9; done';
      // Exit status 2 is a name that was not found.
      const script = `${mount}; getent ahostsv4 "$2" || [ $? = 2 ] || exit 9; dig @127.0.0.1 +norecurse "$3" >/dev/null`;
      const argv = [
        '-t',
        String(server.pid),
        '-n',
        'unshare',
        '--mount',
        'sh',
        '-c',
        script,
        'sh',
        folder,
        name,
        marker,
      ];
      const { stdout } = await run('nsenter', argv);
      await heard(`query: ${marker} IN`, from);
      const queries = [...log.slice(from).matchAll(/ query: (\S+) IN A /g)].map((match) =>
        (match[1] ?? '').toLowerCase(),
      );
      const addresses = stdout.split('\n').flatMap((line) => /^(\S+)\s+STREAM/.exec(line)?.[1] ?? []);
      return { addresses, asked: [...new Set(queries)].filter((each) => each !== marker).map((each) => `${each}.`) };
    },
    async ask(name, type) {
      const sections = [
        '+noall',
        '+comments',
        '+answer',
        '+additional',
        '+norecurse',
        '+noedns',
        '+tries=1',
        '+time=20',
      ];
      const argv = ['-t', String(server.pid), '-n', 'dig', '@127.0.0.1', ...sections, name, type];
      return readAnswer((await run('nsenter', argv)).stdout);
    },
    stop,
  };
}

/** Loads a zone file as a server would, and gives what there is to say about it. */
export async function checkZone(name: string, file: string): Promise<string> {
  try {
    return (await run('named-checkzone', [name, file])).stdout;
  } catch (error) {
    return error instanceof Error && 'stdout' in error ? `refused: ${error.stdout}` : String(error);
  }
}

function readAnswer(text: string): Answer {
  const status = /status: (\w+)/.exec(text)?.[1];
  if (status === undefined) throw new Error(`no answer: ${text}`);
  const section = (title: string): readonly AnsweredRecord[] => {
    const lines = new RegExp(`^;; ${title} SECTION:\\n((?:.+\\n)*)`, 'm').exec(text)?.[1] ?? '';
    return lines.split('\n').flatMap((line) => {
      const [, name = '', ttl, type = '', data = ''] = /^(\S+)\s+(\d+)\s+IN\s+(\S+)\s+(.*)$/.exec(line) ?? [];
      return ttl === undefined ? [] : [{ name, ttl: Number(ttl), type, data }];
    });
  };
  const authoritative = /^;; flags:[^;]* aa[ ;]/m.test(text);
  return { status, authoritative, answer: section('ANSWER'), additional: section('ADDITIONAL') };
}

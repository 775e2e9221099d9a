/**
 * A real control plane for scripts that compare with it: etcd, kube-apiserver and the controllers of EndpointSlices, started
 * by ../shared/realcluster in network and process namespaces of their own, with which everything ends.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import https from 'node:https';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RawObject } from '../src/kube/objects.js';
import { hasProgram } from '../test/kernel/available.js';

const folder = fileURLToPath(new URL('../../shared/realcluster', import.meta.url));
const binaries = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'realcluster');

/** The kube-proxy that ../shared/realcluster/build has made. */
export const KUBE_PROXY = join(binaries, 'kube-proxy');

/** Set in the process that has namespaces of its own. */
const INSIDE = 'KUBERULES_OWN_NAMESPACES';

/** Why there can be no real cluster here, or undefined. */
export function realClusterUnavailable(): string | undefined {
  if (!existsSync(folder)) return 'there is no ../shared/realcluster';
  const missing = ['kube-apiserver', 'kube-controller-manager', 'kube-proxy'].filter(
    (name) => !existsSync(join(binaries, name)),
  );
  if (missing.length > 0) return `not built: ${missing.join(', ')} (../shared/realcluster/build does it)`;
  const programs = ['etcd', 'openssl', 'curl'].filter((name) => !hasProgram(name));
  if (programs.length > 0)
    return `missing programs: ${programs.join(', ')} (../shared/realcluster/build installs them)`;
  if (process.getuid?.() !== 0) return 'it needs root, as it makes network namespaces';
  const refused = spawnSync('unshare', [...NAMESPACES, 'true'], { encoding: 'utf8' });
  return refused.status === 0 ? undefined : `the kernel grants no namespaces: ${refused.stderr.trim()}`;
}

const NAMESPACES = ['--net', '--pid', '--fork', '--kill-child', '--mount-proc'];

/**
 * Goes on in namespaces of its own: runs this script once more there, and exits with its status. Where there can be no
 * real cluster the script ends here, with status 0 and the reason.
 */
export function enterOwnNamespaces(): void {
  if (process.env[INSIDE] !== undefined) return;
  const reason = realClusterUnavailable();
  if (reason !== undefined) {
    console.log(`SKIPPED: ${reason}`);
    process.exit(0);
  }
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const { status } = spawnSync('unshare', [...NAMESPACES, ...again], {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: '1' },
  });
  process.exit(status ?? 2);
}

/** Runs a shell script with its standard input; gives what it prints, and throws when it fails. */
export function shell(script: string, input = ''): string {
  return execFileSync('sh', ['-euc', script], { encoding: 'utf8', input, stdio: ['pipe', 'pipe', 'pipe'] });
}

/** What the API server answers. */
export interface Answer {
  readonly code: number;
  readonly body: {
    readonly message?: string;
    readonly items?: readonly RawObject[];
    readonly [field: string]: unknown;
  };
}

/** A running control plane. */
export interface ControlPlane {
  /** Its certificates, logs and kubeconfigs; what else is written there goes with it. */
  readonly dir: string;
  /** The kubeconfig of a user who may do everything. */
  readonly adminKubeconfig: string;
  /** That of a kube-proxy. */
  readonly proxyKubeconfig: string;
  /** Asks as the administrator; `type` is the content type of the body. */
  readonly call: (method: string, path: string, body?: unknown, type?: string) => Promise<Answer>;
  /** The same; rejects when the API server refuses. */
  readonly ok: (method: string, path: string, body?: unknown, type?: string) => Promise<Answer>;
  readonly stop: () => void;
}

/**
 * Starts a control plane.
 * @param serviceRange its --service-cluster-ip-range
 */
export function startControlPlane(serviceRange: string): ControlPlane {
  const dir = mkdtempSync(join(tmpdir(), 'kuberules-real-'));
  // Also after an error; the programs end with the namespaces.
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  const env = { ...process.env, SERVICE_CIDR: serviceRange };
  execFileSync(join(folder, 'up'), [dir], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  const kubeconfig = join(dir, 'admin.kubeconfig');
  const text = readFileSync(kubeconfig, 'utf8');
  const setting = (pattern: RegExp): string => pattern.exec(text)?.[1] ?? '';
  const server = new URL(setting(/server: "?([^",}\s]+)/));
  const token = setting(/token: "?([^",}\s]+)/);
  const ca = readFileSync(setting(/certificate-authority: "?([^",}\s]+)/));
  const agent = new https.Agent({ keepAlive: true });

  const call: ControlPlane['call'] = (method, path, body, type = 'application/json') =>
    new Promise((resolve, reject) => {
      const headers = { Authorization: `Bearer ${token}`, 'Content-Type': type };
      const request = https.request(
        { host: server.hostname, port: server.port, method, path, ca, agent, headers },
        (response) => {
          let answer = '';
          response.setEncoding('utf8');
          response.on('data', (part) => {
            answer += part;
          });
          response.on('end', () => resolve({ code: response.statusCode ?? 0, body: JSON.parse(answer) }));
        },
      );
      request.on('error', reject);
      if (body !== undefined) request.write(JSON.stringify(body));
      request.end();
    });
  return {
    dir,
    adminKubeconfig: kubeconfig,
    proxyKubeconfig: join(dir, 'proxy.kubeconfig'),
    call,
    ok: async (...args) => {
      const { code, body } = await call(...args);
      if (code >= 300) throw new Error(`${args[0]} ${args[1]}: ${code}: ${body.message}`);
      return { code, body };
    },
    stop: () => {
      agent.destroy();
      execFileSync(join(folder, 'down'), [dir]);
    },
  };
}

/** Asks again and again until there is an answer; undefined after so many seconds without one. */
export async function eventually<T>(seconds: number, ask: () => Promise<T | undefined>): Promise<T | undefined> {
  for (const end = Date.now() + seconds * 1000; ; ) {
    const answer = await ask();
    if (answer !== undefined || Date.now() > end) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

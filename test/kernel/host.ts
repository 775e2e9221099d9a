/** A host of the kernel tests: a network namespace without a name, held open by one agent process inside it. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const agentPath = fileURLToPath(new URL('./agent.mjs', import.meta.url));

/** A program to run inside a host, without a shell. `allow` lists the exit statuses that are no failure (default 0). */
export interface Command {
  readonly argv: readonly string[];
  readonly input?: string;
  readonly allow?: readonly number[];
}

interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Connection attempts to make from a host, each with a new source port; `timeout` in milliseconds. */
interface Probe {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly from?: string;
  readonly to: string;
  readonly port: number;
  readonly count: number;
  readonly parallel: number;
  readonly timeout: number;
}

interface Ports {
  readonly tcp: readonly number[];
  readonly udp: readonly number[];
  readonly sctp: readonly number[];
}

/** How one attempt ended: the line that the server sent, or an error code such as ECONNREFUSED or TIMEOUT. */
export interface Outcome {
  readonly answer?: string;
  readonly error?: string;
  readonly ms: number;
}

export interface Host {
  readonly name: string;
  /** The agent's process id, which is also the handle of the namespace for `ip link … netns PID`. */
  readonly pid: number;
  /** Runs programs in order; rejects, with what was run and what it printed, at the first that fails. */
  run(commands: readonly Command[]): Promise<CommandResult[]>;
  /**
   * Writes kernel parameters of the namespace (path below /proc/sys, value) and returns what they were. A path may
   * begin with `?`: it is passed over where the kernel does not have it.
   */
  sysctl(values: Readonly<Record<string, string>>): Promise<Record<string, string>>;
  /** Answers on these ports of all its addresses with a line `NAME SOURCE PORT`; resolves when it listens. */
  serve(ports: Ports): Promise<void>;
  probe(probe: Probe): Promise<Outcome[]>;
  /** Ends the agent, and with it the namespace, its links, rules and connections. */
  close(): Promise<void>;
}

/**
 * Starts a host. It also ends by itself when this process does, however that happens, as the agent ends with its stdin.
 * Rejects when the kernel refuses a new network namespace (not root, or a container without the right to).
 * @param apart whether it is a namespace of its own, not the one that this process is in
 */
export async function startHost(name: string, apart = true): Promise<Host> {
  const argv = [process.execPath, agentPath, name];
  const agent = spawn('env', apart ? ['unshare', '--net', ...argv] : argv, { stdio: ['pipe', 'pipe', 'pipe'] });
  const waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  let stderr = '';
  let ended: Error | undefined;
  let lastId = 0;

  const exit = new Promise<void>((resolve) => {
    const end = (reason: string): void => {
      ended ??= new Error(`host ${name}: ${reason}${stderr === '' ? '' : `: ${stderr.trim()}`}`);
      for (const { reject } of waiting.values()) reject(ended);
      waiting.clear();
      resolve();
    };
    agent.on('error', (error) => end(`cannot start unshare (util-linux): ${error.message}`));
    agent.on('close', (status) => end(`agent ended with status ${status}`));
  });
  agent.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  agent.stdin.on('error', () => {});
  createInterface({ input: agent.stdout }).on('line', (line) => {
    const reply = JSON.parse(line) as { id: number; result?: unknown; error?: string };
    const request = waiting.get(reply.id);
    waiting.delete(reply.id);
    if (reply.error === undefined) request?.resolve(reply.result);
    else request?.reject(new Error(`host ${name}: ${reply.error}`));
  });

  const ask = <Result>(op: string, request: object): Promise<Result> =>
    new Promise<Result>((resolve, reject) => {
      if (ended !== undefined) {
        reject(ended);
        return;
      }
      const id = ++lastId;
      waiting.set(id, { resolve: (result) => resolve(result as Result), reject });
      agent.stdin.write(`${JSON.stringify({ id, op, ...request })}\n`);
    });

  const host: Host = {
    name,
    pid: agent.pid ?? -1,
    async run(commands) {
      const results = await ask<CommandResult[]>('run', { commands });
      const last = results.at(-1);
      const command = commands[results.length - 1];
      if (last !== undefined && command !== undefined && !(command.allow ?? [0]).includes(last.status)) {
        const input = command.input === undefined ? '' : `\n--- input\n${command.input}`;
        throw new Error(`host ${name}: ${command.argv.join(' ')}: exit ${last.status}\n${last.stderr}${input}`);
      }
      return results;
    },
    sysctl: (values) => ask('sysctl', { values }),
    async serve(ports) {
      await ask('serve', ports);
    },
    probe: (probe) => ask('probe', probe),
    async close() {
      agent.stdin.end();
      await exit;
    },
  };
  // The first answer shows that the namespace was granted and that the agent runs in it.
  await host.sysctl({});
  return host;
}

/** Ends hosts; those that are gone already are no matter. */
export async function closeHosts(hosts: Iterable<Host>): Promise<void> {
  await Promise.all(Array.from(hosts, (host) => host.close()));
}

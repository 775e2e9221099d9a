/**
 * The one program that runs inside each network namespace of the kernel tests: `unshare --net node agent.mjs NAME`.
 *
 * It takes one JSON request a line on stdin and answers each with one JSON line on stdout; it ends when stdin does. The
 * namespace has no name and lives only as long as this process, so nothing is left behind when a test run dies.
 *
 * Plain JavaScript, as node starts it a second faster than through a TypeScript loader, and without dependencies.
 */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const name = process.argv[2] ?? 'unnamed';
const sctpProgram = fileURLToPath(new URL('./sctp.pl', import.meta.url));

/** One request's work by its `op`; the result goes back as `result`, an exception as `error`. */
const operations = { run, sysctl, serve, probe };

/**
 * Runs programs one after another without a shell, and stops at the first whose exit status is not allowed.
 *
 * @param {{ commands: { argv: string[], input?: string, allow?: number[] }[] }} request
 * @returns {Promise<{ status: number, stdout: string, stderr: string }[]>} one result for each program that ran
 */
async function run({ commands }) {
  const results = [];
  for (const { argv, input, allow } of commands) {
    const result = await runOne(argv, input ?? '');
    results.push(result);
    if (!(allow ?? [0]).includes(result.status)) break;
  }
  return results;
}

function runOne([file, ...args], input) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: 'pipe' });
    const chunks = { stdout: [], stderr: [] };
    child.stdout.on('data', (chunk) => chunks.stdout.push(chunk));
    child.stderr.on('data', (chunk) => chunks.stderr.push(chunk));
    child.on('error', reject);
    // A program that reads no input may be gone before it is written; its exit status tells how it went.
    child.stdin.on('error', () => {});
    child.on('close', (status) =>
      resolve({
        status: status ?? -1,
        stdout: Buffer.concat(chunks.stdout).toString(),
        stderr: Buffer.concat(chunks.stderr).toString(),
      }),
    );
    child.stdin.end(input);
  });
}

/**
 * Writes kernel parameters below /proc/sys; those below net/ are this namespace's own.
 *
 * @param {{ values: Record<string, string> }} request a path that begins with `?` is passed over where it does not exist
 * @returns {Record<string, string>} the values they had before
 */
function sysctl({ values }) {
  const before = {};
  for (const [path, value] of Object.entries(values)) {
    const file = `/proc/sys/${path.replace(/^\?/, '')}`;
    if (path.startsWith('?') && !existsSync(file)) continue;
    before[path] = readFileSync(file, 'utf8').trim();
    if (before[path] !== value) writeFileSync(file, value);
  }
  return before;
}

/**
 * Listens on every address of both families. Each connection, and each datagram, is answered with one line: who
 * answers, the source address that arrived, and the port that it arrived at.
 *
 * @param {{ tcp: number[], udp: number[], sctp: number[] }} request ports
 */
async function serve({ tcp, udp, sctp }) {
  const listening = sctp.length === 0 ? [] : [serveSctp(sctp)];
  for (const host of ['0.0.0.0', '::']) {
    for (const port of tcp) listening.push(serveTcp(host, port));
    for (const port of udp) listening.push(serveUdp(host, port));
  }
  await Promise.all(listening);
  return listening.length;
}

function serveTcp(host, port) {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.end(`${name} ${socket.remoteAddress} ${port}\n`);
    });
    server.on('error', reject);
    // The backlog must hold a whole burst of connections: a full one drops them, which looks like a rule's DROP.
    server.listen({ host, port, ipv6Only: true, backlog: 4096 }, () => resolve());
  });
}

function serveUdp(host, port) {
  return new Promise((resolve, reject) => {
    const socket = createSocket(host === '::' ? { type: 'udp6', ipv6Only: true } : 'udp4');
    socket.on('message', (_, peer) => socket.send(`${name} ${peer.address} ${port}\n`, peer.port, peer.address));
    socket.on('error', reject);
    socket.bind({ address: host, port }, () => resolve());
  });
}

/** The SCTP server is a program of its own, which ends when this one does and its stdin is closed. */
function serveSctp(ports) {
  return new Promise((resolve, reject) => {
    const server = spawn('perl', [sctpProgram, 'serve', name, ...ports.map(String)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    server.stdout.once('data', () => resolve());
    server.on('error', reject);
    server.on('exit', (status) => reject(new Error(`the SCTP server ended with status ${status}`)));
  });
}

/**
 * Connects `count` times, each time from a new source port, and tells how each attempt ended.
 *
 * @param {{ protocol: 'tcp' | 'udp' | 'sctp', from?: string, to: string, port: number, count: number, parallel: number,
 *           timeout: number }} request `from` is the source address (default: the route's), `timeout` in ms
 * @returns {Promise<{ answer?: string, error?: string, ms: number }[]>} the line that came back, or an error code such
 *   as ECONNREFUSED, or TIMEOUT
 */
async function probe(request) {
  if (request.protocol === 'sctp') return probeSctp(request);
  const attempt = request.protocol === 'udp' ? probeUdp : probeTcp;
  const outcomes = [];
  let started = 0;
  const worker = async () => {
    while (started < request.count) {
      started++;
      const begin = performance.now();
      const outcome = await attempt(request);
      outcomes.push({ ...outcome, ms: Math.round(performance.now() - begin) });
    }
  };
  await Promise.all(Array.from({ length: Math.min(request.parallel, request.count) }, worker));
  return outcomes;
}

function probeTcp({ from, to, port, timeout }) {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect({ host: to, port, localAddress: from });
    const timer = setTimeout(() => finish({ error: 'TIMEOUT' }), timeout);
    const finish = (outcome) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    socket.setEncoding('utf8');
    socket.on('data', (text) => {
      answer += text;
    });
    socket.on('end', () => finish({ answer: answer.trim() }));
    socket.on('error', (error) => finish({ error: error.code ?? String(error) }));
  });
}

async function probeSctp({ from, to, port, count, timeout }) {
  const args = ['probe', to, port, count, timeout, ...(from === undefined ? [] : [from])];
  const { status, stdout, stderr } = await runOne(['perl', sctpProgram, ...args.map(String)], '');
  if (status !== 0) throw new Error(stderr);
  return stdout
    .trim()
    .split('\n')
    .map((line) => {
      const [, ms, kind, text] = /^(\d+) (answer|error) (.*)$/.exec(line);
      return { [kind]: text, ms: Number(ms) };
    });
}

function probeUdp({ from, to, port, timeout }) {
  return new Promise((resolve) => {
    const socket = createSocket(to.includes(':') ? 'udp6' : 'udp4');
    let done = false;
    const finish = (outcome) => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      socket.close();
      resolve(outcome);
    };
    const timer = setTimeout(() => finish({ error: 'TIMEOUT' }), timeout);
    socket.on('error', (error) => finish({ error: error.code ?? String(error) }));
    socket.on('message', (text) => finish({ answer: text.toString().trim() }));
    // A connected socket is told of a rejection, as an ICMP port unreachable becomes ECONNREFUSED.
    socket.bind({ address: from }, () => socket.connect(port, to, (error) => (error ? undefined : socket.send('?'))));
  });
}

const requests = createInterface({ input: process.stdin });
requests.on('line', async (line) => {
  const { id, op, ...request } = JSON.parse(line);
  const reply = { id };
  try {
    reply.result = await operations[op](request);
  } catch (error) {
    reply.error = String(error);
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
});
requests.on('close', () => process.exit(0));

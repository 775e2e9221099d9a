/** Sends a flow's packets through a topology and says what did not go as the flow table has it. */
import { looksEven } from './chi-squared.js';
import type { Fate, Flow } from './flows.js';
import type { Outcome } from './host.js';
import { type Family, type HostName, masqueradeAddress, ownerOf, sources } from './places.js';
import type { Topology } from './topology.js';

/**
 * How soon a refusal must come, in milliseconds: before the first retransmission, which is after a second.
 *
 * TCP over IPv6 gets until after it. Where client and rules share a kernel, the ICMPv6 error arrives while connect()
 * still holds the socket, and Linux drops it (counted as LockDroppedIcmps); the one after the retransmission counts.
 * That is so on any node, for its own packets and its pods'.
 */
function atOnce(protocol: Flow['protocol'], family: Family): number {
  return protocol === 'tcp' && family === 'ipv6' ? 1900 : 900;
}
/** How long to wait for an answer that must not come: as long as it takes for one retransmission. */
const silence = 1200;
/** How long an expected answer may take; the machine may be busy. */
const patience = 5000;

/** How often to try, so that a fair choice misses one of the endpoints less than once in a million flows. */
function attempts(fate: Fate): number {
  if (typeof fate === 'string') return fate === 'dropped' ? 2 : 3;
  if (fate.evenOver !== undefined) return fate.evenOver;
  if (fate.sticky) return 20;
  // A lossy one has one endpoint more, which must be chosen too.
  return [1, 3, 22, 40][Object.keys(fate.endpoints).length + (fate.lossy ? 1 : 0)] ?? 100;
}

/** One attempt: from which source address, and how it ended. */
interface Attempt extends Outcome {
  readonly own: string;
}

/** What went wrong, a sentence each; nothing if the flow met its fate. */
export async function runFlow(topology: Topology, flow: Flow, family: Family): Promise<string[]> {
  const sent = await send(topology, flow, family);
  const complaints = sent.flatMap((attempt) => judge(flow, family, attempt) ?? []);
  // The quickest counts: on a busy machine any one may be late, while a rule that only drops makes all of them late.
  const quickest = Math.min(...sent.map((attempt) => attempt.ms));
  if (flow.fate === 'refused' && quickest > atOnce(flow.protocol, family)) {
    complaints.push(`refused only after ${quickest} ms`);
  }
  if (typeof flow.fate === 'string') return distinct(complaints);

  const { endpoints, sticky, evenOver, lossy } = flow.fate;
  if (lossy && sent.every((attempt) => attempt.error === undefined)) complaints.push('every connection was answered');
  if (sticky) {
    complaints.push(...unsteadiness(sent));
  } else {
    const reached = sent.map(serverOf);
    const missed = Object.keys(endpoints).filter((server) => !reached.includes(server));
    if (missed.length > 0) complaints.push(`never reached ${missed.join(', ')}`);
  }
  if (evenOver !== undefined && !isEven(endpoints, sent)) {
    // Of even choices one in a thousand looks uneven, and one in a million twice: a second sample decides.
    const again = await send(topology, flow, family);
    if (!isEven(endpoints, again)) complaints.push(`uneven twice: ${summary(sent)}; ${summary(again)}`);
  }
  return distinct(complaints);
}

async function send(topology: Topology, flow: Flow, family: Family): Promise<Attempt[]> {
  const { host, addresses } = sources(flow.from, family);
  const bySource = await Promise.all(
    addresses.map(async (own) => {
      const outcomes = await topology.hosts[host].probe({
        protocol: flow.protocol,
        // The client has several addresses; elsewhere the route chooses, as it does for a program.
        ...(host === 'client' ? { from: own } : {}),
        to: flow.to[family],
        port: flow.port,
        count: attempts(flow.fate),
        parallel: 32,
        timeout: flow.fate === 'dropped' ? silence : patience,
      });
      return outcomes.map((outcome) => ({ ...outcome, own }));
    }),
  );
  return bySource.flat();
}

/** A server's line: who answers, the source that it saw, and the port that it was reached at. */
function readAnswer(outcome: Outcome): { server: string; source: string; port: number } | undefined {
  const [server, source, port] = outcome.answer?.split(' ') ?? [];
  return server === undefined || source === undefined ? undefined : { server, source, port: Number(port) };
}

function serverOf(outcome: Outcome): string {
  return readAnswer(outcome)?.server ?? 'nobody';
}

/** What is wrong with one attempt, or undefined. */
function judge(flow: Flow, family: Family, attempt: Attempt): string | undefined {
  const { fate } = flow;
  const { own, error } = attempt;
  const answer = readAnswer(attempt);
  const result =
    answer === undefined ? error : `${answer.server} answers at port ${answer.port} and sees ${answer.source}`;
  const wrong = (why: string): string => `${own} to ${flow.to[family]}:${flow.port}: ${result}, ${why}`;

  if (fate === 'dropped') return error === 'TIMEOUT' ? undefined : wrong('instead of silence');
  if (fate === 'refused') return error === 'ECONNREFUSED' ? undefined : wrong('instead of a refusal');
  if (answer === undefined) {
    const lost = typeof fate !== 'string' && fate.lossy && error === 'TIMEOUT';
    return lost ? undefined : wrong('instead of an answer');
  }
  if (fate === 'untouched') {
    const owner = ownerOf(flow.to[family]);
    if (answer.server !== owner || answer.port !== flow.port) return wrong(`not ${owner}, untouched`);
    return answer.source === own ? undefined : wrong('masqueraded');
  }
  const seen = fate.endpoints[answer.server as HostName];
  // Target ports differ from all Service and node ports, so the same port means that nothing was translated.
  if (seen === undefined || answer.port === flow.port) return wrong('which is no endpoint');
  const source = { own, called: flow.to[family], node: masqueradeAddress(answer.server as HostName, family) }[seen];
  return answer.source === source ? undefined : wrong(`not ${source}`);
}

/** Whether clients changed endpoints, or all have the same one. */
function unsteadiness(sent: readonly Attempt[]): string[] {
  const complaints: string[] = [];
  const clients = new Set(sent.map((attempt) => attempt.own));
  for (const own of clients) {
    const mine = sent.filter((attempt) => attempt.own === own);
    if (new Set(mine.map(serverOf)).size > 1) complaints.push(`${own} changed endpoints: ${summary(mine)}`);
  }
  // Sixteen clients at the same of three endpoints: once in 14 million times by chance.
  if (clients.size > 1 && new Set(sent.map(serverOf)).size === 1) complaints.push('all clients have the same endpoint');
  return complaints;
}

function isEven(endpoints: object, sent: readonly Attempt[]): boolean {
  const servers = sent.map(serverOf);
  return looksEven(Object.keys(endpoints).map((server) => servers.filter((other) => other === server).length));
}

/** How often each server answered, for example "pod-a1 12, pod-b1 8". */
function summary(sent: readonly Attempt[]): string {
  const counts = new Map<string, number>();
  for (const attempt of sent) counts.set(serverOf(attempt), (counts.get(serverOf(attempt)) ?? 0) + 1);
  return Array.from(counts, ([server, count]) => `${server} ${count}`)
    .sort()
    .join(', ');
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}

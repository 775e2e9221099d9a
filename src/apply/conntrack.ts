/**
 * Connections of UDP that the kernel still sends where they should not go any more: to endpoints that do not serve
 * now, or to nowhere, as they began when a Service had none. Mirrors kube-proxy's reconciliation of conntrack.
 */
import type { Family } from '../net/family.js';
import { joinHostPort } from '../net/ip.js';
import type { ServicePortPlan } from '../plan/service-port.js';
import type { Command, Host } from './host.js';
import { commandTrouble } from './trouble.js';

/** Where a client sends, and who answers. */
export interface UdpFlow {
  readonly destination: string;
  readonly destinationPort: number;
  readonly answers: string;
  readonly answersPort: number;
  /** Of conntrack; undefined for the usual one. */
  readonly zone: string | undefined;
}

/** `src=… dst=… sport=… dport=… [UNREPLIED] src=… dst=… sport=… dport=…` */
const ENTRY = / src=\S+ dst=(\S+) sport=\d+ dport=(\d+) .*?src=(\S+) dst=\S+ sport=(\d+) dport=\d+(?:.*? zone=(\d+))?/;

/** The flows that `conntrack -L -p udp` lists. */
export function readFlows(text: string): readonly UdpFlow[] {
  return text.split('\n').flatMap((line) => {
    const [, destination, destinationPort, answers, answersPort, zone] = ENTRY.exec(line) ?? [];
    if (destination === undefined || answers === undefined) return [];
    return [{ destination, destinationPort: Number(destinationPort), answers, answersPort: Number(answersPort), zone }];
  });
}

/**
 * The flows that must not go on, each once. Service ports without a serving endpoint are passed over, as kube-proxy
 * v1.36 does it.
 * @param local the addresses of this host: of a node port only flows to these count, where kube-proxy takes any
 */
export function staleFlows(
  plans: readonly ServicePortPlan[],
  flows: readonly UdpFlow[],
  local: ReadonlySet<string>,
): readonly UdpFlow[] {
  const byAddress = new Map<string, ReadonlySet<string>>();
  const byNodePort = new Map<number, ReadonlySet<string>>();
  for (const plan of plans) {
    if (plan.protocol !== 'UDP') continue;
    const serving = new Set(plan.endpoints.flatMap(({ source, text }) => (source.serving ? [text] : [])));
    if (serving.size === 0) continue;
    for (const address of [plan.clusterIP, ...plan.loadBalancerIPs, ...plan.externalIPs]) {
      byAddress.set(joinHostPort(address, plan.family, plan.port), serving);
    }
    if (plan.nodePort !== undefined) byNodePort.set(plan.nodePort, serving);
  }
  const stale = new Map<string, UdpFlow>();
  for (const flow of flows) {
    const family: Family = flow.destination.includes(':') ? 'ipv6' : 'ipv4';
    const serving =
      byAddress.get(joinHostPort(flow.destination, family, flow.destinationPort)) ??
      (local.has(flow.destination) ? byNodePort.get(flow.destinationPort) : undefined);
    if (serving === undefined || serving.has(joinHostPort(flow.answers, family, flow.answersPort))) continue;
    stale.set(JSON.stringify(flow), flow);
  }
  return [...stale.values()];
}

/** The command that deletes all entries of a flow, whoever the client is. */
function deletion(flow: UdpFlow, family: Family): Command {
  const { destination, destinationPort, answers, answersPort, zone } = flow;
  return {
    program: 'conntrack',
    args: [
      ...['-D', '-f', family, '-p', 'udp', '--orig-dst', destination, '--orig-port-dst', String(destinationPort)],
      ...['--reply-src', answers, '--reply-port-src', String(answersPort)],
      ...(zone === undefined ? [] : ['--zone', zone]),
    ],
  };
}

/** What became of them. */
export interface Reconciled {
  readonly deleted: readonly UdpFlow[];
  /** Why some are left, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * Deletes the flows of one family that must not go on. What fails here is told but is no failure of the rules.
 * @param dryRun only looks for them
 */
export async function reconcileUdp(
  plans: readonly ServicePortPlan[],
  family: Family,
  { host, local, dryRun }: { readonly host: Host; readonly local: ReadonlySet<string>; readonly dryRun: boolean },
): Promise<Reconciled> {
  if (plans.every(({ protocol }) => protocol !== 'UDP')) return { deleted: [], notes: [] };
  const list: Command = { program: 'conntrack', args: ['-L', '-f', family, '-p', 'udp'] };
  const listed = await host.run(list);
  const say = (message: string): string => `Stale UDP connections were not looked for: ${message}`;
  if (listed.status !== 0) {
    return { deleted: [], notes: [say(commandTrouble(list, listed, 'to find stale UDP connections').message)] };
  }
  const stale = staleFlows(plans, readFlows(listed.stdout), local);
  const notes: string[] = [];
  for (const flow of dryRun ? [] : stale) {
    const command = deletion(flow, family);
    const finished = await host.run(command);
    // It may have ended by itself meanwhile.
    if (finished.status !== 0 && !finished.stderr.includes(' 0 flow entries')) {
      notes.push(commandTrouble(command, finished, 'to delete a stale UDP connection').message);
    }
  }
  return { deleted: stale, notes };
}

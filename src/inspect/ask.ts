/** One question about a packet, as people ask it, and the answer. */
import type { Interface, Packet } from '../backends/packet/packet.js';
import { UnknownRule } from '../backends/packet/packet.js';
import { type Diagnostic, diagnostic, hasErrors } from '../kube/diagnostics.js';
import { show } from '../kube/fields.js';
import type { Family } from '../net/family.js';
import { isLoopback, joinHostPort, parseIp } from '../net/ip.js';
import {
  commonFamily,
  type Destination,
  isUnresolved,
  resolveSender,
  resolveTarget,
  type Sender,
  type Surroundings,
} from './ends.js';
import type { KernelRules } from './rule-texts.js';
import { type Trace, tracePacket } from './trace.js';

/** What somebody wants to know; texts as they were typed. */
export interface TraceRequest {
  readonly from: string;
  readonly to: string;
  readonly family: Family | undefined;
  /** The endpoint of the client's last connection, `10.244.1.7:8080`. */
  readonly after: string | undefined;
  readonly established: boolean;
  /** The name of the interface by which it comes, where that is known. */
  readonly inInterface: string | undefined;
  /** Addresses of the node that its Node object does not have. */
  readonly localAddresses: readonly string[];
}

/** The question with all names resolved, and the answer. */
export interface TraceAnswer {
  readonly packet: Packet;
  readonly sender: Sender;
  readonly target: Destination;
  readonly incoming: Interface | undefined;
  readonly trace: Trace;
}

/** The answer, or errors; what there is to say about the rules in any case. */
export interface Asked {
  readonly answer: TraceAnswer | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Answers a question.
 * @param rulesOf the rules of the node for one family; asked once
 */
export function askTrace(around: Surroundings, rulesOf: (family: Family) => KernelRules, request: TraceRequest): Asked {
  const fail = (...diagnostics: readonly Diagnostic[]): Asked => ({ answer: undefined, diagnostics });
  const target = resolveTarget(request.to, around);
  if (isUnresolved(target)) return fail(target);
  const sender = resolveSender(request.from, around);
  if (isUnresolved(sender)) return fail(sender);
  const common = commonFamily(sender, target, request.family);
  if (isUnresolved(common)) return fail(common);
  const { family } = common;
  const after = request.after === undefined ? undefined : readEndpoint(request.after, family);
  if (request.after !== undefined && after === undefined) {
    const hint = `Write the address and port of an endpoint: ${joinHostPort(family === 'ipv4' ? '10.244.1.7' : 'fd00::7', family, 8080)}.`;
    return fail(diagnostic('usage', `--after ${show(request.after)} is not understood.`, { hint }));
  }
  const notLocal = request.localAddresses.find((text) => parseIp(text) === undefined);
  if (notLocal !== undefined) return fail(diagnostic('usage', `--local-address ${show(notLocal)} is no IP address.`));
  const rules = rulesOf(family);
  if (hasErrors(rules.diagnostics)) return fail(...rules.diagnostics);

  const isLocal = localAddresses(around, rules, request, family);
  const packet = packetOf(sender, target, family, isLocal);
  const named: Interface | undefined =
    request.inInterface === undefined ? undefined : { kind: 'named', name: request.inInterface };
  const incoming = sender.incoming === undefined ? undefined : (named ?? sender.incoming);
  try {
    const trace = tracePacket(rules.functions, {
      packet,
      incoming,
      established: request.established,
      world: { family, isLocal, routeLocalnet: rules.routeLocalnet ?? false, overBridge: undefined, after },
    });
    return { answer: { packet, sender, target, incoming, trace }, diagnostics: rules.diagnostics };
  } catch (error) {
    if (!(error instanceof UnknownRule)) throw error;
    return fail(...rules.diagnostics, unknownRule(error));
  }
}

function unknownRule({ rule, reason }: UnknownRule): Diagnostic {
  const line = rule.line === undefined ? '' : ` (line ${rule.line})`;
  const message = `the packet meets a rule that cannot be judged: ${rule.table} ${rule.chain}${line}: ${show(rule.text)}: ${reason}.`;
  const hint = reason.includes('interface') ? 'Name the interface with --in-interface.' : undefined;
  return diagnostic('unknown-rule', message, { hint });
}

/** Tells the node's own addresses: those that are known of it, given, or on kube-ipvs0. */
function localAddresses(
  { node }: Surroundings,
  rules: KernelRules,
  request: TraceRequest,
  family: Family,
): (address: string) => boolean {
  const own = new Set([
    ...node.addresses.map(({ text }) => text),
    ...request.localAddresses.map((text) => parseIp(text)?.text ?? text),
    ...rules.localAddresses,
  ]);
  return (text) => own.has(text) || isLoopback({ family, text });
}

function packetOf(sender: Sender, target: Destination, family: Family, isLocal: (address: string) => boolean): Packet {
  const destination = target.addresses.find((each) => each.family === family)?.text ?? '';
  const address = sender.addresses.find((each) => each.family === family)?.text ?? '';
  // What the node sends to an address of its own comes from that very address, as the kernel's routes have it.
  const source = sender.incoming === undefined && isLocal(destination) ? destination : address;
  return {
    family,
    protocol: target.protocol,
    source,
    sourcePort: undefined,
    destination,
    destinationPort: target.port,
  };
}

/** An endpoint in canonical text. */
function readEndpoint(text: string, family: Family): string | undefined {
  const [, host = '', port = ''] = /^\[?([^\]]*?)\]?:(\d{1,5})$/.exec(text) ?? [];
  const ip = parseIp(host);
  return ip?.family === family ? joinHostPort(ip.text, family, Number(port)) : undefined;
}

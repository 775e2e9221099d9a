/** One question about a packet, as people ask it, and the answer. */
import type { Interface, Packet } from '../backends/packet/packet.js';
import { UnknownRule } from '../backends/packet/packet.js';
import { type Diagnostic, diagnostic, hasErrors } from '../kube/diagnostics.js';
import { show } from '../kube/fields.js';
import type { Family } from '../net/family.js';
import { isLoopback, joinHostPort, parseIp } from '../net/ip.js';
import { isDiagnostics, type RouteRequest } from './destinations.js';
import { commonFamily, type Destination, isOfNode, isUnresolved, type Sender, type Surroundings } from './ends.js';
import { findRoute, type Route } from './route.js';
import type { KernelRules } from './rule-texts.js';
import { sameFates, type Trace, type TraceQuestion, tracePacket } from './trace.js';

/** What somebody wants to know; texts as they were typed. */
export interface TraceRequest extends RouteRequest {
  /** The endpoint of the client's last connection, `10.244.1.7:8080`. */
  readonly after: string | undefined;
  readonly established: boolean;
  /** The name of the interface by which it comes, where that is known. */
  readonly inInterface: string | undefined;
  /** The name of the interface by which it leaves, where that is known. */
  readonly outInterface?: string | undefined;
  /** Addresses of the node that its Node object does not have. */
  readonly localAddresses: readonly string[];
}

/** The question with all names resolved, and the answer. */
export interface TraceAnswer {
  readonly packet: Packet;
  readonly sender: Sender;
  readonly target: Destination;
  /** Whether it is sent to an address of a node, this one or another. */
  readonly toNode: boolean;
  readonly incoming: Interface | undefined;
  readonly trace: Trace;
  /** Whether `after` made a difference. */
  readonly remembers: boolean;
}

/** The answers, or errors; what there is to say about the rules in any case. */
export interface Asked {
  /** How `to` was understood; undefined where there are errors. */
  readonly route: Route | undefined;
  /** One for each destination of the route. */
  readonly answers: readonly TraceAnswer[];
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Answers a question.
 * @param rulesOf the rules of the node for one family; asked once for each
 */
export function askTrace(around: Surroundings, rulesOf: (family: Family) => KernelRules, request: TraceRequest): Asked {
  const fail = (...diagnostics: readonly Diagnostic[]): Asked => ({ route: undefined, answers: [], diagnostics });
  const route = findRoute(request, around);
  if (isDiagnostics(route)) return fail(...route);
  const notLocal = request.localAddresses.find((text) => parseIp(text) === undefined);
  if (notLocal !== undefined) return fail(diagnostic('usage', `--local-address ${show(notLocal)} is no IP address.`));
  const after = request.after === undefined ? undefined : readEndpoint(request.after);
  const known = new Map<Family, KernelRules>();
  const answers: TraceAnswer[] = [];
  for (const target of route.destinations) {
    const common = commonFamily(route.sender, target, request.family);
    if (isUnresolved(common)) return fail(common);
    const { family } = common;
    const rules = known.get(family) ?? rulesOf(family);
    known.set(family, rules);
    if (hasErrors(rules.diagnostics)) return fail(...rules.diagnostics);
    const answer = answerOf(around, rules, request, {
      sender: route.sender,
      target,
      family,
      after: after?.family === family ? after.place : undefined,
    });
    if ('severity' in answer) return fail(...rules.diagnostics, answer);
    answers.push(answer);
  }
  const isUsed = answers.length === 0 || answers.some(({ packet }) => packet.family === after?.family);
  if (request.after !== undefined && !(isUsed && after !== undefined)) {
    const example = answers[0]?.packet.family === 'ipv6' ? '[fd00::7]:8080' : '10.244.1.7:8080';
    const hint = `Write the address and port of an endpoint: ${example}.`;
    return fail(diagnostic('usage', `--after ${show(request.after)} is not understood.`, { hint }));
  }
  const isMoot = request.after !== undefined && answers.length > 0 && !answers.some(({ remembers }) => remembers);
  const moot = `--after ${request.after} makes no difference: the rules remember no client of that endpoint, or have no other to choose.`;
  const notes = isMoot ? [...route.notes, moot] : route.notes;
  return { route: { ...route, notes }, answers, diagnostics: distinctOf(known) };
}

/** What was said of the rules of several families, each once. */
function distinctOf(rules: ReadonlyMap<Family, KernelRules>): readonly Diagnostic[] {
  const said = new Map<string, Diagnostic>();
  for (const { diagnostics } of rules.values()) {
    for (const each of diagnostics) said.set(JSON.stringify([each.code, each.object, each.path, each.message]), each);
  }
  return [...said.values()];
}

/** Two ends of one family. */
interface Ends {
  readonly sender: Sender;
  readonly target: Destination;
  readonly family: Family;
  /** An endpoint in canonical text. */
  readonly after: string | undefined;
}

function answerOf(
  around: Surroundings,
  rules: KernelRules,
  request: TraceRequest,
  { sender, target, family, after }: Ends,
): TraceAnswer | Diagnostic {
  const isLocal = localAddresses(around, rules, request, family);
  const packet = packetOf(sender, target, family, isLocal);
  const named: Interface | undefined =
    request.inInterface === undefined ? undefined : { kind: 'named', name: request.inInterface };
  const incoming = sender.incoming === undefined ? undefined : (named ?? sender.incoming);
  try {
    const question: TraceQuestion = {
      packet,
      incoming,
      established: request.established,
      world: {
        family,
        isLocal,
        routeLocalnet: rules.routeLocalnet ?? false,
        overBridge: undefined,
        outInterface: request.outInterface,
        after,
      },
    };
    const trace = tracePacket(rules.functions, question);
    const anew = (): Trace =>
      tracePacket(rules.functions, { ...question, world: { ...question.world, after: undefined } });
    const remembers = after !== undefined && !sameFates(anew(), trace);
    return {
      packet,
      sender,
      target,
      toNode: isLocal(packet.destination) || isOfNode(packet.destination, around),
      incoming,
      trace,
      remembers,
    };
  } catch (error) {
    if (!(error instanceof UnknownRule)) throw error;
    return unknownRule(error);
  }
}

function unknownRule({ rule, reason }: UnknownRule): Diagnostic {
  const line = rule.line === undefined ? '' : ` (line ${rule.line})`;
  const message = `the packet meets a rule that cannot be judged: ${rule.table} ${rule.chain}${line}: \`${rule.text}\`: ${reason}.`;
  const [, way] = /interface by which the packet (comes|leaves)/.exec(reason) ?? [];
  const hint = way === undefined ? undefined : `Name the interface with --${way === 'comes' ? 'in' : 'out'}-interface.`;
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

/** An endpoint in canonical text, with its family. */
function readEndpoint(text: string): { readonly family: Family; readonly place: string } | undefined {
  const [, host = '', port = ''] = /^\[?([^\]]*?)\]?:(\d{1,5})$/.exec(text) ?? [];
  const ip = parseIp(host);
  return ip === undefined ? undefined : { family: ip.family, place: joinHostPort(ip.text, ip.family, Number(port)) };
}

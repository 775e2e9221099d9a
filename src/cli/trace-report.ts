/** A trace for people and for programs. */
import { printFraction } from '../backends/packet/fraction.js';
import type { RuleReference, Step } from '../backends/packet/packet.js';
import type { Fate, Outcome } from '../backends/packet/walk.js';
import type { TraceAnswer } from '../inspect/ask.js';
import type { Surroundings } from '../inspect/ends.js';
import { reasonOf } from '../inspect/reasons.js';
import type { Route } from '../inspect/route.js';
import { type ServiceNames, serviceNames } from '../inspect/service-names.js';
import type { FateShare } from '../inspect/trace.js';
import type { Diagnostic } from '../kube/diagnostics.js';
import { joinHostPort } from '../net/ip.js';
import type { Terminal } from './io.js';
import { type Paint, painter } from './paint.js';
import { diagnosticJson, printable } from './report.js';
import { routeJson, routeLines } from './route-report.js';
import { textOf, wrap } from './wrap.js';

/** What is reported. */
export interface ShownTrace {
  readonly route: Route;
  /** One for each destination of the route. */
  readonly answers: readonly TraceAnswer[];
  readonly around: Surroundings;
  /** Which rules these are. */
  readonly rules: string;
}

/** What is reported of one destination. */
interface ShownAnswer extends Pick<ShownTrace, 'around' | 'rules'> {
  readonly answer: TraceAnswer;
}

/** The report for people: how the destination was found, and for each address what follows; wrapped on a terminal only. */
export function traceText(shown: ShownTrace, terminal: Terminal | undefined): string {
  const width = terminal?.width;
  const route = routeLines(shown.route).flatMap((line) => wrapped(line, width));
  const paint = painter(terminal);
  const blocks = shown.answers.map((answer) => answerLines({ ...shown, answer }, width, paint));
  return [...(route.length === 0 ? [] : [route]), ...blocks].map(textOf).join('\n');
}

/** What was asked, one way with all its rules, then every end. */
function answerLines(shown: ShownAnswer, width: number | undefined, paint: Paint): readonly string[] {
  const { answer, around } = shown;
  const names = serviceNames(around.state);
  const lines = [...wrapped(headline(shown, names), width).map((line) => paint('bold', line)), ''];
  const way = mostInstructive(answer.trace.fates);
  if (way !== undefined) {
    for (const { place, effect, reason } of wayLines(way, names)) {
      lines.push(...besideOrBelow(printable(place), printable(effect), width));
      lines.push(...wrap(printable(reason), REASON, width).map((line) => paint('dim', line)));
    }
    if (way.steps.length === 0) lines.push('no rule matches');
    lines.push('');
  }
  const shares = answer.trace.fates.map((share) => [printFraction(share.probability), share] as const);
  const shareWidth = Math.max(0, ...shares.map(([text]) => text.length));
  for (const [text, { fate }] of shares) {
    const style = fate.kind === 'delivered' ? 'green' : 'red';
    const indent = ' '.repeat(shareWidth + 2);
    const [first = '', ...more] = wrap(printable(fateText(fate, shown)), indent, width);
    lines.push(`${paint('bold', text.padStart(shareWidth))}  ${paint(style, first.slice(indent.length))}`);
    lines.push(...more.map((line) => paint(style, line)));
  }
  if (shares.length === 0) lines.push('No connection can begin, so nothing is established.');
  return lines;
}

function headline({ answer: { packet, sender, toNode, trace }, rules }: ShownAnswer, names: ServiceNames): string {
  const { family, protocol, source, destination, destinationPort } = packet;
  const to = protocol === 'icmp' ? destination : joinHostPort(destination, family, destinationPort);
  const from = sender.name === undefined ? source : `${source} (${sender.name})`;
  const name = names.ofDestination(packet, toNode);
  const service = name === undefined ? '' : ` (${name})`;
  const ways = trace.outcomes.length === 1 ? '' : `: one of ${trace.outcomes.length} ways`;
  return `${protocol} from ${from} to ${to}${service}, through ${rules}${ways}`;
}

/** The one with the most rules; of several the first. */
function mostInstructive(fates: readonly FateShare[]): Outcome | undefined {
  let best: Outcome | undefined;
  for (const { example } of fates) if (best === undefined || example.steps.length > best.steps.length) best = example;
  return best;
}

/** Where an effect stands that has no room beside the rule, and the reason below it. */
const EFFECT = ' '.repeat(17);
const REASON = ' '.repeat(15);

/** Where a rule is and what it does; on two lines where one is too short. */
function besideOrBelow(place: string, effect: string, width: number | undefined): readonly string[] {
  const line = `${place}  ${effect}`;
  return width === undefined || line.length <= width ? [line] : [place.trimEnd(), ...wrap(effect, EFFECT, width)];
}

/** A line without columns; what of it is too long stands deeper than the line itself. */
function wrapped(line: string, width: number | undefined): readonly string[] {
  const indent = /^ */.exec(line)?.[0] ?? '';
  return wrap(printable(line.slice(indent.length)), indent, width, `${indent}  `);
}

/** Longer names of chains would push everything else off the screen. */
const WIDEST_CHAIN = 48;

/** The rules of a way with their reasons. */
function wayLines({ steps }: Outcome, names: ServiceNames): readonly WayLine[] {
  if (steps.length === 0) return [];
  // Where all rules are in one table its name says nothing.
  const oneTable = new Set(steps.map(({ rule }) => rule.table)).size === 1;
  const chains = steps.map(({ rule }) => (oneTable ? rule.chain : `${rule.table} ${rule.chain}`));
  const width = Math.min(WIDEST_CHAIN, Math.max(...chains.map((chain) => chain.length)));
  let hook = '';
  return steps.map((step, i) => {
    const shownHook = step.hook === hook ? '' : step.hook;
    hook = step.hook;
    const place = `${shownHook.padEnd(11)}  ${(chains[i] ?? '').padEnd(width)}`;
    return { place, effect: step.effect, reason: reasonOf(step, names) };
  });
}

/** One rule on the way. */
interface WayLine {
  /** The hook, where it is another than before, and the chain; in columns. */
  readonly place: string;
  readonly effect: string;
  /** `''` for none. */
  readonly reason: string;
}

function fateText(fate: Fate, { answer: { packet }, around }: ShownAnswer): string {
  if (fate.kind === 'rejected') return `rejected by ${ruleText(fate.by)}: the sender is told at once`;
  if (fate.kind === 'dropped') return `dropped by ${ruleText(fate.by)}: nobody is told`;
  const { address, port, chosenBy, sourceNat } = fate;
  const place = packet.protocol === 'icmp' ? address : joinHostPort(address, packet.family, port);
  const pod = around.pods.at(address);
  const to = pod === undefined ? place : `${place} (pod ${pod.name})`;
  const source =
    sourceNat === undefined
      ? `source ${packet.source} kept`
      : `source ${sourceNat.address ?? 'masqueraded as an address of the node'} by ${ruleText(sourceNat.by)}`;
  const itself = sourceNat === undefined && chosenBy !== undefined && address === packet.source;
  const warning = itself ? '; the pod drops it, as it seems to come from itself' : '';
  return `${chosenBy === undefined ? 'not touched' : 'delivered'}: to ${to}, ${source}${warning}`;
}

function ruleText({ table, chain }: RuleReference): string {
  return `${table} ${chain}`;
}

/** The report for programs; docs/schema/trace.json describes it. */
export function traceJson(shown: ShownTrace | undefined, diagnostics: readonly Diagnostic[]): string {
  const result = {
    route: shown === undefined ? undefined : routeJson(shown.route),
    traces: shown === undefined ? [] : shown.answers.map((answer) => answerJson(answer, shown)),
    diagnostics: diagnostics.map(diagnosticJson),
  };
  return `${JSON.stringify(result, undefined, 2)}\n`;
}

function answerJson({ packet, sender, toNode, trace }: TraceAnswer, { around, rules }: ShownTrace): unknown {
  const names = serviceNames(around.state);
  return {
    rules,
    packet: {
      family: packet.family,
      protocol: packet.protocol,
      source: packet.source,
      sender: sender.name,
      destination: packet.destination,
      port: packet.protocol === 'icmp' ? undefined : packet.destinationPort,
      service: names.ofDestination(packet, toNode),
    },
    fates: trace.fates.map(({ probability, fate, example }) => ({
      probability: printFraction(probability),
      ...fateJson(fate, around),
      way: example.steps.map((step) => stepJson(step, names)),
    })),
  };
}

function fateJson(fate: Fate, { pods }: Surroundings): object {
  if (fate.kind !== 'delivered') return { fate: fate.kind, by: fate.by };
  const { address, port, chosenBy, sourceNat } = fate;
  return {
    fate: chosenBy === undefined ? 'untouched' : 'delivered',
    address,
    port,
    pod: pods.at(address)?.name,
    by: chosenBy,
    source: sourceNat === undefined ? 'kept' : 'masqueraded',
    sourceAddress: sourceNat?.address,
    sourceBy: sourceNat?.by,
  };
}

function stepJson(step: Step, names: ServiceNames): object {
  const { hook, rule, effect } = step;
  const reason = reasonOf(step, names);
  return { hook, ...rule, effect, reason: reason === '' ? undefined : reason };
}

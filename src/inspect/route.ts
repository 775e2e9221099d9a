/** From what is typed behind --to, an address, a Service, a name or a URL, to the addresses that packets are sent to. */
import { type Diagnostic, diagnostic, hasErrors } from '../kube/diagnostics.js';
import { readIngresses } from '../kube/ingress.js';
import { parseIp } from '../net/ip.js';
import {
  addressReached,
  answered,
  isDiagnostics,
  notAsked,
  placeReached,
  type Question,
  type Reached,
  type RouteRequest,
} from './destinations.js';
import { readDomain } from './dns.js';
import { isUnresolved, type Place, readPlace, resolveSender, type Sender, type Surroundings, usage } from './ends.js';
import type { IngressDecision } from './ingress.js';
import { ingressRoute } from './ingress-route.js';
import { isBelow, lookUp, resolverOf } from './resolver.js';
import { readUrl, type Url } from './url.js';

/** Where packets go, and how that came about. */
export interface Route extends Reached {
  readonly sender: Sender;
  readonly url: Url | undefined;
  /** What the Ingress controllers do, one entry a class; empty where none has to do with it. */
  readonly ingress: readonly IngressDecision[];
}

/** A route, or why there is none. */
export type Routed = Route | readonly Diagnostic[];

/** Finds where packets from one end to the other go. */
export function findRoute(request: RouteRequest, around: Surroundings): Routed {
  const domain = readDomain({ zone: request.zone });
  if ('severity' in domain) return [domain];
  const question: Question = { request, around, domain };
  const sender = request.from === undefined ? undefined : resolveSender(request.from, around);
  if (sender !== undefined && isUnresolved(sender)) return [sender];
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(request.to)) return urlRoute(question, sender);
  if (sender === undefined) return [noSender()];
  const place = readPlace(request.to, around);
  return routeOf(sender, placeReached(question, sender, place));
}

function noSender(): Diagnostic {
  const hint = 'Say who sends with --from; only a URL that goes through an Ingress does without.';
  return diagnostic('usage', '--from is missing.', { hint });
}

function routeOf(sender: Sender, reached: Reached | readonly Diagnostic[], url?: Url): Routed {
  return isDiagnostics(reached) ? reached : { ...reached, sender, url, ingress: [] };
}

function urlRoute(question: Question, sender: Sender | undefined): Routed {
  const { request, around, domain } = question;
  const url = readUrl(request.to);
  if (typeof url === 'string') return [usage('to', request.to, url)];
  const place: Place = { host: url.hostText, port: String(url.port), protocol: 'tcp' };
  const ip = parseIp(url.hostText);
  if (ip !== undefined) {
    if (sender === undefined) return [noSender()];
    return routeOf(sender, addressReached(question, ip, place), url);
  }
  const diagnostics: Diagnostic[] = [];
  const resolver = resolverOf(sender, around, domain, diagnostics);
  if (hasErrors(diagnostics)) return diagnostics;
  const lookup = 'reason' in resolver ? resolver : lookUp(url.hostText, resolver, around, domain, diagnostics);
  if (hasErrors(diagnostics)) return diagnostics;
  const isKnown = !('reason' in lookup) && (lookup.addresses.length > 0 || lookup.outside !== undefined);
  if (isKnown || isBelow(`${url.host}.`, domain)) {
    if ('reason' in lookup) return [notAsked(request.to, lookup)];
    if (sender === undefined) return [noSender()];
    return routeOf(sender, answered(question, sender, lookup, place), url);
  }
  const ingresses = readIngresses(around.objects, diagnostics);
  if (hasErrors(diagnostics)) return diagnostics;
  const routed = ingressRoute(question, sender, url, ingresses);
  if (isDiagnostics(routed)) return routed;
  if (routed.ends.length === 0 || !('reason' in lookup)) return { ...routed, url };
  return { ...routed, url, notes: [`${lookup.reason}, so ${url.host} was not looked up there.`, ...routed.notes] };
}

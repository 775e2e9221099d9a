/** From an address, a Service or a name behind --to to the addresses that packets are sent to. */

import { type Diagnostic, diagnostic, hasErrors } from '../kube/diagnostics.js';
import { show } from '../kube/fields.js';
import { type Service, serviceKey, servicePortName } from '../kube/service.js';
import type { ServiceEntry } from '../kube/state.js';
import { FAMILIES, type Family } from '../net/family.js';
import { type IpAddress, parseIp } from '../net/ip.js';
import { alikeText } from './alike.js';
import { type Domain, serviceName } from './dns-records.js';
import {
  addressTarget,
  choosePort,
  commonFamily,
  type Destination,
  isOfNode,
  isUnresolved,
  type Place,
  type Sender,
  type Surroundings,
  servicePort,
  usage,
} from './ends.js';
import { isBelow, type Lookup, lookUp, type NoResolver, type Resolver, resolverOf } from './resolver.js';
import { addressKind, servicesAt } from './service-names.js';

/** What is asked; texts as they were typed. */
export interface RouteRequest {
  /** Only a URL that goes through an Ingress does without. */
  readonly from: string | undefined;
  readonly to: string;
  readonly family: Family | undefined;
  /** The cluster's domain; `cluster.local` when not given. */
  readonly zone?: string | undefined;
  /** Only Ingresses of this class are looked at. */
  readonly ingressClass?: string | undefined;
}

/** What the steps below are about. */
export interface Question {
  readonly request: RouteRequest;
  readonly around: Surroundings;
  readonly domain: Domain;
}

/** Where packets go, and how that was found. */
export interface Reached {
  /** The question to the cluster's DNS, where there was one that decided. */
  readonly lookup: Lookup | undefined;
  /** Each is sent to by some client, or at some time; empty where nothing gets as far as to the rules. */
  readonly destinations: readonly Destination[];
  /** What ends before it gets to the rules, a sentence each. */
  readonly ends: readonly string[];
  readonly notes: readonly string[];
}

/** Nothing found yet. */
export const NOTHING: Reached = { lookup: undefined, destinations: [], ends: [], notes: [] };

/** Whether errors are all there is. */
export function isDiagnostics(reached: object): reached is readonly Diagnostic[] {
  return Array.isArray(reached);
}

/** An address, a Service, or a name as the sender looks it up. */
export function placeReached(question: Question, sender: Sender, place: Place): Reached | readonly Diagnostic[] {
  const { request, around } = question;
  const ip = parseIp(place.host);
  if (ip !== undefined) return addressReached(question, ip, place);
  const service = place.host.includes('/') ? around.state.services.get(place.host)?.service : undefined;
  if (service !== undefined) return serviceReached(question, sender, service, place);
  if (place.host === '' || place.host.includes('/')) {
    const what = 'It is neither an address with a port, nor a name, nor a Service that is given (namespace/name).';
    const services = Array.from(around.state.services.values(), (entry) => entry.service);
    const alike = place.host === '' ? undefined : alikeText(place.host, services);
    const hint = alike === undefined ? what : `${what} ${alike}`;
    return [usage('to', request.to, hint)];
  }
  return nameReached(question, sender, place);
}

/** An address, with what there is to say about a port that no Service has there. */
export function addressReached(
  { request, around }: Question,
  ip: IpAddress,
  place: Place,
): Reached | readonly Diagnostic[] {
  const target = addressTarget(request.to, ip, place);
  if (isUnresolved(target)) return [target];
  // Other ports of a node's own address are none of the Service's business that has it as external IP.
  const services = isOfNode(ip.text, around) ? [] : servicesAt(around.state, ip);
  const notes = services.map((service) => {
    const whose = `Service ${serviceKey(service)}, whose ${addressKind(service, ip)} this is,`;
    const chosen = choosePort(request.to, whose, service.ports, place.port, target.protocol);
    return isUnresolved(chosen) ? undefined : chosen.note;
  });
  // With several Services at one address one of them may have the port.
  return destinationReached({ ...target, note: notes.includes(undefined) ? undefined : notes[0] });
}

/** The one destination, with what there is to say about its port. */
function destinationReached(destination: Destination | Diagnostic): Reached | readonly Diagnostic[] {
  if (isUnresolved(destination)) return [destination];
  const notes = destination.note === undefined ? [] : [destination.note];
  return { ...NOTHING, destinations: [destination], notes };
}

/** A Service that is meant itself; where it has no cluster IP, what its name in DNS leads to. */
export function serviceReached(
  question: Question,
  sender: Sender,
  service: Service,
  place: Place,
): Reached | readonly Diagnostic[] {
  const { request, domain } = question;
  if (FAMILIES.some((family) => service.clusterIPs[family] !== undefined)) {
    return destinationReached(servicePort(request.to, service, place.port, place.protocol));
  }
  const resolver: Resolver = { of: sender.name ?? 'the sender', searches: [], ndots: 1, assumed: undefined };
  return lookedUp(question, sender, serviceName(service, domain), resolver, place);
}

/** A name as the sender looks it up. */
function nameReached(question: Question, sender: Sender, place: Place): Reached | readonly Diagnostic[] {
  const { request, around, domain } = question;
  const { state, namespace } = around;
  if (state.services.size === 0) {
    const hint = 'Give the Services with -f; a dump alone does not tell what names lead to.';
    return [usage('to', request.to, `It is no address, and to look names up the objects are needed. ${hint}`)];
  }
  const diagnostics: Diagnostic[] = [];
  const resolver = resolverOf(sender, around, domain, diagnostics);
  if (hasErrors(diagnostics)) return diagnostics;
  if (!('reason' in resolver)) return lookedUp(question, sender, place.host, resolver, place);
  // From a node a Service must be meant, as names are of no use there; a pod asks for names, and would get no answer.
  const meant = sender.pod === undefined ? state.services.get(`${namespace}/${place.host}`)?.service : undefined;
  if (meant === undefined) return [notAsked(request.to, resolver)];
  const reached = serviceReached(question, sender, meant, place);
  if (isDiagnostics(reached)) return reached;
  const note = `${resolver.reason}: ${place.host} is taken as Service ${serviceKey(meant)}.`;
  return { ...reached, notes: [note, ...reached.notes] };
}

/** The error that a sender does not ask the cluster's DNS. */
export function notAsked(text: string, { reason, hint }: NoResolver): Diagnostic {
  return diagnostic('unknown-name', `--to ${show(text)}: ${reason}.`, { hint });
}

function lookedUp(
  question: Question,
  sender: Sender,
  name: string,
  resolver: Resolver,
  place: Place,
): Reached | readonly Diagnostic[] {
  const { around, domain } = question;
  const diagnostics: Diagnostic[] = [];
  const lookup = lookUp(name, resolver, around, domain, diagnostics);
  if (hasErrors(diagnostics)) return diagnostics;
  return answered(question, sender, lookup, place);
}

/** The destinations that an answer of DNS gives, or why it gives none. */
export function answered(
  question: Question,
  sender: Sender,
  lookup: Lookup,
  place: Place,
): Reached | readonly Diagnostic[] {
  const { request } = question;
  const { outside, addresses } = lookup;
  const assumed = assumedNotes(lookup);
  if (outside !== undefined) {
    const end =
      `${withoutDot(lookup.name)} is an alias of ${withoutDot(outside)}, which is outside the cluster: its addresses are not ` +
      'known here, and no rule of kube-proxy touches packets to them unless a Service has one of them.';
    return { lookup, destinations: [], ends: [end], notes: assumed };
  }
  if (addresses.length === 0) return [unknownName(lookup, question)];
  const target = { addresses, port: 0, protocol: 'tcp', service: undefined, note: undefined } as const;
  const common = commonFamily(sender, target, request.family);
  if (isUnresolved(common)) return [common];
  const followed = addresses.filter(
    ({ family }) =>
      (request.family ?? family) === family && sender.addresses.some((address) => address.family === family),
  );
  const found = followed.map((address) => endOf(request.to, address, lookup.entry, place));
  const destinations = found.flatMap((each) => (isUnresolved(each) ? [] : [each]));
  const failed = found.flatMap((each) => (isUnresolved(each) ? [each] : []));
  if (destinations.length === 0) return failed.slice(0, 1);
  const said = [...destinations.flatMap(({ note }) => note ?? []), ...failed.flatMap(({ hint }) => hint ?? [])];
  const notes = [
    ...assumed,
    ...headlessNotes(lookup.entry),
    ...familyNotes(addresses, followed, request.family),
    ...new Set(said),
  ];
  return { lookup, destinations, ends: [], notes };
}

/** What was assumed of the sender, where the answer depends on it: that is its namespace. */
function assumedNotes({ resolver: { assumed, searches }, name, tried }: Lookup): readonly string[] {
  return assumed !== undefined && tried.at(-1) === `${name.toLowerCase()}.${searches[0]}` ? [assumed] : [];
}

/** That a Service is headless explains why rules do nothing. */
function headlessNotes(entry: ServiceEntry | undefined): readonly string[] {
  if (entry?.service.headless !== true) return [];
  const key = serviceKey(entry.service);
  return [`Service ${key} is headless: DNS gives the addresses of its endpoints, so there is nothing to translate.`];
}

function familyNotes(
  addresses: readonly IpAddress[],
  followed: readonly IpAddress[],
  asked: Family | undefined,
): readonly string[] {
  const notes: string[] = [];
  const families = new Set(followed.map(({ family }) => family));
  const left = addresses.filter(({ family }) => !families.has(family));
  if (left.length > 0 && asked === undefined) {
    notes.push(
      `not followed, as the sender has no address of that family: ${left.map(({ text }) => text).join(', ')}.`,
    );
  }
  if (families.size > 1) notes.push('the sender and the name have both IP families, so both are followed.');
  if (followed.length > families.size) {
    notes.push(`DNS gives ${followed.length} addresses and the client picks one of them: each is followed.`);
  }
  return notes;
}

/** One address of an answer with its port. */
function endOf(
  text: string,
  address: IpAddress,
  entry: ServiceEntry | undefined,
  { port, protocol }: Place,
): Destination | Diagnostic {
  if (entry === undefined) return addressTarget(text, address, { host: address.text, port, protocol });
  const { service, slices } = entry;
  const key = serviceKey(service);
  if (service.clusterIPs[address.family] === address.text) {
    const destination = servicePort(text, service, port, protocol);
    return isUnresolved(destination) ? destination : { ...destination, addresses: [address] };
  }
  const listed = slices
    .filter((slice) => slice.endpoints.some((endpoint) => endpoint.ready && endpoint.address === address.text))
    .flatMap((slice) => slice.ports);
  const chosen = choosePort(text, `an endpoint of Service ${key}`, listed, port, protocol);
  if (isUnresolved(chosen)) return chosen;
  const { name, note, ...rest } = chosen;
  const isOfService = service.ports.some((each) => each.port === chosen.port);
  const untranslated = `Nothing translates the ports of a headless Service such as ${key}: the client needs that of the endpoint.`;
  return {
    ...rest,
    addresses: [address],
    service: servicePortName(service, name),
    note: note !== undefined && isOfService ? `${note} ${untranslated}` : note,
  };
}

/** An absolute name as people write it. */
function withoutDot(name: string): string {
  return name.replace(/\.$/, '');
}

/** Most names of Services that an error mentions. */
const MOST_MENTIONED = 5;

function unknownName(lookup: Lookup, { request, around, domain }: Question): Diagnostic {
  const { tried, records, nearly } = lookup;
  if (tried.length === 0) return usage('to', request.to, `${show(lookup.name)} is no name that DNS could have.`);
  const inside = tried.filter((name) => isBelow(name, domain)).map(withoutDot);
  const outside = tried.filter((name) => !isBelow(name, domain)).map(withoutDot);
  const parts = [
    inside.length === 0 ? [] : [`no address in DNS for ${inside.join(', ')}`],
    outside.length === 0 ? [] : [`${outside.join(', ')} is outside ${withoutDot(domain.zone)}`],
    ...records.map(({ name, data }) => [`${withoutDot(name)} is an alias of ${withoutDot(data)}`]),
    ...nearly.map(({ service, why }) => [`Service ${service}: ${why}`]),
  ].flat();
  const label = lookup.name.split('.')[0]?.toLowerCase();
  const alike = [...around.state.services.values()].filter(({ service }) => service.name === label);
  const names = alike.slice(0, MOST_MENTIONED).map(({ service }) => `${service.name}.${service.namespace}`);
  const hint =
    names.length > 0 && nearly.length === 0
      ? `There is ${names.join(', ')}.`
      : 'What is outside the cluster is not known here: name it by its address.';
  return diagnostic('unknown-name', `--to ${show(request.to)}: ${parts.join('; ')}.`, { hint });
}

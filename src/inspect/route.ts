/** From what is typed behind --to, an address, a Service, a name or a URL, to the addresses that packets are sent to. */
import { type Diagnostic, diagnostic, hasErrors } from '../kube/diagnostics.js';
import { show } from '../kube/fields.js';
import { type Ingress, readIngresses } from '../kube/ingress.js';
import { type Service, serviceKey, servicePortName } from '../kube/service.js';
import { createAddressPool } from '../kube/simulate/pool.js';
import type { ServiceEntry } from '../kube/state.js';
import { FAMILIES, type Family } from '../net/family.js';
import { type IpAddress, parseIp } from '../net/ip.js';
import { readDomain } from './dns.js';
import { type Domain, serviceName } from './dns-records.js';
import {
  addressTarget,
  choosePort,
  commonFamily,
  type Destination,
  isUnresolved,
  type Place,
  portOf,
  readPlace,
  resolveSender,
  type Sender,
  type Surroundings,
  servicePort,
  usage,
} from './ends.js';
import { decideIngress, type IngressClaim, type IngressDecision } from './ingress.js';
import { isBelow, type Lookup, lookUp, type NoResolver, type Resolver, resolverOf } from './resolver.js';
import { readUrl, type Url } from './url.js';

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

/** Where packets go, and how that came about. */
export interface Route {
  readonly sender: Sender;
  /** The question to the cluster's DNS, where there was one that decided. */
  readonly lookup: Lookup | undefined;
  readonly url: Url | undefined;
  /** What the Ingress controllers do, one entry a class; empty where none has to do with it. */
  readonly ingress: readonly IngressDecision[];
  /** Each is sent to by some client, or at some time; empty where nothing gets as far as to the rules. */
  readonly destinations: readonly Destination[];
  /** What ends before it gets to the rules, a sentence each. */
  readonly ends: readonly string[];
  readonly notes: readonly string[];
}

/** A route, or why there is none. */
export type Routed = Route | readonly Diagnostic[];

/** Whether there is no route. */
export function isNoRoute(routed: Routed): routed is readonly Diagnostic[] {
  return Array.isArray(routed);
}

/** What all steps below are about. */
interface Question {
  readonly request: RouteRequest;
  readonly around: Surroundings;
  readonly domain: Domain;
}

/** What a destination that was found adds to a route. */
type Reached = Pick<Route, 'lookup' | 'destinations' | 'ends' | 'notes'>;

const NOTHING: Reached = { lookup: undefined, destinations: [], ends: [], notes: [] };

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

function routeOf(sender: Sender, reached: Reached | readonly Diagnostic[], rest: Partial<Route> = {}): Routed {
  if (isDiagnostics(reached)) return reached;
  return { sender, url: undefined, ingress: [], ...reached, ...rest, notes: [...(rest.notes ?? []), ...reached.notes] };
}

function isDiagnostics(reached: Reached | readonly Diagnostic[]): reached is readonly Diagnostic[] {
  return Array.isArray(reached);
}

function placeReached(question: Question, sender: Sender, place: Place): Reached | readonly Diagnostic[] {
  const { request, around } = question;
  const ip = parseIp(place.host);
  if (ip !== undefined) return destinationReached(addressTarget(request.to, ip, place));
  const service = place.host.includes('/') ? around.state.services.get(place.host)?.service : undefined;
  if (service !== undefined) return serviceReached(question, sender, service, place);
  if (place.host === '' || place.host.includes('/')) {
    const hint = 'It is neither an address with a port, nor a name, nor a Service that is given (namespace/name).';
    return [usage('to', request.to, hint)];
  }
  return nameReached(question, sender, place);
}

function destinationReached(destination: Destination | Diagnostic): Reached | readonly Diagnostic[] {
  if (isUnresolved(destination)) return [destination];
  const notes = destination.note === undefined ? [] : [destination.note];
  return { ...NOTHING, destinations: [destination], notes };
}

/** A Service that is meant itself; where it has no cluster IP, what its name in DNS leads to. */
function serviceReached(
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
  // Of a node nobody expects DNS of the cluster, and a Service must be meant; a pod would be told that there is no such name.
  const meant = sender.pod === undefined ? state.services.get(`${namespace}/${place.host}`)?.service : undefined;
  if (meant === undefined) return [notAsked(request.to, resolver)];
  const reached = serviceReached(question, sender, meant, place);
  if (isDiagnostics(reached)) return reached;
  const note = `${resolver.reason}: ${place.host} is taken as Service ${serviceKey(meant)}.`;
  return { ...reached, notes: [note, ...reached.notes] };
}

function notAsked(text: string, { reason, hint }: NoResolver): Diagnostic {
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
function answered(question: Question, sender: Sender, lookup: Lookup, place: Place): Reached | readonly Diagnostic[] {
  const { request } = question;
  const { outside, addresses } = lookup;
  const assumed = assumedNotes(lookup);
  if (outside !== undefined) {
    const end =
      `${lookup.name} is an alias of ${withoutDot(outside)}, which is outside the cluster: its addresses are not ` +
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
  const found = followed.map((address) => endOf(request.to, address, lookup.entries[0], place));
  const destinations = found.flatMap((each) => (isUnresolved(each) ? [] : [each]));
  const failed = found.flatMap((each) => (isUnresolved(each) ? [each] : []));
  if (destinations.length === 0) return failed.slice(0, 1);
  const said = [...destinations.flatMap(({ note }) => note ?? []), ...failed.flatMap(({ hint }) => hint ?? [])];
  const notes = [
    ...assumed,
    ...headlessNotes(lookup.entries),
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
function headlessNotes([entry]: Lookup['entries']): readonly string[] {
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
    notes.push(`not followed, as the sender has no such address: ${left.map(({ text }) => text).join(', ')}.`);
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
  const { tried, entries, records, diagnostics } = lookup;
  if (tried.length === 0) return usage('to', request.to, `${show(lookup.name)} is no name that DNS could have.`);
  const inside = tried.filter((name) => isBelow(name, domain)).map(withoutDot);
  const outside = tried.filter((name) => !isBelow(name, domain)).map(withoutDot);
  const parts = [
    inside.length === 0 ? [] : [`no address in DNS for ${inside.join(', ')}`],
    outside.length === 0 ? [] : [`${outside.join(', ')} is outside ${withoutDot(domain.zone)}`],
    ...records.map(({ name, data }) => [`${withoutDot(name)} is an alias of ${withoutDot(data)}`]),
    ...entries.map(({ service }, i) => {
      const why = diagnostics[i]?.message.replace(/\.$/, '') ?? 'it has no such record';
      return [`Service ${serviceKey(service)}: ${why}`];
    }),
  ].flat();
  const label = lookup.name.split('.')[0]?.toLowerCase();
  const alike = [...around.state.services.values()].filter(({ service }) => service.name === label);
  const names = alike.slice(0, MOST_MENTIONED).map(({ service }) => `${service.name}.${service.namespace}`);
  const hint =
    names.length > 0 && entries.length === 0
      ? `There is ${names.join(', ')}.`
      : 'What is outside the cluster is not known here: name it by its address.';
  return diagnostic('unknown-name', `--to ${show(request.to)}: ${parts.join('; ')}.`, { hint });
}

function urlRoute(question: Question, sender: Sender | undefined): Routed {
  const { request, around, domain } = question;
  const url = readUrl(request.to);
  if (typeof url === 'string') return [usage('to', request.to, url)];
  const place: Place = { host: url.hostText, port: String(url.port), protocol: 'tcp' };
  const ip = parseIp(url.hostText);
  if (ip !== undefined) {
    if (sender === undefined) return [noSender()];
    return routeOf(sender, destinationReached(addressTarget(request.to, ip, place)), { url });
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
    return routeOf(sender, answered(question, sender, lookup, place), { url });
  }
  const ingresses = readIngresses(around.objects, diagnostics);
  if (hasErrors(diagnostics)) return diagnostics;
  const routed = ingressRoute(question, sender, url, ingresses);
  if (isNoRoute(routed) || routed.ends.length === 0 || !('reason' in lookup)) return routed;
  return { ...routed, notes: [`${lookup.reason}, so ${url.host} was not looked up there.`, ...routed.notes] };
}

function ingressRoute(question: Question, given: Sender | undefined, url: Url, all: readonly Ingress[]): Routed {
  const { request, around } = question;
  if (all.length === 0) {
    const message = `--to ${show(request.to)}: ${url.host} is no name of the cluster’s DNS, and there is no Ingress.`;
    return [diagnostic('unknown-name', message, { hint: 'Give Ingresses (networking.k8s.io/v1) with -f.' })];
  }
  const { ingressClass } = request;
  const ingresses = all.filter(({ className }) => ingressClass === undefined || className === ingressClass);
  if (ingresses.length === 0) {
    const classes = [...new Set(all.map(({ className }) => className ?? 'none'))].sort();
    const hint = `Their classes: ${classes.map((each) => (/^[\w./-]+$/.test(each) ? each : show(each))).join(', ')}.`;
    return [diagnostic('usage', `--ingress-class ${show(ingressClass)}: there is no Ingress of this class.`, { hint })];
  }
  const sender = given ?? assumedController(around);
  if (sender === undefined) {
    const hint = 'Name the pod of the Ingress controller with --from; no podCIDR of the node is known.';
    return [diagnostic('usage', 'nothing tells which pod sends for the Ingress.', { hint })];
  }
  const decisions = decideIngress(ingresses, url);
  const deciding = decisions.filter(({ matches }) => matches.length > 0);
  if (deciding.length === 0) {
    const end =
      'no Ingress claims this request: the controller answers it itself (most with 404), and nothing is sent to a Service.';
    return routeOf(sender, { ...NOTHING, ends: [end] }, { url, ingress: decisions });
  }
  const reached = deciding.flatMap(({ matches }) => matches).map((claim) => backendReached(question, sender, claim));
  const failed = reached.filter(isDiagnostics).flat();
  if (failed.length > 0) return failed;
  const good = reached.flatMap((each) => (isDiagnostics(each) ? [] : [each]));
  const destinations = good.flatMap((each) => each.destinations);
  const notes = [
    ...classNotes(deciding, url),
    ...(destinations.length === 0 ? [] : controllerNotes(given, sender)),
    ...new Set(good.flatMap((each) => each.notes)),
  ];
  const lookup = good.find((each) => each.lookup !== undefined)?.lookup;
  return { sender, lookup, url, ingress: deciding, destinations, ends: good.flatMap((each) => each.ends), notes };
}

function classNotes(decisions: readonly IngressDecision[], { host }: Url): readonly string[] {
  if (decisions.length < 2) return [];
  const names = decisions.map(({ className }) => className ?? 'without a class').join(', ');
  return [
    `Ingresses of several classes claim this request (${names}): which controller gets it depends on where ${host} leads; choose with --ingress-class.`,
  ];
}

function controllerNotes(given: Sender | undefined, sender: Sender): readonly string[] {
  const address = sender.addresses[0]?.text;
  const who =
    given === undefined
      ? `which pod the Ingress controller is was not said: ${address}, a free address among this node’s pods, stands for it (name it with --from).`
      : `the Ingress controller sends to the Service, not the client: --from is taken for it.`;
  return [
    who,
    'many controllers (ingress-nginx among them) send to the endpoints themselves, and so past these rules.',
  ];
}

/** An address of a pod of this node that no pod is known to have. */
function assumedController({ node, pods }: Surroundings): Sender | undefined {
  const addresses = node.podCIDRs.flatMap((cidr) => {
    // The first address is the node's own end of its pod network with most network plugins.
    const pool = createAddressPool(cidr, 1, 2);
    let ip = pool.takeLowest();
    while (ip !== undefined && pods.at(ip.text) !== undefined) ip = pool.takeLowest();
    return ip ?? [];
  });
  if (addresses.length === 0) return undefined;
  const name = 'a pod of this node, assumed for the Ingress controller';
  return { addresses, name, incoming: { kind: 'pod' }, pod: undefined, isNode: false };
}

/** Where a controller sends what a claim gets. */
function backendReached(
  question: Question,
  sender: Sender,
  { ingress, backend }: IngressClaim,
): Reached | readonly Diagnostic[] {
  const ends = (end: string): Reached => ({ ...NOTHING, ends: [end] });
  if (backend === undefined || backend.kind === 'resource') {
    return ends(
      `the backend is ${show(backend?.name)}, no Service: the controller serves it itself, and no rule of kube-proxy plays a part.`,
    );
  }
  const key = `${ingress.slice(0, ingress.indexOf('/'))}/${backend.name}`;
  const service = question.around.state.services.get(key)?.service;
  if (service === undefined) {
    return ends(
      `Service ${key} is not there, or was not given: without it the controller answers with an error (most with 503).`,
    );
  }
  const listed = service.ports.find(
    (each) => each.protocol === 'TCP' && (each.port === backend.port || each.name === backend.port),
  );
  // A controller knows which port of the endpoints stands behind the Service's.
  const port = service.headless && listed !== undefined ? listed.name || undefined : String(backend.port);
  const reached = serviceReached(question, sender, service, { host: key, port, protocol: 'tcp' });
  if (isDiagnostics(reached) && reached.every(({ code }) => code === 'unknown-name')) {
    return ends(
      `Service ${key} has neither a cluster IP nor an address in DNS: most controllers answer with 503 then.`,
    );
  }
  if (listed !== undefined || service.type === 'ExternalName') return reached;
  const problem = `the Ingress names port ${backend.port}, which Service ${key} does not have: most controllers answer with 503 then.`;
  if (isDiagnostics(reached)) return portOf(String(backend.port)) === undefined ? ends(problem) : reached;
  return { ...reached, notes: [...reached.notes, problem] };
}

/**
 * Which backend an HTTP request gets by the Ingresses of a cluster, as the API documents it; where the API leaves a
 * choice to the controllers, all there is to choose from.
 */
import type { Ingress, IngressBackend, PathType } from '../kube/ingress.js';
import { groupBy } from '../net/group.js';
import { compareBytes } from '../net/text.js';

/** A request, as far as Ingresses look at it. */
export interface HttpRequest {
  readonly scheme: 'http' | 'https';
  /** In lower case, without a final dot. */
  readonly host: string;
  /** With its first slash, without a query; compared as it stands, percent signs and all. */
  readonly path: string;
}

/** One entry of an Ingress that claims requests: a path of a rule, a rule without paths, or the default backend. */
export interface IngressClaim {
  /** `namespace/name`. */
  readonly ingress: string;
  /** `spec.rules[0].http.paths[1]`. */
  readonly place: string;
  /** undefined for any host. */
  readonly host: string | undefined;
  /** undefined where it claims none: that of the default backend, and of a rule without paths. */
  readonly path: string | undefined;
  readonly pathType: PathType | undefined;
  /** undefined for a rule without paths, which leaves requests to the default backend. */
  readonly backend: IngressBackend | undefined;
}

/** What the controller of one class does with a request. */
export interface IngressDecision {
  /** undefined for Ingresses that name no class. */
  readonly className: string | undefined;
  /** Claims that count, each with another backend: one, none, or several between which the controller chooses. */
  readonly matches: readonly IngressClaim[];
  /** Claims of the host, or of less specific ones, that do not count. */
  readonly others: readonly { readonly claim: IngressClaim; readonly why: string }[];
  /** How many claims are of other hosts. */
  readonly elsewhere: number;
  readonly notes: readonly string[];
}

/** Why a claim does not count whose host fits and whose path does not. */
export const OTHER_PATH = 'its path is another';

/** How specific a host is, the most specific first; undefined where it is another one. */
type Rank = 0 | 1 | 2;

/** Decides for each class; classes without any claim on the request have no matches. */
export function decideIngress(ingresses: readonly Ingress[], request: HttpRequest): readonly IngressDecision[] {
  const classes = groupBy(ingresses, ({ className }) => className ?? '');
  return [...classes].sort(([a], [b]) => compareBytes(a, b)).map(([, each]) => decide(each, request));
}

function decide(unordered: readonly Ingress[], request: HttpRequest): IngressDecision {
  const ingresses = [...unordered].sort((a, b) => compareBytes(keyOf(a), keyOf(b)));
  const claims = ingresses.flatMap(claimsOf);
  const ranked = claims.flatMap((claim) => {
    const rank = hostRank(claim.host, request.host);
    return rank === undefined ? [] : [{ claim, rank }];
  });
  const best = Math.min(...ranked.map(({ rank }) => rank));
  const ofHost = ranked.filter(({ rank }) => rank === best).map(({ claim }) => claim);
  const fitting = ofHost.filter((claim) => pathFits(claim, request.path)).sort(byPrecedence);
  const [first] = fitting;
  const chosen =
    first === undefined ? defaults(ingresses, ofHost) : fitting.filter((claim) => byPrecedence(first, claim) === 0);
  const matches = distinct(chosen);
  const others = ranked.flatMap(({ claim, rank }) => {
    if (matches.includes(claim)) return [];
    return [
      {
        claim,
        why: whyNot(claim, { first, isLess: rank !== best, path: request.path, isTwin: chosen.includes(claim) }),
      },
    ];
  });
  const passed = ranked.find(
    ({ claim, rank }) => first === undefined && rank !== best && pathFits(claim, request.path),
  );
  return {
    className: ingresses[0]?.className,
    matches,
    others,
    elsewhere: claims.length - ranked.length,
    notes: notesOf(request, ingresses, { matches, ofHost, passed: passed?.claim }),
  };
}

function keyOf({ namespace, name }: Ingress): string {
  return `${namespace}/${name}`;
}

function claimsOf(ingress: Ingress): readonly IngressClaim[] {
  return ingress.rules.flatMap(({ host, paths }, i): IngressClaim[] => {
    const about = { ingress: keyOf(ingress), host };
    const place = `spec.rules[${i}]`;
    if (paths.length === 0) return [{ ...about, place, path: undefined, pathType: undefined, backend: undefined }];
    return paths.map((each, j) => ({ ...about, place: `${place}.http.paths[${j}]`, ...each }));
  });
}

/** The default backends that are left for a request: those of Ingresses that have its host, else all of the class. */
function defaults(ingresses: readonly Ingress[], ofHost: readonly IngressClaim[]): readonly IngressClaim[] {
  const having = ingresses.filter(({ defaultBackend }) => defaultBackend !== undefined);
  const own = having.filter((ingress) => ofHost.some((claim) => claim.ingress === keyOf(ingress)));
  return (own.length > 0 ? own : having).map((ingress) => ({
    ingress: keyOf(ingress),
    place: 'spec.defaultBackend',
    host: undefined,
    path: undefined,
    pathType: undefined,
    backend: ingress.defaultBackend,
  }));
}

/** A name before a wildcard, which stands for exactly one label, before a rule for any host. */
function hostRank(host: string | undefined, asked: string): Rank | undefined {
  if (host === undefined) return 2;
  if (coversHost(host, asked)) return host.startsWith('*.') ? 1 : 0;
  return undefined;
}

/** Whether a host, or a wildcard for one label, stands for a name. */
function coversHost(host: string, asked: string): boolean {
  if (!host.startsWith('*.')) return host === asked;
  const dot = asked.indexOf('.');
  return dot > 0 && asked.slice(dot) === host.slice(1);
}

/** The elements of a path; a final slash makes no difference. */
function elementsOf(path: string): readonly string[] {
  const inner = path.replace(/^\//, '').replace(/\/$/, '');
  return inner === '' ? [] : inner.split('/');
}

function pathFits({ path, pathType }: IngressClaim, asked: string): boolean {
  if (path === undefined) return false;
  if (pathType === 'Exact') return path === asked;
  const elements = elementsOf(asked);
  return elementsOf(path).every((element, i) => elements[i] === element);
}

/** The longest path first; of those with as many elements an exact one. */
function byPrecedence(a: IngressClaim, b: IngressClaim): number {
  const exact = ({ pathType }: IngressClaim) => (pathType === 'Exact' ? 1 : 0);
  const [one, other] = [a.path ?? '', b.path ?? ''];
  return elementsOf(other).length - elementsOf(one).length || exact(b) - exact(a) || other.length - one.length;
}

/** One claim for each backend. */
function distinct(claims: readonly IngressClaim[]): readonly IngressClaim[] {
  const byBackend = new Map<string, IngressClaim>();
  for (const claim of claims) {
    const { backend, ingress } = claim;
    const namespace = ingress.slice(0, ingress.indexOf('/'));
    const port = backend?.kind === 'service' ? backend.port : '';
    const key = JSON.stringify([namespace, backend?.kind, backend?.name, port]);
    if (!byBackend.has(key)) byBackend.set(key, claim);
  }
  return [...byBackend.values()];
}

interface Missed {
  /** What won, where a path did. */
  readonly first: IngressClaim | undefined;
  /** Its host is less specific than another's. */
  readonly isLess: boolean;
  readonly path: string;
  /** It says the same as one that counts. */
  readonly isTwin: boolean;
}

function whyNot(claim: IngressClaim, { first, isLess, path, isTwin }: Missed): string {
  if (isTwin) return 'it has the same backend';
  if (isLess) return 'its host is less specific';
  if (claim.path === undefined) return 'it has no paths';
  if (!pathFits(claim, path)) return OTHER_PATH;
  if (elementsOf(claim.path).length < elementsOf(first?.path ?? '').length) return 'its path is shorter';
  return first?.pathType === 'Exact' && claim.pathType !== 'Exact'
    ? 'an Exact path goes before'
    : 'its path is shorter';
}

interface Found {
  readonly matches: readonly IngressClaim[];
  readonly ofHost: readonly IngressClaim[];
  /** What would have matched with a less specific host. */
  readonly passed: IngressClaim | undefined;
}

function notesOf(request: HttpRequest, ingresses: readonly Ingress[], found: Found): readonly string[] {
  const { matches, ofHost, passed } = found;
  const notes: string[] = [];
  if (matches.length > 1) {
    notes.push(
      'these claims are equal and their backends are not: the API leaves it to the controller which counts (the oldest with many).',
    );
  }
  if (ofHost.some(({ pathType }) => pathType === 'ImplementationSpecific')) {
    notes.push(
      'ImplementationSpecific paths are taken as Prefix here; what they mean is up to the controller (some take regular expressions).',
    );
  }
  if (passed !== undefined) {
    const { host, path, ingress } = passed;
    notes.push(
      `no path of the most specific host fits; ${host ?? 'any host'} ${path} of Ingress ${ingress} would, and controllers do not agree on whether they go on to it.`,
    );
  }
  if (matches.length > 0) notes.push(...tlsNotes(request, ingresses));
  return notes;
}

function tlsNotes({ scheme, host }: HttpRequest, ingresses: readonly Ingress[]): readonly string[] {
  const covers = (hosts: readonly string[]) => hosts.length === 0 || hosts.some((each) => coversHost(each, host));
  const hasTls = ingresses.some(({ tls }) => tls.some(covers));
  if (scheme === 'https' && !hasTls) {
    return [
      `no Ingress of the class has a tls entry for ${host}: the controller shows a certificate of its own, or refuses.`,
    ];
  }
  if (scheme === 'http' && hasTls)
    return [`there is a tls entry for ${host}: many controllers answer http with a redirect to https.`];
  return [];
}

/** How a destination was found, for people and for programs. */
import { type IngressClaim, type IngressDecision, OTHER_PATH } from '../inspect/ingress.js';
import type { Lookup } from '../inspect/resolver.js';
import type { Route } from '../inspect/route.js';
import type { IngressBackend } from '../kube/ingress.js';

/** The longest list of claims that do not count. */
const MOST_OTHERS = 10;

/** Nothing for a plain address. */
export function routeLines({ url, ingress, lookup, ends, notes }: Route): readonly string[] {
  return [
    ...(url === undefined ? [] : [`${url.scheme} request to host ${url.host}, path ${url.path}`]),
    ...ingress.flatMap(decisionLines),
    ...(lookup === undefined ? [] : lookupLines(lookup)),
    ...notes.map((note) => `note: ${note}`),
    ...ends.map((end) => `end: ${end}`),
  ];
}

function decisionLines({ className, matches, others, elsewhere, notes }: IngressDecision): readonly string[] {
  // Where some path fits, those that do not explain nothing.
  const named = others.filter(({ why }) => why !== OTHER_PATH || matches.every(({ path }) => path === undefined));
  const shown = named.slice(0, MOST_OTHERS);
  const left = named.length - shown.length;
  const far = others.length - named.length;
  return [
    className === undefined ? 'Ingresses without a class' : `Ingress class ${className}`,
    ...matches.map((claim) => `  matches: ${claimWords(claim)} -> ${backendWords(claim.backend)}`),
    ...shown.map(({ claim, why }) => `  not: ${claimWords(claim)}: ${why}`),
    ...(left > 0 ? [`  not: ${left} more`] : []),
    ...(far > 0 ? [`  not: ${far} of other paths`] : []),
    ...(elsewhere > 0 ? [`  not: ${elsewhere} of other hosts`] : []),
    ...notes.map((note) => `  note: ${note}`),
  ];
}

/** `Ingress shop/web spec.rules[0].http.paths[1] (shop.example, /cart Prefix)`. */
function claimWords({ ingress, place, host, path, pathType }: IngressClaim): string {
  const what = place === 'spec.defaultBackend' ? '' : ` (${host ?? 'any host'}${pathWords(path, pathType)})`;
  return `Ingress ${ingress} ${place}${what}`;
}

function pathWords(path: string | undefined, pathType: string | undefined): string {
  return path === undefined ? '' : `, ${path === '' ? 'any path' : path} ${pathType}`;
}

function backendWords(backend: IngressBackend | undefined): string {
  if (backend === undefined) return 'nothing';
  return backend.kind === 'service' ? `Service ${backend.name}:${backend.port}` : backend.name;
}

function lookupLines({ name, resolver, tried, records }: Lookup): readonly string[] {
  const { searches, ndots, of } = resolver;
  const search =
    searches.length === 0 || name.endsWith('.') ? 'as it is' : `search ${searches.join(' ')}, ndots ${ndots}`;
  const missed = tried.slice(0, -1);
  const width = Math.max(...[...missed, ...records.map((record) => record.name)].map((each) => each.length));
  return [
    `${of} looks up ${name}: ${search}`,
    ...missed.map((each) => `  ${each.padEnd(width)}  no such name`),
    ...records.map((record) => `  ${record.name.padEnd(width)}  ${record.type} ${record.data}`),
  ];
}

/** The same as data; docs/schema/trace.json describes it. */
export function routeJson({ url, ingress, lookup, ends, notes }: Route): unknown {
  return {
    url: url === undefined ? undefined : { scheme: url.scheme, host: url.host, port: url.port, path: url.path },
    ingress: ingress.length === 0 ? undefined : ingress.map(decisionJson),
    lookup: lookup === undefined ? undefined : lookupJson(lookup),
    ends,
    notes,
  };
}

function decisionJson({ className, matches, others, elsewhere, notes }: IngressDecision): unknown {
  return {
    class: className,
    matches: matches.map(claimJson),
    others: others.map(({ claim, why }) => ({ ...claimJson(claim), why })),
    elsewhere,
    notes,
  };
}

function claimJson({ ingress, place, host, path, pathType, backend }: IngressClaim): object {
  return { ingress, place, host, path, pathType, backend };
}

function lookupJson({ name, resolver, tried, records }: Lookup): unknown {
  const { of, searches, ndots } = resolver;
  return {
    name,
    by: of,
    searches,
    ndots,
    tried,
    records: records.map(({ name: owner, type, data }) => ({ name: owner, type, data })),
  };
}

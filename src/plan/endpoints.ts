/**
 * Which endpoints a service port has and which of them get its traffic: merging of EndpointSlices, topology hints,
 * terminating endpoints, local endpoints. Mirrors kube-proxy's EndpointSlice cache and its endpoint categories.
 */
import type { EndpointSlice, SliceEndpoint } from '../kube/endpointslice.js';
import type { ServicePort } from '../kube/service.js';
import type { Family } from '../net/family.js';
import { joinHostPort } from '../net/ip.js';
import { compareBytes } from '../net/text.js';

/** One endpoint of one service port. */
export interface Endpoint {
  /** `10.244.1.7:8080` or `[fd00::7]:8080`: identity and sort key. */
  readonly text: string;
  readonly port: number;
  /** On this node. */
  readonly local: boolean;
  /** The slice that gives it. */
  readonly slice: EndpointSlice;
  /** Address, conditions, node and hints, as the slice gives them. */
  readonly source: SliceEndpoint;
}

/** Which ready endpoints are near enough: all, those hinted for this node, or those hinted for its zone. */
export type Topology = 'none' | 'node' | 'zone';

/** The endpoints of a service port as traffic may use them. All lists are in bytewise order of the endpoint text. */
export interface EndpointChoice {
  readonly topology: Topology;
  /** For traffic under policy Cluster. */
  readonly cluster: readonly Endpoint[];
  /** For traffic under policy Local. */
  readonly local: readonly Endpoint[];
  /** Everything that some traffic can reach through this node: the union of the two. */
  readonly reachable: readonly Endpoint[];
  /** Whether there is any usable endpoint anywhere; if not, traffic is rejected rather than dropped. */
  readonly any: boolean;
}

/** Who is asking: the node's name and zone, empty where unknown. */
export interface Viewpoint {
  readonly nodeName: string;
  readonly zone: string;
}

/** The endpoints of one service port, and those that slices give twice with different properties. */
export interface MergedEndpoints {
  readonly endpoints: readonly Endpoint[];
  /** Endpoints whose copies differ, so that kube-proxy's choice between them is left to chance. */
  readonly contradictory: readonly Contradiction[];
}

/** An endpoint that several EndpointSlices give with different conditions, node or hints. */
export interface Contradiction {
  /** The endpoint's text. */
  readonly endpoint: string;
  /** The slices, by name. */
  readonly slices: readonly EndpointSlice[];
}

/**
 * The endpoints of a service port: those of all slices of the family whose port has the same name and protocol.
 * Of several copies of one `address:port` a later one replaces an earlier one unless the later one is terminating.
 * kube-proxy takes the slices in random order; here they come by name, so that the result is the same every time.
 */
export function mergeEndpoints(
  slices: readonly EndpointSlice[],
  servicePort: ServicePort,
  family: Family,
  nodeName: string,
): MergedEndpoints {
  const copies: Endpoint[] = [];
  for (const slice of slices) addSliceEndpoints(copies, slice, servicePort, family, nodeName);
  if (!isSorted(copies)) copies.sort(byText);
  return hasRepeats(copies) ? mergeRepeats(copies) : { endpoints: copies, contradictory: [] };
}

/** Merges sorted copies. Sorting is stable, so the copies of one endpoint still stand in the order of the slices. */
function mergeRepeats(copies: readonly Endpoint[]): MergedEndpoints {
  const endpoints: Endpoint[] = [];
  const contradictory: Contradiction[] = [];
  for (let start = 0; start < copies.length; ) {
    let end = start + 1;
    while (copies[end]?.text === copies[start]?.text) end++;
    const same = copies.slice(start, end);
    const winner = winnerOf(same);
    if (winner !== undefined) endpoints.push(winner);
    if (winner !== undefined && isContradictory(same)) {
      const slices = [...new Set(same.map(({ slice }) => slice))];
      contradictory.push({ endpoint: winner.text, slices });
    }
    start = end;
  }
  return { endpoints, contradictory };
}

/** The last running copy, else the first of all. */
function winnerOf(copies: readonly Endpoint[]): Endpoint | undefined {
  return copies.findLast((each) => !each.source.terminating) ?? copies[0];
}

function byText(a: Endpoint, b: Endpoint): number {
  return compareBytes(a.text, b.text);
}

function isSorted(endpoints: readonly Endpoint[]): boolean {
  return endpoints.every((each, i) => i === 0 || (endpoints[i - 1]?.text ?? '') <= each.text);
}

function hasRepeats(sorted: readonly Endpoint[]): boolean {
  return sorted.some((each, i) => i > 0 && sorted[i - 1]?.text === each.text);
}

function addSliceEndpoints(
  result: Endpoint[],
  slice: EndpointSlice,
  servicePort: ServicePort,
  family: Family,
  nodeName: string,
): void {
  if (slice.family !== family || slice.headless) return;
  for (const { name, protocol, port } of slice.ports) {
    if (name !== servicePort.name || protocol !== servicePort.protocol) continue;
    for (const source of slice.endpoints) {
      const local = nodeName !== '' && source.nodeName === nodeName;
      result.push({ text: joinHostPort(source.address, family, port), port, local, slice, source });
    }
  }
}

/** Whether the order of the slices decides which copy counts; that of the copies within one slice is given. */
function isContradictory(copies: readonly Endpoint[]): boolean {
  const slices = new Set(copies.map((each) => each.slice));
  const candidates = [...slices].flatMap((slice) => winnerOf(copies.filter((each) => each.slice === slice)) ?? []);
  const running = candidates.filter((each) => !each.source.terminating);
  const [first, ...others] = running.length > 0 ? running : candidates;
  return first !== undefined && others.some((each) => !sameProperties(first, each));
}

function sameProperties(a: Endpoint, b: Endpoint): boolean {
  const sameNames = (x: readonly string[], y: readonly string[]) =>
    x.length === y.length && x.every((each, i) => each === y[i]);
  return (
    a.local === b.local &&
    a.source.ready === b.source.ready &&
    a.source.serving === b.source.serving &&
    a.source.terminating === b.source.terminating &&
    sameNames(a.source.zoneHints, b.source.zoneHints) &&
    sameNames(a.source.nodeHints, b.source.nodeHints)
  );
}

/**
 * Sorts the endpoints of a service port into what traffic under policy Cluster and under policy Local uses.
 * @param uses which of the two policies some traffic of the service port is under
 */
export function chooseEndpoints(
  endpoints: readonly Endpoint[],
  uses: { readonly cluster: boolean; readonly local: boolean },
  from: Viewpoint,
): EndpointChoice {
  const topology = uses.cluster ? topologyOf(endpoints, from) : 'none';
  const cluster = uses.cluster ? clusterEndpoints(endpoints, topology, from) : [];
  if (!uses.local) return { topology, cluster, local: [], reachable: cluster, any: cluster.length > 0 };

  const ready = readyOf(endpoints);
  const leaving = endpoints.filter(isLeaving);
  const localReady = ready.filter((each) => each.local);
  const local = localReady.length > 0 ? localReady : leaving.filter((each) => each.local);
  const any = ready.length > 0 || leaving.length > 0;
  return { topology, cluster, local, reachable: union(cluster, local), any };
}

/** The ready ones; the same list where all are, as they mostly are. */
function readyOf(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  return endpoints.every((each) => each.source.ready) ? endpoints : endpoints.filter((each) => each.source.ready);
}

/** Not ready any more, but still answering: the last resort while pods are being replaced. */
function isLeaving(endpoint: Endpoint): boolean {
  return !endpoint.source.ready && endpoint.source.serving && endpoint.source.terminating;
}

/** Terminating endpoints serve where no ready one is left; topology hints play no part then. */
function clusterEndpoints(endpoints: readonly Endpoint[], topology: Topology, from: Viewpoint): readonly Endpoint[] {
  const near =
    topology === 'none' ? readyOf(endpoints) : readyOf(endpoints).filter((each) => isNear(each, topology, from));
  return near.length > 0 ? near : endpoints.filter((each) => each.source.serving && each.source.terminating);
}

function isNear(endpoint: Endpoint, topology: 'node' | 'zone', from: Viewpoint): boolean {
  return topology === 'node'
    ? endpoint.source.nodeHints.includes(from.nodeName)
    : endpoint.source.zoneHints.includes(from.zone);
}

/** Hints count only where every ready endpoint has one of the kind and one of them is for here. */
function topologyOf(endpoints: readonly Endpoint[], from: Viewpoint): Topology {
  const ready = readyOf(endpoints);
  if (ready.length === 0) return 'none';
  const holds = (hints: (endpoint: Endpoint) => readonly string[], here: string) =>
    ready.every((each) => hints(each).length > 0) && ready.some((each) => hints(each).includes(here));
  if (holds((each) => each.source.nodeHints, from.nodeName)) return 'node';
  if (holds((each) => each.source.zoneHints, from.zone)) return 'zone';
  return 'none';
}

function union(a: readonly Endpoint[], b: readonly Endpoint[]): readonly Endpoint[] {
  const all = new Set([...a, ...b]);
  if (all.size === a.length) return a;
  return [...all].sort((x, y) => compareBytes(x.text, y.text));
}

/** Endpoints that are in the rules and should not be, or the other way round: which, and why. */
import type { EndpointSlice } from '../../kube/endpointslice.js';
import type { ClusterState } from '../../kube/state.js';
import type { Family } from '../../net/family.js';
import { joinHostPort, parseIp } from '../../net/ip.js';
import type { Endpoint } from '../../plan/endpoints.js';
import type { NodeFacts } from '../../plan/node.js';
import type { ServicePortPlan } from '../../plan/service-port.js';

/** An endpoint by its text (`10.244.1.7:8080`): one of the service port's, else one made up that no slice has. */
export function endpointOf(text: string, plan: ServicePortPlan): Endpoint | undefined {
  const known = plan.endpoints.find((each) => each.text === text);
  if (known !== undefined) return known;
  const [, bracketed, bare, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const ip = parseIp(bracketed ?? bare ?? '');
  if (ip === undefined || ip.family !== plan.family) return undefined;
  const port = Number(digits);
  const source = {
    address: ip.text,
    ready: true,
    serving: true,
    terminating: false,
    nodeName: undefined,
    hostname: undefined,
    zoneHints: [],
    nodeHints: [],
  };
  return { text: joinHostPort(ip.text, plan.family, port), port, local: false, slice: NO_SLICE, source };
}

const NO_SLICE: EndpointSlice = {
  namespace: '',
  name: '',
  service: undefined,
  family: undefined,
  headless: false,
  ports: [],
  endpoints: [],
  origin: undefined,
  object: { addressType: '', endpoints: [] },
};

/** A service port as if it had these endpoints: a plan that is lowered to the rules that are there. */
export function withEndpoints(
  plan: ServicePortPlan,
  cluster: readonly Endpoint[],
  local: readonly Endpoint[],
  more: Partial<ServicePortPlan>,
): ServicePortPlan {
  const reachable = onceEach([...cluster, ...local]);
  return { ...plan, clusterEndpoints: cluster, localEndpoints: local, reachableEndpoints: reachable, ...more };
}

/** One of each text: of several the last, in the place of the first. */
export function onceEach<T extends { readonly text: string }>(items: readonly T[]): readonly T[] {
  return [...new Map(items.map((item) => [item.text, item])).values()];
}

/** Whether two lists without repetitions are the same but for their order. */
export function sameEndpoints(a: readonly Endpoint[], b: readonly Endpoint[]): boolean {
  return a.length === b.length && endpointsMinus(a, b).length === 0;
}

/** Endpoints of one list that the other lacks. */
export function endpointsMinus(a: readonly Endpoint[], b: readonly Endpoint[]): readonly Endpoint[] {
  const texts = new Set(b.map(({ text }) => text));
  return a.filter(({ text }) => !texts.has(text));
}

/** Why an endpoint that is in the rules should not be there: `it is not ready`. */
export function whyExtra(endpoint: Endpoint, plan: ServicePortPlan, node: NodeFacts, state: ClusterState): string {
  const known = plan.endpoints.find(({ text }) => text === endpoint.text);
  if (known === undefined) return whyUnknown(endpoint, plan, state);
  const { source } = known;
  const slice = sliceText(known.slice);
  if (!source.ready && source.terminating) {
    return source.serving
      ? `it is terminating, and others are ready (${slice})`
      : `it is terminating and serves no more (${slice})`;
  }
  if (!source.ready) return `it is not ready (${slice})`;
  if (plan.topology === 'zone') return `its hints are for ${zonesText(source.zoneHints)}, not ${node.zone}`;
  if (plan.topology === 'node') return `its hints are for other nodes than ${node.nodeName}`;
  if (!known.local) return `it is on ${source.nodeName ?? 'no node'}, and policy Local takes those of this node only`;
  return `no traffic of this kind goes to it (${slice})`;
}

function zonesText(zones: readonly string[]): string {
  return zones.length === 0 ? 'no zone' : `zone ${zones.join(', ')}`;
}

function whyUnknown(endpoint: Endpoint, plan: ServicePortPlan, state: ClusterState): string {
  const { address } = endpoint.source;
  const samePod = plan.endpoints.find(({ source }) => source.address === address);
  if (samePod !== undefined) return `the EndpointSlices have port ${samePod.port} of this address`;
  const owner = serviceOfAddress(address, plan.family, state);
  const other = owner === undefined ? '' : `; ${owner} has the address`;
  return `no EndpointSlice of the Service has it${other}`;
}

/** The first Service with an endpoint of this address. */
function serviceOfAddress(address: string, family: Family, state: ClusterState): string | undefined {
  for (const slice of state.slices.values()) {
    if (slice.family !== family || slice.service === undefined) continue;
    if (slice.endpoints.some((each) => each.address === address)) return `Service ${slice.service}`;
  }
  return undefined;
}

/** Why an endpoint that is not in the rules should be there: `it is ready`. */
export function whyMissing({ source, slice }: Endpoint): string {
  const what = source.ready ? 'it is ready' : 'it still serves while terminating, and none is ready';
  return `${what} (${sliceText(slice)})`;
}

const CHANGED = 'endpoints.kubernetes.io/last-change-trigger-time';

/** The slice, and since when its Service's endpoints are as they are, where the controller has noted that. */
function sliceText(slice: EndpointSlice): string {
  const changed = slice.object.metadata?.annotations?.[CHANGED];
  return `EndpointSlice ${slice.namespace}/${slice.name}${changed === undefined ? '' : `, since ${changed}`}`;
}

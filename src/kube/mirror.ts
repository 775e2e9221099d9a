/**
 * EndpointSlices for core/v1 Endpoints objects, as kube-controller-manager's endpointslicemirroring controller
 * (v1.36) writes them for Services without a selector. kube-proxy itself reads no Endpoints.
 */

import type {
  CoreV1EndpointPort,
  DiscoveryV1EndpointPort,
  V1Endpoint,
  V1EndpointAddress,
  V1EndpointSlice,
  V1EndpointSubset,
  V1Endpoints,
} from '@kubernetes/client-node';
import { apiNameOf, FAMILIES, type Family } from '../net/family.js';
import { parseIp } from '../net/ip.js';
import { generateName } from './generated-names.js';
import { MANAGED_BY_LABEL, SERVICE_NAME_LABEL } from './labels.js';

/** The controller's --mirroring-max-endpoints-per-subset. */
const MAX_ADDRESSES_PER_SUBSET = 1000;

const SKIP_MIRROR_LABEL = 'endpointslice.kubernetes.io/skip-mirror';
const LEADER_ANNOTATION = 'control-plane.alpha.kubernetes.io/leader';

/** What the controller does not copy: the one tells when the Endpoints changed, the other how kubectl applied them. */
const DROPPED_ANNOTATIONS: ReadonlySet<string> = new Set([
  'endpoints.kubernetes.io/last-change-trigger-time',
  'kubectl.kubernetes.io/last-applied-configuration',
]);

/**
 * Whether the mirroring controller looks at this object at all: not when its skip-mirror label is exactly `true`,
 * and not when it is a lock of leader election (annotated so, with any value). That the Service exists and has no
 * selector is for the caller to see.
 */
export function isMirrored(endpoints: V1Endpoints): boolean {
  if (endpoints.metadata?.labels?.[SKIP_MIRROR_LABEL] === 'true') return false;
  return endpoints.metadata?.annotations?.[LEADER_ANNOTATION] === undefined;
}

/**
 * The EndpointSlices that the mirroring controller writes for an Endpoints object: one for each family and set of
 * ports. Addresses that are none are left out. Order and names are the same every time.
 *
 * Ports of one name (legal in Endpoints) that one set of addresses offers give no slice: the API server refuses what
 * the controller would write.
 *
 * Where one address stands in two subsets, ready in one and not ready in the other, with ports that have an
 * appProtocol, the controller lets a hash decide; here it is not ready, as it is for ports without one.
 */
export function mirrorEndpoints(endpoints: V1Endpoints): V1EndpointSlice[] {
  const slices = new Map<
    string,
    { family: Family; ports: DiscoveryV1EndpointPort[]; endpoints: Map<string, V1Endpoint> }
  >();
  for (const subset of repack(endpoints.subsets ?? [])) {
    const ports = subset.ports.map(mirrorPort).sort(byText(portText));
    if (new Set(ports.map((port) => port.name)).size < ports.length) continue;
    const portsText = ports.map(portText).join();
    for (const { family, endpoint } of firstOf(subset.entries)) {
      const key = `${FAMILIES.indexOf(family)} ${portsText}`;
      const slice = slices.get(key) ?? { family, ports, endpoints: new Map() };
      slices.set(key, slice);
      const identity = endpointText(endpoint);
      if (slice.endpoints.get(identity)?.conditions?.ready !== false) slice.endpoints.set(identity, endpoint);
    }
  }
  const name = endpoints.metadata?.name ?? '';
  const namespace = endpoints.metadata?.namespace;
  const labels = {
    ...endpoints.metadata?.labels,
    [SERVICE_NAME_LABEL]: name,
    [MANAGED_BY_LABEL]: 'endpointslicemirroring-controller.k8s.io',
  };
  const annotations = Object.entries(endpoints.metadata?.annotations ?? {}).filter(
    ([key]) => !DROPPED_ANNOTATIONS.has(key),
  );
  const names = new Set<string>();
  return [...slices.entries()].sort(byText(([key]) => key)).map(([key, slice]) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: generateName(`${name}-`, `${namespace ?? ''}/${name} ${key}`, names),
      ...(namespace !== undefined && { namespace }),
      labels,
      ...(annotations.length > 0 && { annotations: Object.fromEntries(annotations) }),
    },
    addressType: apiNameOf(slice.family),
    ports: slice.ports,
    endpoints: [...slice.endpoints.entries()].sort(byText(([identity]) => identity)).map(([, endpoint]) => endpoint),
  }));
}

/** One address of a repacked subset. */
interface Entry {
  readonly address: V1EndpointAddress;
  readonly ready: boolean;
}

/** Addresses that all offer the same ports. */
interface Repacked {
  readonly ports: CoreV1EndpointPort[];
  readonly entries: readonly Entry[];
}

/**
 * Rearranges subsets as the API machinery does before anything else reads them: first each port gets the addresses
 * that offer it (not ready beats ready, the first mention's details stay), then ports with the same addresses in the
 * same state become one subset, its addresses in order of their text.
 */
function repack(subsets: readonly V1EndpointSubset[]): Repacked[] {
  const addresses = new Map<string, V1EndpointAddress>();
  const offers = new Map<string, { port?: CoreV1EndpointPort; ready: Map<string, boolean> }>();
  for (const [i, subset] of subsets.entries()) {
    const ports: (CoreV1EndpointPort | undefined)[] = subset.ports?.length ? subset.ports : [undefined];
    for (const [j, port] of ports.entries()) {
      const key = port === undefined ? '' : offerText(port, `${i} ${j}`);
      const offer = offers.get(key) ?? { ...(port && { port }), ready: new Map<string, boolean>() };
      offers.set(key, offer);
      for (const [list, ready] of [
        [subset.addresses, true],
        [subset.notReadyAddresses, false],
      ] as const) {
        for (const address of list ?? []) {
          const identity = JSON.stringify([address.ip, address.targetRef?.uid ?? '']);
          if (!addresses.has(identity)) addresses.set(identity, address);
          if (offer.ready.get(identity) !== false) offer.ready.set(identity, ready);
        }
      }
    }
  }
  const groups = new Map<string, { ports: CoreV1EndpointPort[]; ready: Map<string, boolean> }>();
  for (const { port, ready } of offers.values()) {
    const key = [...ready]
      .map(([identity, isReady]) => `${identity} ${isReady}`)
      .sort()
      .join();
    // Ports of no address vanish. So does an offer without ports whose addresses all offer some port, too.
    if (ready.size === 0) continue;
    const group = groups.get(key) ?? { ports: [], ready };
    groups.set(key, group);
    if (port !== undefined) group.ports.push(port);
  }
  return [...groups.values()].map(({ ports, ready }) => ({
    ports,
    entries: [...ready].sort(byText(([identity]) => identity)).flatMap(([identity, isReady]) => {
      const address = addresses.get(identity);
      return address === undefined ? [] : [{ address, ready: isReady }];
    }),
  }));
}

/** Up to a thousand endpoints of a subset, ready ones first; addresses that are none do not count. */
function firstOf(entries: readonly Entry[]): { family: Family; endpoint: V1Endpoint }[] {
  const inOrder = [...entries.filter((entry) => entry.ready), ...entries.filter((entry) => !entry.ready)];
  return inOrder.flatMap(mirrorAddress).slice(0, MAX_ADDRESSES_PER_SUBSET);
}

/** Only `ready` is said: Endpoints know nothing of serving and terminating. */
function mirrorAddress({ address, ready }: Entry): { family: Family; endpoint: V1Endpoint }[] {
  const ip = parseIp(address.ip);
  if (ip === undefined) return [];
  const endpoint: V1Endpoint = {
    addresses: [ip.text],
    conditions: { ready },
    ...(address.hostname && { hostname: address.hostname }),
    ...(address.targetRef && { targetRef: address.targetRef }),
    ...(address.nodeName && { nodeName: address.nodeName }),
  };
  return [{ family: ip.family, endpoint }];
}

function mirrorPort(port: CoreV1EndpointPort): DiscoveryV1EndpointPort {
  return {
    name: port.name ?? '',
    protocol: port.protocol ?? 'TCP',
    port: port.port,
    ...(port.appProtocol && { appProtocol: port.appProtocol }),
  };
}

/**
 * What makes two ports of different subsets the same. The machinery compares appProtocol by where it is kept, not by
 * its text, so a port that has one equals no other; `place` tells them apart.
 */
function offerText(port: CoreV1EndpointPort, place: string): string {
  const identity = [port.name ?? '', port.protocol ?? 'TCP', port.port];
  return JSON.stringify(port.appProtocol ? [...identity, place] : identity);
}

function portText(port: DiscoveryV1EndpointPort): string {
  return JSON.stringify([port.name, port.protocol, port.port, port.appProtocol]);
}

/** What makes two endpoints of a slice the same one. */
function endpointText(endpoint: V1Endpoint): string {
  return JSON.stringify([
    endpoint.addresses,
    endpoint.hostname,
    endpoint.targetRef?.namespace,
    endpoint.targetRef?.name,
  ]);
}

function byText<T>(textOf: (value: T) => string): (a: T, b: T) => number {
  return (a, b) => {
    const [left, right] = [textOf(a), textOf(b)];
    return left < right ? -1 : left > right ? 1 : 0;
  };
}

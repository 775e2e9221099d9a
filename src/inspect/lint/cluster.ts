/** The cluster as the checks look at it: everything in order of its name, and derived once for all checks. */
import type { ProxyConfig, ProxyMode } from '../../kube/config.js';
import type { FieldPath, Origin } from '../../kube/diagnostics.js';
import type { EndpointSlice } from '../../kube/endpointslice.js';
import type { Node } from '../../kube/node.js';
import type { LocatedObject } from '../../kube/objects.js';
import { type Service, type ServicePort, serviceKey } from '../../kube/service.js';
import { createSelect } from '../../kube/simulate/select.js';
import { type Labels, labelsOf } from '../../kube/simulate/values.js';
import type { ClusterState, ServiceEntry } from '../../kube/state.js';
import { apiNameOf, FAMILIES, type Family } from '../../net/family.js';
import { compareBytes } from '../../net/text.js';
import { type Endpoint, mergeEndpoints } from '../../plan/endpoints.js';
import type { Need } from './check.js';
import { type PodSource, podSourcesOf } from './workloads.js';

/** What is linted. */
export interface LintInput {
  readonly state: ClusterState;
  /** All objects, also Pods and workloads, of which the state knows nothing. */
  readonly objects: readonly LocatedObject[];
  readonly config: ProxyConfig;
  /** The mode in force; where the configuration was written for another one, what changes between them is found too. */
  readonly mode: ProxyMode;
  /** Where the configuration was read; undefined when nobody gave one, and the defaults stand in. */
  readonly configOrigin?: Origin | undefined;
  /** kube-apiserver's --service-node-port-range, first and last; 30000 and 32767 by default. */
  readonly nodePortRange?: readonly [number, number] | undefined;
  /** Look at the rules of this node alone; all nodes by default. */
  readonly node?: string | undefined;
  /** Whether EndpointSlices were made up, so that what they lack says nothing of the cluster. */
  readonly simulated?: boolean | undefined;
}

/** An object that findings are about. */
export interface Subject {
  /** `Service shop/web`. */
  readonly object: string;
  /** The object under which it is listed. */
  readonly group: string;
  readonly namespace: string | undefined;
  readonly origin: Origin | undefined;
  /** The field that takes part, where the object is another than the finding's own. */
  readonly path?: FieldPath | undefined;
  /** Annotations of the object, and of the one under which it is listed. */
  readonly annotations: readonly Labels[];
}

/** One port of a Service in one family with all endpoints, usable or not; their field `local` says nothing. */
export interface PortFacts {
  readonly service: Service;
  readonly port: ServicePort;
  /** In spec.ports. */
  readonly index: number;
  readonly family: Family;
  readonly endpoints: readonly Endpoint[];
}

/** What checks see. */
export interface LintCluster extends LintInput {
  readonly nodePortRange: readonly [number, number];
  /** By `namespace/name`. */
  readonly entries: readonly ServiceEntry[];
  /** Those of them that kube-proxy writes rules for, once they have an address. */
  readonly proxied: readonly ServiceEntry[];
  /** The nodes whose rules are looked at, by name. */
  readonly nodes: readonly Node[];
  /** Ports of all proxied Services. */
  readonly ports: readonly PortFacts[];
  /** Pods and pod templates, by object. */
  readonly podSources: readonly PodSource[];
  /** Those of a namespace that have all labels of a selector. */
  readonly select: (namespace: string, selector: Labels) => readonly PodSource[];
  /** The mode that the configuration was written for, where it is not the mode in force. */
  readonly movesFrom: ProxyMode | undefined;
  readonly configSubject: Subject;
  /** Whether this slice was given as an EndpointSlice, not as Endpoints. */
  readonly isGiven: (slice: EndpointSlice) => boolean;
  /** Whether the input has what a check needs; where it has not, that check is listed as not run. */
  readonly has: (need: Need) => boolean;
}

/** kube-apiserver's default of --service-node-port-range. */
const NODE_PORT_RANGE = [30000, 32767] as const;

/** What is derived for all checks; `has` is for the runner to replace, who knows which check asks. */
export function lintCluster(input: LintInput): LintCluster {
  const { state, objects, config, mode } = input;
  const entries = [...state.services].sort(([a], [b]) => compareBytes(a, b)).map(([, entry]) => entry);
  const proxied = entries.filter(({ service }) => isProxied(service));
  const nodes = [...state.nodes.values()]
    .filter((node) => input.node === undefined || node.name === input.node)
    .sort((a, b) => compareBytes(a.name, b.name));
  const writtenFor = input.configOrigin === undefined ? mode : (config.mode ?? 'iptables');
  const podSources = podSourcesOf(objects);
  const givenObjects = new Set<unknown>(objects.map(({ object }) => object));
  const present: Readonly<Record<Need, boolean>> = {
    nodes: nodes.length > 0,
    endpoints: state.slices.size > 0,
    workloads: podSources.length > 0,
    serviceCIDRs: state.serviceCIDRs.size > 0,
    config: input.configOrigin !== undefined,
  };
  return {
    ...input,
    nodePortRange: input.nodePortRange ?? NODE_PORT_RANGE,
    entries,
    proxied,
    nodes,
    ports: proxied.flatMap(portsOf),
    podSources,
    select: createSelect(podSources),
    movesFrom: writtenFor === mode ? undefined : writtenFor,
    configSubject: {
      object: 'KubeProxyConfiguration',
      group: 'KubeProxyConfiguration',
      namespace: undefined,
      origin: input.configOrigin,
      annotations: [],
    },
    isGiven: (slice) => givenObjects.has(slice.object),
    has: (need) => present[need],
  };
}

function isProxied(service: Service): boolean {
  return !service.headless && !service.otherProxy && service.type !== 'ExternalName';
}

/** The ports of one Service. */
export function portsOf(entry: ServiceEntry): readonly PortFacts[] {
  const { service, slices } = entry;
  return familiesOf(entry).flatMap((family) =>
    service.ports.map((port, index) => {
      const { endpoints } = mergeEndpoints(slices, port, family, '');
      return { service, port, index, family, endpoints };
    }),
  );
}

/** The families of the cluster IPs; for a manifest that has none yet those of its endpoints, else IPv4. */
export function familiesOf({ service, slices }: ServiceEntry): readonly Family[] {
  const allocated = FAMILIES.filter((family) => service.clusterIPs[family] !== undefined);
  if (allocated.length > 0) return allocated;
  const served = FAMILIES.filter((family) => slices.some((slice) => slice.family === family));
  return served.length > 0 ? served : ['ipv4'];
}

/** The selector of a Service; undefined where the EndpointSlice controller selects nothing. */
export function selectorOf(service: Service): Labels | undefined {
  if (!service.hasSelector || service.type === 'ExternalName') return undefined;
  return labelsOf(service.object.spec?.selector);
}

/** `app=web,tier=front`, in one order whatever order they come in. */
export function printLabels(labels: Labels): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(',');
}

/** Whether it is made for clients outside the cluster: by node ports, a load balancer or external IPs. */
export function hasOutside({ type, externalIPs }: Service): boolean {
  return type !== 'ClusterIP' || externalIPs.ipv4.length + externalIPs.ipv6.length > 0;
}

/** Whether traffic can go to it: ready, or going away but still answering. */
export function isUsable({ source }: Endpoint): boolean {
  return source.ready || (source.serving && source.terminating);
}

/** A Service as the subject of a finding. */
export function serviceSubject(service: Service, path?: FieldPath): Subject {
  const object = `Service ${serviceKey(service)}`;
  const annotations = [labelsOf(service.object.metadata?.annotations)];
  return { object, group: object, namespace: service.namespace, origin: service.origin, path, annotations };
}

/** An EndpointSlice as the subject of a finding, listed under its Service. */
export function sliceSubject(slice: EndpointSlice, service: Service | undefined): Subject {
  const object = `EndpointSlice ${serviceKey(slice)}`;
  const own = labelsOf(slice.object.metadata?.annotations);
  const owner = service === undefined ? undefined : serviceSubject(service);
  return {
    object,
    group: owner?.group ?? object,
    namespace: slice.namespace,
    origin: slice.origin,
    annotations: [own, ...(owner?.annotations ?? [])],
  };
}

/** A Node that takes part in a finding. */
export function nodeSubject(node: Node, path?: FieldPath): Subject {
  const object = `Node ${node.name}`;
  return { object, group: object, namespace: undefined, origin: node.origin, path, annotations: [] };
}

/** Some names of many: `a, b, c and 12 more`. */
export function someOf(names: readonly string[], most = 6): string {
  if (names.length <= most) return names.join(', ');
  return `${names.slice(0, most - 1).join(', ')} and ${names.length - most + 1} more`;
}

/** `node port 30080`, `node ports 30080, 30443`. */
export function eachNamed(what: string, names: readonly string[]): string {
  return `${what}${names.length === 1 ? '' : 's'} ${someOf(names)}`;
}

/** `1 node`, `3 nodes`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** `IPv6: ` where it is not all families of a Service, else nothing. */
export function familyPrefix(families: readonly Family[], all: readonly Family[]): string {
  return families.length === all.length ? '' : `${families.map(apiNameOf).join(' and ')}: `;
}

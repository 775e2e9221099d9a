/** What the API server refuses or quietly keeps, although kube-proxy would make rules of it. */
import type { FieldPath } from '../../kube/diagnostics.js';
import { show } from '../../kube/fields.js';
import type { Service } from '../../kube/service.js';
import { labelsOf } from '../../kube/simulate/values.js';
import { isLoopback, parseIp } from '../../net/ip.js';
import type { Check } from './check.js';
import { serviceSubject, sliceSubject, someOf } from './cluster.js';

/** A field that not every Service may have. */
interface BoundField {
  readonly path: FieldPath;
  readonly isRefused: (service: Service) => boolean;
  /** Completes `the API server refuses it …`. */
  readonly rule: string;
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

/** Mirrors the rules of ValidateService that tie a field to the type of the Service. */
const BOUND_FIELDS: readonly BoundField[] = [
  {
    path: ['spec', 'loadBalancerSourceRanges'],
    isRefused: ({ type, object }) =>
      type !== 'LoadBalancer' && (object.spec?.loadBalancerSourceRanges ?? []).length > 0,
    rule: 'unless type is LoadBalancer',
  },
  {
    path: ['spec', 'allocateLoadBalancerNodePorts'],
    isRefused: ({ type, object }) => type !== 'LoadBalancer' && isGiven(object.spec?.allocateLoadBalancerNodePorts),
    rule: 'unless type is LoadBalancer',
  },
  {
    path: ['spec', 'loadBalancerClass'],
    isRefused: ({ type, object }) => type !== 'LoadBalancer' && isGiven(object.spec?.loadBalancerClass),
    rule: 'unless type is LoadBalancer',
  },
  {
    path: ['spec', 'healthCheckNodePort'],
    isRefused: ({ object, healthCheckNodePort }) =>
      (object.spec?.healthCheckNodePort ?? 0) !== 0 && healthCheckNodePort === undefined,
    rule: 'unless type is LoadBalancer and externalTrafficPolicy is Local',
  },
  {
    path: ['spec', 'externalTrafficPolicy'],
    isRefused: ({ type, object }) =>
      (object.spec?.externalTrafficPolicy ?? '') !== '' &&
      (type === 'ExternalName' || (type === 'ClusterIP' && (object.spec?.externalIPs ?? []).length === 0)),
    rule: 'unless the Service has node ports, a load balancer or external IPs',
  },
  {
    path: ['spec', 'sessionAffinityConfig'],
    isRefused: ({ object, affinitySeconds }) =>
      isGiven(object.spec?.sessionAffinityConfig) && affinitySeconds === undefined,
    rule: 'unless sessionAffinity is ClientIP',
  },
];

/** The values of trafficDistribution that v1.36 admits. */
const DISTRIBUTIONS = ['PreferSameZone', 'PreferSameNode', 'PreferClose'];

/** The values of the annotation topology-mode that mean something. */
const TOPOLOGY_MODES = ['Auto', 'auto', 'Disabled', 'disabled', ''];

/** Checks about the API server. */
export const ADMISSION_CHECKS = [
  {
    code: 'field-refused',
    severity: 'warning',
    title: 'a field that a Service of this type must not have',
    reason: 'The API server refuses the whole object, so a manifest with it is never applied.',
    wayOut: 'Remove the field, or change the type of the Service.',
    *find({ entries }) {
      for (const { service } of entries) {
        const at = serviceSubject(service);
        for (const { path, isRefused, rule } of BOUND_FIELDS) {
          if (isRefused(service)) yield { at, path, message: `the API server refuses ${path.at(-1)} ${rule}.` };
        }
        if (service.type !== 'ClusterIP') continue;
        for (const [i, { nodePort }] of service.ports.entries()) {
          if (nodePort === undefined) continue;
          const message = `the API server refuses node port ${nodePort} of a Service of type ClusterIP.`;
          yield { at, path: ['spec', 'ports', i, 'nodePort'], message };
        }
      }
    },
  },
  {
    code: 'address-refused',
    severity: 'warning',
    title: 'an external IP or endpoint that is a loopback, link-local or unspecified address',
    reason:
      'Such an address means another host on every node, or a metadata service, so the API server refuses the object; ' +
      'kube-proxy would write rules for it.',
    wayOut: 'Use an address that means the same host everywhere.',
    *find(cluster) {
      for (const { service, slices } of cluster.entries) {
        for (const [i, text] of (service.object.spec?.externalIPs ?? []).entries()) {
          const kind = specialKind(parseIp(text)?.text ?? '');
          if (kind === undefined) continue;
          const message = `the API server refuses external IP ${text}: it is ${kind}.`;
          yield { at: serviceSubject(service), path: ['spec', 'externalIPs', i], message };
        }
        for (const slice of slices) {
          const special = slice.endpoints.map(({ address }) => address).filter((ip) => specialKind(ip) !== undefined);
          const [first] = special;
          if (first === undefined) continue;
          yield {
            at: sliceSubject(slice, service),
            ...(cluster.isGiven(slice) && { path: ['endpoints'] }),
            message: `the API server refuses endpoint ${someOf(special)}: ${first} is ${specialKind(first)}.`,
          };
        }
      }
    },
  },
  {
    code: 'topology-value-unknown',
    severity: 'warning',
    title: 'an unknown value of trafficDistribution or of the annotation topology-mode',
    reason:
      'The API server refuses a trafficDistribution that it does not know; an annotation topology-mode that the ' +
      'EndpointSlice controller does not know gives no hints, without a word.',
    wayOut: `Write one of ${DISTRIBUTIONS.join(', ')} as trafficDistribution, or Auto in the annotation.`,
    *find({ entries }) {
      for (const { service } of entries) {
        const at = serviceSubject(service);
        const distribution: unknown = service.object.spec?.trafficDistribution ?? '';
        if (distribution !== '' && !DISTRIBUTIONS.includes(String(distribution))) {
          const message = `the API server refuses trafficDistribution ${show(distribution)}.`;
          yield { at, path: ['spec', 'trafficDistribution'], message };
        }
        const annotations = labelsOf(service.object.metadata?.annotations);
        for (const name of ['service.kubernetes.io/topology-mode', 'service.kubernetes.io/topology-aware-hints']) {
          const value = annotations[name];
          if (value === undefined || TOPOLOGY_MODES.includes(value)) continue;
          const message = `annotation ${name}: ${show(value)} gives no hints.`;
          yield { at, path: ['metadata', 'annotations', name], message };
        }
      }
    },
  },
  {
    code: 'node-port-outside-range',
    severity: 'warning',
    title: 'a node port outside of the range of node ports',
    reason:
      'The API server admits node ports of its --service-node-port-range only; firewalls are opened for that range, and ' +
      'outside of it a port may belong to a daemon or be one that the kernel gives to outgoing connections.',
    wayOut: 'Remove nodePort and let the API server choose; or tell the range of this cluster by --node-port-range.',
    *find({ entries, nodePortRange: [first, last] }) {
      const isOutside = (port: number): boolean => port < first || port > last;
      for (const { service } of entries) {
        const at = serviceSubject(service);
        for (const [i, { nodePort }] of service.ports.entries()) {
          if (nodePort === undefined || !isOutside(nodePort)) continue;
          const message = `node port ${nodePort} is outside of ${first}-${last}.`;
          yield { at, path: ['spec', 'ports', i, 'nodePort'], message };
        }
        const { healthCheckNodePort } = service;
        if (healthCheckNodePort === undefined || !isOutside(healthCheckNodePort)) continue;
        const message = `health check node port ${healthCheckNodePort} is outside of ${first}-${last}.`;
        yield { at, path: ['spec', 'healthCheckNodePort'], message };
      }
    },
  },
  {
    code: 'node-ports-kept',
    severity: 'warning',
    title: 'allocateLoadBalancerNodePorts false, but node ports all the same',
    reason:
      'The field only keeps the API server from giving out new node ports; those that a Service has already stay open on ' +
      'every node until they are removed by hand.',
    wayOut: 'Remove nodePort from every port in the same change.',
    *find({ entries }) {
      for (const { service } of entries) {
        const nodePorts = service.ports.flatMap(({ nodePort }) => nodePort ?? []);
        if (service.type !== 'LoadBalancer' || service.object.spec?.allocateLoadBalancerNodePorts !== false) continue;
        if (nodePorts.length === 0) continue;
        const verb = nodePorts.length === 1 ? 'stays' : 'stay';
        yield {
          at: serviceSubject(service),
          path: ['spec', 'allocateLoadBalancerNodePorts'],
          message: `node port ${someOf(nodePorts.map(String))} ${verb} open although allocateLoadBalancerNodePorts is false.`,
        };
      }
    },
  },
] as const satisfies readonly Check[];

/** What keeps a canonical address from being an endpoint or external IP (ValidateEndpointIP); undefined for others. */
function specialKind(address: string): string | undefined {
  if (address === '0.0.0.0' || address === '::') return 'unspecified';
  if (isLoopback({ family: address.includes(':') ? 'ipv6' : 'ipv4', text: address })) return 'a loopback address';
  if (address.startsWith('169.254.') || /^fe[89ab][0-9a-f]:/.test(address)) return 'a link-local address';
  if (address.startsWith('224.0.0.') || /^ff[0-9a-f]2:/.test(address)) return 'a link-local multicast address';
  return undefined;
}

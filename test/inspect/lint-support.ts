/** Small clusters to lint. */
import { DEFAULT_CONFIG, hasErrors, loadCluster, type ProxyConfig, type RawObject } from '../../src/index.js';
import type { LintInput } from '../../src/inspect/lint/cluster.js';
import { type LintOptions, type LintResult, lint } from '../../src/inspect/lint/lint.js';

/** What a cluster is linted with, apart from its objects. */
export interface LintSettings extends Partial<Omit<LintInput, 'state' | 'objects' | 'config'>> {
  readonly config?: Partial<ProxyConfig>;
}

/** Where tests pretend that the configuration was read. */
export const CONFIG_ORIGIN = { file: 'config.yaml', document: 0, path: [] };

/** Lints objects that must be sound. */
export function lintObjects(
  objects: readonly RawObject[],
  settings: LintSettings = {},
  options: LintOptions = {},
): LintResult {
  const all = objects.map((object) => ({ object }));
  const { state, diagnostics } = loadCluster(all);
  if (hasErrors(diagnostics)) throw new Error(diagnostics.map(({ message }) => message).join('\n'));
  const config = { ...DEFAULT_CONFIG, ...settings.config };
  return lint({ mode: 'iptables', ...settings, state, objects: all, config }, options);
}

type Fields = Readonly<Record<string, unknown>>;

/** A Service of namespace shop with cluster IP 10.96.0.1 and port 80, unless the spec says otherwise. */
export function service(name: string, spec: Fields = {}, rest: Fields = {}): RawObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop' },
    spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }], ...spec },
    ...rest,
  };
}

/** An EndpointSlice of the controller with port 8080; an endpoint is its address, or its fields. */
export function slice(of: string, endpoints: readonly (string | Fields)[], rest: Fields = {}): RawObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: sliceMetadata(of, `${of}-1`),
    addressType: 'IPv4',
    ports: [{ port: 8080 }],
    endpoints: endpoints.map((each) => (typeof each === 'string' ? { addresses: [each] } : each)),
    ...rest,
  };
}

/** The metadata of a slice of the controller. */
export function sliceMetadata(of: string, name: string): Fields {
  const labels = {
    'kubernetes.io/service-name': of,
    'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
  };
  return { name, namespace: 'shop', labels };
}

/** An endpoint on a node, in the first of some zones and hinted for all of them. */
export function endpoint(address: string, nodeName: string, ...zones: readonly string[]): Fields {
  return {
    addresses: [address],
    nodeName,
    ...(zones.length === 0 ? {} : { zone: zones[0], hints: { forZones: zones.map((name) => ({ name })) } }),
  };
}

/** A Node with InternalIPs. */
export function node(name: string, addresses: readonly string[], zone?: string, labels: Fields = {}): RawObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { ...labels, ...(zone === undefined ? {} : { 'topology.kubernetes.io/zone': zone }) } },
    status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
  };
}

/** A Deployment whose pods have these labels and container ports. */
export function deployment(name: string, labels: Fields, ports: readonly Fields[] = [], namespace = 'shop'): RawObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'app', image: 'app:1', ports }] } },
    },
  };
}

/** A ServiceCIDR of one range. */
export function serviceCIDR(cidr: string): RawObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'ServiceCIDR',
    metadata: { name: 'kubernetes' },
    spec: { cidrs: [cidr] },
  };
}

/** The same objects, each with an annotation that silences checks. */
export function silenced(objects: readonly RawObject[], codes: string): readonly RawObject[] {
  return objects.map((object) => {
    const metadata = object.metadata as Fields;
    const annotations = { ...(metadata.annotations as Fields | undefined), 'kuberules.dev/lint-ignore': codes };
    return { ...object, metadata: { ...metadata, annotations } };
  });
}

/** Objects of a cluster of one or two Services in a few words, for tests of single rules. */
import { DEFAULT_CONFIG, type Diagnostic, type ProxyMode, type RawObject, readConfig } from '../../src/index.js';
import { compileObjects } from './compile-objects.js';

/** An endpoint: ready and on another node unless it says otherwise. */
interface GivenEndpoint {
  readonly ip: string;
  /** On the node that is compiled for. */
  readonly here?: boolean;
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
}

/** The node that is compiled for; its addresses are InternalIPs. */
export function node(addresses: readonly string[] = ['192.0.2.11'], podCIDRs: readonly string[] = []): RawObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'here' },
    spec: { podCIDRs },
    status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
  };
}

/**
 * Service default/web at 10.96.0.20, port `http` 80/TCP, but for what the spec says.
 * @param vips its load-balancer addresses
 */
export function service(
  spec: Readonly<Record<string, unknown>>,
  vips: readonly string[] = [],
  name = 'web',
): RawObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { clusterIP: '10.96.0.20', ports: [{ name: 'http', port: 80 }], ...spec },
    status: { loadBalancer: { ingress: vips.map((ip) => ({ ip })) } },
  };
}

/** A slice of a Service, with one port 8080/TCP for its port `http` unless others are given. */
export function slice(
  endpoints: readonly GivenEndpoint[],
  name = 'web',
  ports: readonly unknown[] = [{ name: 'http', port: 8080 }],
): RawObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
    addressType: endpoints.some(({ ip }) => ip.includes(':')) ? 'IPv6' : 'IPv4',
    ports,
    endpoints: endpoints.map(({ ip, here, ready, serving, terminating }) => ({
      addresses: [ip],
      nodeName: here === true ? 'here' : 'there',
      conditions: { ready, serving, terminating },
    })),
  };
}

/** The lines of each text of the first family of the node, and what was said. */
export interface CompiledLines {
  /** Lines of a text. */
  readonly lines: (part: string) => readonly string[];
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Compiles for the node of the objects, or for one with the address 192.0.2.11.
 * @param yaml fields of a KubeProxyConfiguration
 */
export function compileSmall(mode: ProxyMode, objects: readonly RawObject[], yaml = ''): CompiledLines {
  const header = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';
  const read = yaml === '' ? undefined : readConfig({ name: 'config.yaml', text: header + yaml }, { mode });
  const problem = read?.diagnostics.find(({ severity }) => severity === 'error');
  if (problem !== undefined) throw new Error(problem.message);
  const all = objects.some(({ kind }) => kind === 'Node') ? objects : [node(), ...objects];
  const { families, diagnostics } = compileObjects(
    { objects: all, config: read?.config ?? DEFAULT_CONFIG, node: 'here' },
    mode,
  );
  return { lines: (part) => (families[0]?.texts[part] ?? '').split('\n').slice(0, -1), diagnostics };
}

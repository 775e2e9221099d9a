/** A small cluster, and what kube-proxy would leave on its node, as texts to damage. */
import {
  compile,
  type Family,
  loadCluster,
  type ProxyConfig,
  type ProxyMode,
  partText,
  type RawObject,
  readConfig,
  type VerifyFinding,
  verify,
} from '../../src/index.js';

function service(
  name: string,
  clusterIP: string,
  spec: Record<string, unknown>,
  vips: readonly string[] = [],
): RawObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop' },
    spec: { clusterIP, ...spec },
    status: { loadBalancer: { ingress: vips.map((ip) => ({ ip })) } },
  };
}

function slice(
  name: string,
  portName: string,
  port: number,
  endpoints: readonly [string, string, boolean][],
): RawObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-1`,
      namespace: 'shop',
      labels: { 'kubernetes.io/service-name': name },
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': '2026-07-01T10:00:00Z' },
    },
    addressType: 'IPv4',
    ports: [{ name: portName, port }],
    endpoints: endpoints.map(([address, nodeName, ready]) => ({
      addresses: [address],
      nodeName,
      conditions: { ready, serving: ready },
    })),
  };
}

const http = (more: Record<string, unknown> = {}) => [{ name: 'http', port: 80, targetPort: 8080, ...more }];

/** web: three endpoints and a node port; api: affinity and one not ready; front: VIP, ranges, Local; gone: no endpoints. */
export const OBJECTS: readonly RawObject[] = [
  {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'here' },
    status: { addresses: [{ type: 'InternalIP', address: '192.0.2.11' }] },
  },
  service('web', '10.96.0.20', { type: 'NodePort', ports: http({ nodePort: 30080 }) }),
  slice('web', 'http', 8080, [
    ['10.244.1.1', 'here', true],
    ['10.244.2.1', 'there', true],
    ['10.244.3.1', 'there', true],
  ]),
  service('api', '10.96.0.30', { ports: http(), sessionAffinity: 'ClientIP' }),
  slice('api', 'http', 8080, [
    ['10.244.1.2', 'here', true],
    ['10.244.2.2', 'there', true],
    ['10.244.3.9', 'there', false],
  ]),
  service(
    'front',
    '10.96.0.40',
    {
      type: 'LoadBalancer',
      ports: http({ nodePort: 30081 }),
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 32000,
      loadBalancerSourceRanges: ['203.0.113.0/24'],
    },
    ['198.51.100.10'],
  ),
  slice('front', 'http', 8080, [
    ['10.244.1.3', 'here', true],
    ['10.244.2.3', 'there', true],
  ]),
  service('gone', '10.96.0.50', { ports: http() }),
];

/** Another Service, for rules that nobody asked for. */
export const OLD: readonly RawObject[] = [
  service('old', '10.96.0.60', { ports: http() }),
  slice('old', 'http', 8080, [['10.244.2.6', 'there', true]]),
];

export function config(mode: ProxyMode, more = ''): ProxyConfig {
  const text = `apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nclusterCIDR: 10.244.0.0/16\n${more}`;
  return readConfig({ name: 'config.yaml', text }, { mode }).config;
}

/** Texts of a node by what they are: `rules`, `nft`, `ipvsadm`, `ipset`, `addresses`. */
export type Texts = Readonly<Record<string, string>>;

const BUILT_IN: Readonly<Record<string, readonly string[]>> = {
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
};

/** What the node has when kube-proxy has written what we compile. */
export function nodeTexts(
  mode: ProxyMode,
  objects: readonly RawObject[],
  config: ProxyConfig,
  family: Family = 'ipv4',
): Texts {
  const { state } = loadCluster(objects.map((object) => ({ object })));
  const { parts } = compile(state, { mode, config, family });
  const { setup = '', ...texts } = Object.fromEntries(parts.map((part) => [part.part, partText(part)]));
  if (texts.rules === undefined) return texts;
  let { rules } = texts;
  for (const [table, chains] of Object.entries(BUILT_IN)) {
    const jumps = [...setup.matchAll(/^-t (\S+) -I (.*)$/gm)].filter((match) => match[1] === table);
    const lines = jumps.map((match) => `-A ${match[2]}\n`).join('');
    const declared = chains.map((chain) => `:${chain} ACCEPT [0:0]\n`).join('');
    rules = rules.replace(`*${table}\n`, `*${table}\n${declared}${lines}`);
  }
  return { ...texts, rules };
}

/** What verify finds on a node with these texts. */
export function found(mode: ProxyMode, texts: Texts, more = config(mode), objects = OBJECTS): readonly VerifyFinding[] {
  const { state } = loadCluster(objects.map((object) => ({ object })));
  const dumps = Object.entries(texts)
    .filter(([, text]) => text !== '')
    .map(([name, text]) => ({ name, text }));
  const result = verify({ state, config: more, mode, dumps });
  const errors = result.diagnostics.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join('\n'));
  return result.findings;
}

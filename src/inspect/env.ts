/**
 * The environment variables that the kubelet makes of Services for the containers of a Pod: where each Service is, and
 * the same once more in the form of Docker's links.
 */
import { type Diagnostic, diagnostic } from '../kube/diagnostics.js';
import type { Pod } from '../kube/pod.js';
import { type Service, serviceKey } from '../kube/service.js';
import type { ClusterState } from '../kube/state.js';
import { compareBytes } from '../net/text.js';

/** One variable. */
export interface EnvVariable {
  readonly name: string;
  readonly value: string;
  /** The Service that it is of: `shop/web`. */
  readonly service: string;
}

/** The variables of a Pod by name, bytewise, and what is to be said about them. */
export interface PodEnvironment {
  readonly variables: readonly EnvVariable[];
  readonly diagnostics: readonly Diagnostic[];
}

/** The Service whose variables every Pod gets, as programs find the API server by them. */
const KUBERNETES = 'default/kubernetes';

/**
 * What a Pod gets that is created now: the variables of all Services of its namespace that have a cluster IP (unless
 * `enableServiceLinks` is false), and those of default/kubernetes. Of two cluster IPs the first counts.
 *
 * Where two Services make one variable (a Service `web` with port 80 and a Service `web-service`), the kubelet leaves
 * to chance which of them it is; here it is the last by name, with a warning.
 */
export function podEnvironment(state: ClusterState, pod: Pod): PodEnvironment {
  const diagnostics: Diagnostic[] = [];
  const variables = new Map<string, EnvVariable>();
  if (!state.services.has(KUBERNETES)) {
    const hint = 'Give the Service kubernetes of the namespace default.';
    const message = `the Service ${KUBERNETES} is missing, so the variables KUBERNETES_... are too.`;
    diagnostics.push(diagnostic('no-kubernetes-service', message, { hint }));
  }
  for (const service of servicesFor(state, pod)) {
    const about = { object: `Service ${serviceKey(service)}`, origin: service.origin };
    const address = service.object.spec?.clusterIP ?? '';
    if (address === '') {
      const hint = 'Set spec.clusterIP, or let --simulate allocate one.';
      diagnostics.push(diagnostic('no-cluster-ip', 'no cluster IP, so no variables.', { ...about, hint }));
      continue;
    }
    for (const [name, value] of variablesOf(service, address)) {
      const other = variables.get(name);
      if (other !== undefined) {
        const message =
          `it sets ${name} to ${value}, and Service ${other.service} sets it to ${other.value}; ` +
          'which counts is left to chance.';
        diagnostics.push(diagnostic('env-conflict', message, { ...about, hint: 'Rename one of the Services.' }));
      }
      variables.set(name, { name, value, service: serviceKey(service) });
    }
  }
  return { variables: [...variables.values()].sort((a, b) => compareBytes(a.name, b.name)), diagnostics };
}

/**
 * Services that can have variables in a Pod, by name. A Service `kubernetes` of the Pod's own namespace stands in for
 * the one of all Pods.
 */
function servicesFor(state: ClusterState, pod: Pod): readonly Service[] {
  const services = [...state.services.values()]
    .map(({ service }) => service)
    .filter((service) => !service.headless && service.type !== 'ExternalName');
  const own = services.filter((service) => pod.enableServiceLinks && service.namespace === pod.namespace);
  const kubernetes = services.filter(
    (service) => serviceKey(service) === KUBERNETES && !own.some(({ name }) => name === service.name),
  );
  return [...own, ...kubernetes].sort((a, b) => compareBytes(a.name, b.name));
}

/** The variables of one Service. The address stands as it was written, but it was checked to be one. */
function* variablesOf(service: Service, address: string): Generator<[name: string, value: string]> {
  const prefix = variableName(service.name);
  const host = address.includes(':') ? `[${address}]` : address;
  yield [`${prefix}_SERVICE_HOST`, address];
  for (const [i, { name, protocol, port }] of service.ports.entries()) {
    const url = `${protocol.toLowerCase()}://${host}:${port}`;
    const link = `${prefix}_PORT_${port}_${protocol}`;
    if (i === 0) {
      // What there is once for the whole Service is of its first port.
      yield [`${prefix}_SERVICE_PORT`, String(port)];
      yield [`${prefix}_PORT`, url];
    }
    if (name !== '') yield [`${prefix}_SERVICE_PORT_${variableName(name)}`, String(port)];
    yield [link, url];
    yield [`${link}_PROTO`, protocol.toLowerCase()];
    yield [`${link}_PORT`, String(port)];
    yield [`${link}_ADDR`, address];
  }
}

/** `web-admin` as `WEB_ADMIN`. */
function variableName(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}

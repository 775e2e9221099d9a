/** What a node does for one Service, and why. */
import { SERVICE_PROXY_NAME_LABEL } from '../../kube/labels.js';
import { serviceKey } from '../../kube/service.js';
import { emptyState, type ServiceEntry, setService, setSlice } from '../../kube/state.js';
import { FAMILIES } from '../../net/family.js';
import { dnsZones } from '../dns.js';
import type { DnsRecord } from '../dns-zone.js';
import { podEnvironment } from '../env.js';
import type { ExplainContext } from './context.js';
import { contributionOf } from './contribution.js';
import { addressesOf, decisionsOf, endpointsOf } from './decisions.js';
import type { PortExplanation, ServiceExplanation } from './model.js';

/**
 * Explains a Service.
 * @param port only the port of this name or number; all of them if undefined
 */
export function explainService(entry: ServiceEntry, context: ExplainContext, port?: string): ServiceExplanation {
  const { service } = entry;
  return {
    kind: 'service',
    service: serviceKey(service),
    type: service.type,
    summary: summaryOf(entry),
    noRules: noRulesReason(entry, context),
    ports: portsOf(entry, context, port),
    records: recordsOf(entry),
    variables: variablesOf(entry, context),
  };
}

function summaryOf({ service }: ServiceEntry): string {
  if (service.type === 'ExternalName') return `an alias in DNS of ${service.externalName ?? 'nothing'}.`;
  if (service.headless)
    return 'no cluster IP (headless): DNS gives the addresses of its endpoints, so there is nothing to translate.';
  const kinds = {
    ClusterIP: 'an address inside the cluster',
    NodePort: 'an address inside the cluster, and a port on the nodes',
    LoadBalancer: 'an address inside the cluster, and addresses of a load balancer',
  };
  const outside = service.type === 'ClusterIP' && FAMILIES.some((family) => service.externalIPs[family].length > 0);
  return `${kinds[service.type]}${outside ? ', and external IPs' : ''}.`;
}

/** In the order in which kube-proxy looks. */
function noRulesReason({ service }: ServiceEntry, { setting }: ExplainContext): string | undefined {
  if (service.otherProxy) {
    const name = service.object.metadata?.labels?.[SERVICE_PROXY_NAME_LABEL] ?? '';
    return `the label ${SERVICE_PROXY_NAME_LABEL} gives it to another proxy, ${name}.`;
  }
  if (service.type === 'ExternalName') return 'a Service of type ExternalName exists in DNS only.';
  if (service.headless) return 'a headless Service has no cluster IP that could be translated.';
  const families = FAMILIES.filter((family) => service.clusterIPs[family] !== undefined);
  if (families.length === 0) return 'it has no cluster IP (yet).';
  if (!families.some((family) => setting.families.includes(family))) {
    return `its cluster IP is ${families.join(' and ')}, but the node is ${setting.families.join(' and ')}.`;
  }
  return undefined;
}

function portsOf({ service }: ServiceEntry, context: ExplainContext, port?: string): readonly PortExplanation[] {
  const { mode } = context.setting;
  return context.plans.flatMap((nodePlan) =>
    nodePlan.servicePorts
      .filter((plan) => plan.service === service.name && plan.namespace === service.namespace)
      .filter((plan) => port === undefined || plan.portName === port || String(plan.port) === port)
      .map((plan): PortExplanation => {
        const texts = context.textsOf(plan.family);
        return {
          name: plan.name,
          port: plan.port,
          protocol: plan.protocol,
          family: plan.family,
          addresses: addressesOf(plan, nodePlan.node, mode),
          endpoints: endpointsOf(plan, nodePlan.node),
          decisions: decisionsOf(plan, nodePlan.node, mode),
          ...contributionOf(plan, nodePlan, texts),
        };
      }),
  );
}

/** The names that the specification asks for, of this Service alone. */
function recordsOf({ service, slices }: ServiceEntry): readonly DnsRecord[] {
  const state = emptyState();
  setService(state, service);
  for (const slice of slices) setSlice(state, slice);
  const object = `Service ${serviceKey(service)}`;
  const [zone] = dnsZones(state, { specOnly: true }).zones;
  return (zone?.records ?? []).filter((record) => record.object === object);
}

/** What it sets in a Pod of its namespace that is created now. */
function variablesOf({ service }: ServiceEntry, { state }: ExplainContext): ServiceExplanation['variables'] {
  const pod = {
    namespace: service.namespace,
    name: 'any',
    enableServiceLinks: true,
    address: undefined,
    isOver: false,
    origin: undefined,
  };
  const key = serviceKey(service);
  return podEnvironment(state, pod)
    .variables.filter((variable) => variable.service === key)
    .map(({ name, value }) => ({ name, value }));
}

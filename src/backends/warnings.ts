/** What is said of a plan whatever the mode. */
import { type Diagnostic, diagnostic } from '../kube/diagnostics.js';
import { apiNameOf } from '../net/family.js';
import { isLoopback } from '../net/ip.js';
import type { NodePlan } from '../plan/plan.js';

/** Endpoints that slices contradict each other about, and node ports that answer nowhere. */
export function planWarnings(plan: NodePlan): readonly Diagnostic[] {
  return [...contradictions(plan), ...unansweredNodePorts(plan), ...unknownPrimary(plan)];
}

function contradictions({ contradictory }: NodePlan): readonly Diagnostic[] {
  return contradictory.map(({ plan: { name, namespace, service }, endpoint, slices }) => {
    const given = slices.map((slice) => `${namespace}/${slice.name}`).join(' and ');
    const message = `endpoint ${endpoint} of ${name} is in EndpointSlices ${given} with different data.`;
    const hint = 'kube-proxy picks one by chance; here the last by name counts that has it not terminating.';
    const origin = slices.at(-1)?.origin;
    return diagnostic('endpoint-conflict', message, { object: `Service ${namespace}/${service}`, hint, origin });
  });
}

/** Node ports on chosen addresses of which the node is known to have none. */
function unansweredNodePorts(plan: NodePlan): readonly Diagnostic[] {
  const { family, localhostNodePorts, nodePortAddresses } = plan.node;
  const { all, local } = nodePortAddresses;
  if (all || local.some((text) => localhostNodePorts || !isLoopback({ family, text }))) return [];
  const message = `nodePortAddresses covers no known ${apiNameOf(family)} address of the node, so node ports answer nowhere.`;
  return noNodePortAddress(plan, message);
}

/** A Node without addresses, or none: on a real node the text would be another. IPVS says so itself in any case. */
function unknownPrimary(plan: NodePlan): readonly Diagnostic[] {
  const { family, nodePortAddresses } = plan.node;
  if (!nodePortAddresses.primaryUnknown || plan.mode === 'ipvs') return [];
  const message = `the primary ${apiNameOf(family)} address of the node is not known, so node ports answer on every address.`;
  return noNodePortAddress(plan, message, 'Give its Node object.');
}

/** A warning that names the Services with node ports; none where no Service has one. */
export function noNodePortAddress({ servicePorts }: NodePlan, message: string, hint?: string): readonly Diagnostic[] {
  const services = servicePorts.filter(({ nodePort }) => nodePort !== undefined);
  if (services.length === 0) return [];
  const objects = [...new Set(services.map(({ namespace, service }) => `Service ${namespace}/${service}`))];
  return [diagnostic('no-node-port-address', message, { objects, hint })];
}

/**
 * Service ports that claim the same thing: a virtual server, an element of a map. kube-proxy goes through service
 * ports in random order, and the one that comes last has it. Here the first by name has it in every mode, as in
 * iptables mode the first rule that matches counts.
 */
import { type Diagnostic, diagnostic } from '../kube/diagnostics.js';
import type { ServicePortPlan } from '../plan/service-port.js';

/** The warning that two service ports claim one address and port. */
export function claimConflict(winner: ServicePortPlan, loser: ServicePortPlan, what: string): Diagnostic {
  return diagnostic('address-conflict', `${what} is claimed by ${nameOf(winner)} too, which has it here.`, {
    object: `Service ${loser.namespace}/${loser.service}`,
    hint: 'kube-proxy leaves to chance which of the two has it: change one of them.',
  });
}

function nameOf({ name, namespace, service }: ServicePortPlan): string {
  return `Service ${namespace}/${service} (${name})`;
}

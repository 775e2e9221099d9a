/**
 * Service ports that claim the same thing: a virtual server, an element of a map. kube-proxy goes through service
 * ports in random order, and the one that comes last has it. Here, in every mode, the first by name that has endpoints
 * has it, as in iptables mode, where the first rule that matches counts and one without endpoints has no rule.
 */
import { type Diagnostic, diagnostic } from '../kube/diagnostics.js';
import type { ServicePortPlan } from '../plan/service-port.js';

/** The warning that two service ports claim one thing. */
export function claimConflict(winner: ServicePortPlan, loser: ServicePortPlan, what: string): Diagnostic {
  const other = `Service ${winner.namespace}/${winner.service}`;
  return diagnostic('address-conflict', `${what} of ${loser.name} is claimed by ${other} (${winner.name}) too.`, {
    object: `Service ${loser.namespace}/${loser.service}`,
    hint: `kube-proxy leaves to chance which of them answers; here it is ${winner.name}.`,
  });
}

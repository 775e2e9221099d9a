/** The differences between modes that matter for one cluster, as notes. */
import { PROXY_MODES, type ProxyConfig, type ProxyMode } from '../kube/config.js';
import { type Diagnostic, diagnostic } from '../kube/diagnostics.js';
import type { Node } from '../kube/node.js';
import { compareBytes } from '../net/text.js';
import { nodeFacts } from '../plan/node.js';
import type { NodePlan } from '../plan/plan.js';
import { type FactsByMode, JUDGED_DIFFERENCES, type ModeDifference } from './modes.js';

/**
 * One note for each difference that matters: what the mode of the plans does, and what the others do. Its `topic` is
 * the difference's code, its `objects` are the Services concerned; without any it is the node as a whole.
 * @param plans of the node, one a family, all of one mode
 */
export function modeNotes(plans: readonly NodePlan[], node: Node, config: ProxyConfig): readonly Diagnostic[] {
  const [first] = plans;
  if (first === undefined) return [];
  const subjects = plans.map((plan) => ({ plan, facts: factsByMode(node, plan, config) }));
  return JUDGED_DIFFERENCES.flatMap((difference) => {
    const note = (objects?: readonly string[]): Diagnostic =>
      diagnostic('mode-difference', sentences(difference, first.mode), { topic: difference.code, objects });
    if (difference.scope === 'node') {
      return subjects.some(({ plan, facts }) => difference.concerns(plan, facts)) ? note() : [];
    }
    const services = new Set<string>();
    for (const { plan, facts } of subjects) {
      for (const port of plan.servicePorts) {
        if (difference.concerns(port, facts)) services.add(`Service ${port.namespace}/${port.service}`);
      }
    }
    return services.size === 0 ? [] : note([...services].sort(compareBytes));
  });
}

/** `node ports on 127.0.0.1. nftables, ipvs: not answered. iptables: answered over IPv4; …`; the mode in force first. */
function sentences({ title, modes }: ModeDifference, here: ProxyMode): string {
  const byText = new Map<string, ProxyMode[]>();
  for (const mode of [here, ...PROXY_MODES.filter((each) => each !== here)]) {
    byText.set(modes[mode], [...(byText.get(modes[mode]) ?? []), mode]);
  }
  const groups = Array.from(byText, ([text, alike]) => ` ${alike.join(', ')}: ${text}.`);
  return `${title}.${groups.join('')}`;
}

function factsByMode(node: Node, { node: { family } }: NodePlan, config: ProxyConfig): FactsByMode {
  const facts = (mode: ProxyMode) => nodeFacts(node, family, mode, config);
  return { iptables: facts('iptables'), ipvs: facts('ipvs'), nftables: facts('nftables') };
}

/** IPVS mode: virtual servers, the sets and rules around them, and the addresses that make the kernel take packets in. */

import type { IpvsConfig } from '../../kube/config.js';
import { type Diagnostic, diagnostic } from '../../kube/diagnostics.js';
import { apiNameOf, type Family } from '../../net/family.js';
import { compareBytes } from '../../net/text.js';
import type { NodePlan } from '../../plan/plan.js';
import type { Backend } from '../backend.js';
import { createCollection, createLowering } from '../fragments.js';
import { noNodePortAddress } from '../warnings.js';
import { type Fragment, lowerServicePort, type VirtualServer } from './fragment.js';
import { rulesText } from './rules.js';
import { bySet, ipsetText, MOST_ENTRIES, type SetContents, setContents, setName } from './sets.js';
import { setupText } from './setup.js';

/** Writes one text for each tool that kube-proxy calls, ready for its restore command, and the addresses for `ip`. */
export const ipvsBackend: Backend = {
  parts: ['ipvsadm', 'ipset', 'rules', 'addresses', 'setup'],
  // None of them does anything without the others.
  printed: ['ipvsadm', 'ipset', 'rules', 'addresses', 'setup'],
  create() {
    const lower = createLowering(lowerServicePort);
    const collectEntries = createCollection((fragment: Fragment) => fragment.entries, bySet);
    const collectServers = createCollection((fragment: Fragment) => fragment.virtualServers, byService);
    return (plan) => {
      const { node } = plan;
      const fragments = lower(plan.servicePorts, node);
      const sets = setContents(collectEntries(fragments));
      const { chosen, diagnostics } = chooseServers(collectServers(fragments), fragments.all);
      const filled = new Set(sets.filter(({ entries }) => entries.length > 0).map(({ set }) => set));
      const addresses = sets.find(({ set }) => set === 'IPVS-IPS')?.entries ?? [];
      return {
        texts: [
          { part: 'ipvsadm', pieces: [timeoutLine(node.ipvs), ...chosen.map(({ text }) => text)] },
          { part: 'ipset', pieces: ipsetText(sets, node.family) },
          { part: 'rules', pieces: rulesText(node, filled, outFilterRules(fragments.all)) },
          { part: 'addresses', pieces: addresses.map(({ entry }) => `${entry}\n`) },
          { part: 'setup', pieces: [setupText(node)] },
        ],
        diagnostics: [...unknownNodePortAddresses(plan), ...diagnostics, ...overfullSets(sets, node.family)],
      };
    };
  },
};

/** kube-proxy repeats these rules, so repetitions stay. */
function outFilterRules(fragments: readonly Fragment[]): readonly string[] {
  const rules: string[] = [];
  for (const fragment of fragments) rules.push(...fragment.outFilterRules);
  return rules.sort(compareBytes);
}

/** A virtual server has one address: where node ports answer on all, they must be known. */
function unknownNodePortAddresses(plan: NodePlan): readonly Diagnostic[] {
  const { family, hostAddresses, nodePortAddresses } = plan.node;
  if (!nodePortAddresses.all || hostAddresses.length > 0) return [];
  const message = `no ${apiNameOf(family)} address of the node is known, so IPVS has no virtual server for node ports.`;
  return noNodePortAddress(plan, message, 'Give its Node object.');
}

/** kube-proxy makes its sets as they are, however many entries it has for them. */
function overfullSets(sets: readonly SetContents[], family: Family): readonly Diagnostic[] {
  return sets.flatMap(({ set, entries }) => {
    if (entries.length <= MOST_ENTRIES) return [];
    const message = `set ${setName(set, family)} would have ${entries.length} entries, but it takes ${MOST_ENTRIES}.`;
    const hint = 'The part ipset does not load, and kube-proxy leaves the rest out: nftables mode has no such limit.';
    return diagnostic('ipset-full', message, { hint });
  });
}

function byService(a: VirtualServer, b: VirtualServer): number {
  return compareBytes(a.service, b.service);
}

/**
 * One virtual server for each address, port and protocol. Of several service ports kube-proxy would take any; here it
 * is as in the other modes: the first by name that has endpoints, and an external address before a node port.
 * @param sorted all that the fragments have, in the order of `byService`
 * @returns those chosen, in the same order
 */
function chooseServers(
  sorted: readonly VirtualServer[],
  fragments: readonly Fragment[],
): { readonly chosen: readonly VirtualServer[]; readonly diagnostics: readonly Diagnostic[] } {
  const contested = new Set<string>();
  let last = '';
  for (const { service } of sorted) {
    if (service === last) contested.add(service);
    last = service;
  }
  if (contested.size === 0) return { chosen: sorted, diagnostics: [] };
  const winners = new Map<string, VirtualServer>();
  const displaced: VirtualServer[] = [];
  for (const { virtualServers } of fragments) {
    for (const server of virtualServers) {
      if (!contested.has(server.service)) continue;
      const holder = winners.get(server.service);
      const wins = holder === undefined || goesBefore(server, holder);
      if (wins) winners.set(server.service, server);
      if (holder !== undefined) displaced.push(wins ? holder : server);
    }
  }
  return {
    chosen: sorted.filter((server) => (winners.get(server.service) ?? server) === server),
    diagnostics: conflicts(winners, displaced),
  };
}

/** Whether a virtual server of a later service port takes the place of an earlier one's. */
function goesBefore(later: VirtualServer, earlier: VirtualServer): boolean {
  if (later.empty !== earlier.empty) return earlier.empty;
  return earlier.kind === 'node port' && later.kind !== 'node port';
}

/** One warning for each service port that lost a virtual server to another. */
function conflicts(
  chosen: ReadonlyMap<string, VirtualServer>,
  displaced: readonly VirtualServer[],
): readonly Diagnostic[] {
  const told = new Map<string, Diagnostic>();
  for (const loser of displaced) {
    const winner = chosen.get(loser.service);
    // Where no node port is involved the clash was seen when the objects were read.
    if (winner === undefined || (winner.kind !== 'node port' && loser.kind !== 'node port')) continue;
    const what = `${loser.kind} ${loser.service.replace(/^\S+ /, '')} (${loser.plan.protocol}) of ${loser.plan.name}`;
    const other = `Service ${winner.plan.namespace}/${winner.plan.service}`;
    const warning = diagnostic('address-conflict', `${what} is claimed by ${other} (${winner.plan.name}) too.`, {
      object: `Service ${loser.plan.namespace}/${loser.plan.service}`,
      hint: `kube-proxy leaves to chance which of them answers; here it is ${winner.plan.name}.`,
      origin: loser.plan.origin,
    });
    told.set(`${loser.service} ${loser.plan.name}`, warning);
  }
  return [...told.values()];
}

/** Sets the kernel's timeouts if one is configured: whole seconds, 0 leaves what there is. */
function timeoutLine({ tcpTimeoutSeconds, tcpFinTimeoutSeconds, udpTimeoutSeconds }: IpvsConfig): string {
  const seconds = [tcpTimeoutSeconds, tcpFinTimeoutSeconds, udpTimeoutSeconds];
  return seconds.some((each) => each > 0) ? `--set ${seconds.map(Math.floor).join(' ')}\n` : '';
}

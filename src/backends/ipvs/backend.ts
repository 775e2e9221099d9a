/** IPVS mode: virtual servers, the sets and rules around them, and the addresses that make the kernel take packets in. */

import type { IpvsConfig } from '../../kube/config.js';
import { type Diagnostic, diagnostic } from '../../kube/diagnostics.js';
import type { Family } from '../../net/family.js';
import { compareBytes } from '../../net/text.js';
import type { NodePlan } from '../../plan/plan.js';
import type { Backend, Lowered } from '../backend.js';
import { createLowering } from '../fragments.js';
import { type Fragment, lowerServicePort, type VirtualServer } from './fragment.js';
import { rulesText } from './rules.js';
import { ipsetText, MOST_ENTRIES, type SetContents, type SetKey, setContents, setName, sortedOnce } from './sets.js';
import { setupText } from './setup.js';

export const ipvsBackend: Backend = {
  parts: ['ipvsadm', 'ipset', 'rules', 'addresses', 'setup'],
  // None of them does anything without the others.
  printed: ['ipvsadm', 'ipset', 'rules', 'addresses', 'setup'],
  create() {
    const lower = createLowering(lowerServicePort);
    return (plan) => assemble(plan, lower(plan.servicePorts, plan.node));
  },
};

function assemble({ node }: NodePlan, fragments: readonly Fragment[]): Lowered {
  const addresses = sortedOnce(fragments.flatMap((fragment) => fragment.addresses));
  const sets = setContents([
    ...fragments.map((fragment) => fragment.entries),
    addresses.map((entry) => ({ set: 'IPVS-IPS', entry })),
  ]);
  const outFilterRules = fragments.flatMap((fragment) => fragment.outFilterRules).sort(compareBytes);
  const { virtualServers, diagnostics } = chooseServers(fragments);
  return {
    texts: {
      ipvsadm: [timeoutLine(node.ipvs), ...virtualServers.map(({ text }) => text)],
      ipset: ipsetText(sets, node.family),
      rules: rulesText(node, sets, outFilterRules),
      addresses: addresses.map((address) => `${address}\n`),
      setup: [setupText(node)],
    },
    diagnostics: [...diagnostics, ...overfullSets(sets, node.family)],
  };
}

/** kube-proxy makes its sets as they are, however many entries it has for them. */
function overfullSets(sets: SetContents, family: Family): readonly Diagnostic[] {
  return Object.entries(sets).flatMap(([key, entries]) => {
    if (entries.length <= MOST_ENTRIES) return [];
    const name = setName(key as SetKey, family);
    const message = `set ${name} would have ${entries.length} entries, but it takes ${MOST_ENTRIES}.`;
    const hint = 'The part ipset does not load, and kube-proxy leaves the rest out: nftables mode has no such limit.';
    return diagnostic('ipset-full', message, { hint });
  });
}

/**
 * One virtual server for each address, port and protocol, bytewise by these. Of several service ports kube-proxy would
 * take any; here it is as in the other modes: the first by name that has endpoints, and an external address before a
 * node port.
 */
function chooseServers(fragments: readonly Fragment[]): {
  readonly virtualServers: readonly VirtualServer[];
  readonly diagnostics: readonly Diagnostic[];
} {
  const chosen = new Map<string, VirtualServer>();
  const displaced: VirtualServer[] = [];
  for (const { virtualServers } of fragments) {
    for (const server of virtualServers) {
      const holder = chosen.get(server.service);
      const wins = holder === undefined || goesBefore(server, holder);
      if (wins) chosen.set(server.service, server);
      if (holder !== undefined) displaced.push(wins ? holder : server);
    }
  }
  return {
    virtualServers: [...chosen.values()].sort((a, b) => compareBytes(a.service, b.service)),
    diagnostics: conflicts(chosen, displaced),
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

/** One family of a node in IPVS mode. */
import type { VirtualServer } from '../../backends/ipvs/ipvsadm-text.js';
import { setupText } from '../../backends/ipvs/setup.js';
import { cidrContains, parseIp } from '../../net/ip.js';
import type { NodeFacts } from '../../plan/node.js';
import { type ConfigurationGuess, compareConfigured, detectorGuess } from './configuration.js';
import type { Container, Contents } from './contents.js';
import type { FamilyInput, ReadDump } from './dumps.js';
import type { VerifyFinding } from './finding.js';
import {
  claimedAddresses,
  foreignServers,
  type IpvsParts,
  interfaceContainer,
  ipvsAdapter,
  isManaged,
  serverContents,
  setContainers,
} from './ipvs.js';
import { foreignServersFinding, nothingThere, otherMode } from './node-findings.js';
import { findingsOf } from './service-findings.js';
import { guessMark, isEmpty } from './verify-iptables.js';
import { specOf, verifyJumps, xtablesContents } from './xtables-contents.js';

/** Compares the dumps of one family, as many of them as there are. */
export function verifyIpvsFamily({ plan, state, dumps }: FamilyInput): readonly VerifyFinding[] {
  const { node } = plan;
  const { family } = node;
  const observed = new Map<string, Container>();
  const claimed = claimedAddresses(plan);
  const findings: VerifyFinding[] = [];
  let parts: IpvsParts = { servers: false, sets: false, addresses: false, rules: false, version: undefined };
  for (const dump of dumps) {
    if (dump.kind === 'ipvsadm') {
      parts = { ...parts, servers: true };
      const foreign = new Set(foreignOf(dump.services, node, dumps, claimed));
      if (foreign.size > 0) findings.push(foreignServersFinding(family, [...foreign], dump.file));
      const own = dump.services.filter((each) => isManaged(each, node, claimed) && !foreign.has(each));
      for (const server of serverContents(own, dump.file)) observed.set(server.name, server);
    } else if (dump.kind === 'ipset') {
      parts = { ...parts, sets: true };
      for (const set of setContainers(dump.sets, family, dump.file)) observed.set(set.name, set);
    } else if (dump.kind === 'addresses') {
      parts = { ...parts, addresses: true };
      const found = interfaceContainer(dump.addresses, family, dump.file);
      observed.set(found.name, withoutExcluded(found, node, claimed));
    } else if (dump.kind === 'xtables' && dump.family === family) {
      const found = xtablesContents(dump.text, dump.file, 'ipvs');
      if (found.otherMode.length > 0) findings.push(otherMode(family, found.otherMode, 'ipvs'));
      if (isEmpty(found.own)) {
        findings.push(nothingThere(family, dump.file));
        continue;
      }
      parts = { ...parts, rules: true, version: dump.version };
      findings.push(...verifyJumps(setupText(node), found, family));
      // kubelet's own in this mode.
      for (const chain of found.own.values())
        if (chain.name !== 'filter KUBE-FIREWALL') observed.set(chain.name, chain);
    }
  }
  const explained = compareConfigured(
    node,
    (facts) => ipvsAdapter({ ...plan, node: facts }, state, observed, parts),
    (facts) => guesses(facts, observed),
  );
  return [...findings, ...explained.findings, ...findingsOf(explained.adapter, explained.comparison)];
}

/** Only sets and addresses tell whose a virtual server is: without their dumps it is kube-proxy's. */
function foreignOf(
  services: readonly VirtualServer[],
  node: NodeFacts,
  dumps: readonly ReadDump[],
  claimed: ReadonlySet<string>,
): readonly VirtualServer[] {
  const sets = dumps.flatMap((dump) => (dump.kind === 'ipset' ? [dump.sets] : []));
  const addresses = dumps.flatMap((dump) => (dump.kind === 'addresses' ? [dump.addresses] : []));
  if (sets.length === 0 || addresses.length === 0) return [];
  return foreignServers(services, node, { sets: sets.flat(), addresses: addresses.flat(), claimed });
}

function withoutExcluded(container: Container, { ipvs }: NodeFacts, claimed: ReadonlySet<string>): Container {
  const items = container.items.filter(({ text }) => {
    const ip = parseIp(text);
    return ip === undefined || claimed.has(ip.text) || !ipvs.excludeCIDRs.some((cidr) => cidrContains(cidr, ip));
  });
  return { ...container, items };
}

function guesses(node: NodeFacts, observed: Contents): readonly ConfigurationGuess[] {
  return [...guessMark(node, observed), ...guessDetector(node, observed), ...guessScheduler(node, observed)];
}

/** How the rule for cluster IPs tells which traffic to masquerade. */
function guessDetector(node: NodeFacts, observed: Contents): readonly ConfigurationGuess[] {
  for (const item of observed.get('nat KUBE-SERVICES')?.items ?? []) {
    const { text } = item;
    if (!/--match-set KUBE-(6-)?CLUSTER-IP /.test(text) || !text.endsWith('-j KUBE-MARK-MASQ')) continue;
    if (text.includes(' src,dst ')) return detectorGuess(node, undefined);
    for (const match of specOf(item)?.matches ?? []) {
      if (match.kind === 'source' && match.not) return detectorGuess(node, { kind: 'cidr', cidr: match.cidr.text });
    }
    if (!text.includes('! -i')) return detectorGuess(node, 'all');
  }
  return [];
}

/** The scheduler of most virtual servers. */
function guessScheduler(node: NodeFacts, observed: Contents): readonly ConfigurationGuess[] {
  const counts = new Map<string, number>();
  for (const { kind, settings } of observed.values()) {
    const [, scheduler] = kind === 'virtual server' ? (/^-s (\S+)/.exec(settings) ?? []) : [];
    if (scheduler !== undefined) counts.set(scheduler, (counts.get(scheduler) ?? 0) + 1);
  }
  const [[most] = [undefined]] = [...counts].sort(([, a], [, b]) => b - a);
  const { scheduler } = node.ipvs;
  if (most === undefined || most === scheduler) return [];
  return [
    {
      setting: 'ipvs.scheduler',
      is: most,
      should: scheduler,
      node: { ...node, ipvs: { ...node.ipvs, scheduler: most } },
      least: 1,
    },
  ];
}

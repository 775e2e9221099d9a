/** One family of a node in iptables mode. */
import { setupText } from '../../backends/iptables/setup.js';
import type { RuleSpec } from '../../backends/xtables/rule.js';
import type { LocalDetector, NodeFacts } from '../../plan/node.js';
import { type ConfigurationGuess, compareConfigured, detectorGuess, markGuess } from './configuration.js';
import type { Contents } from './contents.js';
import type { FamilyInput } from './dumps.js';
import type { VerifyFinding } from './finding.js';
import { iptablesAdapter } from './iptables.js';
import { nothingThere, otherMode } from './node-findings.js';
import { findingsOf } from './service-findings.js';
import { specOf, targetOf, verifyJumps, xtablesContents } from './xtables-contents.js';

/** Compares the dump of one family. */
export function verifyIptablesFamily({ plan, state, dumps }: FamilyInput): readonly VerifyFinding[] {
  const { family } = plan.node;
  for (const dump of dumps) {
    if (dump.kind !== 'xtables' || dump.family !== family) continue;
    const found = xtablesContents(dump.text, dump.file, 'iptables');
    const left = found.otherMode.length === 0 ? [] : [otherMode(family, found.otherMode, 'iptables')];
    if (isEmpty(found.own)) return [nothingThere(family, dump.file), ...left];
    const { adapter, comparison, findings } = compareConfigured(
      plan.node,
      (node) => iptablesAdapter({ ...plan, node }, state, found.own, dump.version),
      (node) => guesses(node, found.own),
    );
    return [...findings, ...left, ...verifyJumps(setupText(plan), found, family), ...findingsOf(adapter, comparison)];
  }
  return [];
}

/** Whether there is no rule at all: kube-proxy never ran in this mode, or everything was flushed. */
export function isEmpty(own: Contents): boolean {
  for (const { name, items } of own.values()) if (items.length > 0 && name !== 'filter KUBE-FIREWALL') return false;
  return true;
}

function guesses(node: NodeFacts, own: Contents): readonly ConfigurationGuess[] {
  return [...guessMark(node, own), ...guessDetector(node, own), ...guessNodePorts(node, own)];
}

/** The bit that KUBE-MARK-MASQ sets. */
export function guessMark(node: NodeFacts, own: Contents): readonly ConfigurationGuess[] {
  for (const item of own.get('nat KUBE-MARK-MASQ')?.items ?? []) {
    const spec = specOf(item);
    if (spec?.target?.kind !== 'mark') continue;
    const bit = Math.log2(spec.target.value);
    if (!Number.isInteger(bit) || bit === node.masqueradeBit) continue;
    return [markGuess(node, bit)];
  }
  return [];
}

/** How most chains of Services tell which traffic to masquerade. */
function guessDetector(node: NodeFacts, own: Contents): readonly ConfigurationGuess[] {
  const counts = new Map<string, { count: number; detector: LocalDetector | 'all' | undefined }>();
  for (const { name, items } of own.values()) {
    if (!/^nat KUBE-SV[CL]-/.test(name)) continue;
    const rule = items.find((item) => targetOf(item) === 'KUBE-MARK-MASQ');
    const spec = specOf(rule);
    const detector = spec === undefined ? undefined : detectorOf(spec);
    const key = JSON.stringify(detector ?? null);
    counts.set(key, { detector, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  const [most] = [...counts.values()].sort((a, b) => b.count - a.count);
  return most === undefined ? [] : detectorGuess(node, most.detector, most.detector === undefined ? 2 : 1);
}

function detectorOf({ matches }: RuleSpec): LocalDetector | 'all' {
  for (const match of matches) {
    if (match.kind === 'source' && match.not) return { kind: 'cidr', cidr: match.cidr.text };
    if (match.kind === 'in-interface' && match.not) {
      return match.prefix ? { kind: 'interface-prefix', prefix: match.name } : { kind: 'interface', name: match.name };
    }
  }
  return 'all';
}

/** The addresses that lead to KUBE-NODEPORTS. */
function guessNodePorts(node: NodeFacts, own: Contents): readonly ConfigurationGuess[] {
  const jumps = own.get('nat KUBE-SERVICES')?.items.filter((item) => targetOf(item) === 'KUBE-NODEPORTS') ?? [];
  if (jumps.length === 0) return [];
  const matches = jumps.flatMap((item) => specOf(item)?.matches ?? []);
  const all = matches.some(({ kind }) => kind === 'addrtype');
  const local = matches.flatMap((match) =>
    match.kind === 'destination' && !match.not && !all ? [match.cidr.text.replace(/\/\d+$/, '')] : [],
  );
  const { nodePortAddresses: ours } = node;
  const localhostNodePorts = (own.get('filter KUBE-FIREWALL')?.items.length ?? 0) > 0 && node.family === 'ipv4';
  if (ours.all === all && [...ours.local].sort().join() === [...local].sort().join()) return [];
  const text = (isAll: boolean, addresses: readonly string[]) =>
    isAll ? 'every address' : addresses.join(', ') || 'none';
  return [
    {
      setting: 'nodePortAddresses that are',
      is: text(all, local),
      should: text(ours.all, ours.local),
      node: {
        ...node,
        localhostNodePorts,
        nodePortAddresses: { all, local: local.sort(), coversLoopback: ours.coversLoopback, primaryUnknown: false },
      },
      least: 1,
    },
  ];
}

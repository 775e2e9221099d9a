/** nftables mode: one script a family, which replaces kube-proxy's table as a whole in one transaction. */
import { type Diagnostic, diagnostic } from '../../kube/diagnostics.js';
import { compareBytes } from '../../net/text.js';
import type { NodeFacts } from '../../plan/node.js';
import type { NodePlan } from '../../plan/plan.js';
import type { Backend, Lowered } from '../backend.js';
import { createLowering } from '../fragments.js';
import { type Chain, type Collection, type Element, type Fragment, lowerServicePort } from './fragment.js';
import { fixedChains, fixedMaps, fixedSets, nodePortIPs } from './table.js';
import { needsQuotes, WORDS } from './words.js';

export const nftablesBackend: Backend = {
  parts: ['nft'],
  printed: ['nft'],
  create() {
    const lower = createLowering(lowerServicePort);
    return (plan) => assemble(plan, lower(plan.servicePorts, plan.node));
  },
};

function assemble({ node, serviceCIDRs }: NodePlan, fragments: readonly Fragment[]): Lowered {
  const { table } = WORDS[node.family];
  const chains = [...fixedChains(node, serviceCIDRs), ...fragments.flatMap((fragment) => fragment.chains)].sort(byName);
  const sets = [...fixedSets(node), ...fragments.flatMap((fragment) => fragment.affinitySets)].sort(byName);
  const script = [
    // Deleting is legal only where the table is, so it is made first.
    `add table ${table}\ndelete table ${table}\n`,
    `add table ${table} { comment "rules for kube-proxy" ; }\n`,
    ...chains.map(({ name, properties }) => `add chain ${table} ${name}${properties}\n`),
    ...sets.map((set) => collectionLine('set', table, set)),
    ...fixedMaps(node).map((map) => collectionLine('map', table, map)),
    ...chains.map(({ name, rules }) => ruleLines(table, name, rules)),
    ...elementLines(node, fragments),
  ];
  return { texts: { nft: script }, diagnostics: deviations(node, fragments) };
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return compareBytes(a.name, b.name);
}

function collectionLine(kind: 'set' | 'map', table: string, { name, properties }: Collection): string {
  return `add ${kind} ${table} ${name} ${properties}\n`;
}

function ruleLines(table: string, chain: string, rules: Chain['rules']): string {
  return rules.map((rule) => `add rule ${table} ${chain} ${rule}\n`).join('');
}

/**
 * The lines of all elements, bytewise. Of service ports that claim one element the first by name has it, as if
 * kube-proxy had come to them in the opposite order: there the last one's verdict stays, and where the verdicts are
 * the same the comment of the first one.
 */
function elementLines(node: NodeFacts, fragments: readonly Fragment[]): readonly string[] {
  const chosen = new Map<string, Element>();
  for (const { elements } of fragments.toReversed()) {
    for (const element of elements) {
      if (chosen.get(element.key)?.verdict !== element.verdict) chosen.set(element.key, element);
    }
  }
  const { table } = WORDS[node.family];
  const lines = Array.from(chosen.values(), ({ line }) => line);
  for (const ip of nodePortIPs(node)) lines.push(`add element ${table} nodeport-ips { ${ip} }\n`);
  return lines.sort(compareBytes);
}

/** Where the text is not kube-proxy's own, because nft would refuse that. */
function deviations(node: NodeFacts, fragments: readonly Fragment[]): readonly Diagnostic[] {
  const cut = fragments
    .filter((fragment) => fragment.commentCut)
    .map(({ plan }) =>
      diagnostic('nft-comment-cut', `the comment "${plan.name}" is cut to 128 bytes, as nft takes no longer ones.`, {
        object: `Service ${plan.namespace}/${plan.service}`,
        hint: 'kube-proxy v1.36 does not cut it, and cannot load its rules then.',
      }),
    );
  if (!needsQuotes(node.localDetector) || node.localDetector === undefined || node.localDetector.kind === 'cidr') {
    return cut;
  }
  const { localDetector } = node;
  const name = localDetector.kind === 'interface' ? localDetector.name : `${localDetector.prefix}*`;
  const quoted = diagnostic(
    'nft-name-quoted',
    `interface name ${name} is quoted, as nft might not take it for this name.`,
    {
      hint: 'kube-proxy v1.36 does not quote it: depending on nft, its rules do not load or name another interface.',
    },
  );
  return [...cut, quoted];
}

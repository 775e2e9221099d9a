/** nftables mode: one script a family, which replaces kube-proxy's table as a whole in one transaction. */
import { type Diagnostic, diagnostic } from '../../kube/diagnostics.js';
import { mergeSorted } from '../../net/sorted.js';
import { compareBytes } from '../../net/text.js';
import type { NodeFacts } from '../../plan/node.js';
import type { NodePlan } from '../../plan/plan.js';
import type { Backend } from '../backend.js';
import { createCollection, createLowering, type Fragments } from '../fragments.js';
import { type Fragment, lowerServicePort } from './fragment.js';
import type { Chain, Collection, Element } from './lines.js';
import { fixedChains, fixedMaps, fixedSets, nodePortElements } from './table.js';
import { LONGEST_COMMENT, quotedInterface, WORDS } from './words.js';

/** Writes the script for `nft -f`, which needs nothing before it and nothing behind it. */
export const nftablesBackend: Backend = {
  parts: ['nft'],
  printed: ['nft'],
  create() {
    const lower = createLowering(lowerServicePort);
    const collect = createContents();
    return (plan) => {
      const fragments = lower(plan.servicePorts, plan.node);
      return {
        texts: [{ part: 'nft', pieces: script(plan, collect(fragments)) }],
        diagnostics: deviations(plan.node, fragments.all),
      };
    };
  },
};

/** What all service ports contribute, each list bytewise. */
interface Contents {
  readonly chains: readonly Chain[];
  readonly affinitySets: readonly Collection[];
  /** By key, and those of one key by the names of the service ports that ask for it. */
  readonly elements: readonly Element[];
}

function createContents(): (fragments: Fragments<Fragment>) => Contents {
  const chains = createCollection((fragment: Fragment) => fragment.chains, byName);
  const affinitySets = createCollection((fragment: Fragment) => fragment.affinitySets, byName);
  const elements = createCollection((fragment: Fragment) => fragment.elements, byKey);
  return (fragments) => ({
    chains: chains(fragments),
    affinitySets: affinitySets(fragments),
    elements: elements(fragments),
  });
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return compareBytes(a.name, b.name);
}

function byKey(a: Element, b: Element): number {
  return compareBytes(a.key, b.key) || compareBytes(a.owner, b.owner);
}

function script({ node, serviceCIDRs }: NodePlan, contents: Contents): readonly string[] {
  const { table } = WORDS[node.family];
  const chains = mergeSorted(contents.chains, fixedChains(node, serviceCIDRs).toSorted(byName), byName);
  const sets = mergeSorted(contents.affinitySets, fixedSets(node), byName);
  const elements = mergeSorted(contents.elements, nodePortElements(node).toSorted(byKey), byKey);
  // Deleting is legal only where the table is, so it is made first.
  const pieces = [
    `add table ${table}\ndelete table ${table}\n`,
    `add table ${table} { comment "rules for kube-proxy" ; }\n`,
  ];
  for (const { added } of chains) pieces.push(added);
  for (const { added } of sets) pieces.push(added);
  for (const { added } of fixedMaps(node)) pieces.push(added);
  for (const { rules } of chains) pieces.push(rules);
  for (const { added } of firstClaims(elements)) pieces.push(added);
  return pieces;
}

/**
 * Each element once. Of service ports that claim one the first by name has it, as if kube-proxy had come to them in
 * the opposite order: there the last one's verdict stays, and where the verdicts are the same the comment of the first.
 */
function firstClaims(elements: readonly Element[]): readonly Element[] {
  const chosen: Element[] = [];
  let isSettled = false;
  for (const element of elements) {
    const first = chosen.at(-1);
    if (first?.key !== element.key) {
      chosen.push(element);
      isSettled = false;
    } else if (!isSettled && first.verdict === element.verdict) {
      chosen[chosen.length - 1] = element;
    } else {
      isSettled = true;
    }
  }
  return chosen;
}

/** Where the text is not kube-proxy's own, because nft would refuse that. */
function deviations({ localDetector }: NodeFacts, fragments: readonly Fragment[]): readonly Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  for (const { plan, elements } of fragments) {
    // The comment is the service port's name; only some of its elements have one, or none.
    if (plan.name.length <= LONGEST_COMMENT || elements.every(({ comment }) => comment === '')) continue;
    const message = `the comment "${plan.name}" is cut to 128 bytes, as nft takes no longer ones.`;
    const object = `Service ${plan.namespace}/${plan.service}`;
    const hint = 'kube-proxy v1.36 does not cut it, and cannot load its rules then.';
    diagnostics.push(diagnostic('nft-comment-cut', message, { object, hint, origin: plan.origin }));
  }
  const quoted = quotedInterface(localDetector);
  if (quoted !== undefined) {
    const name = quoted.slice(1, -1);
    const message = `interface name ${name} is quoted, as nft might not take it for this name.`;
    const hint =
      'kube-proxy v1.36 does not quote it: depending on nft, its rules do not load or name another interface.';
    diagnostics.push(diagnostic('nft-name-quoted', message, { hint }));
  }
  return diagnostics;
}

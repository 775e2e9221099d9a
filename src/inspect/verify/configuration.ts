/** What differs as a whole because the node was configured otherwise: one finding instead of one for each rule. */
import type { LocalDetector, NodeFacts } from '../../plan/node.js';
import { type Adapter, type Comparison, compareNode } from './engine.js';
import type { VerifyFinding } from './finding.js';
import { nodeFinding } from './node-findings.js';

/** A way in which the node may be configured, told from its rules. */
export interface ConfigurationGuess {
  /** The configuration's field: `masqueradeBit`. */
  readonly setting: string;
  /** What the rules were made with, and what the configuration says: `15 (mark 0x8000)`. */
  readonly is: string;
  readonly should: string;
  readonly node: NodeFacts;
  /** How many differences it must explain; a guess from what is not there is none when only one rule is missing. */
  readonly least: number;
}

/** The comparison that explains most, and a finding for each guess that it needs. */
export interface Explained {
  readonly adapter: Adapter;
  readonly comparison: Comparison;
  readonly findings: readonly VerifyFinding[];
}

/**
 * Compares a node, and takes every guess about its configuration that leaves fewer differences.
 * @param guess what the node's rules say of a configuration other than that of the facts
 */
export function compareConfigured(
  node: NodeFacts,
  create: (node: NodeFacts) => Adapter,
  guess: (node: NodeFacts) => readonly ConfigurationGuess[],
): Explained {
  let adapter = create(node);
  let comparison = compareNode(adapter);
  const findings: VerifyFinding[] = [];
  if (comparison.count === 0) return { adapter, comparison, findings };
  for (let round = 0; round < 4; round++) {
    let adopted = false;
    for (const each of guess(adapter.node)) {
      const other = create(each.node);
      const compared = compareNode(other);
      if (compared.count > comparison.count - each.least) continue;
      adapter = other;
      comparison = compared;
      findings.push(configurationFinding(each));
      adopted = true;
      break;
    }
    if (!adopted || comparison.count === 0) break;
  }
  return { adapter, comparison, findings };
}

function configurationFinding({ is, should, setting, node }: ConfigurationGuess): VerifyFinding {
  const message = `the rules were made with ${setting} ${is}, the configuration says ${should}.`;
  const hint = 'Give the configuration that kube-proxy runs with (--config), or restart it with this one.';
  return nodeFinding('configuration', node.family, message, hint);
}

/** Another masquerade bit. */
export function markGuess(node: NodeFacts, bit: number): ConfigurationGuess {
  return {
    setting: 'masqueradeBit',
    is: markText(bit),
    should: markText(node.masqueradeBit),
    node: { ...node, masqueradeBit: bit },
    least: 1,
  };
}

function markText(bit: number): string {
  return `${bit} (mark 0x${(2 ** bit).toString(16)})`;
}

/** Another way to tell local traffic, or all of it; nothing where it is the same. For `least` see ConfigurationGuess. */
export function detectorGuess(
  node: NodeFacts,
  found: LocalDetector | 'all' | undefined,
  least = 1,
): readonly ConfigurationGuess[] {
  const ours = node.masqueradeAll ? 'all' : node.localDetector;
  if (detectorText(ours) === detectorText(found)) return [];
  return [
    {
      setting: 'for local traffic',
      is: detectorText(found),
      should: detectorText(ours),
      node: {
        ...node,
        masqueradeAll: found === 'all',
        localDetector: found === 'all' ? node.localDetector : found,
      },
      least,
    },
  ];
}

function detectorText(detector: LocalDetector | 'all' | undefined): string {
  if (detector === undefined) return 'nothing (no clusterCIDR)';
  if (detector === 'all') return 'masqueradeAll';
  if (detector.kind === 'cidr') return `clusterCIDR ${detector.cidr}`;
  return detector.kind === 'interface' ? `interface ${detector.name}` : `interfaces ${detector.prefix}*`;
}

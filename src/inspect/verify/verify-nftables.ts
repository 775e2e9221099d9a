/** One family of a node in nftables mode. */
import { layoutOf } from '../../backends/nftables/recognise.js';
import { kubeProxyTables } from '../../backends/nftables/rule-set.js';
import type { LocalDetector, NodeFacts } from '../../plan/node.js';
import { type ConfigurationGuess, compareConfigured, detectorGuess, markGuess } from './configuration.js';
import type { Contents } from './contents.js';
import type { FamilyInput } from './dumps.js';
import type { VerifyFinding } from './finding.js';
import { expected, nftablesAdapter, tableContents } from './nftables.js';
import { nodeFinding, nothingThere, otherMode } from './node-findings.js';
import { findingsOf } from './service-findings.js';
import { xtablesContents } from './xtables-contents.js';

/** Compares the dump of one family. */
export function verifyNftablesFamily({ plan, state, dumps }: FamilyInput): readonly VerifyFinding[] {
  const { family } = plan.node;
  const tableFamily = family === 'ipv4' ? 'ip' : 'ip6';
  const left = dumps.flatMap((dump) => {
    if (dump.kind !== 'xtables' || dump.family !== family) return [];
    const { own, otherMode: others } = xtablesContents(dump.text, dump.file, 'iptables');
    const names = [...[...own.keys()].filter((name) => name !== 'filter KUBE-FIREWALL'), ...others];
    return names.length === 0 ? [] : [otherMode(family, names, 'nftables')];
  });
  const listings = dumps.flatMap((dump) => (dump.kind === 'nft' ? [dump] : []));
  for (const { file, ruleSet } of listings) {
    const table = kubeProxyTables(ruleSet).get(tableFamily);
    if (table === undefined) continue;
    const layout = layoutOf(ruleSet, tableFamily);
    if (layout === '1.34' || layout === '1.33') return [otherVersion(plan.node, layout), ...left];
    const contents = tableContents(table, file);
    if ([...contents.values()].every(({ items }) => items.length === 0)) return [nothingThere(family, file), ...left];
    const observed = expected(contents, plan);
    const { adapter, comparison, findings } = compareConfigured(
      plan.node,
      (node) => nftablesAdapter({ ...plan, node }, state, observed),
      (node) => guesses(node, observed),
    );
    return [...findings, ...left, ...findingsOf(adapter, comparison)];
  }
  const whole = listings.find((each) => each.whole);
  return whole === undefined ? left : [nothingThere(family, whole.file), ...left];
}

function otherVersion({ family }: NodeFacts, layout: string): VerifyFinding {
  const message = `the table is laid out as kube-proxy ${layout} does it; verify knows that of v1.36.`;
  return nodeFinding('other-version', family, message, 'Verify with the kuberules of the version of kube-proxy.');
}

function guesses(node: NodeFacts, observed: Contents): readonly ConfigurationGuess[] {
  const marking = observed.get('chain masquerading')?.items[0]?.text ?? '';
  const bit = Math.log2(Number(/mark & (0x[0-9a-f]+|\d+) != /.exec(marking)?.[1]));
  const mark = Number.isInteger(bit) && bit !== node.masqueradeBit ? [markGuess(node, bit)] : [];
  const detector = detectorOf(observed);
  return [...mark, ...detectorGuess(node, detector, detector === undefined ? 2 : 1)];
}

/** Which traffic to cluster IPs is masqueraded. */
function detectorOf(observed: Contents): LocalDetector | 'all' | undefined {
  const rule = observed.get('chain services')?.items.find(({ text }) => text.includes('@cluster-ips'))?.text;
  if (rule === undefined) return undefined;
  const [, cidr] = / saddr != (\S+) /.exec(rule) ?? [];
  if (cidr !== undefined) return { kind: 'cidr', cidr };
  const [, name] = /iifname != "?([^\s"]+)"? /.exec(rule) ?? [];
  if (name === undefined) return 'all';
  return name.endsWith('*') ? { kind: 'interface-prefix', prefix: name.slice(0, -1) } : { kind: 'interface', name };
}

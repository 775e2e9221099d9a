/** Is this node right? What a node holds against what kube-proxy would write there. */
import { modeOf } from '../../backends/compile.js';
import { kubeProxyTables } from '../../backends/nftables/rule-set.js';
import type { ProxyConfig, ProxyMode } from '../../kube/config.js';
import { type Diagnostic, diagnostic, hasErrors } from '../../kube/diagnostics.js';
import type { ClusterState } from '../../kube/state.js';
import { apiNameOf, FAMILIES, type Family } from '../../net/family.js';
import { chooseNode, familiesOf } from '../../plan/choose-node.js';
import { planNode } from '../../plan/plan.js';
import { type DumpText, type FamilyInput, modeInstead, modeOfDumps, type ReadDump, readDumps } from './dumps.js';
import type { VerifyFinding } from './finding.js';
import { otherMode, runsInstead } from './node-findings.js';
import { verifyIptablesFamily } from './verify-iptables.js';
import { verifyIpvsFamily } from './verify-ipvs.js';
import { verifyNftablesFamily } from './verify-nftables.js';

/** What to verify. */
export interface VerifyInput {
  readonly state: ClusterState;
  readonly config: ProxyConfig;
  /** Without it the configuration's counts, else what the dumps show. */
  readonly mode?: ProxyMode | undefined;
  /** The node's name; without it hostnameOverride, else the first Node counts. */
  readonly node?: string | undefined;
  readonly dumps: readonly DumpText[];
}

/** What was found; with an error among the diagnostics nothing was compared. */
export interface VerifyResult {
  readonly mode: ProxyMode;
  /** undefined where there is no Node object, and after an error. */
  readonly node: string | undefined;
  readonly findings: readonly VerifyFinding[];
  /** How many service ports of each family were compared. */
  readonly servicePorts: Readonly<Partial<Record<Family, number>>>;
  readonly diagnostics: readonly Diagnostic[];
}

const MODES: Readonly<Record<ProxyMode, (input: FamilyInput) => readonly VerifyFinding[]>> = {
  iptables: verifyIptablesFamily,
  ipvs: verifyIpvsFamily,
  nftables: verifyNftablesFamily,
};

/** Compares the dumps of a node with what kube-proxy v1.36 would have written for the objects. */
export function verify({ state, config, mode: asked, node: nodeName, dumps: texts }: VerifyInput): VerifyResult {
  const { dumps, diagnostics: said } = readDumps(texts);
  const mode = asked ?? config.mode ?? modeOfDumps(dumps) ?? modeOf(undefined, config);
  const choice = chooseNode(state, nodeName, config);
  const before = [...said, ...choice.diagnostics];
  const nothing = { mode, node: undefined, findings: [], servicePorts: {} };
  if (hasErrors(before) || choice.node === undefined) return { ...nothing, diagnostics: before };
  const { node } = choice;
  const families = familiesIn(dumps, mode, familiesOf(node, state, config));
  if (families.length === 0) {
    const hint = `In mode ${mode} verify needs ${NEEDED[mode].map(({ command }) => command).join(', ')}.`;
    const wrong = diagnostic('unreadable-rules', `none of the dumps is of mode ${mode}.`, { hint });
    return { ...nothing, diagnostics: [...before, wrong] };
  }
  const findings: VerifyFinding[] = [];
  const servicePorts: Partial<Record<Family, number>> = {};
  for (const family of families) {
    const plan = planNode(state, { node, family, mode, config });
    servicePorts[family] = plan.servicePorts.length;
    const instead = modeInstead(dumps, family, mode);
    if (instead === undefined) findings.push(...MODES[mode]({ plan, state, dumps }));
    else findings.push(runsInstead(family, instead.file, instead.mode, mode));
  }
  return {
    mode,
    node: node.name === '' ? undefined : node.name,
    findings: [...findings, ...leftBehind(dumps, mode)],
    servicePorts,
    diagnostics: [...before, ...notVerified(dumps, mode, familiesOf(node, state, config))],
  };
}

interface Needed {
  readonly kind: ReadDump['kind'];
  readonly command: string;
  readonly perFamily: boolean;
}

const SAVES: Needed = { kind: 'xtables', command: 'iptables-save and ip6tables-save', perFamily: true };
const NEEDED: Readonly<Record<ProxyMode, readonly Needed[]>> = {
  iptables: [SAVES],
  ipvs: [
    SAVES,
    { kind: 'ipvsadm', command: 'ipvsadm -S -n', perFamily: false },
    { kind: 'ipset', command: 'ipset save', perFamily: false },
    { kind: 'addresses', command: 'ip -o addr show dev kube-ipvs0', perFamily: false },
  ],
  nftables: [{ kind: 'nft', command: 'nft list table ip kube-proxy and ip6 kube-proxy', perFamily: true }],
};

/** The families that the dumps tell of; dumps of both families count for those of the node. */
function familiesIn(dumps: readonly ReadDump[], mode: ProxyMode, ofNode: readonly Family[]): readonly Family[] {
  const found = new Set<Family>();
  for (const dump of dumps) {
    if (!NEEDED[mode].some(({ kind }) => kind === dump.kind)) continue;
    // On a node of one family kube-proxy may have written both, but need not.
    if (dump.kind === 'xtables') {
      if (ofNode.includes(dump.family) || modeOfDumps([dump]) !== undefined) found.add(dump.family);
    } else if (dump.kind === 'nft') {
      for (const family of kubeProxyTables(dump.ruleSet).keys()) found.add(family === 'ip' ? 'ipv4' : 'ipv6');
      if (dump.whole) for (const family of ofNode) found.add(family);
    } else {
      for (const family of ofNode) found.add(family);
      if (dump.kind === 'ipset' && dump.sets.some(({ name }) => name.startsWith('KUBE-6-'))) found.add('ipv6');
    }
  }
  return FAMILIES.filter((family) => found.has(family));
}

/** One note for what the node has and no dump tells of. */
function notVerified(dumps: readonly ReadDump[], mode: ProxyMode, ofNode: readonly Family[]): readonly Diagnostic[] {
  const missing = NEEDED[mode].flatMap(({ kind, command, perFamily }) => {
    const own = dumps.filter((dump) => dump.kind === kind);
    if (!perFamily) return own.length > 0 ? [] : [command];
    return ofNode
      .filter((family) => !own.some((dump) => isOf(dump, family)))
      .map((family) => `${apiNameOf(family)} (${COMMANDS[mode][family]})`);
  });
  if (missing.length === 0) return [];
  return [diagnostic('not-verified', `not verified, as no dump tells: ${missing.join(', ')}.`)];
}

const XTABLES_COMMANDS = { ipv4: 'iptables-save', ipv6: 'ip6tables-save' } as const;
const COMMANDS: Readonly<Record<ProxyMode, Readonly<Record<Family, string>>>> = {
  iptables: XTABLES_COMMANDS,
  ipvs: XTABLES_COMMANDS,
  nftables: { ipv4: 'nft list table ip kube-proxy', ipv6: 'nft list table ip6 kube-proxy' },
};

function isOf(dump: ReadDump, family: Family): boolean {
  if (dump.kind === 'xtables') return dump.family === family;
  if (dump.kind !== 'nft') return false;
  return dump.whole || kubeProxyTables(dump.ruleSet).has(family === 'ipv4' ? 'ip' : 'ip6');
}

/** The table of mode nftables on a node that runs in another mode; chains of iptables are looked at with their family. */
function leftBehind(dumps: readonly ReadDump[], mode: ProxyMode): readonly VerifyFinding[] {
  if (mode === 'nftables') return [];
  return dumps.flatMap((dump) => {
    const tables = dump.kind === 'nft' ? [...kubeProxyTables(dump.ruleSet).keys()] : [];
    return tables.map(
      (family): VerifyFinding => otherMode(family === 'ip' ? 'ipv4' : 'ipv6', [`table ${family} kube-proxy`], mode),
    );
  });
}

/** What one service port has in the compiled rules: its lines, and the chains, sets and servers that they are of. */
import { lowerServicePort as lowerIptables } from '../../backends/iptables/fragment.js';
import { endpointChain, servicePortChains } from '../../backends/iptables/names.js';
import { fragmentContext } from '../../backends/iptables/rules.js';
import { lowerServicePort as lowerIpvs } from '../../backends/ipvs/fragment.js';
import { setName } from '../../backends/ipvs/sets.js';
import { lowerServicePort as lowerNftables } from '../../backends/nftables/fragment.js';
import { lowerProtocol } from '../../net/protocol.js';
import type { NodePlan } from '../../plan/plan.js';
import type { ServicePortPlan } from '../../plan/service-port.js';
import { linesOf } from './context.js';
import { nftSetPurpose, ownChainPurpose, setPurpose, sharedChainPurpose } from './fixed-names.js';
import type { RuleLine, RuleObject } from './model.js';

/** What a service port contributes. */
export interface Contribution {
  readonly objects: readonly RuleObject[];
  readonly lines: readonly RuleLine[];
}

/** A contribution before it is known which of its lines were taken into the text. */
interface Draft {
  readonly plan: ServicePortPlan;
  readonly objects: Map<string, RuleObject>;
  readonly lines: RuleLine[];
  /** Whether the compiled text has a line. */
  has(line: string): boolean;
}

/**
 * The contribution of a service port. Where two service ports claim one address, only one of them has it in the text.
 * @param texts the compiled texts of the family, by part
 */
export function contributionOf(
  plan: ServicePortPlan,
  nodePlan: NodePlan,
  texts: Readonly<Record<string, string>>,
): Contribution {
  const written = linesOf(texts);
  const draft: Draft = { plan, objects: new Map(), lines: [], has: (line) => written.has(line) };
  if (nodePlan.mode === 'iptables') addIptables(draft, nodePlan);
  else if (nodePlan.mode === 'ipvs') addIpvs(draft, nodePlan);
  else addNftables(draft, nodePlan);
  return { objects: [...draft.objects.values()], lines: draft.lines };
}

type ObjectId = Omit<RuleObject, 'count'>;

/** Adds a line that the text has, and counts it with the object that it is of. */
function add(draft: Draft, line: RuleLine, object: ObjectId, counts = true): void {
  if (!draft.has(line.text)) return;
  draft.lines.push(line);
  const key = `${object.kind} ${object.table ?? ''} ${object.name}`;
  const known = draft.objects.get(key);
  draft.objects.set(key, { ...object, count: (known?.count ?? 0) + (counts ? 1 : 0) });
}

function addIptables(draft: Draft, nodePlan: NodePlan): void {
  const { plan } = draft;
  const fragment = lowerIptables(plan, fragmentContext(nodePlan));
  const part = `iptables.${plan.family}.rules`;
  const protocol = lowerProtocol(plan.protocol);
  const { svc, svl, ext, fw } = servicePortChains(plan.name, protocol);
  const purposes = new Map([
    [svc, ownChainPurpose('service')],
    [svl, ownChainPurpose('local')],
    [ext, ownChainPurpose('external')],
    [fw, ownChainPurpose('firewall')],
  ]);
  for (const { text } of plan.reachableEndpoints) {
    purposes.set(endpointChain(plan.name, protocol, text), `endpoint ${text}`);
  }
  const addLine = (table: 'filter' | 'nat', text: string): void => {
    const [, declared, chain = declared ?? ''] = /^(?::(\S+)|-A (\S+))/.exec(text) ?? [];
    const purpose = purposes.get(chain) ?? sharedChainPurpose('iptables', table, chain);
    const object: ObjectId = { kind: 'chain', table, name: chain, purpose };
    add(draft, { part, table, text }, object, declared === undefined);
  };
  for (const text of wholeLines(fragment.filterRules)) addLine('filter', text);
  for (const text of wholeLines(fragment.natChains)) addLine('nat', text);
  for (const text of wholeLines(fragment.natRules)) addLine('nat', text);
}

function addIpvs(draft: Draft, { node }: NodePlan): void {
  const { family } = draft.plan;
  const fragment = lowerIpvs(draft.plan, node);
  for (const { kind, service, text } of fragment.virtualServers) {
    const object: ObjectId = { kind: 'virtual server', table: undefined, name: service, purpose: kind };
    const part = `ipvs.${family}.ipvsadm`;
    for (const line of wholeLines(text)) {
      add(draft, { part, table: undefined, text: line }, object, line.startsWith('-a '));
    }
  }
  for (const { set, entry } of fragment.entries) {
    const name = setName(set, family);
    const object: ObjectId = { kind: 'set', table: undefined, name, purpose: setPurpose(set) };
    add(draft, { part: `ipvs.${family}.ipset`, table: undefined, text: `add ${name} ${entry}` }, object);
  }
  for (const line of fragment.outFilterRules.flatMap(wholeLines)) {
    const name = 'KUBE-IPVS-OUT-FILTER';
    const purpose = sharedChainPurpose('ipvs', 'filter', name);
    add(
      draft,
      { part: `ipvs.${family}.rules`, table: 'filter', text: line },
      { kind: 'chain', table: 'filter', name, purpose },
    );
  }
  const bound = fragment.entries.filter(({ set }) => set === 'IPVS-IPS').map(({ entry }) => entry);
  for (const text of new Set(bound)) {
    const purpose = 'has the address on the node, so that the kernel takes packets to it in';
    const object: ObjectId = { kind: 'interface', table: undefined, name: 'kube-ipvs0', purpose };
    add(draft, { part: `ipvs.${family}.addresses`, table: undefined, text }, object);
  }
}

function addNftables(draft: Draft, { node }: NodePlan): void {
  const { plan } = draft;
  const fragment = lowerNftables(plan, node);
  const part = `nftables.${plan.family}.nft`;
  const line = (text: string): RuleLine => ({ part, table: undefined, text });
  for (const { name, added, rules } of fragment.chains) {
    const [kind = ''] = name.split('-');
    const object: ObjectId = { kind: 'chain', table: undefined, name, purpose: ownChainPurpose(kind) };
    add(draft, line(added.trimEnd()), object, false);
    for (const rule of wholeLines(rules)) add(draft, line(rule), object);
  }
  for (const { name, added } of fragment.affinitySets) {
    const object: ObjectId = { kind: 'set', table: undefined, name, purpose: ownChainPurpose('affinity') };
    add(draft, line(added.trimEnd()), object, false);
  }
  for (const { key, added } of fragment.elements) {
    const [name = ''] = key.split(' ');
    const { what, text: purpose } = nftSetPurpose(name);
    add(draft, line(added.trimEnd()), { kind: what, table: undefined, name, purpose });
  }
}

function wholeLines(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '');
}

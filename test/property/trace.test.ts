/** Rules of all three modes send packets where the plan says, and alike but for what the table of differences has. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type FactsByMode, JUDGED_DIFFERENCES, MODE_DIFFERENCES } from '../../src/backends/modes.js';
import { printFraction } from '../../src/backends/packet/fraction.js';
import type { Interface, Packet } from '../../src/backends/packet/packet.js';
import {
  compile,
  loadCluster,
  located,
  type NodePlan,
  PROXY_MODES,
  type ProxyMode,
  planNode,
} from '../../src/index.js';
import { type KernelRules, rulesOfParts } from '../../src/inspect/rule-texts.js';
import { tracePacket } from '../../src/inspect/trace.js';
import type { Family } from '../../src/net/family.js';
import { type Cidr, cidrContains, isLoopback, joinHostPort, parseIp } from '../../src/net/ip.js';
import { familiesOf } from '../../src/plan/choose-node.js';
import { type ByMode, type Deviation, type Fates, fatesByPlan, type Sent, sameFates } from './plan-fates.js';
import { randomCluster } from './random-cluster.js';

const PACKETS = 20;

/** What the runs must have met: by which rows which modes do something else than nftables. */
const DEVIATIONS = [
  'address-on-node ipvs',
  'cluster-ip-masquerade ipvs',
  'cluster-ip-other-ports iptables',
  'external-local-from-inside ipvs',
  'external-local-source ipvs',
  'external-local-without-endpoint ipvs',
  'internal-local-without-endpoint ipvs',
  'masquerade-settings iptables',
  'masquerade-settings ipvs',
  'no-endpoints-from-node iptables',
  'node-port-addresses iptables',
  'node-port-addresses ipvs',
  'node-port-localhost iptables',
  'node-port-refusal iptables',
  'remote-hairpin iptables',
  'source-ranges iptables',
  'source-ranges ipvs',
  'source-ranges-external-ip iptables',
  'unallocated-cluster-ips iptables',
  'unallocated-cluster-ips ipvs',
];

/** Picks one of some things at random. */
type Pick = <T>(list: readonly T[]) => T | undefined;

/** A packet that some service port may be meant by, or another one. */
function samplePacket({ node, servicePorts, serviceCIDRs }: NodePlan, pick: Pick): Packet {
  const { family } = node;
  const loopback = family === 'ipv4' ? '127.0.0.1' : '::1';
  const other = family === 'ipv4' ? ['8.8.8.8', '10.96.3.3', '203.0.113.7'] : ['2001:db8:99::8', 'fd00:96::303'];
  const port = pick(servicePorts);
  const virtual = port === undefined ? [] : [port.clusterIP, ...port.externalIPs, ...port.loadBalancerIPs];
  // No API server admits external IPs that mean the host itself.
  const admitted = virtual.filter((text) => !isLoopback({ family, text }) && !/^fe80:/.test(text));
  const endpoints = port?.endpoints.map(({ source }) => source.address) ?? [];
  const near = pick([admitted, admitted, node.hostAddresses, [loopback], other, serviceCIDRs.map(firstAddress)]) ?? [];
  const destination = pick(near) ?? other[0] ?? '';
  const isOfNode = node.hostAddresses.includes(destination) || destination === loopback;
  const likely = isOfNode ? port?.nodePort : port?.port;
  const unlikely = destination === loopback ? [] : [port?.nodePort ?? 30_000, 80, 81];
  return {
    family,
    protocol: pick([port?.protocol.toLowerCase() as Packet['protocol'], 'tcp', 'udp', 'sctp'] as const) ?? 'tcp',
    source: pick(pick([endpoints, node.hostAddresses, node.hostAddresses, other]) ?? []) ?? other[0] ?? '',
    sourcePort: undefined,
    destination,
    destinationPort: pick([likely, likely, likely, ...unlikely]) ?? 30_001,
  };
}

function firstAddress(cidr: string): string {
  return cidr.replace(/\/.*/, '');
}

/** What one node makes of packets of one family in one mode. */
interface View {
  readonly plan: NodePlan;
  readonly rules: KernelRules;
  isLocal(address: string): boolean;
}

/** What the runs have met. */
interface Met {
  /** Packets that some mode translates. */
  readonly translated: number;
  /** `address-on-node ipvs`: by which rows a mode did something else than nftables. */
  readonly deviations: ReadonlySet<string>;
}

/** Compares fates by rules with those by the plan, on random clusters. */
function checkFates(parameters: { readonly numRuns: number; readonly seed?: number }): Met {
  const chances = fc.infiniteStream(fc.nat({ max: 1_000_000 }));
  const met = new Set<string>();
  let translated = 0;
  const property = fc.property(randomCluster, chances, ({ objects, config, node: name }, chance) => {
    const { state } = loadCluster(located(objects));
    const node = state.nodes.get(name);
    if (node === undefined) throw new Error(name);
    const pick: Pick = (list) => list[(chance.next().value ?? 0) % Math.max(1, list.length)];
    const parts = byMode((mode) => compile(state, { mode, config, node: name }).parts);
    for (const family of familiesOf(node, state, config)) {
      const own = node.addresses.map(({ text }) => text);
      const views = byMode((mode): View => {
        const rules = rulesOfParts(parts[mode], family);
        expect(rules.diagnostics).toEqual([]);
        const local = new Set([...own, ...rules.localAddresses]);
        const isLocal = (text: string) => local.has(text) || isLoopback({ family, text });
        return { plan: planNode(state, { node, family, mode, config }), rules, isLocal };
      });
      for (let i = 0; i < PACKETS; i++) {
        const packet = samplePacket(views.nftables.plan, pick);
        const sent = byMode((mode) => sentBy(packet, views[mode], node.podCIDRs, own));
        const found = byMode((mode) => fatesByRules(sent[mode], views[mode].rules, family));
        const plans = byMode((mode) => views[mode].plan);
        const expected = byMode((mode) => fatesByPlan(mode, plans, sent));
        const about = JSON.stringify({ packet, incoming: sent.nftables.incoming });
        for (const mode of PROXY_MODES) {
          const { fates, deviations } = expected[mode];
          expect(found[mode], `${mode} ${about}`).toEqual(fates);
          if (Object.keys(fates).some((text) => text.includes(':'))) translated++;
          if (sameFates(fates, expected.nftables.fates)) continue;
          for (const { code } of deviations) met.add(`${code} ${mode}`);
          expect(withoutReason(deviations, mode, plans), `${mode} ${about}`).toEqual([]);
        }
        for (const [a, b] of PAIRS) {
          if (sameFates(found[a], found[b])) continue;
          // Not the measure of the model decides what may be different, but the table.
          const told = [...expected[a].deviations, ...expected[b].deviations].some(({ code }) =>
            rowDiffers(code, a, b),
          );
          expect(told, `${a} and ${b} ${about}`).toBe(true);
        }
      }
    }
  });
  fc.assert(property, parameters);
  return { translated, deviations: met };
}

it('fates by rules are those by the plan, in every mode', () => {
  const { translated, deviations } = checkFates({ numRuns: 300, seed: 1 });
  // A test of nothing but packets that nobody touches would prove nothing, and an exception that never comes up neither.
  expect(translated).toBeGreaterThan(1000);
  expect([...deviations].sort()).toEqual(DEVIATIONS);
});

it('so they are in clusters that are new every time', () => {
  expect(checkFates({ numRuns: 100 }).translated).toBeGreaterThan(100);
});

const PAIRS = [
  ['iptables', 'ipvs'],
  ['iptables', 'nftables'],
  ['ipvs', 'nftables'],
] as const;

function byMode<T>(of: (mode: ProxyMode) => T): ByMode<T> {
  return { iptables: of('iptables'), ipvs: of('ipvs'), nftables: of('nftables') };
}

/** Whether the table says of two modes that they are not the same. */
function rowDiffers(code: string, a: ProxyMode, b: ProxyMode): boolean {
  const row = MODE_DIFFERENCES.find((each) => each.code === code);
  return row !== undefined && row.modes[a] !== row.modes[b];
}

/** Deviations that the table does not have, or that it says do not concern this Service. */
function withoutReason(deviations: readonly Deviation[], mode: ProxyMode, plans: ByMode<NodePlan>): readonly string[] {
  const facts: FactsByMode = byMode((each) => plans[each].node);
  return deviations.flatMap(({ code, port }) => {
    const row = JUDGED_DIFFERENCES.find((each) => each.code === code);
    const isConcerned =
      row === undefined ||
      (row.scope === 'node' ? row.concerns(plans[mode], facts) : port !== undefined && row.concerns(port, facts));
    return isConcerned && rowDiffers(code, mode, 'nftables') ? [] : [`${code} ${port?.name ?? ''}`];
  });
}

/** A packet as it comes in one mode: to an address of its own the node sends from that very address. */
function sentBy(packet: Packet, { isLocal }: View, podCIDRs: readonly Cidr[], own: readonly string[]): Sent {
  const { family, source, destination } = packet;
  const fromNode = own.includes(source) || isLoopback({ family, text: destination });
  const isOfPod = podCIDRs.some((cidr) => cidrContains(cidr, parseIp(source) ?? { family, text: source }));
  const incoming: Interface | undefined = fromNode ? undefined : { kind: isOfPod ? 'pod' : 'other' };
  return { packet: { ...packet, source: fromNode && isLocal(destination) ? destination : source }, incoming, isLocal };
}

function fatesByRules({ packet, incoming, isLocal }: Sent, rules: KernelRules, family: Family): Fates {
  const { functions, routeLocalnet = false } = rules;
  const world = { family, isLocal, routeLocalnet, overBridge: undefined, after: undefined };
  const { fates } = tracePacket(functions, { packet, incoming, established: false, world });
  return Object.fromEntries(
    fates.map(({ fate, probability }) => {
      const share = printFraction(probability);
      if (fate.kind !== 'delivered') return [fate.kind, share];
      if (fate.chosenBy === undefined) return ['untouched', share];
      const to = joinHostPort(fate.address, family, fate.port);
      return [`${to} ${fate.sourceNat === undefined ? 'kept' : 'masqueraded'}`, share];
    }),
  );
}

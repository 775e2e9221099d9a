/** Rules send packets where the plan says, in every mode that decides by rules alone. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { printFraction } from '../../src/backends/packet/fraction.js';
import type { Interface, Packet } from '../../src/backends/packet/packet.js';
import { compile, loadCluster, located, type NodePlan, planNode } from '../../src/index.js';
import { rulesOfParts } from '../../src/inspect/rule-texts.js';
import { tracePacket } from '../../src/inspect/trace.js';
import type { Family } from '../../src/net/family.js';
import { type Cidr, cidrContains, isLoopback, joinHostPort, parseIp } from '../../src/net/ip.js';
import { familiesOf } from '../../src/plan/choose-node.js';
import { type Fates, fatesByPlan, type Sent } from './plan-fates.js';
import { randomCluster } from './random-cluster.js';

const PACKETS = 12;

/** Packets that some service port may be meant by, and a few others. */
function samplePackets(plan: NodePlan, pick: (count: number) => number): readonly Packet[] {
  const { node, servicePorts } = plan;
  const { family } = node;
  const other = family === 'ipv4' ? ['8.8.8.8', '10.96.3.3', '203.0.113.7'] : ['2001:db8:99::8', 'fd00:96::303'];
  const endpoints = servicePorts.flatMap((port) => port.endpoints.map(({ source }) => source.address));
  const virtual = servicePorts.flatMap((port) => [port.clusterIP, ...port.externalIPs, ...port.loadBalancerIPs]);
  const destinations = [...virtual, ...virtual, ...node.hostAddresses, ...other].filter(
    (text) => !isLoopback({ family, text }),
  );
  const sources = [...endpoints, ...node.hostAddresses, ...other];
  const numbers = [80, 81, ...servicePorts.flatMap(({ port, nodePort }) => [port, nodePort ?? 30_000])];
  const any = <T>(list: readonly T[]): T | undefined => list[pick(list.length)];
  return Array.from({ length: PACKETS }, () => ({
    family,
    protocol: any(['tcp', 'udp', 'sctp'] as const) ?? 'tcp',
    source: any(sources) ?? '',
    sourcePort: undefined,
    destination: any(destinations) ?? '',
    destinationPort: any(numbers) ?? 80,
  }));
}

const MODES = ['nftables', 'iptables'] as const;

it('fates by rules are those by the plan', () => {
  const seeds = fc.infiniteStream(fc.nat({ max: 1_000_000 }));
  let translated = 0;
  const property = fc.property(randomCluster, seeds, ({ objects, config, node: name }, chance) => {
    const { state } = loadCluster(located(objects));
    const node = state.nodes.get(name);
    if (node === undefined) throw new Error(name);
    for (const mode of MODES) {
      const { parts } = compile(state, { mode, config, node: name });
      for (const family of familiesOf(node, state, config)) {
        const plan = planNode(state, { node, family, mode, config });
        const rules = rulesOfParts(parts, family);
        expect(rules.diagnostics).toEqual([]);
        const own = new Set(node.addresses.map(({ text }) => text));
        const isLocal = (text: string) => own.has(text) || isLoopback({ family, text });
        const packets = samplePackets(plan, (count) => (chance.next().value ?? 0) % Math.max(1, count));
        for (const sampled of packets) {
          const incoming = interfaceOf(sampled.source, family, isLocal, node.podCIDRs);
          const source = incoming === undefined && isLocal(sampled.destination) ? sampled.destination : sampled.source;
          const packet = { ...sampled, source };
          const found = fatesByRules({ packet, incoming, isLocal }, rules, family);
          translated += Object.keys(found).some((text) => text.includes(':')) ? 1 : 0;
          expect(found, JSON.stringify({ mode, packet, incoming })).toEqual(
            fatesByPlan(mode, plan, { packet, incoming, isLocal }),
          );
        }
      }
    }
  });
  fc.assert(property, { numRuns: 25 });
  // A test of nothing but packets that nobody touches would prove nothing.
  expect(translated).toBeGreaterThan(20);
});

function interfaceOf(
  source: string,
  family: Family,
  isLocal: (address: string) => boolean,
  podCIDRs: readonly Cidr[],
): Interface | undefined {
  if (isLocal(source)) return undefined;
  return podCIDRs.some((cidr) => cidrContains(cidr, parseIp(source) ?? { family, text: source }))
    ? { kind: 'pod' }
    : { kind: 'other' };
}

function fatesByRules(
  { packet, incoming, isLocal }: Sent,
  { functions, routeLocalnet }: ReturnType<typeof rulesOfParts>,
  family: Family,
): Fates {
  const world = { family, isLocal, routeLocalnet: routeLocalnet ?? false, overBridge: undefined, after: undefined };
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

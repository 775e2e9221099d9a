/** The flow table of the kernel tests, through the rules without a kernel: the same fates. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Fraction, ONE, oneIn, plus, printFraction, ZERO } from '../../src/backends/packet/fraction.js';
import type { HookFunction, Interface } from '../../src/backends/packet/packet.js';
import { compile, loadCluster, type Part, type ProxyMode, partText, readConfig, readObjects } from '../../src/index.js';
import { type KernelRules, rulesOfParts } from '../../src/inspect/rule-texts.js';
import { type Trace, tracePacket } from '../../src/inspect/trace.js';
import { joinHostPort } from '../../src/net/ip.js';
import { type Fate, type Flow, fateIn, type Scenario, scenarios } from '../kernel/flows.js';
import {
  type Family,
  families,
  type HostName,
  hostAddresses,
  linkAddresses,
  listening,
  loadBalancerIP,
  loopback,
  type Place,
  sources,
} from '../kernel/places.js';

const MODES: readonly ProxyMode[] = ['iptables', 'ipvs', 'nftables'];

const { state } = loadCluster(
  readObjects([{ name: 'cluster.yaml', text: readFileSync('test/kernel/cluster.yaml', 'utf8') }]).objects,
);

const NOTHING: KernelRules = { functions: [], localAddresses: [], routeLocalnet: false, diagnostics: [] };

function rulesOf(scenario: Scenario, mode: ProxyMode, family: Family): KernelRules {
  if (scenario.config === undefined) return NOTHING;
  const text = JSON.stringify({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    ...scenario.config,
  });
  const { config } = readConfig({ name: 'config.yaml', text }, { mode });
  const { parts } = compile(state, { mode, config, node: 'node-a' });
  const policed = scenario.forwardPolicy === 'DROP' ? parts.map(withDroppingForward) : parts;
  const rules = rulesOfParts(policed, family);
  expect(rules.diagnostics).toEqual([]);
  return rules;
}

/** The same policy of FORWARD where the rules are not those of iptables: in a table of somebody else. */
const droppingForward: HookFunction = {
  hook: 'forward',
  priority: 0,
  type: 'filter',
  run: (state) => {
    const rule = { table: 'filter', chain: 'FORWARD', text: 'policy drop', line: undefined };
    return [{ probability: ONE, state, verdict: 'drop', steps: [{ hook: 'forward', rule, effect: 'drop' }] }];
  },
};

/** The rules in a filter table whose FORWARD chain has the policy DROP. */
function withDroppingForward(part: Part): Part {
  return { ...part, pieces: [partText(part).replace('*filter\n', '*filter\n:FORWARD DROP [0:0]\n')] };
}

/** node-a's interfaces, as topology.ts names them. */
function interfaceOf(place: Place): Interface | undefined {
  if (place === 'node-a' || place === 'localhost') return undefined;
  if (place.startsWith('pod-a')) return { kind: 'named', name: place.replace('pod-', 'veth') };
  if (place === 'node-b' || place.startsWith('pod-b')) return { kind: 'named', name: 'tunnel' };
  return { kind: 'named', name: 'client' };
}

function traceFlow(
  mode: ProxyMode,
  rules: KernelRules,
  flow: Flow,
  family: Family,
  scenario: Scenario,
  after?: string,
): Trace {
  const [address = ''] = sources(flow.from, family).addresses;
  const destination = flow.to[family];
  const own = new Set([
    ...Object.values(linkAddresses).map((each) => each[family]),
    loadBalancerIP('ranges-bound')[family],
    ...rules.localAddresses,
  ]);
  const isLocal = (text: string) => own.has(text) || text === loopback[family] || text.startsWith('127.');
  // What the node sends to itself comes from the very address it is sent to, unless a program chooses otherwise.
  const source = interfaceOf(flow.from) === undefined && isLocal(destination) ? destination : address;
  const isForeign = scenario.forwardPolicy === 'DROP' && mode === 'nftables';
  const functions = isForeign ? [...rules.functions, droppingForward] : rules.functions;
  return tracePacket(functions, {
    packet: {
      family,
      protocol: flow.protocol,
      source,
      sourcePort: undefined,
      destination,
      destinationPort: flow.port,
    },
    incoming: interfaceOf(flow.from),
    established: false,
    world: {
      family,
      isLocal,
      routeLocalnet: rules.routeLocalnet === true || scenario.parameters?.['net/ipv4/conf/all/route_localnet'] === '1',
      overBridge: false,
      after,
    },
  });
}

function hostOf(address: string): HostName | undefined {
  const found = Object.entries(hostAddresses).find(([, pair]) => Object.values(pair).includes(address));
  return found?.[0] as HostName | undefined;
}

/** The fates that a trace comes to, in the words of the flow table. */
function fatesOf(trace: Trace, flow: Flow, family: Family): ReadonlyMap<string, Fraction> {
  const [own = ''] = sources(flow.from, family).addresses;
  const entries = trace.fates.map(({ fate, probability }): [string, Fraction] => {
    if (fate.kind !== 'delivered') return [fate.kind === 'rejected' ? 'refused' : 'dropped', probability];
    const host = hostOf(fate.address);
    if (fate.chosenBy === undefined) {
      const closed = host?.startsWith('pod-') === true && !listening.pods.tcp.includes(fate.port as 8080);
      const kept = fate.sourceNat === undefined && fate.address === flow.to[family] && fate.port === flow.port;
      return [closed ? 'refused' : kept ? 'untouched' : 'masqueraded although untouched', probability];
    }
    // A pod that gets its own address as the source, and a node that does, take it for a forgery.
    const forged = fate.sourceNat === undefined && (fate.address === own || (flow.from === 'node-b' && behindB(host)));
    if (forged) return ['lost', probability];
    // The node sends from the address that it calls where it has that itself, as on kube-ipvs0.
    const isCalled = interfaceOf(flow.from) === undefined && flow.from !== 'localhost' && own !== flow.to[family];
    const called = isCalled && hostOf(flow.to[family]) === undefined;
    return [`${host} sees ${fate.sourceNat !== undefined ? 'node' : called ? 'called' : 'own'}`, probability];
  });
  const sums = new Map<string, Fraction>();
  for (const [text, probability] of entries) sums.set(text, plus(sums.get(text) ?? ZERO, probability));
  return sums;
}

const behindB = (host: HostName | undefined) => host?.startsWith('pod-b') === true;

function expectedOf(fate: Fate): readonly string[] {
  if (typeof fate === 'string') return [fate];
  const reached = Object.entries(fate.endpoints).map(([host, source]) => `${host} sees ${source}`);
  return fate.lossy ? [...reached, 'lost'] : reached;
}

const shareText = (fates: ReadonlyMap<string, Fraction>) =>
  Object.fromEntries(Array.from(fates, ([text, probability]) => [text, printFraction(probability)]));

describe.each(MODES)('mode %s', (mode) => {
  describe.each(scenarios)('$name', (scenario) => {
    const rules = new Map(families.map((family) => [family, rulesOf(scenario, mode, family)]));
    const cases = scenario.flows.flatMap((flow) =>
      (flow.families ?? families).map((family) => ({ flow, family, name: `${flow.name}, ${flow.protocol} ${family}` })),
    );

    it.each(cases)('$name', ({ flow, family }) => {
      const expected = fateIn(mode, flow);
      const kernel = rules.get(family) ?? NOTHING;
      const fates = fatesOf(traceFlow(mode, kernel, flow, family, scenario), flow, family);
      // On its way back to node-b a packet with that node's own address as the source is lost.
      const words =
        expected === 'dropped' && flow.from === 'node-b' && fates.has('lost') ? ['lost'] : expectedOf(expected);
      const even = Object.fromEntries(words.map((word) => [word, printFraction(oneIn(words.length))]));
      expect(shareText(fates)).toEqual(even);

      if (typeof expected === 'string' || !expected.sticky) return;
      for (const host of Object.keys(expected.endpoints) as HostName[]) {
        const after = joinHostPort(hostAddresses[host][family], family, 8080);
        const again = fatesOf(traceFlow(mode, kernel, flow, family, scenario, after), flow, family);
        expect(shareText(again)).toEqual({ [`${host} sees ${expected.endpoints[host]}`]: '1' });
      }
    });
  });
});

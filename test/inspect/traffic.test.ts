/**
 * The model of traffic against the flow table, which kernels pass: the same fate of every flow, in every mode and family.
 * What a kernel does beside the rules (FORWARD policies, addresses that no Node object has) is not the model's affair.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DEFAULT_CONFIG, loadCluster, type ProxyMode, planNode, readConfig, readObjects } from '../../src/index.js';
import { type Answer, answerOf, type SenderKind, type TrafficModel, trafficModel } from '../../src/inspect/traffic.js';
import { PROXY_MODES } from '../../src/kube/config.js';
import { cidrContains, isLoopback, joinHostPort, parseCidr, parseIp } from '../../src/net/ip.js';
import { type Fate, type Flow, fateIn, scenarios } from '../kernel/flows.js';
import { type Family, families, type HostName, hostAddresses, linkAddresses, sources } from '../kernel/places.js';

const text = readFileSync('test/kernel/cluster.yaml', 'utf8');
const { state } = loadCluster(readObjects([{ name: 'cluster.yaml', text }]).objects);

function modelOf(mode: ProxyMode, family: Family, settings: Readonly<Record<string, unknown>>): TrafficModel {
  const yaml = JSON.stringify({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    ...settings,
  });
  const config = readConfig({ name: 'config.yaml', text: yaml }, { mode }).config ?? DEFAULT_CONFIG;
  const node = state.nodes.get('node-a');
  if (node === undefined) throw new Error('the cluster has no node-a');
  return trafficModel(planNode(state, { node, family, mode, config }));
}

/** Who a place is to the model: by its address, or by the interface that its packets come in by. */
function senderOf({ from }: Flow, family: Family, { node }: TrafficModel, ranges: readonly string[]): SenderKind {
  if (from === 'localhost') return 'localhost';
  if (from === 'node-a') return 'node';
  const ip = parseIp(sources(from, family).addresses[0] ?? '');
  if (ip === undefined) throw new Error(`no address of ${from}`);
  const inside = (cidrs: readonly string[]) =>
    cidrs.some((cidr) => {
      const network = parseCidr(cidr);
      return network !== undefined && cidrContains(network, ip);
    });
  const detector = node.localDetector;
  const isPod =
    detector?.kind === 'cidr' ? inside([detector.cidr]) : detector !== undefined && from.startsWith('pod-a');
  const who = isPod ? 'pod' : 'outside';
  return ranges.length === 0 || inside(ranges) ? who : `${who}-beyond`;
}

/** The answer of the model as the table writes fates. */
function fateOf(flow: Flow, family: Family, model: TrafficModel): Fate {
  const address = flow.to[family];
  const protocol = flow.protocol.toUpperCase();
  const { node } = model;
  const isLocal = [...node.hostAddresses, ...Object.values(linkAddresses).map((each) => each[family])].includes(
    address,
  );
  const word = family === 'ipv6' ? 'IPv6 ' : '';
  const way =
    model.ways.get(`${joinHostPort(address, family, flow.port)}/${protocol}`) ??
    (isLocal || isLoopback({ family, text: address })
      ? model.ways.get(`${word}node port ${flow.port}/${protocol}`)
      : undefined);
  if (way === undefined) return model.closed.has(address) ? 'refused' : 'untouched';
  const sender = senderOf(flow, family, model, way.sourceRanges);
  const answer = answerOf(way, sender);
  if (answer === undefined) throw new Error(`no answer for ${sender}`);
  return answer.verdict === 'reaches' ? reachedBy(flow, family, model, answer) : (answer.verdict as Fate);
}

function reachedBy({ from }: Flow, family: Family, model: TrafficModel, answer: Answer & { verdict: 'reaches' }): Fate {
  const seen = { kept: 'own', masqueraded: 'node', called: 'called' } as const;
  const own = sources(from, family).addresses[0];
  const endpoints: Partial<Record<HostName, 'own' | 'node' | 'called'>> = {};
  let lossy = false;
  for (const { source, local } of answer.endpoints) {
    const host = Object.entries(hostAddresses).find(([, each]) => each[family] === source.address)?.[0] as HostName;
    const itself = source.address === own && answer.source === 'kept';
    if (itself && !local && model.hairpin !== 'every endpoint') lossy = true;
    else endpoints[host] = itself ? 'node' : seen[answer.source];
  }
  return {
    endpoints,
    ...(answer.stickySeconds === undefined ? {} : { sticky: true as const }),
    ...(lossy ? { lossy: true as const } : {}),
  };
}

/** Addresses that kube-proxy gives no way in, but that its fixed rules or the kernel answer for. */
function isBesideServices({ name }: Flow): boolean {
  return (
    name.startsWith('no Service') ||
    name.startsWith('the node’s 127.0.0.1') ||
    name.includes('number of the node port at a pod') ||
    // Another address of the node than those of its Node object, and what one packet more does on node-b.
    name.includes('another local address') ||
    name.includes('the pods’ gateway') ||
    name === 'external-local-remote: node port, from node-b' ||
    // An address that the node has, although its Node object does not say so.
    name.startsWith('ranges-bound')
  );
}

describe.each(PROXY_MODES)('%s', (mode) => {
  const tables = scenarios.filter(({ config, forwardPolicy }) => config !== undefined && forwardPolicy === undefined);

  it.each(tables)('$name', ({ config = {}, flows }) => {
    const told = families.flatMap((family) => {
      const model = modelOf(mode, family, config);
      return flows
        .filter((flow) => !isBesideServices(flow) && (flow.families ?? families).includes(family))
        .map((flow) => {
          const fate = fateIn(mode, flow);
          const expected = typeof fate === 'string' ? fate : { ...fate };
          if (typeof expected !== 'string') delete (expected as { evenOver?: number }).evenOver;
          const name = `${family}: ${flow.name}`;
          return { name, expected, actual: fateOf(flow, family, model) };
        });
    });
    expect(told.length).toBeGreaterThan(0);
    expect(told.map(({ name, actual }) => [name, actual])).toEqual(told.map(({ name, expected }) => [name, expected]));
  });
});

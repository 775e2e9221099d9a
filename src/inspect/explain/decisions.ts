/** The decisions about one service port, each with its reason: read off the plan, never taken again. */
import type { ProxyMode } from '../../kube/config.js';
import { isLoopback, joinHostPort } from '../../net/ip.js';
import type { Endpoint } from '../../plan/endpoints.js';
import type { NodeFacts } from '../../plan/node.js';
import type { Outcome, ServicePortPlan } from '../../plan/service-port.js';
import type { AddressExplanation, Decision, EndpointExplanation } from './model.js';

/** What a service port answers on, whoever may use it. */
export function addressesOf(plan: ServicePortPlan, node: NodeFacts, mode: ProxyMode): readonly AddressExplanation[] {
  const at = (ip: string): string => joinHostPort(ip, plan.family, plan.port);
  const addresses: AddressExplanation[] = [
    { kind: 'cluster IP', address: at(plan.clusterIP), note: 'for pods and nodes of the cluster' },
  ];
  for (const ip of plan.externalIPs) {
    addresses.push({ kind: 'external IP', address: at(ip), note: 'for whoever can route it to this node' });
  }
  for (const ip of plan.loadBalancerIPs) {
    addresses.push({ kind: 'load-balancer IP', address: at(ip), note: sourceRangesNote(plan) });
  }
  if (plan.nodePort !== undefined) {
    addresses.push({ kind: 'node port', address: String(plan.nodePort), note: nodePortNote(node, mode) });
  }
  if (plan.healthCheckNodePort !== undefined) {
    const note = 'tells load balancers over HTTP whether this node has an endpoint; TCP, on every address of the node';
    addresses.push({ kind: 'health check', address: String(plan.healthCheckNodePort), note });
  }
  return addresses;
}

function sourceRangesNote({ sourceRanges, sourceRangesAllowNode }: ServicePortPlan): string {
  if (sourceRanges.length === 0) return 'for everybody';
  const ranges = sourceRanges.map(({ text }) => text).join(', ');
  return `for ${ranges} only (loadBalancerSourceRanges)${sourceRangesAllowNode ? ', this node among them' : ''}`;
}

function nodePortNote(node: NodeFacts, mode: ProxyMode): string {
  const { all, local } = node.nodePortAddresses;
  if (all && mode !== 'ipvs') {
    return node.family === 'ipv4' && node.localhostNodePorts
      ? 'on every address of the node, 127.0.0.1 too'
      : 'on every address of the node but loopback';
  }
  const served = all
    ? node.hostAddresses
    : local.filter((text) => node.localhostNodePorts || !isLoopback({ family: node.family, text }));
  return served.length === 0 ? 'nowhere: no address of this node is known for it' : `on ${served.join(', ')}`;
}

/** Every endpoint with what becomes of it under either policy. */
export function endpointsOf(plan: ServicePortPlan, node: NodeFacts): readonly EndpointExplanation[] {
  const uses = policiesInUse(plan);
  const cluster = new Set(plan.clusterEndpoints);
  const local = new Set(plan.localEndpoints);
  return plan.endpoints.map((endpoint) => {
    const { source } = endpoint;
    return {
      endpoint: endpoint.text,
      state: stateOf(endpoint),
      node: source.nodeName,
      local: endpoint.local,
      zoneHints: source.zoneHints,
      nodeHints: source.nodeHints,
      cluster: uses.cluster ? cluster.has(endpoint) : undefined,
      localPolicy: uses.local ? local.has(endpoint) : undefined,
      reason: endpointReason(endpoint, plan, node, {
        cluster: uses.cluster ? cluster.has(endpoint) : undefined,
        local: uses.local ? local.has(endpoint) : undefined,
      }),
    };
  });
}

/** Which of the two policies some traffic of the service port is under; what comes from pods counts for Cluster. */
function policiesInUse(plan: ServicePortPlan): { readonly cluster: boolean; readonly local: boolean } {
  return {
    cluster: !plan.internalPolicyLocal || plan.externallyAccessible,
    local: plan.internalPolicyLocal || (plan.externalPolicyLocal && plan.externallyAccessible),
  };
}

function stateOf({ source }: Endpoint): EndpointExplanation['state'] {
  if (source.ready) return 'ready';
  if (!source.terminating) return 'not ready';
  return source.serving ? 'terminating, still serving' : 'terminating';
}

function endpointReason(
  endpoint: Endpoint,
  plan: ServicePortPlan,
  node: NodeFacts,
  used: { readonly cluster: boolean | undefined; readonly local: boolean | undefined },
): string {
  const state = stateOf(endpoint);
  if (state === 'not ready') return 'not used: it is not ready';
  if (state === 'terminating') return 'not used: it is terminating and does not serve any more';
  const reasons: string[] = [];
  if (used.cluster === true) {
    const near = plan.topology === 'none' || state !== 'ready' ? '' : `, hinted for this ${plan.topology}`;
    reasons.push(`used under policy Cluster${state === 'ready' ? near : ': no ready endpoint is left'}`);
  } else if (used.cluster === false) {
    reasons.push(`not under policy Cluster: ${clusterReason(endpoint, plan, node)}`);
  }
  if (used.local === true) {
    reasons.push(`used under policy Local: it is on this node${state === 'ready' ? '' : ', where none is ready'}`);
  } else if (used.local === false) {
    const why = endpoint.local ? 'ready ones are on this node' : 'it is not on this node';
    reasons.push(`not under policy Local: ${why}`);
  }
  return reasons.join('; ');
}

function clusterReason({ source }: Endpoint, { topology }: ServicePortPlan, node: NodeFacts): string {
  if (!source.ready) return 'there are ready endpoints';
  if (topology === 'node') return `it is hinted for node ${source.nodeHints.join(', ')}, not ${node.nodeName}`;
  return `it is hinted for zone ${source.zoneHints.join(', ')}, not ${node.zone}`;
}

/** All decisions about a service port. */
export function decisionsOf(plan: ServicePortPlan, node: NodeFacts, mode: ProxyMode): readonly Decision[] {
  const decisions: Decision[] = [];
  const say = (about: Decision['about'], text: string, outcome?: Outcome): void => {
    decisions.push({ about, outcome, text });
  };
  const topology = topologyText(plan, node);
  if (topology !== '') say('topology', topology);
  say('internal traffic', trafficText(plan, node, mode, 'internal'), plan.internal);
  if (plan.externallyAccessible) {
    say('external traffic', trafficText(plan, node, mode, 'external'), plan.external);
  }
  for (const text of masqueradeTexts(plan, node, mode)) say('masquerade', text);
  const hairpin = hairpinText(plan, mode);
  if (hairpin !== '') say('hairpin', hairpin);
  if (plan.affinitySeconds !== undefined) say('session affinity', affinityText(plan.affinitySeconds, mode));
  return decisions;
}

/** Why topology hints are followed, or are not; empty where nobody gave any. */
function topologyText(plan: ServicePortPlan, { nodeName, zone }: NodeFacts): string {
  const ready = plan.endpoints.filter(({ source }) => source.ready);
  const used = plan.clusterEndpoints.length;
  if (plan.topology === 'node') {
    return `every ready endpoint is hinted for a node, so policy Cluster means the ${used} hinted for ${nodeName}.`;
  }
  if (plan.topology === 'zone') {
    return `every ready endpoint is hinted for a zone, so policy Cluster means the ${used} hinted for ${zone}.`;
  }
  const hinted = ready.filter(({ source }) => source.zoneHints.length > 0 || source.nodeHints.length > 0);
  if (hinted.length === 0) return '';
  if (!policiesInUse(plan).cluster) return 'hints play no part: all traffic is under policy Local.';
  if (hinted.length < ready.length) {
    return `hints are ignored: ${ready.length - hinted.length} of ${ready.length} ready endpoints have none.`;
  }
  if (zone === '') return 'hints for zones are ignored: this node is in no zone that is known.';
  return `hints are ignored: none of the ready endpoints is hinted for zone ${zone}.`;
}

function trafficText(
  plan: ServicePortPlan,
  node: NodeFacts,
  mode: ProxyMode,
  direction: 'internal' | 'external',
): string {
  const policyLocal = direction === 'internal' ? plan.internalPolicyLocal : plan.externalPolicyLocal;
  const outcome = plan[direction];
  const policy = `${direction}TrafficPolicy ${policyLocal ? 'Local' : 'Cluster'}`;
  const share = mode === 'ipvs' ? `by scheduler ${node.ipvs.scheduler}` : 'each with the same chance';
  const spread = (endpoints: readonly Endpoint[], which: string): string =>
    endpoints.length === 1
      ? `it goes to the only ${which}, ${endpoints[0]?.text}`
      : `it goes to one of ${endpoints.length} ${which}s, ${share}`;
  switch (outcome) {
    case 'cluster':
      return plan.clusterEndpoints.length === 0
        ? `${policy}: no usable endpoint for it.`
        : `${policy}: ${spread(plan.clusterEndpoints, 'endpoint')}.`;
    case 'local': {
      const kept = direction === 'external' ? ', and the client keeps its address' : '';
      const aside = direction === 'external' && mode !== 'ipvs' ? shortCircuit(node) : '';
      return `${policy}: ${spread(plan.localEndpoints, 'endpoint on this node')}${kept}.${aside}`;
    }
    case 'reject':
      return `${policy}: no usable endpoint in the cluster, so it is refused.`;
    case 'drop':
      return `${policy}: ${noLocalEndpoint(plan, node, mode, direction)}`;
  }
}

/** Who is not bound by externalTrafficPolicy Local, as it could reach any endpoint directly. */
function shortCircuit({ localDetector }: NodeFacts): string {
  const who = localDetector === undefined ? 'The node itself goes' : 'Pods of the cluster and the node itself go';
  return ` ${who} to any endpoint that policy Cluster gives.`;
}

/** Under policy Local without an endpoint on this node the modes differ. */
function noLocalEndpoint(
  plan: ServicePortPlan,
  node: NodeFacts,
  mode: ProxyMode,
  direction: 'internal' | 'external',
): string {
  const none = 'no usable endpoint is on this node, though there are some elsewhere';
  if (mode !== 'ipvs') {
    return `${none}, so it is dropped.${direction === 'external' ? shortCircuit(node) : ''}`;
  }
  return plan.clusterEndpoints.length > 0
    ? `${none}; unlike the other modes IPVS sends it to the ${plan.clusterEndpoints.length} of policy Cluster.`
    : `${none}; IPVS refuses it, as the virtual server has no real server.`;
}

/** What gets an address of this node as its source, and why. */
function masqueradeTexts(plan: ServicePortPlan, node: NodeFacts, mode: ProxyMode): readonly string[] {
  const texts: string[] = [];
  const back = 'so that replies come back through this node';
  if (plan.internal === 'cluster' || plan.internal === 'local' || mode === 'ipvs') {
    if (node.masqueradeAll) texts.push('all traffic to the cluster IP, as masqueradeAll is set.');
    else if (node.localDetector !== undefined) {
      texts.push(`traffic to the cluster IP that does not come from pods (${detectorText(node)}), ${back}.`);
    } else if (mode === 'ipvs') {
      texts.push(`traffic to the cluster IP of the node itself only, as nothing tells which traffic is the pods'.`);
    } else {
      texts.push(`no traffic to the cluster IP, as nothing tells which is the pods' (set clusterCIDR or podCIDR).`);
    }
  }
  if (!plan.externallyAccessible || !plan.hasEndpoints) return texts;
  if (!plan.externalPolicyLocal) texts.push(`all external traffic, as the endpoint may be on another node, ${back}.`);
  else if (mode === 'ipvs') texts.push('no external traffic, as policy Local keeps the address of the client.');
  else texts.push('no external traffic but that of the node itself, as policy Local keeps the address of the client.');
  return texts;
}

function detectorText({ localDetector }: NodeFacts): string {
  switch (localDetector?.kind) {
    case 'cidr':
      return localDetector.cidr;
    case 'interface':
      return `interface ${localDetector.name}`;
    case 'interface-prefix':
      return `interfaces ${localDetector.prefix}*`;
    default:
      return 'unknown';
  }
}

/** A pod that reaches itself through the Service. */
function hairpinText(plan: ServicePortPlan, mode: ProxyMode): string {
  const concerned =
    mode === 'ipvs'
      ? plan.endpoints.filter(({ local }) => local)
      : mode === 'nftables'
        ? plan.reachableEndpoints.filter(({ local }) => local)
        : plan.reachableEndpoints;
  if (concerned.length === 0) return '';
  return 'a pod that reaches itself through the Service is masqueraded, as it would not take a packet from its own address.';
}

function affinityText(seconds: number, mode: ProxyMode): string {
  const how: Readonly<Record<ProxyMode, string>> = {
    iptables: "the kernel's list of recent addresses, one an endpoint",
    ipvs: 'persistence of the virtual server',
    nftables: 'a set of client addresses for each endpoint',
  };
  return `a client stays with its endpoint for ${seconds} seconds after its last connection (${how[mode]}).`;
}

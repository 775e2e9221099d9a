/**
 * What the three modes do differently with the same Services and the same configuration, each difference with those
 * whom it concerns. docs/modes.md prints the table; `mode-notes.ts` says what matters for the Services at hand.
 */
import type { ProxyMode } from '../kube/config.js';
import type { NodeFacts } from '../plan/node.js';
import type { NodePlan } from '../plan/plan.js';
import type { ServicePortPlan } from '../plan/service-port.js';

/** What one configuration comes to in each mode, for one node and family. */
export type FactsByMode = Readonly<Record<ProxyMode, NodeFacts>>;

/** One thing that is not the same in all modes. */
export interface ModeDifference {
  /** Stable name, never used again for something else. */
  readonly code: string;
  /** What it is about. */
  readonly title: string;
  /** What becomes of it in each mode; the same text where two do the same. */
  readonly modes: Readonly<Record<ProxyMode, string>>;
  /** Whether it concerns some service ports, or the node as a whole. */
  readonly scope: 'service port' | 'node';
}

/** A difference that can tell whom it concerns. */
export type JudgedDifference = ModeDifference &
  (
    | {
        readonly scope: 'service port';
        readonly concerns: (port: ServicePortPlan, facts: FactsByMode) => boolean;
      }
    | {
        readonly scope: 'node';
        readonly concerns: (plan: NodePlan, facts: FactsByMode) => boolean;
      }
  );

/** All differences: first those of ways into a Service, then those of its traffic, then those of the node. */
export const JUDGED_DIFFERENCES: readonly JudgedDifference[] = [
  {
    code: 'node-port-localhost',
    title: 'node ports on 127.0.0.1',
    modes: {
      iptables: 'answered over IPv4; route_localnet is set for it',
      ...ipvsAndNftables('not answered'),
    },
    scope: 'service port',
    concerns: ({ nodePort }, { iptables }) => nodePort !== undefined && iptables.localhostNodePorts,
  },
  {
    code: 'node-port-addresses',
    title: 'addresses of node ports without nodePortAddresses',
    modes: {
      iptables: 'all that the node has, later ones too',
      ipvs: 'all that the node had at the last sync, but not loopback and kube-ipvs0',
      nftables: 'the primary one of each family',
    },
    scope: 'service port',
    concerns: ({ nodePort }, { iptables, nftables }) =>
      nodePort !== undefined && iptables.nodePortAddresses.all && !nftables.nodePortAddresses.all,
  },
  {
    code: 'node-port-refusal',
    title: 'node ports without endpoints, at addresses that nodePortAddresses leaves out',
    modes: {
      iptables: 'refused or dropped there too',
      ...ipvsAndNftables('left to whoever listens there'),
    },
    scope: 'service port',
    concerns: ({ nodePort, external }, { iptables }) =>
      nodePort !== undefined &&
      (external === 'reject' || external === 'drop') &&
      !(iptables.nodePortAddresses.all && iptables.localhostNodePorts),
  },
  {
    code: 'health-check-node-port',
    title: 'firewall in front of health-check node ports',
    modes: {
      ...iptablesAndIpvs('a rule in filter INPUT accepts them'),
      nftables: 'no rule: a firewall of the host must let them in',
    },
    scope: 'service port',
    concerns: ({ healthCheckNodePort }) => healthCheckNodePort !== undefined,
  },
  {
    code: 'address-on-node',
    title: 'external IPs and load-balancer addresses',
    modes: {
      ...iptablesAndNftables('not on the node; packets that are routed to it are translated'),
      ipvs: 'on kube-ipvs0: the node answers ARP for them (unless ipvs.strictARP is set) and refuses their other ports',
    },
    scope: 'service port',
    concerns: (port, { ipvs }) => outsideAddresses(port).some((ip) => !ipvs.hostAddresses.includes(ip)),
  },
  {
    code: 'no-endpoints-from-node',
    title: 'external IPs and load-balancer addresses without endpoints, from the node itself',
    modes: {
      iptables: 'not refused: packets leave for whoever has the address',
      ...ipvsAndNftables('refused, as for everybody'),
    },
    scope: 'service port',
    concerns: (port) => !port.hasEndpoints && outsideAddresses(port).length > 0,
  },
  {
    code: 'source-ranges',
    title: 'loadBalancerSourceRanges',
    modes: {
      iptables: 'checked when a connection begins; without endpoints unchecked, as everybody is refused',
      ipvs: 'checked for every packet; the node itself passes if its primary address does',
      nftables: 'checked when a connection begins, endpoints or not',
    },
    scope: 'service port',
    concerns: ({ loadBalancerIPs, sourceRanges }) => loadBalancerIPs.length > 0 && sourceRanges.length > 0,
  },
  {
    code: 'source-ranges-external-ip',
    title: 'loadBalancerSourceRanges where the address is an external IP too',
    modes: {
      iptables: 'unchecked: the rule of the external IP comes first',
      ...ipvsAndNftables('checked'),
    },
    scope: 'service port',
    concerns: ({ hasEndpoints, sourceRanges, externalIPs, loadBalancerIPs }) =>
      hasEndpoints && sourceRanges.length > 0 && loadBalancerIPs.some((ip) => externalIPs.includes(ip)),
  },
  {
    code: 'external-local-from-inside',
    title: 'externalTrafficPolicy Local, from pods and the node itself',
    modes: {
      ...iptablesAndNftables('endpoints of all nodes (for pods if detectLocalMode tells them)'),
      ipvs: 'endpoints of this node only, as for clients',
    },
    scope: 'service port',
    concerns: (port) => port.externallyAccessible && port.external === 'local' && !onlyLocalEndpoints(port),
  },
  {
    code: 'external-local-source',
    title: 'externalTrafficPolicy Local, source of connections of the node itself',
    modes: {
      ...iptablesAndNftables('masqueraded'),
      ipvs: 'kept: on kube-ipvs0 that is the address that is called',
    },
    scope: 'service port',
    concerns: ({ externallyAccessible, externalPolicyLocal, hasEndpoints }) =>
      externallyAccessible && externalPolicyLocal && hasEndpoints,
  },
  {
    code: 'external-local-without-endpoint',
    title: 'externalTrafficPolicy Local without an endpoint on this node, from clients',
    modes: {
      ...iptablesAndNftables('dropped'),
      ipvs: 'sent to endpoints of other nodes, which see the address of the client',
    },
    scope: 'service port',
    concerns: ({ externallyAccessible, external }) => externallyAccessible && external === 'drop',
  },
  {
    code: 'internal-local-without-endpoint',
    title: 'internalTrafficPolicy Local without an endpoint on this node',
    modes: {
      ...iptablesAndNftables('dropped'),
      ipvs: 'refused; but sent to other nodes if the port has a node port, external IP or load-balancer address',
    },
    scope: 'service port',
    concerns: ({ internal }) => internal === 'drop',
  },
  {
    code: 'session-affinity',
    title: 'session affinity',
    modes: {
      iptables: 'for all addresses of a service port together; 100 clients an endpoint (ip_list_tot of xt_recent)',
      ipvs: 'for each address and port by itself; outlives its timeout while IPVS knows a connection',
      nftables:
        'for all addresses of a service port together; 65,535 clients an endpoint, forgotten when the script is loaded',
    },
    scope: 'service port',
    concerns: ({ affinitySeconds }) => affinitySeconds !== undefined,
  },
  {
    code: 'load-balancing',
    title: 'choice of the endpoint',
    modes: {
      ...iptablesAndNftables('at random, all alike'),
      ipvs: 'by ipvs.scheduler (by default rr, in turn), for each address and port by itself',
    },
    scope: 'service port',
    concerns: ({ clusterEndpoints, localEndpoints }) => clusterEndpoints.length > 1 || localEndpoints.length > 1,
  },
  {
    code: 'endpoint-removal',
    title: 'open connections to an endpoint that goes away',
    modes: {
      ...iptablesAndNftables('kept by conntrack, UDP flows only while it serves'),
      ipvs: 'TCP: kept, at weight 0, until the last one ends; UDP and SCTP: the real server is removed at once',
    },
    scope: 'service port',
    concerns: ({ endpoints }) => endpoints.some(({ source }) => source.terminating),
  },
  {
    code: 'cluster-ip-other-ports',
    title: 'other ports of a cluster IP, and ping',
    modes: {
      iptables: 'passed on untranslated, mostly into a timeout',
      ...ipvsAndNftables('refused at once (ICMP port unreachable)'),
    },
    scope: 'node',
    concerns: hasServices,
  },
  {
    code: 'unallocated-cluster-ips',
    title: 'cluster IPs that no Service has',
    modes: {
      ...iptablesAndIpvs('passed on untranslated'),
      nftables: 'dropped where a ServiceCIDR object covers them (those that are given)',
    },
    scope: 'node',
    concerns: ({ serviceCIDRs }) => serviceCIDRs.length > 0,
  },
  {
    code: 'cluster-ip-masquerade',
    title: 'cluster IP traffic (hairpin apart) while detectLocalMode cannot tell pods',
    modes: {
      ...iptablesAndNftables('not masqueraded'),
      ipvs: 'masqueraded if it comes from the node itself',
    },
    scope: 'node',
    concerns: (plan, { ipvs }) => hasServices(plan) && ipvs.localDetector === undefined && !ipvs.masqueradeAll,
  },
  {
    code: 'masquerade-settings',
    title: 'configuration of masqueradeAll and masqueradeBit',
    modes: {
      ...iptablesAndIpvs('section iptables'),
      nftables: 'section nftables',
    },
    scope: 'node',
    concerns: (_plan, { iptables, nftables }) =>
      iptables.masqueradeAll !== nftables.masqueradeAll || iptables.masqueradeBit !== nftables.masqueradeBit,
  },
  {
    code: 'forward-policy',
    title: 'forwarded Service traffic where the FORWARD chain of the host drops',
    modes: {
      ...iptablesAndIpvs('masqueraded packets and answers pass (KUBE-FORWARD)'),
      nftables: 'dropped: a firewall of the host must let it through',
    },
    scope: 'node',
    concerns: hasServices,
  },
  {
    code: 'invalid-packets',
    title: 'forwarded packets that conntrack finds invalid',
    modes: {
      iptables: 'dropped, unless conntrack.tcpBeLiberal is set',
      ...ipvsAndNftables('left alone'),
    },
    scope: 'node',
    concerns: (plan, { iptables }) => hasServices(plan) && iptables.dropsInvalid,
  },
  {
    code: 'idle-connections',
    title: 'idle connections',
    modes: {
      ...iptablesAndNftables('known to conntrack, TCP for 24 hours (conntrack.tcpEstablishedTimeout)'),
      ipvs: 'forgotten by IPVS, by default TCP after 900 s, UDP after 300 s (ipvs.tcpTimeout, ipvs.udpTimeout)',
    },
    scope: 'node',
    concerns: hasServices,
  },
  {
    code: 'kernel-parameters',
    title: 'kernel parameters that are set, those of conntrack apart',
    modes: {
      iptables: 'route_localnet, for node ports on 127.0.0.1',
      ipvs: 'net.ipv4.ip_forward, net.ipv4.vs.conntrack and two more of IPVS; with ipvs.strictARP two of ARP',
      nftables: 'none',
    },
    scope: 'node',
    concerns: hasServices,
  },
  {
    code: 'large-cluster',
    title: 'comments at the rules of endpoints, above 1000 endpoints',
    modes: {
      iptables: 'left out',
      ...ipvsAndNftables('none in any cluster'),
    },
    scope: 'node',
    concerns: ({ endpointCount }) => endpointCount > 1000,
  },
  {
    code: 'many-services',
    title: 'first packet of any connection, with many Services',
    modes: {
      iptables: 'slower with every Service: rules are tried one by one',
      ...ipvsAndNftables('as quick as with few: addresses are looked up in sets'),
    },
    scope: 'node',
    concerns: ({ servicePorts }) => servicePorts.length > 1000,
  },
  {
    code: 'deprecation',
    title: 'support by kube-proxy',
    modes: {
      iptables: 'the default mode',
      ipvs: 'deprecated since v1.35, with a warning at the start',
      nftables: 'what is advised instead of ipvs',
    },
    scope: 'node',
    concerns: ({ mode }) => mode === 'ipvs',
  },
];

/** Differences that concern every cluster, though hardly anybody ever meets them: they are never noted. */
const RARE_DIFFERENCES: readonly ModeDifference[] = [
  {
    code: 'remote-hairpin',
    title: 'a pod of another node that reaches itself through this node',
    modes: {
      iptables: 'masqueraded',
      ...ipvsAndNftables('not masqueraded, so it gets no answer'),
    },
    scope: 'node',
  },
  {
    code: 'cluster-ip-route',
    title: 'the node itself to a cluster IP that no route of it covers',
    modes: {
      ...iptablesAndNftables('fails: network is unreachable'),
      ipvs: 'works: the address is on kube-ipvs0',
    },
    scope: 'node',
  },
];

/** The differences as a table to print; `compile` with `notes` says which of them matter for a cluster. */
export const MODE_DIFFERENCES: readonly ModeDifference[] = [
  ...JUDGED_DIFFERENCES.map(({ code, title, modes, scope }) => ({ code, title, modes, scope })),
  ...RARE_DIFFERENCES,
];

function iptablesAndIpvs(text: string): Readonly<Record<'iptables' | 'ipvs', string>> {
  return { iptables: text, ipvs: text };
}

function iptablesAndNftables(text: string): Readonly<Record<'iptables' | 'nftables', string>> {
  return { iptables: text, nftables: text };
}

function ipvsAndNftables(text: string): Readonly<Record<'ipvs' | 'nftables', string>> {
  return { ipvs: text, nftables: text };
}

function hasServices({ servicePorts }: NodePlan): boolean {
  return servicePorts.length > 0;
}

function outsideAddresses({ externalIPs, loadBalancerIPs }: ServicePortPlan): readonly string[] {
  return [...externalIPs, ...loadBalancerIPs];
}

/** Whether policy Cluster and policy Local give the same endpoints. */
function onlyLocalEndpoints({ clusterEndpoints, localEndpoints, reachableEndpoints }: ServicePortPlan): boolean {
  const all = reachableEndpoints.length;
  return clusterEndpoints.length === all && localEndpoints.length === all;
}

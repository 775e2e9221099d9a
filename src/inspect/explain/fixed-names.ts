/** What chains, sets and maps are for that a mode has whatever Services there are, and those of its own of each one. */
import { SETS, type SetKey, setName } from '../../backends/ipvs/sets.js';
import type { XtablesMode } from '../../backends/xtables/owner.js';
import { FAMILIES } from '../../net/family.js';

/** By mode, table and chain: what goes through it. */
const XTABLES_CHAINS: Readonly<Record<XtablesMode, Readonly<Record<string, string>>>> = {
  iptables: {
    'nat KUBE-SERVICES':
      'compares each new connection with the addresses of all service ports that have endpoints, and sends it to the chain of the one that has it; what is left goes on to node ports',
    'nat KUBE-NODEPORTS': 'finds the service port of a node port; reached last, and only by traffic to the node itself',
    'nat KUBE-POSTROUTING': 'masquerades what is marked, on its way out, and takes the mark off',
    'nat KUBE-MARK-MASQ': 'marks a packet, so that KUBE-POSTROUTING masquerades it',
    'filter KUBE-SERVICES': 'refuses or drops traffic to cluster IPs for which there is no endpoint',
    'filter KUBE-EXTERNAL-SERVICES':
      'refuses or drops traffic to external IPs, load-balancer addresses and node ports for which there is no endpoint',
    'filter KUBE-NODEPORTS': 'lets health checks of load balancers in',
    'filter KUBE-FORWARD': 'lets Service traffic through the node, even where everything else is not forwarded',
    'filter KUBE-PROXY-FIREWALL': 'drops traffic to load-balancer addresses that no source range lets in',
  },
  ipvs: {
    'nat KUBE-SERVICES': 'marks what has to be masqueraded, by sets of addresses; the translation is done by IPVS',
    'nat KUBE-POSTROUTING': 'masquerades pods that reach themselves, and what is marked, and takes the mark off',
    'nat KUBE-NODE-PORT': 'marks traffic to node ports, unless externalTrafficPolicy is Local',
    'nat KUBE-LOAD-BALANCER': 'marks traffic to load-balancer addresses, unless externalTrafficPolicy is Local',
    'nat KUBE-MARK-MASQ': 'marks a packet, so that KUBE-POSTROUTING masquerades it',
    'filter KUBE-FORWARD': 'lets Service traffic through the node, even where everything else is not forwarded',
    'filter KUBE-NODE-PORT': 'lets health checks of load balancers in',
    'filter KUBE-PROXY-FIREWALL': 'sends traffic to load-balancer addresses with source ranges to their check',
    'filter KUBE-SOURCE-RANGES-FIREWALL': 'drops traffic to load-balancer addresses that no source range lets in',
    'filter KUBE-IPVS-FILTER':
      'refuses everything that is sent to an address of kube-ipvs0 but to no port of a Service, as the node would answer itself',
    'filter KUBE-IPVS-OUT-FILTER':
      'drops what the node itself sends to a load-balancer address whose source ranges leave it out',
  },
};

/** What a shared chain of a mode is for; empty for a chain that is none. */
export function sharedChainPurpose(mode: XtablesMode, table: string, chain: string): string {
  return XTABLES_CHAINS[mode][`${table} ${chain}`] ?? '';
}

/** Chains that are not kube-proxy's alone, by name. */
export const OTHER_CHAINS: Readonly<
  Record<string, { readonly owner: 'kube-proxy' | 'kubelet' | 'kernel' | 'foreign'; readonly text: string }>
> = {
  'KUBE-FIREWALL': {
    owner: 'kubelet',
    text: 'drops packets from other hosts to 127.0.0.0/8 (CVE-2020-8558); made by kubelet, and by kube-proxy where node ports answer on 127.0.0.1',
  },
  'KUBE-PROXY-CANARY': {
    owner: 'kube-proxy',
    text: 'is empty by intent: when it is gone, somebody has flushed all rules, and kube-proxy writes them anew',
  },
  'KUBE-KUBELET-CANARY': {
    owner: 'kubelet',
    text: 'is empty by intent: when it is gone, somebody has flushed all rules, and kubelet writes its own anew',
  },
  'KUBE-IPTABLES-HINT': {
    owner: 'kubelet',
    text: 'tells programs in containers which variant of iptables the node uses; no packet meets it',
  },
  'KUBE-MARK-DROP': {
    owner: 'kubelet',
    text: 'marked packets to be dropped; kubelet before v1.28 made it, nothing uses it any more',
  },
  PREROUTING: { owner: 'kernel', text: 'is where packets from outside and from pods come first' },
  INPUT: { owner: 'kernel', text: 'is where packets come that are for the node itself' },
  FORWARD: { owner: 'kernel', text: 'is where packets come that the node passes on, to pods among others' },
  OUTPUT: { owner: 'kernel', text: 'is where packets of the node itself start' },
  POSTROUTING: { owner: 'kernel', text: 'is where all packets leave' },
};

/** What a chain or set of one service port or endpoint is for, by the first word of its name in mode nftables. */
export function ownChainPurpose(kind: string): string {
  switch (kind) {
    case 'service':
      return 'spreads over the endpoints of policy Cluster';
    case 'local':
      return 'spreads over the endpoints of policy Local';
    case 'external':
      return 'takes external traffic: masquerading, externalTrafficPolicy';
    case 'firewall':
      return 'lets the source ranges of load-balancer addresses in';
    case 'endpoint':
      return 'translates to the endpoint, and remembers the client';
    case 'affinity':
      return 'holds the clients that stay with the endpoint';
    default:
      return '';
  }
}

const SET_PURPOSES: Readonly<Record<SetKey, string>> = {
  'CLUSTER-IP': 'cluster IPs with their ports: what comes from outside the pods is masqueraded',
  'EXTERNAL-IP': 'external IPs with their ports under externalTrafficPolicy Cluster, which are masqueraded',
  'EXTERNAL-IP-LOCAL': 'external IPs with their ports under externalTrafficPolicy Local, which are not masqueraded',
  'HEALTH-CHECK-NODE-PORT': 'ports at which load balancers ask whether the node has endpoints',
  'IPVS-IPS': 'every address of kube-ipvs0: what KUBE-IPVS-FILTER protects',
  'LOAD-BALANCER': 'load-balancer addresses with their ports',
  'LOAD-BALANCER-FW': 'load-balancer addresses with their ports that have source ranges',
  'LOAD-BALANCER-LOCAL': 'load-balancer addresses with their ports under externalTrafficPolicy Local',
  'LOAD-BALANCER-SOURCE-CIDR': 'load-balancer addresses with their ports, and who may use them',
  'LOAD-BALANCER-SOURCE-IP': 'load-balancer addresses that the node itself may use, from that same address',
  'LOOP-BACK': 'endpoints of this node: one that reaches itself through a Service is masqueraded',
  'NODE-PORT-LOCAL-SCTP-HASH': 'SCTP node ports under externalTrafficPolicy Local',
  'NODE-PORT-LOCAL-TCP': 'TCP node ports under externalTrafficPolicy Local',
  'NODE-PORT-LOCAL-UDP': 'UDP node ports under externalTrafficPolicy Local',
  'NODE-PORT-SCTP-HASH': 'SCTP node ports',
  'NODE-PORT-TCP': 'TCP node ports',
  'NODE-PORT-UDP': 'UDP node ports',
};

/** What a set of mode ipvs holds. */
export function setPurpose(key: SetKey): string {
  return SET_PURPOSES[key];
}

/** The set of mode ipvs that has a name in either family. */
export function setOfName(name: string): SetKey | undefined {
  return (Object.keys(SETS) as SetKey[]).find((key) => FAMILIES.some((family) => setName(key, family) === name));
}

const NFT_SETS: Readonly<Record<string, { readonly what: 'set' | 'map'; readonly text: string }>> = {
  'cluster-ips': { what: 'set', text: 'all cluster IPs, whatever their ports' },
  'hairpin-connections': {
    what: 'set',
    text: 'endpoints of this node: one that reaches itself through a Service is masqueraded',
  },
  'nodeport-ips': { what: 'set', text: 'the addresses on which node ports answer' },
  'firewall-ips': { what: 'map', text: 'load-balancer addresses that have source ranges' },
  'no-endpoint-nodeports': { what: 'map', text: 'node ports that are refused or dropped for want of an endpoint' },
  'no-endpoint-services': { what: 'map', text: 'addresses that are refused or dropped for want of an endpoint' },
  'service-ips': { what: 'map', text: 'finds the chain of a cluster IP, external IP or load-balancer address' },
  'service-nodeports': { what: 'map', text: 'finds the chain of a node port' },
};

/** A set or map of mode nftables that is always there; its text is empty for any other. */
export function nftSetPurpose(name: string): { readonly what: 'set' | 'map'; readonly text: string } {
  return NFT_SETS[name] ?? { what: 'set', text: '' };
}

/** The chains that every table of mode nftables has. */
export const NFT_CHAINS: Readonly<Record<string, string>> = {
  'filter-prerouting-pre-dnat': 'checks source ranges of load-balancer addresses before anything is translated',
  'filter-output-pre-dnat': 'checks source ranges of load-balancer addresses for what the node itself sends',
  'filter-input': 'refuses traffic for the node itself that is still addressed to a service port without endpoints',
  'filter-forward': 'refuses traffic that the node would pass on still addressed to a Service: it found no endpoint',
  'filter-output': 'refuses traffic of the node itself that is still addressed to a Service: it found no endpoint',
  'nat-prerouting': 'sends packets from outside and from pods to the translation of Services',
  'nat-output': 'sends packets of the node itself to the translation of Services',
  'nat-postrouting': 'sends packets that leave to masquerading',
  services: 'marks what has to be masqueraded, and finds the chain of an address or node port in a map',
  masquerading: 'masquerades what is marked, and pods that reach themselves',
  'service-endpoints-check': 'refuses or drops traffic to addresses of Services for which there is no endpoint',
  'nodeport-endpoints-check': 'refuses or drops traffic to node ports for which there is no endpoint',
  'firewall-check': 'finds the firewall of a load-balancer address with source ranges',
  'cluster-ips-check': 'refuses other ports of cluster IPs, and drops traffic to cluster IPs that no Service has',
  'reject-chain': 'refuses; a map can hold a jump to it, but no refusal',
};

/** What kube-proxy does before the restore in IPVS mode: chains, the jumps into them, kernel parameters. */
import type { NodeFacts } from '../../plan/node.js';
import { comment, type Jump, jumpLine, newChainLine } from '../xtables/emit.js';

/** kube-proxy's chains, in the order in which it makes them. */
export const NAT_CHAINS = [
  'KUBE-SERVICES',
  'KUBE-POSTROUTING',
  'KUBE-NODE-PORT',
  'KUBE-LOAD-BALANCER',
  'KUBE-MARK-MASQ',
];
export const FILTER_CHAINS = [
  'KUBE-FORWARD',
  'KUBE-NODE-PORT',
  'KUBE-PROXY-FIREWALL',
  'KUBE-SOURCE-RANGES-FIREWALL',
  'KUBE-IPVS-FILTER',
  'KUBE-IPVS-OUT-FILTER',
];

const portals = comment('kubernetes service portals');
const firewall = comment('kube-proxy firewall rules');
const accessFilter = comment('kubernetes ipvs access filter');

/** In the order in which kube-proxy ensures them; each is prepended, so a fresh chain has them the other way round. */
const JUMPS: readonly Jump[] = [
  { table: 'nat', from: 'OUTPUT', match: portals, to: 'KUBE-SERVICES' },
  { table: 'nat', from: 'PREROUTING', match: portals, to: 'KUBE-SERVICES' },
  { table: 'nat', from: 'POSTROUTING', match: comment('kubernetes postrouting rules'), to: 'KUBE-POSTROUTING' },
  { table: 'filter', from: 'FORWARD', match: comment('kubernetes forwarding rules'), to: 'KUBE-FORWARD' },
  { table: 'filter', from: 'INPUT', match: comment('kubernetes health check rules'), to: 'KUBE-NODE-PORT' },
  { table: 'filter', from: 'INPUT', match: firewall, to: 'KUBE-PROXY-FIREWALL' },
  { table: 'filter', from: 'FORWARD', match: firewall, to: 'KUBE-PROXY-FIREWALL' },
  { table: 'filter', from: 'INPUT', match: accessFilter, to: 'KUBE-IPVS-FILTER' },
  { table: 'filter', from: 'OUTPUT', match: accessFilter, to: 'KUBE-IPVS-OUT-FILTER' },
];

/** So that no address on kube-ipvs0 is announced on other links as the node's own. */
const STRICT_ARP = ['net/ipv4/conf/all/arp_announce=2\n', 'net/ipv4/conf/all/arp_ignore=1\n'];

const PARAMETERS = [
  'net/ipv4/ip_forward=1\n',
  // Without it nothing that IPVS forwards is masqueraded.
  'net/ipv4/vs/conntrack=1\n',
  'net/ipv4/vs/expire_nodest_conn=1\n',
  'net/ipv4/vs/expire_quiescent_template=1\n',
];

/** The jumps alone, as setup text: by these an applier tells kube-proxy's own rules of built-in chains from others'. */
export const JUMPS_TEXT = JUMPS.map(jumpLine).join('');

/** The setup text: single iptables commands, one a line, then kernel parameters below /proc/sys. */
export function setupText(node: NodeFacts): string {
  return [
    ...NAT_CHAINS.map((chain) => newChainLine('nat', chain)),
    ...FILTER_CHAINS.map((chain) => newChainLine('filter', chain)),
    ...JUMPS.map(jumpLine),
    ...(node.ipvs.strictARP ? STRICT_ARP : []),
    ...PARAMETERS,
  ].join('');
}

/** What kube-proxy does before the restore: chains, the jumps into them, one kernel parameter. */
import type { NodePlan } from '../../plan/plan.js';
import { comment, type Jump, jumpLine, newChainLine } from '../xtables/emit.js';

const NEW = ['-m', 'conntrack', '--ctstate', 'NEW'];

const external = [...NEW, ...comment('kubernetes externally-visible service portals')];
const portals = [...NEW, ...comment('kubernetes service portals')];
const firewall = [...NEW, ...comment('kubernetes load balancer firewall')];

/** In the order in which kube-proxy ensures them; each is prepended, so a fresh chain has them the other way round. */
const JUMPS: readonly Jump[] = [
  { table: 'filter', from: 'INPUT', match: external, to: 'KUBE-EXTERNAL-SERVICES' },
  { table: 'filter', from: 'FORWARD', match: external, to: 'KUBE-EXTERNAL-SERVICES' },
  { table: 'filter', from: 'INPUT', match: comment('kubernetes health check service ports'), to: 'KUBE-NODEPORTS' },
  { table: 'filter', from: 'FORWARD', match: portals, to: 'KUBE-SERVICES' },
  { table: 'filter', from: 'OUTPUT', match: portals, to: 'KUBE-SERVICES' },
  { table: 'filter', from: 'FORWARD', match: comment('kubernetes forwarding rules'), to: 'KUBE-FORWARD' },
  { table: 'filter', from: 'INPUT', match: firewall, to: 'KUBE-PROXY-FIREWALL' },
  { table: 'filter', from: 'OUTPUT', match: firewall, to: 'KUBE-PROXY-FIREWALL' },
  { table: 'filter', from: 'FORWARD', match: firewall, to: 'KUBE-PROXY-FIREWALL' },
  { table: 'nat', from: 'OUTPUT', match: comment('kubernetes service portals'), to: 'KUBE-SERVICES' },
  { table: 'nat', from: 'PREROUTING', match: comment('kubernetes service portals'), to: 'KUBE-SERVICES' },
  { table: 'nat', from: 'POSTROUTING', match: comment('kubernetes postrouting rules'), to: 'KUBE-POSTROUTING' },
  // kubelet makes these two as well, so cleanup leaves them.
  { table: 'filter', from: 'INPUT', match: [], to: 'KUBE-FIREWALL' },
  { table: 'filter', from: 'OUTPUT', match: [], to: 'KUBE-FIREWALL' },
];

/** The jumps alone, as setup text: by these an applier tells kube-proxy's own rules of built-in chains from others'. */
export const JUMPS_TEXT = JUMPS.map(jumpLine).join('');

/**
 * The setup text: arguments of single iptables commands, one command a line (`-N` if the chain is missing, `-I` if
 * the rule is), an argument with a space in double quotes; then kernel parameters below /proc/sys.
 */
export function setupText({ node }: NodePlan): string {
  return fixedSetup(node.localhostNodePorts);
}

/** The setup text of every node: it depends only on whether node ports answer on 127.0.0.1. */
export function fixedSetup(localhostNodePorts: boolean): string {
  const lines = JUMPS.map((jump) => newChainLine(jump.table, jump.to) + jumpLine(jump));
  if (localhostNodePorts) lines.push('net/ipv4/conf/all/route_localnet=1\n');
  return lines.join('');
}

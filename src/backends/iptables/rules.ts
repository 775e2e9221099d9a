/** The restore input of iptables mode: fixed parts around the fragments of the service ports. */
import { isLoopback } from '../../net/ip.js';
import type { NodeFacts } from '../../plan/node.js';
import type { NodePlan } from '../../plan/plan.js';
import { createLowering } from '../fragments.js';
import { chainLines, forwardRules, masqueradeRules } from '../xtables/emit.js';
import { type Fragment, type FragmentContext, lowerServicePort } from './fragment.js';

/** Above this number of endpoints kube-proxy leaves comments out, to keep its input small. */
export const LARGE_CLUSTER_ENDPOINTS = 1000;

const FILTER_CHAINS = [
  'KUBE-SERVICES',
  'KUBE-EXTERNAL-SERVICES',
  'KUBE-FORWARD',
  'KUBE-NODEPORTS',
  'KUBE-PROXY-FIREWALL',
];
const NAT_CHAINS = ['KUBE-SERVICES', 'KUBE-NODEPORTS', 'KUBE-POSTROUTING', 'KUBE-MARK-MASQ'];

/**
 * A function from a plan to the pieces of the restore input, in order; joined they are the text. It keeps the
 * fragments of service ports whose plan is the same object as before.
 */
export function createRulesCompiler(): (plan: NodePlan) => readonly string[] {
  const lower = createLowering(lowerServicePort);
  let context: FragmentContext | undefined;
  return (plan) => {
    const next = fragmentContext(plan);
    if (context?.node !== next.node || context.endpointComments !== next.endpointComments) context = next;
    return assemble(plan.node, lower(plan.servicePorts, context).all);
  };
}

/** What the rules of the service ports of a plan need to know. */
export function fragmentContext({ node, endpointCount }: NodePlan): FragmentContext {
  return { node, endpointComments: endpointCount <= LARGE_CLUSTER_ENDPOINTS };
}

function assemble(node: NodeFacts, fragments: readonly Fragment[]): readonly string[] {
  const pieces: string[] = [];
  const { localhostNodePorts } = node;
  pieces.push(`*filter\n${chainLines(localhostNodePorts ? [...FILTER_CHAINS, 'KUBE-FIREWALL'] : FILTER_CHAINS)}`);
  if (localhostNodePorts) pieces.push(LOCALNET_RULE);
  for (const fragment of fragments) if (fragment.filterRules !== '') pieces.push(fragment.filterRules);
  pieces.push(`${node.dropsInvalid ? INVALID_RULE : ''}${forwardRules(node)}COMMIT\n*nat\n${chainLines(NAT_CHAINS)}`);
  for (const fragment of fragments) if (fragment.natChains !== '') pieces.push(fragment.natChains);
  pieces.push(masqueradeRules(node));
  for (const fragment of fragments) if (fragment.natRules !== '') pieces.push(fragment.natRules);
  pieces.push(`${nodePortJumps(node)}COMMIT\n`);
  return pieces;
}

/** Packets that connection tracking does not understand would leave untranslated. */
const INVALID_RULE = '-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP\n';

/**
 * With node ports on 127.0.0.1 the kernel routes such packets; this keeps other hosts from sending them (CVE-2020-8558).
 * kubelet writes the same rule in any case.
 */
export const LOCALNET_RULE =
  '-A KUBE-FIREWALL -m comment --comment "block incoming localnet connections" -d 127.0.0.0/8 ! -s 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP\n';

/** The jumps to KUBE-NODEPORTS, which stand behind everything else so that all other addresses come first. */
function nodePortJumps(node: NodeFacts): string {
  const { all, local } = node.nodePortAddresses;
  const jump = (match: string): string =>
    `-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" ${match} -j KUBE-NODEPORTS\n`;
  if (!all)
    return local
      .filter((ip) => node.localhostNodePorts || !isLoopback({ family: node.family, text: ip }))
      .map((ip) => jump(`-d ${ip}`))
      .join('');
  if (node.family === 'ipv6') return jump('-m addrtype --dst-type LOCAL ! -d ::1/128');
  return jump(
    node.localhostNodePorts ? '-m addrtype --dst-type LOCAL' : '-m addrtype --dst-type LOCAL ! -d 127.0.0.0/8',
  );
}

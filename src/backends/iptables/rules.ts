/** The restore input of iptables mode: fixed parts around the fragments of the service ports. */
import { isLoopback } from '../../net/ip.js';
import type { NodeFacts } from '../../plan/node.js';
import type { NodePlan } from '../../plan/plan.js';
import type { ServicePortPlan } from '../../plan/service-port.js';
import { chainLines, type Fragment, fragmentContext, lowerServicePort } from './fragment.js';

/** Above this number of endpoints kube-proxy leaves comments out, to keep its input small. */
const LARGE_CLUSTER_ENDPOINTS = 1000;

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
 * fragments of service ports whose plan is the same object as before, so that after one change only that service
 * port is lowered again.
 */
export function createRulesCompiler(): (plan: NodePlan) => readonly string[] {
  let kept = new WeakMap<ServicePortPlan, Fragment>();
  let keptFor: { readonly node: NodeFacts; readonly endpointComments: boolean } | undefined;
  return (plan) => {
    const endpointComments = plan.endpointCount <= LARGE_CLUSTER_ENDPOINTS;
    if (keptFor?.node !== plan.node || keptFor.endpointComments !== endpointComments) {
      kept = new WeakMap();
      keptFor = { node: plan.node, endpointComments };
    }
    const context = fragmentContext(plan.node, endpointComments);
    const fragments = plan.servicePorts.map((servicePort) => {
      const former = kept.get(servicePort);
      if (former !== undefined) return former;
      const fragment = lowerServicePort(servicePort, context);
      kept.set(servicePort, fragment);
      return fragment;
    });
    return assemble(plan.node, fragments);
  };
}

function assemble(node: NodeFacts, fragments: readonly Fragment[]): readonly string[] {
  const pieces: string[] = [];
  const { localhostNodePorts } = node;
  pieces.push(`*filter\n${chainLines(localhostNodePorts ? [...FILTER_CHAINS, 'KUBE-FIREWALL'] : FILTER_CHAINS)}`);
  if (localhostNodePorts) pieces.push(LOCALNET_RULE);
  for (const fragment of fragments) if (fragment.filterRules !== '') pieces.push(fragment.filterRules);
  pieces.push(`${forwardRules(node)}COMMIT\n*nat\n${chainLines(NAT_CHAINS)}`);
  for (const fragment of fragments) if (fragment.natChains !== '') pieces.push(fragment.natChains);
  pieces.push(masqueradeRules(node));
  for (const fragment of fragments) if (fragment.natRules !== '') pieces.push(fragment.natRules);
  pieces.push(`${nodePortJumps(node)}COMMIT\n`);
  return pieces;
}

/** With node ports on 127.0.0.1 the kernel routes such packets; this keeps other hosts from sending them (CVE-2020-8558). */
const LOCALNET_RULE =
  '-A KUBE-FIREWALL -m comment --comment "block incoming localnet connections" -d 127.0.0.0/8 ! -s 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP\n';

function forwardRules(node: NodeFacts): string {
  const mark = markOf(node);
  return [
    '-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP\n',
    `-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark ${mark}/${mark} -j ACCEPT\n`,
    '-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n',
  ].join('');
}

function masqueradeRules(node: NodeFacts): string {
  const mark = markOf(node);
  return [
    `-A KUBE-POSTROUTING -m mark ! --mark ${mark}/${mark} -j RETURN\n`,
    `-A KUBE-POSTROUTING -j MARK --xor-mark ${mark}\n`,
    '-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully\n',
    `-A KUBE-MARK-MASQ -j MARK --or-mark ${mark}\n`,
  ].join('');
}

/** The packet mark that asks for masquerading, unsigned and in eight hex digits. */
function markOf(node: NodeFacts): string {
  return `0x${(2 ** node.masqueradeBit).toString(16).padStart(8, '0')}`;
}

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

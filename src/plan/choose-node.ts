/** For which node and families to compile, when the user need not say. */
import type { ProxyConfig } from '../kube/config.js';
import { type Diagnostic, diagnostic } from '../kube/diagnostics.js';
import { show } from '../kube/fields.js';
import { isDnsSubdomain } from '../kube/names.js';
import type { Node } from '../kube/node.js';
import type { ClusterState } from '../kube/state.js';
import { FAMILIES, type Family } from '../net/family.js';
import { listText } from '../net/text.js';
import { neutralNode } from './node.js';

/** The chosen node, or undefined after an error; and what is to be said about the choice. */
export interface NodeChoice {
  readonly node: Node | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Chooses the node: the one asked for, else the one that hostnameOverride names, else the first Node object. Without
 * any Node object a neutral one stands in: nothing but its name, if one was given.
 * @param asked the node's name from the command line
 */
export function chooseNode(state: ClusterState, asked: string | undefined, config: ProxyConfig): NodeChoice {
  const name = asked ?? (config.hostnameOverride === '' ? undefined : config.hostnameOverride);
  if (name !== undefined && !isDnsSubdomain(name)) {
    return { node: undefined, diagnostics: [diagnostic('unknown-node', `${show(name)} is no valid node name.`)] };
  }
  if (state.nodes.size === 0) {
    const who = name === undefined ? 'a node without endpoints of its own' : `a node ${name} without addresses`;
    const message = `no Node object is given; compiled for ${who}.`;
    return { node: neutralNode(name ?? ''), diagnostics: [diagnostic('node-choice', message)] };
  }
  const [first] = state.nodes.values();
  const node = name === undefined ? first : state.nodes.get(name);
  if (node === undefined) {
    const shown = `${name}${asked === undefined ? ' (hostnameOverride)' : ''}`;
    return { node: undefined, diagnostics: [unknownNode(shown, state)] };
  }
  if (name !== undefined || state.nodes.size === 1) return { node, diagnostics: [] };
  const message = `compiled for ${node.name}, the first of ${state.nodes.size} nodes.`;
  return { node, diagnostics: [diagnostic('node-choice', message, { hint: 'Choose another with --node.' })] };
}

/** How many nodes are named that there are instead. */
const MOST_NAMED = 10;

/** Of a node that is not among the Node objects, and which are. */
export function unknownNode(name: string, { nodes }: ClusterState): Diagnostic {
  const hint =
    nodes.size === 0 ? 'No Node object is given.' : `Name one of: ${listText([...nodes.keys()], MOST_NAMED)}.`;
  return diagnostic('unknown-node', `there is no node ${name}.`, { hint });
}

/**
 * The families to compile: those of the node's addresses and of a specific bindAddress. For a node without addresses
 * those that the Services have; IPv4 where there is nothing to go by.
 */
export function familiesOf(node: Node, state: ClusterState, config: ProxyConfig): readonly Family[] {
  const found = new Set<Family>(node.addresses.map((ip) => ip.family));
  if (config.bindAddress !== undefined) found.add(config.bindAddress.family);
  if (found.size === 0) {
    for (const { service } of state.services.values()) {
      for (const family of FAMILIES) if (service.clusterIPs[family] !== undefined) found.add(family);
    }
  }
  if (found.size === 0) found.add('ipv4');
  return FAMILIES.filter((family) => found.has(family));
}

/** Whose a chain is. */
import type { ProxyMode } from '../../kube/config.js';

/** A mode of kube-proxy that writes iptables rules. */
export type XtablesMode = Exclude<ProxyMode, 'nftables'>;

/**
 * Who makes a chain and fills it.
 *
 * - `kube-proxy`: what is in it can be compared with what we would write; `modes` are those that have it. A chain of
 *   another mode than the node's was left behind by a change of mode.
 * - `canary`: kube-proxy's, empty by intent. When it is gone somebody flushed all rules.
 * - `shared`: KUBE-FIREWALL, which kubelet and kube-proxy both make; kubelet's has one rule, the same.
 * - `kubelet`: its canary, and its hint at the variant in use.
 * - `foreign`: everybody else's, built-in chains among them.
 */
export type ChainOwner =
  | { readonly owner: 'kube-proxy'; readonly modes: readonly XtablesMode[] }
  | { readonly owner: 'canary' | 'shared' | 'kubelet' | 'foreign' };

/** kube-proxy looks only at the prefix when it deletes what it no longer needs. */
const SERVICE_CHAIN = /^KUBE-(?:SVC|SVL|EXT|FW|SEP)-/;

const BOTH: readonly XtablesMode[] = ['iptables', 'ipvs'];
const IPTABLES: readonly XtablesMode[] = ['iptables'];
const IPVS: readonly XtablesMode[] = ['ipvs'];

/** The chains with fixed names, as `table chain`. */
const FIXED_CHAINS: ReadonlyMap<string, readonly XtablesMode[]> = new Map([
  ['nat KUBE-SERVICES', BOTH],
  ['nat KUBE-POSTROUTING', BOTH],
  ['nat KUBE-MARK-MASQ', BOTH],
  ['filter KUBE-FORWARD', BOTH],
  ['filter KUBE-PROXY-FIREWALL', BOTH],
  ['nat KUBE-NODEPORTS', IPTABLES],
  ['filter KUBE-SERVICES', IPTABLES],
  ['filter KUBE-EXTERNAL-SERVICES', IPTABLES],
  ['filter KUBE-NODEPORTS', IPTABLES],
  ['nat KUBE-NODE-PORT', IPVS],
  ['nat KUBE-LOAD-BALANCER', IPVS],
  ['filter KUBE-NODE-PORT', IPVS],
  ['filter KUBE-SOURCE-RANGES-FIREWALL', IPVS],
  ['filter KUBE-IPVS-FILTER', IPVS],
  ['filter KUBE-IPVS-OUT-FILTER', IPVS],
]);

const WITH_CANARIES = new Set(['mangle', 'nat', 'filter']);

/** Whose the chain of a table is, by its name. */
export function chainOwner(table: string, chain: string): ChainOwner {
  const modes = FIXED_CHAINS.get(`${table} ${chain}`);
  if (modes !== undefined) return { owner: 'kube-proxy', modes };
  if (table === 'nat' && SERVICE_CHAIN.test(chain)) return { owner: 'kube-proxy', modes: IPTABLES };
  if (WITH_CANARIES.has(table) && chain === 'KUBE-PROXY-CANARY') return { owner: 'canary' };
  if (WITH_CANARIES.has(table) && chain === 'KUBE-KUBELET-CANARY') return { owner: 'kubelet' };
  if (table === 'mangle' && chain === 'KUBE-IPTABLES-HINT') return { owner: 'kubelet' };
  if (table === 'filter' && chain === 'KUBE-FIREWALL') return { owner: 'shared' };
  return { owner: 'foreign' };
}

/** In comments of kube-proxy the service port stands alone, or among words: `shop/web:http -> 10.244.1.5:8080`. */
const SERVICE_PORT = /--comment "?(?:[^"]* )?([a-z0-9-]+\/[a-z0-9-]+(?::[a-z0-9-]+)?)(?=[" ]|$)/;

/**
 * The service port that a chain was made for, as the comments of its rules tell it; undefined for a chain of all
 * Services, and where nothing tells.
 * @param rules arguments of its rules
 */
export function chainService(table: string, chain: string, rules: readonly string[]): string | undefined {
  if (table !== 'nat' || !SERVICE_CHAIN.test(chain)) return undefined;
  for (const rule of rules) {
    const [, service] = SERVICE_PORT.exec(rule) ?? [];
    if (service !== undefined) return service;
  }
  return undefined;
}

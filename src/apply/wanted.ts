/** What a part of the kernel is to hold, as finished texts: what is applied, and what is saved to go back to. */
import type { Family } from '../net/family.js';

/** The two sets of iptables programs: those that write nf_tables, and those for the older xtables. */
export type Variant = 'nft' | 'legacy';

/** kube-proxy's chains of one family, and the jumps into them. */
export interface WantedRules {
  readonly kind: 'xtables';
  readonly family: Family;
  readonly variant: Variant;
  /** As for iptables-restore; empty for none. */
  readonly rules: string;
  /** Chains, jumps and kernel parameters, as kuberules writes them. */
  readonly setup: string;
  /** Whether the canaries of a kube-proxy go too. */
  readonly clean: boolean;
}

/** kube-proxy's table of one family. */
export interface WantedTable {
  readonly kind: 'nftables';
  readonly family: Family;
  /** A script that makes the whole table, or the table as nft lists it; empty for no table. */
  readonly script: string;
}

/** What IPVS mode has beside its rules, of one family. */
export interface WantedIpvs {
  readonly kind: 'ipvs';
  readonly family: Family;
  /** As for `ipvsadm -R`, `ipset restore`, and addresses one a line; empty for none. */
  readonly ipvsadm: string;
  readonly ipset: string;
  readonly addresses: string;
  /** Networks of virtual servers that are others', as CIDRs. */
  readonly excludeCIDRs: readonly string[];
  /** The rules that name the sets; undefined where another mode's rules are in force already. */
  readonly xtables: WantedRules | undefined;
}

/** Any of them. */
export type Wanted = WantedRules | WantedTable | WantedIpvs;

/** How messages call one: `iptables rules (nft, ipv4)`. */
export function wantedName(wanted: Wanted): string {
  switch (wanted.kind) {
    case 'xtables':
      return `iptables rules (${wanted.variant}, ${wanted.family})`;
    case 'nftables':
      return `nftables table (${wanted.family})`;
    case 'ipvs':
      return `IPVS (${wanted.family})`;
  }
}

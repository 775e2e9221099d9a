/** Which areas a host has in each mode, and what is left there of the others. */
import { type Part, partText } from '../backends/compile.js';
import type { ProxyMode } from '../kube/config.js';
import { FAMILIES, type Family } from '../net/family.js';
import type { Area } from './area.js';
import { type IpvsAreaOptions, ipvsArea } from './ipvs-area.js';
import { rulesArea } from './rules-area.js';
import { tableArea } from './table-area.js';
import type { Variant, Wanted, WantedRules } from './wanted.js';

/** The area for what is wanted. */
export function areaOf(wanted: Wanted, options: IpvsAreaOptions): Area {
  switch (wanted.kind) {
    case 'xtables':
      return rulesArea(wanted, options);
    case 'ipvs':
      return ipvsArea(wanted, options);
    case 'nftables':
      return tableArea(wanted, options.host);
  }
}

/** The texts of one family by their parts' names; a missing part is empty. */
export type FamilyTexts = Readonly<Partial<Record<Part['part'], string>>>;

/** Sorts parts by family. */
export function textsOf(parts: readonly Part[]): ReadonlyMap<Family, FamilyTexts> {
  const texts = new Map<Family, Record<string, string>>();
  for (const part of parts) {
    const family = texts.get(part.family) ?? {};
    family[part.part] = partText(part);
    texts.set(part.family, family);
  }
  return texts;
}

/**
 * What a mode wants of a host.
 * @param variant of iptables, of no meaning in nftables mode
 * @param excludeCIDRs of virtual servers that are others', of meaning in IPVS mode alone
 */
export function wantedOf(
  mode: ProxyMode,
  texts: ReadonlyMap<Family, FamilyTexts>,
  variant: Variant,
  excludeCIDRs: readonly string[] = [],
): readonly Wanted[] {
  return Array.from(texts, ([family, parts]): Wanted => {
    const { rules = '', setup = '', nft = '', ipvsadm = '', ipset = '', addresses = '' } = parts;
    const xtables: WantedRules = { kind: 'xtables', family, variant, rules, setup, clean: false };
    if (mode === 'iptables') return xtables;
    if (mode === 'nftables') return { kind: 'nftables', family, script: nft };
    return { kind: 'ipvs', family, ipvsadm, ipset, addresses, excludeCIDRs, xtables };
  });
}

/**
 * What must not be left on a host of the other modes; without a mode, of any.
 * @param excludeCIDRs as for `wantedOf`
 */
export function leftoversOf(mode: ProxyMode | undefined, excludeCIDRs: readonly string[] = []): readonly Wanted[] {
  const rules = (variant: Variant, family: Family): Wanted => ({
    kind: 'xtables',
    family,
    variant,
    rules: '',
    setup: '',
    clean: true,
  });
  return FAMILIES.flatMap((family): readonly Wanted[] => [
    ...(mode === undefined || mode === 'nftables' ? [rules('nft', family), rules('legacy', family)] : []),
    ...(mode === 'nftables' ? [] : [{ kind: 'nftables', family, script: '' } as const]),
    ...(mode === 'ipvs'
      ? []
      : [{ kind: 'ipvs', family, ipvsadm: '', ipset: '', addresses: '', excludeCIDRs, xtables: undefined } as const]),
  ]);
}

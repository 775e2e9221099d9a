/** The dumps of a node: what each of them is, and for which family. */
import { type InterfaceAddress, readAddresses } from '../../backends/ipvs/addresses-text.js';
import { type IpSet, readIpset } from '../../backends/ipvs/ipset-text.js';
import { readIpvsadm, type VirtualServer } from '../../backends/ipvs/ipvsadm-text.js';
import { readNft } from '../../backends/nftables/recognise.js';
import { kubeProxyTables, type NftRuleSet } from '../../backends/nftables/rule-set.js';
import { recogniseDump } from '../../backends/recognise.js';
import type { Version } from '../../backends/version.js';
import { chainOwner } from '../../backends/xtables/owner.js';
import { readXtables, type XtablesText, xtablesChains } from '../../backends/xtables/text.js';
import type { ProxyMode } from '../../kube/config.js';
import { type Diagnostic, diagnostic } from '../../kube/diagnostics.js';
import type { SourceText } from '../../kube/objects.js';
import type { ClusterState } from '../../kube/state.js';
import type { Family } from '../../net/family.js';
import type { NodePlan } from '../../plan/plan.js';

/** A text that a program printed on a node. */
export interface DumpText extends SourceText {
  /** When its content does not tell; undefined leaves it to the content. */
  readonly family?: Family | undefined;
  /** Where it is known that this is all of its kind that the host has: an empty text says then that there is nothing. */
  readonly allOf?: ReadDump['kind'];
}

/** One dump as data. */
export type ReadDump = { readonly file: string } & (
  | {
      readonly kind: 'xtables';
      readonly family: Family;
      readonly text: XtablesText;
      /** Of the iptables-save that printed it; undefined where it does not tell. */
      readonly version: Version | undefined;
    }
  | { readonly kind: 'ipvsadm'; readonly services: readonly VirtualServer[] }
  | { readonly kind: 'ipset'; readonly sets: readonly IpSet[] }
  | { readonly kind: 'addresses'; readonly addresses: readonly InterfaceAddress[] }
  | { readonly kind: 'nft'; readonly ruleSet: NftRuleSet; readonly whole: boolean }
);

/** Everything that one family of one mode is compared with. */
export interface FamilyInput {
  readonly plan: NodePlan;
  readonly state: ClusterState;
  readonly dumps: readonly ReadDump[];
}

/** Reads all dumps. What cannot be read, or is no dump of a node, is an error (`unreadable-rules`). */
export function readDumps(texts: readonly DumpText[]): {
  readonly dumps: readonly ReadDump[];
  readonly diagnostics: readonly Diagnostic[];
} {
  const dumps: ReadDump[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const text of texts) {
    const read = readDump(text);
    if (read.dump !== undefined) dumps.push(read.dump);
    diagnostics.push(...read.diagnostics);
  }
  return { dumps, diagnostics: [...diagnostics, ...repeated(dumps)] };
}

function readDump(source: DumpText): {
  readonly dump: ReadDump | undefined;
  readonly diagnostics: readonly Diagnostic[];
} {
  const { name: file, allOf } = source;
  if (allOf !== undefined && source.text.trim() === '') return { dump: emptyDump(allOf, source), diagnostics: [] };
  const { dump, diagnostics } = recogniseDump(source);
  if (dump === undefined) return { dump, diagnostics };
  switch (dump.kind) {
    case 'xtables': {
      const { version } = dump;
      const family = source.family ?? dump.family;
      const contradicted = contradictedFamily(source, dump.family);
      if (contradicted !== undefined) return { dump: undefined, diagnostics: [contradicted] };
      if (family === undefined) {
        const hint = `Say so: --dump ipv4=${file} or --dump ipv6=${file}.`;
        return wrong(file, 'nothing in it tells whether it is of IPv4 or of IPv6.', hint);
      }
      const read = readXtables(source);
      return { dump: { kind: 'xtables', file, family, text: read.text, version }, diagnostics: read.diagnostics };
    }
    case 'ipvsadm': {
      const read = readIpvsadm(source);
      return { dump: { kind: 'ipvsadm', file, services: read.table.services }, diagnostics: read.diagnostics };
    }
    case 'ipset': {
      const read = readIpset(source);
      return { dump: { kind: 'ipset', file, sets: read.sets }, diagnostics: read.diagnostics };
    }
    case 'addresses': {
      const read = readAddresses(source);
      return { dump: { kind: 'addresses', file, addresses: read.addresses }, diagnostics: read.diagnostics };
    }
    case 'nft': {
      const { ruleSet, diagnostics: said } = readNft(source);
      if (ruleSet === undefined) return { dump: undefined, diagnostics: said };
      // Without any table of kube-proxy it was not asked for one of them.
      const whole = allOf === 'nft' || kubeProxyTables(ruleSet).size === 0;
      return { dump: { kind: 'nft', file, ruleSet, whole }, diagnostics: said };
    }
    case 'setup':
      return wrong(
        file,
        'this is a setup of kuberules, not a dump of a node.',
        'Give what iptables-save prints there.',
      );
  }
}

/** The error that a dump's content tells another family than was said, if it does. */
export function contradictedFamily({ name: file, family }: DumpText, told: Family | undefined): Diagnostic | undefined {
  if (family === undefined || told === undefined || family === told) return undefined;
  const hint = 'Name the family that it is of.';
  return diagnostic('unreadable-rules', `this is a dump of ${told}, not of ${family}.`, { place: { file }, hint });
}

/** What a program tells that prints nothing. */
function emptyDump(kind: ReadDump['kind'], { name: file, family = 'ipv4' }: DumpText): ReadDump {
  switch (kind) {
    case 'xtables':
      return { kind, file, family, text: readXtables({ name: file, text: '' }).text, version: undefined };
    case 'ipvsadm':
      return { kind, file, services: [] };
    case 'ipset':
      return { kind, file, sets: [] };
    case 'addresses':
      return { kind, file, addresses: [] };
    case 'nft':
      return { kind, file, ruleSet: { form: 'listing', metainfo: undefined, tables: [] }, whole: true };
  }
}

function wrong(file: string, message: string, hint: string) {
  return { dump: undefined, diagnostics: [diagnostic('unreadable-rules', message, { place: { file }, hint })] };
}

/** A node has each thing once. */
function repeated(dumps: readonly ReadDump[]): readonly Diagnostic[] {
  const seen = new Map<string, string>();
  return dumps.flatMap((dump) => {
    const families =
      dump.kind === 'xtables' ? [dump.family] : dump.kind === 'nft' ? [...kubeProxyTables(dump.ruleSet).keys()] : [''];
    return families.flatMap((family) => {
      const key = `${dump.kind} ${family}`;
      const former = seen.get(key);
      seen.set(key, dump.file);
      if (former === undefined) return [];
      const message = `this is the same kind of dump as ${former}.`;
      const hint = 'Verify one node at a time, and with the variant of iptables that kube-proxy uses.';
      return [diagnostic('unreadable-rules', message, { place: { file: dump.file }, hint })];
    });
  });
}

/** The mode that kube-proxy runs in, as its dumps tell; undefined where they do not. */
export function modeOfDumps(dumps: readonly ReadDump[]): ProxyMode | undefined {
  if (dumps.some((dump) => dump.kind === 'nft' && kubeProxyTables(dump.ruleSet).size > 0)) return 'nftables';
  const modes = new Set<string>();
  for (const dump of dumps) {
    if (dump.kind === 'ipset' && dump.sets.some(({ name }) => name === 'KUBE-CLUSTER-IP')) modes.add('ipvs');
    if (dump.kind === 'xtables') for (const mode of modesOfChains(dump.text)) modes.add(mode);
  }
  // What another mode left behind does not count where this one is at work.
  if (modes.has('ipvs')) return 'ipvs';
  return modes.has('iptables') ? 'iptables' : undefined;
}

/** The mode whose rules the node has instead of any of this one, and the dump that shows it; undefined where it has some. */
export function modeInstead(
  dumps: readonly ReadDump[],
  family: Family,
  mode: ProxyMode,
): { readonly mode: ProxyMode; readonly file: string } | undefined {
  const holdsIpvs = dumps.some(
    (dump) => (dump.kind === 'ipvsadm' && dump.services.length > 0) || (dump.kind === 'ipset' && dump.sets.length > 0),
  );
  if (mode === 'nftables' || (mode === 'ipvs' && holdsIpvs)) return undefined;
  for (const dump of dumps) {
    if (dump.kind !== 'xtables' || dump.family !== family) continue;
    const modes = modesOfChains(dump.text);
    const [other] = modes;
    if (other !== undefined && !modes.includes(mode)) return { mode: other, file: dump.file };
  }
  return undefined;
}

function modesOfChains({ tables }: XtablesText): readonly ProxyMode[] {
  return tables.flatMap((table) =>
    Array.from(xtablesChains(table).values(), ({ name }) => {
      const owner = chainOwner(table.name, name);
      return owner.owner === 'kube-proxy' && owner.modes.length === 1 ? owner.modes : [];
    }).flat(),
  );
}

/** Texts of rules, compiled or dumped from a node, → what a packet meets in the kernel. */
import type { Part } from '../backends/compile.js';
import { partText } from '../backends/compile.js';
import { readAddresses } from '../backends/ipvs/addresses-text.js';
import { ipvsHookFunctions } from '../backends/ipvs/evaluate.js';
import { type IpSet, readIpset } from '../backends/ipvs/ipset-text.js';
import { readIpvsadm } from '../backends/ipvs/ipvsadm-text.js';
import { lookupSets } from '../backends/ipvs/set-lookup.js';
import { nftHookFunctions } from '../backends/nftables/evaluate.js';
import { readNft } from '../backends/nftables/recognise.js';
import { kubeProxyTables } from '../backends/nftables/rule-set.js';
import type { HookFunction } from '../backends/packet/packet.js';
import { type DumpKind, recogniseDump } from '../backends/recognise.js';
import { xtablesHookFunctions } from '../backends/xtables/evaluate.js';
import { readSetup, type SetupStep } from '../backends/xtables/setup-text.js';
import { readXtables, type XtablesText } from '../backends/xtables/text.js';
import { type Diagnostic, diagnostic, hasErrors } from '../kube/diagnostics.js';
import type { SourceText } from '../kube/objects.js';
import { apiNameOf, type Family } from '../net/family.js';

/** What a node's kernel does with packets of one family. */
export interface KernelRules {
  readonly functions: readonly HookFunction[];
  /** Addresses that the rules put on the node: those of kube-ipvs0. */
  readonly localAddresses: readonly string[];
  /** Whether the rules come with route_localnet; undefined where nothing tells. */
  readonly routeLocalnet: boolean | undefined;
  /** With an error among them the functions must not be used. */
  readonly diagnostics: readonly Diagnostic[];
}

/** The rules of one family among what was compiled. */
export function rulesOfParts(parts: readonly Part[], family: Family): KernelRules {
  const sources = parts
    .filter((part) => part.family === family)
    .map((part): SourceText => ({ name: part.name, text: partText(part) }))
    // Without Services some parts say nothing.
    .filter(({ text }) => text !== '');
  const rules = rulesOfDumps(sources, family);
  return { ...rules, routeLocalnet: rules.routeLocalnet ?? false };
}

/** What is found in dumps, until all of them are read. */
interface Found {
  readonly functions: HookFunction[];
  readonly localAddresses: string[];
  readonly diagnostics: Diagnostic[];
  readonly xtables: XtablesText[];
  readonly setup: SetupStep[];
  readonly sets: IpSet[];
}

/** The rules of one family in dumps, whose kinds are told from their content. Dumps of the other family play no part. */
export function rulesOfDumps(sources: readonly SourceText[], family: Family): KernelRules {
  const found: Found = { functions: [], localAddresses: [], diagnostics: [], xtables: [], setup: [], sets: [] };
  for (const source of sources) {
    const { dump, diagnostics } = recogniseDump(source);
    found.diagnostics.push(...diagnostics);
    if (dump !== undefined) addDump(found, dump, source, family);
  }
  const { functions, localAddresses, diagnostics, xtables, setup, sets } = found;
  const lookup = lookupSets(sets);
  // What is done before a restore belongs to one text; dumps of both variants of iptables are two.
  const texts = xtables.length === 0 && setup.length > 0 ? [EMPTY] : xtables;
  for (const [i, text] of texts.entries()) functions.push(...xtablesHookFunctions(text, i === 0 ? setup : [], lookup));
  if (functions.length === 0 && !hasErrors(diagnostics)) {
    diagnostics.push(diagnostic('unreadable-rules', `no dump has rules of ${apiNameOf(family)}.`));
  }
  const parameter = setup.find((step) => step.kind === 'parameter' && step.path === ROUTE_LOCALNET);
  const routeLocalnet = parameter?.kind === 'parameter' ? parameter.value === '1' : undefined;
  return { functions, localAddresses, routeLocalnet, diagnostics };
}

const ROUTE_LOCALNET = 'net/ipv4/conf/all/route_localnet';
const EMPTY: XtablesText = { tables: [], after: [], finalNewline: true };

function addDump(found: Found, dump: DumpKind, source: SourceText, family: Family): void {
  const { diagnostics } = found;
  switch (dump.kind) {
    case 'nft':
      addNft(found.functions, diagnostics, source, family);
      break;
    case 'xtables': {
      if (dump.family !== undefined && dump.family !== family) return;
      const read = readXtables(source);
      diagnostics.push(...read.diagnostics);
      found.xtables.push(read.text);
      break;
    }
    case 'setup': {
      const read = readSetup(source);
      diagnostics.push(...read.diagnostics);
      found.setup.push(...read.steps);
      break;
    }
    case 'ipvsadm': {
      const read = readIpvsadm(source);
      diagnostics.push(...read.diagnostics);
      found.functions.push(...ipvsHookFunctions(read.table));
      break;
    }
    case 'ipset': {
      const read = readIpset(source);
      diagnostics.push(...read.diagnostics);
      found.sets.push(...read.sets);
      break;
    }
    case 'addresses': {
      const read = readAddresses(source);
      diagnostics.push(...read.diagnostics);
      found.localAddresses.push(...read.addresses.map(({ address }) => address.text));
    }
  }
}

function addNft(functions: HookFunction[], diagnostics: Diagnostic[], source: SourceText, family: Family): void {
  const { ruleSet, diagnostics: found } = readNft(source);
  diagnostics.push(...found);
  const others = ruleSet?.tables.filter((table) => table.foreign) ?? [];
  if (others.length > 0) {
    const names = others.map((table) => `${table.family} ${table.name}`).join(', ');
    const hint = 'What they drop, accept or translate is left out of the answer.';
    const message = `not looked into: tables ${names}.`;
    diagnostics.push(diagnostic('foreign-rules', message, { place: { file: source.name }, hint }));
  }
  const table = ruleSet && kubeProxyTables(ruleSet).get(family === 'ipv6' ? 'ip6' : 'ip');
  if (table !== undefined) functions.push(...nftHookFunctions(table));
}

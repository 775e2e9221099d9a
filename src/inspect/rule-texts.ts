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
import { contradictedFamily, type DumpText } from './verify/dumps.js';

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
  const rules = kernelRules(findRules(sources, family), family);
  return { ...rules, routeLocalnet: rules.routeLocalnet ?? false };
}

/** What is found in dumps, until all of them are read. */
interface Found {
  readonly functions: HookFunction[];
  readonly localAddresses: string[];
  readonly diagnostics: Diagnostic[];
  /** What there is a dump of, whatever it has. */
  readonly kinds: Set<DumpKind['kind']>;
  readonly xtables: XtablesText[];
  readonly setup: SetupStep[];
  readonly sets: IpSet[];
}

/** The rules of one family in dumps, whose kinds are told from their content. Dumps of the other family play no part. */
export function rulesOfDumps(sources: readonly DumpText[], family: Family): KernelRules {
  const found = findRules(sources, family);
  const rules = kernelRules(found, family);
  return { ...rules, diagnostics: [...rules.diagnostics, ...incomplete(found)] };
}

function findRules(sources: readonly DumpText[], family: Family): Found {
  const found: Found = {
    functions: [],
    localAddresses: [],
    diagnostics: [],
    kinds: new Set(),
    xtables: [],
    setup: [],
    sets: [],
  };
  for (const source of sources) {
    const { dump, diagnostics } = recogniseDump(source);
    found.diagnostics.push(...diagnostics);
    if (dump === undefined) continue;
    if (dump.kind === 'xtables') {
      const wrong = contradictedFamily(source, dump.family);
      if (wrong !== undefined) found.diagnostics.push(wrong);
      if ((source.family ?? dump.family ?? family) !== family) continue;
    }
    found.kinds.add(dump.kind);
    addDump(found, dump, source, family);
  }
  return found;
}

/** In mode ipvs a packet goes by what four programs print; with less the answer would be another one. */
function incomplete({ kinds, sets }: Found): readonly Diagnostic[] {
  const ofKubeProxy = sets.some(({ name }) => name === 'KUBE-CLUSTER-IP');
  if (!ofKubeProxy && !kinds.has('ipvsadm')) return [];
  const missing = IPVS_DUMPS.filter(([kind]) => !kinds.has(kind)).map(([, command]) => command);
  if (missing.length === 0) return [];
  const message = `no dump of ${missing.join(', ')}, by which packets go in mode ipvs: the node may answer otherwise.`;
  return [diagnostic('incomplete-dumps', message, { hint: 'Give these too, with --dump.' })];
}

const IPVS_DUMPS: readonly (readonly [DumpKind['kind'], string])[] = [
  ['xtables', 'iptables-save'],
  ['ipvsadm', 'ipvsadm -S -n'],
  ['addresses', 'ip -o addr show dev kube-ipvs0'],
];

function kernelRules(
  { functions, localAddresses, diagnostics, xtables, setup, sets }: Found,
  family: Family,
): KernelRules {
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

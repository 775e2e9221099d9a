/** Texts of rules, compiled or dumped from a node, → what a packet meets in the kernel. */
import type { Part } from '../backends/compile.js';
import { partText } from '../backends/compile.js';
import { nftHookFunctions } from '../backends/nftables/evaluate.js';
import { readNft } from '../backends/nftables/recognise.js';
import { kubeProxyTables } from '../backends/nftables/rule-set.js';
import type { HookFunction } from '../backends/packet/packet.js';
import { recognizeDump } from '../backends/recognize.js';
import { type Diagnostic, diagnostic, hasErrors } from '../kube/diagnostics.js';
import type { SourceText } from '../kube/objects.js';
import type { Family } from '../net/family.js';

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
    .map((part): SourceText => ({ name: part.name, text: partText(part) }));
  const rules = rulesOfDumps(sources, family);
  return { ...rules, routeLocalnet: rules.routeLocalnet ?? false };
}

/** The rules of one family in dumps, whose kinds are told from their content. Dumps of the other family play no part. */
export function rulesOfDumps(sources: readonly SourceText[], family: Family): KernelRules {
  const functions: HookFunction[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const source of sources) {
    const recognized = recognizeDump(source.text, source.name);
    diagnostics.push(...recognized.diagnostics);
    if (recognized.dump?.kind === 'nft') addNft(functions, diagnostics, source, family);
  }
  if (functions.length === 0 && !hasErrors(diagnostics)) {
    diagnostics.push(diagnostic('unknown-dump', `no dump has rules of ${family}.`));
  }
  return { functions, localAddresses: [], routeLocalnet: undefined, diagnostics };
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

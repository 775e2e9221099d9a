/** Finished text for a host, as `kuberules compile` prints it: which parts it holds, and whether they may be applied. */
import type { PartName } from '../backends/backend.js';
import { BACKENDS } from '../backends/compile.js';
import { fixedSetup } from '../backends/iptables/setup.js';
import { recogniseDump } from '../backends/recognise.js';
import { foreignAmong } from '../backends/xtables/changes.js';
import { readXtables, xtablesTable } from '../backends/xtables/text.js';
import type { ProxyMode } from '../kube/config.js';
import { type Diagnostic, diagnostic, hasErrors } from '../kube/diagnostics.js';
import type { SourceText } from '../kube/objects.js';
import type { Family } from '../net/family.js';
import type { FamilyTexts } from './areas.js';
import { KNOWN_JUMPS } from './rules-area.js';

/** The texts by family, or why there are none. */
export interface FinishedTexts {
  readonly texts: ReadonlyMap<Family, FamilyTexts>;
  readonly diagnostics: readonly Diagnostic[];
}

/** The line before each part where there are several: `# iptables.ipv4.rules`. */
const PART_LINE = /^# (iptables|ipvs|nftables)\.(ipv4|ipv6)\.([a-z]+)\n/gm;

const AS_IT_IS = 'Take what `kuberules compile` prints as it is.';

/** Readers expect dumps of nodes, and advise to take those. */
function hinting(hint: string): (each: Diagnostic) => Diagnostic {
  return (each) => ({ ...each, hint });
}

/**
 * Takes a text apart. One part alone has no head line; its family is told from its content. Rules of anybody else in
 * it are an error (`unreadable-rules`): only what is kube-proxy's is ever written.
 */
export function finishedTexts(source: SourceText, mode: ProxyMode): FinishedTexts {
  const texts = new Map<Family, Partial<Record<PartName, string>>>();
  const diagnostics: Diagnostic[] = [];
  const wrong = (message: string, hint?: string): void => {
    diagnostics.push(diagnostic('unreadable-rules', message, { place: { file: source.name }, hint }));
  };
  const heads = [...source.text.matchAll(PART_LINE)];
  if (source.text.trim() === '') {
    wrong('the text is empty.', 'If it comes through a pipe, what was to print it has failed and says why.');
  } else if (heads.length === 0) {
    const family = familyOf(source, mode, diagnostics);
    if (family !== undefined) texts.set(family, { [mode === 'nftables' ? 'nft' : 'rules']: source.text });
  } else if (source.text.slice(0, heads[0]?.index).trim() !== '') {
    wrong('there is text before the first line that names a part.', AS_IT_IS);
  }
  for (const [i, head] of heads.entries()) {
    const [line, ofMode, family, part] = head;
    const text = source.text.slice(head.index + line.length, heads[i + 1]?.index);
    if (ofMode !== mode) wrong(`the text is of mode ${ofMode}, not ${mode}.`, `Apply it with --mode ${ofMode}.`);
    else if (!BACKENDS[mode].parts.includes(part as PartName)) wrong(`mode ${mode} has no part ${part}.`);
    else texts.set(family as Family, { ...texts.get(family as Family), [part as PartName]: text });
  }
  if (!hasErrors(diagnostics)) {
    for (const [family, parts] of texts) texts.set(family, checked(parts, mode, source.name, family, diagnostics));
  }
  return { texts: hasErrors(diagnostics) ? new Map() : texts, diagnostics };
}

function familyOf(source: SourceText, mode: ProxyMode, diagnostics: Diagnostic[]): Family | undefined {
  const { dump, diagnostics: problems } = recogniseDump(source);
  const place = { file: source.name };
  if (dump === undefined) {
    diagnostics.push(...problems.map(hinting(`Give what \`kuberules compile --mode ${mode}\` prints.`)));
    return undefined;
  }
  const wanted = mode === 'nftables' ? 'nft' : 'xtables';
  if (dump.kind !== wanted || mode === 'ipvs') {
    const hint =
      mode === 'ipvs'
        ? 'Mode ipvs has several parts: give all that `kuberules compile --mode ipvs` prints.'
        : `Give what \`kuberules compile --mode ${mode}\` prints.`;
    diagnostics.push(diagnostic('unreadable-rules', `this is no text of mode ${mode}.`, { place, hint }));
    return undefined;
  }
  if (dump.kind === 'xtables' && dump.family !== undefined) return dump.family;
  const families = [...source.text.matchAll(/^add table (ip6?) kube-proxy/gm)].map(([, ip]) => ip);
  if (dump.kind === 'nft' && new Set(families).size === 1) return families[0] === 'ip' ? 'ipv4' : 'ipv6';
  const hint = 'Print one family with --family, and all its parts with --part all, which names them.';
  diagnostics.push(diagnostic('unreadable-rules', 'nothing in the text tells its family.', { place, hint }));
  return undefined;
}

/** The parts of one family with what a mode adds to them itself. */
function checked(
  parts: FamilyTexts,
  mode: ProxyMode,
  file: string,
  family: Family,
  diagnostics: Diagnostic[],
): FamilyTexts {
  // Whoever writes the table looks whether there is another one in the text.
  if (mode === 'nftables') return parts;
  const missing = BACKENDS[mode].parts.filter(
    (part) => parts[part] === undefined && (mode === 'ipvs' || part === 'rules'),
  );
  if (missing.length > 0) {
    const hint = 'Print all of them with --part all.';
    const message = `parts are missing for ${family}: ${missing.join(', ')}.`;
    diagnostics.push(diagnostic('unreadable-rules', message, { place: { file }, hint }));
  }
  const read = readXtables({ name: file, text: parts.rules ?? '' });
  diagnostics.push(...read.diagnostics.map(hinting(AS_IT_IS)));
  const foreign = foreignAmong({ rules: read.text, setup: [] }, KNOWN_JUMPS);
  if (foreign !== undefined) {
    const hint = 'Give what `kuberules compile` prints, not what iptables-save does.';
    diagnostics.push(diagnostic('unreadable-rules', `${foreign} is not kube-proxy's.`, { place: { file }, hint }));
  }
  if (xtablesTable(read.text, 'nat') === undefined) diagnostics.push(cutOff('table nat is missing', file));
  if (mode !== 'iptables') return parts;
  // It is always the same, and node ports on localhost are told by the rule that guards them.
  const setup = fixedSetup(/^-A KUBE-FIREWALL /m.test(parts.rules ?? ''));
  if (parts.setup !== undefined && parts.setup.trimEnd() !== setup.trimEnd()) {
    diagnostics.push(cutOff('part setup does not go with these rules', file));
  }
  return { ...parts, setup };
}

function cutOff(what: string, file: string): Diagnostic {
  return diagnostic('unreadable-rules', `${what}: is the text cut off?`, { place: { file }, hint: AS_IT_IS });
}

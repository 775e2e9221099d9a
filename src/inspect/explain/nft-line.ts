/** Lines of nftables: of `nft list`, and of scripts for nft. */
import { readElements } from '../../backends/nftables/elements.js';
import { printStatements } from '../../backends/nftables/print-rule.js';
import { RuleSetProblem } from '../../backends/nftables/problem.js';
import { splitComment } from '../../backends/nftables/properties.js';
import { statementsOf } from '../../backends/nftables/read-rule.js';
import { readNftScript } from '../../backends/nftables/read-script.js';
import type { NftElement, NftRule } from '../../backends/nftables/rule-set.js';
import type { NftStatement } from '../../backends/nftables/statements.js';
import { joinHostPort } from '../../net/ip.js';
import { type ExplainContext, isOfMode } from './context.js';
import { nftSetPurpose } from './fixed-names.js';
import type { LineExplanation, NameExplanation } from './model.js';
import { explainName } from './names.js';
import { nearestLine } from './nearest.js';
import { chainsWithRule, findElement, hasBase, hasObject, normalRule } from './nft-compiled.js';
import { describeEffect, describeMatch, describeVerdict } from './nft-words.js';
import type { NftPlace } from './place.js';
import { endpointsAt, servicePortsAt, servicePortsOfClusterIP } from './whose.js';

/** How many chains are named that have one rule. */
const MOST_CHAINS = 3;

type Lines = readonly LineExplanation[];
type Parts = Omit<LineExplanation, 'kind' | 'line'>;

/** Explains `add rule ip kube-proxy CHAIN ...` and its like; one for each element. */
export function explainNftCommand(line: string, context: ExplainContext): Lines {
  const [, kind = '', family = '', table = '', name = '', rest = ''] =
    /^add (\w+) (\S+) (\S+)(?: (\S+))?(?: (.*))?$/s.exec(line) ?? [];
  if (table !== 'kube-proxy') return [foreign(line, kind, `adds to table ${family} ${table}`)];
  const place: NftPlace = { table: `${family} ${table}`, kind: undefined, name, inElements: false };
  switch (kind) {
    case 'rule':
      return [ruleLine(line, rest, { ...place, kind: 'chain' }, context)];
    case 'element':
      return elementLines(line, rest.replace(/^\{/, ''), { ...place, kind: 'set' }, context);
    case 'table': {
      const effect = "makes kube-proxy's table, with everything that is below";
      return [plain(line, 'table', effect, [], isOfMode(context, 'nftables') ? true : undefined)];
    }
    case 'chain': {
      const [, hook = ''] = /hook (\w+)/.exec(rest) ?? [];
      const effect =
        hook === '' ? 'makes the chain, which only jumps lead to' : `makes the chain, which hangs in ${hook}`;
      return [plain(line, `chain ${name}`, effect, [explainName(name, context)], isMade(line, context))];
    }
    default:
      return [plain(line, `${kind} ${name}`, `makes the ${kind}`, [explainName(name, context)], isMade(line, context))];
  }
}

/** Whether the compiled table has the chain, set or map that a command makes, with all that the command says of it. */
function isMade(line: string, context: ExplainContext): boolean | undefined {
  const [, family = ''] = /^add \w+ (\S+)/.exec(line) ?? [];
  const text = `add table ${family} kube-proxy\n${line}\n`;
  const made = readNftScript({ name: '', text }).ruleSet?.tables[0]?.objects[0];
  return made === undefined ? undefined : hasObject(context, family, made);
}

function plain(
  line: string,
  what: string,
  effect: string,
  names: readonly NameExplanation[],
  written: boolean | undefined,
): LineExplanation {
  return { kind: 'line', line, what, matches: [], effect, reason: '', names, written, nearest: undefined };
}

function foreign(line: string, what: string, effect: string): LineExplanation {
  return plain(line, what, `${effect}, which is not kube-proxy's`, [], undefined);
}

/**
 * Explains a line of `nft list`; undefined where it can be none.
 * @param place where it stands, as far as that is known
 */
export function explainNftListed(line: string, place: NftPlace, context: ExplainContext): Lines | undefined {
  const [text = ''] = line.split(/ # handle \d+$/);
  const [, family, table] = /^table (\S+) (\S+) \{$/.exec(text) ?? [];
  if (family !== undefined) {
    if (table !== 'kube-proxy') return [foreign(line, 'table', `begins table ${family} ${table}`)];
    return [plain(line, 'table', "begins kube-proxy's table", [], ownFamily(context, family))];
  }
  if (place.table !== undefined && !/^ip6? kube-proxy$/.test(place.table)) {
    return [foreign(line, `line of table ${place.table}`, 'belongs to that table')];
  }
  const [, kind, name = ''] = /^(chain|set|map) (\S+) \{$/.exec(text) ?? [];
  if (kind !== undefined) {
    const families = place.table?.split(' ')[0];
    const written = hasObject(context, families, { kind: kind as 'chain' | 'set' | 'map', name });
    return [plain(line, `${kind} ${name}`, `begins the ${kind}`, [explainName(name, context)], written)];
  }
  const [, listed] = /^elements = \{(.*)$/s.exec(text) ?? [];
  if (listed !== undefined) return elementLines(line, listed, place, context);
  if (place.inElements || (place.kind === undefined && isElement(text))) {
    return elementLines(line, text, place, context);
  }
  if (/^type \w+ hook \w+ priority .*;$/.test(text)) {
    const [, hook = ''] = /hook (\w+)/.exec(text) ?? [];
    const what = place.name === undefined ? 'hook of a chain' : `hook of chain ${place.name}`;
    const names = place.name === undefined ? [] : [explainName(place.name, context)];
    return [plain(line, what, `hangs the chain in ${hook}`, names, hasBase(context, place.name, text))];
  }
  if (place.kind === 'set' || place.kind === 'map' || /^(type|flags|size|timeout|comment|gc-interval) /.test(text)) {
    const of = place.name === undefined ? 'a set, map or chain' : `${place.kind} ${place.name}`;
    return [plain(line, `property of ${of}`, `says ${text}`, [], undefined)];
  }
  const rule = readRule(text);
  const known = statementsOf(rule).some((statement) => statement.kind !== 'unknown');
  return known || place.kind === 'chain' ? [ruleLine(line, text, place, context)] : undefined;
}

/** Whether a line of nothing but elements is likely: addresses, ports and protocols with dots or a verdict between. */
function isElement(text: string): boolean {
  return /^[0-9a-f.:/-]+( \. |$|,| : (goto|jump|drop)| (expires|timeout|comment) )|^(tcp|udp|sctp) \. /.test(text);
}

function ownFamily(context: ExplainContext, family: string): boolean | undefined {
  if (!isOfMode(context, 'nftables')) return undefined;
  return context.setting.families.some((each) => family === (each === 'ipv6' ? 'ip6' : 'ip')) || undefined;
}

/** Whether a rule is about cluster IPs that no Service has: only ServiceCIDR objects tell which there are. */
function isUntold(chain: string | undefined, statements: readonly NftStatement[], { plans }: ExplainContext): boolean {
  const drops = statements.some((each) => each.kind === 'verdict' && each.verdict.kind === 'drop');
  return chain === 'cluster-ips-check' && drops && plans.every(({ serviceCIDRs }) => serviceCIDRs.length === 0);
}

function readRule(text: string): NftRule {
  // What is said of a comment is looked for behind a blank.
  const { words, comment } = splitComment(` ${text}`);
  return { family: 'ip', source: words.trim(), comment, handle: undefined };
}

function ruleLine(line: string, text: string, place: NftPlace, context: ExplainContext): LineExplanation {
  const rule = readRule(text);
  const matches: string[] = [];
  const effects: string[] = [];
  for (const statement of statementsOf(rule)) {
    if (statement.kind === 'match') matches.push(describeMatch(statement));
    else effects.push(describeEffect(statement));
  }
  const effect = effects.length === 0 ? 'nothing' : effects.join(', then ');
  const found = chainsWithRule(context, place.table, rule);
  const chains = place.name === undefined ? (found ?? []) : [place.name];
  const own = chains.slice(0, MOST_CHAINS).map((name) => explainName(name, context));
  const more = chains.length > MOST_CHAINS ? ` and ${chains.length - MOST_CHAINS} more` : '';
  const named = own.map(({ name }) => name).join(', ');
  const what = chains.length === 0 ? 'rule' : `rule of ${chains.length === 1 ? 'chain' : 'chains'} ${named}${more}`;
  const isTold = found !== undefined && !isUntold(chains[0], statementsOf(rule), context);
  const written = isTold ? (place.name === undefined ? found.length > 0 : found.includes(place.name)) : undefined;
  const reasons = own.map((name) => ruleReason(name, matches.length > 0, effect, rule.comment));
  // What every chain of a kind has says nothing of one of them.
  const reason = chains.length > MOST_CHAINS ? '' : [...new Set(reasons)].join('; ');
  const words = printStatements(statementsOf(rule));
  const leads = [
    ...new Set(Array.from(words.matchAll(/@([^\s,}]+)|(?:jump|goto) ([^\s,}]+)/g), ([, set, to]) => set ?? to ?? '')),
  ].filter((name) => !chains.includes(name));
  const names = [...own, ...leads.slice(0, MOST_CHAINS).map((name) => explainName(name, context))];
  const inChain = place.name === undefined ? undefined : ` ${place.name} `;
  const nearest =
    written === false ? nearestLine(context, `${place.name ?? ''} ${normalRule(rule)}`, inChain) : undefined;
  return { kind: 'line', line, what, matches, effect, reason, names, written, nearest };
}

/** By whose chain it is. */
function ruleReason(chain: NameExplanation, narrowed: boolean, effect: string, comment: string): string {
  const meaning = chain.meanings[0];
  const name = meaning?.servicePort;
  if (meaning === undefined || meaning.owner === 'foreign') return comment;
  if (name === undefined) return comment === '' ? `the chain ${meaning.text}` : comment;
  const [kind = ''] = chain.name.split('-');
  switch (kind) {
    case 'service':
    case 'local': {
      const policy = kind === 'service' ? 'Cluster' : 'Local';
      return narrowed
        ? `session affinity of ${name}: a client that had this endpoint gets it again`
        : `each endpoint of ${name} under policy ${policy} has the same chance`;
    }
    case 'external':
      if (effect.includes('mark')) return `external traffic of ${name} that may go to another node is masqueraded`;
      return comment === '' ? `external traffic of ${name}, by its externalTrafficPolicy` : `${comment}: ${name}`;
    case 'firewall':
      return `who is in no source range of ${name} (loadBalancerSourceRanges) is kept out`;
    default:
      return `endpoint ${meaning.endpoint ?? ''} of ${name}`;
  }
}

/** Each element of a list, of which a line may hold one end only. */
function elementLines(line: string, list: string, place: NftPlace, context: ExplainContext): Lines {
  const elements = elementsOf(list);
  if (elements === undefined || elements.length === 0) {
    const effect = 'these are no elements of a set or map that could be read';
    return [plain(line, 'unknown', effect, [], undefined)];
  }
  if (elements.length === 1) {
    return elements.map((element) => ({ kind: 'line', line, ...elementParts(element, place, context) }));
  }
  return elements.map((element) => ({
    kind: 'line',
    line: elementText(element),
    ...elementParts(element, place, context),
  }));
}

function elementsOf(list: string): readonly NftElement[] | undefined {
  const elements: NftElement[] = [];
  try {
    readElements(`${list.trim().replace(/[,}\s]+$/, '')} }`, 0, elements);
    return elements;
  } catch (error) {
    if (!(error instanceof RuleSetProblem)) throw error;
    return undefined;
  }
}

function elementText({ key, comment, data }: NftElement): string {
  return `${key}${comment === '' ? '' : ` comment "${comment}"`}${data === '' ? '' : ` : ${data}`}`;
}

function elementParts(element: NftElement, place: NftPlace, context: ExplainContext): Parts {
  const { key, data, expires } = element;
  const found = findElement(context, place, element);
  const collection = place.name ?? found?.collections[0];
  const isClient = expires !== undefined || collection?.startsWith('affinity-') === true;
  const effect = isClient
    ? `${key} is a client that stays with its endpoint (session affinity)`
    : data === ''
      ? `puts ${key} into the set`
      : `for ${key}: ${describeVerdict(data.trim())}`;
  const [, to] = /(?:jump|goto) (\S+)/.exec(data) ?? [];
  const names = [collection, to].filter((name) => name !== undefined).map((name) => explainName(name, context));
  // Clients come and go: no object tells which there are.
  const written = isClient ? undefined : found?.written;
  return {
    what: collection === undefined ? 'element' : `element of ${collection}`,
    matches: [],
    effect,
    reason: isClient ? '' : elementReason(collection ?? '', key.split(' . '), context),
    names,
    written,
    nearest:
      written === false ? nearestLine(context, `${collection ?? ''} ${elementText(element)}`, ` { ${key} `) : undefined,
  };
}

function elementReason(collection: string, parts: readonly string[], context: ExplainContext): string {
  const [first = '', second = '', third = ''] = parts;
  const whose = (owners: readonly string[]): string =>
    owners.length === 0 ? 'no Service of this input has this' : owners.join('; ');
  const [, , , fourth = ''] = parts;
  if (parts.length === 4) {
    const endpoint = joinHostPort(first, first.includes(':') ? 'ipv6' : 'ipv4', Number(fourth));
    return `${whose(endpointsAt(context, endpoint))}: if it reaches itself through the Service, it is masqueraded`;
  }
  if (parts.length === 3) return whose(servicePortsAt(context, first, third, second));
  if (parts.length === 2) return whose(servicePortsAt(context, undefined, second, first));
  if (collection === 'cluster-ips') return whose(servicePortsOfClusterIP(context, first));
  return nftSetPurpose(collection).text;
}

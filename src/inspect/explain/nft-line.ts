/** Lines of a script for nft. */
import { printExpression, printStatement, printVerdict } from '../../backends/nftables/print-rule.js';
import { splitComment } from '../../backends/nftables/properties.js';
import { statementsOf } from '../../backends/nftables/read-rule.js';
import type { NftExpression, NftStatement } from '../../backends/nftables/statements.js';
import { type ExplainContext, isWritten } from './context.js';
import { nftSetPurpose } from './fixed-names.js';
import type { LineExplanation, NameExplanation } from './model.js';
import { explainName } from './names.js';
import { servicePortsAt } from './whose.js';

/** Explains `add rule ip kube-proxy CHAIN ...` and its like. */
export function explainNftLine(line: string, context: ExplainContext): LineExplanation {
  const [, kind = '', family = '', table = '', name = '', rest = ''] =
    /^add (\w+) (\S+) (\S+)(?: (\S+))?(?: (.*))?$/s.exec(line) ?? [];
  const written = isWritten(context, 'nftables', line);
  const names = name === '' ? [] : [explainName(name, context)];
  const base = { kind: 'line', line, matches: [], reason: '', names, written } as const;
  if (table !== 'kube-proxy') {
    return { ...base, what: kind, names: [], effect: `adds to table ${family} ${table}, which is not kube-proxy's` };
  }
  switch (kind) {
    case 'rule':
      return { ...base, what: `rule of chain ${name}`, ...ruleParts(name, rest, names, context) };
    case 'element':
      return { ...base, what: `element of ${name}`, ...elementParts(name, rest, context) };
    case 'chain': {
      const [, hook = ''] = /hook (\w+)/.exec(rest) ?? [];
      const effect =
        hook === '' ? 'makes the chain, which only jumps lead to' : `makes the chain, which hangs in ${hook}`;
      return { ...base, what: `chain ${name}`, effect };
    }
    case 'table':
      return { ...base, what: 'table', names: [], effect: "makes kube-proxy's table, with everything that is below" };
    default:
      return { ...base, what: `${kind} ${name}`, effect: `makes the ${kind}` };
  }
}

type Parts = Pick<LineExplanation, 'matches' | 'effect' | 'reason' | 'names'>;

function ruleParts(chain: string, text: string, own: readonly NameExplanation[], context: ExplainContext): Parts {
  // What is said of a comment is looked for behind a blank.
  const { words, comment } = splitComment(` ${text}`);
  const statements = statementsOf({ family: 'ip', source: words.trim(), comment, handle: undefined });
  const matches: string[] = [];
  const effects: string[] = [];
  for (const statement of statements) {
    if (statement.kind === 'match') matches.push(describeMatch(statement));
    else effects.push(describeEffect(statement));
  }
  const named = [
    ...new Set(Array.from(words.matchAll(/@([\w-]+)|(?:jump|goto) (\S+)/g), ([, set, to]) => set ?? to ?? '')),
  ];
  const leads = named.slice(0, 3).map((name) => explainName(name, context));
  const effect = effects.length === 0 ? 'nothing' : effects.join(', then ');
  return { matches, effect, reason: ruleReason(chain, effect, comment, own), names: [...own, ...leads] };
}

/** By whose chain it is. */
function ruleReason(chain: string, effect: string, comment: string, names: readonly NameExplanation[]): string {
  const meaning = names[0]?.meanings[0];
  const name = meaning?.servicePort;
  if (meaning === undefined || meaning.owner === 'foreign') return comment;
  if (name === undefined) return comment === '' ? `the chain ${meaning.text}` : comment;
  const [kind = ''] = chain.split('-');
  switch (kind) {
    case 'service':
    case 'local': {
      const policy = kind === 'service' ? 'Cluster' : 'Local';
      return effect.startsWith('goes on')
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

const OPERATORS: Readonly<Record<string, string>> = {
  '==': 'is',
  in: 'is',
  '!=': 'is not',
  '<': 'is below',
  '>': 'is above',
  '<=': 'is at most',
  '>=': 'is at least',
};

function describeMatch({ left, op, right }: Extract<NftStatement, { kind: 'match' }>): string {
  const value = right.kind === 'reference' ? `in @${right.name}` : printExpression(right);
  return `${describeExpression(left)} ${OPERATORS[op] ?? op} ${value}`;
}

const FIELDS: Readonly<Record<string, string>> = {
  'ip saddr': 'the source',
  'ip6 saddr': 'the source',
  'ip daddr': 'the destination',
  'ip6 daddr': 'the destination',
  'th dport': 'the port',
  'meta l4proto': 'the protocol',
  'ct state': 'the state of the connection',
  'ct status': 'the status of the connection',
  'meta mark': 'the mark',
  'fib daddr type': 'the kind of destination',
  'fib saddr type': 'the kind of source',
  iifname: 'the interface that it came by',
};

function describeExpression(expression: NftExpression): string {
  if (expression.kind === 'concat') return expression.parts.map(describeExpression).join(', ');
  const text = printExpression(expression);
  return FIELDS[text] ?? text;
}

function describeEffect(statement: NftStatement): string {
  switch (statement.kind) {
    case 'verdict':
      return describeVerdict(printVerdict(statement.verdict));
    case 'vmap': {
      const { map } = statement;
      return map.kind === 'reference'
        ? `looks ${describeExpression(statement.key)} up in @${map.name}, and does what that says`
        : `goes on in one of ${map.entries.length} chains, by ${describeExpression(statement.key)}`;
    }
    case 'dnat':
    case 'snat': {
      const { address } = statement;
      const which = statement.kind === 'dnat' ? 'destination' : 'source';
      if (address.kind === 'map' && address.map.kind === 'entries') {
        const all = address.map.entries.map(({ data }) => printExpression(data).replace(' . ', ':')).join(', ');
        return `translates the ${which} to one of ${all}, by ${describeExpression(address.key)}`;
      }
      const port = statement.port === undefined ? '' : `:${printExpression(statement.port)}`;
      return `translates the ${which} to ${printExpression(address)}${port}`;
    }
    case 'masquerade':
      return 'makes the source an address of this node';
    case 'assign':
      return `sets ${describeExpression(statement.target)} to ${printExpression(statement.value)}`;
    case 'reject':
      return 'refuses the packet';
    case 'update':
      return `remembers ${describeExpression(statement.key)} in @${statement.set}`;
    case 'counter':
      return 'counts the packet';
    case 'unknown':
      return `something that is not known: ${typeof statement.source === 'string' ? statement.source : 'a statement'}`;
    default:
      return printStatement(statement);
  }
}

function describeVerdict(verdict: string): string {
  const [kind = '', target = ''] = verdict.split(' ');
  const known: Readonly<Record<string, string>> = {
    accept: 'accepts the packet',
    drop: 'drops the packet',
    return: 'leaves the chain',
    continue: 'goes on',
    jump: `goes through chain ${target}`,
    goto: `goes on in chain ${target}, without coming back`,
  };
  return known[kind] ?? verdict;
}

function elementParts(collection: string, text: string, context: ExplainContext): Parts {
  const inner = text.replace(/^\{\s*|\s*\}$/g, '');
  const [key = '', verdict = ''] = inner.replace(/ comment "[^"]*"/, '').split(' : ');
  const parts = key.split(' . ');
  const effect = verdict === '' ? `puts ${key} into the set` : `for ${key}: ${describeVerdict(verdict.trim())}`;
  const [, to] = /(?:jump|goto) (\S+)/.exec(verdict) ?? [];
  const names = [explainName(collection, context), ...(to === undefined ? [] : [explainName(to, context)])];
  return { matches: [], effect, reason: elementReason(collection, parts, context), names };
}

function elementReason(collection: string, parts: readonly string[], context: ExplainContext): string {
  const [first = '', second = '', third = ''] = parts;
  const whose = (owners: readonly string[]): string =>
    owners.length === 0 ? 'no Service of this input has this' : owners.join('; ');
  if (parts.length === 3) return whose(servicePortsAt(context, first, third, second));
  if (parts.length === 2) return whose(servicePortsAt(context, undefined, second, first));
  if (collection === 'cluster-ips') {
    const owners = context.plans.flatMap(({ servicePorts }) =>
      servicePorts.filter(({ clusterIP }) => clusterIP === first).map(({ name }) => `cluster IP of ${name}`),
    );
    return whose(owners);
  }
  return nftSetPurpose(collection).text;
}

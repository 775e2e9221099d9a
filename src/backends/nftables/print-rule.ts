/** Statements → the words that `nft list` prints for them. */
import { printDuration } from './duration.js';
import { statementsOf } from './read-rule.js';
import type { NftRule } from './rule-set.js';
import type { NftExpression, NftStatement, NftTranslation, NftVerdict } from './statements.js';

/** A rule in one line as it was spelled, with its comment; one of JSON as `nft list` prints it. */
export function printRuleText(rule: NftRule): string {
  const words = typeof rule.source === 'string' ? rule.source : printStatements(statementsOf(rule));
  return words + printComment(rule.comment);
}

/** A comment behind other words. */
export function printComment(comment: string): string {
  return comment === '' ? '' : ` comment "${comment}"`;
}

/** A rule's statements in one line, without its comment. */
export function printStatements(statements: readonly NftStatement[]): string {
  return statements.map(printStatement).join(' ');
}

/** One statement. One of JSON that is not known is printed as JSON, which no reader takes for words. */
export function printStatement(statement: NftStatement): string {
  switch (statement.kind) {
    case 'match':
      return printMatch(statement.left, statement.op, statement.right);
    case 'vmap':
      return `${printExpression(statement.key)} vmap ${printVerdictMap(statement.map)}`;
    case 'verdict':
      return printVerdict(statement.verdict);
    case 'reject':
      return statement.with === '' ? 'reject' : `reject with ${statement.with}`;
    case 'dnat':
    case 'snat':
      return printTranslation(statement);
    case 'masquerade':
      return `masquerade${printFlags(statement.flags)}`;
    case 'assign':
      return `${printExpression(statement.target)} set ${printExpression(statement.value)}`;
    case 'update': {
      const timeout = statement.timeout === undefined ? '' : ` timeout ${printDuration(statement.timeout)}`;
      return `${statement.op} @${statement.set} { ${printExpression(statement.key)}${timeout} }`;
    }
    case 'counter':
      return statement.name === ''
        ? `counter packets ${statement.packets} bytes ${statement.bytes}`
        : `counter name "${statement.name}"`;
    case 'unknown':
      return typeof statement.source === 'string' ? statement.source : JSON.stringify(statement.source);
  }
}

function printMatch(left: NftExpression, op: string, right: NftExpression): string {
  // That bits are looked for is said by no word; that a whole value of bits is meant, and any result of arithmetic, is.
  const ofBits = left.kind === 'ct' && (left.key === 'state' || left.key === 'status');
  const explicit = left.kind === 'binary' || (ofBits && right.kind === 'value');
  const operator = op === 'in' || (op === '==' && !explicit) ? '' : `${op} `;
  const isName = left.kind === 'meta' && (left.key === 'iifname' || left.key === 'oifname');
  return `${printExpression(left)} ${operator}${isName ? printQuoted(right) : printExpression(right)}`;
}

/** Names of interfaces stand in quotes. */
function printQuoted(expression: NftExpression): string {
  if (expression.kind === 'value') return `"${expression.text}"`;
  return expression.kind === 'set'
    ? `{ ${expression.items.map(printQuoted).join(', ')} }`
    : printExpression(expression);
}

function printTranslation({ kind, family, address, port, flags }: NftTranslation): string {
  const host = printExpression(address);
  const to =
    port === undefined
      ? host
      : host.includes(':')
        ? `[${host}]:${printExpression(port)}`
        : `${host}:${printExpression(port)}`;
  return `${kind}${family === '' ? '' : ` ${family}`} to ${to}${printFlags(flags)}`;
}

function printFlags(flags: readonly string[]): string {
  return flags.length === 0 ? '' : ` ${flags.join(',')}`;
}

/** A verdict, as in rules and in elements. */
export function printVerdict(verdict: NftVerdict): string {
  return 'target' in verdict ? `${verdict.kind} ${verdict.target}` : verdict.kind;
}

function printVerdictMap(map: Extract<NftStatement, { readonly kind: 'vmap' }>['map']): string {
  if (map.kind === 'reference') return `@${map.name}`;
  return `{ ${map.entries.map(({ key, verdict }) => `${printExpression(key)} : ${printVerdict(verdict)}`).join(', ')} }`;
}

/** What stands without `meta` before it. */
const UNQUALIFIED = new Set(['iif', 'oif', 'iifname', 'oifname', 'iiftype', 'oiftype']);

/** An expression in words. */
export function printExpression(expression: NftExpression): string {
  switch (expression.kind) {
    case 'payload':
      return `${expression.protocol} ${expression.field}`;
    case 'meta':
      return UNQUALIFIED.has(expression.key) ? expression.key : `meta ${expression.key}`;
    case 'ct':
      return `ct ${expression.key}`;
    case 'fib':
      return `fib ${expression.flags.join(' . ')} ${expression.result}`;
    case 'numgen':
      return `numgen ${expression.mode} mod ${expression.mod}${expression.offset === 0 ? '' : ` offset ${expression.offset}`}`;
    case 'concat':
      return expression.parts.map(printExpression).join(' . ');
    case 'binary':
      return `${printExpression(expression.left)} ${expression.op} ${printExpression(expression.right)}`;
    case 'map':
      return `${printExpression(expression.key)} map ${printExpressionMap(expression.map)}`;
    case 'value':
      return expression.text;
    case 'set':
      return `{ ${expression.items.map(printExpression).join(', ')} }`;
    case 'list':
      return expression.items.map(printExpression).join(',');
    case 'reference':
      return `@${expression.name}`;
  }
}

function printExpressionMap(map: Extract<NftExpression, { readonly kind: 'map' }>['map']): string {
  if (map.kind === 'reference') return `@${map.name}`;
  return `{ ${map.entries.map(({ key, data }) => `${printExpression(key)} : ${printExpression(data)}`).join(', ')} }`;
}

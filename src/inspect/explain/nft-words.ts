/** Statements of rules of nftables in words. */
import { printExpression, printStatement, printVerdict } from '../../backends/nftables/print-rule.js';
import type { NftExpression, NftStatement } from '../../backends/nftables/statements.js';

const OPERATORS: Readonly<Record<string, string>> = {
  '==': 'is',
  in: 'is',
  '!=': 'is not',
  '<': 'is below',
  '>': 'is above',
  '<=': 'is at most',
  '>=': 'is at least',
};

/** What a match asks, in words. */
export function describeMatch({ left, op, right }: Extract<NftStatement, { kind: 'match' }>): string {
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

/** What another statement does, in words. */
export function describeEffect(statement: NftStatement): string {
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

/** `goto X` → `goes on in chain X, without coming back`. */
export function describeVerdict(verdict: string): string {
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

/** What a line of rules matches and does, and why it is there. */
import type { ExplainContext } from './context.js';
import { explainIpsetLine, explainIpvsadmLine } from './ipvs-line.js';
import type { LineExplanation } from './model.js';
import { explainName } from './names.js';
import { explainNftLine } from './nft-line.js';
import { explainXtablesLine } from './xtables-line.js';

/** Beginnings of lines: counters, `iptables`, `-t nat` before a rule; a chain's declaration; commands of the others. */
const LINE =
  /^(\[\d+:\d+\] )?((ip6?tables(-legacy|-nft)? )?(-t \S+ )?(-A|-I|-N|-X|-a|--append|--insert|--add-service|--add-server) |:\S+ |(add|create) \S+ |meta |ct |ip6? [sd]addr |fib |jump |goto )/;

/** Whether a text is a line of rules rather than a name. */
export function isLine(text: string): boolean {
  return LINE.test(text);
}

/** Explains a line as iptables-save, ipvsadm -S, ipset save or a script for nft have it. */
export function explainLine(text: string, context: ExplainContext): LineExplanation {
  const line = text.trim();
  if (/^(-A|-a|--add-service|--add-server) (-t|-u|-f|--\w+-service) /.test(line))
    return explainIpvsadmLine(line, context);
  if (/^add (table|chain|set|map|rule|element) /.test(line)) return explainNftLine(line, context);
  if (/^(add|create) \S+ /.test(line)) return explainIpsetLine(line, context);
  const declared = /^:(\S+) (\S+)/.exec(line);
  if (declared !== null) {
    const [, chain = '', policy = '-'] = declared;
    const effect =
      policy === '-' ? 'declares the chain, and empties it in an input of iptables-restore' : `its policy is ${policy}`;
    return {
      kind: 'line',
      line,
      what: `chain ${chain}`,
      matches: [],
      effect,
      reason: '',
      names: [explainName(chain, context)],
      written: undefined,
    };
  }
  return explainXtablesLine(line, context) ?? unknownLine(line);
}

function unknownLine(line: string): LineExplanation {
  const effect = 'this is no line of iptables-save, ipvsadm -S, ipset save or a script for nft';
  return { kind: 'line', line, what: 'unknown', matches: [], effect, reason: '', names: [], written: undefined };
}

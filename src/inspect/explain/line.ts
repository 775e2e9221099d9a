/** What a line of rules matches and does, and why it is there. */
import type { ExplainContext } from './context.js';
import { explainIpsetLine, explainIpvsadmLine, explainListedServer, explainListedSet } from './ipvs-line.js';
import type { LineExplanation } from './model.js';
import { explainName } from './names.js';
import { explainNftCommand, explainNftListed } from './nft-line.js';
import { NOWHERE, type Place, placeAfter } from './place.js';
import { explainXtablesLine } from './xtables-line.js';

/** Beginnings of lines: counters, `iptables`, `-t nat` before a rule; a chain's declaration; commands of the others. */
const COMMAND =
  /^(\[\d+:\d+\] )?((ip6?tables(-legacy|-nft)? )?(-t \S+ )?(-A|-I|-N|-X|-a|--append|--insert|--add-service|--add-server) |:\S+ |(add|create) \S+ )/;

/** Lines of listings: of nft, of ipvsadm, of ipset. */
const LISTED = [
  /^(table \S+ \S+|(chain|set|map) \S+|elements =) \{/,
  /^(type \S+ |meta |ct |ip6? |th |tcp |udp |sctp |fib |numgen |iifname |oifname |mark |counter |jump |goto |update )/,
  /^(dnat |snat |masquerade |reject |drop comment|accept comment|return comment|comment ")/,
  /^[0-9a-f.:/-]+( \. | : (goto|jump|drop)| (expires|timeout) |,( |$))|^(tcp|udp|sctp) \. \d/,
  /^((TCP|UDP|SCTP|FWM) +\S+ |-> \S+ +(Masq|Tunnel|Route|Local) )/,
  /^[0-9a-f.:/]+,((tcp|udp|sctp):)?\d+(,[0-9a-f.:/]+)?$/,
];

/** Whether a text is a line of rules, or several, rather than a name. */
export function isLine(text: string): boolean {
  return COMMAND.test(text) || text.includes('\n') || LISTED.some((beginning) => beginning.test(text));
}

/** What opens, closes or ends parts of a dump, and comments: nothing to explain. */
const SILENT = /^$|^[#}]|^COMMIT$|^\*\w+$/;

/**
 * Explains lines in their order, each by the place where the lines before it put it: the chain of a rule and the set of an
 * element of `nft list`, the virtual server of a real server. Several elements in one line are explained one by one.
 * Lines that only open, close or comment are passed over.
 */
export function explainLines(text: string, context: ExplainContext): readonly LineExplanation[] {
  const found: LineExplanation[] = [];
  let place = NOWHERE;
  for (const each of text.split('\n')) {
    const line = each.trim();
    if (!SILENT.test(line)) found.push(...explainLine(line, place, context));
    place = placeAfter(line, place);
  }
  return found;
}

function explainLine(line: string, place: Place, context: ExplainContext): readonly LineExplanation[] {
  if (/^(-A|-a|--add-service|--add-server) (-t|-u|-f|--\w+-service) /.test(line))
    return [explainIpvsadmLine(line, context)];
  if (/^add (table|chain|set|map|rule|element) /.test(line)) return explainNftCommand(line, context);
  if (/^(add|create) \S+ /.test(line)) return [explainIpsetLine(line, context)];
  const declared = /^:(\S+) (\S+)/.exec(line);
  if (declared !== null) {
    const [, chain = '', policy = '-'] = declared;
    const effect =
      policy === '-' ? 'declares the chain, and empties it in an input of iptables-restore' : `its policy is ${policy}`;
    const names = [explainName(chain, context)];
    return [{ ...UNKNOWN, line, what: `chain ${chain}`, effect, names }];
  }
  const own = explainXtablesLine(line, context) ?? explainListedServer(line, place, context);
  if (own !== undefined) return [own];
  const inNft = place.nft.table !== undefined;
  const member = inNft ? undefined : explainListedSet(line, place, context);
  if (member !== undefined) return [member];
  return explainNftListed(line, place.nft, context) ?? [{ ...UNKNOWN, line }];
}

/** A line of which nothing is known. */
const UNKNOWN: LineExplanation = {
  kind: 'line',
  line: '',
  what: 'unknown',
  matches: [],
  effect:
    'this is no line of iptables-save, of ipvsadm -S -n or -L -n, of ipset save or list, of nft list or of a script for nft',
  reason: '',
  names: [],
  written: undefined,
  nearest: undefined,
};

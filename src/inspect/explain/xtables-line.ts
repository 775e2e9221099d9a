/** Lines of iptables rules. */
import { normalRuleText } from '../../backends/xtables/normal-rule.js';
import { parseRuleArguments } from '../../backends/xtables/parse-rule.js';
import { printMatch, printRuleArguments } from '../../backends/xtables/print-rule.js';
import type { Match, NatRange, RuleSpec, Target } from '../../backends/xtables/rule.js';
import { PROBABILITY_ONE, shareOf } from '../../backends/xtables/values.js';
import { addTo } from '../../net/group.js';
import { joinHostPort } from '../../net/ip.js';
import { type ExplainContext, linesOf } from './context.js';
import type { LineExplanation, NameExplanation } from './model.js';
import { explainName } from './names.js';
import { nearestLine } from './nearest.js';
import { endpointsAt, servicePortsAt } from './whose.js';

const RULE = /^(?:\[\d+:\d+\] )?(?:ip6?tables\S* )?(?:-t (\S+) )?(?:-A|-I|--append|--insert) (\S+)(.*)$/s;
const CHAIN = /^(?:ip6?tables\S* )?(?:-t (\S+) )?(-N|-X) (\S+)$/;

/** Explains `-A CHAIN ...`; undefined for what is none. */
export function explainXtablesLine(line: string, context: ExplainContext): LineExplanation | undefined {
  const [, , command, made] = CHAIN.exec(line) ?? [];
  if (made !== undefined) {
    const effect = command === '-N' ? 'makes the chain if it is missing' : 'deletes the chain';
    const names = [explainName(made, context)];
    const nothing = { matches: [], reason: '', written: undefined, nearest: undefined };
    return { kind: 'line', line, what: `chain ${made}`, ...nothing, effect, names };
  }
  const [, table, chain, args = ''] = RULE.exec(line) ?? [];
  const spec = chain === undefined ? undefined : parseRuleArguments(args);
  if (chain === undefined || spec === undefined) return undefined;
  const comment = spec.matches.find((match) => match.kind === 'comment')?.text ?? '';
  const target = spec.target;
  const leads = target?.kind === 'jump' || target?.kind === 'goto' ? [target.chain] : [];
  const names: readonly NameExplanation[] = [chain, ...leads].map((name) => explainName(name, context));
  const written = writtenIn(context, chain, args, spec);
  return {
    kind: 'line',
    line,
    what: `rule of chain ${chain}${table === undefined ? '' : ` of table ${table}`}`,
    matches: spec.matches.flatMap((match) => describeMatch(match)),
    effect: describeTarget(target),
    reason: reasonOf({ chain, matches: spec.matches, target, comment, names }, context),
    names,
    written,
    nearest: written === false ? nearestLine(context, `-A ${chain}${args}`, `-A ${chain} `) : undefined,
  };
}

const knownRules = new WeakMap<object, ReadonlyMap<string, readonly string[]>>();

/** The rule lines of some texts by chain, those of the setup among them: it makes the jumps into kube-proxy's chains. */
function rulesByChain(texts: Readonly<Record<string, string>>): ReadonlyMap<string, readonly string[]> {
  const known = knownRules.get(texts);
  if (known !== undefined) return known;
  const chains = new Map<string, string[]>();
  for (const line of linesOf(texts)) {
    const [, , chain, args = ''] = RULE.exec(line) ?? [];
    if (chain !== undefined) addTo(chains, chain, args);
  }
  knownRules.set(texts, chains);
  return chains;
}

/** Whether the compiled rules have a rule that says the same in a chain of that name; undefined in mode nftables. */
function writtenIn(context: ExplainContext, chain: string, args: string, spec: RuleSpec): boolean | undefined {
  if (context.setting.mode === 'nftables') return undefined;
  const candidates = context.setting.families.map((family) => rulesByChain(context.textsOf(family)).get(chain) ?? []);
  if (candidates.some((rules) => rules.includes(args))) return true;
  const normal = uncounted(spec);
  const found = candidates.some((rules) => rules.some((each) => normalOf(each) === normal));
  // Rules that only count are written where a node has the counters, which no object tells.
  return found || !spec.matches.some(({ kind }) => kind === 'nfacct') ? found : undefined;
}

function normalOf(args: string): string | undefined {
  const spec = parseRuleArguments(args);
  return spec && uncounted(spec);
}

/** The normal form without counters, which match every packet. */
function uncounted({ matches, target }: RuleSpec): string {
  return normalRuleText({ matches: matches.filter(({ kind }) => kind !== 'nfacct'), target });
}

/** What must be true of a packet, in words; nothing for what every packet fulfils. */
function describeMatch(match: Match): readonly string[] {
  const no = 'not' in match && match.not ? 'not ' : '';
  switch (match.kind) {
    case 'source':
      return [`${no}from ${match.cidr.text}`];
    case 'destination':
      return [`${no}to ${match.cidr.text}`];
    case 'in-interface':
    case 'out-interface': {
      const way = match.kind === 'in-interface' ? 'in by' : 'out by';
      return [`${no}${way} interface ${match.name}${match.prefix ? '*' : ''}`];
    }
    case 'protocol':
      return [`${no}${match.protocol.toUpperCase()}`];
    case 'ports': {
      const ports = [describePorts('source port', match.source), describePorts('port', match.destination)];
      return ports.filter((text) => text !== '');
    }
    case 'comment':
      return [];
    case 'random': {
      const share = shareOf(match.threshold);
      const chance =
        share === undefined ? `${((100 * match.threshold) / PROBABILITY_ONE).toFixed(2)} %` : `1 in ${share}`;
      return [`${no}with a chance of ${chance}`];
    }
    case 'recent':
      if (match.action === 'set') return [`any (its address is remembered in list ${match.list})`];
      return [
        `${no}${match.address === 'source' ? 'from' : 'to'} an address in list ${match.list}` +
          `${match.seconds === undefined ? '' : `, seen in the last ${match.seconds} seconds`}`,
      ];
    case 'conntrack':
      return [`${no}of a connection that is ${match.states.join(' or ')}`];
    case 'addrtype': {
      const types = (which: string, given: typeof match.source): readonly string[] =>
        given === undefined ? [] : [`${given.not ? 'not ' : ''}${which} a ${given.types.join(' or ')} address`];
      return [...types('from', match.source), ...types('to', match.destination)];
    }
    case 'mark':
      return [`${no}marked 0x${match.value.toString(16)} (mask 0x${match.mask.toString(16)})`];
    case 'set':
      return [`${no}in set ${match.name} by ${match.directions.join(', ')}`];
    case 'physdev-is-in':
      return [`${no}over a bridge`];
    case 'ipvs':
      return [
        `${no === '' ? '' : 'not '}of virtual server ${match.address?.text ?? 'any'}, port ${match.port ?? 'any'}`,
      ];
    case 'nfacct':
      return [];
    case 'unknown':
      return [`something that is not known: ${printMatch(match)}`];
  }
}

function describePorts(what: string, range: { not: boolean; first: number; last: number } | undefined): string {
  if (range === undefined) return '';
  const ports = range.first === range.last ? String(range.first) : `${range.first}-${range.last}`;
  return `${range.not ? 'not ' : ''}${what} ${ports}`;
}

function describeTarget(target: Target | undefined): string {
  switch (target?.kind) {
    case undefined:
      return 'nothing: it only counts, or carries a comment';
    case 'accept':
      return 'accepts the packet';
    case 'drop':
      return 'drops the packet';
    case 'return':
      return 'leaves the chain';
    case 'reject':
      return `refuses the packet (${target.with})`;
    case 'dnat':
    case 'snat':
      return `translates the ${target.kind === 'dnat' ? 'destination' : 'source'} to ${natText(target.to)}`;
    case 'masquerade':
      return 'makes the source an address of this node';
    case 'mark':
      return `sets the mark: 0x${target.value.toString(16)} under mask 0x${target.mask.toString(16)}`;
    case 'jump':
      return `goes through chain ${target.chain}`;
    case 'goto':
      return `goes on in chain ${target.chain}, without coming back`;
    case 'unknown':
      return `something that is not known: ${printRuleArguments({ matches: [], target }).trim()}`;
  }
}

function natText({ family, address, port }: NatRange): string {
  if (address === undefined) return `port ${port ?? 'any'}`;
  return port === undefined ? address : joinHostPort(address, family ?? 'ipv4', port);
}

interface RuleInChain {
  readonly chain: string;
  readonly matches: readonly Match[];
  readonly target: Target | undefined;
  readonly comment: string;
  /** Of the chain, then of where it leads. */
  readonly names: readonly NameExplanation[];
}

/** Why kube-proxy has such a rule; empty where it has none. */
function reasonOf(rule: RuleInChain, context: ExplainContext): string {
  const { chain, matches, target, names } = rule;
  const owner = names[0]?.meanings[0];
  const name = owner?.servicePort ?? /^([a-z0-9.-]+\/[a-z0-9.:-]+)/.exec(rule.comment)?.[1] ?? 'a Service';
  const marks = target?.kind === 'jump' && target.chain === 'KUBE-MARK-MASQ';
  const [, prefix = ''] = /^KUBE-(SVC|SVL|EXT|FW|SEP)-/.exec(chain) ?? [];
  switch (prefix) {
    case 'SEP':
      if (marks) return `a pod of ${name} that reaches itself is masqueraded, as it would not take its own address`;
      return target?.kind === 'dnat' ? `this endpoint of ${name} was chosen${endpointNote(target.to, context)}` : '';
    case 'SVC':
    case 'SVL': {
      if (marks) return `traffic to the cluster IP of ${name} from outside the pods: replies must come back this way`;
      const policy = prefix === 'SVC' ? 'Cluster' : 'Local';
      if (matches.some((match) => match.kind === 'recent')) {
        return `session affinity of ${name}: a client that had this endpoint gets it again`;
      }
      const endpoint = names[1]?.meanings[0]?.endpoint;
      const which = endpoint === undefined ? 'an endpoint' : `endpoint ${endpoint}`;
      return `${which} of ${name} under policy ${policy}; chances are given to those before it first, so that all are alike`;
    }
    case 'EXT':
      if (marks && matches.some((match) => match.kind === 'addrtype')) {
        return `what the node itself sends to external addresses of ${name} is masqueraded, as it may go to any node`;
      }
      if (marks) return `external traffic of ${name} is masqueraded: its endpoint may be on another node`;
      if (matches.some((match) => match.kind !== 'comment')) {
        return `pods and the node itself may use every endpoint of ${name}, though externalTrafficPolicy is Local`;
      }
      return `external traffic of ${name}, by its externalTrafficPolicy`;
    case 'FW':
      return target === undefined
        ? `who comes this far is in no source range of ${name}, and dropped by KUBE-PROXY-FIREWALL`
        : `a source range of ${name} (loadBalancerSourceRanges)`;
    default:
      return sharedReason(rule, context);
  }
}

function endpointNote(to: NatRange, context: ExplainContext): string {
  if (to.address === undefined || to.port === undefined) return '';
  const found = endpointsAt(context, joinHostPort(to.address, to.family ?? 'ipv4', to.port));
  return found.length === 0 ? '; it is no endpoint of this input' : '';
}

/** By the address that a rule of a shared chain matches, then by its comment. */
function sharedReason({ chain, matches, target, comment, names }: RuleInChain, context: ExplainContext): string {
  const destination = matches.find((match) => match.kind === 'destination' && !match.not);
  const protocol = matches.find((match) => match.kind === 'protocol');
  const ports = matches.find((match) => match.kind === 'ports');
  const owner = names[0]?.meanings[0]?.owner;
  if (owner === 'foreign' || owner === 'unknown') return '';
  const port = ports?.kind === 'ports' ? ports.destination : undefined;
  if (port !== undefined && protocol?.kind === 'protocol') {
    const text = destination?.kind === 'destination' ? destination.cidr.text : '';
    // A network is never an address of a Service: what it narrows is a node port.
    const ip = /^[^/]+(\/(32|128))?$/.test(text) ? text.replace(/\/.*$/, '') : undefined;
    const owners = servicePortsAt(context, ip, String(port.first), protocol.protocol);
    const whose = owners.length === 0 ? 'no Service of this input has this address' : owners.join('; ');
    const why =
      target?.kind === 'reject'
        ? ': it has no usable endpoint'
        : target?.kind === 'drop' && chain !== 'KUBE-PROXY-FIREWALL'
          ? ': it has no usable endpoint on this node, and its policy is Local'
          : chain === 'KUBE-PROXY-FIREWALL'
            ? ': its source ranges did not let this in'
            : '';
    return `${whose}${why}`;
  }
  if (names[1]?.meanings[0]?.text !== undefined && owner === 'kernel') return `kube-proxy's way into ${names[1].name}`;
  const purpose = names[0]?.meanings[0]?.text ?? '';
  return comment !== '' ? comment : owner === 'kernel' ? '' : `the chain ${purpose}`;
}

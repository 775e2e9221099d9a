/** The words for what differs on a node. */
import { listText } from '../../net/text.js';
import type { Container, Difference, Item } from './contents.js';
import { MOST_DETAILS, type VerifyCode, type VerifyDetail } from './finding.js';

/** How many of several things are named before the rest is only counted. */
export const MOST_NAMED = 3;

/** `endpoint 10.244.1.7:8080 is`, or of several `endpoints … are`. */
export function endpointsText(texts: readonly string[]): string {
  return texts.length === 1 ? `endpoint ${texts[0]} is` : `endpoints ${listText(texts, MOST_NAMED)} are`;
}

/** A reason said of several. */
export function plural(why: string, count: number): string {
  if (count === 1) return why;
  return why
    .replace(/^it is/, 'they are')
    .replace(/^its/, 'their')
    .replace(/^it still serves/, 'they still serve');
}

/** What kind of finding a difference is, where the mode knows nothing better. */
export function codeOf({ kind, container, should }: Difference): VerifyCode {
  const isChain = container.kind === 'chain';
  switch (kind) {
    case 'absent':
      return isChain ? 'chain-empty' : container.kind === 'virtual server' ? 'server-missing' : 'set-missing';
    case 'empty':
      return 'chain-empty';
    case 'surplus':
      return 'stale';
    case 'settings':
      return isChain ? 'rule-changed' : container.kind === 'virtual server' ? 'server-changed' : 'set-changed';
    case 'missing':
      if (!isChain) return 'entry-missing';
      return masquerades(should?.text ?? '') ? 'masquerade-missing' : 'rule-missing';
    case 'extra':
      return isChain ? 'rule-extra' : 'entry-extra';
    case 'changed':
      return isChain ? 'rule-changed' : 'entry-missing';
    case 'order':
      return 'rule-order';
  }
}

/** Whether a rule marks packets for masquerading, or masquerades. */
function masquerades(text: string): boolean {
  return /-j (KUBE-MARK-MASQ|MASQUERADE)|mark set |masquerade /.test(`${text} `);
}

/** One sentence about all differences of one kind in one place. */
export function messageOf(code: VerifyCode, differences: readonly Difference[]): string {
  const [first] = differences;
  if (first === undefined) return '';
  const { container, is, should } = first;
  const more = differences.length > 1 ? ` (and ${differences.length - 1} more)` : '';
  const names = listText(
    differences.map((each) => nameOf(each.container)),
    MOST_NAMED,
  );
  const be = differences.length === 1 ? 'is' : 'are';
  const name = nameOf(container);
  switch (first.kind) {
    case 'absent':
      return `${names} ${be} missing.`;
    case 'empty':
      return `${names} ${be} empty.`;
    case 'surplus':
      return `${names} ${be} left over: nothing of the kind belongs to it any more.`;
    case 'missing': {
      const what = container.kind === 'chain' ? `a rule is missing in ${name}` : `${name} lacks an entry`;
      const effect = code === 'masquerade-missing' ? ', so that traffic is not masqueraded' : '';
      return `${what}${effect}: ${shown(should)}${more}`;
    }
    case 'extra':
      return container.kind === 'chain'
        ? `${name} has a rule that kube-proxy does not write: ${shown(is)}${more}`
        : `${name} has an entry too many: ${shown(is)}${more}`;
    case 'order':
      return `the rules of ${name} stand in another order: ${shown(is)} where ${shown(should)} should be.`;
    default:
      return `${name} was changed: it is ${shown(is)} and should be ${shown(should)}${more}`;
  }
}

function shown(item: Item | undefined): string {
  return item === undefined ? 'nothing' : `\`${item.shown ?? item.text}\``;
}

/** `chain nat KUBE-SERVICES`, `virtual server -t 10.96.0.1:443`. */
export function nameOf({ kind, name }: Container): string {
  return name.startsWith(`${kind} `) ? name : `${kind} ${name}`;
}

/** The lines behind a finding, the first ones of many. */
export function detailsOf(differences: readonly Difference[]): readonly VerifyDetail[] {
  return differences.slice(0, MOST_DETAILS).map(({ kind, container, is, should }) => {
    const place = is?.place ?? (kind === 'absent' ? undefined : container.place);
    return { where: container.name, is: is?.shown ?? is?.text, should: should?.shown ?? should?.text, place };
  });
}

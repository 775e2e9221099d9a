/** Findings about a node as a whole. */
import type { ProxyMode } from '../../kube/config.js';
import type { Family } from '../../net/family.js';
import { listText } from '../../net/text.js';
import { VERIFY_CODES, type VerifyCode, type VerifyDetail, type VerifyFinding } from './finding.js';
import { MOST_NAMED } from './words.js';

/** A finding that is no service port's. */
export function nodeFinding(
  code: VerifyCode,
  family: Family,
  message: string,
  hint: string,
  details: readonly VerifyDetail[] = [],
): VerifyFinding {
  const { severity } = VERIFY_CODES[code];
  return { code, severity, servicePort: undefined, protocol: undefined, family, message, hint, details };
}

/** The one finding where nothing of kube-proxy is left, instead of one for each Service. */
export function nothingThere(family: Family, file: string): VerifyFinding {
  const hint =
    'kube-proxy runs in another mode or has not synced, somebody flushed the rules, or iptables has another variant.';
  return nodeFinding('nothing-there', family, `${file} has no rule of kube-proxy in this mode.`, hint);
}

/** The one finding where all rules are those of another mode: likely the wrong mode was asked for. */
export function runsInstead(family: Family, file: string, instead: ProxyMode, mode: ProxyMode): VerifyFinding {
  const message = `the rules in ${file} are of mode ${instead}, and none of mode ${mode}.`;
  const hint = `If kube-proxy runs in mode ${instead} here, verify with --mode ${instead}; else see why it has not synced.`;
  return nodeFinding('other-mode', family, message, hint);
}

/** One finding for everything that another mode left behind. */
export function otherMode(family: Family, names: readonly string[], mode: ProxyMode): VerifyFinding {
  const [be, them] = names.length === 1 ? ['is', 'it'] : ['are', 'them'];
  const message = `${listText(names, MOST_NAMED)} ${be} not of mode ${mode}: another mode left ${them} behind.`;
  const hint =
    'kube-proxy cleans up after other modes when it starts; `kube-proxy --cleanup` removes all, the rules in use too.';
  return nodeFinding('other-mode', family, message, hint);
}

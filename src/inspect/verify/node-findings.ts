/** Findings about a node as a whole. */
import type { ProxyMode } from '../../kube/config.js';
import type { Family } from '../../net/family.js';
import { VERIFY_CODES, type VerifyFinding } from './finding.js';

/** The one finding where nothing of kube-proxy is left, instead of one for each Service. */
export function nothingThere(family: Family, file: string): VerifyFinding {
  return {
    code: 'nothing-there',
    severity: VERIFY_CODES['nothing-there'].severity,
    servicePort: undefined,
    protocol: undefined,
    family,
    message: `${file} has no rule of kube-proxy in this mode.`,
    hint: 'kube-proxy runs in another mode or has not synced, somebody flushed the rules, or iptables has another variant.',
    details: [],
  };
}

/** The one finding where all rules are those of another mode: likely the wrong mode was asked for. */
export function runsInstead(family: Family, file: string, instead: ProxyMode, mode: ProxyMode): VerifyFinding {
  return {
    code: 'other-mode',
    severity: VERIFY_CODES['other-mode'].severity,
    servicePort: undefined,
    protocol: undefined,
    family,
    message: `the rules in ${file} are of mode ${instead}, and none of mode ${mode}.`,
    hint: `If kube-proxy runs in mode ${instead} here, verify with --mode ${instead}; else see why it has not synced.`,
    details: [],
  };
}

/** One finding for everything that another mode left behind. */
export function otherMode(family: Family, names: readonly string[], mode: ProxyMode): VerifyFinding {
  const more = names.length > 3 ? ` and ${names.length - 3} more` : '';
  return {
    code: 'other-mode',
    severity: VERIFY_CODES['other-mode'].severity,
    servicePort: undefined,
    protocol: undefined,
    family,
    message: `${names.slice(0, 3).join(', ')}${more} ${names.length === 1 ? 'is' : 'are'} not of mode ${mode}: another mode left ${names.length === 1 ? 'it' : 'them'} behind.`,
    hint: 'kube-proxy cleans up after other modes when it starts; `kube-proxy --cleanup` removes all, the rules in use too.',
    details: [],
  };
}

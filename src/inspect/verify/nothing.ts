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

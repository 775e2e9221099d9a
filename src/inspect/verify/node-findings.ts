/** Findings about a node as a whole. */
import { serviceKey, settingsOf, type VirtualServer } from '../../backends/ipvs/ipvsadm-text.js';
import type { ProxyMode } from '../../kube/config.js';
import type { Family } from '../../net/family.js';
import { listText } from '../../net/text.js';
import { MOST_DETAILS, VERIFY_CODES, type VerifyCode, type VerifyDetail, type VerifyFinding } from './finding.js';
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

/** One finding for all virtual servers that are somebody else's; see `foreignServers`. */
export function foreignServersFinding(
  family: Family,
  servers: readonly VirtualServer[],
  file: string | undefined,
): VerifyFinding {
  const names = servers.map(({ service }) => serviceKey(service));
  const [be, them] = names.length === 1 ? ['is', 'it'] : ['are', 'them'];
  const message = `virtual server${names.length === 1 ? '' : 's'} ${listText(names, MOST_NAMED)} ${be} of no Service, and nothing of kube-proxy leads there.`;
  const hint = `A running kube-proxy deletes ${them}: if somebody else uses ${them}, add the network to ipvs.excludeCIDRs; \`kuberules apply\` leaves ${them}.`;
  const details = servers.slice(0, MOST_DETAILS).map((virtual): VerifyDetail => {
    const place = file === undefined ? undefined : { file, line: virtual.line };
    return {
      where: `virtual server ${serviceKey(virtual.service)}`,
      is: settingsOf(virtual),
      should: undefined,
      place,
    };
  });
  return nodeFinding('foreign-server', family, message, hint, details);
}

/** One finding for everything that another mode left behind. */
export function otherMode(family: Family, names: readonly string[], mode: ProxyMode): VerifyFinding {
  const [be, them] = names.length === 1 ? ['is', 'it'] : ['are', 'them'];
  const message = `${listText(names, MOST_NAMED)} ${be} not of mode ${mode}: another mode left ${them} behind.`;
  const hint =
    'kube-proxy cleans up after other modes when it starts; `kube-proxy --cleanup` removes all, the rules in use too.';
  return nodeFinding('other-mode', family, message, hint);
}

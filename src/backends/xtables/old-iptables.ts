/** What older versions of iptables do not know of the rules that are written today. */
import { isAtLeast, type Version } from '../version.js';

/** The first version that has `--random-fully`. */
const HAS_RANDOM_FULLY: Version = [1, 6, 2];

/**
 * Rules as a version of iptables reads and prints them: an older one neither takes `--random-fully` nor tells of it
 * where a newer one wrote it. kube-proxy writes its rules without it then, too.
 * @param version undefined where it is not known, and then the rules stay as they are
 */
export function rulesForVersion(rules: string, version: Version | undefined): string {
  if (version === undefined || isAtLeast(version, HAS_RANDOM_FULLY)) return rules;
  return rules.replaceAll(/( -j MASQUERADE) --random-fully$/gm, '$1');
}

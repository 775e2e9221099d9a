import type { VerifyFinding } from './finding.js';
import type { FamilyInput } from './verify.js';

export function verifyIpvsFamily(_input: FamilyInput): readonly VerifyFinding[] {
  return [];
}

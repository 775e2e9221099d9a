import type { VerifyFinding } from './finding.js';
import type { FamilyInput } from './verify.js';

export function verifyNftablesFamily(_input: FamilyInput): readonly VerifyFinding[] {
  return [];
}

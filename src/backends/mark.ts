import type { NodeFacts } from '../plan/node.js';

/** The packet mark that asks for masquerading, unsigned and in eight hex digits. */
export function masqueradeMark(node: NodeFacts): string {
  return `0x${(2 ** node.masqueradeBit).toString(16).padStart(8, '0')}`;
}

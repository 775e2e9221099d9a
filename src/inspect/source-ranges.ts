/** Source ranges as sets of addresses: whether two lists let in the same clients, and which networks they add. */
import { type Cidr, ipBytes, networkAddress, parseCidr } from '../net/ip.js';
import { compareBytes } from '../net/text.js';

/**
 * The fewest networks that hold the same addresses, bytewise by their text: networks inside of others are left out,
 * and two halves are one. All of one family.
 */
export function normalRanges(ranges: readonly Cidr[]): readonly string[] {
  if (ranges.length < 2) return ranges.map(({ text }) => text);
  const networks = new Map(ranges.map((cidr) => [bitsOf(cidr), cidr.text]));
  for (const bits of [...networks.keys()]) if (hasWider(bits, networks)) networks.delete(bits);
  // Longest first: what two halves make may itself be a half.
  const queue = [...networks.keys()].sort((a, b) => b.length - a.length);
  for (let bits = queue.shift(); bits !== undefined; bits = queue.shift()) {
    const half = otherHalf(bits);
    const text = networks.get(bits);
    if (text === undefined || half === undefined || !networks.has(half)) continue;
    const whole = bits.slice(0, -1);
    networks.delete(bits);
    networks.delete(half);
    networks.set(whole, parseCidr(text.replace(/\/.*/, `/${whole.length}`))?.text ?? text);
    queue.push(whole);
    queue.sort((a, b) => b.length - a.length);
  }
  return [...networks.values()].sort(compareBytes);
}

/** How much of a network lies in some ranges: all, nothing, or a part of it. */
export function shareInRanges(network: Cidr, ranges: readonly Cidr[]): 'all' | 'none' | 'some' {
  const bits = bitsOf(network);
  const others = ranges.map(bitsOf);
  if (others.some((other) => bits.startsWith(other))) return 'all';
  return others.some((other) => other.startsWith(bits)) ? 'some' : 'none';
}

/** The prefix as a text of zeros and ones. */
function bitsOf(cidr: Cidr): string {
  const bytes = ipBytes(networkAddress(cidr));
  return bytes
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('')
    .slice(0, cidr.prefixLength);
}

function hasWider(bits: string, networks: ReadonlyMap<string, unknown>): boolean {
  for (let length = bits.length - 1; length >= 0; length--) if (networks.has(bits.slice(0, length))) return true;
  return false;
}

function otherHalf(bits: string): string | undefined {
  if (bits === '') return undefined;
  return bits.slice(0, -1) + (bits.endsWith('0') ? '1' : '0');
}

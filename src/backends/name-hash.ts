/**
 * The hashes in names of chains: base32 letters of a SHA-256.
 *
 * A cluster of 10,000 Services takes 110,000 hashes, so next to nothing is allocated for one: the same buffers serve
 * every call, and letters are written as character codes into an array of the caller, who makes one string of it.
 */
import { SHA256 } from '@stablelib/sha256';

const encoder = new TextEncoder();
const hash = new SHA256();
const digest = new Uint8Array(32);
let input = new Uint8Array(1024);

const ALPHABET = codesOf('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567');

/** The character codes of an ASCII text. */
export function codesOf(text: string): number[] {
  return Array.from(text, (char) => char.charCodeAt(0));
}

/** Hashes three texts, one after the other, for `writeLetters`. */
export function hashTexts(first: string, second = '', third = ''): void {
  const length = write(third, write(second, write(first, 0)));
  hash.reset().update(input, length).finish(digest);
}

/**
 * Writes the codes of eight letters of the last hash.
 * @param at where in `codes` they go
 * @param eighth which eight letters: 0 for the first
 */
export function writeLetters(codes: number[], at: number, eighth: 0 | 1): void {
  const from = eighth * 5;
  const a = byte(from);
  const b = byte(from + 1);
  const c = byte(from + 2);
  const d = byte(from + 3);
  const e = byte(from + 4);
  codes[at] = letter(a >> 3);
  codes[at + 1] = letter((a << 2) | (b >> 6));
  codes[at + 2] = letter(b >> 1);
  codes[at + 3] = letter((b << 4) | (c >> 4));
  codes[at + 4] = letter((c << 1) | (d >> 7));
  codes[at + 5] = letter(d >> 2);
  codes[at + 6] = letter((d << 3) | (e >> 5));
  codes[at + 7] = letter(e);
}

/** Writes a text to the input as UTF-8, from a position on; returns the position behind it. */
function write(text: string, from: number): number {
  if (from + text.length * 3 > input.length) {
    const larger = new Uint8Array((from + text.length * 3) * 2);
    larger.set(input);
    input = larger;
  }
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    // Names and addresses are ASCII, which is quicker to copy than to encode.
    if (code > 0x7f) return from + encoder.encodeInto(text, input.subarray(from)).written;
    input[from + i] = code;
  }
  return from + text.length;
}

function byte(index: number): number {
  return digest[index] ?? 0;
}

/** The base32 letter of the lowest five bits. */
function letter(bits: number): number {
  return ALPHABET[bits & 31] ?? 0;
}

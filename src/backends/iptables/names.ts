/** Names of the chains that belong to one service port, as kube-proxy hashes them. */
import { SHA256 } from '@stablelib/sha256';

/** The chains of one service port; which of them exist depends on its plan. */
export interface ServicePortChains {
  /** Load-balances over the endpoints of policy Cluster. */
  readonly svc: string;
  /** Load-balances over the endpoints of policy Local. */
  readonly svl: string;
  /** Takes traffic from outside: masquerading, external traffic policy. */
  readonly ext: string;
  /** Lets in who may use the load-balancer addresses. */
  readonly fw: string;
}

// A cluster of 10,000 Services takes 110,000 hashes, so next to nothing is allocated for one: the same buffers serve
// every call, and a name is made in one go from its characters' codes.
const encoder = new TextEncoder();
const hash = new SHA256();
const digest = new Uint8Array(32);
let input = new Uint8Array(1024);

const HASH_LETTERS = 16;
const ALPHABET = codesOf('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567');

/** Names as character codes: a prefix, and room for the letters of the hash, which are written anew for every name. */
const SVC = codesOf('KUBE-SVC-', HASH_LETTERS);
const SVL = codesOf('KUBE-SVL-', HASH_LETTERS);
const EXT = codesOf('KUBE-EXT-', HASH_LETTERS);
const FW = codesOf('KUBE-FW-', HASH_LETTERS);
const SEP = codesOf('KUBE-SEP-', HASH_LETTERS);

function codesOf(text: string, room = 0): number[] {
  return [...Array.from(text, (char) => char.charCodeAt(0)), ...new Array<number>(room).fill(0)];
}

/** The chain names of a service port. */
export function servicePortChains(name: string, protocol: string): ServicePortChains {
  digestOf(name, protocol, '');
  return { svc: printName(SVC), svl: printName(SVL), ext: printName(EXT), fw: printName(FW) };
}

/** The name of the chain of one endpoint (`10.244.1.7:8080`) of a service port. */
export function endpointChain(name: string, protocol: string, endpoint: string): string {
  digestOf(name, protocol, endpoint);
  return printName(SEP);
}

/** Leaves the SHA-256 of three texts, one after the other, in `digest`. */
function digestOf(name: string, protocol: string, endpoint: string): void {
  const length = write(endpoint, write(protocol, write(name, 0)));
  hash.reset().update(input, length).finish(digest);
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

/** A name with the first 16 letters of the base32 text of `digest`: 80 bits. */
function printName(codes: number[]): string {
  writeLetters(codes, codes.length - HASH_LETTERS, 0);
  writeLetters(codes, codes.length - HASH_LETTERS / 2, 5);
  return String.fromCharCode.apply(undefined, codes);
}

/** Writes eight base32 letters for the five bytes of `digest` from one on. */
function writeLetters(codes: number[], at: number, from: number): void {
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

function byte(index: number): number {
  return digest[index] ?? 0;
}

/** The base32 letter of the lowest five bits. */
function letter(bits: number): number {
  return ALPHABET[bits & 31] ?? 0;
}

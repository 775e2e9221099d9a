/** Names of the chains that belong to one service port, as kube-proxy hashes them. */
import { sha256 } from '@noble/hashes/sha2.js';

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
// every call, a hash starts as a copy of the empty state, and a name is made in one go.
const encoder = new TextEncoder();
const emptyHash = sha256.create();
const hash = sha256.create();
const digest = new Uint8Array(32);
let input = new Uint8Array(1024);

/** The chain names of a service port. */
export function servicePortChains(name: string, protocol: string): ServicePortChains {
  const suffix = chainHash(name, protocol);
  return { svc: `KUBE-SVC-${suffix}`, svl: `KUBE-SVL-${suffix}`, ext: `KUBE-EXT-${suffix}`, fw: `KUBE-FW-${suffix}` };
}

/** The name of the chain of one endpoint (`10.244.1.7:8080`) of a service port. */
export function endpointChain(name: string, protocol: string, endpoint: string): string {
  return `KUBE-SEP-${chainHash(name, protocol, endpoint)}`;
}

/** The first 16 characters of the base32 text of the SHA-256 of some texts one after the other: 80 bits. */
export function chainHash(...texts: readonly string[]): string {
  let length = 0;
  for (const text of texts) length = write(text, length);
  emptyHash._cloneInto(hash).update(input.subarray(0, length)).digestInto(digest);
  return (
    pair(byte(0), byte(1), 6) +
    pair(byte(1), byte(2), 4) +
    pair(byte(2), byte(3), 2) +
    pair(byte(3), byte(4), 0) +
    pair(byte(5), byte(6), 6) +
    pair(byte(6), byte(7), 4) +
    pair(byte(7), byte(8), 2) +
    pair(byte(8), byte(9), 0)
  );
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

/** All pairs of base32 letters, by the ten bits that they stand for. */
const PAIRS = Array.from({ length: 1024 }, (_, bits) => letter(bits >> 5) + letter(bits & 31));

function letter(bits: number): string {
  return 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.charAt(bits);
}

/** The two letters for ten bits that lie across two bytes, `rest` bits of the second being left over. */
function pair(first: number, second: number, rest: number): string {
  return PAIRS[((first << (8 - rest)) | (second >> rest)) & 1023] ?? '';
}

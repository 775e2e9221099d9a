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

const BASE32 = Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', (char) => char.charCodeAt(0));

// A cluster of 10,000 Services takes 110,000 hashes, so nothing is allocated for one: the same buffers serve every
// call, and a hash starts as a copy of the empty state.
const encoder = new TextEncoder();
const emptyHash = sha256.create();
const hash = sha256.create();
const digest = new Uint8Array(32);
let input = new Uint8Array(1024);

/** The chain names of a service port. */
export function servicePortChains(name: string, protocol: string): ServicePortChains {
  const suffix = chainHash(name + protocol);
  return { svc: `KUBE-SVC-${suffix}`, svl: `KUBE-SVL-${suffix}`, ext: `KUBE-EXT-${suffix}`, fw: `KUBE-FW-${suffix}` };
}

/** The name of the chain of one endpoint (`10.244.1.7:8080`) of a service port. */
export function endpointChain(name: string, protocol: string, endpoint: string): string {
  return `KUBE-SEP-${chainHash(name + protocol + endpoint)}`;
}

/** The first 16 characters of the base32 text of the SHA-256 of a text: 80 bits. */
export function chainHash(text: string): string {
  if (text.length * 3 > input.length) input = new Uint8Array(text.length * 3);
  const { written } = encoder.encodeInto(text, input);
  emptyHash._cloneInto(hash).update(input.subarray(0, written)).digestInto(digest);
  return base32(0) + base32(5);
}

/** Eight characters of base32 for the five bytes of the digest from one on. */
function base32(start: number): string {
  const a = byteAt(start);
  const b = byteAt(start + 1);
  const c = byteAt(start + 2);
  const d = byteAt(start + 3);
  const e = byteAt(start + 4);
  return String.fromCharCode(
    letter(a >> 3),
    letter((a << 2) | (b >> 6)),
    letter(b >> 1),
    letter((b << 4) | (c >> 4)),
    letter((c << 1) | (d >> 7)),
    letter(d >> 2),
    letter((d << 3) | (e >> 5)),
    letter(e),
  );
}

function byteAt(index: number): number {
  return digest[index] ?? 0;
}

/** The base32 letter, as a character code, of the lowest five bits. */
function letter(bits: number): number {
  return BASE32[bits & 31] ?? 0;
}

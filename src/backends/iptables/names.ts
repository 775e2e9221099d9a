/** Names of the chains that belong to one service port, as kube-proxy hashes them. */
import { codesOf, hashTexts, writeLetters } from '../name-hash.js';

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

/** 80 bits of the hash. */
const HASH_LETTERS = 16;

/** Names as character codes: a prefix, and room for the letters of the hash, which are written anew for every name. */
const SVC = nameCodes('KUBE-SVC-');
const SVL = nameCodes('KUBE-SVL-');
const EXT = nameCodes('KUBE-EXT-');
const FW = nameCodes('KUBE-FW-');
const SEP = nameCodes('KUBE-SEP-');

function nameCodes(prefix: string): number[] {
  return [...codesOf(prefix), ...new Array<number>(HASH_LETTERS).fill(0)];
}

/** The chain names of a service port. */
export function servicePortChains(name: string, protocol: string): ServicePortChains {
  hashTexts(name, protocol);
  return { svc: printName(SVC), svl: printName(SVL), ext: printName(EXT), fw: printName(FW) };
}

/** The name of the chain of one endpoint (`10.244.1.7:8080`) of a service port. */
export function endpointChain(name: string, protocol: string, endpoint: string): string {
  hashTexts(name, protocol, endpoint);
  return printName(SEP);
}

/** A name with the first 16 letters of the last hash. */
function printName(codes: number[]): string {
  writeLetters(codes, codes.length - HASH_LETTERS, 0);
  writeLetters(codes, codes.length - HASH_LETTERS / 2, 1);
  return String.fromCharCode.apply(undefined, codes);
}

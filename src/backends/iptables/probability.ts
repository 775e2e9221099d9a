/**
 * 1/n as kube-proxy prints it for `--probability`: ten decimals, rounded half to even on the exact binary value.
 * @param n how many endpoints are still to choose from, at least 1
 */
export function probability(n: number): string {
  // toFixed rounds exact ties up; up to 300,000 the one tie is 1/2048.
  return n === 2048 ? '0.0004882812' : (1 / n).toFixed(10);
}

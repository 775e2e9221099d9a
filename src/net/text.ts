/** Orders texts bytewise, as kube-proxy sorts (Go compares strings by their bytes); exact for ASCII, which all names are. */
export function compareBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

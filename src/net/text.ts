/** Orders texts bytewise, as kube-proxy sorts (Go compares strings by their bytes); exact for ASCII, which all names are. */
export function compareBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** `a, b`, of more than `most` the first ones: `a, b, c and 4 more`. */
export function listText(texts: readonly string[], most: number): string {
  const more = texts.length - most;
  return more > 0 ? `${texts.slice(0, most).join(', ')} and ${more} more` : texts.join(', ');
}

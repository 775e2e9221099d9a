/** Versions of programs and kernels, as the numbers that they consist of: `[1, 8, 9]`. */
export type Version = readonly number[];

/** Reads `1.8.9`. */
export function parseVersion(text: string): Version {
  return text.split('.').map(Number);
}

/** Whether a version is that one or newer. */
export function isAtLeast(version: Version, least: Version): boolean {
  for (const [i, part] of least.entries()) {
    const have = version[i] ?? 0;
    if (have !== part) return have > part;
  }
  return true;
}

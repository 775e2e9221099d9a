/** Times as nft prints them: `3h`, `1d2h3m4s`, `59s996ms`; with `-n` in seconds alone, `10800s`. */

const UNITS: Readonly<Record<string, number>> = { w: 604_800, d: 86_400, h: 3600, m: 60, s: 1, ms: 0.001, '': 1 };

/** Seconds of a time, to the millisecond; undefined where the text is none. */
export function parseDuration(text: string): number | undefined {
  if (!/^(?:\d{1,12}(?:ms|[wdhms]))+$|^\d{1,12}$/.test(text)) return undefined;
  let milliseconds = 0;
  for (const [, number, unit = ''] of text.matchAll(/(\d+)(ms|[wdhms])?/g)) {
    milliseconds += Math.round(Number(number) * (UNITS[unit] ?? 0) * 1000);
  }
  return milliseconds / 1000;
}

/** A time as `nft list` prints it without options; its largest unit is the day. */
export function printDuration(seconds: number): string {
  const all = Math.round(seconds * 1000);
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(all / 86_400_000), 'd'],
    [Math.floor(all / 3_600_000) % 24, 'h'],
    [Math.floor(all / 60_000) % 60, 'm'],
    [Math.floor(all / 1000) % 60, 's'],
    [all % 1000, 'ms'],
  ];
  const text = parts.map(([count, unit]) => (count === 0 ? '' : `${count}${unit}`)).join('');
  return text === '' ? '0s' : text;
}

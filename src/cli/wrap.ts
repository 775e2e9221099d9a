/** Lines of the width of a terminal. */

/** Texts are not broken narrower than this: nobody can read a column of two words. */
export const LEAST_WIDTH = 40;

/**
 * Breaks a text at blanks; without a width it stays one line, and words longer than the width stay whole.
 * @param hang what further lines begin with instead of `indent`
 */
export function wrap(text: string, indent: string, width: number | undefined, hang = indent): readonly string[] {
  if (text === '') return [];
  if (width === undefined) return [indent + text];
  const lines: string[] = [];
  let rest = text;
  for (;;) {
    const before = lines.length === 0 ? indent : hang;
    const room = Math.max(width - before.length, LEAST_WIDTH);
    const blank = rest.lastIndexOf(' ', room);
    const at = blank > 0 ? blank : rest.indexOf(' ', room);
    if (rest.length <= room || at < 0) return [...lines, before + rest];
    lines.push(before + rest.slice(0, at).trimEnd());
    rest = rest.slice(at).trimStart();
  }
}

/** The lines as a text. */
export function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

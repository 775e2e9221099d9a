/** Lines of the width of a terminal. */

/** Texts are not broken narrower than this: nobody can read a column of two words. */
export const LEAST_WIDTH = 40;

/** Breaks a text at blanks; without a width it stays one line, and words longer than the width stay whole. */
export function wrap(text: string, indent: string, width: number | undefined): readonly string[] {
  if (text === '') return [];
  if (width === undefined) return [indent + text];
  const room = Math.max(width - indent.length, LEAST_WIDTH);
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(indent + line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, indent + line];
}

/** The lines as a text. */
export function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

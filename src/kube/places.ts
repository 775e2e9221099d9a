/** Lines and columns of texts. */
import type { Place } from './diagnostics.js';
import type { SourceText } from './objects.js';

/**
 * A function that gives the line and column of offsets in a text; it goes through the text once, and only if it is
 * called. Lines end with \n; columns count UTF-16 code units. Both from 1.
 */
export function placeFinder(source: SourceText): (offset: number) => Place {
  let starts: number[] | undefined;
  return (offset) => {
    starts ??= lineStarts(source.text);
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return { file: source.name, line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
  };
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

/** The line of the compiled rules that is most like one that they do not have. */
import { type ExplainContext, linesOf } from './context.js';

/** How alike two lines must be: the share of their words that both have. */
const LEAST_ALIKE = 0.5;

/** How much a word counts that hardly any other line has. */
const TELLING_WEIGHT = 4;

/**
 * A compiled line that shares a name or address with a line and most of its words; undefined where there is none.
 * @param within a text that lines have which come before all others: those of the same chain, with the same key
 */
export function nearestLine(context: ExplainContext, line: string, within?: string): string | undefined {
  const lines = context.setting.families.flatMap((family) => [...linesOf(context.textsOf(family))]);
  const near = within === undefined ? [] : lines.filter((each) => each.includes(within));
  return mostAlike(line, near) ?? mostAlike(line, lines);
}

function mostAlike(line: string, lines: readonly string[]): string | undefined {
  const words = wordsOf(line);
  const telling = [...words].filter(isTelling);
  const weight = weightOf(words);
  let best: string | undefined;
  let most = LEAST_ALIKE;
  for (const each of lines) {
    if (!telling.some((word) => each.includes(word))) continue;
    const others = wordsOf(each);
    const shared = weightOf([...others].filter((word) => words.has(word)));
    const alike = (2 * shared) / (weight + weightOf(others));
    if (alike <= most) continue;
    most = alike;
    best = each;
  }
  return best;
}

function weightOf(words: Iterable<string>): number {
  let sum = 0;
  for (const word of words) sum += isTelling(word) ? TELLING_WEIGHT : 1;
  return sum;
}

/** Words without those that every line of a kind has in front. */
function wordsOf(line: string): ReadonlySet<string> {
  const text = line.replace(/^add (rule|element) \S+ \S+ /, '');
  return new Set(text.split(/[\s,{}"]+/).filter((word) => word !== ''));
}

/** Whether a word is hardly in every other line: an address, a port, a name with a hash. */
function isTelling(word: string): boolean {
  return /^[0-9a-f]*[.:][0-9a-f.:/]{3,}$|^\d{4,5}$|^KUBE-(SVC|SVL|SEP|EXT|FW)-|^[a-z]+-[A-Z2-7]{8}-/.test(word);
}

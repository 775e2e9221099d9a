/** The line of the compiled rules that is most like one that they do not have. */
import { addTo } from '../../net/group.js';
import { type ExplainContext, linesOf } from './context.js';

/** How alike two lines must be: the share of their words that both have. */
const LEAST_ALIKE = 0.5;

/** How much a word counts that hardly any other line has. */
const TELLING_WEIGHT = 4;

/** A word that more lines have tells nothing: the port of all endpoints. */
const MOST_SHARING = 100;

/** A compiled line and its words. */
interface KnownLine {
  readonly line: string;
  readonly words: ReadonlySet<string>;
  readonly weight: number;
}

/** Lines by the telling words and parts of words that they have. */
type LineIndex = ReadonlyMap<string, readonly KnownLine[]>;

const indexes = new WeakMap<object, LineIndex>();

/**
 * A compiled line that shares a name or address with a line and most of its words; undefined where there is none.
 * @param within a text that lines have which come before all others: those of the same chain, with the same key
 */
export function nearestLine(context: ExplainContext, line: string, within?: string): string | undefined {
  const words = wordsOf(line);
  const candidates = new Set<KnownLine>();
  for (const family of context.setting.families) {
    const index = indexOf(context.textsOf(family));
    for (const part of tellingParts(words)) {
      const known = index.get(part) ?? [];
      if (known.length <= MOST_SHARING) for (const each of known) candidates.add(each);
    }
  }
  const near = within === undefined ? [] : [...candidates].filter((each) => each.line.includes(within));
  return mostAlike(words, near) ?? mostAlike(words, candidates);
}

/** The index of some texts. It is kept, as files have many lines. */
function indexOf(texts: Readonly<Record<string, string>>): LineIndex {
  const known = indexes.get(texts);
  if (known !== undefined) return known;
  const index = new Map<string, KnownLine[]>();
  for (const line of linesOf(texts)) {
    const words = wordsOf(line);
    const each: KnownLine = { line, words, weight: weightOf(words) };
    for (const part of tellingParts(words)) addTo(index, part, each);
  }
  indexes.set(texts, index);
  return index;
}

function mostAlike(words: ReadonlySet<string>, lines: Iterable<KnownLine>): string | undefined {
  const weight = weightOf(words);
  let best: string | undefined;
  let most = LEAST_ALIKE;
  for (const each of lines) {
    const shared = weightOf([...each.words].filter((word) => words.has(word)));
    const alike = (2 * shared) / (weight + each.weight);
    if (alike <= most) continue;
    most = alike;
    best = each.line;
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

/** The words by which lines are found: names with hashes, addresses and ports, also where they are parts of words. */
function tellingParts(words: ReadonlySet<string>): ReadonlySet<string> {
  const parts = new Set<string>();
  for (const word of words) {
    const [, host] = /^([0-9.]+):\d+$/.exec(word) ?? [];
    for (const part of [word, host ?? '', ...word.split(/[/_]+/)]) if (isTelling(part)) parts.add(part);
  }
  return parts;
}

/** Whether a word is hardly in every other line: an address, a port, a name with a hash. */
function isTelling(word: string): boolean {
  return /^[0-9a-f]*[.:][0-9a-f.:/]{3,}$|^\d{4,5}$|^KUBE-(SVC|SVL|SEP|EXT|FW)-|^[a-z]+-[A-Z2-7]{8}-/.test(word);
}

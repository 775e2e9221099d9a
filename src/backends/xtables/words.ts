/** Words of a rule, as iptables-restore splits a line and iptables-save quotes. */

/** A rule's words; `quoted` holds the places of those that stood in quotes, which are values as far as can be told. */
export interface Words {
  readonly words: readonly string[];
  readonly quoted: ReadonlySet<number>;
}

const NONE: ReadonlySet<number> = new Set();

/**
 * Splits arguments at blanks. Double quotes hold a word together, the closing one ends it, and inside them a backslash
 * takes the next character as it is. There is no shell in this: single quotes are characters like any other.
 * @returns undefined when a quote is not closed
 */
export function splitWords(text: string): Words | undefined {
  if (!text.includes('"')) return { words: text.split(/[ \t]+/).filter((word) => word !== ''), quoted: NONE };
  const words: string[] = [];
  const quoted = new Set<number>();
  let at = 0;
  while (at < text.length) {
    if (isBlank(text.charCodeAt(at))) {
      at++;
      continue;
    }
    let end = at;
    while (end < text.length && !isBlank(text.charCodeAt(end)) && text.charCodeAt(end) !== QUOTE) end++;
    let word = text.slice(at, end);
    if (text.charCodeAt(end) === QUOTE) {
      const close = closingQuote(text, end);
      if (close < 0) return undefined;
      const inside = text.slice(end + 1, close);
      word += inside.includes('\\') ? inside.replace(/\\(.)/gs, '$1') : inside;
      quoted.add(words.length);
      end = close + 1;
    }
    words.push(word);
    at = end;
  }
  return { words, quoted };
}

/** Whether every quote of some arguments is closed. */
export function quotesAreClosed(text: string): boolean {
  let open = text.indexOf('"');
  while (open >= 0) {
    const close = closingQuote(text, open);
    if (close < 0) return false;
    open = text.indexOf('"', close + 1);
  }
  return true;
}

/** A text as iptables-save prints a comment: in quotes unless it is one plain word. */
export function quoteText(text: string): string {
  return /^[A-Za-z0-9_-]+$/.test(text) ? text : inQuotes(text);
}

/** A text in quotes, whatever it is. */
export function inQuotes(text: string): string {
  return `"${text.replace(/["\\']/g, '\\$&')}"`;
}

/** Any other word, which is quoted only where it would not stay one word. */
export function quoteWord(word: string): string {
  return word === '' || /[ \t"]/.test(word) ? inQuotes(word) : word;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** The place of the quote that closes the one at `open`; -1 when there is none. */
function closingQuote(text: string, open: number): number {
  const close = text.indexOf('"', open + 1);
  if (close < 0) return -1;
  const backslash = text.slice(open + 1, close).indexOf('\\') + open + 1;
  if (backslash === open) return close;
  for (let i = backslash; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === BACKSLASH) i++;
    else if (code === QUOTE) return i;
  }
  return -1;
}

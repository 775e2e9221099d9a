/** Elements of sets and maps, between the braces of a listing or a script. */
import { parseDuration } from './duration.js';
import { RuleSetProblem } from './problem.js';
import type { NftElement } from './rule-set.js';

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN = 0x7b;
const CLOSE = 0x7d;

/**
 * Reads elements up to the brace that closes their list.
 * @param start the offset behind the opening brace
 * @param elements where they are added
 * @param offset what is added to the offsets of problems, where the text is a part of another
 * @returns the offset behind the closing brace; throws a `RuleSetProblem` where there is none
 */
export function readElements(text: string, start: number, elements: NftElement[], offset = 0): number {
  let from = start;
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = text.indexOf('"', at + 1);
      if (at < 0) throw new RuleSetProblem('A quote among these elements is not closed.', offset + from);
    } else if (code === OPEN) {
      depth++;
    } else if (code === CLOSE && depth > 0) {
      depth--;
    } else if (code === CLOSE || (code === COMMA && depth === 0)) {
      const item = text.slice(from, at).trim();
      if (item !== '') elements.push(readElement(item));
      from = at + 1;
      if (code === CLOSE) return from;
    }
  }
  throw new RuleSetProblem('These elements do not end: the text is cut off.', offset + start);
}

/** `KEY`, `KEY : DATA`, with words such as `timeout 1m expires 59s comment "..."` behind the key. */
function readElement(item: string): NftElement {
  const keyEnd = endOfKey(item);
  const key = item.slice(0, keyEnd);
  let rest = item.slice(keyEnd);
  let comment = '';
  const commentAt = rest.indexOf(' comment "');
  if (commentAt >= 0) {
    const close = rest.indexOf('"', commentAt + ' comment "'.length);
    comment = rest.slice(commentAt + ' comment "'.length, close);
    rest = rest.slice(0, commentAt) + rest.slice(close + 1);
  }
  const colon = rest.indexOf(' : ');
  const data = colon < 0 ? '' : rest.slice(colon + 3);
  const words = colon < 0 ? rest : rest.slice(0, colon);
  return words === ''
    ? { key, data, comment, timeout: undefined, expires: undefined, others: '' }
    : { key, data, comment, ...readTimes(words) };
}

/** The key ends at the first blank that has no dot beside it. */
function endOfKey(item: string): number {
  let at = 0;
  for (;;) {
    const blank = item.indexOf(' ', at);
    if (blank < 0) return item.length;
    if (!item.startsWith(' . ', blank)) return blank;
    at = blank + 3;
  }
}

function readTimes(words: string): Pick<NftElement, 'timeout' | 'expires' | 'others'> {
  let timeout: number | undefined;
  let expires: number | undefined;
  const others = words.replace(/ (timeout|expires) (\w+)/g, (all: string, word: string, value: string) => {
    const seconds = parseDuration(value);
    if (seconds === undefined) return all;
    if (word === 'timeout') timeout = seconds;
    else expires = seconds;
    return '';
  });
  return { timeout, expires, others: others.trim() };
}

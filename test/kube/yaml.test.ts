import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { splitDocuments } from '../../src/kube/documents.js';
import { readDocuments } from '../../src/kube/read.js';

interface PeerCase {
  readonly name: string;
  readonly input: string;
  readonly documents: readonly unknown[];
  readonly error?: string;
}

/** What kubectl's own code made of many texts; scripts/yaml-peer records it. */
const PEER = JSON.parse(readFileSync(new URL('yaml-peer.json', import.meta.url), 'utf8')) as readonly PeerCase[];

type Outcome = { readonly values: readonly unknown[] } | 'refused';

function outcomeOf(text: string): Outcome {
  const documents = readDocuments({ name: 'x', text });
  if (documents.some((each) => 'diagnostic' in each)) return 'refused';
  return { values: documents.flatMap((each) => ('value' in each ? [each.value] : [])) };
}

/** Where kuberules takes another way than kubectl, and why. Everything else in the record must come out the same. */
const DEVIATIONS: Readonly<Record<string, readonly RegExp[]>> = {
  // On purpose: kubectl loses something without a word.
  'refused: a repeated key': [/^keys (twice|that become one)/, /^merge and the same key twice$/],
  'refused: what follows a document or its end marker': [
    /^document end and (more|garbage)$/,
    /^quoted key and no space$/,
    /^item "(\]a|a\]b|\]|\[a\]\])"$/,
    /^key "(\[\]|\[\? a : b\]|\{\? a : b\}|\[a\]\])"$/,
  ],
  // js-yaml reads YAML 1.2; go-yaml v2 is of the time of 1.1, and wants some things stricter.
  'refused: a comment right behind a quoted scalar': [/^comment without a space$/],
  'refused: a colon right behind an alias': [/^alias as a key, no space$/],
  'refused: the line breaks of YAML 1.1': [/^next line as a line break$/, /^line separator$/],
  'taken: the line breaks of YAML 1.1': [/^(value|key) "a[\u0085\u2028]b"$/, /^key "\\"a\u2028b\\""$/],
  'taken: escapes that JSON has': [/ud83d/, /_\\\\N\\\\L/],
  'taken: names of anchors': [/"&(a\.b|é) 1"$/, /^key "&a"$/],
  'taken: plain scalars in flow collections': [/^item "(::1|:a|http:\/\/x\/y\?z#w)"$/],
  'taken: tags right before a bracket': [/^item "(!a|!!str|!!null|!!binary)"$/],
  'taken: keys of any length, over lines in flow, and of 64 bits': [
    /^too long (quoted )?key/,
    /^flow key over lines$/,
    /^key "(18446744073709551615|0xFFFFFFFFFFFFFFFF|01777777777777777777777|0b1{64})"$/,
  ],
  'taken: white space, comments and document ends': [
    /^tab in an empty line$/,
    /^control character in a comment$/,
    /^(document end first|only a document end)$/,
  ],
  'taken: a quoted << with the tag !': [/^key "! \\"<<\\""$/],
  // In flow collections a colon or question mark at the end or beginning of a word.
  'other: the line breaks of YAML 1.1': [/^item "a\u0085b"$/],
  'other: plain scalars in flow collections': [/^(value|item) "\[a:, b\]"$/, /^item "(a:|::|\?a|-)"$/],
  // kubectl never reads an array as JSON: no object begins so.
  'other: numbers of an array document': [/^item "(-0|-?1e400)"$/],
};
describe('against kubectl v1.36', () => {
  test.each(PEER.map((each) => [each.name, each] as const))('%s', (_, peer) => {
    const outcome = outcomeOf(peer.input);
    const expected: Outcome = peer.error === undefined ? { values: peer.documents } : 'refused';
    const known = Object.keys(DEVIATIONS).find((why) => DEVIATIONS[why]?.some((name) => name.test(peer.name)));
    if (known === undefined) {
      expect(outcome).toEqual(expected);
    } else {
      expect(outcome, 'is no deviation any more').not.toEqual(expected);
      if (known.startsWith('refused')) expect([outcome, expected]).toEqual(['refused', expect.anything()]);
      if (known.startsWith('taken')) expect([outcome, expected]).toEqual([expect.anything(), 'refused']);
    }
  });

  test('has a record of every deviation', () => {
    expect(PEER.length).toBeGreaterThan(1000);
    const unused = Object.values(DEVIATIONS)
      .flat()
      .filter((name) => !PEER.some((each) => name.test(each.name)));
    expect(unused).toEqual([]);
  });
});

describe('documents', () => {
  const cut = (text: string) => splitDocuments(text).map(({ start, end }) => text.slice(start, end));

  test('are cut at lines of dashes', () => {
    expect(cut('a: 1\n--- # x\nb: 2\n')).toEqual(['a: 1\n', 'b: 2\n']);
    expect(cut('# before\n---\n---\na: 1\r\n---\r\n')).toEqual(['', 'a: 1\r\n', '']);
    expect(cut('')).toEqual([]);
  });

  test('are JSON values in a row, too', () => {
    expect(cut('{"a":"}{"}{"b":[{}]}\n\n[1]\n')).toEqual(['{"a":"}{"}', '{"b":[{}]}\n\n', '[1]\n']);
    expect(cut('{"a":{"b":1}}\n')).toEqual(['{"a":{"b":1}}\n']);
    expect(cut('{"a": x}{"b":1}')).toEqual(['{"a": x}{"b":1}']);
  });

  test('start behind a byte-order mark and where they have content', () => {
    expect(splitDocuments('\ufeff\n# x\n  a: 1')).toEqual([{ start: 1, end: 12, first: 8 }]);
  });

  test('end before their end marker', () => {
    expect(cut('a: |\n  ...\n...\n# x\n---\n')).toEqual(['a: |\n  ...\n', '']);
    expect(splitDocuments('a: 1\n... \n b')[0]?.problem?.offset).toBe(11);
    expect(splitDocuments('a: 1\n...b\n')[0]).toEqual({ start: 0, end: 10, first: 0 });
  });

  test('do not follow in the line of their separator', () => {
    const documents = splitDocuments('a: 1\n--- b: 2\nc: 3\n---x');
    expect(documents.map(({ problem }) => problem?.offset)).toEqual([undefined, 5, 19]);
  });
});

const read = (text: string) => {
  const [first] = readDocuments({ name: 'x', text });
  return first === undefined || 'value' in first ? first?.value : first.diagnostic.message;
};

describe('values', () => {
  test('leave prototypes alone', () => {
    const value = read('a: &a {__proto__: {polluted: 1}}\nb: {<<: *a}\n');
    expect(Object.entries(value as object).map(([key, field]) => [key, Object.keys(field)])).toEqual([
      ['a', ['__proto__']],
      ['b', ['__proto__']],
    ]);
    expect(Object.getPrototypeOf((value as { b: object }).b)).toBe(Object.prototype);
    expect('polluted' in {}).toBe(false);
  });

  test('name the key that is repeated, not one of the prototype', () => {
    expect(read('toString: 1\nconstructor: 2\n')).toEqual({ toString: 1, constructor: 2 });
    expect(read('toString: 1\ntoString: 2\n')).toBe('this is no YAML: the key "toString" is repeated.');
    expect(read('__proto__: 1\n__proto__: 2\n')).toBe('this is no YAML: the key "__proto__" is repeated.');
  });

  test('have lines that are not indented enough, as go-yaml allows', () => {
    expect(read('a: [\nb, "x\ny\n\nz",\n\tc\n]\nd: {\n}\ne: 1\n')).toEqual({ a: ['b', 'x y\nz', 'c'], d: {}, e: 1 });
    const many = `a: [\n${'b,\n'.repeat(500)}]\n`;
    expect(read(many)).toEqual({ a: Array(500).fill('b') });
  });

  test('say where such a text goes wrong in the end', () => {
    const [first] = readDocuments({ name: 'x', text: 'a: [\nb,\nc\n]\nd: [}\n' });
    expect(first).toMatchObject({ diagnostic: { place: { file: 'x', line: 5, column: 5 } } });
  });
});

describe('hostile texts', () => {
  const refuse = (text: string): [string, number] => {
    const start = performance.now();
    const [first, ...others] = readDocuments({ name: 'x', text });
    expect(others).toEqual([]);
    return [
      first !== undefined && 'diagnostic' in first ? first.diagnostic.message : 'taken',
      performance.now() - start,
    ];
  };
  const deep = 'it nests deeper than 1000 levels.';

  test.each([
    ['[', '['.repeat(10_000), 'no JSON', deep],
    ['[]', '['.repeat(10_000) + ']'.repeat(10_000), 'no JSON', deep],
    ['{', '{'.repeat(10_000), 'no JSON', 'a quoted key is expected, not "{".'],
    ['flow in YAML', `a: ${'['.repeat(10_000)}`, 'no YAML', deep],
    ['block mappings', Array.from({ length: 2000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'), 'no YAML', deep],
    ['block lists', '- '.repeat(10_000), 'no YAML', deep],
    ['keys', '? '.repeat(10_000), 'no YAML', deep],
    ['objects', `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`, 'no JSON', deep],
    ['a cut-off JSON', `{"a":[${'{},'.repeat(100_000)}`, 'no JSON', 'the text ends in the middle of a value.'],
    [
      'one long line',
      'a: "'.padEnd(1_000_000, 'x'),
      'no YAML',
      'unexpected end of the stream within a double quoted scalar.',
    ],
    [
      'an unclosed quote',
      `a: "${'\n'.repeat(100_000)}`,
      'no YAML',
      'unexpected end of the stream within a double quoted scalar.',
    ],
    ['zeros', '0'.repeat(25_000_000), 'no YAML', 'it has more than 20 million characters and is no List of items.'],
  ])('are refused at once: %s', (_, text, format, why) => {
    const [message, time] = refuse(text);
    expect(message).toBe(`this is ${format}: ${why}`);
    expect(time).toBeLessThan(2000);
  });

  test('1000 levels are taken', () => {
    const text = `${'['.repeat(998)}${']'.repeat(998)}`;
    expect(read(text)).toBeInstanceOf(Array);
    expect(read(`# x\n!!seq ${text}`)).toBeInstanceOf(Array);
    expect(read(`- ${text}`)).toBeInstanceOf(Array);
  });

  test('aliases within aliases do not explode', () => {
    const list = (item: string) => `[${Array(9).fill(item).join(', ')}]`;
    const levels = Array.from({ length: 30 }, (_, i) => `a${i}: &a${i} ${list(i === 0 ? 'x' : `*a${i - 1}`)}`);
    const [message, time] = refuse(levels.join('\n'));
    expect(message).toBe('this is no YAML: aliases make it far larger than its text.');
    expect(time).toBeLessThan(500);
  });

  test('nor do merges', () => {
    const levels = Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} {<<: [${`*a${i}, `.repeat(9)}*a${i}]}`);
    const [message, time] = refuse(`a0: &a0 {b: 1, c: 2}\n${levels.join('\n')}\n`);
    expect(message).toBe('this is no YAML: aliases make it far larger than its text.');
    expect(time).toBeLessThan(500);
  });

  test('an alias of itself is refused', () => {
    expect(refuse('a: &a {b: [*a]}')[0]).toBe('this is no YAML: "a" contains itself.');
    expect(refuse('a: *a')[0]).toBe('this is no YAML: there is no anchor "a" before.');
  });
});

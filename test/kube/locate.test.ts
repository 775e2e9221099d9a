import { dump } from 'js-yaml';
import { describe, expect, test } from 'vitest';
import { type Diagnostic, diagnostic, type FieldPath } from '../../src/kube/diagnostics.js';
import { placeDiagnostics } from '../../src/kube/locate.js';
import { readObjects } from '../../src/kube/read.js';

const about = (path: FieldPath, document = 0, own?: FieldPath): Diagnostic =>
  diagnostic('invalid-field', 'x', {
    origin: { file: 'a', document, path },
    ...(own === undefined ? {} : { path: own }),
  });

/** What stands in the text at the place of a path, to the end of the line. */
function found(text: string, path: FieldPath, document = 0): string | undefined {
  const [{ place } = {}] = placeDiagnostics([about(path, document)], [{ name: 'a', text }]);
  return text
    .split('\n')
    [(place?.line ?? 0) - 1]?.slice((place?.column ?? 0) - 1)
    .trimEnd();
}

const YAML = `# comment
apiVersion: v1
kind: Service   # kind
metadata:
  name: 'web'
  labels: {app: "x", tier: y}
spec:
  ports:
  - name: http
    port: 80
  -   port: 81
      name: https
  - *shared
  clusterIPs: [10.0.0.1,
    10.0.0.2]
  empty:
  text: |
    lines
status:
  "quoted key": 1
  12: number
`.replace('metadata:\n', 'metadata:\n  annotations: &shared\n    port: 99\n');

describe('fields of YAML', () => {
  test.each([
    [['kind'], 'Service   # kind'],
    [['metadata'], 'metadata:'],
    [['metadata', 'name'], "'web'"],
    [['metadata', 'labels'], 'labels: {app: "x", tier: y}'],
    [['metadata', 'labels', 'app'], '"x", tier: y}'],
    [['metadata', 'labels', 'absent'], 'labels: {app: "x", tier: y}'],
    [['spec', 'ports'], 'ports:'],
    [['spec', 'ports', 0], 'name: http'],
    [['spec', 'ports', 0, 'port'], '80'],
    [['spec', 'ports', 0, 'protocol'], 'name: http'],
    [['spec', 'ports', 1, 'name'], 'https'],
    [['spec', 'ports', 2], '*shared'],
    [['spec', 'ports', 2, 'port'], '99'],
    [['spec', 'ports', 2, 'name'], '*shared'],
    [['spec', 'ports', 9, 'name'], 'ports:'],
    [['spec', 'clusterIPs', 1], '10.0.0.2]'],
    [['spec', 'empty'], 'empty:'],
    [['spec', 'empty', 'deeper'], 'empty:'],
    [['spec', 'text'], 'text: |'],
    [['status', 'quoted key'], '1'],
    [['status', '12'], 'number'],
    [['nothing', 'there'], 'apiVersion: v1'],
    [[], 'apiVersion: v1'],
  ] as [FieldPath, string][])('%j', (path, expected) => {
    expect(found(YAML, path)).toBe(expected);
  });

  test('of a later document, with the line in the whole text', () => {
    const text = `a: 1\n---\n# x\n---\n  \nb:\n  c: here\n`;
    expect(found(text, ['b', 'c'], 2)).toBe('here');
    expect(placeDiagnostics([about(['b', 'c'], 2)], [{ name: 'a', text }])[0]?.place).toEqual({
      file: 'a',
      line: 7,
      column: 6,
    });
    expect(found(text, ['b', 'absent'], 2)).toBe('b:');
  });

  test('that are merged, in the order in which kubectl merges', () => {
    const text =
      'a: &a {x: 1, w: 2}\nb: &b {x: 3, z: 4}\nc:\n  x: 5\n  <<: [*a, *b]\n  z: 6\nd:\n  <<: {x: 7}\n  x: 8\n';
    expect(found(text, ['c', 'x'])).toBe('1, w: 2}');
    expect(found(text, ['c', 'w'])).toBe('2}');
    expect(found(text, ['c', 'z'])).toBe('6');
    expect(found(text, ['d', 'x'])).toBe('8');
  });

  test('behind lines that are not indented enough', () => {
    expect(found('a: [\nb,\nc\n]\nd:\n- e: f\n', ['a', 1])).toBe('c');
    expect(found('a: [\nb,\nc\n]\nd:\n- e: f\n', ['d', 0, 'e'])).toBe('f');
  });

  test('of texts that cannot be read stand at their beginning', () => {
    expect(found('a: [\n', ['a', 0])).toBe('a: [');
    expect(found('a: &a\n  <<: *a\n', ['a', 'b'])).toBe('a: &a');
  });
});

describe('fields of JSON', () => {
  const text = `\n{ "apiVersion": "v1",\n  "spec": {"ports": [{"port": 80}, {"p\\u006frt" : -1.5e3,\n "a": {}}], "s": "}{\\"", "n": null },\n  "x": 1, "x": {"y": true}, "z": [] }\n`;

  test.each([
    [['apiVersion'], '"v1",'],
    [['spec', 'ports'], '"ports": [{"port": 80}, {"p\\u006frt" : -1.5e3,'],
    [['spec', 'ports', 0], '{"port": 80}, {"p\\u006frt" : -1.5e3,'],
    [['spec', 'ports', 1, 'port'], '-1.5e3,'],
    [['spec', 'ports', 1, 'a', 'b'], '"a": {}}], "s": "}{\\"", "n": null },'],
    [['spec', 'ports', 2], '"ports": [{"port": 80}, {"p\\u006frt" : -1.5e3,'],
    [['spec', 's'], '"}{\\"", "n": null },'],
    [['spec', 'n'], 'null },'],
    [['x', 'y'], 'true}, "z": [] }'],
    [['x', 'z'], '"x": {"y": true}, "z": [] }'],
    [['z', 0], '"z": [] }'],
    [['nothing'], '{ "apiVersion": "v1",'],
  ] as [FieldPath, string][])('%j', (path, expected) => {
    expect(found(text, path)).toBe(expected);
  });

  test('of documents in a row', () => {
    expect(found('{"a":1}{"a":2}\n{"a":\n3}', ['a'], 1)).toBe('2}');
    expect(found('{"a":1}{"a":2}\n{"a":\n3}', ['a'], 2)).toBe('3}');
    expect(found('{"a":1}\n---\n{"b":2,}\n', ['b'], 1)).toBe('2,}');
  });
});

describe('diagnostics', () => {
  test('keep their order, and the places that they have', () => {
    const placed: Diagnostic = { ...about(['a']), place: { file: 'a', line: 77 } };
    const free = diagnostic('simulated', 'x');
    const unknown = { ...about(['a']), origin: { file: 'b', document: 0, path: [] } };
    const missing = about(['a'], 5);
    const sources = [
      { name: 'c', text: 'a: 0' },
      { name: 'a', text: 'x: 1\na: 2\n' },
    ];
    const result = placeDiagnostics([about([], 0, ['a']), placed, free, unknown, missing, about(['x'])], sources);
    expect(result.map(({ place }) => place?.line)).toEqual([2, 77, undefined, undefined, undefined, 1]);
    expect(result.slice(1, 5)).toEqual([placed, free, unknown, missing]);
  });

  test('add the path in the object to the path of the object', () => {
    const text = 'kind: List\nitems:\n- a: 1\n- a: 2\n';
    const [first] = placeDiagnostics([about(['items', 1], 0, ['a'])], [{ name: 'a', text }]);
    expect(first?.place).toEqual({ file: 'a', line: 4, column: 6 });
  });
});

describe('large lists', () => {
  const count = 6_000;
  const items = Array.from({ length: count }, (_, i) => ({
    kind: 'X',
    apiVersion: 'v1',
    note: `a\n- ${i}\n`,
    value: `mark-${i}`,
    list: [{ port: 70_000 + i }],
  }));
  const whole = { apiVersion: 'v1', kind: 'List', items, metadata: { x: 'w' } };

  test.each([
    ['YAML', dump(whole)],
    ['YAML, not indented', dump(whole, { seqNoIndent: true })],
    ['JSON', JSON.stringify(whole, null, 2)],
    [
      'YAML with a quoted scalar that looks like items',
      dump(whole, { seqNoIndent: true }).replace('value: mark-0', 'value: "mark-0\n- x\n- y"'),
    ],
  ])('%s: many at a time', (_, text) => {
    expect(text.length).toBeGreaterThan(500_000);
    const { objects, diagnostics } = readObjects([{ name: 'a', text }]);
    expect([objects.length, diagnostics]).toEqual([count, []]);
    const wanted = [5, 0, 5_999, 777, 3_456];
    const places = placeDiagnostics(
      [
        ...wanted.map((i) => ({
          ...about([]),
          origin: objects[i]?.origin ?? { file: '', document: 0, path: [] },
          path: ['list', 0, 'port'],
        })),
        ...wanted.map((i) => about(['items', i], 0, ['absent'])),
      ],
      [{ name: 'a', text }],
    );
    const lines = text.split('\n');
    const lineOf = (place: Diagnostic['place']) => lines[(place?.line ?? 0) - 1] ?? '';
    expect(places.slice(0, 5).map(({ place }) => lineOf(place).slice((place?.column ?? 0) - 1))).toEqual(
      wanted.map((i) => String(70_000 + i)),
    );
    for (const [k, i] of wanted.entries()) {
      const line = places[5 + k]?.place?.line ?? 0;
      const item = lines.slice(line - 1, line + 12).join('\n');
      expect(item.indexOf(`mark-${i}`)).toBeGreaterThan(0);
    }
  });

  test('a field outside the items', () => {
    expect(found(dump(whole), ['metadata', 'x'])).toBe('w');
    expect(found(dump(whole), ['items', 30_000])).toMatch(/^items:/);
  });
});

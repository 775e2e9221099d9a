import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { dump } from 'js-yaml';
import { describe, expect, test } from 'vitest';
import type { Diagnostic } from '../../src/kube/diagnostics.js';
import type { LocatedObject } from '../../src/kube/objects.js';
import { readObjects } from '../../src/kube/read.js';

function read(...texts: string[]) {
  return readObjects(texts.map((text, i) => ({ name: `${'abc'[i]}.yaml`, text })));
}

/** Kind and name, file, document and path of every object. */
function listing(...texts: string[]): string[] {
  return read(...texts).objects.map(({ object, origin }) => {
    const { name } = (object.metadata ?? {}) as { name?: string };
    return `${object.apiVersion} ${object.kind} ${name} ${origin?.file}#${origin?.document} ${origin?.path.join('.')}`.trim();
  });
}

function lines(diagnostics: readonly Diagnostic[]): string[] {
  return diagnostics.map(({ severity, code, message, origin, place }) => {
    const where =
      place === undefined ? `#${origin?.document} ${origin?.path.join('.')}` : `${place.line}:${place.column}`;
    return `${severity} ${code} ${where} ${message}`;
  });
}

const service = (name: string) => `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\n`;

interface PeerCase {
  readonly name: string;
  readonly input: string;
  readonly objects?: readonly unknown[];
  readonly objectError?: string;
}

const PEER = (
  JSON.parse(readFileSync(new URL('yaml-peer.json', import.meta.url), 'utf8')) as readonly PeerCase[]
).filter(
  ({ objects, objectError, name }) => (objects ?? objectError) !== undefined && !/^(value|item|key) /.test(name),
);

describe('objects, against kubectl v1.36', () => {
  test.each(PEER.map((each) => [each.name, each] as const))('%s', (_, peer) => {
    const { objects, diagnostics } = read(peer.input);
    if (peer.objectError !== undefined) expect(diagnostics.map(({ severity }) => severity)).toContain('error');
    else {
      expect(diagnostics).toEqual([]);
      expect(objects.map(({ object }) => object)).toEqual(peer.objects);
    }
  });

  test('the record has objects and refusals', () => {
    expect(PEER.filter(({ objects }) => objects !== undefined).length).toBeGreaterThan(8);
    expect(PEER.filter(({ objectError }) => objectError !== undefined).length).toBeGreaterThan(100);
  });
});

describe('origins', () => {
  test('count texts, documents and items', () => {
    const list = `apiVersion: v1\nkind: List\nitems:\n- ${service('c').replaceAll('\n', '\n  ')}\n- {apiVersion: v1, kind: Node}\n`;
    expect(
      listing(`${service('a')}---\n# nothing\n---\n${service('b')}`, list, '{"apiVersion":"v1","kind":"Node"}'),
    ).toEqual([
      'v1 Service a a.yaml#0',
      'v1 Service b a.yaml#2',
      'v1 Service c b.yaml#0 items.0',
      'v1 Node undefined b.yaml#0 items.1',
      'v1 Node undefined c.yaml#0',
    ]);
  });

  test('go down into lists in lists, whose items get their kind', () => {
    const text = JSON.stringify({
      apiVersion: 'v1',
      kind: 'List',
      items: [
        { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSliceList', items: [{ metadata: { name: 'a' } }] },
        { apiVersion: 'v1', kind: 'ServiceList', items: null },
        { apiVersion: 'v1', kind: 'ServiceList', items: [{ apiVersion: 'v2', kind: 'Other' }] },
      ],
    });
    expect(listing(text)).toEqual([
      'discovery.k8s.io/v1 EndpointSlice a a.yaml#0 items.0.items.0',
      'v2 Other undefined a.yaml#0 items.2.items.0',
    ]);
  });

  test('a kind that only sounds like a list is an object', () => {
    expect(listing('apiVersion: example.com/v1\nkind: AllowList\nspec: {}\n')).toHaveLength(1);
    expect(listing('apiVersion: v1\nkind: List\n')).toHaveLength(1);
  });
});

describe('what is wrong', () => {
  test('is told document by document, with the line in the whole text', () => {
    const { objects, diagnostics } = read(
      [
        service('a'),
        'a: [\n',
        service('b'),
        '- x\n',
        'x: 1\n',
        'x: {a: 1\n\n',
        '{"a": 1,\n "b" 2}\n',
        service('c'),
      ].join('---\n'),
    );
    expect(objects.map(({ origin }) => origin?.document)).toEqual([0, 2, 7]);
    expect(lines(diagnostics)).toEqual([
      'error invalid-yaml 5:5 this is no YAML: unexpected end of the stream within a flow collection.',
      'error not-an-object #3  this document is a list, no object.',
      'error not-an-object #4  this document has no apiVersion and no kind.',
      'error invalid-yaml 15:9 this is no YAML: unexpected end of the stream within a flow collection.',
      'error invalid-json 19:6 this is no JSON: a colon is expected, not "2".',
    ]);
  });

  test.each([
    ['a missing version', 'kind: Service\n', 'this document has no apiVersion.'],
    ['an empty kind', 'apiVersion: v1\nkind: ""\n', 'this document has no kind.'],
    ['a kind that is a number', 'apiVersion: v1\nkind: 1\n', 'this document has no kind.'],
    ['a text', 'hello\n', 'this document is the text "hello", no object.'],
    ['a number', '12\n', 'this document is 12, no object.'],
  ])('%s', (_, text, message) => {
    const { objects, diagnostics } = read(text);
    expect(objects).toEqual([]);
    expect(lines(diagnostics)).toEqual([`error not-an-object #0  ${message}`]);
  });

  test('items of a list', () => {
    const { objects, diagnostics } = read(
      'apiVersion: v1\nkind: List\nitems:\n-\n- apiVersion: v1\n  kind: Node\n- a\n- kind: Node\n- []\n',
    );
    expect(objects).toHaveLength(1);
    expect(lines(diagnostics)).toEqual([
      'error not-an-object #0 items.0 item 0 of the List is null, no object.',
      'error not-an-object #0 items.2 item 2 of the List is the text "a", no object.',
      'error not-an-object #0 items.3 item 3 of the List has no apiVersion.',
      'error not-an-object #0 items.4 item 4 of the List is a list, no object.',
    ]);
  });

  test('items that are no list', () => {
    const { objects, diagnostics } = read('apiVersion: v1\nkind: ServiceList\nitems: {a: 1}\n');
    expect(objects).toEqual([]);
    expect(diagnostics.map(({ code, path }) => [code, path])).toEqual([['invalid-field', ['items']]]);
  });

  test('a text with a NUL character, as a whole', () => {
    const { objects, diagnostics } = read(`${service('a')}---\n${service('b')}# \0`, service('c'));
    expect(objects.map(({ origin }) => origin?.file)).toEqual(['b.yaml']);
    expect(lines(diagnostics)).toEqual(['error binary-input 8:3 there is a NUL character in it.']);
  });

  test.each([
    ['a comma too many is YAML', '{"a": 1,}', undefined],
    ['a missing comma', '{\n"a": 1\n"b": 2}', 'invalid-json 3:1'],
    ['a missing value', '[{"a": 1, "b": }, x: y: z]', 'invalid-json 1:16'],
    ['a bad escape', '{"a": "\\q"}', 'invalid-json 1:8'],
    ['a cut-off text', '{"a": {"b": [1, 2', 'invalid-json 1:18'],
    ['a cut-off string', '{"a": "b', 'invalid-json 1:9'],
    ['a cut-off escape', '{"a": "\\', 'invalid-json 1:9'],
    ['a brace too many', '{"a": 1}}', 'invalid-json 1:9'],
    ['a bare word and a missing comma', '{"a": b "c": d}', 'invalid-yaml 1:12'],
    ['a repeated bare key', '{a: 1, a: 2}', 'invalid-yaml 1:8'],
  ])('JSON: %s', (_, text, expected) => {
    const found = read(text).diagnostics.filter(({ code }) => code !== 'not-an-object');
    expect(found.map(({ code, place }) => `${code} ${place?.line}:${place?.column}`)).toEqual(
      expected === undefined ? [] : [expected],
    );
  });
});

describe('large texts', () => {
  // Few objects with long texts: what counts is that there is more than one piece.
  const count = 400;
  const items = Array.from({ length: count }, (_, i) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `service-${i}`, annotations: { note: `# no comment: ${i}\n- no item\n`.repeat(50) } },
    spec: { clusterIP: `10.0.${i >> 8}.${i & 255}`, ports: [{ port: (i % 65_535) + 1, name: 'http' }, { port: 2 }] },
  }));
  const list = { apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: '' } };
  // A difference between thousands of objects would take minutes to print.
  const areItems = (objects: readonly LocatedObject[]) =>
    isDeepStrictEqual(
      objects.map(({ object }) => object),
      items,
    );

  test.each([
    ['not indented', dump({ ...list, items }, { seqNoIndent: true })],
    ['indented, items first', dump({ items, ...list })],
    [
      'with comments between',
      dump({ items, ...list })
        .replaceAll(/^ {2}- /gm, '# comment\n\n  - ')
        .replace(/$/, '# end\n'),
    ],
    ['dashes on their own lines', dump({ items, ...list }).replaceAll(/^ {2}- /gm, '  -\n    ')],
    ['CRLF', dump({ ...list, items }, { seqNoIndent: true }).replaceAll('\n', '\r\n')],
  ])('are read piece by piece as in one: list %s', (_, text) => {
    expect(text.length).toBeGreaterThan(600_000);
    const { objects, diagnostics } = read(text);
    expect(diagnostics).toEqual([]);
    expect(areItems(objects)).toBe(true);
    expect(objects.at(-1)?.origin?.path).toEqual(['items', count - 1]);
  });

  test.each([
    [
      'aliases from piece to piece',
      (text: string) => text.replace('name: service-0', 'name: &n service-0').replace('name: service-399', 'name: *n'),
      'service-0',
    ],
    [
      'a quoted scalar over lines that look like items',
      (text: string) => text.replace('name: service-399', 'name: "service\n- 1\n- 2"'),
      'service - 1 - 2',
    ],
  ])('are read as a whole with %s', (_, change, name) => {
    const text = change(dump({ ...list, items }, { seqNoIndent: true }));
    const { objects, diagnostics } = read(text);
    expect(diagnostics).toEqual([]);
    expect(objects).toHaveLength(count);
    expect(objects.at(-1)?.object.metadata).toMatchObject({ name });
  });

  test.each([
    ['in an item', (text: string) => text.replace('name: service-300\n', 'name: service-300\n   x: 1\n')],
    ['around the items', (text: string) => `${text}items: []\n`],
    ['at the end', (text: string) => `${text}x: [\n`],
  ])('name the line of what is wrong %s', (_, change) => {
    const good = dump({ ...list, items }, { seqNoIndent: true });
    const text = change(good);
    const { objects, diagnostics } = read(text);
    expect(objects).toEqual([]);
    const line = diagnostics[0]?.place?.line ?? 0;
    const changed = text.split('\n');
    const expected = good.split('\n').findIndex((each, i) => each !== changed[i]) + 1;
    expect(Math.abs(line - expected)).toBeLessThanOrEqual(1);
  });

  test('may be many documents', () => {
    const text = items.map((item) => dump(item)).join('---\n');
    expect(text.length).toBeGreaterThan(500_000);
    expect(areItems(read(text).objects)).toBe(true);
    expect(read(text).objects.at(-1)?.origin?.document).toBe(count - 1);
    const broken = text.replace('name: service-200\n', 'name: [service-200\n');
    const { objects, diagnostics } = read(broken);
    expect(objects).toHaveLength(count - 1);
    expect(diagnostics.map(({ origin }) => origin?.document)).toEqual([200]);
  });
});

test('what js-yaml writes is read again, in one text or many documents', () => {
  const name = fc.string({
    unit: fc.constantFrom('a', '-', ':', '#', ' ', '"', "'", '1', '\n', 'é', '{', '~'),
    maxLength: 8,
  });
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      name,
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 3 }),
      tie('map'),
    ),
    map: fc.dictionary(name, tie('value'), { maxKeys: 3 }),
  }));
  const object = value.map((spec) => ({ apiVersion: 'v1', kind: 'X', spec }));
  fc.assert(
    fc.property(fc.array(object, { maxLength: 4 }), fc.boolean(), (objects, seqNoIndent) => {
      const texts = objects.map((each) => dump(each, { seqNoIndent, noRefs: true }));
      const plain = JSON.parse(JSON.stringify(objects)) as unknown;
      expect(read(texts.join('---\n')).objects.map((each) => each.object)).toEqual(plain);
      expect(
        read(dump({ apiVersion: 'v1', kind: 'List', items: objects }, { seqNoIndent })).objects.map(
          (each) => each.object,
        ),
      ).toEqual(plain);
      expect(read(objects.map((each) => JSON.stringify(each)).join('\n')).objects.map((each) => each.object)).toEqual(
        plain,
      );
    }),
  );
});

/** Places against another YAML parser: where we say that a value stands, `yaml` must say so too. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isPair, isScalar, isSeq, LineCounter, parseAllDocuments, visit } from 'yaml';
import { diagnostic, type FieldPath } from '../../src/kube/diagnostics.js';
import { placeDiagnostics } from '../../src/kube/locate.js';
import { findCases } from '../support/case.js';

interface Spot {
  readonly document: number;
  readonly path: FieldPath;
  readonly line: number;
  readonly column: number;
}

/** Every scalar value of a text, and where it starts. */
function scalars(text: string): readonly Spot[] {
  const lineCounter = new LineCounter();
  const spots: Spot[] = [];
  for (const [document, parsed] of parseAllDocuments(text, { lineCounter }).entries()) {
    visit(parsed, {
      Scalar(key, node, ancestors) {
        if (key === 'key' || !node.range) return;
        const { line, col } = lineCounter.linePos(node.range[0]);
        const path: (string | number)[] = [];
        for (const [i, each] of [...ancestors, node].entries()) {
          const parent = ancestors[i - 1];
          if (isSeq(parent)) path.push(parent.items.indexOf(each));
          else if (isPair(each) && isScalar(each.key)) path.push(String(each.key.value));
        }
        spots.push({ document, path, line, column: col });
      },
    });
  }
  return spots;
}

describe('places of all values', () => {
  const files = [...findCases('golden').map((folder) => join(folder, 'objects.yaml')), 'examples/shop/services.yaml'];

  it.each(files)('%s', (file) => {
    const text = readFileSync(file, 'utf8');
    const spots = scalars(text);
    expect(spots.length).toBeGreaterThan(5);
    const asked = spots.map(({ document, path }) =>
      diagnostic('invalid-field', 'x', { path, origin: { file, document, path: [] } }),
    );
    const found = placeDiagnostics(asked, [{ name: file, text }]);
    expect(found.map(({ place }) => [place?.line, place?.column])).toEqual(
      spots.map(({ line, column }) => [line, column]),
    );
  });
});

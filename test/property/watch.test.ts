/** Compiling again after single changes gives the same bytes as compiling everything anew. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  applyWatchEvent,
  type Compiled,
  createCompiler,
  emptyState,
  FAMILIES,
  loadCluster,
  PROXY_MODES,
  partText,
  type RawObject,
  type WatchEventType,
} from '../../src/index.js';
import { parseNode } from '../../src/kube/node.js';
import { contestedCluster, randomCluster } from './random-cluster.js';

interface Event {
  readonly type: WatchEventType;
  readonly object: RawObject;
}

const key = ({ kind, metadata }: RawObject): string => `${kind} ${JSON.stringify(metadata)}`.replace(/,"labels".*/, '');

/** What was said, in no order. */
const saidBy = ({ diagnostics }: Compiled): readonly string[] =>
  diagnostics.map(({ code, object, message }) => `${code} ${object}: ${message}`).sort();

/** Events that lead from any objects of two clusters to exactly those of the second, with detours. */
const events = fc
  .oneof(
    { weight: 3, arbitrary: fc.tuple(randomCluster, randomCluster) },
    { weight: 1, arbitrary: fc.tuple(contestedCluster, contestedCluster) },
  )
  .chain(([before, after]) => {
    const wanted = new Set(after.objects.map(key));
    const add = (object: RawObject): Event => ({ type: 'ADDED', object });
    const gone = before.objects.filter((object) => !wanted.has(key(object)));
    return fc
      .tuple(
        fc.shuffledSubarray([...before.objects], { minLength: before.objects.length }),
        fc.shuffledSubarray(
          [
            ...after.objects.map((object): Event => ({ type: 'MODIFIED', object })),
            ...gone.map((object): Event => ({ type: 'DELETED', object })),
          ],
          { minLength: after.objects.length + gone.length },
        ),
      )
      .map(([first, second]) => ({ events: [...first.map(add), ...second], after }));
  });

it.each(PROXY_MODES)('events in any order lead to the same text as the whole listing, in mode %s', (mode) => {
  fc.assert(
    fc.property(events, ({ events: sequence, after }) => {
      const nodeObject = after.objects.find((object) => object.kind === 'Node' && key(object).includes(after.node));
      const node = nodeObject && parseNode({ object: nodeObject }, []);
      if (node === undefined) throw new Error('no node');
      for (const family of FAMILIES) {
        const settings = { node, family, mode, config: after.config };
        const compiler = createCompiler(settings);
        const state = emptyState();
        let last = compiler(state);
        for (const { type, object } of sequence) {
          expect(applyWatchEvent(state, type, object).filter((each) => each.severity === 'error')).toEqual([]);
          last = compiler(state);
        }
        const fresh = createCompiler(settings)(loadCluster(after.objects.map((object) => ({ object }))).state);
        expect(last.parts.map(partText).join('')).toBe(fresh.parts.map(partText).join(''));
        expect(saidBy(last)).toEqual(saidBy(fresh));
      }
    }),
    { numRuns: 40 },
  );
});

it('a wrong object changes nothing and is named', () => {
  const state = emptyState();
  const service = (port: unknown): RawObject => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web' },
    spec: { clusterIP: '10.96.0.1', ports: [{ port }] },
  });
  expect(applyWatchEvent(state, 'ADDED', service(80))).toEqual([]);
  const before = state.services.get('default/web');
  expect(applyWatchEvent(state, 'MODIFIED', service(0))).toMatchObject([
    { code: 'invalid-port', object: 'Service default/web', path: ['spec', 'ports', 0, 'port'] },
  ]);
  expect(state.services.get('default/web')).toBe(before);
  expect(applyWatchEvent(state, 'DELETED', service(0))).toEqual([]);
  expect(state.services.size).toBe(0);
});

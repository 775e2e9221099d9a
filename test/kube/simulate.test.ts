import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import type { LocatedObject, RawObject } from '../../src/kube/objects.js';
import { simulate } from '../../src/kube/simulate/simulate.js';
import { node, placed, pod, run, service, workload } from './simulate-support.js';

const TUTORIAL = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: nginx, image: nginx, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
`;

/** A bit of everything. */
const CLUSTER: RawObject[] = [
  service('a', '{type: LoadBalancer, externalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80}]}'),
  service(
    'b',
    '{type: NodePort, ipFamilyPolicy: PreferDualStack, selector: {app: web}, ports: [{port: 80}, {name: x, port: 81}]}',
  ),
  service('c', '{clusterIP: None, selector: {app: web}}'),
  service('d', '{clusterIP: 10.97.0.1, ports: [{port: 80, nodePort: 30000}]}', 'namespace: other'),
  ...Array.from({ length: 12 }, (_, i) => service(`s${i}`, '{type: NodePort, ports: [{port: 80}]}')),
  workload('Deployment', 'web', 'replicas: 5'),
  workload('ReplicaSet', 'web', 'replicas: 5'),
  workload('StatefulSet', 'db', 'replicas: 3, serviceName: c'),
  workload('DaemonSet', 'agent'),
  pod('p', 'status: {podIP: 10.244.0.7}'),
  pod('q'),
  pod('r', '', 'namespace: other, labels: {app: web}'),
  node('n2'),
  node('n1', '{podCIDR: 10.244.1.0/24}'),
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' } },
];

const locate = (objects: readonly RawObject[]): LocatedObject[] => objects.map((object) => ({ object }));
const sorted = (values: readonly unknown[]): string[] => values.map((each) => JSON.stringify(each)).sort();

test('a Deployment and a Service, nothing else', () => {
  const outcome = run(parseAllDocuments(TUTORIAL).map((document) => document.toJS() as RawObject));
  expect(outcome.errors).toEqual([]);
  // One Pod on each of three nodes, whose podCIDRs are 10.244.0.0/24 and so on.
  const places = placed(outcome.pods).map((each) => each.replace(/^.*@(node-\d)=10\.244\.(\d)\.\d+$/, '$1 $2'));
  expect(places.sort()).toEqual(['node-1 0', 'node-2 1', 'node-3 2']);
  const [slice, ...more] = outcome.slices;
  expect(more).toEqual([]);
  expect(slice?.ports).toEqual([{ name: '', protocol: 'TCP', port: 8080 }]);
  expect(slice?.endpoints.map((each) => each.addresses[0]).sort()).toEqual(
    outcome.pods.map((each) => each.status?.podIP).sort(),
  );
  expect(outcome.services.web?.spec?.clusterIP).toMatch(/^10\.(9[6-9]|10\d|11[01])\.\d+\.\d+$/);
  // Three nodes, three Pods, a cluster IP, a slice.
  expect(outcome.notes).toHaveLength(8);
});

describe('the result', () => {
  test('does not depend on the order of the input', () => {
    const expected = simulate(locate(CLUSTER));
    const property = fc.property(fc.shuffledSubarray(CLUSTER, { minLength: CLUSTER.length }), (shuffled) => {
      const { objects, pods, diagnostics } = simulate(locate(shuffled));
      expect(sorted(objects.map((each) => each.object))).toEqual(sorted(expected.objects.map((each) => each.object)));
      expect(pods).toEqual(expected.pods);
      expect(diagnostics).toEqual(expected.diagnostics);
    });
    fc.assert(property, { numRuns: 25 });
  });

  test('stays the same for one Service when others come and go', () => {
    const all = run(CLUSTER).services;
    const { a, b } = run(CLUSTER.filter((object) => !/^s\d/.test((object.metadata as { name: string }).name))).services;
    expect(a).toEqual(all.a);
    expect(b).toEqual(all.b);
  });

  test('is complete: simulating it again adds nothing but Pods', () => {
    const once = simulate(locate(CLUSTER)).objects;
    const twice = simulate(once);
    expect(twice.objects).toEqual(once);
    expect(twice.diagnostics.filter((each) => !each.object?.startsWith('Pod'))).toEqual([]);
  });

  test('keeps order and origin of what was given', () => {
    const origin = { file: 'x.yaml', document: 3, path: [] };
    const given = [
      { object: service('web', '{}'), origin },
      { object: pod('p'), origin },
      { object: node('n'), origin },
    ];
    const { objects, diagnostics } = simulate(given);
    expect(objects.slice(0, 3).map(({ object }) => object.kind)).toEqual(['Service', 'Pod', 'Node']);
    expect(objects.slice(0, 3).map((each) => each.origin)).toEqual([origin, origin, origin]);
    expect(diagnostics.every((each) => each.origin === origin && each.code === 'simulated')).toBe(true);
  });

  test('leaves the input as it was', () => {
    const before = JSON.stringify(CLUSTER);
    const freeze = (value: unknown): unknown => {
      if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
      return value;
    };
    simulate(locate(freeze(JSON.parse(before)) as RawObject[]));
    simulate(locate(CLUSTER));
    expect(JSON.stringify(CLUSTER)).toBe(before);
  });

  test('has no Pods that were made among its objects, but the given ones with what they lacked', () => {
    const { objects } = simulate(locate([workload('Deployment', 'web'), pod('p')]));
    const pods = objects.map(({ object }) => object).filter((object) => object.kind === 'Pod');
    expect(pods).toMatchObject([
      { metadata: { name: 'p' }, spec: { nodeName: expect.any(String) }, status: { phase: 'Running' } },
    ]);
  });
});

describe('malformed input', () => {
  const KINDS = [
    ['v1', 'Service'],
    ['v1', 'Pod'],
    ['v1', 'Node'],
    ['v1', 'Endpoints'],
    ['v1', 'ReplicationController'],
    ['discovery.k8s.io/v1', 'EndpointSlice'],
    ['apps/v1', 'Deployment'],
    ['apps/v1', 'StatefulSet'],
    ['apps/v1', 'DaemonSet'],
  ] as const;

  test('never throws, and comes through as it is', () => {
    const top = fc.record({
      metadata: fc.jsonValue(),
      spec: fc.jsonValue(),
      status: fc.jsonValue(),
      subsets: fc.jsonValue(),
      endpoints: fc.jsonValue(),
    });
    const property = fc.property(fc.array(fc.tuple(fc.constantFrom(...KINDS), top)), (drawn) => {
      const objects = drawn.map(([[apiVersion, kind], rest]) => ({ apiVersion, kind, ...rest }));
      expect(
        simulate(locate(objects))
          .objects.slice(0, objects.length)
          .map(({ object }) => object),
      ).toEqual(objects);
    });
    fc.assert(property, { numRuns: 150 });
  });

  test('any field of any type in otherwise sound objects', () => {
    const paths = CLUSTER.flatMap((object, i) => fieldPaths(object).map((path) => [i, path] as const));
    const property = fc.property(fc.constantFrom(...paths), fc.jsonValue(), ([index, path], value) => {
      const broken = CLUSTER.map((object, i) => (i === index ? (replaced(object, path, value) as RawObject) : object));
      expect(simulate(locate(broken)).objects.length).toBeGreaterThanOrEqual(CLUSTER.length);
    });
    fc.assert(property, { numRuns: 150 });
  });

  /** Paths to everything below metadata, spec and status. */
  function fieldPaths(value: unknown): string[][] {
    if (typeof value !== 'object' || value === null) return [];
    return Object.entries(value)
      .flatMap(([key, each]) => [[key], ...fieldPaths(each).map((rest) => [key, ...rest])])
      .filter(([first]) => first !== 'kind' && first !== 'apiVersion');
  }

  function replaced(object: unknown, [step, ...rest]: string[], value: unknown): unknown {
    if (step === undefined) return value;
    if (Array.isArray(object))
      return object.map((each, i) => (String(i) === step ? replaced(each, rest, value) : each));
    const fields = object as Record<string, unknown>;
    return { ...fields, [step]: replaced(fields[step], rest, value) };
  }
});

describe('options', () => {
  test.each([
    [{ serviceClusterIPRange: '10.96.0.0' }],
    [{ serviceClusterIPRange: '10.96.0.0/12,10.0.0.0/12' }],
    [{ serviceClusterIPRange: '10.96.0.0/12,fd00::/112,10.0.0.0/8' }],
    [{ serviceClusterIPRange: '' }],
    [{ clusterCIDR: 'x' }],
    [{ loadBalancerRange: '192.0.2.1-192.0.2.9' }],
    [{ nodeRange: '1.2.3.4/33' }],
    [{ nodePortRange: '30000' }],
    [{ nodePortRange: '32767-30000' }],
    [{ nodePortRange: '0-10' }],
    [{ nodePortRange: '1-65536' }],
    [{ nodes: 0 }],
    [{ nodes: 1.5 }],
    [{ nodes: 1001 }],
  ])('%j is refused by name', (options) => {
    const { objects, diagnostics } = simulate(locate(CLUSTER), options);
    expect(objects.map(({ object }) => object)).toEqual(CLUSTER);
    expect(diagnostics.map((each) => each.code)).toEqual(['invalid-config']);
    expect(diagnostics[0]?.message).toContain(`option ${Object.keys(options)[0]}: `);
  });

  test('ranges of one family leave the other at its default', () => {
    const { nodes } = run([], { clusterCIDR: '10.9.0.0/16', serviceClusterIPRange: '10.96.0.0/16,fd00::/112' });
    expect(nodes['node-1']?.spec?.podCIDRs).toEqual(['10.9.0.0/24', 'fd00:10:244::/64']);
  });

  test('a cluster CIDR for fewer nodes than there are', () => {
    const { errors } = run([], { clusterCIDR: '10.9.0.0/23' });
    expect(errors).toEqual(['simulate-exhausted Node node-3']);
  });
});

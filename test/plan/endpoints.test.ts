import { describe, expect, it } from 'vitest';
import { parseEndpointSlice } from '../../src/kube/endpointslice.js';
import type { ServicePort } from '../../src/kube/service.js';
import { chooseEndpoints, mergeEndpoints } from '../../src/plan/endpoints.js';

const HTTP: ServicePort = { name: 'http', protocol: 'TCP', port: 80, nodePort: undefined };

interface Given {
  readonly ip: string;
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
  readonly node?: string;
  readonly zones?: readonly string[];
  readonly nodes?: readonly string[];
}

function slice(name: string, endpoints: readonly Given[], ports: readonly unknown[] = [{ name: 'http', port: 8080 }]) {
  const diagnostics: never[] = [];
  const parsed = parseEndpointSlice(
    {
      object: {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { name, labels: { 'kubernetes.io/service-name': 'web' } },
        addressType: 'IPv4',
        ports,
        endpoints: endpoints.map(({ ip, ready, serving, terminating, node, zones, nodes }) => ({
          addresses: [ip],
          conditions: { ready, serving, terminating },
          nodeName: node,
          hints: { forZones: zones?.map((each) => ({ name: each })), forNodes: nodes?.map((each) => ({ name: each })) },
        })),
      },
    },
    diagnostics,
  );
  expect(diagnostics).toEqual([]);
  if (parsed === undefined) throw new Error('no slice');
  return parsed;
}

const merged = (...slices: readonly ReturnType<typeof slice>[]) => mergeEndpoints(slices, HTTP, 'ipv4', 'here');
const texts = (endpoints: readonly { readonly text: string }[]) => endpoints.map(({ text }) => text);

describe('mergeEndpoints', () => {
  it('sorts bytewise by the text of the endpoint', () => {
    const given = [{ ip: '10.0.0.2' }, { ip: '10.0.0.10' }, { ip: '10.0.0.1' }];
    expect(texts(merged(slice('a', given)).endpoints)).toEqual(['10.0.0.10:8080', '10.0.0.1:8080', '10.0.0.2:8080']);
  });

  it('matches ports by name and protocol', () => {
    const ports = [
      { name: 'http', protocol: 'UDP', port: 1 },
      { name: '', port: 2 },
      { name: 'http', port: 3 },
      { name: 'http', protocol: 'TCP', port: 4 },
      { name: 'http' },
    ];
    expect(texts(merged(slice('a', [{ ip: '10.0.0.1' }], ports)).endpoints)).toEqual(['10.0.0.1:3', '10.0.0.1:4']);
  });

  it('lets a running copy beat a terminating one, in either order', () => {
    const running = slice('a', [{ ip: '10.0.0.1' }]);
    const leaving = slice('b', [{ ip: '10.0.0.1', ready: false, terminating: true }]);
    for (const slices of [
      [running, leaving],
      [leaving, running],
    ]) {
      const { endpoints, contradictory } = merged(...slices);
      expect(endpoints.map((each) => each.source.terminating)).toEqual([false]);
      expect(contradictory).toEqual([]);
    }
  });

  it('takes the last of several running copies, and says that this was a choice', () => {
    const { endpoints, contradictory } = merged(
      slice('a', [{ ip: '10.0.0.1', node: 'here' }]),
      slice('b', [{ ip: '10.0.0.1', node: 'there' }]),
    );
    expect(endpoints.map((each) => each.local)).toEqual([false]);
    expect(contradictory).toMatchObject([{ endpoint: '10.0.0.1:8080', slices: [{ name: 'a' }, { name: 'b' }] }]);
  });

  it('finds nothing contradictory in equal copies', () => {
    const copy = [{ ip: '10.0.0.1', node: 'here', zones: ['a'] }];
    expect(merged(slice('a', copy), slice('b', copy)).contradictory).toEqual([]);
  });
});

describe('chooseEndpoints', () => {
  const from = { nodeName: 'here', zone: 'zone-a' };
  const choose = (given: readonly Given[], uses: { cluster: boolean; local: boolean }) => {
    const choice = chooseEndpoints(merged(slice('a', given)).endpoints, uses, from);
    const ips = (list: readonly { readonly text: string }[]) =>
      texts(list).map((text) => text.replace(/^10\.0\.0\.|:8080$/g, ''));
    return {
      topology: choice.topology,
      cluster: ips(choice.cluster),
      local: ips(choice.local),
      reachable: ips(choice.reachable),
      any: choice.any,
    };
  };
  const both = { cluster: true, local: true };
  const leaving = { ready: false, serving: true, terminating: true };

  it.each<[string, readonly Given[], { cluster: boolean; local: boolean }, ReturnType<typeof choose>]>([
    ['nothing', [], both, { topology: 'none', cluster: [], local: [], reachable: [], any: false }],
    [
      'all ready ones under policy Cluster',
      [{ ip: '10.0.0.1' }, { ip: '10.0.0.2', ready: false, serving: true }],
      { cluster: true, local: false },
      { topology: 'none', cluster: ['1'], local: [], reachable: ['1'], any: true },
    ],
    [
      'terminating ones when none is ready',
      [
        { ip: '10.0.0.1', ...leaving },
        { ip: '10.0.0.2', ...leaving, serving: false },
        { ip: '10.0.0.3', ready: false, serving: true },
      ],
      { cluster: true, local: false },
      { topology: 'none', cluster: ['1'], local: [], reachable: ['1'], any: true },
    ],
    [
      'no terminating one beside a ready one',
      [{ ip: '10.0.0.1', ...leaving }, { ip: '10.0.0.2' }],
      { cluster: true, local: false },
      { topology: 'none', cluster: ['2'], local: [], reachable: ['2'], any: true },
    ],
    [
      'local ready ones under policy Local',
      [
        { ip: '10.0.0.1', node: 'here' },
        { ip: '10.0.0.2', node: 'there' },
        { ip: '10.0.0.3', node: 'here', ...leaving },
      ],
      both,
      { topology: 'none', cluster: ['1', '2'], local: ['1'], reachable: ['1', '2'], any: true },
    ],
    [
      'local terminating ones when no local one is ready, beside all ready ones elsewhere',
      [
        { ip: '10.0.0.1', node: 'here', ...leaving },
        { ip: '10.0.0.2', node: 'there' },
      ],
      both,
      { topology: 'none', cluster: ['2'], local: ['1'], reachable: ['1', '2'], any: true },
    ],
    [
      'an endpoint elsewhere means drop, not reject',
      [{ ip: '10.0.0.2', node: 'there' }],
      { cluster: false, local: true },
      { topology: 'none', cluster: [], local: [], reachable: [], any: true },
    ],
    [
      'a useless endpoint means reject',
      [{ ip: '10.0.0.2', node: 'there', ready: false, serving: false, terminating: true }],
      { cluster: false, local: true },
      { topology: 'none', cluster: [], local: [], reachable: [], any: false },
    ],
    [
      'those hinted for the zone',
      [
        { ip: '10.0.0.1', zones: ['zone-a'] },
        { ip: '10.0.0.2', zones: ['zone-b'] },
        { ip: '10.0.0.3', zones: ['zone-b', 'zone-a'] },
      ],
      { cluster: true, local: false },
      { topology: 'zone', cluster: ['1', '3'], local: [], reachable: ['1', '3'], any: true },
    ],
    [
      'all when one has no hint',
      [{ ip: '10.0.0.1', zones: ['zone-a'] }, { ip: '10.0.0.2' }],
      { cluster: true, local: false },
      { topology: 'none', cluster: ['1', '2'], local: [], reachable: ['1', '2'], any: true },
    ],
    [
      'all when no hint is for here',
      [
        { ip: '10.0.0.1', zones: ['zone-b'] },
        { ip: '10.0.0.2', zones: ['zone-c'] },
      ],
      { cluster: true, local: false },
      { topology: 'none', cluster: ['1', '2'], local: [], reachable: ['1', '2'], any: true },
    ],
    [
      'node hints before zone hints',
      [
        { ip: '10.0.0.1', zones: ['zone-a'], nodes: ['there'] },
        { ip: '10.0.0.2', zones: ['zone-b'], nodes: ['here'] },
      ],
      { cluster: true, local: false },
      { topology: 'node', cluster: ['2'], local: [], reachable: ['2'], any: true },
    ],
    [
      'hints of unready ones do not matter',
      [
        { ip: '10.0.0.1', zones: ['zone-a'] },
        { ip: '10.0.0.2', ready: false },
      ],
      { cluster: true, local: false },
      { topology: 'zone', cluster: ['1'], local: [], reachable: ['1'], any: true },
    ],
    [
      'a local one outside the zone is reachable too',
      [
        { ip: '10.0.0.1', zones: ['zone-a'], node: 'there' },
        { ip: '10.0.0.2', zones: ['zone-b'], node: 'here' },
      ],
      both,
      { topology: 'zone', cluster: ['1'], local: ['2'], reachable: ['1', '2'], any: true },
    ],
  ])('%s', (_what, given, uses, expected) => {
    expect(choose(given, uses)).toEqual(expected);
  });
});

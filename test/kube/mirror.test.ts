import type { V1Endpoint, V1EndpointSlice, V1EndpointSubset, V1Endpoints } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import { isMirrored, mirrorEndpoints } from '../../src/kube/mirror.js';

/** Endpoints shop/web with these subsets. */
function endpoints(subsets: V1EndpointSubset[], metadata: V1Endpoints['metadata'] = {}): V1Endpoints {
  return { metadata: { name: 'web', namespace: 'shop', ...metadata }, subsets };
}

/** `IPv4 http/TCP/80: 10.0.0.1 10.0.0.2!`, a `!` after addresses that are not ready. */
function summary(slices: readonly V1EndpointSlice[]): string[] {
  return slices.map((slice) => {
    const ports = (slice.ports ?? []).map((port) => `${port.name}/${port.protocol}/${port.port}`).join();
    const ready = (endpoint: V1Endpoint) => (endpoint.conditions?.ready ? '' : '!');
    const list = slice.endpoints.map((endpoint) => endpoint.addresses.join('+') + ready(endpoint)).join(' ');
    return `${slice.addressType} ${ports}: ${list}`;
  });
}

describe('mirrorEndpoints', () => {
  test('copies everything that a slice can hold', () => {
    const targetRef = { kind: 'Pod', namespace: 'shop', name: 'p', uid: 'u' };
    const [slice, ...more] = mirrorEndpoints(
      endpoints(
        [
          {
            addresses: [{ ip: '10.0.0.1', nodeName: 'n1', hostname: 'h', targetRef }],
            notReadyAddresses: [{ ip: '10.0.0.2' }],
            ports: [{ name: 'http', port: 80, appProtocol: 'kubernetes.io/h2c' }],
          },
        ],
        {
          labels: { team: 'x', 'kubernetes.io/service-name': 'other' },
          annotations: {
            note: 'kept',
            'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:00Z',
            'kubectl.kubernetes.io/last-applied-configuration': '{}',
          },
        },
      ),
    );
    expect(more).toEqual([]);
    expect(slice).toEqual({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: expect.stringMatching(/^web-[b-df-hj-np-tv-xz24-9]{5}$/),
        namespace: 'shop',
        labels: {
          team: 'x',
          'kubernetes.io/service-name': 'web',
          'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io',
        },
        annotations: { note: 'kept' },
      },
      addressType: 'IPv4',
      ports: [{ name: 'http', protocol: 'TCP', port: 80, appProtocol: 'kubernetes.io/h2c' }],
      endpoints: [
        { addresses: ['10.0.0.1'], conditions: { ready: true }, hostname: 'h', nodeName: 'n1', targetRef },
        { addresses: ['10.0.0.2'], conditions: { ready: false } },
      ],
    });
  });

  test('splits by family, prints addresses canonically and leaves out what is none', () => {
    const ips = ['10.0.0.1', 'FD00::0:1', 'host', '', '010.0.0.2'];
    const slices = mirrorEndpoints(endpoints([{ addresses: ips.map((ip) => ({ ip })), ports: [{ port: 80 }] }]));
    expect(summary(slices)).toEqual(['IPv4 /TCP/80: 10.0.0.1 10.0.0.2', 'IPv6 /TCP/80: fd00::1']);
  });

  test('repacks: each set of addresses gets its ports, as one slice', () => {
    const [a, b] = [
      { name: 'a', port: 80 },
      { name: 'b', port: 81 },
    ];
    const slices = mirrorEndpoints(
      endpoints([
        { addresses: [{ ip: '10.0.0.1' }], ports: [a, b] },
        { addresses: [{ ip: '10.0.0.2' }], ports: [a] },
      ]),
    );
    expect(summary(slices)).toEqual(['IPv4 a/TCP/80: 10.0.0.1 10.0.0.2', 'IPv4 b/TCP/81: 10.0.0.1']);
    const same = mirrorEndpoints(
      endpoints([
        { addresses: [{ ip: '10.0.0.1', nodeName: 'n1' }], ports: [a] },
        { addresses: [{ ip: '10.0.0.1', nodeName: 'n2' }], ports: [b] },
      ]),
    );
    expect(summary(same)).toEqual(['IPv4 a/TCP/80,b/TCP/81: 10.0.0.1']);
    expect(same[0]?.endpoints[0]?.nodeName).toBe('n1');
  });

  test('an address that is both is not ready', () => {
    const once = [{ ip: '10.0.0.1' }];
    const ports = [{ port: 80 }];
    const twice = [{ addresses: once, notReadyAddresses: once, ports }];
    expect(summary(mirrorEndpoints(endpoints(twice)))).toEqual(['IPv4 /TCP/80: 10.0.0.1!']);
    for (const appProtocol of [undefined, 'x']) {
      const subset = { ports: [{ port: 80, ...(appProtocol && { appProtocol }) }] };
      const subsets = [
        { ...subset, notReadyAddresses: once },
        { ...subset, addresses: once },
      ];
      expect(summary(mirrorEndpoints(endpoints(subsets)))).toEqual(['IPv4 /TCP/80: 10.0.0.1!']);
      expect(summary(mirrorEndpoints(endpoints(subsets.reverse())))).toEqual(['IPv4 /TCP/80: 10.0.0.1!']);
    }
  });

  test('two Pods with one address are two endpoints', () => {
    const addresses = ['p', 'q'].map((name) => ({ ip: '10.0.0.1', targetRef: { kind: 'Pod', name, uid: name } }));
    const slices = mirrorEndpoints(endpoints([{ addresses, ports: [{ port: 80 }] }]));
    expect(summary(slices)).toEqual(['IPv4 /TCP/80: 10.0.0.1 10.0.0.1']);
  });

  test('addresses without ports give a slice without ports, unless the same addresses offer some', () => {
    expect(summary(mirrorEndpoints(endpoints([{ addresses: [{ ip: '10.0.0.1' }] }])))).toEqual(['IPv4 : 10.0.0.1']);
    const subsets = [{ addresses: [{ ip: '10.0.0.1' }] }, { addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }];
    expect(summary(mirrorEndpoints(endpoints(subsets)))).toEqual(['IPv4 /TCP/80: 10.0.0.1']);
  });

  test('ports of one name on one set of addresses are what the API server refuses', () => {
    const ports = [
      { name: 'a', port: 80 },
      { name: 'a', port: 80, protocol: 'UDP' },
    ];
    const subsets = [
      { addresses: [{ ip: '10.0.0.1' }], ports },
      { addresses: [{ ip: '10.0.0.2' }], ports: [{ name: 'b', port: 81 }] },
    ];
    expect(summary(mirrorEndpoints(endpoints(subsets)))).toEqual(['IPv4 b/TCP/81: 10.0.0.2']);
  });

  test('takes a thousand addresses of a subset, ready ones first, in order of their text', () => {
    const ip = (i: number) => `10.${1 + Math.floor(i / 250)}.0.${1 + (i % 250)}`;
    const list = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => ({ ip: ip(from + i) }));
    // 10.5.0.x are the last 200 texts of 1200.
    const [all] = mirrorEndpoints(endpoints([{ addresses: list(0, 1200), ports: [{ port: 80 }] }]));
    expect(all?.endpoints).toHaveLength(1000);
    expect(all?.endpoints.filter((endpoint) => endpoint.addresses[0]?.startsWith('10.5.'))).toEqual([]);
    // 300 are not ready; their texts come first, but 900 ready ones leave room for only 100 of them.
    const subset = { addresses: list(300, 1200), notReadyAddresses: list(0, 300), ports: [{ port: 80 }] };
    const [mixed] = mirrorEndpoints(endpoints([subset]));
    expect(mixed?.endpoints.filter((endpoint) => endpoint.conditions?.ready === false)).toHaveLength(100);
    expect(mixed?.endpoints).toHaveLength(1000);
  });

  test('no addresses, no slices', () => {
    expect(mirrorEndpoints({ metadata: { name: 'web' } })).toEqual([]);
    expect(mirrorEndpoints(endpoints([]))).toEqual([]);
    expect(mirrorEndpoints(endpoints([{ ports: [{ port: 80 }] }]))).toEqual([]);
  });

  test('names differ within an object, between objects, and not between runs', () => {
    const subsets = [
      { addresses: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }], ports: [{ name: 'a', port: 80 }] },
      { addresses: [{ ip: '10.0.0.2' }], ports: [{ name: 'b', port: 80 }] },
    ];
    const names = (given: V1Endpoints) => mirrorEndpoints(given).map((slice) => slice.metadata?.name);
    const first = names(endpoints(subsets));
    expect(new Set(first).size).toBe(3);
    expect(names(endpoints([...subsets].reverse()))).toEqual(first);
    expect(names(endpoints(subsets, { namespace: 'other' }))).not.toEqual(first);
    const long = names(endpoints(subsets, { name: 'x'.repeat(63) }));
    expect(long[0]).toMatch(/^x{58}[^x]{5}$/);
  });
});

describe('isMirrored', () => {
  const withLabel = (value: string) => endpoints([], { labels: { 'endpointslice.kubernetes.io/skip-mirror': value } });
  test.each([
    ['nothing said', endpoints([]), true],
    ['no metadata', {}, true],
    ['skip-mirror: true', withLabel('true'), false],
    ['skip-mirror: True', withLabel('True'), true],
    ['leader lock', endpoints([], { annotations: { 'control-plane.alpha.kubernetes.io/leader': '' } }), false],
  ])('%s', (_, given, expected) => {
    expect(isMirrored(given)).toBe(expected);
  });
});

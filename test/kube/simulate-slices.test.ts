import type { V1Endpoint } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import type { RawObject } from '../../src/kube/objects.js';
import { node, type Outcome, pod, run, service, workload } from './simulate-support.js';

const WEB = 'selector: {app: web}, ports: [{port: 80}]';
/** Status of a Pod with this address. */
const at = (ip: string, more = '') =>
  `status: {phase: Running, podIP: ${ip}, conditions: [{type: Ready, status: 'True'}] ${more}}`;
const on = (nodeName: string) => `spec: {nodeName: ${nodeName}, containers: [{name: c}]}`;

/** `IPv4 /TCP/80: 10.0.0.1 10.0.0.2` for each slice of the outcome. */
function summary(outcome: Outcome): string[] {
  return outcome.slices.map((slice) => {
    const ports = (slice.ports ?? []).map((port) => `${port.name}/${port.protocol}/${port.port}`).join();
    return `${slice.addressType} ${ports}: ${slice.endpoints.map((each) => each.addresses.join('+')).join(' ')}`;
  });
}

/** The endpoints of Service `web` for these Pods. */
function endpoints(pods: RawObject[], spec = `{${WEB}}`, others: RawObject[] = []): V1Endpoint[] {
  return run([...pods, ...others, service('web', spec)]).slices.flatMap((slice) => slice.endpoints);
}

const conditions = (ready: boolean, serving: boolean, terminating: boolean) => ({ ready, serving, terminating });

describe('an EndpointSlice', () => {
  test('is what the controller writes', () => {
    const labels = "uid: s1, labels: {team: x, service.kubernetes.io/headless: 'no', kubernetes.io/service-name: y}";
    const given = [
      node('n1', '{podCIDR: 10.0.0.0/24}', 'labels: {topology.kubernetes.io/zone: za}'),
      pod('p', `${on('n1')}, ${at('10.0.0.9')}`, 'uid: p1, labels: {app: web, more: x}'),
      service(
        'web',
        '{selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080, appProtocol: h2c}]}',
        labels,
      ),
    ];
    const { slices, notes } = run(given);
    expect(slices).toEqual([
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: {
          name: expect.stringMatching(/^web-[b-df-hj-np-tv-xz24-9]{5}$/),
          namespace: 'default',
          labels: {
            team: 'x',
            'kubernetes.io/service-name': 'web',
            'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
          },
          ownerReferences: [
            { apiVersion: 'v1', kind: 'Service', name: 'web', uid: 's1', controller: true, blockOwnerDeletion: true },
          ],
        },
        addressType: 'IPv4',
        ports: [{ name: 'http', protocol: 'TCP', port: 8080, appProtocol: 'h2c' }],
        endpoints: [
          {
            addresses: ['10.0.0.9'],
            conditions: { ready: true, serving: true, terminating: false },
            nodeName: 'n1',
            zone: 'za',
            targetRef: { kind: 'Pod', namespace: 'default', name: 'p', uid: 'p1' },
          },
        ],
      },
    ]);
    const name = slices[0]?.metadata?.name;
    expect(notes).toContain(`EndpointSlice default/${name}: written for Service web: 1 endpoint, 8080/TCP.`);
  });

  test('has the headless label exactly for a headless Service', () => {
    const { slices } = run([service('web', `{clusterIP: None, ${WEB}}`)]);
    expect(slices[0]?.metadata?.labels?.['service.kubernetes.io/headless']).toBe('');
  });

  test('is empty for a Service that selects nothing', () => {
    const outcome = run([service('web', `{${WEB}}`), pod('other', '', 'labels: {app: webb}')]);
    expect(summary(outcome)).toEqual(['IPv4 : ']);
    expect(outcome.notes).toContain('Service default/web: its selector "app=web" selects no Pod.');
  });

  test('is not written without a selector, for ExternalName, and where slices are given', () => {
    const slice = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4', endpoints: [] };
    const labels = { 'kubernetes.io/service-name': 'given' };
    const given = { ...slice, metadata: { name: 'mine', labels } };
    const elsewhere = {
      ...slice,
      metadata: { name: 'mine', namespace: 'x', labels: { 'kubernetes.io/service-name': 'web' } },
    };
    const outcome = run([
      given,
      elsewhere,
      service('bare', '{ports: [{port: 80}]}'),
      service('empty', '{selector: {}, ports: [{port: 80}]}'),
      service('out', '{type: ExternalName, externalName: a.b, selector: {app: web}}'),
      service('given', `{${WEB}}`),
      service('web', `{${WEB}}`),
    ]);
    const made = outcome.slices.filter((each) => each.metadata?.name !== 'mine');
    expect(made.map((each) => each.metadata?.labels?.['kubernetes.io/service-name'])).toEqual(['web']);
  });

  test('selects by all labels, and within the namespace', () => {
    const pods = [
      pod('both', at('10.0.0.1'), 'labels: {app: web, tier: a}'),
      pod('one', at('10.0.0.2'), 'labels: {app: web}'),
      pod('wrong', at('10.0.0.3'), 'labels: {app: web, tier: b}'),
      pod('away', at('10.0.0.4'), 'namespace: x, labels: {app: web, tier: a}'),
      pod('inherited', at('10.0.0.5'), 'labels: {app: web}'),
    ];
    const select = (selector: string) =>
      endpoints(pods, `{selector: ${selector}, ports: [{port: 80}]}`).map((each) => each.addresses[0]);
    expect(select('{app: web, tier: a}')).toEqual(['10.0.0.1']);
    expect(select('{app: web, constructor: x}')).toEqual([]);
  });

  test('holds a hundred endpoints at most', () => {
    const { slices } = run([workload('Deployment', 'web', 'replicas: 130'), service('web', `{${WEB}}`)]);
    expect(slices.map((slice) => slice.endpoints.length)).toEqual([100, 30]);
    expect(new Set(slices.map((slice) => slice.metadata?.name)).size).toBe(2);
    const ips = slices.flatMap((slice) => slice.endpoints.map((each) => each.addresses[0]));
    expect(new Set(ips).size).toBe(130);
  });

  test('is one for each family of the Service', () => {
    const dual =
      '{phase: Running, podIPs: [{ip: 10.0.0.1}, {ip: fd00::1}], conditions: [{type: Ready, status: "True"}]}';
    const pods = [pod('p', `status: ${dual}`), pod('q', at('10.0.0.2'))];
    const slices = (spec: string) => summary(run([...pods, service('web', `{${WEB}, ${spec}}`)]));
    expect(slices('ipFamilyPolicy: PreferDualStack')).toEqual([
      'IPv4 /TCP/80: 10.0.0.1 10.0.0.2',
      'IPv6 /TCP/80: fd00::1',
    ]);
    expect(slices('ipFamilies: [IPv6]')).toEqual(['IPv6 /TCP/80: fd00::1']);
  });
});

describe('ports', () => {
  const withPort = (name: string, ip: string, port: string, isSidecar = false) => {
    const container = `{name: d, restartPolicy: Always, ports: [${port}]}`;
    const containers = isSidecar ? `[{name: c}], initContainers: [${container}]` : `[${container}]`;
    return pod(name, `spec: {containers: ${containers}}, ${at(ip)}`);
  };
  const named = (protocol = 'TCP') =>
    `{selector: {app: web}, ports: [{name: x, port: 80, protocol: ${protocol}, targetPort: http}]}`;

  test('named ones come from the containers, a slice for each number and one for Pods without', () => {
    const pods = [
      withPort('a', '10.0.0.1', '{name: http, containerPort: 8080}'),
      withPort('b', '10.0.0.2', '{name: http, containerPort: 9090}'),
      withPort('c', '10.0.0.3', '{name: other, containerPort: 8080}'),
      withPort('d', '10.0.0.4', '{name: http, containerPort: 53, protocol: UDP}'),
      withPort('e', '10.0.0.5', '{name: http, containerPort: 8080}'),
    ];
    const tcp = run([...pods, service('web', named())]);
    expect(summary(tcp).sort()).toEqual([
      'IPv4 : 10.0.0.3 10.0.0.4',
      'IPv4 x/TCP/8080: 10.0.0.1 10.0.0.5',
      'IPv4 x/TCP/9090: 10.0.0.2',
    ]);
    expect(tcp.notes).toContain(
      'Service default/web: target port "http" is no TCP container port of 2 of the 5 Pods that it selects.',
    );
    const udp = run([...pods, service('web', named('UDP'))]);
    expect(summary(udp).sort()).toEqual(['IPv4 : 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.5', 'IPv4 x/UDP/53: 10.0.0.4']);
  });

  test('sidecars have ports, other init containers have none', () => {
    const sidecar = withPort('a', '10.0.0.1', '{name: http, containerPort: 8081}', true);
    const init = JSON.parse(
      JSON.stringify(sidecar).replace('"restartPolicy":"Always",', '').replaceAll('10.0.0.1', '10.0.0.2'),
    );
    init.metadata.name = 'b';
    expect(summary(run([sidecar, init, service('web', named())])).sort()).toEqual([
      'IPv4 : 10.0.0.2',
      'IPv4 x/TCP/8081: 10.0.0.1',
    ]);
  });

  test('a Service port that the Pods lack leaves the others', () => {
    const ports = 'ports: [{name: a, port: 80, targetPort: http}, {name: b, port: 81}]';
    const outcome = run([pod('p', at('10.0.0.1')), service('web', `{selector: {app: web}, ${ports}}`)]);
    expect(summary(outcome)).toEqual(['IPv4 b/TCP/81: 10.0.0.1']);
  });

  test('a headless Service needs none', () => {
    const outcome = run([pod('p', at('10.0.0.1')), service('web', '{clusterIP: None, selector: {app: web}}')]);
    expect(summary(outcome)).toEqual(['IPv4 : 10.0.0.1']);
  });
});

describe('conditions', () => {
  const unready = "status: {phase: Running, podIP: 10.0.0.1, conditions: [{type: Ready, status: 'False'}]}";
  const unknown = 'status: {phase: Running, podIP: 10.0.0.1, conditions: [{type: Ready, status: Unknown}]}';
  const leaving = 'labels: {app: web}, deletionTimestamp: "2026-01-01T00:00:00Z"';
  test.each([
    ['ready', pod('p', at('10.0.0.1')), conditions(true, true, false), conditions(true, true, false)],
    ['not ready', pod('p', unready), conditions(false, false, false), conditions(true, false, false)],
    ['unknown', pod('p', unknown), conditions(false, false, false), conditions(true, false, false)],
    ['leaving', pod('p', at('10.0.0.1'), leaving), conditions(false, true, true), conditions(true, true, true)],
    ['leaving, not ready', pod('p', unready, leaving), conditions(false, false, true), conditions(true, false, true)],
    ['without a status', pod('p'), conditions(true, true, false), conditions(true, true, false)],
    [
      'with an address and nothing else',
      pod('p', 'status: {podIP: 10.0.0.1}'),
      conditions(true, true, false),
      conditions(true, true, false),
    ],
    [
      'without conditions but Pending',
      pod('p', 'status: {phase: Pending, podIP: 10.0.0.1}'),
      conditions(false, false, false),
      conditions(true, false, false),
    ],
  ])('%s', (_, given, usual, published) => {
    expect(endpoints([given]).map((each) => each.conditions)).toEqual([usual]);
    expect(endpoints([given], `{publishNotReadyAddresses: true, ${WEB}}`).map((each) => each.conditions)).toEqual([
      published,
    ]);
  });

  test('Pods that are over or have no address are no endpoints', () => {
    const over = ['Succeeded', 'Failed'].map((phase) =>
      pod(phase.toLowerCase(), `status: {phase: ${phase}, podIP: 10.0.0.1}`),
    );
    expect(endpoints([...over, pod('waiting', 'status: {phase: Pending}')])).toEqual([]);
  });
});

describe('node, zone, hostname', () => {
  test('the hostname only in the Service that is its subdomain', () => {
    const given = pod('p', `spec: {containers: [{name: c}], hostname: h, subdomain: web}, ${at('10.0.0.1')}`);
    expect(endpoints([given])[0]?.hostname).toBe('h');
    const { slices } = run([given, service('other', `{${WEB}}`)]);
    expect(slices[0]?.endpoints[0]).not.toHaveProperty('hostname');
  });

  test('Pods of a StatefulSet have their names in its own Service', () => {
    const made = run([
      workload('StatefulSet', 'db', 'replicas: 2, serviceName: db'),
      service('db', `{clusterIP: None, ${WEB}}`),
    ]);
    expect(made.slices[0]?.endpoints.map((each) => each.hostname)).toEqual(['db-0', 'db-1']);
  });
});

describe('hints', () => {
  const nodes = [node('n1', '{}', 'labels: {topology.kubernetes.io/zone: za}'), node('n2')];
  const pods = [
    pod('a', `${on('n1')}, ${at('10.0.0.1')}`),
    pod('b', `${on('n2')}, ${at('10.0.0.2')}`),
    pod('c', `${on('n1')}, ${at('10.0.0.3')}`, 'labels: {app: web}, deletionTimestamp: x'),
  ];
  const zone = { forZones: [{ name: 'za' }] };
  const hints = (spec: string) => endpoints(pods, `{${WEB}, ${spec}}`, nodes).map((each) => each.hints);
  test.each([
    ['PreferClose', [zone, undefined, undefined]],
    ['PreferSameZone', [zone, undefined, undefined]],
    ['PreferSameNode', [{ ...zone, forNodes: [{ name: 'n1' }] }, { forNodes: [{ name: 'n2' }] }, undefined]],
    ['Other', [undefined, undefined, undefined]],
  ])('%s', (distribution, expected) => {
    expect(hints(`trafficDistribution: ${distribution}`)).toEqual(expected);
  });

  test('published endpoints that are not ready get them too', () => {
    const given = hints('trafficDistribution: PreferClose, publishNotReadyAddresses: true');
    expect(given).toEqual([zone, undefined, zone]);
  });

  test('those of topology-mode Auto are missing, and said to be', () => {
    const auto = service('web', `{${WEB}}`, 'annotations: {service.kubernetes.io/topology-mode: Auto}');
    expect(run([...pods, ...nodes, auto]).notes).toContain(
      'Service default/web: the topology hints that its annotation asks for are not given.',
    );
  });
});

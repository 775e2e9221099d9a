/** The environment variables of Services, as the kubelet makes them. */

import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadCluster, located, podEnvironment } from '../../src/index.js';

const service = (name: string, spec: string, namespace = 'shop'): string =>
  `{apiVersion: v1, kind: Service, metadata: {name: ${name}, namespace: ${namespace}}, spec: {${spec}}}`;

const KUBERNETES = service('kubernetes', 'clusterIP: 10.96.0.1, ports: [{name: https, port: 443}]', 'default');

const KUBERNETES_LINES = [
  'KUBERNETES_PORT=tcp://10.96.0.1:443',
  'KUBERNETES_PORT_443_TCP=tcp://10.96.0.1:443',
  'KUBERNETES_PORT_443_TCP_ADDR=10.96.0.1',
  'KUBERNETES_PORT_443_TCP_PORT=443',
  'KUBERNETES_PORT_443_TCP_PROTO=tcp',
  'KUBERNETES_SERVICE_HOST=10.96.0.1',
  'KUBERNETES_SERVICE_PORT=443',
  'KUBERNETES_SERVICE_PORT_HTTPS=443',
];

function environment(
  services: readonly string[],
  pod: { namespace?: string; enableServiceLinks?: boolean } = {},
): { lines: string[]; said: string[] } {
  const loaded = loadCluster(located(services.map((text) => parse(text))));
  expect(loaded.diagnostics.filter((each) => each.severity === 'error')).toEqual([]);
  const { variables, diagnostics } = podEnvironment(loaded.state, {
    namespace: 'shop',
    name: 'web-0',
    enableServiceLinks: true,
    address: undefined,
    isOver: false,
    origin: undefined,
    ...pod,
  });
  return {
    lines: variables.map(({ name, value }) => `${name}=${value}`),
    said: diagnostics.map((each) => `${each.code}: ${each.object}: ${each.message}`),
  };
}

/** Without those of the Service kubernetes. */
function own(...services: readonly string[]): readonly string[] {
  const { lines } = environment([KUBERNETES, ...services]);
  expect(lines.filter((line) => line.startsWith('KUBERNETES_'))).toEqual(KUBERNETES_LINES);
  return lines.filter((line) => !line.startsWith('KUBERNETES_'));
}

describe('variables of a Service', () => {
  it('with one port without a name', () => {
    expect(own(service('foo-bar', 'clusterIP: 1.2.3.4, ports: [{port: 8080}]'))).toEqual([
      'FOO_BAR_PORT=tcp://1.2.3.4:8080',
      'FOO_BAR_PORT_8080_TCP=tcp://1.2.3.4:8080',
      'FOO_BAR_PORT_8080_TCP_ADDR=1.2.3.4',
      'FOO_BAR_PORT_8080_TCP_PORT=8080',
      'FOO_BAR_PORT_8080_TCP_PROTO=tcp',
      'FOO_BAR_SERVICE_HOST=1.2.3.4',
      'FOO_BAR_SERVICE_PORT=8080',
    ]);
  });

  it('with two ports of one number: what is there once is of the first', () => {
    const ports = 'ports: [{name: u-d-p, port: 8081, protocol: UDP}, {name: t-c-p, port: 8081, protocol: TCP}]';
    expect(own(service('abc-123', `clusterIP: 5.6.7.8, ${ports}`))).toEqual([
      'ABC_123_PORT=udp://5.6.7.8:8081',
      'ABC_123_PORT_8081_TCP=tcp://5.6.7.8:8081',
      'ABC_123_PORT_8081_TCP_ADDR=5.6.7.8',
      'ABC_123_PORT_8081_TCP_PORT=8081',
      'ABC_123_PORT_8081_TCP_PROTO=tcp',
      'ABC_123_PORT_8081_UDP=udp://5.6.7.8:8081',
      'ABC_123_PORT_8081_UDP_ADDR=5.6.7.8',
      'ABC_123_PORT_8081_UDP_PORT=8081',
      'ABC_123_PORT_8081_UDP_PROTO=udp',
      'ABC_123_SERVICE_HOST=5.6.7.8',
      'ABC_123_SERVICE_PORT=8081',
      'ABC_123_SERVICE_PORT_T_C_P=8081',
      'ABC_123_SERVICE_PORT_U_D_P=8081',
    ]);
  });

  it('of IPv6: brackets in URLs, the address as it was written', () => {
    expect(own(service('six', "clusterIP: '2001:DB8::', ports: [{port: 84, protocol: SCTP}]"))).toEqual([
      'SIX_PORT=sctp://[2001:DB8::]:84',
      'SIX_PORT_84_SCTP=sctp://[2001:DB8::]:84',
      'SIX_PORT_84_SCTP_ADDR=2001:DB8::',
      'SIX_PORT_84_SCTP_PORT=84',
      'SIX_PORT_84_SCTP_PROTO=sctp',
      'SIX_SERVICE_HOST=2001:DB8::',
      'SIX_SERVICE_PORT=84',
    ]);
  });

  it('of dual stack: the first cluster IP only', () => {
    const spec =
      "clusterIP: 'fd00::20', clusterIPs: ['fd00::20', 10.0.0.20], ipFamilies: [IPv6, IPv4], ports: [{port: 80}]";
    const lines = own(service('web', spec));
    expect(lines).toContain('WEB_SERVICE_HOST=fd00::20');
    expect(lines.join()).not.toContain('10.0.0.20');
  });

  it.each([
    ['headless', 'clusterIP: None, ports: [{port: 80}]'],
    ['an ExternalName', 'type: ExternalName, externalName: example.com, ports: [{port: 80}]'],
  ])('there are none of %s', (_title, spec) => {
    expect(own(service('web', spec))).toEqual([]);
  });

  it.each(['type: NodePort, ', 'type: LoadBalancer, ', 'selector: {app: web}, '])('there are with %s', (spec) => {
    expect(own(service('web', `${spec}clusterIP: 10.0.0.20, ports: [{port: 80}]`))).toHaveLength(7);
  });

  it('there are none without a cluster IP, which is said', () => {
    const { said } = environment([KUBERNETES, service('web', 'ports: [{port: 80}]')]);
    expect(said).toEqual(['no-cluster-ip: Service shop/web: no cluster IP, so no variables.']);
  });
});

describe('which Services a Pod gets', () => {
  const web = service('web', 'clusterIP: 10.0.0.20, ports: [{port: 80}]');
  const other = service('other', 'clusterIP: 10.0.0.21, ports: [{port: 80}]', 'lab');
  const defaults = service('extra', 'clusterIP: 10.0.0.22, ports: [{port: 80}]', 'default');
  const services = [KUBERNETES, web, other, defaults];
  const hosts = (pod: { namespace?: string; enableServiceLinks?: boolean }): readonly string[] =>
    environment(services, pod).lines.filter((line) => line.includes('_SERVICE_HOST='));

  it.each([
    [{ namespace: 'shop' }, ['KUBERNETES', 'WEB']],
    [{ namespace: 'lab' }, ['KUBERNETES', 'OTHER']],
    [{ namespace: 'default' }, ['EXTRA', 'KUBERNETES']],
    [{ namespace: 'empty' }, ['KUBERNETES']],
    [{ namespace: 'shop', enableServiceLinks: false }, ['KUBERNETES']],
    [{ namespace: 'default', enableServiceLinks: false }, ['KUBERNETES']],
  ])('%j', (pod, expected) => {
    expect(hosts(pod).map((line) => line.split('_SERVICE')[0])).toEqual(expected);
  });

  it('a Service kubernetes of its own namespace stands in for the real one', () => {
    const shadow = service('kubernetes', 'clusterIP: 10.0.0.9, ports: [{port: 80}]');
    const { lines, said } = environment([KUBERNETES, shadow]);
    expect(lines).toHaveLength(7);
    expect(lines).toContain('KUBERNETES_SERVICE_HOST=10.0.0.9');
    expect(said).toEqual([]);
    expect(environment([KUBERNETES, shadow], { enableServiceLinks: false }).lines).toEqual(KUBERNETES_LINES);
    const headless = service('kubernetes', 'clusterIP: None, ports: [{port: 80}]');
    expect(environment([KUBERNETES, headless]).lines).toEqual(KUBERNETES_LINES);
  });

  it('two Services of one variable are said, the last by name counts', () => {
    const services = [
      KUBERNETES,
      service('web-service', 'clusterIP: 10.0.0.21, ports: [{port: 81}]'),
      service('web', 'clusterIP: 10.0.0.20, ports: [{port: 80}]'),
    ];
    const { lines, said } = environment(services);
    expect(lines).toContain('WEB_SERVICE_PORT=tcp://10.0.0.21:81');
    expect(said).toEqual([
      'env-conflict: Service shop/web-service: it sets WEB_SERVICE_PORT to tcp://10.0.0.21:81, and Service shop/web sets it to 80; which counts is left to chance.',
    ]);
    expect(environment([...services].reverse())).toEqual({ lines, said });
  });

  it('the Service kubernetes is missed', () => {
    const { lines, said } = environment([web]);
    expect(lines).toHaveLength(7);
    expect(said).toEqual([
      'no-kubernetes-service: undefined: the Service default/kubernetes is missing, so the variables KUBERNETES_... are too.',
    ]);
  });
});

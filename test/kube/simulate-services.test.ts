import { describe, expect, test } from 'vitest';
import type { RawObject } from '../../src/kube/objects.js';
import type { SimulateOptions } from '../../src/kube/simulate/simulate.js';
import { type Outcome, run, service } from './simulate-support.js';

/** Ranges with one address or port left to allocate, so that what is allocated can be told beforehand. */
const TIGHT = {
  // .0 is the network, .1 default/kubernetes, .3 the broadcast address.
  serviceClusterIPRange: '10.0.0.0/30',
  nodePortRange: '30080-30080',
};
const DUAL = { serviceClusterIPRange: '10.96.0.0/16,fd00:96::/112' };

/** The Service `web` after a simulation. */
function complete(
  spec: string,
  options?: SimulateOptions,
  others: RawObject[] = [],
): Outcome & { spec: Record<string, unknown> } {
  const outcome = run([service('web', spec), ...others], options);
  return { ...outcome, spec: outcome.services.web?.spec as unknown as Record<string, unknown> };
}

/** Families of `spec.clusterIPs`, with ipFamilies and ipFamilyPolicy. */
function families(spec: string, options?: SimulateOptions): string {
  const done = complete(spec, options);
  if (done.errors.length > 0) return done.errors.join();
  const ips = done.spec.clusterIPs as string[];
  const kinds = ips.map((ip) => (ip === 'None' ? ip : ip.includes(':') ? 'IPv6' : 'IPv4'));
  return `${kinds.join('+')} of ${(done.spec.ipFamilies as string[]).join('+')} ${done.spec.ipFamilyPolicy}`;
}

describe('families, as kube-apiserver 1.36.3 answered for the same Services', () => {
  test.each([
    ['{ports: [{port: 80}]}', 'IPv4 of IPv4 SingleStack'],
    ['{ipFamilyPolicy: PreferDualStack}', 'IPv4+IPv6 of IPv4+IPv6 PreferDualStack'],
    ['{ipFamilyPolicy: RequireDualStack}', 'IPv4+IPv6 of IPv4+IPv6 RequireDualStack'],
    ['{ipFamilies: [IPv6]}', 'IPv6 of IPv6 SingleStack'],
    ['{ipFamilies: [IPv6], ipFamilyPolicy: PreferDualStack}', 'IPv6+IPv4 of IPv6+IPv4 PreferDualStack'],
    ['{ipFamilies: [IPv6, IPv4]}', 'simulate-conflict Service default/web spec.ipFamilyPolicy'],
    ["{clusterIP: 'fd00:96::77'}", 'IPv6 of IPv6 SingleStack'],
    ['{clusterIP: 10.96.0.81, ipFamilyPolicy: PreferDualStack}', 'IPv4+IPv6 of IPv4+IPv6 PreferDualStack'],
    ['{clusterIP: None, selector: {a: b}}', 'None of IPv4 SingleStack'],
    ['{clusterIP: None, selector: {a: b}, ipFamilyPolicy: PreferDualStack}', 'None of IPv4+IPv6 PreferDualStack'],
    ['{clusterIP: None}', 'None of IPv4+IPv6 RequireDualStack'],
    ['{clusterIP: None, ipFamilyPolicy: SingleStack}', 'None of IPv4 SingleStack'],
    ['{clusterIP: None, ipFamilies: [IPv6]}', 'None of IPv6+IPv4 RequireDualStack'],
  ])('%s', (spec, expected) => {
    expect(families(spec, DUAL)).toBe(expected);
    // Nothing asks for another range than the default ones.
    expect(families(spec)).toBe(expected);
  });

  test.each([
    ['{ipFamilyPolicy: PreferDualStack}', 'IPv4 of IPv4 PreferDualStack'],
    ['{ipFamilyPolicy: RequireDualStack}', 'simulate-conflict Service default/web spec.ipFamilyPolicy'],
    ['{ipFamilies: [IPv6]}', 'simulate-conflict Service default/web spec.ipFamilies'],
    [
      '{clusterIP: None, selector: {a: b}, ipFamilies: [IPv6]}',
      'simulate-conflict Service default/web spec.ipFamilies',
    ],
    ['{clusterIP: None}', 'None of IPv4+IPv6 RequireDualStack'],
  ])('%s with one range', (spec, expected) => {
    expect(families(spec, { serviceClusterIPRange: '10.96.0.0/16' })).toBe(expected);
  });

  test('ExternalName gets nothing', () => {
    const { services, notes } = run([service('web', '{type: ExternalName, externalName: a.b, ports: [{port: 80}]}')]);
    expect(services.web?.spec).toEqual({ type: 'ExternalName', externalName: 'a.b', ports: [{ port: 80 }] });
    expect(notes.filter((note) => note.startsWith('Service'))).toEqual([]);
  });
});

describe('cluster IPs', () => {
  test('the only address that is left, and said so', () => {
    const { spec, notes } = complete('{}', TIGHT);
    expect(spec.clusterIP).toBe('10.0.0.2');
    expect(spec.clusterIPs).toEqual(['10.0.0.2']);
    expect(notes).toContain('Service default/web: cluster IP 10.0.0.2 allocated.');
  });

  test('a set one stays, and is not given out again', () => {
    const { spec, errors } = complete('{clusterIP: 10.0.0.2}', TIGHT, [service('second', '{}')]);
    expect(spec.clusterIP).toBe('10.0.0.2');
    expect(errors).toEqual(['simulate-exhausted Service default/second']);
  });

  test('one outside of the range stays too, with a note', () => {
    const { spec, notes, errors } = complete('{clusterIP: 10.9.9.9}', TIGHT);
    expect(spec.clusterIPs).toEqual(['10.9.9.9']);
    expect(errors).toEqual([]);
    expect(notes).toContain('Service default/web: cluster IP 10.9.9.9 is kept although it is outside of 10.0.0.0/30.');
  });

  test('clusterIPs without clusterIP counts', () => {
    expect(complete('{clusterIPs: [10.0.0.2]}', TIGHT).spec.clusterIP).toBe('10.0.0.2');
  });

  test('come from the upper band until that is full', () => {
    // A /27 has 32 addresses, of which 16 are the lower band: .1 to .16; .17 to .30 are 14 addresses.
    const many = Array.from({ length: 15 }, (_, i) => service(`s${i}`, '{}'));
    const last = (outcome: Outcome) =>
      Object.values(outcome.services).map((each) => Number(each.spec?.clusterIP?.slice('10.0.0.'.length)));
    const options = { serviceClusterIPRange: '10.0.0.0/27' };
    const upper = last(run(many.slice(0, 14), options)).sort((a, b) => a - b);
    expect(upper).toEqual([17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30]);
    const lower = last(run(many, options)).filter((each) => each < 17);
    expect(lower).toHaveLength(1);
    expect(lower[0]).toBeGreaterThanOrEqual(2);
  });

  test('leave a 16th of the range to manifests', () => {
    // Of the 512 addresses of a /23 these are .1 to .32; 300 of the other 478 leave no gap of 32 at their start.
    const many = Array.from({ length: 300 }, (_, i) => service(`s${i}`, '{}'));
    const { services } = run(many, { serviceClusterIPRange: '10.0.0.0/23' });
    const ips = Object.values(services).map((each) => (each.spec?.clusterIP ?? '').split('.').map(Number));
    const offsets = ips.map(([, , third = 0, fourth = 0]) => third * 256 + fourth);
    expect(Math.min(...offsets)).toBeGreaterThanOrEqual(33);
    expect(Math.min(...offsets)).toBeLessThan(65);
    expect(Math.max(...offsets)).toBeLessThanOrEqual(510);
  });

  test('depend on the name alone', () => {
    const alone = run([service('web', '{}')]).services.web?.spec?.clusterIP;
    const [first, second] = alone?.split('.').map(Number) ?? [];
    // 10.96.0.0/12 goes to 10.111.255.255.
    expect(first).toBe(10);
    expect((second ?? 0) & 0xf0).toBe(96);
    expect(run([service('a', '{}'), service('web', '{}'), service('z', '{}')]).services.web?.spec?.clusterIP).toBe(
      alone,
    );
    expect(run([service('web', '{}', 'namespace: x')]).services.web?.spec?.clusterIP).not.toBe(alone);
  });
});

/** Node ports of `web` in order. */
function nodePorts(spec: string, options?: SimulateOptions): unknown[] {
  return (complete(spec, options).spec.ports as { nodePort?: number }[]).map((port) => port.nodePort);
}

describe('node ports', () => {
  test('for NodePort and LoadBalancer, not for ClusterIP', () => {
    expect(nodePorts('{type: NodePort, ports: [{port: 80}]}', TIGHT)).toEqual([30080]);
    expect(nodePorts('{type: LoadBalancer, ports: [{port: 80}]}', TIGHT)).toEqual([30080]);
    expect(nodePorts('{ports: [{port: 80}]}', TIGHT)).toEqual([undefined]);
  });

  test('one number for the protocols of one port', () => {
    const ports = '[{name: a, port: 53, protocol: UDP}, {name: b, port: 53}]';
    const { spec, notes } = complete(`{type: NodePort, ports: ${ports}}`, TIGHT);
    expect(spec.ports).toEqual([
      { name: 'a', port: 53, protocol: 'UDP', nodePort: 30080 },
      { name: 'b', port: 53, nodePort: 30080 },
    ]);
    expect(notes).toContain('Service default/web: node port 30080 allocated for port a.');
    expect(notes).toContain('Service default/web: node port 30080 shared with port b.');
  });

  test('a set one serves the ports of its number before and after it; the first counts', () => {
    const port = (name: string, more = '') => `{name: ${name}, port: 53${more}}`;
    const list = (...ports: string[]) => `{type: NodePort, ports: [${ports.join()}]}`;
    expect(nodePorts(list(port('a'), port('b', ', nodePort: 30011')))).toEqual([30011, 30011]);
    const three = list(port('a', ', nodePort: 30012'), port('b', ', nodePort: 30013'), port('c'));
    expect(nodePorts(three)).toEqual([30012, 30013, 30012]);
  });

  test('a set one outside of the range stays, with a note', () => {
    const { spec, notes, errors } = complete('{type: NodePort, ports: [{port: 80, nodePort: 80}]}', TIGHT);
    expect(spec.ports).toEqual([{ port: 80, nodePort: 80 }]);
    expect(errors).toEqual([]);
    expect(notes).toContain('Service default/web: node port 80 is kept although it is outside of 30080-30080.');
  });

  test('none where the manifest wants none', () => {
    const ports = '[{name: a, port: 80, nodePort: 30100}, {name: b, port: 81}]';
    expect(nodePorts(`{type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: ${ports}}`)).toEqual([
      30100,
      undefined,
    ]);
  });

  test('a set one is not given out again, and the range can run out', () => {
    const other = service('a', '{type: NodePort, ports: [{port: 80}]}');
    const range = { nodePortRange: '30080-30080' };
    const { errors } = complete('{type: NodePort, ports: [{port: 80, nodePort: 30080}]}', range, [other]);
    expect(errors).toEqual(['simulate-exhausted Service default/a']);
  });

  test('health checks take one of their own', () => {
    const range = { ...TIGHT, nodePortRange: '30080-30081' };
    const local = 'type: LoadBalancer, externalTrafficPolicy: Local, ports: [{port: 80}]';
    const { spec } = complete(`{${local}}`, range);
    expect([(spec.ports as { nodePort: number }[])[0]?.nodePort, spec.healthCheckNodePort].sort()).toEqual([
      30080, 30081,
    ]);
    expect(complete(`{${local}, healthCheckNodePort: 30081}`, range).spec.ports).toEqual([
      { port: 80, nodePort: 30080 },
    ]);
    expect(complete('{type: LoadBalancer, ports: [{port: 80}]}').spec.healthCheckNodePort).toBeUndefined();
    const nodePort = complete('{type: NodePort, externalTrafficPolicy: Local, ports: [{port: 80}]}');
    expect(nodePort.spec.healthCheckNodePort).toBeUndefined();
  });

  test('come from the upper band', () => {
    // 2768 ports, a 32nd of which is 86: 30000 to 30085 are the lower band.
    const many = Array.from({ length: 300 }, (_, i) => service(`s${i}`, '{type: NodePort, ports: [{port: 80}]}'));
    const ports = Object.values(run(many).services).map((each) => each.spec?.ports?.[0]?.nodePort ?? 0);
    expect(Math.min(...ports)).toBeGreaterThanOrEqual(30086);
    expect(Math.max(...ports)).toBeLessThanOrEqual(32767);
    expect(new Set(ports).size).toBe(300);
  });
});

describe('load-balancer addresses', () => {
  const ingress = (outcome: Outcome) => outcome.services.web?.status?.loadBalancer?.ingress;

  test('one of the range that no other Service has', () => {
    const taken = service('other', '{externalIPs: [192.0.2.2]}');
    const outcome = complete('{type: LoadBalancer, ports: [{port: 80}]}', { loadBalancerRange: '192.0.2.0/30' }, [
      taken,
    ]);
    expect(ingress(outcome)).toEqual([{ ip: '192.0.2.1', ipMode: 'VIP' }]);
    expect(outcome.notes).toContain('Service default/web: load-balancer IP 192.0.2.1 allocated.');
  });

  test('one of each family', () => {
    const dual = complete('{type: LoadBalancer, ipFamilyPolicy: PreferDualStack, ports: [{port: 80}]}', {
      loadBalancerRange: '192.0.2.0/30,2001:db8::/127',
      serviceClusterIPRange: DUAL.serviceClusterIPRange,
    });
    // The first address of an IPv6 network is the routers' anycast address.
    expect(ingress(dual)?.map((each) => each.ip)).toEqual([expect.stringMatching(/^192\.0\.2\.[12]$/), '2001:db8::1']);
  });

  test('loadBalancerIP is honoured', () => {
    const outcome = complete('{type: LoadBalancer, loadBalancerIP: 203.0.113.9, ports: [{port: 80}]}');
    expect(ingress(outcome)).toEqual([{ ip: '203.0.113.9', ipMode: 'VIP' }]);
  });

  test('a status stays as it is', () => {
    const given = service('web', '{type: LoadBalancer, ports: [{port: 80}]}');
    const status = { loadBalancer: { ingress: [{ hostname: 'lb.example.com' }] } };
    expect(run([{ ...given, status }]).services.web?.status).toEqual(status);
  });

  test('only for LoadBalancer', () => {
    expect(ingress(complete('{type: NodePort, ports: [{port: 80}]}'))).toBeUndefined();
  });

  test('a range can run out', () => {
    const spec = '{type: LoadBalancer, ports: [{port: 80}]}';
    const { errors } = run([service('a', spec), service('b', spec), service('c', spec)], {
      loadBalancerRange: '192.0.2.0/30',
    });
    expect(errors).toEqual(['simulate-exhausted Service default/c']);
  });
});

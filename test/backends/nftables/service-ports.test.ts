/** What one Service contributes to the table: each case is a sentence of nftables spec sections 6 and 7. */
import { describe, expect, it } from 'vitest';
import type { RawObject } from '../../../src/index.js';
import { hashedName } from '../../property/nft-model.js';
import { compileSmall, node, service, slice } from '../../support/small-cluster.js';

const HERE = { ip: '10.244.1.1', here: true };
const THERE = { ip: '10.244.2.2' };
const NODE_PORT = { type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort: 30080 }] };
const BALANCER = { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false };
const LOCAL = { externalTrafficPolicy: 'Local' };

/** The name that the chains of default/web:http share; the specification gives it in an example. */
const WEB = 'SUSTUHLJ-default/web/tcp/http';
const TO_HERE = 'meta l4proto tcp dnat ip addr . port to numgen random mod 1 map { 0 : 10.244.1.1 . 8080 }';
const TO_BOTH =
  'meta l4proto tcp dnat ip addr . port to numgen random mod 2 map { 0 : 10.244.1.1 . 8080 , 1 : 10.244.2.2 . 8080 }';

const script = (objects: readonly RawObject[], yaml = '') => compileSmall('nftables', objects, yaml).lines('nft');

/** The elements of all sets and maps but `cluster-ips` and `nodeport-ips`. */
function elements(objects: readonly RawObject[]): readonly string[] {
  const start = /^add element ip6? kube-proxy (?!cluster-ips|nodeport-ips)/;
  return script(objects)
    .filter((line) => start.test(line))
    .map((line) => line.replace(start, ''));
}

/** The rules of the chains of service ports and endpoints, by chain; every such chain is added, and has rules. */
function chains(objects: readonly RawObject[], yaml = ''): Readonly<Record<string, readonly string[]>> {
  const rules: Record<string, string[]> = {};
  for (const line of script(objects, yaml)) {
    const [, verb, name = '', rule = ''] = /^add (chain|rule) ip6? kube-proxy (\S+\/\S*) ?(.*)$/.exec(line) ?? [];
    if (verb === 'chain') rules[name] = [];
    if (verb === 'rule') rules[name]?.push(rule);
  }
  return rules;
}

describe('the cluster IP', () => {
  it('leads to the chain that balances', () => {
    const objects = [service({}), slice([HERE, THERE])];
    expect(script(objects).filter((line) => line.includes('10.'))).toEqual([
      `add rule ip kube-proxy service-${WEB} ${TO_BOTH}`,
      'add element ip kube-proxy cluster-ips { 10.96.0.20 }',
      'add element ip kube-proxy hairpin-connections { 10.244.1.1 . 10.244.1.1 . tcp . 8080 }',
      `add element ip kube-proxy service-ips { 10.96.0.20 . tcp . 80 : goto service-${WEB} }`,
    ]);
    expect(chains(objects)).toEqual({ [`service-${WEB}`]: [TO_BOTH] });
  });

  it('leads to the local endpoints under internalTrafficPolicy Local', () => {
    const objects = [service({ internalTrafficPolicy: 'Local' }), slice([HERE, THERE])];
    expect(elements(objects)).toEqual([
      'hairpin-connections { 10.244.1.1 . 10.244.1.1 . tcp . 8080 }',
      `service-ips { 10.96.0.20 . tcp . 80 : goto local-${WEB} }`,
    ]);
    expect(chains(objects)).toEqual({ [`local-${WEB}`]: [TO_HERE] });
  });

  it('drops there without local endpoints, and rejects without any', () => {
    const local = service({ internalTrafficPolicy: 'Local' });
    expect(elements([local, slice([THERE])])).toEqual([
      'no-endpoint-services { 10.96.0.20 . tcp . 80 comment "default/web:http" : drop }',
    ]);
    expect(elements([local, slice([{ ...HERE, ready: false }])])).toEqual([
      'no-endpoint-services { 10.96.0.20 . tcp . 80 comment "default/web:http" : goto reject-chain }',
    ]);
    expect(chains([local, slice([THERE])])).toEqual({});
  });

  it('has no port name in the comment where the port has none', () => {
    expect(elements([service({ ports: [{ port: 80 }] })])).toEqual([
      'no-endpoint-services { 10.96.0.20 . tcp . 80 comment "default/web" : goto reject-chain }',
    ]);
  });

  it('of IPv6 is written without brackets, but for the endpoint that dnat names alone', () => {
    const web = service({ clusterIP: 'fd00:96::20', sessionAffinity: 'ClientIP' });
    const objects = [node(['2001:db8::11']), web, slice([{ ip: 'fd00:1::5', here: true }])];
    const own = hashedName('default/web/tcp/http__fd00.1..5/8080');
    expect(elements(objects)).toEqual([
      'hairpin-connections { fd00:1::5 . fd00:1::5 . tcp . 8080 }',
      `service-ips { fd00:96::20 . tcp . 80 : goto service-${WEB} }`,
    ]);
    expect(chains(objects)).toEqual({
      [`endpoint-${own}`]: [`update @affinity-${own} { ip6 saddr }`, 'meta l4proto tcp dnat to [fd00:1::5]:8080'],
      [`service-${WEB}`]: [
        `ip6 saddr @affinity-${own} goto endpoint-${own}`,
        `numgen random mod 1 vmap { 0 : goto endpoint-${own} }`,
      ],
    });
    expect(script(objects)).toContain(
      `add set ip6 kube-proxy affinity-${own} { type ipv6_addr ; flags dynamic,timeout ; timeout 10800s ; }`,
    );
  });
});

describe('addresses from outside', () => {
  const everything = { ...BALANCER, ...NODE_PORT, type: 'LoadBalancer', externalIPs: ['198.51.100.9'] };
  const outside = (spec: Readonly<Record<string, unknown>>) => service({ ...everything, ...spec }, ['203.0.113.7']);

  it('lead to the external chain', () => {
    expect(elements([outside({}), slice([THERE])])).toEqual([
      `service-ips { 10.96.0.20 . tcp . 80 : goto service-${WEB} }`,
      `service-ips { 198.51.100.9 . tcp . 80 : goto external-${WEB} }`,
      `service-ips { 203.0.113.7 . tcp . 80 : goto external-${WEB} }`,
      `service-nodeports { tcp . 30080 : goto external-${WEB} }`,
    ]);
  });

  it('lead there under policy Local without local endpoints too, and are dropped later', () => {
    const said = 'comment "default/web:http" : drop';
    expect(elements([outside(LOCAL), slice([THERE])])).toEqual([
      `no-endpoint-nodeports { tcp . 30080 ${said} }`,
      `no-endpoint-services { 198.51.100.9 . tcp . 80 ${said} }`,
      `no-endpoint-services { 203.0.113.7 . tcp . 80 ${said} }`,
      `service-ips { 10.96.0.20 . tcp . 80 : goto service-${WEB} }`,
      `service-ips { 198.51.100.9 . tcp . 80 : goto external-${WEB} }`,
      `service-ips { 203.0.113.7 . tcp . 80 : goto external-${WEB} }`,
      `service-nodeports { tcp . 30080 : goto external-${WEB} }`,
    ]);
  });

  it('are rejected without endpoints, under either policy', () => {
    const said = 'comment "default/web:http" : goto reject-chain';
    const refused = [
      `no-endpoint-nodeports { tcp . 30080 ${said} }`,
      `no-endpoint-services { 10.96.0.20 . tcp . 80 ${said} }`,
      `no-endpoint-services { 198.51.100.9 . tcp . 80 ${said} }`,
      `no-endpoint-services { 203.0.113.7 . tcp . 80 ${said} }`,
    ];
    expect(elements([outside({})])).toEqual(refused);
    expect(elements([outside(LOCAL)])).toEqual(refused);
    expect(chains([outside(LOCAL)])).toEqual({});
  });

  it('give one element each, though listed twice or in two lists', () => {
    const web = service({ ...BALANCER, externalIPs: ['198.51.100.9', '198.51.100.9'] }, [
      '198.51.100.9',
      '203.0.113.7',
      '203.0.113.7',
    ]);
    expect(elements([web, slice([THERE])])).toEqual([
      `service-ips { 10.96.0.20 . tcp . 80 : goto service-${WEB} }`,
      `service-ips { 198.51.100.9 . tcp . 80 : goto external-${WEB} }`,
      `service-ips { 203.0.113.7 . tcp . 80 : goto external-${WEB} }`,
    ]);
  });

  it('of other proxies and of the other family give none', () => {
    const web = service({ externalIPs: ['2001:db8::9'] }, ['2001:db8::7']);
    expect(chains([web, slice([THERE])])).not.toHaveProperty(`external-${WEB}`);
  });
});

describe('the external chain', () => {
  const MARK = 'mark set mark or 0x00004000';
  const external = (spec: Readonly<Record<string, unknown>>, endpoints: Parameters<typeof slice>[0], yaml = '') =>
    chains([service({ ...NODE_PORT, ...spec }), slice(endpoints)], yaml)[`external-${WEB}`];
  const FROM_NODE = [
    `fib saddr type local ${MARK} comment "masquerade local traffic"`,
    `fib saddr type local goto service-${WEB} comment "short-circuit local traffic"`,
  ];

  it('masquerades under policy Cluster', () => {
    const all = [`${MARK} comment "masquerade"`, `goto service-${WEB}`];
    expect(external({}, [THERE])).toEqual(all);
    expect(external({}, [THERE], 'clusterCIDR: 10.244.0.0/16')).toEqual(all);
  });

  it('under policy Local sends the node to all endpoints, others to the local ones', () => {
    expect(external(LOCAL, [HERE, THERE])).toEqual([...FROM_NODE, `goto local-${WEB}`]);
  });

  it('ends there without local endpoints', () => {
    expect(external(LOCAL, [THERE])).toEqual(FROM_NODE);
  });

  it.each([
    ['clusterCIDR: 10.244.0.0/16', 'ip saddr 10.244.0.0/16'],
    ['detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: br0}', 'iifname br0'],
    ['detectLocalMode: InterfaceNamePrefix\ndetectLocal: {interfaceNamePrefix: veth}', 'iifname veth*'],
  ])('under policy Local sends pods to all endpoints too, with %j', (yaml, fromPods) => {
    const pods = `${fromPods} goto service-${WEB} comment "short-circuit pod traffic"`;
    expect(external(LOCAL, [HERE, THERE], yaml)).toEqual([pods, ...FROM_NODE, `goto local-${WEB}`]);
    expect(external(LOCAL, [THERE], yaml)).toEqual([pods, ...FROM_NODE]);
  });

  it('has the mark of section nftables', () => {
    expect(external({}, [THERE], 'nftables: {masqueradeBit: 31}')?.[0]).toBe(
      'mark set mark or 0x80000000 comment "masquerade"',
    );
  });

  it('balances over all endpoints and over the local ones in chains of their own', () => {
    expect(chains([service({ ...NODE_PORT, ...LOCAL }), slice([HERE, THERE])])).toMatchObject({
      [`service-${WEB}`]: [TO_BOTH],
      [`local-${WEB}`]: [TO_HERE],
    });
  });

  it('needs the chain of all endpoints even where the cluster IP is for local ones only', () => {
    const objects = [service({ ...NODE_PORT, internalTrafficPolicy: 'Local' }), slice([HERE, THERE])];
    expect(Object.keys(chains(objects))).toEqual([`external-${WEB}`, `local-${WEB}`, `service-${WEB}`]);
  });

  it('is there without anything that leads to it where external IPs are switched off', () => {
    const objects = [service({ externalIPs: ['198.51.100.9'] }), slice([THERE])];
    const yaml = 'featureGates: {AllowServiceExternalIPs: false}';
    expect(script(objects, yaml).filter((line) => line.includes('external-'))).toEqual([
      `add chain ip kube-proxy external-${WEB}`,
      `add rule ip kube-proxy external-${WEB} ${MARK} comment "masquerade"`,
      `add rule ip kube-proxy external-${WEB} goto service-${WEB}`,
    ]);
  });
});

describe('the firewall chain', () => {
  const guarded = (ranges: readonly string[], vips: readonly string[] = ['203.0.113.7']) =>
    service({ ...BALANCER, loadBalancerSourceRanges: ranges }, vips);
  const firewall = (objects: readonly RawObject[]) => chains(objects)[`firewall-${WEB}`];

  it('stands without endpoints too', () => {
    const objects = [guarded(['198.51.100.0/24'])];
    expect(firewall(objects)).toEqual(['ip saddr != { 198.51.100.0/24 } drop']);
    expect(elements(objects)[0]).toBe(`firewall-ips { 203.0.113.7 . tcp . 80 : goto firewall-${WEB} }`);
  });

  it('keeps the ranges as they are listed, repeated and overlapping ones', () => {
    expect(firewall([guarded(['203.0.113.0/24', '198.51.100.0/24', ' 203.0.113.0/25', '198.51.100.0/24'])])).toEqual([
      'ip saddr != { 203.0.113.0/24 , 198.51.100.0/24 , 203.0.113.0/25 , 198.51.100.0/24 } drop',
    ]);
  });

  it('lets the node in, by the load-balancer addresses, if it is in a range', () => {
    expect(firewall([guarded(['192.0.2.0/24'], ['203.0.113.9', '203.0.113.7', '203.0.113.9'])])).toEqual([
      'ip saddr != { 192.0.2.0/24 , 203.0.113.9 , 203.0.113.7 , 203.0.113.9 } drop',
    ]);
    // Its other addresses do not count.
    expect(firewall([node(['192.0.2.11', '198.51.100.1']), guarded(['198.51.100.0/24'])])).toEqual([
      'ip saddr != { 198.51.100.0/24 } drop',
    ]);
  });

  it('is not there if everybody is let in, or without a load-balancer address', () => {
    expect(firewall([guarded(['198.51.100.0/24', '0.0.0.0/0'])])).toBeUndefined();
    expect(firewall([guarded(['2001:db8::/32'])])).toBeUndefined();
    expect(firewall([guarded(['198.51.100.0/24'], [])])).toBeUndefined();
  });

  it('is not for external IPs and node ports', () => {
    const web = service(
      { ...NODE_PORT, ...BALANCER, externalIPs: ['198.51.100.9'], loadBalancerSourceRanges: ['198.51.100.0/24'] },
      ['203.0.113.7'],
    );
    const guards = elements([web, slice([THERE])]).filter((line) => line.includes('firewall'));
    expect(guards).toEqual([`firewall-ips { 203.0.113.7 . tcp . 80 : goto firewall-${WEB} }`]);
  });
});

describe('session affinity', () => {
  const affinity = { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 77 } } };
  const [here, there] = ['10.244.1.1', '10.244.2.2'].map((ip) => hashedName(`default/web/tcp/http__${ip}/8080`));

  it('has a chain and a set for each endpoint', () => {
    const objects = [service(affinity), slice([HERE, THERE])];
    expect(chains(objects)).toEqual({
      [`endpoint-${here}`]: [`update @affinity-${here} { ip saddr }`, 'meta l4proto tcp dnat to 10.244.1.1:8080'],
      [`endpoint-${there}`]: [`update @affinity-${there} { ip saddr }`, 'meta l4proto tcp dnat to 10.244.2.2:8080'],
      [`service-${WEB}`]: [
        `ip saddr @affinity-${here} goto endpoint-${here}`,
        `ip saddr @affinity-${there} goto endpoint-${there}`,
        `numgen random mod 2 vmap { 0 : goto endpoint-${here} , 1 : goto endpoint-${there} }`,
      ],
    });
    expect(script(objects).filter((line) => line.startsWith('add set ip kube-proxy affinity-'))).toEqual(
      [here, there]
        .sort()
        .map(
          (name) => `add set ip kube-proxy affinity-${name} { type ipv4_addr ; flags dynamic,timeout ; timeout 77s ; }`,
        ),
    );
  });

  it('is for the endpoints that can be reached: local ones for one chain, all for the other', () => {
    const objects = [
      service({ ...affinity, ...NODE_PORT, ...LOCAL }),
      slice([HERE, THERE, { ip: '10.244.3.3', ready: false }]),
    ];
    const own = chains(objects);
    expect(own[`local-${WEB}`]).toEqual([
      `ip saddr @affinity-${here} goto endpoint-${here}`,
      `numgen random mod 1 vmap { 0 : goto endpoint-${here} }`,
    ]);
    expect(
      Object.keys(own)
        .filter((name) => name.startsWith('endpoint-'))
        .sort(),
    ).toEqual([here, there].map((name) => `endpoint-${name}`).sort());
  });

  it('is for a terminating local endpoint too, that only policy Local uses', () => {
    const leaving = { ...HERE, ready: false, serving: true, terminating: true };
    const own = chains([service({ ...affinity, ...NODE_PORT, ...LOCAL }), slice([leaving, THERE])]);
    expect(own[`endpoint-${here}`]).toEqual([
      `update @affinity-${here} { ip saddr }`,
      'meta l4proto tcp dnat to 10.244.1.1:8080',
    ]);
    expect(own[`service-${WEB}`]).toEqual([
      `ip saddr @affinity-${there} goto endpoint-${there}`,
      `numgen random mod 1 vmap { 0 : goto endpoint-${there} }`,
    ]);
  });
});

describe('hairpin connections', () => {
  it('are those of reachable local endpoints, once for all Services', () => {
    const endpoints = [HERE, { ip: '10.244.1.9', here: true, ready: false }, THERE];
    const objects = [
      service({}),
      service({ clusterIP: '10.96.0.21' }, [], 'api'),
      slice(endpoints),
      slice(endpoints, 'api'),
    ];
    expect(elements(objects).filter((line) => line.startsWith('hairpin'))).toEqual([
      'hairpin-connections { 10.244.1.1 . 10.244.1.1 . tcp . 8080 }',
    ]);
  });

  it('have a terminating local endpoint that serves under policy Local', () => {
    const leaving = { ...HERE, ready: false, serving: true, terminating: true };
    const hairpins = (spec: Readonly<Record<string, unknown>>) =>
      elements([service({ ...NODE_PORT, ...spec }), slice([leaving, THERE])]).filter((line) =>
        line.startsWith('hairpin'),
      );
    expect(hairpins(LOCAL)).toEqual(['hairpin-connections { 10.244.1.1 . 10.244.1.1 . tcp . 8080 }']);
    expect(hairpins({})).toEqual([]);
  });
});

describe('a comment that nft would refuse', () => {
  const long = (portName: string): readonly RawObject[] => {
    const web = service({ ports: [{ name: portName, port: 80 }] }, [], 's'.repeat(63));
    return [{ ...web, metadata: { name: 's'.repeat(63), namespace: 'n'.repeat(50) } }];
  };
  /** namespace, slash, name and colon take 115 characters. */
  const start = `${'n'.repeat(50)}/${'s'.repeat(63)}:`;
  const refusal = (text: string) =>
    `no-endpoint-services { 10.96.0.20 . tcp . 80 comment "${text}" : goto reject-chain }`;
  const said = (objects: readonly RawObject[]) =>
    compileSmall('nftables', objects).diagnostics.filter(({ code }) => code === 'nft-comment-cut');

  it('is cut to 128 bytes, and that is said', () => {
    expect(elements(long('a'.repeat(14)))).toEqual([refusal(`${start}${'a'.repeat(13)}`)]);
    expect(said(long('a'.repeat(14)))).toMatchObject([
      {
        severity: 'note',
        object: `Service ${start.slice(0, -1)}`,
        message: expect.stringContaining(`${start}${'a'.repeat(14)}`),
      },
    ]);
  });

  it('of 128 bytes stays', () => {
    expect(elements(long('a'.repeat(13)))).toEqual([refusal(`${start}${'a'.repeat(13)}`)]);
    expect(said(long('a'.repeat(13)))).toEqual([]);
  });

  it('is not written at all with endpoints', () => {
    const [web = service({})] = long('a'.repeat(14));
    const own = slice([THERE], 's'.repeat(63), [{ name: 'a'.repeat(14), port: 8080 }]);
    const labels = { 'kubernetes.io/service-name': 's'.repeat(63) };
    expect(said([web, { ...own, metadata: { name: 'x', namespace: 'n'.repeat(50), labels } }])).toEqual([]);
  });
});

describe('an element that two Services claim', () => {
  const shared = (name: string, clusterIP: string, spec = {}) =>
    service({ clusterIP, externalIPs: ['198.51.100.9'], ...spec }, [], name);
  const nameOf = (name: string) => hashedName(`default/${name}/tcp/http`);
  const at = (map: string, objects: readonly RawObject[]) =>
    elements(objects).filter((line) => line.startsWith(`${map} { 198.51.100.9 `));

  it('has the verdict of the first by name', () => {
    const objects = [shared('web', '10.96.0.20'), shared('api', '10.96.0.21'), slice([THERE]), slice([HERE], 'api')];
    expect(at('service-ips', objects)).toEqual([
      `service-ips { 198.51.100.9 . tcp . 80 : goto external-${nameOf('api')} }`,
    ]);
  });

  it('has that of the only one with endpoints, beside the refusal of the other', () => {
    const objects = [shared('web', '10.96.0.20'), shared('api', '10.96.0.21'), slice([THERE])];
    expect(at('service-ips', objects)).toEqual([`service-ips { 198.51.100.9 . tcp . 80 : goto external-${WEB} }`]);
    expect(at('no-endpoint-services', objects)).toEqual([
      'no-endpoint-services { 198.51.100.9 . tcp . 80 comment "default/api:http" : goto reject-chain }',
    ]);
  });

  it('has the comment of the one that came to it first, if the verdict is the same: here the last by name', () => {
    expect(at('no-endpoint-services', [shared('web', '10.96.0.20'), shared('api', '10.96.0.21')])).toEqual([
      'no-endpoint-services { 198.51.100.9 . tcp . 80 comment "default/web:http" : goto reject-chain }',
    ]);
    const local = [shared('web', '10.96.0.20', LOCAL), shared('api', '10.96.0.21'), slice([THERE])];
    expect(at('no-endpoint-services', local)).toEqual([
      'no-endpoint-services { 198.51.100.9 . tcp . 80 comment "default/api:http" : goto reject-chain }',
    ]);
  });
});

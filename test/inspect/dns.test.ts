/** The zones of Services: what they answer, and that they are sound zones. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  type DnsOptions,
  type DnsRecord,
  type DnsZone,
  dnsZones,
  loadCluster,
  located,
  zoneLines,
} from '../../src/index.js';
import { readPods } from '../../src/kube/pod.js';
import { namesCluster, QUERIES, type Query } from './dns-queries.js';

/** What an authoritative server answers from these zones: RFC 1034, 4.3.2, as far as these zones go. */
function ask(zones: readonly DnsZone[], { name: asked, type }: Query): Pick<Query, 'status' | 'answer'> {
  const name = asked.toLowerCase();
  const records = zones.flatMap((zone) => zone.records);
  const own = records.filter((record) => record.name === name);
  const exists = own.length > 0 || records.some((record) => record.name.endsWith(`.${name}`));
  if (!exists) return { status: 'NXDOMAIN', answer: [] };
  const cname = own.find((record) => record.type === 'CNAME');
  if (cname !== undefined && type !== 'CNAME') {
    const next = ask(zones, { name: cname.data, type, status: 'NOERROR', answer: [], why: '' });
    return { status: 'NOERROR', answer: [`CNAME ${cname.data}`, ...next.answer].sort() };
  }
  const answer = own.filter((record) => record.type === type).map((record) => record.data);
  return { status: 'NOERROR', answer: answer.sort() };
}

describe('the zones of names.yaml', () => {
  const { zones, diagnostics } = dnsZones(namesCluster());

  it.each(QUERIES.map((query): [string, Query] => [`${query.name} ${query.type}: ${query.why}`, query]))(
    '%s',
    (_title, query) => {
      expect(ask(zones, query)).toEqual({ status: query.status, answer: query.answer });
    },
  );

  it('are the domain and the two of addresses', () => {
    expect(zones.map((zone) => zone.name)).toEqual(['cluster.local.', 'in-addr.arpa.', 'ip6.arpa.']);
  });

  it.each(zones.map((zone): [string, DnsZone] => [zone.name, zone]))('%s is a sound zone', (name, zone) => {
    const lines = zoneLines(zone);
    expect(zone.records.slice(0, 2).map((record) => [record.name, record.type])).toEqual([
      [name, 'SOA'],
      [name, 'NS'],
    ]);
    expect(new Set(lines).size).toBe(lines.length);
    for (const line of lines)
      expect(line).toMatch(/^[a-z0-9_.-]+\. \d+ IN (SOA|NS|A|AAAA|CNAME|SRV|TXT|PTR) [\w."/: -]+\n$/);
    for (const record of zone.records) expect(record.name === name || record.name.endsWith(`.${name}`)).toBe(true);
    // A CNAME stands alone.
    const aliases = zone.records.filter((record) => record.type === 'CNAME').map((record) => record.name);
    for (const alias of aliases) expect(zone.records.filter((record) => record.name === alias)).toHaveLength(1);
    // Nothing points at a name of the zone that has no address: servers complain of such SRV and NS records.
    const addressed = new Set(
      zone.records.filter(({ type }) => type === 'A' || type === 'AAAA').map((record) => record.name),
    );
    for (const { type, data } of zone.records) {
      const target = type === 'SRV' ? data.split(' ')[3] : type === 'NS' ? data : undefined;
      if (target?.endsWith('.cluster.local.') && name === 'cluster.local.') expect(addressed).toContain(target);
    }
  });

  it('say what has no name, and why', () => {
    expect(diagnostics.map((each) => `${each.severity} ${each.object}: ${each.message} [${each.code}]`)).toEqual([
      'note Service shop/idle: no ready endpoint, so no name in DNS. [no-dns-records]',
      'warning Service shop/old-db: 192.0.2.5 is an address, so there is no record of it. [external-name-address]',
    ]);
  });

  it('are the same for any order of the objects', () => {
    const state = namesCluster();
    const reversed = loadCluster(
      [...state.services.values()]
        .reverse()
        .flatMap(({ service, slices }) => [
          ...located([...slices].reverse().map((slice) => slice.object)),
          ...located([service.object]),
        ]),
    );
    expect(dnsZones(reversed.state).zones).toEqual(zones);
  });

  it('leave out what only CoreDNS answers when asked to', () => {
    const spec = dnsZones(namesCluster(), { specOnly: true }).zones;
    const sources = new Set(spec.flatMap((zone) => zone.records.map((record) => record.source)));
    expect([...sources].sort()).toEqual(['specification', 'zone']);
    const unspecified = QUERIES.filter((query) => query.why.startsWith('CoreDNS: '));
    expect(unspecified.length).toBeGreaterThan(5);
    for (const query of unspecified) expect(ask(spec, query).answer, query.why).toEqual([]);
    for (const query of QUERIES) {
      if (!query.why.startsWith('CoreDNS: ')) expect(ask(spec, query).answer, query.why).toEqual(query.answer);
    }
  });
});

/** Records of objects in YAML, those of the zone itself left out, as lines. */
function records(text: string, options: DnsOptions = {}): { lines: string[]; said: string[] } {
  const objects = located(text.split('---').map((each) => parse(each)));
  const loaded = loadCluster(objects, { readsPods: true });
  expect(loaded.diagnostics.filter((each) => each.severity === 'error')).toEqual([]);
  const { zones, diagnostics } = dnsZones(loaded.state, { ...options, pods: readPods(objects, []) });
  const own = (record: DnsRecord): boolean => record.object !== undefined;
  const lines = zones.flatMap((zone) => zoneLines({ ...zone, records: zone.records.filter(own) }));
  return { lines, said: diagnostics.map((each) => `${each.code}: ${each.message}`) };
}

const headless = (spec: string, endpoints: string): string => `
{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {clusterIP: None, ${spec}}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a-1, labels: {kubernetes.io/service-name: a}},
 addressType: IPv4, ports: [{name: p, port: 1}], endpoints: [${endpoints}]}`;

describe('single cases', () => {
  it('another zone, time to live and serial number', () => {
    const { zones } = dnsZones(namesCluster(), { zone: 'K8s.Example.ORG.', ttl: 5, serial: 2026112101 });
    const [zone] = zones;
    expect(zone?.records[0]).toMatchObject({
      name: 'k8s.example.org.',
      ttl: 5,
      data: 'ns.dns.k8s.example.org. hostmaster.k8s.example.org. 2026112101 7200 1800 86400 5',
    });
    expect(zone?.records.filter((record) => record.ttl !== 5).map((record) => record.name)).toEqual([
      'dns-version.k8s.example.org.',
    ]);
  });

  it.each([
    ['', 'it is no DNS name'],
    ['.', 'it is no DNS name'],
    ['a..b', 'it is no DNS name'],
    ['-a.b', 'it is no DNS name'],
    ['a b', 'it is no DNS name'],
    ['a.b\n$INCLUDE /etc/passwd', 'it is no DNS name'],
    ['10.in-addr.arpa', 'the names there are addresses'],
    ['ip6.arpa', 'the names there are addresses'],
    [`${'a'.repeat(64)}.b`, 'is longer than 63 characters'],
    [Array.from({ length: 120 }, () => 'a').join('.'), 'is longer than 220 characters'],
  ])('%j cannot be the zone', (zone, problem) => {
    const result = dnsZones(namesCluster(), { zone });
    expect(result.zones).toEqual([]);
    expect(result.diagnostics.map((each) => each.code)).toEqual(['usage']);
    expect(result.diagnostics[0]?.message).toContain(problem);
  });

  it('unready endpoints of somebody else are not published, whatever the Service wants', () => {
    const { lines, said } = records(
      headless(
        'publishNotReadyAddresses: true',
        '{addresses: [10.0.0.1]}, {addresses: [10.0.0.2], conditions: {ready: false}}',
      ),
    );
    expect(lines.filter((line) => line.startsWith('a.default'))).toEqual([
      'a.default.svc.cluster.local. 30 IN A 10.0.0.1\n',
      'a.default.svc.cluster.local. 30 IN SRV 0 100 1 10-0-0-1.a.default.svc.cluster.local.\n',
    ]);
    expect(said).toEqual([
      'unready-not-published: publishNotReadyAddresses is set, but its EndpointSlices say of 1 of 2 endpoints that they are not ready, and DNS goes by those.',
    ]);
  });

  it('one endpoint of two ports sets is one record', () => {
    const { lines } = records(
      headless('', '{addresses: [10.0.0.1], hostname: x}, {addresses: [10.0.0.1], hostname: x}'),
    );
    expect(lines).toEqual([
      'a.default.svc.cluster.local. 30 IN A 10.0.0.1\n',
      'a.default.svc.cluster.local. 30 IN SRV 0 50 1 x.a.default.svc.cluster.local.\n',
      '_p._tcp.a.default.svc.cluster.local. 30 IN SRV 0 50 1 x.a.default.svc.cluster.local.\n',
      'x.a.default.svc.cluster.local. 30 IN A 10.0.0.1\n',
      'x.a.default.svc.cluster.local. 30 IN SRV 0 50 1 x.a.default.svc.cluster.local.\n',
      '1.0.0.10.in-addr.arpa. 30 IN PTR x.a.default.svc.cluster.local.\n',
    ]);
  });

  it('the weight of an SRV record never falls below 1', () => {
    const endpoints = Array.from({ length: 150 }, (_, i) => `{addresses: [10.0.0.${i + 1}]}`).join(', ');
    const { lines } = records(headless('', endpoints));
    const weights = lines.filter((line) => line.startsWith('_p._tcp.')).map((line) => line.split(' ')[5]);
    expect(weights).toEqual(Array.from({ length: 150 }, () => '1'));
  });

  it('a cluster IP hides endpoints of the same address from PTR', () => {
    const { lines } = records(
      `${headless('', '{addresses: [10.0.0.1]}')}\n---\n{apiVersion: v1, kind: Service, metadata: {name: b}, spec: {clusterIP: 10.0.0.1, ports: [{port: 1}]}}`,
    );
    expect(lines.filter((line) => line.includes(' PTR '))).toEqual([
      '1.0.0.10.in-addr.arpa. 30 IN PTR b.default.svc.cluster.local.\n',
    ]);
  });

  it('one address behind two Services has two names', () => {
    const { lines } = records(
      `${headless('', '{addresses: [10.0.0.1], hostname: x}')}\n---\n${headless('', '{addresses: [10.0.0.1]}').replace('name: a}', 'name: b}').replace('name: a-1', 'name: b-1').replace('service-name: a', 'service-name: b')}`,
    );
    expect(lines.filter((line) => line.includes(' PTR '))).toEqual([
      '1.0.0.10.in-addr.arpa. 30 IN PTR 10-0-0-1.b.default.svc.cluster.local.\n',
      '1.0.0.10.in-addr.arpa. 30 IN PTR x.a.default.svc.cluster.local.\n',
    ]);
  });

  it('a Service without a cluster IP has no name', () => {
    const { lines, said } = records('{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 1}]}}');
    expect({ lines, said }).toEqual({ lines: [], said: ['no-cluster-ip: no cluster IP, so no name in DNS.'] });
  });

  it.each([
    ['a port name of 63 characters, before which the underscore has no room', 'ports: [{name: %, port: 1}]', 63, '_'],
    ['an external name with a label of 64 characters', 'type: ExternalName, externalName: %.example.com', 64, ''],
  ])('%s is left out and said', (_title, spec, length, before) => {
    const label = 'a'.repeat(length);
    const address = spec.startsWith('ports') ? 'clusterIP: 10.0.0.1, ' : '';
    const { lines, said } = records(
      `{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {${address}${spec.replace('%', label)}}}`,
    );
    expect(lines.join()).not.toContain(label);
    expect(said).toEqual([expect.stringContaining(`the label "${before}${label}" is longer than 63 characters`)]);
  });

  it('a name that is too long for a long zone is left out and said', () => {
    const zone = Array.from({ length: 110 }, () => 'a').join('.');
    const { lines, said } = records(
      `{apiVersion: v1, kind: Service, metadata: {name: ${'b'.repeat(40)}}, spec: {clusterIP: 10.0.0.1, ports: [{name: p, port: 1}]}}`,
      { zone },
    );
    expect(lines).toEqual([]);
    expect(said.every((each) => each.includes('it is longer than 253 characters'))).toBe(true);
  });

  it('an address that begins with a colon makes a label that no host can have', () => {
    const slice = headless('', "{addresses: ['::1']}").replace('IPv4', 'IPv6');
    const { lines, said } = records(slice);
    expect(lines).toEqual(['a.default.svc.cluster.local. 30 IN AAAA ::1\n']);
    expect(said).toEqual([expect.stringContaining('the label "--1" cannot be a host\'s')]);
  });

  it('without kube-dns whoever serves the zone is its server', () => {
    const { zones } = dnsZones(loadCluster([]).state);
    expect(zones.flatMap(zoneLines)).toEqual([
      'cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 30\n',
      'cluster.local. 30 IN NS ns.dns.cluster.local.\n',
      'ns.dns.cluster.local. 30 IN A 127.0.0.1\n',
      'ns.dns.cluster.local. 30 IN AAAA ::1\n',
      'dns-version.cluster.local. 28800 IN TXT "1.1.0"\n',
    ]);
  });

  it('Pods by their address: those that run and have one', () => {
    const pod = (name: string, status: string, metadata = ''): string =>
      `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, namespace: shop, ${metadata}}, spec: {}, status: {${status}}}`;
    const { lines } = records(
      [
        pod('a', 'phase: Running, podIP: 10.244.1.7'),
        pod('b', "phase: Running, podIP: 'fd00:10:244:1::7'"),
        pod('c', 'phase: Pending'),
        pod('d', 'phase: Succeeded, podIP: 10.244.1.8'),
        pod('e', 'phase: Failed, podIP: 10.244.1.9'),
        pod('f', 'phase: Running, podIP: 10.244.1.10', "deletionTimestamp: '2026-01-01T00:00:00Z'"),
      ].join('\n---\n'),
    );
    expect(lines).toEqual([
      '10-244-1-7.shop.pod.cluster.local. 30 IN A 10.244.1.7\n',
      'fd00-10-244-1--7.shop.pod.cluster.local. 30 IN AAAA fd00:10:244:1::7\n',
    ]);
  });
});

it('the documents tell how many questions there are', () => {
  expect(readFileSync('docs/dns.md', 'utf8')).toContain(`lists ${QUERIES.length} questions`);
  expect(readFileSync('README.md', 'utf8')).toContain(`is asked ${QUERIES.length} questions`);
});

/** What the table holds whatever Services there are, written out from nftables spec sections 1-4 and 7.2, 7.3, 7.6. */
import { describe, expect, it } from 'vitest';
import type { RawObject } from '../../../src/index.js';
import { compileSmall, node } from '../../support/small-cluster.js';

const script = (objects: readonly RawObject[] = [], yaml = '') => compileSmall('nftables', objects, yaml).lines('nft');

/** The rules of one chain. */
function rules(chain: string, yaml = '', objects: readonly RawObject[] = []): readonly string[] {
  const start = new RegExp(`^add rule ip6? kube-proxy ${chain} `);
  return script(objects, yaml)
    .filter((line) => start.test(line))
    .map((line) => line.replace(start, ''));
}

describe('the table without Services', () => {
  it('holds base chains, fixed chains, sets and maps', () => {
    expect(script()).toEqual([
      'add table ip kube-proxy',
      'delete table ip kube-proxy',
      'add table ip kube-proxy { comment "rules for kube-proxy" ; }',
      'add chain ip kube-proxy cluster-ips-check',
      'add chain ip kube-proxy filter-forward { type filter hook forward priority 0 ; }',
      'add chain ip kube-proxy filter-input { type filter hook input priority 0 ; }',
      'add chain ip kube-proxy filter-output { type filter hook output priority 0 ; }',
      'add chain ip kube-proxy filter-output-pre-dnat { type filter hook output priority -110 ; }',
      'add chain ip kube-proxy filter-prerouting-pre-dnat { type filter hook prerouting priority -110 ; }',
      'add chain ip kube-proxy firewall-check',
      'add chain ip kube-proxy masquerading',
      'add chain ip kube-proxy nat-output { type nat hook output priority -100 ; }',
      'add chain ip kube-proxy nat-postrouting { type nat hook postrouting priority 100 ; }',
      'add chain ip kube-proxy nat-prerouting { type nat hook prerouting priority -100 ; }',
      'add chain ip kube-proxy nodeport-endpoints-check',
      'add chain ip kube-proxy reject-chain { comment "helper for @no-endpoint-services / @no-endpoint-nodeports" ; }',
      'add chain ip kube-proxy service-endpoints-check',
      'add chain ip kube-proxy services',
      'add set ip kube-proxy cluster-ips { type ipv4_addr ; comment "Active ClusterIPs" ; }',
      'add set ip kube-proxy hairpin-connections { type ipv4_addr . ipv4_addr . inet_proto . inet_service ; comment "service hairpin connections" ; }',
      'add set ip kube-proxy nodeport-ips { type ipv4_addr ; comment "IPs that accept NodePort traffic" ; }',
      'add map ip kube-proxy firewall-ips { type ipv4_addr . inet_proto . inet_service : verdict ; comment "destinations that are subject to LoadBalancerSourceRanges" ; }',
      'add map ip kube-proxy no-endpoint-nodeports { type inet_proto . inet_service : verdict ; comment "vmap to drop or reject packets to service nodeports with no endpoints" ; }',
      'add map ip kube-proxy no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict ; comment "vmap to drop or reject packets to services with no endpoints" ; }',
      'add map ip kube-proxy service-ips { type ipv4_addr . inet_proto . inet_service : verdict ; comment "ClusterIP, ExternalIP and LoadBalancer IP traffic" ; }',
      'add map ip kube-proxy service-nodeports { type inet_proto . inet_service : verdict ; comment "NodePort traffic" ; }',
      'add rule ip kube-proxy cluster-ips-check ip daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"',
      'add rule ip kube-proxy filter-forward ct state new jump service-endpoints-check',
      'add rule ip kube-proxy filter-forward ct state new jump cluster-ips-check',
      'add rule ip kube-proxy filter-input ct state new jump nodeport-endpoints-check',
      'add rule ip kube-proxy filter-input ct state new jump service-endpoints-check',
      'add rule ip kube-proxy filter-output ct state new jump service-endpoints-check',
      'add rule ip kube-proxy filter-output ct state new jump cluster-ips-check',
      'add rule ip kube-proxy filter-output-pre-dnat ct state new jump firewall-check',
      'add rule ip kube-proxy filter-prerouting-pre-dnat ct state new jump firewall-check',
      'add rule ip kube-proxy firewall-check ip daddr . meta l4proto . th dport vmap @firewall-ips',
      'add rule ip kube-proxy masquerading mark and 0x00004000 != 0 mark set mark xor 0x00004000 masquerade fully-random',
      'add rule ip kube-proxy masquerading ct status dnat ip saddr . ip daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random',
      'add rule ip kube-proxy nat-output jump services',
      'add rule ip kube-proxy nat-postrouting jump masquerading',
      'add rule ip kube-proxy nat-prerouting jump services',
      'add rule ip kube-proxy nodeport-endpoints-check ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports',
      'add rule ip kube-proxy reject-chain reject',
      'add rule ip kube-proxy service-endpoints-check ip daddr . meta l4proto . th dport vmap @no-endpoint-services',
      'add rule ip kube-proxy services ip daddr . meta l4proto . th dport vmap @service-ips',
      'add rule ip kube-proxy services ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports',
      'add element ip kube-proxy nodeport-ips { 192.0.2.11 }',
    ]);
  });

  it('has the same for IPv6 in its words', () => {
    const inIpv6 = (line: string) =>
      line
        .replaceAll('ip kube-proxy', 'ip6 kube-proxy')
        .replaceAll('ipv4_addr', 'ipv6_addr')
        .replaceAll('ip daddr', 'ip6 daddr')
        .replaceAll('ip saddr', 'ip6 saddr')
        .replaceAll('192.0.2.11', '2001:db8::11');
    expect(script([node(['2001:db8::11'])])).toEqual(script().map(inIpv6));
  });
});

describe('the mark', () => {
  it.each([
    [0, '0x00000001'],
    [31, '0x80000000'],
  ])('of bit %i is %s', (bit, mark) => {
    expect(rules('masquerading', `nftables: {masqueradeBit: ${bit}}`)[0]).toBe(
      `mark and ${mark} != 0 mark set mark xor ${mark} masquerade fully-random`,
    );
  });

  it('is that of section nftables, as is masqueradeAll', () => {
    expect(script([], 'iptables: {masqueradeBit: 3, masqueradeAll: true}')).toEqual(script());
  });
});

describe('traffic to cluster IPs', () => {
  const REST = [
    'ip daddr . meta l4proto . th dport vmap @service-ips',
    'ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports',
  ];

  it.each([
    ['clusterCIDR: 10.244.0.0/16', 'ip saddr != 10.244.0.0/16'],
    ['detectLocalMode: NodeCIDR', 'ip saddr != 10.244.1.0/24'],
    ['detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: br0}', 'iifname != br0'],
    ['detectLocalMode: InterfaceNamePrefix\ndetectLocal: {interfaceNamePrefix: veth}', 'iifname != veth*'],
  ])('is masqueraded if it is no pod that sends it, with %j', (yaml, notLocal) => {
    expect(rules('services', yaml, [node(['192.0.2.11'], ['10.244.1.0/24'])])).toEqual([
      `ip daddr @cluster-ips ${notLocal} mark set mark or 0x00004000 comment "masquerade clusterIP traffic from outside cluster"`,
      ...REST,
    ]);
  });

  it('is masqueraded whoever sends it with masqueradeAll, detector or not', () => {
    for (const yaml of ['', 'clusterCIDR: 10.244.0.0/16\n']) {
      expect(rules('services', `${yaml}nftables: {masqueradeAll: true, masqueradeBit: 31}`)).toEqual([
        'ip daddr @cluster-ips mark set mark or 0x80000000 comment "masquerade all clusterIP traffic"',
        ...REST,
      ]);
    }
  });

  it('is not masqueraded without a detector of the family', () => {
    expect(rules('services', 'clusterCIDR: "fd00:244::/48"')).toEqual(REST);
  });

  it('is dropped if no Service has the address, once ServiceCIDRs tell the ranges: sorted, each once', () => {
    const serviceCIDR = (name: string, cidrs: readonly string[]): RawObject => ({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'ServiceCIDR',
      metadata: { name },
      spec: { cidrs },
    });
    const given = [serviceCIDR('a', ['172.30.0.0/16', 'fd00:10:96::/112']), serviceCIDR('b', ['10.96.0.0/12'])];
    const rule = 'ip daddr { 10.96.0.0/12,172.30.0.0/16 } drop comment "Drop traffic to unallocated ClusterIPs"';
    expect(rules('cluster-ips-check', '', [...given, serviceCIDR('c', ['172.30.0.0/16'])])[1]).toBe(rule);
    expect(rules('cluster-ips-check', '', given.slice(0, 0))).toHaveLength(1);
  });
});

describe('node ports', () => {
  const OTHERS = node(['192.0.2.11', '198.51.100.1', '127.0.0.9']);
  const ips = (yaml: string, objects = [OTHERS]) =>
    script(objects, yaml).filter((line) => line.includes('add element'));
  const hasSet = (yaml: string, objects = [OTHERS]) =>
    script(objects, yaml).some((line) => line.includes(' nodeport-ips {'));

  it('answer on the node IP alone where nothing else is said', () => {
    for (const yaml of ['', 'nodePortAddresses: []', 'nodePortAddresses: [primary]']) {
      expect(ips(yaml)).toEqual(['add element ip kube-proxy nodeport-ips { 192.0.2.11 }']);
    }
  });

  it('answer on the addresses in nodePortAddresses but loopback', () => {
    const yaml = 'nodePortAddresses: [198.51.100.0/24, 192.0.2.0/24, 127.0.0.0/8]';
    expect(ips(yaml)).toEqual([
      'add element ip kube-proxy nodeport-ips { 192.0.2.11 }',
      'add element ip kube-proxy nodeport-ips { 198.51.100.1 }',
    ]);
  });

  it('answer nowhere where no address is in nodePortAddresses: the set is there, empty', () => {
    expect(ips('nodePortAddresses: [10.0.0.0/8]')).toEqual([]);
    expect(hasSet('nodePortAddresses: [10.0.0.0/8]')).toBe(true);
  });

  it.each(['["2001:db8::/32"]', '[10.0.0.0/8, 0.0.0.0/0]'])('answer everywhere with %s: there is no set', (list) => {
    const yaml = `nodePortAddresses: ${list}`;
    expect(hasSet(yaml)).toBe(false);
    expect(rules('services', yaml).at(-1)).toBe(
      'fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @service-nodeports',
    );
    expect(rules('nodeport-endpoints-check', yaml)).toEqual([
      'ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @no-endpoint-nodeports',
    ]);
  });

  it('answer everywhere where the node IP is a loopback address', () => {
    expect(hasSet('', [node(['127.0.0.9'])])).toBe(false);
  });

  it('everywhere in IPv6 is everywhere but ::1', () => {
    const v6 = [node(['2001:db8::11'])];
    const yaml = 'nodePortAddresses: ["::/0"]';
    expect(rules('services', yaml, v6).at(-1)).toBe(
      'fib daddr type local ip6 daddr != ::1 meta l4proto . th dport vmap @service-nodeports',
    );
    expect(rules('nodeport-endpoints-check', yaml, v6)).toEqual([
      'ip6 daddr != ::1 meta l4proto . th dport vmap @no-endpoint-nodeports',
    ]);
  });

  it('on a bindAddress that no interface has answer nowhere', () => {
    expect(ips('bindAddress: 198.51.100.77')).toEqual([]);
    expect(hasSet('bindAddress: 198.51.100.77')).toBe(true);
  });
});

/** The restore input and the setup of IPVS mode, written out from ipvs spec sections 4, 5.1 and 10.1. */
import { describe, expect, it } from 'vitest';
import type { RawObject } from '../../../src/index.js';
import { compileSmall, node, service, slice } from '../../support/small-cluster.js';

const rules = (objects: readonly RawObject[], yaml = '') => compileSmall('ipvs', objects, yaml).lines('rules');

/** The rules of one chain of a table, without its name. */
function chain(table: 'nat' | 'filter', name: string, objects: readonly RawObject[], yaml = ''): readonly string[] {
  const lines = rules(objects, yaml);
  const start = `-A ${name} `;
  const filter = lines.indexOf('*filter');
  const own = table === 'nat' ? lines.slice(0, filter) : lines.slice(filter);
  return own.filter((line) => line.startsWith(start)).map((line) => line.slice(start.length));
}

/** The match of a rule with its set's comment. */
const said = (comment: string, set: string, directions: string) =>
  `-m comment --comment "${comment}" -m set --match-set ${set} ${directions}`;

const PORTAL = (set: string) => said('Kubernetes service cluster ip + port for masquerade purpose', set, 'dst,dst');
const EXTERNAL = said(
  'Kubernetes service external ip + port for masquerade and filter purpose',
  'KUBE-EXTERNAL-IP',
  'dst,dst',
);
const EXTERNAL_LOCAL = said(
  'Kubernetes service external ip + port with externalTrafficPolicy=local',
  'KUBE-EXTERNAL-IP-LOCAL',
  'dst,dst',
);
const FROM_OUTSIDE = '-m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT';
const TO_THIS_NODE = '-m addrtype --dst-type LOCAL -j ACCEPT';

/** Three node ports, one for each protocol. */
const PORTS = ['TCP', 'UDP', 'SCTP'].map((protocol, i) => ({
  name: protocol.toLowerCase(),
  protocol,
  port: 80,
  nodePort: 30080 + i,
}));

describe('the rules', () => {
  it('of a cluster without Services', () => {
    expect(rules([])).toEqual([
      '*nat',
      ':KUBE-SERVICES - [0:0]',
      ':KUBE-POSTROUTING - [0:0]',
      ':KUBE-NODE-PORT - [0:0]',
      ':KUBE-LOAD-BALANCER - [0:0]',
      ':KUBE-MARK-MASQ - [0:0]',
      '-A KUBE-SERVICES -s 127.0.0.0/8 -j RETURN',
      '-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT',
      '-A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ',
      '-A KUBE-POSTROUTING -m mark ! --mark 0x00004000/0x00004000 -j RETURN',
      '-A KUBE-POSTROUTING -j MARK --xor-mark 0x00004000',
      '-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully',
      '-A KUBE-MARK-MASQ -j MARK --or-mark 0x00004000',
      'COMMIT',
      '*filter',
      ':KUBE-FORWARD - [0:0]',
      ':KUBE-NODE-PORT - [0:0]',
      ':KUBE-PROXY-FIREWALL - [0:0]',
      ':KUBE-SOURCE-RANGES-FIREWALL - [0:0]',
      ':KUBE-IPVS-FILTER - [0:0]',
      ':KUBE-IPVS-OUT-FILTER - [0:0]',
      '-A KUBE-SOURCE-RANGES-FIREWALL -j DROP',
      '-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x00004000/0x00004000 -j ACCEPT',
      '-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      '-A KUBE-NODE-PORT -m comment --comment "Kubernetes health check node port" -m set --match-set KUBE-HEALTH-CHECK-NODE-PORT dst -j ACCEPT',
      '-A KUBE-IPVS-FILTER -m set --match-set KUBE-LOAD-BALANCER dst,dst -j RETURN',
      '-A KUBE-IPVS-FILTER -m set --match-set KUBE-CLUSTER-IP dst,dst -j RETURN',
      '-A KUBE-IPVS-FILTER -m set --match-set KUBE-EXTERNAL-IP dst,dst -j RETURN',
      '-A KUBE-IPVS-FILTER -m set --match-set KUBE-EXTERNAL-IP-LOCAL dst,dst -j RETURN',
      '-A KUBE-IPVS-FILTER -m set --match-set KUBE-HEALTH-CHECK-NODE-PORT dst -j RETURN',
      '-A KUBE-IPVS-FILTER -m conntrack --ctstate NEW -m set --match-set KUBE-IPVS-IPS dst -j REJECT',
      'COMMIT',
    ]);
  });

  it('of IPv6 name the IPv6 sets, and ::1 for loopback', () => {
    const lines = rules([node(['2001:db8::11']), service({ clusterIP: 'fd00:96::20' })]);
    expect(lines).toContain('-A KUBE-SERVICES -s ::1/128 -j RETURN');
    expect(lines).toContain('-A KUBE-SERVICES -m set --match-set KUBE-6-CLUSTER-IP dst,dst -j ACCEPT');
    expect(lines.filter((line) => / KUBE-(?!6-)\S* (dst|src)/.test(line))).toEqual([]);
  });

  it('have the mark of any bit in eight digits', () => {
    for (const [bit, mark] of [
      [0, '0x00000001'],
      [31, '0x80000000'],
    ]) {
      const lines = rules([], `iptables: {masqueradeBit: ${bit}}`);
      expect(lines).toContain(`-A KUBE-MARK-MASQ -j MARK --or-mark ${mark}`);
      expect(lines).toContain(`-A KUBE-POSTROUTING -m mark ! --mark ${mark}/${mark} -j RETURN`);
    }
    // Section nftables is another mode's.
    expect(rules([], 'nftables: {masqueradeBit: 3, masqueradeAll: true}')).toEqual(rules([]));
  });
});

describe('KUBE-SERVICES', () => {
  const all = [
    service({ type: 'LoadBalancer', externalIPs: ['198.51.100.9'] }, ['203.0.113.7']),
    service({ clusterIP: '10.96.0.21', externalTrafficPolicy: 'Local', externalIPs: ['198.51.100.10'] }, [], 'api'),
  ];

  it('has its rules in this order, those of a set only if it has entries', () => {
    const cluster = said('Kubernetes service cluster ip + port for masquerade purpose', 'KUBE-CLUSTER-IP', 'src,dst');
    expect(chain('nat', 'KUBE-SERVICES', all)).toEqual([
      '-s 127.0.0.0/8 -j RETURN',
      `${said('Kubernetes service lb portal', 'KUBE-LOAD-BALANCER', 'dst,dst')} -j KUBE-LOAD-BALANCER`,
      `${cluster} -j KUBE-MARK-MASQ`,
      `${EXTERNAL} -j KUBE-MARK-MASQ`,
      `${EXTERNAL} ${FROM_OUTSIDE}`,
      `${EXTERNAL} ${TO_THIS_NODE}`,
      `${EXTERNAL_LOCAL} ${FROM_OUTSIDE}`,
      `${EXTERNAL_LOCAL} ${TO_THIS_NODE}`,
      '-m addrtype --dst-type LOCAL -j KUBE-NODE-PORT',
      '-m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT',
      '-m set --match-set KUBE-LOAD-BALANCER dst,dst -j ACCEPT',
    ]);
  });

  it.each([
    ['clusterCIDR: 10.244.0.0/16', '! -s 10.244.0.0/16 '],
    ['detectLocalMode: NodeCIDR', '! -s 10.244.1.0/24 '],
    ['detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: br0}', '! -i br0 '],
    ['detectLocalMode: InterfaceNamePrefix\ndetectLocal: {interfaceNamePrefix: veth}', '! -i veth+ '],
    // All of it, wherever it comes from.
    ['clusterCIDR: 10.244.0.0/16\niptables: {masqueradeAll: true}', ''],
  ])('masquerades what is sent to cluster IPs, with %j', (yaml, source) => {
    const given = [node(['192.0.2.11'], ['10.244.1.0/24']), service({})];
    expect(chain('nat', 'KUBE-SERVICES', given, yaml)[1]).toBe(
      `${PORTAL('KUBE-CLUSTER-IP')} ${source}-j KUBE-MARK-MASQ`,
    );
  });
});

describe('the other chains of nat', () => {
  it('KUBE-NODE-PORT masquerades node ports, but returns those of policy Local first', () => {
    const local = service({ type: 'NodePort', externalTrafficPolicy: 'Local', ports: PORTS });
    const [tcp, udp, sctp] = ['tcp', 'udp', 'sctp'].map((protocol) => {
      const name = protocol.toUpperCase();
      const set = protocol === 'sctp' ? 'SCTP-HASH' : name;
      const hash = protocol === 'sctp' ? " with type 'hash ip:port'" : '';
      const directions = protocol === 'sctp' ? 'dst,dst' : 'dst';
      const start = `-p ${protocol} -m comment --comment "Kubernetes nodeport ${name} port`;
      return [
        `${start} with externalTrafficPolicy=local${hash}" -m set --match-set KUBE-NODE-PORT-LOCAL-${set} ${directions} -j RETURN`,
        `${start} for masquerade purpose${hash}" -m set --match-set KUBE-NODE-PORT-${set} ${directions} -j KUBE-MARK-MASQ`,
      ];
    });
    expect(chain('nat', 'KUBE-NODE-PORT', [local])).toEqual([tcp, udp, sctp].flat());
    const cluster = service({ type: 'NodePort', ports: PORTS });
    expect(chain('nat', 'KUBE-NODE-PORT', [cluster])).toEqual([tcp?.[1], udp?.[1], sctp?.[1]]);
  });

  it('KUBE-LOAD-BALANCER masquerades but for policy Local', () => {
    const local = service({ type: 'LoadBalancer', externalTrafficPolicy: 'Local' }, ['203.0.113.7']);
    const comment = 'Kubernetes service load balancer ip + port with externalTrafficPolicy=local';
    expect(chain('nat', 'KUBE-LOAD-BALANCER', [local])).toEqual([
      `${said(comment, 'KUBE-LOAD-BALANCER-LOCAL', 'dst,dst')} -j RETURN`,
      '-j KUBE-MARK-MASQ',
    ]);
  });

  it('KUBE-POSTROUTING masquerades first what a local endpoint sends to itself', () => {
    const hairpin = 'Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose';
    const objects = [service({}), slice([{ ip: '10.244.1.1', here: true }])];
    expect(chain('nat', 'KUBE-POSTROUTING', objects)[0]).toBe(
      `${said(hairpin, 'KUBE-LOOP-BACK', 'dst,dst,src')} -j MASQUERADE`,
    );
    expect(chain('nat', 'KUBE-POSTROUTING', objects)).toHaveLength(4);
  });
});

describe('source ranges', () => {
  const firewall = 'Kubernetes service load balancer ip + port for load balancer with sourceRange';
  const cidr = 'Kubernetes service load balancer ip + port + source cidr for packet filter purpose';
  const own = 'Kubernetes service load balancer ip + port + source IP for packet filter purpose';
  const guarded = (range: string) =>
    service({ type: 'LoadBalancer', loadBalancerSourceRanges: [range] }, ['203.0.113.7']);

  it('let in who is in one, and the node if it is in one', () => {
    const objects = [guarded('192.0.2.0/24')];
    expect(chain('filter', 'KUBE-PROXY-FIREWALL', objects)).toEqual([
      `${said(firewall, 'KUBE-LOAD-BALANCER-FW', 'dst,dst')} -j KUBE-SOURCE-RANGES-FIREWALL`,
    ]);
    expect(chain('filter', 'KUBE-SOURCE-RANGES-FIREWALL', objects)).toEqual([
      `${said(cidr, 'KUBE-LOAD-BALANCER-SOURCE-CIDR', 'dst,dst,src')} -j RETURN`,
      `${said(own, 'KUBE-LOAD-BALANCER-SOURCE-IP', 'dst,dst,src')} -j RETURN`,
      '-j DROP',
    ]);
  });

  it('keep the node out by a rule between those of ranges and those of forwarding', () => {
    const lines = rules([guarded('198.51.100.0/24')]);
    const at = lines.findIndex((line) => line.startsWith('-A KUBE-IPVS-OUT-FILTER'));
    expect(lines[at - 1]).toBe('-A KUBE-SOURCE-RANGES-FIREWALL -j DROP');
    expect(lines[at + 1]).toMatch(/^-A KUBE-FORWARD /);
  });
});

describe('the setup', () => {
  const setup = (yaml = '', objects: readonly RawObject[] = []) => compileSmall('ipvs', objects, yaml).lines('setup');

  it('makes chains, jumps into them, and sets kernel parameters', () => {
    expect(setup()).toEqual([
      '-t nat -N KUBE-SERVICES',
      '-t nat -N KUBE-POSTROUTING',
      '-t nat -N KUBE-NODE-PORT',
      '-t nat -N KUBE-LOAD-BALANCER',
      '-t nat -N KUBE-MARK-MASQ',
      '-t filter -N KUBE-FORWARD',
      '-t filter -N KUBE-NODE-PORT',
      '-t filter -N KUBE-PROXY-FIREWALL',
      '-t filter -N KUBE-SOURCE-RANGES-FIREWALL',
      '-t filter -N KUBE-IPVS-FILTER',
      '-t filter -N KUBE-IPVS-OUT-FILTER',
      '-t nat -I OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
      '-t nat -I PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
      '-t nat -I POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING',
      '-t filter -I FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD',
      '-t filter -I INPUT -m comment --comment "kubernetes health check rules" -j KUBE-NODE-PORT',
      '-t filter -I INPUT -m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL',
      '-t filter -I FORWARD -m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL',
      '-t filter -I INPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-FILTER',
      '-t filter -I OUTPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-OUT-FILTER',
      'net/ipv4/ip_forward=1',
      'net/ipv4/vs/conntrack=1',
      'net/ipv4/vs/expire_nodest_conn=1',
      'net/ipv4/vs/expire_quiescent_template=1',
    ]);
  });

  it('sets two more with strictARP, and the same for IPv6', () => {
    expect(setup('ipvs: {strictARP: true}').slice(20, 23)).toEqual([
      'net/ipv4/conf/all/arp_announce=2',
      'net/ipv4/conf/all/arp_ignore=1',
      'net/ipv4/ip_forward=1',
    ]);
    expect(setup('', [node(['2001:db8::11'])])).toEqual(setup());
  });
});

/** Entries of the sets and addresses on kube-ipvs0 (ipvs spec sections 1.2, 2.3, 2.4, 3, 10). */
import { describe, expect, it } from 'vitest';
import type { RawObject } from '../../../src/index.js';
import { compileSmall, node, service, slice } from '../../support/small-cluster.js';

/** The sets with entries, by their names without `KUBE-`. */
function sets(objects: readonly RawObject[], yaml = ''): Readonly<Record<string, readonly string[]>> {
  const entries: Record<string, string[]> = {};
  for (const line of compileSmall('ipvs', objects, yaml).lines('ipset')) {
    const [verb, name = '', entry = ''] = line.split(' ');
    if (verb !== 'add') continue;
    const key = name.replace('KUBE-', '');
    entries[key] = [...(entries[key] ?? []), entry];
  }
  return entries;
}

const BALANCER = { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false };

describe('LOOP-BACK', () => {
  it('has every local endpoint, whatever its state, and no other', () => {
    const endpoints = [
      { ip: '10.244.1.1', here: true },
      { ip: '10.244.1.2', here: true, ready: false },
      { ip: '10.244.1.3', here: true, ready: false, serving: false, terminating: true },
      { ip: '10.244.2.4' },
    ];
    expect(sets([service({}), slice(endpoints)])['LOOP-BACK']).toEqual([
      '10.244.1.1,tcp:8080,10.244.1.1',
      '10.244.1.2,tcp:8080,10.244.1.2',
      '10.244.1.3,tcp:8080,10.244.1.3',
    ]);
  });

  it('has one entry for an endpoint of two Services', () => {
    const here = [{ ip: '10.244.1.1', here: true }];
    const objects = [service({}), service({ clusterIP: '10.96.0.21' }, [], 'api'), slice(here), slice(here, 'api')];
    expect(sets(objects)['LOOP-BACK']).toEqual(['10.244.1.1,tcp:8080,10.244.1.1']);
  });
});

describe('sets of addresses', () => {
  it('hold cluster IP, external IP and load-balancer address', () => {
    expect(sets([service({ ...BALANCER, externalIPs: ['198.51.100.9'] }, ['203.0.113.7'])])).toEqual({
      'CLUSTER-IP': ['10.96.0.20,tcp:80'],
      'EXTERNAL-IP': ['198.51.100.9,tcp:80'],
      'IPVS-IPS': ['10.96.0.20', '198.51.100.9', '203.0.113.7'],
      'LOAD-BALANCER': ['203.0.113.7,tcp:80'],
    });
  });

  it('under policy Local hold the external IP in the other set, but the load-balancer address in both', () => {
    const web = service({ ...BALANCER, externalTrafficPolicy: 'Local', externalIPs: ['198.51.100.9'] }, [
      '203.0.113.7',
    ]);
    expect(sets([web])).toMatchObject({
      'EXTERNAL-IP-LOCAL': ['198.51.100.9,tcp:80'],
      'LOAD-BALANCER': ['203.0.113.7,tcp:80'],
      'LOAD-BALANCER-LOCAL': ['203.0.113.7,tcp:80'],
    });
    expect(sets([web])['EXTERNAL-IP']).toBeUndefined();
  });

  it('are not told by internalTrafficPolicy', () => {
    expect(sets([service({ internalTrafficPolicy: 'Local', externalIPs: ['198.51.100.9'] })])).toMatchObject({
      'CLUSTER-IP': ['10.96.0.20,tcp:80'],
      'EXTERNAL-IP': ['198.51.100.9,tcp:80'],
    });
  });
});

describe('source ranges', () => {
  const guarded = (ranges: readonly string[], vips: readonly string[] = ['203.0.113.7']) =>
    service({ ...BALANCER, loadBalancerSourceRanges: ranges }, vips);
  const outFilter = (objects: readonly RawObject[]) =>
    compileSmall('ipvs', objects)
      .lines('rules')
      .filter((line) => line.startsWith('-A KUBE-IPVS-OUT-FILTER'));

  it('without the node: the node is kept out by a rule', () => {
    const objects = [guarded(['198.51.100.0/24', '203.0.113.0/25'])];
    expect(sets(objects)).toMatchObject({
      'LOAD-BALANCER-FW': ['203.0.113.7,tcp:80'],
      'LOAD-BALANCER-SOURCE-CIDR': ['203.0.113.7,tcp:80,198.51.100.0/24', '203.0.113.7,tcp:80,203.0.113.0/25'],
    });
    expect(sets(objects)['LOAD-BALANCER-SOURCE-IP']).toBeUndefined();
    expect(outFilter(objects)).toEqual([
      '-A KUBE-IPVS-OUT-FILTER -s 203.0.113.7 -m ipvs --vaddr 203.0.113.7 --vproto tcp --vport 80 -j DROP',
    ]);
  });

  it('with the node: the address itself is let in as a source', () => {
    const objects = [guarded(['198.51.100.0/24', '192.0.2.0/24'])];
    expect(sets(objects)['LOAD-BALANCER-SOURCE-IP']).toEqual(['203.0.113.7,tcp:80,203.0.113.7']);
    expect(outFilter(objects)).toEqual([]);
  });

  it('with another address of the node only: as without it', () => {
    const objects = [node(['192.0.2.11', '198.51.100.1']), guarded(['198.51.100.0/24'])];
    expect(sets(objects)['LOAD-BALANCER-SOURCE-IP']).toBeUndefined();
    expect(outFilter(objects)).toHaveLength(1);
  });

  it('keep the node out as often as an address is listed, sorted', () => {
    const objects = [guarded(['198.51.100.0/24'], ['203.0.113.9', '203.0.113.70', '203.0.113.9'])];
    const rule = (ip: string) =>
      `-A KUBE-IPVS-OUT-FILTER -s ${ip} -m ipvs --vaddr ${ip} --vproto tcp --vport 80 -j DROP`;
    expect(outFilter(objects)).toEqual([rule('203.0.113.70'), rule('203.0.113.9'), rule('203.0.113.9')]);
    expect(sets(objects)['LOAD-BALANCER-FW']).toEqual(['203.0.113.70,tcp:80', '203.0.113.9,tcp:80']);
  });

  it('that let everybody in, or are of the other family alone, restrict nothing', () => {
    for (const ranges of [['198.51.100.0/24', '0.0.0.0/0'], ['2001:db8::/32']]) {
      const objects = [guarded(ranges)];
      expect(Object.keys(sets(objects))).toEqual(['CLUSTER-IP', 'IPVS-IPS', 'LOAD-BALANCER']);
      expect(outFilter(objects)).toEqual([]);
    }
  });

  it('do not matter without a load-balancer address', () => {
    expect(Object.keys(sets([guarded(['198.51.100.0/24'], [])]))).toEqual(['CLUSTER-IP', 'IPVS-IPS']);
  });
});

describe('node ports', () => {
  const ports = ['TCP', 'UDP', 'SCTP'].map((protocol, i) => ({
    name: protocol.toLowerCase(),
    protocol,
    port: 80,
    nodePort: [30100, 3020, 30300][i],
  }));
  const nodes = node(['192.0.2.11', '198.51.100.1']);

  it('are told by number, those of SCTP by node address too', () => {
    expect(sets([nodes, service({ type: 'NodePort', ports })])).toEqual({
      'CLUSTER-IP': ['10.96.0.20,sctp:80', '10.96.0.20,tcp:80', '10.96.0.20,udp:80'],
      'IPVS-IPS': ['10.96.0.20'],
      'NODE-PORT-SCTP-HASH': ['192.0.2.11,sctp:30300', '198.51.100.1,sctp:30300'],
      'NODE-PORT-TCP': ['30100'],
      'NODE-PORT-UDP': ['3020'],
    });
  });

  it('under policy Local are in both sets of their protocol', () => {
    expect(sets([nodes, service({ type: 'NodePort', ports, externalTrafficPolicy: 'Local' })])).toMatchObject({
      'NODE-PORT-LOCAL-SCTP-HASH': ['192.0.2.11,sctp:30300', '198.51.100.1,sctp:30300'],
      'NODE-PORT-LOCAL-TCP': ['30100'],
      'NODE-PORT-LOCAL-UDP': ['3020'],
      'NODE-PORT-SCTP-HASH': ['192.0.2.11,sctp:30300', '198.51.100.1,sctp:30300'],
      'NODE-PORT-TCP': ['30100'],
      'NODE-PORT-UDP': ['3020'],
    });
  });

  it('are sorted as text', () => {
    const two = [3020, 30100].map((nodePort, i) => ({ name: `p${i}`, port: 80 + i, nodePort }));
    expect(sets([service({ type: 'NodePort', ports: two })])['NODE-PORT-TCP']).toEqual(['30100', '3020']);
  });

  const HEALTH_CHECKED = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 32000 };
  const ELSEWHERE = 'nodePortAddresses: [10.0.0.0/8]';

  it('without any address to answer on leave out the health check as well', () => {
    const web = service({ ...HEALTH_CHECKED, ports: [{ name: 'http', port: 80, nodePort: 30080 }] }, ['203.0.113.7']);
    expect(sets([web], ELSEWHERE)).toEqual({
      'CLUSTER-IP': ['10.96.0.20,tcp:80'],
      'IPVS-IPS': ['10.96.0.20', '203.0.113.7'],
      'LOAD-BALANCER': ['203.0.113.7,tcp:80'],
      'LOAD-BALANCER-LOCAL': ['203.0.113.7,tcp:80'],
    });
    expect(sets([web])).toMatchObject({ 'HEALTH-CHECK-NODE-PORT': ['32000'], 'NODE-PORT-LOCAL-TCP': ['30080'] });
  });

  it('without any address to answer on do not keep another port from opening the health check', () => {
    const web = service({
      ...HEALTH_CHECKED,
      ports: [
        { name: 'http', port: 80, nodePort: 30080 },
        { name: 'more', port: 81 },
      ],
    });
    expect(sets([web], ELSEWHERE)['HEALTH-CHECK-NODE-PORT']).toEqual(['32000']);
  });

  it('open the health check under policy Local of a LoadBalancer only', () => {
    const web = service({ ...HEALTH_CHECKED, externalTrafficPolicy: 'Cluster' });
    expect(sets([web])['HEALTH-CHECK-NODE-PORT']).toBeUndefined();
  });
});

describe('the addresses on kube-ipvs0', () => {
  const bound = (objects: readonly RawObject[]) => compileSmall('ipvs', objects).lines('addresses');

  it('leave out external and load-balancer addresses that the node has anyway', () => {
    const web = service({ externalIPs: ['192.0.2.11', '198.51.100.9'] }, ['192.0.2.11']);
    expect(bound([web])).toEqual(['10.96.0.20', '198.51.100.9']);
    expect(sets([web])).toMatchObject({
      'EXTERNAL-IP': ['192.0.2.11,tcp:80', '198.51.100.9,tcp:80'],
      'IPVS-IPS': ['10.96.0.20', '198.51.100.9'],
      'LOAD-BALANCER': ['192.0.2.11,tcp:80'],
    });
  });

  it('have a cluster IP even if the node has it', () => {
    expect(bound([node(['10.96.0.20']), service({})])).toEqual(['10.96.0.20']);
  });

  it('have an external IP that means the host itself, though the node has it too', () => {
    expect(bound([node(['192.0.2.11', '127.0.0.1']), service({ externalIPs: ['127.0.0.1'] })])).toEqual([
      '10.96.0.20',
      '127.0.0.1',
    ]);
    const v6 = service({ clusterIP: 'fd00:96::20', externalIPs: ['fe80::9', '2001:db8::11'] });
    expect(bound([node(['2001:db8::11', 'fe80::9']), v6])).toEqual(['fd00:96::20', 'fe80::9']);
  });

  it('have each address once', () => {
    const two = [80, 81].map((port) => ({ name: `p${port}`, port }));
    expect(bound([service({ ports: two, externalIPs: ['198.51.100.9'] })])).toEqual(['10.96.0.20', '198.51.100.9']);
  });
});

describe('the ipset text', () => {
  it('makes every set, in bytewise order, without entries too', () => {
    const hash = 'family inet hashsize 1024 maxelem 65536';
    expect(compileSmall('ipvs', []).lines('ipset')).toEqual([
      `create KUBE-CLUSTER-IP hash:ip,port ${hash}`,
      `create KUBE-EXTERNAL-IP hash:ip,port ${hash}`,
      `create KUBE-EXTERNAL-IP-LOCAL hash:ip,port ${hash}`,
      'create KUBE-HEALTH-CHECK-NODE-PORT bitmap:port range 0-65535',
      `create KUBE-IPVS-IPS hash:ip ${hash}`,
      `create KUBE-LOAD-BALANCER hash:ip,port ${hash}`,
      `create KUBE-LOAD-BALANCER-FW hash:ip,port ${hash}`,
      `create KUBE-LOAD-BALANCER-LOCAL hash:ip,port ${hash}`,
      `create KUBE-LOAD-BALANCER-SOURCE-CIDR hash:ip,port,net ${hash}`,
      `create KUBE-LOAD-BALANCER-SOURCE-IP hash:ip,port,ip ${hash}`,
      `create KUBE-LOOP-BACK hash:ip,port,ip ${hash}`,
      `create KUBE-NODE-PORT-LOCAL-SCTP-HASH hash:ip,port ${hash}`,
      'create KUBE-NODE-PORT-LOCAL-TCP bitmap:port range 0-65535',
      'create KUBE-NODE-PORT-LOCAL-UDP bitmap:port range 0-65535',
      `create KUBE-NODE-PORT-SCTP-HASH hash:ip,port ${hash}`,
      'create KUBE-NODE-PORT-TCP bitmap:port range 0-65535',
      'create KUBE-NODE-PORT-UDP bitmap:port range 0-65535',
    ]);
  });

  it('cuts the two IPv6 names that are longer than 31 characters', () => {
    const names = compileSmall('ipvs', [node(['2001:db8::11'])])
      .lines('ipset')
      .map((line) => line.split(' ')[1] ?? '');
    expect(names.filter((name) => name.length === 31)).toEqual([
      'KUBE-6-LOAD-BALANCER-SOURCE-CID',
      'KUBE-6-NODE-PORT-LOCAL-SCTP-HAS',
    ]);
    expect(names.every((name) => name.startsWith('KUBE-6-'))).toBe(true);
    expect(names).toHaveLength(17);
  });
});

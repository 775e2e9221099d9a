/** Virtual servers and real servers: each case is a sentence of kube-proxy's behaviour (ipvs spec sections 1.4, 2, 10). */
import { describe, expect, it } from 'vitest';
import type { RawObject } from '../../../src/index.js';
import { readIpvsadm } from '../../support/ipvs-texts.js';
import { compileSmall, node, service, slice } from '../../support/small-cluster.js';

/** The real servers' addresses of each virtual server. */
function servers(objects: readonly RawObject[], yaml = ''): Readonly<Record<string, readonly string[]>> {
  const lines = compileSmall('ipvs', objects, yaml).lines('ipvsadm');
  const read = readIpvsadm(lines.map((line) => `${line}\n`).join('')).servers;
  return Object.fromEntries(read.map(({ service: own, realServers }) => [own, realServers]));
}

const ipvsadm = (objects: readonly RawObject[], yaml = '') => compileSmall('ipvs', objects, yaml).lines('ipvsadm');

const HERE = { ip: '10.244.1.1', here: true };
const THERE = { ip: '10.244.2.2' };
const NODE_PORT = { type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort: 30080 }] };

const AT_HERE = ['10.244.1.1:8080'];
const AT_THERE = ['10.244.2.2:8080'];
const AT_BOTH = [...AT_HERE, ...AT_THERE];
const CLUSTER_IP = '-t 10.96.0.20:80';
const AT_NODE = '-t 192.0.2.11:30080';
const EXTERNAL = '-t 198.51.100.9:80';

describe('real servers', () => {
  it('are all endpoints under policy Cluster, on every address', () => {
    const web = service({ ...NODE_PORT, type: 'LoadBalancer', externalIPs: ['198.51.100.9'] }, ['203.0.113.7']);
    expect(servers([web, slice([HERE, THERE])])).toEqual({
      [CLUSTER_IP]: AT_BOTH,
      [AT_NODE]: AT_BOTH,
      [EXTERNAL]: AT_BOTH,
      '-t 203.0.113.7:80': AT_BOTH,
    });
  });

  it('are none under internalTrafficPolicy Local without a local endpoint, where nothing comes from outside', () => {
    expect(servers([service({ internalTrafficPolicy: 'Local' }), slice([THERE])])).toEqual({ [CLUSTER_IP]: [] });
  });

  it('are all of the cluster there, though, once any way in from outside exists', () => {
    const local = { internalTrafficPolicy: 'Local' };
    const all = [slice([THERE])];
    expect(servers([service({ ...local, ...NODE_PORT }), ...all])[CLUSTER_IP]).toEqual(AT_THERE);
    expect(servers([service({ ...local, externalIPs: ['198.51.100.9'] }), ...all])[CLUSTER_IP]).toEqual(AT_THERE);
    expect(servers([service(local, ['203.0.113.7']), ...all])[CLUSTER_IP]).toEqual(AT_THERE);
  });

  it('of the other family do not count as a way in', () => {
    const web = service({ internalTrafficPolicy: 'Local', externalIPs: ['2001:db8::9'] });
    expect(servers([web, slice([THERE])])).toEqual({ [CLUSTER_IP]: [] });
  });

  it('are the local ones under internalTrafficPolicy Local at the cluster IP only', () => {
    const web = service({ internalTrafficPolicy: 'Local', externalIPs: ['198.51.100.9'] });
    expect(servers([web, slice([HERE, THERE])])).toEqual({ [CLUSTER_IP]: AT_HERE, [EXTERNAL]: AT_BOTH });
  });

  it('are the local ones under externalTrafficPolicy Local at all other addresses', () => {
    const web = service(
      {
        ...NODE_PORT,
        type: 'LoadBalancer',
        externalTrafficPolicy: 'Local',
        externalIPs: ['198.51.100.9'],
      },
      ['203.0.113.7'],
    );
    expect(servers([web, slice([HERE, THERE])])).toEqual({
      [CLUSTER_IP]: AT_BOTH,
      [AT_NODE]: AT_HERE,
      [EXTERNAL]: AT_HERE,
      '-t 203.0.113.7:80': AT_HERE,
    });
  });

  it('are all of the cluster under externalTrafficPolicy Local without a local endpoint', () => {
    const web = service({ ...NODE_PORT, externalTrafficPolicy: 'Local' });
    expect(servers([web, slice([THERE])])).toEqual({ [CLUSTER_IP]: AT_THERE, [AT_NODE]: AT_THERE });
  });

  it('are a local terminating one under policy Local rather than ready ones elsewhere', () => {
    const web = service({ ...NODE_PORT, externalTrafficPolicy: 'Local' });
    const leaving = { ...HERE, ready: false, serving: true, terminating: true };
    expect(servers([web, slice([leaving, THERE])])).toEqual({ [CLUSTER_IP]: AT_THERE, [AT_NODE]: AT_HERE });
  });

  it('are none where no endpoint is usable', () => {
    expect(servers([service({}), slice([{ ...HERE, ready: false }])])).toEqual({ [CLUSTER_IP]: [] });
  });
});

describe('virtual servers', () => {
  it('stand by protocol flag, then address, bytewise, each before its real servers, which are bytewise too', () => {
    const ports = [
      { name: 'u', protocol: 'UDP', port: 53 },
      { name: 't', protocol: 'TCP', port: 53 },
      { name: 's', protocol: 'SCTP', port: 53 },
    ];
    const own = ports.map(({ name, protocol }) => ({ name, protocol, port: 80 }));
    const given = ['10.244.0.9', '10.244.0.7', '10.244.0.70', '10.244.0.10'].map((ip) => ({ ip }));
    const lines = (flag: string) => [
      `-A ${flag} 10.96.0.20:53 -s rr`,
      `-a ${flag} 10.96.0.20:53 -r 10.244.0.10:80 -m -w 1`,
      `-a ${flag} 10.96.0.20:53 -r 10.244.0.70:80 -m -w 1`,
      `-a ${flag} 10.96.0.20:53 -r 10.244.0.7:80 -m -w 1`,
      `-a ${flag} 10.96.0.20:53 -r 10.244.0.9:80 -m -w 1`,
    ];
    expect(ipvsadm([service({ ports }), slice(given, 'web', own)])).toEqual([
      ...lines('--sctp-service'),
      ...lines('-t'),
      ...lines('-u'),
    ]);
  });

  it('have IPv6 addresses in brackets', () => {
    const web = service({ clusterIP: 'fd00:96::20' });
    expect(ipvsadm([node(['2001:db8::11']), web, slice([{ ip: 'fd00:1::5' }])])).toEqual([
      '-A -t [fd00:96::20]:80 -s rr',
      '-a -t [fd00:96::20]:80 -r [fd00:1::5]:8080 -m -w 1',
    ]);
  });

  it('are persistent on every address with session affinity', () => {
    const affinity = { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 77 } } };
    const web = service({ ...NODE_PORT, ...affinity, externalIPs: ['198.51.100.9'] }, ['203.0.113.7']);
    expect(ipvsadm([web])).toEqual([
      `-A ${CLUSTER_IP} -s rr -p 77`,
      `-A ${AT_NODE} -s rr -p 77`,
      `-A ${EXTERNAL} -s rr -p 77`,
      '-A -t 203.0.113.7:80 -s rr -p 77',
    ]);
  });

  it.each([
    ['', '-s rr'],
    ['lc', '-s lc'],
    // Only mh is told to look at the client's port.
    ['sh', '-s sh'],
    ['mh', '-s mh -b mh-port'],
  ])('of scheduler %j have the options %s', (scheduler, options) => {
    expect(ipvsadm([service({})], `ipvs: {scheduler: "${scheduler}"}`)).toEqual([`-A ${CLUSTER_IP} ${options}`]);
  });

  it('of scheduler mh with session affinity have the flag last', () => {
    const web = service({ sessionAffinity: 'ClientIP' });
    expect(ipvsadm([web], 'ipvs: {scheduler: mh}')).toEqual([`-A ${CLUSTER_IP} -s mh -p 10800 -b mh-port`]);
  });

  it('are made once where an external IP is a load-balancer address too', () => {
    const web = service({ externalIPs: ['198.51.100.9', '198.51.100.9'] }, ['198.51.100.9']);
    expect(ipvsadm([web, slice([THERE])]).filter((line) => line.includes(EXTERNAL))).toEqual([
      `-A ${EXTERNAL} -s rr`,
      `-a ${EXTERNAL} -r 10.244.2.2:8080 -m -w 1`,
    ]);
  });

  it('are the later kind of one service port: an external IP counts, not the same cluster IP', () => {
    const web = service({ externalIPs: ['10.96.0.20'], externalTrafficPolicy: 'Local' });
    expect(servers([web, slice([HERE, THERE])])).toEqual({ [CLUSTER_IP]: AT_HERE });
  });
});

describe('node ports', () => {
  const at = (addresses: readonly string[], yaml = '', spec: Readonly<Record<string, unknown>> = NODE_PORT) =>
    Object.keys(servers([node(addresses), service(spec)], yaml)).filter((each) => each.endsWith(':30080'));

  it('answer on every address of the node but loopback and IPv6 link-local ones', () => {
    expect(at(['192.0.2.11', '169.254.3.4', '127.0.0.9', '198.51.100.1'])).toEqual([
      '-t 169.254.3.4:30080',
      '-t 192.0.2.11:30080',
      '-t 198.51.100.1:30080',
    ]);
    const v6 = { ...NODE_PORT, clusterIP: 'fd00:96::20' };
    expect(at(['2001:db8::11', 'fe80::1', '::1'], '', v6)).toEqual(['-t [2001:db8::11]:30080']);
  });

  it('answer on the addresses in nodePortAddresses, never on loopback', () => {
    const yaml = 'nodePortAddresses: [198.51.100.0/24, 127.0.0.0/8]';
    expect(at(['192.0.2.11', '198.51.100.1', '127.0.0.9'], yaml)).toEqual(['-t 198.51.100.1:30080']);
  });

  it('answer on a link-local address that nodePortAddresses covers', () => {
    const v6 = { ...NODE_PORT, clusterIP: 'fd00:96::20' };
    expect(at(['2001:db8::11', 'fe80::1'], 'nodePortAddresses: ["fe80::/10"]', v6)).toEqual(['-t [fe80::1]:30080']);
  });

  it('answer everywhere where nodePortAddresses has only the other family, or a range of everything', () => {
    expect(at(['192.0.2.11'], 'nodePortAddresses: ["2001:db8::/32"]')).toEqual([AT_NODE]);
    expect(at(['192.0.2.11'], 'nodePortAddresses: [10.0.0.0/8, 0.0.0.0/0]')).toEqual([AT_NODE]);
  });

  it('answer on the first address alone with primary', () => {
    expect(at(['192.0.2.11', '198.51.100.1'], 'nodePortAddresses: [primary]')).toEqual([AT_NODE]);
  });
});

describe('timeouts', () => {
  it.each([
    ['{tcpTimeout: 15m, tcpFinTimeout: 2m, udpTimeout: 5m}', '--set 900 120 300'],
    // Whole seconds are what is left: of less than one nothing, which leaves the kernel's own.
    ['{tcpTimeout: 999ms}', '--set 0 0 0'],
    ['{udpTimeout: 1500ms, tcpFinTimeout: 999ms}', '--set 0 0 1'],
    ['{tcpTimeout: 0s}', undefined],
    ['{}', undefined],
  ])('%s give %s, before all virtual servers', (ipvs, line) => {
    const [first, second] = ipvsadm([service({})], `ipvs: ${ipvs}`);
    expect(line === undefined ? first : [first, second]).toEqual(
      line === undefined ? `-A ${CLUSTER_IP} -s rr` : [line, `-A ${CLUSTER_IP} -s rr`],
    );
  });
});

describe('a virtual server that two service ports claim', () => {
  const nodePort = service({ ...NODE_PORT, clusterIP: '10.96.0.21' }, [], 'web');
  const external = (name: string) =>
    service({ externalIPs: ['192.0.2.11'], ports: [{ name: 'http', port: 30080 }] }, [], name);
  const slices = (name: string) => [slice([HERE]), slice([THERE], name)];

  it('is that of the external IP, whatever the names, as in the other modes; and both are named', () => {
    for (const [other, realServers, winner, loser] of [
      ['api', AT_THERE, 'api', 'web'],
      ['zoo', AT_THERE, 'zoo', 'web'],
    ] as const) {
      const objects = [nodePort, external(other), ...slices(other)];
      expect(servers(objects)[AT_NODE]).toEqual(realServers);
      expect(compileSmall('ipvs', objects).diagnostics).toMatchObject([
        {
          code: 'address-conflict',
          severity: 'warning',
          object: `Service default/${loser}`,
          message: expect.stringContaining(`Service default/${winner} (default/${winner}:http)`),
          hint: expect.stringContaining(`it is default/${winner}:http.`),
        },
      ]);
    }
  });

  it('is that of the first one with endpoints', () => {
    const objects = [nodePort, external('api'), slice([HERE])];
    expect(servers(objects)[AT_NODE]).toEqual(AT_HERE);
    const said = compileSmall('ipvs', objects).diagnostics.filter(({ code }) => code === 'address-conflict');
    expect(said).toMatchObject([{ object: 'Service default/api', message: expect.stringContaining('default/web') }]);
  });

  it('counts service ports by their names: `web-2:http` comes before `web:http`', () => {
    const shared = (name: string, clusterIP: string) => service({ clusterIP, externalIPs: ['198.51.100.9'] }, [], name);
    const objects = [
      shared('web', '10.96.0.20'),
      shared('web-2', '10.96.0.21'),
      slice([HERE]),
      slice([THERE], 'web-2'),
    ];
    expect(servers(objects)[EXTERNAL]).toEqual(AT_THERE);
  });

  it('has its entries in the sets for all of them', () => {
    const objects = [nodePort, external('api'), ...slices('api')];
    const ipset = compileSmall('ipvs', objects).lines('ipset');
    expect(ipset).toContain('add KUBE-NODE-PORT-TCP 30080');
    expect(ipset).toContain('add KUBE-EXTERNAL-IP 192.0.2.11,tcp:30080');
  });
});

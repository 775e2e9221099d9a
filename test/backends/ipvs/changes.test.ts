/** From what a host has of IPVS to what is wanted: which inputs, in which order. Expected inputs are reasoned out by hand. */
import { describe, expect, it } from 'vitest';
import { readAddresses } from '../../../src/backends/ipvs/addresses-text.js';
import { changeIpvs, type IpvsInputs, type IpvsOptions, type IpvsState } from '../../../src/backends/ipvs/changes.js';
import { readConnections, readTimeouts } from '../../../src/backends/ipvs/connections-text.js';
import { readIpset } from '../../../src/backends/ipvs/ipset-text.js';
import { readIpvsadm } from '../../../src/backends/ipvs/ipvsadm-text.js';
import { parseCidr } from '../../../src/net/ip.js';

const PORTS = 'bitmap:port range 0-65535';
const PAIRS = 'hash:ip,port family inet hashsize 1024 maxelem 65536';

/** Lines of all kinds, separated by ` / `: of ipvsadm, `SET: ENTRY ENTRY`, and `@INTERFACE ADDRESS ADDRESS`. */
function state(text: string): IpvsState {
  const lines = text === '' ? [] : text.split(' / ');
  const servers = lines.filter((line) => line.startsWith('-')).map((line) => `${line}\n`);
  const sets = lines.flatMap((line) => {
    const [, name, entries = ''] = /^([A-Z0-9-]+):(.*)$/.exec(line) ?? [];
    if (name === undefined) return [];
    const type = /NODE-PORT-(LOCAL-)?(TCP|UDP)/.test(name)
      ? PORTS
      : name.endsWith('IPVS-IPS')
        ? PAIRS.replace('ip,port', 'ip')
        : name.endsWith('CIDR')
          ? PAIRS.replace('ip,port', 'ip,port,net')
          : PAIRS;
    return [
      `create KUBE-${name} ${type}\n`,
      ...(entries.match(/\S+/g) ?? []).map((each) => `add KUBE-${name} ${each}\n`),
    ];
  });
  const addresses = lines.flatMap((line) => {
    const [name = '', ...all] = line.split(' ');
    if (!name.startsWith('@')) return [];
    return all.map((address) => `2: ${name.slice(1)}    inet ${address} scope global ${name.slice(1)}\n`);
  });
  return {
    table: readIpvsadm({ name: 'ipvsadm', text: servers.join('') }).table,
    sets: readIpset({ name: 'ipset', text: sets.join('') }).sets,
    addresses: readAddresses({ name: 'addresses', text: addresses.join('') }).addresses,
  };
}

const OPTIONS: IpvsOptions = { family: 'ipv4', excludeCIDRs: [], stays: () => false };

/** The inputs in their order, those that are empty left out; the lines of each separated by ` / `. */
function inputs(wanted: string, current: string, options: Partial<IpvsOptions> = {}): readonly string[] {
  const { inputs: all } = changeIpvs(state(wanted), state(current), { ...OPTIONS, ...options });
  const order: readonly (keyof IpvsInputs)[] = [
    ...(['open', 'prepare', 'restrict', 'arrive', 'bind', 'leave'] as const),
    ...(['release', 'unbind', 'close', 'remove', 'clear'] as const),
  ];
  return order.flatMap((name) => (all[name] === '' ? [] : [`${name}: ${all[name].trimEnd().split('\n').join(' / ')}`]));
}

const WEB = '-t 10.96.0.20:80';
const server = (ip: string, weight = 1, service = WEB) => `-a ${service} -r ${ip}:80 -m -w ${weight}`;
const LB = '-t 203.0.113.9:80';
const NP = '-t 192.0.2.11:30080';
const ENTRY = '10.96.0.20,tcp:80';
const BOUND = '@kube-ipvs0 10.96.0.20/32';

describe('order', () => {
  it.each<[what: string, wanted: string, current: string, expected: readonly string[]]>([
    [
      'nothing where all is there, in other orders and spellings',
      `-A ${WEB} -s rr / ${server('10.0.0.1')} / ${server('10.0.0.2')} / CLUSTER-IP: ${ENTRY} / ${BOUND}`,
      `-A ${WEB} -s rr / ${server('10.0.0.2')} / ${server('10.0.0.1')} / ${BOUND} / CLUSTER-IP: 10.96.0.20,6:80`,
      [],
    ],
    [
      'a new Service: entries, real servers, and only then its address',
      `-A ${WEB} -s rr / ${server('10.0.0.1')} / CLUSTER-IP: ${ENTRY} / IPVS-IPS: 10.96.0.20 / ${BOUND}`,
      'CLUSTER-IP: / IPVS-IPS: / @eth0 192.0.2.11/24',
      [
        `prepare: add KUBE-CLUSTER-IP ${ENTRY} / add KUBE-IPVS-IPS 10.96.0.20`,
        `arrive: -A ${WEB} -s rr / ${server('10.0.0.1')}`,
        'bind: addr add 10.96.0.20/32 dev kube-ipvs0',
      ],
    ],
    [
      'a new port of an address that is here: refused until its real servers come',
      `-A ${WEB} -s rr / -A -t 10.96.0.20:81 -s rr / ${server('10.0.0.1', 1, '-t 10.96.0.20:81')} / CLUSTER-IP: ${ENTRY} 10.96.0.20,tcp:81 / ${BOUND}`,
      `-A ${WEB} -s rr / CLUSTER-IP: ${ENTRY} / ${BOUND}`,
      [
        'open: -A -t 10.96.0.20:81 -s rr',
        'prepare: add KUBE-CLUSTER-IP 10.96.0.20,tcp:81',
        `arrive: ${server('10.0.0.1', 1, '-t 10.96.0.20:81')}`,
      ],
    ],
    [
      'a Service that goes: refused first, then unreachable, and what tells whose it is goes last',
      'CLUSTER-IP: / IPVS-IPS: / LOOP-BACK:',
      `-A ${WEB} -s rr / ${server('10.0.0.1')} / CLUSTER-IP: ${ENTRY} / IPVS-IPS: 10.96.0.20 / LOOP-BACK: 10.0.0.1,tcp:80 / ${BOUND}`,
      [
        `leave: -d ${WEB} -r 10.0.0.1:80`,
        'unbind: addr del 10.96.0.20/32 dev kube-ipvs0',
        `close: del KUBE-CLUSTER-IP ${ENTRY}`,
        `remove: -D ${WEB}`,
        'clear: del KUBE-IPVS-IPS 10.96.0.20 / del KUBE-LOOP-BACK 10.0.0.1,tcp:80',
      ],
    ],
    [
      'an endpoint for another: the new one comes before the old one goes',
      `-A ${WEB} -s rr / ${server('10.0.0.2')} / ${BOUND}`,
      `-A ${WEB} -s rr / ${server('10.0.0.1')} / ${BOUND}`,
      [`arrive: ${server('10.0.0.2')}`, `leave: -d ${WEB} -r 10.0.0.1:80`],
    ],
    [
      'other settings of a virtual server are written whole, and real servers keep theirs',
      `-A ${WEB} -s mh -p 10800 -b mh-port / ${server('10.0.0.1')} / ${BOUND}`,
      `-A ${WEB} -s rr / ${server('10.0.0.1')} / ${BOUND}`,
      [`arrive: -E ${WEB} -s mh -p 10800 -b mh-port`],
    ],
    [
      'weight and forwarding of a real server are brought back',
      `-A ${WEB} -s rr / ${server('10.0.0.1')} / ${server('10.0.0.2')} / ${BOUND}`,
      `-A ${WEB} -s rr / ${server('10.0.0.1', 0)} / -a ${WEB} -r 10.0.0.2:80 -g -w 1 / ${BOUND}`,
      [`arrive: -e ${WEB} -r 10.0.0.1:80 -m -w 1 / -e ${WEB} -r 10.0.0.2:80 -m -w 1`],
    ],
    [
      'source ranges come before what restricts to them, and that before the address',
      `-A -t 203.0.113.9:80 -s rr / LOAD-BALANCER: 203.0.113.9,tcp:80 / LOAD-BALANCER-FW: 203.0.113.9,tcp:80 / LOAD-BALANCER-SOURCE-CIDR: 203.0.113.9,tcp:80,198.51.100.0/24 / @kube-ipvs0 203.0.113.9/32`,
      'LOAD-BALANCER: / LOAD-BALANCER-FW: / LOAD-BALANCER-SOURCE-CIDR:',
      [
        'prepare: add KUBE-LOAD-BALANCER 203.0.113.9,tcp:80 / add KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:80,198.51.100.0/24',
        'restrict: add KUBE-LOAD-BALANCER-FW 203.0.113.9,tcp:80',
        'arrive: -A -t 203.0.113.9:80 -s rr',
        'bind: addr add 203.0.113.9/32 dev kube-ipvs0',
      ],
    ],
    [
      'a Service without restriction is free before its ranges go',
      '-A -t 203.0.113.9:80 -s rr / LOAD-BALANCER-FW: / LOAD-BALANCER-SOURCE-CIDR:',
      '-A -t 203.0.113.9:80 -s rr / LOAD-BALANCER-FW: 203.0.113.9,tcp:80 / LOAD-BALANCER-SOURCE-CIDR: 203.0.113.9,tcp:80,198.51.100.0/24',
      [
        'release: del KUBE-LOAD-BALANCER-FW 203.0.113.9,tcp:80',
        'clear: del KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:80,198.51.100.0/24',
      ],
    ],
    [
      'policy Local: no client keeps its address while endpoints of other nodes are there',
      `-A ${LB} -s rr / ${server('10.0.0.1', 1, LB)} / -A ${NP} -s rr / LOAD-BALANCER-LOCAL: 203.0.113.9,tcp:80 / NODE-PORT-LOCAL-TCP: 30080 30081`,
      `-A ${LB} -s rr / ${server('10.0.0.1', 1, LB)} / ${server('10.9.0.2', 1, LB)} / -A ${NP} -s rr / LOAD-BALANCER-LOCAL: / NODE-PORT-LOCAL-TCP:`,
      [
        // A port that is new has no real server yet.
        'prepare: add KUBE-NODE-PORT-LOCAL-TCP 30081',
        `leave: -d ${LB} -r 10.9.0.2:80`,
        'release: add KUBE-LOAD-BALANCER-LOCAL 203.0.113.9,tcp:80 / add KUBE-NODE-PORT-LOCAL-TCP 30080',
      ],
    ],
    [
      'policy Cluster again: masquerading begins before endpoints of other nodes come',
      `-A -t 203.0.113.9:80 -s rr / ${server('10.9.0.2', 1, '-t 203.0.113.9:80')} / LOAD-BALANCER-LOCAL:`,
      '-A -t 203.0.113.9:80 -s rr / LOAD-BALANCER-LOCAL: 203.0.113.9,tcp:80',
      [
        'prepare: del KUBE-LOAD-BALANCER-LOCAL 203.0.113.9,tcp:80',
        `arrive: ${server('10.9.0.2', 1, '-t 203.0.113.9:80')}`,
      ],
    ],
    [
      'sets that nobody wants are destroyed whole',
      '',
      'CLUSTER-IP: 10.96.0.20,tcp:80 / NODE-PORT-TCP: 30080',
      ['clear: destroy KUBE-CLUSTER-IP / destroy KUBE-NODE-PORT-TCP'],
    ],
    ['addresses that the kernel itself gave stay', '', '@kube-ipvs0 fe80::1/64', []],
    [
      'an address with a prefix length draws in a whole network',
      BOUND,
      '@kube-ipvs0 10.96.0.20/16',
      ['bind: addr add 10.96.0.20/32 dev kube-ipvs0', 'unbind: addr del 10.96.0.20/16 dev kube-ipvs0'],
    ],
  ])('%s', (_, wanted, current, expected) => {
    expect(inputs(wanted, current)).toEqual(expected);
    // What is written is what leads there.
    expect(inputs(wanted, wanted)).toEqual([]);
  });

  it('another maximum of entries: a new set takes the place of the old one; another type: the set is made anew', () => {
    const wanted = state('CLUSTER-IP: 10.96.0.20,tcp:80');
    const having = (creation: string): IpvsState => ({
      ...wanted,
      sets: readIpset({
        name: 'ipset',
        text: `create KUBE-CLUSTER-IP ${creation} bucketsize 12 initval 0x1\ncreate KUBERULES-SPARE hash:ip\n`,
      }).sets,
    });
    const prepare = (creation: string) => changeIpvs(wanted, having(creation), OPTIONS).inputs.prepare.split('\n');
    expect(prepare('hash:ip,port family inet hashsize 64 maxelem 100')).toEqual([
      'destroy KUBERULES-SPARE',
      `create KUBERULES-SPARE ${PAIRS}`,
      'swap KUBE-CLUSTER-IP KUBERULES-SPARE',
      'destroy KUBERULES-SPARE',
      `add KUBE-CLUSTER-IP ${ENTRY}`,
      '',
    ]);
    expect(prepare('hash:ip family inet hashsize 64 maxelem 65536').slice(1)).toEqual([
      'destroy KUBE-CLUSTER-IP',
      `create KUBE-CLUSTER-IP ${PAIRS}`,
      `add KUBE-CLUSTER-IP ${ENTRY}`,
      '',
    ]);
  });

  it.each([
    ['all that is wanted', '--set 900 120 300', '--set 900 120 300', []],
    ['0 leaves one as it is', '--set 0 7 0', '--set 900 7 300', []],
    ['another', '--set 0 7 0', '--set 900 120 300', ['arrive: --set 0 7 0']],
  ])('timeouts: %s', (_, wanted, current, expected) => {
    expect(inputs(wanted, current)).toEqual(expected);
  });
});

describe('whose a virtual server is', () => {
  const bare = (address: string) => `-A -t ${address} -s rr`;
  it.each<[what: string, current: string, isOwn: boolean]>([
    ['its address is on kube-ipvs0', `${bare('10.1.1.1:99')} / @kube-ipvs0 10.1.1.1/32`, true],
    ['its address is to be there', `${bare('10.1.1.1:99')} / IPVS-IPS: 10.1.1.1`, true],
    ['its address and port are a Service', `${bare('10.1.1.1:99')} / EXTERNAL-IP: 10.1.1.1,tcp:99`, true],
    ['its address with another port is', `${bare('10.1.1.1:99')} / EXTERNAL-IP: 10.1.1.1,tcp:98`, false],
    ['its address with another protocol is', `${bare('10.1.1.1:99')} / EXTERNAL-IP: 10.1.1.1,udp:99`, false],
    [
      'a node port on an address of the node',
      `${bare('192.0.2.11:30080')} / NODE-PORT-TCP: 30080 / @eth0 192.0.2.11/24`,
      true,
    ],
    ['a node port of UDP there', `${bare('192.0.2.11:30080')} / NODE-PORT-UDP: 30080 / @eth0 192.0.2.11/24`, false],
    [
      'the port of a node port, elsewhere',
      `${bare('192.0.2.12:30080')} / NODE-PORT-TCP: 30080 / @eth0 192.0.2.11/24`,
      false,
    ],
    ['nothing tells it', bare('10.1.1.1:99'), false],
    ['it has a mark', '-A -f 7 -s rr / @kube-ipvs0 10.1.1.1/32', false],
    ['what is left of a try of a scheduler', bare('198.51.100.0:20000'), true],
  ])('%s', (_, current, isOwn) => {
    const { inputs: all, own } = changeIpvs(state(''), state(current), OPTIONS);
    expect([all.remove !== '', own.table.services.length > 0]).toEqual([isOwn, isOwn]);
  });

  it('a node port on an address that no interface has is known by its twin', () => {
    const here = `${bare('192.0.2.11:30080')} / ${server('10.0.0.1', 1, '-t 192.0.2.11:30080')}`;
    const there = `${bare('203.0.113.1:30080')} / ${server('10.0.0.1', 1, '-t 203.0.113.1:30080')}`;
    const other = `${bare('203.0.113.2:30080')} / ${server('10.0.0.2', 1, '-t 203.0.113.2:30080')}`;
    const current = state(`${here} / ${there} / ${other} / NODE-PORT-TCP: 30080 / @eth0 192.0.2.11/24`);
    expect(changeIpvs(state(''), current, OPTIONS).inputs.remove).toBe(
      '-D -t 192.0.2.11:30080\n-D -t 203.0.113.1:30080\n',
    );
  });

  it('networks that are excluded are others, unless they are wanted', () => {
    const excludeCIDRs = [parseCidr('10.96.0.0/16') ?? expect.fail()];
    const current = `-A ${WEB} -s rr / ${server('10.0.0.1')} / ${BOUND}`;
    expect(inputs(BOUND, current, { excludeCIDRs })).toEqual([]);
    expect(inputs(`-A ${WEB} -s rr / ${BOUND}`, current, { excludeCIDRs })).toEqual([
      `leave: -d ${WEB} -r 10.0.0.1:80`,
    ]);
  });
});

describe('what `ipvsadm -L` prints', () => {
  it('connections by real server', () => {
    const text = [
      'IP Virtual Server version 1.2.1 (size=4096)',
      'Prot LocalAddress:Port Scheduler Flags',
      '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn',
      'UDP  10.0.0.1:53 rr ops',
      'SCTP 10.0.0.1:53 mh (mh-port)',
      '  -> 10.0.0.3:53                  Masq    1      4          0         ',
      'TCP  [fd00:1234:5678:9abc:def0:1234:5678:9abc]:30000 rr persistent 10800',
      '  -> [fd00:1234:5678:9abc:def0:1234:5678:9abd]:30001 Masq    0      3          12        ',
      'FWM  7 rr',
      '  -> 10.0.0.3:0                   Route   1      9          9         ',
    ].join('\n');
    expect([...readConnections(text)]).toEqual([
      ['--sctp-service 10.0.0.1:53 -r 10.0.0.3:53', 4],
      ['-t [fd00:1234:5678:9abc:def0:1234:5678:9abc]:30000 -r [fd00:1234:5678:9abc:def0:1234:5678:9abd]:30001', 15],
    ]);
  });

  it('timeouts', () => {
    expect(readTimeouts('Timeout (tcp tcpfin udp): 900 120 300\n')).toEqual([900, 120, 300]);
    expect(readTimeouts('')).toBeUndefined();
  });
});

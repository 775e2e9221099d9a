import { describe, expect, test } from 'vitest';
import type { Texts } from './backend.js';
import { emptyKernel, loadScript, parseStates, readAddresses, readScript, readSets, stateOf } from './ipvs.js';

const texts: Texts = new Map([
  [
    'ipvs.ipv4.ipvsadm',
    '--set 0 60 0\n-A -t 10.96.0.20:80 -s rr\n-a -t 10.96.0.20:80 -r 10.244.1.9:80 -m -w 1\n' +
      '-A -t 10.96.0.10:80 -s rr\n',
  ],
  [
    'ipvs.ipv4.ipset',
    'create KUBE-IPVS-IPS hash:ip family inet hashsize 1024 maxelem 65536\nadd KUBE-IPVS-IPS 10.96.0.20\n',
  ],
  ['ipvs.ipv4.addresses', '10.96.0.20\n'],
  ['ipvs.ipv4.rules', '*nat\n:KUBE-SERVICES - [0:0]\n-A KUBE-SERVICES -s 127.0.0.0/8 -j RETURN\nCOMMIT\n'],
  [
    'ipvs.ipv4.setup',
    '-t nat -N KUBE-SERVICES\n-t nat -I OUTPUT -m comment --comment "a b" -j KUBE-SERVICES\nnet/ipv4/ip_forward=1\n',
  ],
]);

describe('stateOf', () => {
  test('says what the texts leave in an empty kernel', () => {
    const { ipv4, ipv6 } = emptyKernel().tables;
    expect(stateOf(texts)).toEqual({
      servers: [
        '-A -t 10.96.0.10:80 -s rr',
        '-A -t 10.96.0.20:80 -s rr',
        '-a -t 10.96.0.20:80 -r 10.244.1.9:80 -m -w 1',
      ],
      timeouts: '900 60 300',
      sets: { 'KUBE-IPVS-IPS': { type: 'hash:ip family inet maxelem 65536', entries: ['10.96.0.20'] } },
      addresses: ['10.96.0.20'],
      tables: {
        ipv4: {
          ...ipv4,
          nat: {
            ...ipv4.nat,
            OUTPUT: ['-m comment --comment "a b" -j KUBE-SERVICES'],
            'KUBE-SERVICES': ['-s 127.0.0.0/8 -j RETURN'],
          },
        },
        ipv6,
      },
      parameters: { 'net/ipv4/ip_forward': '1' },
    });
  });
});

describe('readSets', () => {
  const set = (type: string, ...entries: string[]): string =>
    [`create S ${type}`, ...entries.map((entry) => `add S ${entry}`), ''].join('\n');
  const written = 'hash:ip,port,net family inet hashsize 1024 maxelem 65536';
  const printed = 'hash:ip,port,net family inet hashsize 2048 maxelem 65536 bucketsize 12 initval 0x9d1f8a2c';

  test('what ipset save prints is what was written: in any order, with sizes of its own, single addresses bare', () => {
    expect(readSets(set(printed, '10.0.0.2,tcp:80,10.0.0.7', '10.0.0.1,tcp:80,10.0.0.0/8'))).toEqual(
      readSets(set(written, '10.0.0.1,tcp:80,10.0.0.0/8', '10.0.0.2,tcp:80,10.0.0.7/32')),
    );
  });
  test('/32 is a network of many addresses in IPv6', () => {
    const type = 'hash:ip,port,net family inet6 hashsize 1024 maxelem 65536';
    expect(readSets(set(type, 'fd00::1,tcp:80,fd00::/32', 'fd00::1,tcp:80,fd00::2/128')).S?.entries).toEqual([
      'fd00::1,tcp:80,fd00::/32',
      'fd00::1,tcp:80,fd00::2',
    ]);
  });
  test.each([
    ['type', set('hash:ip,port family inet hashsize 1024 maxelem 65536', '10.0.0.1')],
    ['family', set('hash:ip family inet6 hashsize 1024 maxelem 65536', '10.0.0.1')],
    ['capacity', set('hash:ip family inet hashsize 1024 maxelem 1024', '10.0.0.1')],
    ['entry', set('hash:ip family inet hashsize 1024 maxelem 65536', '10.0.0.2')],
    ['number of entries', set('hash:ip family inet hashsize 1024 maxelem 65536', '10.0.0.1', '10.0.0.1')],
  ])('another %s is a difference', (_, other) => {
    expect(readSets(other)).not.toEqual(readSets(set('hash:ip family inet hashsize 1024 maxelem 65536', '10.0.0.1')));
  });
  test.each(['add S 10.0.0.1', 'create S x\ncreate S x', 'destroy S', 'create S x\ndel S 1'])('refuses %j', (text) => {
    expect(() => readSets(text)).toThrow('not a line about a set');
  });
});

/** What `ip -json addr show` prints. */
const dummy = (flags: string[], ...addresses: [family: string, local: string, prefixlen: number][]): string =>
  JSON.stringify([
    { ifname: 'lo', flags: ['LOOPBACK', 'UP'], addr_info: [{ family: 'inet', local: '127.0.0.1', prefixlen: 8 }] },
    {
      ifname: 'kube-ipvs0',
      flags,
      addr_info: addresses.map(([family, local, prefixlen]) => ({ family, local, prefixlen })),
    },
  ]);

describe('readAddresses', () => {
  test('lists the addresses of the device alone, and shows a prefix that is too short', () => {
    expect(
      readAddresses(
        dummy(['BROADCAST'], ['inet', '10.96.0.9', 32], ['inet', '10.96.0.10', 24], ['inet6', 'fd00::1', 128]),
      ),
    ).toEqual(['10.96.0.10/24', '10.96.0.9', 'fd00::1']);
  });
  test('no device is not the same as a device without addresses', () => {
    expect(readAddresses('[]')).toBeUndefined();
    expect(readAddresses(dummy([]))).toEqual([]);
  });
  test('the device must not be up', () => {
    expect(() => readAddresses(dummy(['BROADCAST', 'UP']))).toThrow('kube-ipvs0 is up');
  });
});

describe('loadScript', () => {
  test('on an empty kernel makes everything', () => {
    expect(loadScript(texts, emptyKernel())).toBe(`set -e
echo 1 >/proc/sys/net/ipv4/ip_forward
ipset restore <<'END OF INPUT'
create KUBE-IPVS-IPS hash:ip family inet hashsize 1024 maxelem 65536
add KUBE-IPVS-IPS 10.96.0.20
END OF INPUT
iptables-legacy-restore -w 60 --noflush --counters <<'END OF INPUT'
*nat
-N KUBE-SERVICES
COMMIT
*nat
-I OUTPUT -m comment --comment "a b" -j KUBE-SERVICES
COMMIT
*nat
:KUBE-SERVICES - [0:0]
-A KUBE-SERVICES -s 127.0.0.0/8 -j RETURN
COMMIT
END OF INPUT
ip link add kube-ipvs0 type dummy
ip -batch - <<'END OF INPUT'
addr replace 10.96.0.20/32 dev kube-ipvs0
END OF INPUT
ipvsadm -R <<'END OF INPUT'
--set 0 60 0
-A -t 10.96.0.20:80 -s rr
-a -t 10.96.0.20:80 -r 10.244.1.9:80 -m -w 1
-A -t 10.96.0.10:80 -s rr
END OF INPUT
`);
  });
  test('once loaded, makes neither chains nor jumps nor the device again', () => {
    const again = loadScript(texts, stateOf(texts));
    expect(again).toContain('ipset -exist restore');
    expect(again).toContain('\nipvsadm -C\n');
    expect(again).not.toMatch(/-[NI] |link add/);
  });
  test('no input, no program', () => {
    expect(loadScript(new Map(), stateOf(texts))).toBe('set -e\nipvsadm -C\n');
  });
});

describe('readScript and parseStates', () => {
  test('one state for each run', () => {
    const one = (address: string): string =>
      [
        '=== servers\n-a -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 1\n-A -t 10.0.0.1:80 -s rr\n',
        '=== timeouts\nTimeout (tcp tcpfin udp): 900 120 300\n',
        '=== sets\ncreate S hash:ip family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x1\n',
        `=== addresses\n${dummy([], ['inet', address, 32])}\n`,
        '=== ipv4\n# a comment\n*nat\n:OUTPUT ACCEPT [0:0]\n:X - [0:0]\n-A OUTPUT -j X\nCOMMIT\n',
        '=== ipv6\n',
        '=== parameters\n/proc/sys/net/ipv4/ip_forward:1\n',
        '=== end\n',
      ].join('');
    const { ipv4, ipv6 } = emptyKernel().tables;
    const state = (address: string) => ({
      servers: ['-A -t 10.0.0.1:80 -s rr', '-a -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 1'],
      timeouts: '900 120 300',
      sets: { S: { type: 'hash:ip family inet maxelem 65536', entries: [] } },
      addresses: [address],
      tables: { ipv4: { ...ipv4, nat: { ...ipv4.nat, OUTPUT: ['-j X'], X: [] } }, ipv6 },
      parameters: { 'net/ipv4/ip_forward': '1' },
    });
    expect(parseStates(one('10.0.0.1') + one('10.0.0.3'))).toEqual([state('10.0.0.1'), state('10.0.0.3')]);
  });
  test('a run that ended too early is no state', () => {
    expect(parseStates('=== servers\n-A -t 10.0.0.1:80 -s rr\n')).toEqual([]);
  });
  test('reads the parameters by their path', () => {
    expect(readScript(['net/ipv4/ip_forward'])).toContain('\ngrep -H . /proc/sys/net/ipv4/ip_forward\n');
  });
});

import { describe, expect, it } from 'vitest';
import {
  type Diagnostic,
  normalAddresses,
  normalIpset,
  normalIpvs,
  printAddresses,
  printIpset,
  printIpvsadm,
  readAddresses,
  readIpset,
  readIpvsadm,
} from '../../../src/index.js';

const lines = (diagnostics: readonly Diagnostic[]) =>
  diagnostics.map(({ code, place, message }) => `${code} ${place?.line}: ${message}`);

describe('ipvsadm', () => {
  const SAVED = `--set 900 120 300
-A -t 10.96.0.10:80 -s rr
-a -t 10.96.0.10:80 -r 10.244.1.5:8080 -m -w 1
-a -t 10.96.0.10:80 -r 10.244.1.6:8080 -i -w 0
-A --sctp-service 10.96.0.11:3868 -s rr -p 10800 -M 255.255.255.0 -o -b mh-port,mh-fallback
-A -u [fd00::10]:53 -s mh --pe sip
-a -u [fd00::10]:53 -r [fd00:1::5]:53 -g -w 1 --tun-type gue
-A -f 7 -s rr
-A -f 8 -6 -s rr
`;
  const { table, diagnostics } = readIpvsadm({ name: 'x', text: SAVED });

  it('is data that prints as it was', () => {
    expect(diagnostics).toEqual([]);
    expect(printIpvsadm(table)).toBe(SAVED);
    expect(table.timeouts).toEqual([900, 120, 300]);
    expect(table.services[0]).toMatchObject({
      service: { kind: 'address', protocol: 'TCP', address: { text: '10.96.0.10' }, port: 80 },
      scheduler: 'rr',
      servers: [
        { address: { text: '10.244.1.5' }, port: 8080, forwarding: 'masquerade', weight: 1 },
        { forwarding: 'tunnel', weight: 0 },
      ],
    });
    expect(table.services[1]).toMatchObject({ persistence: 10800, netmask: '255.255.255.0', onePacket: true });
    expect(table.services[4]).toMatchObject({ service: { kind: 'mark', mark: 8, family: 'ipv6' } });
  });

  it('in another spelling prints as it was until it is changed', () => {
    const text = '--add-service  --tcp-service 10.0.0.1:80 --persistent\n-a -t 10.0.0.1:80 -r 10.0.0.2:80 -m\n';
    const { table } = readIpvsadm({ name: 'x', text });
    expect(printIpvsadm(table)).toBe(text);
    const changed = { ...table, services: table.services.map((each) => ({ ...each, scheduler: 'rr' })) };
    expect(printIpvsadm(changed)).toBe('-A -t 10.0.0.1:80 -s rr -p 360\n-a -t 10.0.0.1:80 -r 10.0.0.2:80 -m\n');
  });

  it('has a normal form without order', () => {
    const one =
      '-A -t 10.0.0.1:80 -s mh -b mh-port,mh-fallback\n-a -t 10.0.0.1:80 -r 10.0.0.9:80 -m -w 1\n-a -t 10.0.0.1:80 -r 10.0.0.10:80 -m\n-A -u 10.0.0.1:80\n';
    const two =
      '-A -u 10.0.0.1:80 -s wlc\n-A -t 10.0.0.1:80 -b mh-fallback,mh-port -M 255.255.255.255 -s mh\n-a -t 10.0.0.1:80 -r 10.0.0.10:80 -m -w 1\n-a -t 10.0.0.1:80 -m -r 10.0.0.9:80\n';
    const normal = (text: string) => [...normalIpvs(readIpvsadm({ name: 'x', text }).table)];
    expect(normal(two)).toEqual(normal(one));
    for (const other of [
      one.replace('-w 1', '-w 0'),
      one.replace(':9:', ':8:'),
      one.replace('-s mh', '-s sh'),
      one.replace('10.0.0.9', '10.0.0.8'),
      one.replace('-m -w', '-g -w'),
      `${one}-A -f 1 -s rr\n`,
    ]) {
      if (other !== one) expect(normal(other)).not.toEqual(normal(one));
    }
  });

  it.each([
    ['-D -t 10.0.0.1:80\n', '1: "-D -t 10.0.0.1:80" is a command that ipvsadm does not print.'],
    ['-A -t 10.0.0.1:http -s rr\n', '1: "-A -t 10.0.0.1:http -s rr" is no virtual server.'],
    ['-A -t 010.0.0.1:80 -s rr\n', '1: "-A -t 010.0.0.1:80 -s rr" is no virtual server.'],
    ['-A -t fd00::1:80 -s rr\n', '1: "-A -t fd00::1:80 -s rr" is no virtual server.'],
    ['-A -t 10.0.0.1:80 -u 10.0.0.1:80\n', '1: "-A -t 10.0.0.1:80 -u 10.0.0.1:80" is no virtual server.'],
    ['-A -t 10.0.0.1:80 -s\n', '1: "-A -t 10.0.0.1:80 -s" is no virtual server.'],
    ['-A -t 10.0.0.1:80\n-A -t 10.0.0.1:80\n', '2: virtual server -t 10.0.0.1:80 is there a second time.'],
    [
      '-a -t 10.0.0.1:80 -r 10.0.0.2:80\n',
      '1: "-a -t 10.0.0.1:80 -r 10.0.0.2:80" belongs to no virtual server before it.',
    ],
    ['-a -t 10.0.0.1:80\n', '1: "-a -t 10.0.0.1:80" is no real server.'],
    ['--set 1 2\n', '1: "--set 1 2" does not set three timeouts.'],
  ])('names what is wrong: %j', (text, message) => {
    expect(lines(readIpvsadm({ name: 'x', text }).diagnostics)).toEqual([`unreadable-rules ${message}`]);
  });
});

describe('ipset', () => {
  const SAVED = `create KUBE-CLUSTER-IP hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0xe9aefe09
add KUBE-CLUSTER-IP 10.96.0.1,tcp:443
add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
create ports bitmap:port range 0-65535 timeout 300 counters comment
add ports 80 timeout 12 packets 3 bytes 180 comment "two words"
create nets hash:net family inet6 hashsize 64 maxelem 100
add nets fd00::/64 nomatch
`;

  it('is data that prints as it was', () => {
    const { sets, diagnostics } = readIpset({ name: 'x', text: SAVED });
    expect(diagnostics).toEqual([]);
    expect(printIpset(sets)).toBe(SAVED);
    expect(sets.map(({ name, type, entries }) => [name, type, entries.length])).toEqual([
      ['KUBE-CLUSTER-IP', 'hash:ip,port', 2],
      ['ports', 'bitmap:port', 1],
      ['nets', 'hash:net', 1],
    ]);
    expect(sets[1]?.entries[0]?.options).toContainEqual({ name: 'comment', value: '"two words"' });
  });

  it('has a normal form without order, numbers of the kernel, and masks of single addresses', () => {
    const one = `create A hash:ip,port,net family inet hashsize 1024 maxelem 65536
add A 10.0.0.1,tcp:80,10.0.0.0/8
add A 10.0.0.1,tcp:80,10.1.2.3
create B hash:ip family inet6 hashsize 1024 maxelem 65536
add B fd00::1
`;
    const two = `create B hash:ip family inet6 hashsize 2048 maxelem 65536 bucketsize 12 initval 0x1
add B FD00:0::1
create A hash:ip,port,net
add A 10.0.0.1,80,10.1.2.3/32
add A 10.0.0.1,6:80,10.9.9.9/8
add A 10.0.0.1,tcp:80,10.1.2.3
`;
    const normal = (text: string) => [...normalIpset(readIpset({ name: 'x', text }).sets)];
    expect(normal(two)).toEqual(normal(one));
    for (const [from, to] of [
      ['tcp:80,10.1', 'udp:80,10.1'],
      ['10.0.0.0/8', '10.0.0.0/9'],
      ['maxelem 65536\nadd A', 'maxelem 9\nadd A'],
      ['inet6', 'inet'],
      ['fd00::1', 'fd00::1 nomatch'],
      ['hash:ip ', 'hash:net '],
    ] as const) {
      expect(one).toContain(from);
      expect(normal(one.replace(from, to)), to).not.toEqual(normal(one));
    }
  });

  it.each([
    ['destroy A\n', '1: "destroy A" neither creates a set nor adds to one.'],
    ['add A 1.2.3.4\n', '1: set "A" is not created before this line.'],
    ['create A hash:ip\ncreate A hash:ip\n', '2: set "A" is created a second time.'],
    ['create A hash:ip maxelem\n', '1: "create A hash:ip maxelem" lacks a value or a quote.'],
    ['create A hash:ip\nadd A 1.2.3.4 comment "x\n', '2: "add A 1.2.3.4 comment "x" lacks a value or a quote.'],
  ])('names what is wrong: %j', (text, message) => {
    expect(lines(readIpset({ name: 'x', text }).diagnostics)).toEqual([`unreadable-rules ${message}`]);
  });
});

describe('addresses', () => {
  it('of ip and of ours are data that prints as it was', () => {
    const ip =
      '4: kube-ipvs0    inet 10.96.0.1/32 scope global kube-ipvs0\\       valid_lft forever preferred_lft forever\n' +
      '10: kube-ipvs0    inet6 fd00:10:96::20/128 scope global \\       valid_lft forever preferred_lft forever\n';
    const ours = 'fd00:10:96::20\n10.96.0.1\n';
    const a = readAddresses({ name: 'x', text: ip });
    const b = readAddresses({ name: 'x', text: ours });
    expect([a.diagnostics, b.diagnostics]).toEqual([[], []]);
    expect(printAddresses(a.addresses)).toBe(ip);
    expect(printAddresses(b.addresses)).toBe(ours);
    expect(a.addresses[0]?.at).toMatchObject({ index: 4, interface: 'kube-ipvs0', prefixLength: 32 });
    expect(normalAddresses(a.addresses)).toEqual(['10.96.0.1', 'fd00:10:96::20']);
    expect(normalAddresses(b.addresses)).toEqual(normalAddresses(a.addresses));
  });
  it.each(['hello', '4: x inet fd00::1/128', '4: x inet 1.2.3.4/33', '1.2.3.4/32'])('are not %j', (text) => {
    expect(lines(readAddresses({ name: 'x', text }).diagnostics)).toHaveLength(1);
  });
});

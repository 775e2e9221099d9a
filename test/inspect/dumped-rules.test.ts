/** Rules that kube-proxy does not write, or seldom, in dumps of a node: what a packet meets there, reasoned out by hand. */
import { describe, expect, it } from 'vitest';
import { printFraction, rulesOfDumps, tracePacket, UnknownRule } from '../../src/index.js';

const SAVE = (rules: string, filter = '') =>
  `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n${filter}COMMIT\n` +
  `*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:A - [0:0]\n${rules}COMMIT\n`;

/** What becomes of a packet from 10.244.1.7 to 10.96.0.20:80; an own address where IPVS is asked. */
function fates(texts: readonly string[], after?: string): readonly string[] {
  const { functions, diagnostics } = rulesOfDumps(
    texts.map((text, i) => ({ name: `dump ${i}`, text })),
    'ipv4',
  );
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  const trace = tracePacket(functions, {
    packet: {
      family: 'ipv4',
      protocol: 'tcp',
      source: '10.244.1.7',
      sourcePort: undefined,
      destination: '10.96.0.20',
      destinationPort: 80,
    },
    incoming: { kind: 'pod' },
    established: false,
    world: {
      family: 'ipv4',
      isLocal: (address) => address === '192.0.2.11' || (address === '10.96.0.20' && texts.length > 1),
      routeLocalnet: false,
      overBridge: false,
      after,
    },
  });
  return trace.fates.map(({ probability, fate }) => {
    if (fate.kind !== 'delivered') return `${printFraction(probability)} ${fate.kind}`;
    const source = fate.sourceNat === undefined ? 'kept' : (fate.sourceNat.address ?? 'masqueraded');
    return `${printFraction(probability)} ${fate.address}:${fate.port} ${source}`;
  });
}

const HERE = '10.96.0.20:80';
const MASQUERADE = '-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE\n';

describe('iptables', () => {
  it.each([
    [
      'a mark that is set and taken back',
      '-A PREROUTING -j MARK --or-mark 0x4000\n-A PREROUTING -j MARK --xor-mark 0x4000\n',
      'kept',
    ],
    [
      'a mark of which bits are taken',
      '-A PREROUTING -j MARK --set-mark 0xffff\n-A PREROUTING -j MARK --and-mark 0xbfff\n',
      'kept',
    ],
    [
      'a mark whose other bits change',
      '-A PREROUTING -j MARK --set-mark 0x4000\n-A PREROUTING -j MARK --set-mark 0x1/0x1\n',
      'masqueraded',
    ],
    [
      'a mark that replaces all',
      '-A PREROUTING -j MARK --set-mark 0x4000\n-A PREROUTING -j MARK --set-mark 0x1\n',
      'kept',
    ],
    [
      'a chain that comes back',
      '-A PREROUTING -j A\n-A PREROUTING -j MARK --set-mark 0x4000\n-A A -j RETURN\n',
      'masqueraded',
    ],
    ['a chain that does not come back', '-A PREROUTING -g A\n-A PREROUTING -j MARK --set-mark 0x4000\n', 'kept'],
    [
      'what is logged goes on',
      '-A PREROUTING -j LOG --log-prefix "x "\n-A PREROUTING -j MARK --set-mark 0x4000\n',
      'masqueraded',
    ],
    ['another network', '-A PREROUTING ! -s 10.244.0.0/16 -j MARK --set-mark 0x4000\n', 'kept'],
    ['another port', '-A PREROUTING -p tcp -m tcp --dport 81:90 -j MARK --set-mark 0x4000\n', 'kept'],
    ['a range of ports', '-A PREROUTING -p tcp -m tcp --dport 1:90 -j MARK --set-mark 0x4000\n', 'masqueraded'],
  ])('%s', (_what, rules, source) => {
    expect(fates([SAVE(rules + MASQUERADE)])).toEqual([`1 ${HERE} ${source}`]);
  });

  it.each([
    [
      'a fourth of the packets',
      '-A FORWARD -m statistic --mode random --probability 0.25 -j DROP\n',
      ['1/4 dropped', `3/4 ${HERE} kept`],
    ],
    [
      'all but a fourth',
      '-A FORWARD -m statistic --mode random ! --probability 0.25 -j DROP\n',
      ['3/4 dropped', `1/4 ${HERE} kept`],
    ],
    ['a new connection', '-A FORWARD -m conntrack --ctstate NEW -j REJECT\n', ['1 rejected']],
    [
      'only open connections',
      '-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A FORWARD -j DROP\n',
      ['1 dropped'],
    ],
  ])('%s', (_what, filter, expected) => {
    expect([...fates([SAVE('', filter)])].sort()).toEqual([...expected].sort());
  });

  it('an own address instead of masquerading', () => {
    expect(fates([SAVE('-A POSTROUTING -d 10.96.0.20 -j SNAT --to-source 192.0.2.11\n')])).toEqual([
      `1 ${HERE} 192.0.2.11`,
    ]);
  });

  it.each([
    ['a match', '-A FORWARD -m limit --limit 1/sec -j DROP\n', '-m limit --limit 1/sec is not known'],
    ['a target', '-A FORWARD -j TEE --gateway 10.0.0.1\n', 'its target is not known'],
    ['the way out', '-A FORWARD -o eth1 -j DROP\n', 'it depends on the interface by which the packet leaves'],
    [
      'a set',
      '-A FORWARD -m set --match-set other dst -j DROP\n',
      'set other is not there, or of no type that is known',
    ],
  ])('%s that is not known ends it', (_what, filter, reason) => {
    expect(() => fates([SAVE('', filter)])).toThrow(UnknownRule);
    expect(() => fates([SAVE('', filter)])).toThrow(reason);
    // Behind a match that fails it plays no part.
    const elsewhere = filter.replace('FORWARD', 'FORWARD -s 192.0.2.0/24');
    expect(fates([SAVE('', elsewhere)])).toEqual([`1 ${HERE} kept`]);
  });
});

describe('ipvs', () => {
  const server = (options: string, ...reals: readonly string[]) =>
    [`-A -t 10.96.0.20:80 ${options}`, ...reals.map((real) => `-a -t 10.96.0.20:80 -r ${real}`)]
      .map((line) => `${line}\n`)
      .join('');
  const ipvs = (text: string, after?: string) => fates([SAVE(''), text], after);
  const ONE = '10.244.1.10:8080 -m -w 1';
  const TWO = '10.244.2.10:8080 -m -w 1';

  it('real servers of one weight share evenly; one without weight gets no new connection', () => {
    expect(ipvs(server('-s rr', ONE, TWO))).toEqual(['1/2 10.244.1.10:8080 kept', '1/2 10.244.2.10:8080 kept']);
    expect(ipvs(server('-s rr', ONE, '10.244.2.10:8080 -m -w 0'))).toEqual(['1 10.244.1.10:8080 kept']);
  });

  it('without any that gets one the client is told', () => {
    expect(ipvs(server('-s rr'))).toEqual(['1 rejected']);
    expect(ipvs(server('-s rr', '10.244.2.10:8080 -m -w 0'))).toEqual(['1 rejected']);
  });

  it('a client goes where it went before only with persistence, and while that one takes connections', () => {
    const before = '10.244.2.10:8080';
    expect(ipvs(server('-s rr -p 10800', ONE, TWO), before)).toEqual(['1 10.244.2.10:8080 kept']);
    expect(ipvs(server('-s rr', ONE, TWO), before)).toHaveLength(2);
    expect(ipvs(server('-s rr -p 10800', ONE, '10.244.2.10:8080 -m -w 0'), before)).toEqual([
      '1 10.244.1.10:8080 kept',
    ]);
  });

  it.each([
    ['uneven weights', server('-s wrr', ONE, '10.244.2.10:8080 -m -w 2'), 'how wrr chooses'],
    ['a scheduler that is not known', server('-s mine', ONE, TWO), 'how mine chooses'],
    ['direct routing', server('-s rr', '10.244.1.10:80 -g -w 1'), 'what this virtual server does is not known'],
    ['one packet at a time', server('-s rr -o', ONE), 'what this virtual server does is not known'],
  ])('%s: no guess', (_what, text, reason) => {
    expect(() => ipvs(text)).toThrow(reason);
  });
});

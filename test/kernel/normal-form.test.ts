import { describe, expect, test } from 'vitest';
import { applyRestore, applySetup, emptyTables, normalRule, setupInput, splitArguments } from './normal-form.js';
import type { Family } from './places.js';

const normal = (line: string, family: Family = 'ipv4'): string => normalRule(splitArguments(line), family);

describe('splitArguments', () => {
  test('splits at blanks and keeps what stands in double quotes together', () => {
    expect(splitArguments('-A X -m comment --comment "a; b -j DROP" -j Y')).toEqual([
      '-A',
      'X',
      '-m',
      'comment',
      '--comment',
      'a; b -j DROP',
      '-j',
      'Y',
    ]);
  });
  test('keeps an empty argument, and what a backslash protects', () => {
    expect(splitArguments('a "" "b\\"c"')).toEqual(['a', '', 'b"c']);
  });
  test('knows no shell: dollars, single quotes and semicolons are text', () => {
    expect(splitArguments("$(x) 'a b' ;")).toEqual(['$(x)', "'a", "b'", ';']);
  });
  test('refuses a quote that is not closed', () => {
    expect(() => splitArguments('a "b')).toThrow('a quote is not closed');
  });
});

/** What kube-proxy writes, and what iptables-save 1.8.9 prints of it. */
const sameRules: [what: string, written: string, saved: string, family?: Family][] = [
  [
    'addresses with a mask in front, -p before the matches',
    '-m comment --comment "a/b cluster IP" -m tcp -p tcp -d 10.96.0.20 --dport 80 ! -s 10.244.0.0/16 -j KUBE-MARK-MASQ',
    '! -s 10.244.0.0/16 -d 10.96.0.20/32 -p tcp -m comment --comment "a/b cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ',
  ],
  [
    'IPv6 addresses',
    '-m comment --comment a/b:http -s fd00::a -j KUBE-MARK-MASQ',
    '-s fd00::a/128 -m comment --comment "a/b:http" -j KUBE-MARK-MASQ',
    'ipv6',
  ],
  ['or-mark', '-j MARK --or-mark 0x00004000', '-j MARK --set-xmark 0x4000/0x4000'],
  ['xor-mark', '-j MARK --xor-mark 0x80000000', '-j MARK --set-xmark 0x80000000/0x0'],
  ['mark with zeros', '-m mark ! --mark 0x00004000/0x00004000 -j RETURN', '-m mark ! --mark 0x4000/0x4000 -j RETURN'],
  [
    'recent',
    '-m recent --name X --rcheck --seconds 10800 --reap -j X',
    '-m recent --rcheck --seconds 10800 --reap --name X --mask 255.255.255.255 --rsource -j X',
  ],
  [
    'recent in IPv6',
    '-m recent --name X --set -j X',
    '-m recent --set --name X --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource -j X',
    'ipv6',
  ],
  [
    'probability',
    '-m statistic --mode random --probability 0.3333333333 -j X',
    '-m statistic --mode random --probability 0.33333333349 -j X',
  ],
  ['reject', '-p tcp -j REJECT', '-p tcp -j REJECT --reject-with icmp-port-unreachable'],
  ['reject in IPv6', '-j REJECT', '-j REJECT --reject-with icmp6-port-unreachable', 'ipv6'],
  ['every address', '-s 0.0.0.0/0 -j X', '-j X'],
  ['a rule without target', '-m comment --comment "only words"', '-m comment --comment "only words"'],
  [
    'connection states in another order',
    '-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP',
    '-m conntrack ! --ctstate DNAT,ESTABLISHED,RELATED -j DROP',
  ],
  [
    'ipvs with its options in another order and a protocol number',
    '-s 198.51.100.1 -m ipvs --vaddr 198.51.100.1 --vproto sctp --vport 80 -j DROP',
    '-s 198.51.100.1/32 -m ipvs --vproto 132 --vaddr 198.51.100.1 --vport 80 -j DROP',
  ],
  [
    'a set before an address that is not, and an apostrophe in the comment',
    `-m comment --comment "type 'hash ip:port'" -m set --match-set KUBE-CLUSTER-IP dst,dst ! -s 10.244.0.0/16 -j X`,
    `! -s 10.244.0.0/16 -m comment --comment "type \\'hash ip:port\\'" -m set --match-set KUBE-CLUSTER-IP dst,dst -j X`,
  ],
];

const differentRules: [what: string, one: string, other: string][] = [
  ['the target', '-s 1.2.3.4 -j X', '-s 1.2.3.4 -j Y'],
  ['an inverted address', '-s 1.2.3.4 -j X', '! -s 1.2.3.4 -j X'],
  ['no address but this', '! -s 0.0.0.0/0 -j X', '-j X'],
  ['an inverted option', '-m mark --mark 0x1/0x1', '-m mark ! --mark 0x1/0x1'],
  ['source and destination', '-s 1.2.3.4 -j X', '-d 1.2.3.4 -j X'],
  ['the mask', '-s 1.2.3.0/24 -j X', '-s 1.2.3.0 -j X'],
  ['the port', '-p tcp -m tcp --dport 80', '-p tcp -m tcp --dport 8080'],
  ['the protocol', '-p tcp -m tcp --dport 80', '-p udp -m udp --dport 80'],
  ['the bit of a mark', '-j MARK --or-mark 0x4000', '-j MARK --or-mark 0x8000'],
  ['or and xor', '-j MARK --or-mark 0x4000', '-j MARK --xor-mark 0x4000'],
  ['the probability', '-m statistic --mode random --probability 0.5', '-m statistic --mode random --probability 0.25'],
  ['a comment', '-m comment --comment a', '-m comment --comment b'],
  ['the order of matches', '-m comment --comment a -m mark --mark 1', '-m mark --mark 1 -m comment --comment a'],
  ['random-fully', '-j MASQUERADE', '-j MASQUERADE --random-fully'],
  ['the affinity time', '-m recent --name X --rcheck --seconds 1', '-m recent --name X --rcheck --seconds 2'],
  ['the set', '-m set --match-set A dst', '-m set --match-set B dst'],
  ['what is looked up in a set', '-m set --match-set A dst,dst', '-m set --match-set A src,dst'],
  ['an inverted set', '-m set --match-set A dst', '-m set ! --match-set A dst'],
  ['an inverted physdev', '-m physdev --physdev-is-in', '-m physdev ! --physdev-is-in'],
  ['the virtual address', '-m ipvs --vaddr 10.0.0.1', '-m ipvs --vaddr 10.0.0.2'],
  ['the virtual protocol', '-m ipvs --vproto tcp', '-m ipvs --vproto udp'],
  ['set and rcheck', '-m recent --name X --rcheck', '-m recent --name X --set'],
];

describe('normalRule', () => {
  test.each(sameRules)('same: %s', (_, written, saved, family) => {
    expect(normal(written, family)).toBe(normal(saved, family));
  });
  test.each(differentRules)('different: %s', (_, one, other) => {
    expect(normal(one)).not.toBe(normal(other));
  });
  test.each([
    '-m hashlimit --hashlimit 5/sec',
    '--dport 80',
    '-m tcp --sport 80',
    '-j LOG --log-prefix x',
    '-m set --match-set A',
    '!',
    '-s',
  ])('refuses what it does not know: %s', (line) => {
    expect(() => normal(line)).toThrow();
  });
});

describe('applySetup and applyRestore', () => {
  const setup = ['-t filter -N KUBE-X', '-t filter -I INPUT -j KUBE-X', '-t filter -I INPUT -m tcp -p tcp -j KUBE-X'];
  const rules = '*filter\n:KUBE-X - [0:0]\n:KUBE-Y - [0:0]\n-A KUBE-X -j KUBE-Y\nCOMMIT\n';

  test('inserts at the head, appends at the end, and twice gives the same', () => {
    const once = emptyTables();
    applySetup(once, setup.map(splitArguments), 'ipv4');
    applyRestore(once, rules, 'ipv4');
    const twice = structuredClone(once);
    applySetup(twice, setup.map(splitArguments), 'ipv4');
    applyRestore(twice, rules, 'ipv4');
    expect(once.filter).toEqual({
      INPUT: ['-p tcp -m tcp -j KUBE-X', '-j KUBE-X'],
      FORWARD: [],
      OUTPUT: [],
      'KUBE-X': ['-j KUBE-Y'],
      'KUBE-Y': [],
    });
    expect(twice).toEqual(once);
  });
  test('reads what iptables-save prints', () => {
    const state = {};
    applyRestore(
      state,
      '# by a program\n*nat\n:INPUT ACCEPT [3:180]\n:A - [0:0]\n-A INPUT -j A\nCOMMIT\n# done\n',
      'ipv4',
    );
    expect(state).toEqual({ nat: { INPUT: ['-j A'], A: [] } });
  });
  test('a setup as a restore input makes only what is missing', () => {
    const commands = [...setup, '-t filter -I INPUT -m comment --comment "a b" -j KUBE-X'].map(splitArguments);
    const state = emptyTables();
    applySetup(state, setup.slice(0, 2).map(splitArguments), 'ipv4');
    const before = structuredClone(state);
    expect(setupInput(state, commands, 'ipv4')).toBe(
      '*filter\n-I INPUT -m tcp -p tcp -j KUBE-X\nCOMMIT\n' +
        '*filter\n-I INPUT -m comment --comment "a b" -j KUBE-X\nCOMMIT\n',
    );
    expect(state).toEqual(before);
  });
  test('deletes a chain', () => {
    const state = emptyTables();
    applyRestore(state, '*nat\n:A - [0:0]\n-X A\nCOMMIT\n', 'ipv4');
    expect(state.nat).not.toHaveProperty('A');
  });
  test.each(['*nat\n-A NOWHERE -j X', '-A INPUT -j X', '*nat\n-I INPUT -j X'])('refuses %j', (text) => {
    expect(() => applyRestore(emptyTables(), text, 'ipv4')).toThrow();
  });
});

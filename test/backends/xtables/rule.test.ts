import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { probability } from '../../../src/backends/iptables/probability.js';
import { parseRuleArguments } from '../../../src/backends/xtables/parse-rule.js';
import { printRuleArguments } from '../../../src/backends/xtables/print-rule.js';
import { readProbability } from '../../../src/backends/xtables/values.js';
import { splitWords } from '../../../src/backends/xtables/words.js';
import { normalRuleText, type RuleSpec, shareOf } from '../../../src/index.js';

function spec(args: string): RuleSpec {
  const read = parseRuleArguments(args);
  if (read === undefined) throw new Error(`a quote is not closed: ${args}`);
  return read;
}

const normal = (args: string): string => normalRuleText(spec(args));

describe('words of a rule', () => {
  it.each([
    ['a "b c" d', ['a', 'b c', 'd']],
    ['"" "x\\"y\\\\z\\\'"', ['', 'x"y\\z\'']],
    ["  it's\t'two  words' \\x ", ["it's", "'two", "words'", '\\x']],
    // The closing quote ends a word, as iptables-restore has it.
    ['x"a b"c', ['xa b', 'c']],
    ['', []],
  ])('%j', (text, words) => {
    expect(splitWords(text)?.words).toEqual(words);
  });
  it('end where a quote is not closed', () => {
    expect(splitWords('a "b')).toBeUndefined();
    expect(splitWords('a "b\\"')).toBeUndefined();
  });
});

/** What was given to iptables-restore 1.8.9, and what both variants of iptables-save printed of it. */
const SAVED: readonly (readonly [written: string, saved: string])[] = [
  ['-p icmp --icmp-type 8 -j ACCEPT', '-p icmp -m icmp --icmp-type 8 -j ACCEPT'],
  ['-p 132 -m sctp --dport 80 -j ACCEPT', '-p sctp -m sctp --dport 80 -j ACCEPT'],
  ['-p sctp --dport 80:90 -j ACCEPT', '-p sctp -m sctp --dport 80:90 -j ACCEPT'],
  ['-p 50 -j ACCEPT', '-p esp -j ACCEPT'],
  ['-p all -j ACCEPT', '-j ACCEPT'],
  ['-p tcp ! --dport 80 --sport 1:1024 -j ACCEPT', '-p tcp -m tcp --sport 1:1024 ! --dport 80 -j ACCEPT'],
  ['-p tcp --dport 1024: -j ACCEPT', '-p tcp -m tcp --dport 1024:65535 -j ACCEPT'],
  ['-p tcp --dport 0:65535 -j ACCEPT', '-p tcp -m tcp -j ACCEPT'],
  ['-p tcp --destination-port 80 --jump ACCEPT', '-p tcp -m tcp --dport 80 -j ACCEPT'],
  ['! -i lo -j REJECT --reject-with tcp-reset -p tcp', '! -i lo -p tcp -j REJECT --reject-with tcp-reset'],
  ['-s 10.0.0.0/255.255.0.0 -j X', '-s 10.0.0.0/16 -j X'],
  ['-s 10.1.2.3/16 -j X', '-s 10.1.0.0/16 -j X'],
  ['-s 0.0.0.0/0 -d ::/0 -i + -j X', '-j X'],
  ['-s 10.1.2.3 -j X', '-s 10.1.2.3/32 -j X'],
  ['-d FD00:0::A -j X', '-d fd00::a/128 -j X'],
  [
    '-m comment --comment "it\'s \\"quoted\\" \\\\ back" -j X',
    '-m comment --comment "it\\\'s \\"quoted\\" \\\\ back" -j X',
  ],
  ["-m comment --comment 'single' -j X", '-m comment --comment "\\\'single\\\'" -j X'],
  ['-m comment --comment "bare" -j X', '-m comment --comment bare -j X'],
  ['-m comment --comment a/b:http -j X', '-m comment --comment "a/b:http" -j X'],
  [
    '-m addrtype ! --dst-type LOCAL ! --src-type UNICAST -j X',
    '-m addrtype ! --src-type UNICAST ! --dst-type LOCAL -j X',
  ],
  ['-m addrtype --dst-type BROADCAST,LOCAL -j X', '-m addrtype --dst-type LOCAL,BROADCAST -j X'],
  ['-m mark --mark 5 -j X', '-m mark --mark 0x5 -j X'],
  ['-m mark --mark 0x5/0xffffffff -j X', '-m mark --mark 0x5 -j X'],
  ['-m mark ! --mark 0x00004000/0x00004000 -j X', '-m mark ! --mark 0x4000/0x4000 -j X'],
  ['-m conntrack --ctstate NEW,RELATED,INVALID -j X', '-m conntrack --ctstate INVALID,NEW,RELATED -j X'],
  ['-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j X', '-m conntrack ! --ctstate DNAT,ESTABLISHED,RELATED -j X'],
  [
    '-m statistic --mode random --probability 0.3333333333 -j X',
    '-m statistic --mode random --probability 0.33333333349 -j X',
  ],
  [
    '-m statistic --mode random --probability 0.0009990010 -j X',
    '-m statistic --mode random --probability 0.00099900085 -j X',
  ],
  ['-m recent --set -j X', '-m recent --set --name DEFAULT --mask 255.255.255.255 --rsource -j X'],
  [
    '-m recent --name X --rcheck --seconds 10800 --reap -j X',
    '-m recent --rcheck --seconds 10800 --reap --name X --mask 255.255.255.255 --rsource -j X',
  ],
  [
    '-m recent --name X --set -j X',
    '-m recent --set --name X --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource -j X',
  ],
  ['-p tcp -j DNAT --to-destination 10.0.0.1-10.0.0.1', '-p tcp -j DNAT --to-destination 10.0.0.1'],
  ['-p tcp -j DNAT --to-destination 10.0.0.1:80-80', '-p tcp -j DNAT --to-destination 10.0.0.1:80'],
  ['-j MARK --set-mark 5', '-j MARK --set-xmark 0x5/0xffffffff'],
  ['-j MARK --set-mark 5/2', '-j MARK --set-xmark 0x5/0x7'],
  ['-j MARK --and-mark 0xf0', '-j MARK --set-xmark 0x0/0xffffff0f'],
  ['-j MARK --or-mark 0x00004000', '-j MARK --set-xmark 0x4000/0x4000'],
  ['-j MARK --xor-mark 0x80000000', '-j MARK --set-xmark 0x80000000/0x0'],
  ['-j REJECT', '-j REJECT --reject-with icmp-port-unreachable'],
  ['-j REJECT', '-j REJECT --reject-with icmp6-port-unreachable'],
  [
    '-m ipvs --vaddr 10.0.0.1 --vproto tcp --vport 443 -j DROP',
    '-m ipvs --vproto 6 --vaddr 10.0.0.1 --vport 443 -j DROP',
  ],
  ['-m nfacct --nfacct-name x -j DROP', '-m nfacct --nfacct-name  x -j DROP'],
  // kube-proxy's order, and the kernel's.
  [
    '-m comment --comment "a/b cluster IP" -m tcp -p tcp -d 10.96.0.20 --dport 80 ! -s 10.244.0.0/16 -j KUBE-MARK-MASQ',
    '! -s 10.244.0.0/16 -d 10.96.0.20/32 -p tcp -m comment --comment "a/b cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ',
  ],
  ['-m mark --mark 1 -m comment --comment a -j X', '-m comment --comment a -m mark --mark 1 -j X'],
  ['-c 1 2 -j X', '-j X'],
];

describe('rules that mean the same have one normal form', () => {
  it.each(SAVED)('%s', (written, saved) => {
    expect(normal(written)).toBe(normal(saved));
    expect(JSON.stringify(spec(written))).not.toMatch(/"kind":"unknown"(?!,"name":"icmp")/);
  });
});

describe('rules that do not, have not', () => {
  it.each([
    ['-s 1.2.3.4 -j X', '-s 1.2.3.4 -j Y'],
    ['-j X', '-g X'],
    ['-s 1.2.3.4 -j X', '! -s 1.2.3.4 -j X'],
    ['! -s 0.0.0.0/0 -j X', '-j X'],
    ['-s 1.2.3.4 -j X', '-d 1.2.3.4 -j X'],
    ['-s 1.2.3.0/24 -j X', '-s 1.2.3.0 -j X'],
    ['-s ::ffff:1.2.3.4 -j X', '-s 1.2.3.4 -j X'],
    ['-s ::ffff:0:0/96 -j X', '-j X'],
    ['-s 010.0.0.1 -j X', '-s 10.0.0.1 -j X'],
    ['-s 10.0.0.0/255.0.255.0 -j X', '-s 10.0.0.0/8 -j X'],
    ['-i eth -j X', '-i eth+ -j X'],
    ['! -i + -j X', '-j X'],
    ['-p tcp -m tcp --dport 80', '-p tcp -m tcp --sport 80'],
    ['-p tcp -m tcp --dport 80', '-p udp -m udp --dport 80'],
    ['-p tcp -m tcp ! --dport 0:65535', '-p tcp -m tcp'],
    ['-j MARK --set-mark 010', '-j MARK --set-mark 10'],
    ['-m mark --mark 0x1/0x1', '-m mark ! --mark 0x1/0x1'],
    ['-m comment --comment a', '-m comment --comment b'],
    ['-j MASQUERADE', '-j MASQUERADE --random-fully'],
    ['-m recent --rcheck --seconds 1 --name X', '-m recent --rcheck --seconds 1 --reap --name X'],
    ['-m recent --rcheck --rdest --name X', '-m recent --rcheck --name X'],
    ['-m recent --rcheck --mask 255.255.255.0', '-m recent --rcheck'],
    ['-m set --match-set A src,dst -j X', '-m set --match-set A dst,src -j X'],
    ['-m set --match-set A src --return-nomatch -j X', '-m set --match-set A src -j X'],
    ['-m limit --limit 5/min -j X', '-m limit --limit 6/min -j X'],
    ['-j LOG --log-prefix "-j X"', '-j LOG --log-prefix "" -j X'],
    // What comes before a match with an effect decides who gets there.
    ['-m recent --set --name X -m mark --mark 1', '-m mark --mark 1 -m recent --set --name X'],
    ['-m limit --limit 5/min -m mark --mark 1', '-m mark --mark 1 -m limit --limit 5/min'],
  ])('%s', (one, other) => {
    expect(normal(one)).not.toBe(normal(other));
  });
});

it('what is not understood keeps its words', () => {
  expect(spec('-m limit --limit 5/min ! --burst -1 --name "-x y" -j LOG --log-prefix "-j DROP"')).toEqual({
    matches: [
      {
        kind: 'unknown',
        name: 'limit',
        options: [
          { name: '--limit', not: false, values: ['5/min'] },
          { name: '--burst', not: true, values: ['-1'] },
          { name: '--name', not: false, values: ['-x y'] },
        ],
      },
    ],
    target: { kind: 'unknown', name: 'LOG', options: [{ name: '--log-prefix', not: false, values: ['-j DROP'] }] },
  });
  // One option too many, and nothing of the match is taken for known.
  expect(spec('-p tcp -m tcp --dport 80 --syn').matches[1]).toMatchObject({ kind: 'unknown', name: 'tcp' });
  expect(spec('-s host.example').matches).toEqual([
    { kind: 'unknown', name: undefined, options: [{ name: '-s', not: false, values: ['host.example'] }] },
  ]);
});

it('a rule can be read as data', () => {
  expect(
    spec('-p udp -m recent --name L --rcheck --seconds 10800 --reap -m udp -j DNAT --to-destination [fd00::1]:53'),
  ).toEqual({
    matches: [
      { kind: 'protocol', not: false, protocol: 'udp' },
      {
        kind: 'recent',
        action: 'rcheck',
        not: false,
        list: 'L',
        address: 'source',
        seconds: 10800,
        reap: true,
        hitcount: undefined,
        mask: undefined,
      },
      { kind: 'ports', protocol: 'udp', source: undefined, destination: undefined },
    ],
    target: {
      kind: 'dnat',
      to: { family: 'ipv6', address: 'fd00::1', lastAddress: undefined, port: 53, lastPort: undefined },
      random: false,
      randomFully: false,
      persistent: false,
    },
  });
});

it('any words are read; what is understood has a normal form of its own, and the rest never looks understood', () => {
  const word = fc.oneof(
    fc.constantFrom('-m', '-j', '!', '-s', '-p', '-i', 'tcp', 'mark', 'recent', '--dport', '80', '--set', '10.0.0.0/8'),
    fc.constantFrom('--mark', '0x1/0x2', 'MARK', '--or-mark', 'DNAT', '--to-destination', '10.0.0.1:80', '"a b"', '""'),
    fc.constantFrom(
      'comment',
      '--comment',
      '"-j"',
      'statistic',
      '--mode',
      'random',
      '--probability',
      '0.5',
      '--x',
      '-g',
    ),
    fc.string({ maxLength: 6 }).map((text) => text.replace(/["\n\r]/g, '')),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 14 }), (words) => {
      const isUnknown = (rule: RuleSpec): boolean => JSON.stringify(rule).includes('"kind":"unknown"');
      const read = spec(words.join(' '));
      const text = normalRuleText(read);
      expect(isUnknown(spec(text))).toBe(isUnknown(read));
      // The runs count those that are understood.
      fc.pre(!isUnknown(read));
      expect(normal(text)).toBe(text);
    }),
    { numRuns: 120 },
  );
});

it('every share that kube-proxy writes is known from the probability', () => {
  for (let n = 1; n <= 30_000; n++) {
    const threshold = readProbability(probability(n));
    if (threshold === undefined || shareOf(threshold) !== n) expect([n, shareOf(threshold ?? 0)]).toEqual([n, n]);
    // And from what iptables-save makes of it.
    const saved = readProbability(((threshold ?? 0) / 2 ** 31).toFixed(11));
    if (saved !== threshold) expect([n, saved]).toEqual([n, threshold]);
  }
  expect(shareOf(readProbability('0.3') ?? 0)).toBeUndefined();
  expect(shareOf(0)).toBeUndefined();
});

it('prints what iptables-save prints', () => {
  const saved = [
    ' ! -s 10.244.0.0/16 -d 10.96.0.20/32 -p tcp -m comment --comment "a/b cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ',
    ' -m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-A',
    ' -p tcp -m tcp -j DNAT --to-destination [fd00::1]:80',
    ' -j MARK --set-xmark 0x4000/0x0',
    ' -i eth+ ! -o docker0 -g X',
    ' -p tcp -j SNAT --to-source 1.2.3.4-1.2.3.9:100-200 --random-fully',
    ' -m recent ! --rcheck --hitcount 3 --name Z --mask 255.255.255.0 --rdest -j X',
    ' -m addrtype --dst-type LOCAL,BROADCAST --limit-iface-in -j X',
    ' -m physdev ! --physdev-is-in -j X',
    ' -m set ! --match-set KUBE-CLUSTER-IP dst,dst,src -j MASQUERADE --to-ports 100-200 --random',
  ];
  for (const args of saved) expect(printRuleArguments(spec(args))).toBe(args);
});

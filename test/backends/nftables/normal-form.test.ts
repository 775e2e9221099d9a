/** The normal form: other spellings are equal, and what differs is named. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { normalStatementsOf, printStatements } from '../../../src/index.js';
import { differences, listing, tableOf } from './support.js';

/** A rule's normal form, by way of a whole script. */
function normalRule(words: string, family = 'ip'): string {
  const table = `${family} kube-proxy`;
  const text = `add table ${table}\nadd chain ${table} x\nadd rule ${table} x ${words}\n`;
  const [chain] = tableOf(text).objects;
  if (chain?.kind !== 'chain' || chain.rules[0] === undefined) throw new Error('no rule');
  return printStatements(normalStatementsOf(chain.rules[0]));
}

describe('one rule, several spellings', () => {
  it.each([
    ['mark set mark or 0x00004000', 'meta mark set meta mark | 0x4000'],
    ['mark and 0x00004000 != 0 drop', 'meta mark & 16384 != 0x00000000 drop'],
    ['mark and 0x80000000 != 0 drop', 'meta mark != 0x00000000/1 drop'],
    ['ip saddr != { 10.0.0.0/9 , 10.128.0.0/9 } drop', 'ip saddr != 10.0.0.0/8 drop'],
    ['ip saddr { 10.0.0.2, 10.0.0.1, 10.0.0.2 } drop', 'ip saddr { 10.0.0.1, 10.0.0.2 } drop'],
    ['ip saddr 10.0.0.1/32 drop', 'ip saddr 10.0.0.1 drop'],
    ['ct state new jump a', 'ct state 0x8 jump a'],
    ['ct state new,established drop', 'ct state established,new drop'],
    ['ct status dnat accept', 'ct status 0x20 accept'],
    ['fib daddr type local drop', 'fib daddr type 2 drop'],
    ['meta l4proto tcp th dport 80 drop', 'tcp dport 80 drop'],
    ['meta l4proto tcp tcp dport 80 drop', 'tcp dport 80 drop'],
    ['meta l4proto 17 drop', 'meta l4proto udp drop'],
    ['reject', 'reject with icmp port-unreachable'],
    ['reject with icmp type port-unreachable', 'reject with icmp 3'],
    ['iifname cni0 drop', 'iifname "cni0" drop'],
    ['iifname != veth* drop', 'meta iifname != "veth*" drop'],
    ['masquerade fully-random,persistent', 'masquerade persistent,fully-random'],
    ['counter packets 5 bytes 300 drop', 'counter drop'],
    ['numgen random mod 2 vmap { 0 : goto a , 1 : goto b }', 'numgen random mod 2 vmap { 1 : goto b, 0 : goto a }'],
    [
      'dnat ip addr . port to numgen random mod 1 map { 0 : 10.0.0.1 . 80 }',
      'dnat ip to numgen random mod 1 map { 0 : 10.0.0.1 . 80 }',
    ],
    ['dnat ip to 10.0.0.1:80', 'dnat to 10.0.0.1:80'],
    ['update @a { ip saddr timeout 1h }', 'update @a { ip saddr timeout 3600s }'],
  ])('%s = %s', (one, other) => {
    expect(normalRule(one)).toBe(normalRule(other));
  });

  it.each([
    ['ip6 saddr { fd00::/9, fd80::/9 } drop', 'ip6 saddr fd00::/8 drop'],
    ['ip6 saddr fd00:0:0::0001 drop', 'ip6 saddr fd00::1 drop'],
    ['ip6 saddr ::1.2.3.4 drop', 'ip6 saddr ::102:304 drop'],
    ['reject', 'reject with icmpv6 port-unreachable'],
    ['dnat to [fd00::1]:80', 'dnat ip6 to [fd00::1]:80'],
  ])('IPv6: %s = %s', (one, other) => {
    expect(normalRule(one, 'ip6')).toBe(normalRule(other, 'ip6'));
  });

  it.each([
    ['ct status dnat accept', 'ct status == dnat accept'],
    ['ip saddr { 10.0.0.1, 10.0.0.2 } drop', 'ip saddr { 10.0.0.1, 10.0.0.3 } drop'],
    ['ip saddr 10.0.0.1 drop', 'ip saddr != 10.0.0.1 drop'],
    ['ip saddr 10.0.0.1 drop', 'ip daddr 10.0.0.1 drop'],
    ['meta l4proto tcp th dport 80 drop', 'meta l4proto udp th dport 80 drop'],
    ['meta l4proto tcp drop', 'meta l4proto tcp th dport 80 drop'],
    ['jump a', 'goto a'],
    ['iifname veth drop', 'iifname veth* drop'],
    ['mark set mark or 0x4000', 'mark set mark xor 0x4000'],
    ['mark set mark or 0x4000', 'mark set 0x4000'],
    ['mark set 0x1 ip saddr 10.0.0.1 drop', 'ip saddr 10.0.0.1 mark set 0x1 drop'],
    ['reject', 'reject with tcp reset'],
    ['masquerade', 'masquerade fully-random'],
    ['counter drop', 'drop'],
    ['log drop', 'log accept'],
    ['numgen random mod 2 vmap { 0 : goto a , 1 : goto b }', 'numgen inc mod 2 vmap { 0 : goto a , 1 : goto b }'],
    ['numgen random mod 2 vmap { 0 : goto a , 1 : goto b }', 'numgen random mod 2 vmap { 0 : goto b , 1 : goto a }'],
    ['dnat to 10.0.0.1:80', 'dnat to 10.0.0.1:81'],
    ['dnat to 10.0.0.1:80', 'dnat to 10.0.0.1'],
    ['update @a { ip saddr }', 'add @a { ip saddr }'],
    ['update @a { ip saddr }', 'update @a { ip saddr timeout 1h }'],
  ])('%s ≠ %s', (one, other) => {
    expect(normalRule(one)).not.toBe(normalRule(other));
  });
});

describe('sets of other versions and options', () => {
  const script = [
    'add table ip kube-proxy',
    'add set ip kube-proxy a { type ipv4_addr ; flags dynamic,timeout ; timeout 10800s ; }',
    'add map ip kube-proxy m { type inet_proto . inet_service : verdict ; }',
    'add element ip kube-proxy m { tcp . 80 comment "x" : drop }',
    '',
  ].join('\n');
  const listed = (...lines: readonly string[]) =>
    `table ip kube-proxy {\n${lines.map((line) => `\t${line}\n`).join('')}}\n`;
  const map = ['map m {', 'type inet_proto . inet_service : verdict', 'elements = { 6 . 80 comment "x" : drop }', '}'];

  it.each([
    ['with the number of elements', ['size 65535\t# count 3', 'flags dynamic,timeout', 'timeout 3h']],
    ['flags the other way round', ['flags timeout,dynamic', 'timeout 10800s']],
    ['with clients in it', ['flags dynamic,timeout', 'timeout 3h', 'elements = { 10.0.0.1 expires 2h59m }']],
  ])('%s', (_what, lines) => {
    expect(differences(script, listed('set a {', 'type ipv4_addr', ...lines, '}', ...map))).toEqual([]);
  });

  it.each([
    ['size', ['size 100', 'flags dynamic,timeout', 'timeout 3h']],
    ['timeout', ['flags dynamic,timeout', 'timeout 2h']],
    ['flag', ['flags timeout', 'timeout 3h']],
    ['property', ['flags dynamic,timeout', 'timeout 3h', 'gc-interval 3s']],
  ])('another %s is seen', (_what, lines) => {
    const [difference, ...more] = differences(script, listed('set a {', 'type ipv4_addr', ...lines, '}', ...map));
    expect(difference).toMatchObject({ kind: 'set', name: 'a', aspect: 'properties' });
    expect(more).toEqual([]);
  });
});

describe('what differs is named', () => {
  const script = readFileSync('golden/session-affinity-external-local/expected/nftables.ipv4.nft', 'utf8');
  const text = listing('session-affinity-external-local.ipv4.nft-list');

  it.each([
    ['priority filter', 'priority filter - 1', { kind: 'chain', name: 'filter-forward', aspect: 'hook' }],
    ['policy accept', 'policy drop', { kind: 'chain', aspect: 'hook' }],
    ['rules for kube-proxy', 'rules of mine', { kind: 'table', aspect: 'comment' }],
    ['helper for', 'help for', { kind: 'chain', name: 'reject-chain', aspect: 'comment' }],
    ['Active ClusterIPs', 'ClusterIPs', { kind: 'set', name: 'cluster-ips', aspect: 'comment' }],
    [
      '\t\treject\n',
      '\t\tdrop\n',
      { kind: 'chain', name: 'reject-chain', aspect: 'rules', left: 'reject\n', right: 'drop\n' },
    ],
  ])('%s → %s', (from, to, difference) => {
    expect(text).toContain(from);
    expect(differences(script, text.replace(from, to))).toEqual([expect.objectContaining(difference)]);
  });
});

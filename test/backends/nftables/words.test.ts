import { describe, expect, it } from 'vitest';
import { RESERVED_ALWAYS, RESERVED_WORDS } from '../../../src/backends/nftables/reserved-words.js';
import { detectorMatch, elementComment, quotedInterface } from '../../../src/backends/nftables/words.js';
import type { LocalDetector } from '../../../src/index.js';

const bridge = (name: string): LocalDetector => ({ kind: 'interface', name });
const beginning = (prefix: string): LocalDetector => ({ kind: 'interface-prefix', prefix });

describe('the match for traffic of local pods', () => {
  it('is by address with a CIDR', () => {
    expect(detectorMatch({ kind: 'cidr', cidr: '10.244.0.0/16' }, 'ipv4', '')).toBe('ip saddr 10.244.0.0/16');
    expect(detectorMatch({ kind: 'cidr', cidr: 'fd00::/56' }, 'ipv6', '!= ')).toBe('ip6 saddr != fd00::/56');
  });

  it('is by name with an interface, in both families', () => {
    expect(detectorMatch(bridge('cni0'), 'ipv4', '')).toBe('iifname cni0');
    expect(detectorMatch(bridge('cni0'), 'ipv6', '!= ')).toBe('iifname != cni0');
    expect(detectorMatch(beginning('veth'), 'ipv4', '')).toBe('iifname veth*');
    expect(detectorMatch(beginning('veth'), 'ipv6', '!= ')).toBe('iifname != veth*');
  });

  it('is none without a detector', () => {
    expect(detectorMatch(undefined, 'ipv4', '')).toBeUndefined();
    expect(quotedInterface(undefined)).toBeUndefined();
  });

  // As kube-proxy writes them, without quotes: what nft's scanner reads as one word, and takes for a name.
  it.each([
    ['letters, digits, dots, dashes and underscores', ['br0', 'br-0', 'br.100', 'kube_bridge', 'Docker0', 'a-', 'a.']],
    ['an underscore or a dot at the start', ['_lo', '.hidden', '_']],
    ['keywords that may be a value as well', ['ip', 'ip6', 'arp', 'ether', 'vlan', 'snat', 'dnat', 'reset', 'last']],
    ['symbolic values, which are no keywords', ['established', 'new', 'prerouting', 'broadcast', 'local', 'filter']],
    ['keywords in another case, or with more behind', ['Bridge', 'TCP', 'bridge0', 'tcp-', 'counter.1']],
    ['numbers as nft would print them', ['0', '7', '42', '123456789012345']],
    ['durations', ['1d', '12h', '5m', '30s', '100ms', '1d2h3m4s5ms']],
    ['IPv4 addresses, and two names of nft’s own', ['10.0.0.1', '999.0.0.1', '8021q', '8021ad']],
  ])('has no quotes around %s', (_, names) => {
    for (const name of names) expect(detectorMatch(bridge(name), 'ipv4', '')).toBe(`iifname ${name}`);
  });

  it.each([
    ['keywords', ['bridge', 'counter', 'accept', 'jump', 'type', 'auto-merge', 'iifname', 'missing']],
    ['protocols, which nft reads as numbers', ['tcp', 'udp', 'icmp', 'sctp', 'esp']],
    ['keywords of old releases alone', ['name', 'port', 'id', 'second', 'kind', 'seg-left', 'tag', 'to']],
    ['keywords of new releases alone', ['vxlan', 'geneve', 'tunnel', 'xt']],
    ['other signs', ['tun0@if2', 'a=b', 'a~', 'a+b', 'ppp~0']],
    ['words that are two for nft', ['1a', '5eth', '12ab', '1-2', '1d1', '5m1h', '10.0.0.1.2', '10.0.0', '1.5']],
    ['numbers that nft would print otherwise', ['007', '00', '08', '0x1f', '0x']],
  ])('has quotes around %s', (_, names) => {
    for (const name of names) {
      expect(detectorMatch(bridge(name), 'ipv4', '')).toBe(`iifname "${name}"`);
      expect(detectorMatch(bridge(name), 'ipv6', '!= ')).toBe(`iifname != "${name}"`);
      expect(quotedInterface(bridge(name))).toBe(`"${name}"`);
    }
  });

  it('has no quotes around a beginning that would be a keyword without its star', () => {
    for (const word of RESERVED_WORDS) {
      expect(detectorMatch(bridge(word), 'ipv4', '')).toBe(`iifname "${word}"`);
      expect(detectorMatch(beginning(word), 'ipv4', '')).toBe(`iifname ${word}*`);
    }
    for (const prefix of ['_', '.', 'br-', 'a.']) {
      expect(detectorMatch(beginning(prefix), 'ipv4', '')).toBe(`iifname ${prefix}*`);
    }
  });

  it('has quotes around a beginning with a digit or other signs', () => {
    for (const prefix of ['0', '42', '1d', '10.0.0.1', '8021q', 'a+b', 'a@']) {
      expect(detectorMatch(beginning(prefix), 'ipv4', '')).toBe(`iifname "${prefix}*"`);
      expect(quotedInterface(beginning(prefix))).toBe(`"${prefix}*"`);
    }
  });
});

describe('reserved words', () => {
  it('are names that an interface can have', () => {
    for (const word of RESERVED_WORDS) expect(word).toMatch(/^[a-z][a-z0-9-]{0,14}$/);
  });

  it('stand once and in order', () => {
    const always = [...RESERVED_ALWAYS];
    const sometimes = [...RESERVED_WORDS].slice(always.length);
    expect(always).toEqual([...always].sort());
    expect(sometimes).toEqual([...sometimes].sort());
    expect(sometimes.filter((word) => RESERVED_ALWAYS.has(word))).toEqual([]);
  });
});

describe('comments of elements', () => {
  it('are cut where nft refuses more', () => {
    const longest = 'c'.repeat(128);
    expect(elementComment(longest)).toBe(longest);
    expect(elementComment(`${longest}d`)).toBe(longest);
  });
});

import { describe, expect, it } from 'vitest';
import { listedState, normalRule, writtenState } from './nft-normal-form.js';

/** What was written, and what nft 1.0.6 lists for it. */
const pairs = {
  'marks are set': [
    'mark set mark or 0x00004000 comment "masquerade"',
    'meta mark set meta mark | 0x00004000 comment "masquerade"',
  ],
  'a mark is tested and taken off': [
    'mark and 0x00004000 != 0 mark set mark xor 0x00004000 masquerade fully-random',
    'meta mark & 0x00004000 != 0x00000000 meta mark set meta mark ^ 0x00004000 masquerade fully-random',
  ],
  'the highest bit is a prefix': [
    'mark and 0x80000000 != 0 mark set mark xor 0x80000000 masquerade fully-random',
    'meta mark != 0x00000000/1 meta mark set meta mark ^ 0x80000000 masquerade fully-random',
  ],
  'what the map holds is not said': [
    'meta l4proto tcp dnat ip addr . port to numgen random mod 2 map { 0 : 10.0.0.1 . 80 , 1 : 10.0.0.2 . 80 }',
    'meta l4proto tcp dnat ip to numgen random mod 2 map { 0 : 10.0.0.1 . 80, 1 : 10.0.0.2 . 80 }',
  ],
  'maps may come in another order': [
    'numgen random mod 11 vmap { 0 : goto a , 10 : goto b , 2 : goto c }',
    'numgen random mod 11 vmap { 0 : goto a, 2 : goto c, 10 : goto b }',
  ],
  'names are quoted': [
    'ip daddr @cluster-ips iifname != cni0 mark set mark or 0x00004000',
    'ip daddr @cluster-ips iifname != "cni0" meta mark set meta mark | 0x00004000',
  ],
  'quoted names stay so': ['iifname "bridge" goto service', 'iifname "bridge" goto service'],
  'beginnings of names': ['iifname veth* goto service', 'iifname "veth*" goto service'],
  'one address in braces': ['ip saddr != { 192.0.2.1 } drop', 'ip saddr != 192.0.2.1 drop'],
  'one network in braces': ['ip6 saddr != { fd00::/8 } drop', 'ip6 saddr != fd00::/8 drop'],
  'a network of one address': ['ip saddr != { 192.0.2.1/32 } drop', 'ip saddr != 192.0.2.1 drop'],
  'networks that meet': ['ip saddr != { 10.0.0.0/25 , 10.0.0.128/25 } drop', 'ip saddr != { 10.0.0.0/24 } drop'],
  'networks that overlap': [
    'ip daddr { 10.1.0.0/16,10.0.0.0/8,9.0.0.0/8 } drop comment "x"',
    'ip daddr { 9.0.0.0-10.255.255.255 } drop comment "x"',
  ],
  'all addresses': ['ip saddr != { 10.0.0.0/8 , 0.0.0.0/0 } drop', 'ip saddr != { 0.0.0.0/0 } drop'],
  'addresses in another order': ['ip6 saddr != { fd00::/8 , ::1/128 } drop', 'ip6 saddr != { ::1, fd00::/8 } drop'],
} as const satisfies Record<string, readonly [string, string]>;

describe('the normal form of a rule', () => {
  it.each(Object.entries(pairs))('is that of its listing: %s', (_, [written, listed]) => {
    expect(normalRule(written)).toBe(normalRule(listed));
  });

  it.each([
    ['an address', 'meta l4proto tcp dnat to 10.0.0.1:80', 'meta l4proto tcp dnat to 10.0.0.2:80'],
    [
      'a port of a map',
      pairs['what the map holds is not said'][0],
      pairs['what the map holds is not said'][1].replace('80 }', '81 }'),
    ],
    ['a mark', 'mark set mark or 0x00004000', 'meta mark set meta mark | 0x00008000'],
    ['the operation on a mark', 'mark set mark or 0x00004000', 'meta mark set meta mark ^ 0x00004000'],
    ['a tested mark', 'mark and 0x40000000 != 0 drop', 'meta mark != 0x00000000/1 drop'],
    ['a negation', 'iifname != cni0 drop', 'iifname "cni0" drop'],
    ['a negation of addresses', 'ip saddr != { 10.0.0.0/8 } drop', 'ip saddr 10.0.0.0/8 drop'],
    ['a name', 'iifname cni0 drop', 'iifname "cni0*" drop'],
    ['a network', 'ip saddr != { 10.0.0.0/8 } drop', 'ip saddr != 10.0.0.0/9 drop'],
    ['a gap', 'ip saddr != { 10.0.0.1 , 10.0.0.3 } drop', 'ip saddr != { 10.0.0.1-10.0.0.3 } drop'],
    ['source and destination', 'ip saddr 10.0.0.1 drop', 'ip daddr 10.0.0.1 drop'],
    ['a comment', 'drop comment "ip saddr { 10.0.0.1 }"', 'drop comment "ip saddr 10.0.0.1"'],
  ])('keeps apart %s', (_, written, listed) => {
    expect(normalRule(written)).not.toBe(normalRule(listed));
  });
});

const script = `add table ip kube-proxy
delete table ip kube-proxy
add table ip kube-proxy { comment "rules for kube-proxy" ; }
add chain ip kube-proxy external-A/b
add chain ip kube-proxy filter-input { type filter hook input priority 0 ; }
add chain ip kube-proxy reject-chain { comment "helper" ; }
add set ip kube-proxy affinity-A/b { type ipv4_addr ; flags dynamic,timeout ; timeout 10800s ; }
add set ip kube-proxy cluster-ips { type ipv4_addr ; comment "Active" ; }
add map ip kube-proxy no-endpoints { type inet_proto . inet_service : verdict ; comment "vmap" ; }
add rule ip kube-proxy external-A/b mark set mark or 0x00004000 comment "masquerade"
add rule ip kube-proxy external-A/b update @affinity-A/b { ip saddr }
add rule ip kube-proxy filter-input ct state new jump reject-chain
add rule ip kube-proxy reject-chain reject
add element ip kube-proxy cluster-ips { 10.96.0.10 }
add element ip kube-proxy cluster-ips { 10.96.0.9 }
add element ip kube-proxy no-endpoints { tcp . 30443 comment "default/web:https" : goto reject-chain }
add element ip kube-proxy no-endpoints { tcp . 30080 comment "default/web:http" : drop }
`;

const listing = `table ip kube-proxy {
	comment "rules for kube-proxy"
	set affinity-A/b {
		type ipv4_addr
		size 65535
		flags dynamic,timeout
		timeout 10800s
	}

	set cluster-ips {
		type ipv4_addr
		comment "Active"
		elements = { 10.96.0.9, 10.96.0.10 }
	}

	map no-endpoints {
		type inet_proto . inet_service : verdict
		comment "vmap"
		elements = { tcp . 30443 comment "default/web:https" : goto reject-chain,
			     tcp . 30080 comment "default/web:http" : drop }
	}

	chain external-A/b {
		meta mark set meta mark | 0x00004000 comment "masquerade"
		update @affinity-A/b { ip saddr }
	}

	chain filter-input {
		type filter hook input priority 0; policy accept;
		ct state new jump reject-chain
	}

	chain reject-chain {
		comment "helper"
		reject
	}
}
`;

describe('the state of a table', () => {
  it('is that of its listing', () => {
    expect(listedState(listing, 'ipv4')).toEqual(writtenState(script, 'ipv4'));
    expect(writtenState(script, 'ipv4')).toMatchObject({
      chains: { 'filter-input': { properties: ['type filter hook input priority 0', 'policy accept'] } },
      collections: { 'set cluster-ips': { elements: ['10.96.0.10', '10.96.0.9'] } },
    });
  });

  it.each([
    ['a comment of the table', '"rules for kube-proxy"', '"rules"'],
    ['a comment of a chain', '"helper"', '"help"'],
    ['a comment of a set', '"Active"', '"active"'],
    ['a comment of an element', 'web:http"', 'web:html"'],
    ['a flag', 'dynamic,timeout', 'timeout'],
    ['a timeout', '10800s', '600s'],
    ['a type', 'type inet_proto . inet_service', 'type inet_service . inet_proto'],
    ['a priority', 'priority 0', 'priority -110'],
    ['a hook', 'hook input', 'hook output'],
    ['a policy', 'policy accept', 'policy drop'],
    ['an element', '10.96.0.9, ', ''],
    ['a verdict', ' : drop', ' : goto reject-chain'],
    ['a set for a map', 'map no-endpoints', 'set no-endpoints'],
    ['a missing rule', '\t\treject\n', ''],
    ['a further rule', '\t\treject\n', '\t\treject\n\t\treject\n'],
    ['the order of rules', /(\t\tmeta mark .*\n)(\t\tupdate .*\n)/, '$2$1'],
    ['a further chain', '\tchain reject-chain {', '\tchain more {\n\t}\n\n\tchain reject-chain {'],
  ])('keeps apart %s', (_, part, other) => {
    const changed = listing.replace(part, other);
    expect(changed).not.toBe(listing);
    expect(listedState(changed, 'ipv4')).not.toEqual(writtenState(script, 'ipv4'));
  });

  it('is of one table alone', () => {
    expect(() => listedState(listing, 'ipv6')).toThrow('not a listing of table ip6 kube-proxy');
    expect(() => listedState(`${listing}table ip other {\n}\n`, 'ipv4')).toThrow();
    expect(() => listedState('', 'ipv4')).toThrow('not a listing');
    expect(() => listedState(listing.replace('\tcomment', '\tflags dormant\n\tcomment'), 'ipv4')).toThrow('not a line');
  });
});

/** verify: every kind of damage by its name, and nothing else. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { normalRuleText } from '../../src/backends/xtables/normal-rule.js';
import { parseRuleArguments } from '../../src/backends/xtables/parse-rule.js';
import { quickRuleText } from '../../src/backends/xtables/quick-rule.js';
import { loadCluster, type ProxyMode, VERIFY_CODES, verify } from '../../src/index.js';
import type { DumpText } from '../../src/inspect/verify/dumps.js';
import { filesBelow } from '../support/dumps.js';
import { config, found, named, nodeTexts, OBJECTS, OLD, type Texts } from './verify-cluster.js';

/** One way to damage the texts of a node, and what must be found. */
type Damage = readonly [what: string, damage: (texts: Texts) => Texts, expected: readonly string[], says?: RegExp];

/** Replaces in one text; a pattern that is not there is a mistake of the test. */
const change =
  (part: string, pattern: RegExp, by: string) =>
  (texts: Texts): Texts => {
    const text = texts[part] ?? '';
    expect(text).toMatch(pattern);
    return { ...texts, [part]: text.replace(pattern, by) };
  };
const append =
  (part: string, table: string, rule: string) =>
  (texts: Texts): Texts =>
    change(part, new RegExp(`(\\*${table}\\n[^*]*)COMMIT`), `$1${rule}\nCOMMIT`)(texts);

/** The node of other objects or another configuration. */
const nodeOf =
  (mode: ProxyMode, objects = OBJECTS, more = '') =>
  (): Texts =>
    nodeTexts(mode, objects, config(mode, more));

const without = (name: string) =>
  OBJECTS.filter(({ metadata }) => ![name, `${name}-1`].includes(String((metadata as { name: string }).name)));
/** The objects with other fields of one EndpointSlice's endpoint. */
const withSlice = (name: string, edit: (text: string) => string) =>
  OBJECTS.map((object) =>
    (object.metadata as { name: string }).name === `${name}-1` ? JSON.parse(edit(JSON.stringify(object))) : object,
  );

/** One Service and its node. */
const ALONE = OBJECTS.filter(({ metadata }) =>
  ['here', 'web', 'web-1'].includes(String((metadata as { name: string }).name)),
);

const WEB = 'KUBE-SVC-67NZLRHBNDSAWJRO';

const IPTABLES: readonly Damage[] = [
  ['a comment is another', change('rules', /"shop\/web:http cluster IP"/, '"hello"'), []],
  [
    'the first endpoint deleted',
    change('rules', new RegExp(`-A ${WEB}.*10.244.1.1:8080".*\\n`), ''),
    ['endpoint-missing shop/web:http'],
    /10\.244\.1\.1:8080/,
  ],
  [
    'an endpoint in the middle deleted',
    change('rules', new RegExp(`-A ${WEB}.*10.244.2.1:8080".*\\n`), ''),
    ['endpoint-missing shop/web:http'],
  ],
  [
    'the last endpoint deleted',
    change('rules', new RegExp(`-A ${WEB}.*10.244.3.1:8080".*\\n`), ''),
    ['endpoint-missing shop/web:http'],
    /10\.244\.3\.1:8080 is not in the rules, and nothing has its share/,
  ],
  [
    'an endpoint swapped',
    change('rules', /DNAT --to-destination 10.244.2.1:8080/, 'DNAT --to-destination 10.99.0.1:8080'),
    ['endpoint-changed shop/web:http'],
    /10\.244\.2\.1:8080 leads to 10\.99\.0\.1:8080/,
  ],
  [
    'a probability changed',
    change('rules', /--probability 0.3333333333/, '--probability 0.5000000000'),
    ['uneven shop/web:http'],
    /10\.244\.1\.1:8080 gets 1\/2, 10\.244\.2\.1:8080 gets 1\/4.*should get 1\/3/,
  ],
  [
    'a probability removed',
    change('rules', /-m statistic --mode random --probability 0.3333333333 /, ''),
    ['uneven shop/web:http'],
    /gets all/,
  ],
  [
    'a service chain flushed',
    change('rules', new RegExp(`(-A ${WEB} .*\\n)|`, 'g'), ''),
    ['chain-empty shop/web:http'],
    new RegExp(WEB),
  ],
  [
    'an endpoint chain flushed',
    change('rules', /-A KUBE-SEP-OA26CPEPWTDPMPAE .*\n-A KUBE-SEP-OA26CPEPWTDPMPAE .*\n/, ''),
    ['chain-empty shop/web:http'],
  ],
  [
    'KUBE-SERVICES flushed',
    (texts) => ({ rules: (texts.rules ?? '').replace(/^-A KUBE-SERVICES .*(KUBE-(SVC|FW|NODEPORTS).*)\n/gm, '') }),
    ['chain-empty'],
    /nat KUBE-SERVICES is empty/,
  ],
  [
    'a jump removed',
    change('rules', /-A PREROUTING .*\n/, ''),
    ['jump-missing'],
    /jump from PREROUTING to KUBE-SERVICES \(table nat\) is missing/,
  ],
  ['a jump doubled', change('rules', /(-A PREROUTING .*\n)/, '$1$1'), ['jump-repeated']],
  [
    'a stale chain added',
    append('rules', 'nat', '-A KUBE-SVC-AAAAAAAAAAAAAAAA -j RETURN'),
    ['stale-unused'],
    /KUBE-SVC-AAAAAAAAAAAAAAAA belongs to no service/,
  ],
  ['a Service gone', nodeOf('iptables', [...OBJECTS, ...OLD]), ['stale'], /shop\/old:http.*belong to no service/],
  [
    'a Service unknown',
    nodeOf('iptables', without('web')),
    ['no-rules shop/web:http'],
    /no rules at all; it has 3 usable endpoints/,
  ],
  ['a Service without endpoints unknown', nodeOf('iptables', without('gone')), ['no-rules shop/gone:http']],
  [
    'all endpoints unknown',
    nodeOf(
      'iptables',
      OBJECTS.filter(({ metadata }) => (metadata as { name: string }).name !== 'web-1'),
    ),
    ['endpoint-missing shop/web:http'],
    /traffic is refused/,
  ],
  [
    'an endpoint not ready any more',
    nodeOf(
      'iptables',
      withSlice('api', (text) => text.replaceAll('false', 'true')),
    ),
    ['endpoint-extra shop/api:http'],
    /10\.244\.3\.9:8080 is in the rules, but it is not ready .*since 2026-07-01/,
  ],
  [
    'an endpoint that no slice has',
    nodeOf(
      'iptables',
      withSlice('web', (text) => text.replace('10.244.3.1', '10.244.1.3')),
    ),
    ['endpoint-extra shop/web:http', 'endpoint-missing shop/web:http'],
    /10\.244\.1\.3:8080 is in the rules, but no EndpointSlice of the Service has it; Service shop\/front has the address/,
  ],
  [
    'the local endpoint unknown',
    nodeOf(
      'iptables',
      withSlice('front', (text) => text.replace('"here"', '"there"')),
    ),
    ['endpoint-missing shop/front:http'],
  ],
  [
    'the mark bit of one chain changed',
    change('rules', /--or-mark 0x00004000/, '--or-mark 0x00008000'),
    ['rule-changed'],
    /0x00008000/,
  ],
  [
    'another mark bit',
    nodeOf('iptables', OBJECTS, 'iptables:\n  masqueradeBit: 15\n'),
    ['configuration'],
    /15 \(mark 0x8000\).*14 \(mark 0x4000\)/,
  ],
  [
    'another cluster CIDR',
    (texts) => ({ rules: (texts.rules ?? '').replaceAll('10.244.0.0/16', '10.200.0.0/16') }),
    ['configuration'],
    /10\.200\.0\.0\/16.*10\.244\.0\.0\/16/,
  ],
  [
    'no cluster CIDR',
    (texts) => ({
      rules: (texts.rules ?? '').replace(/^-A KUBE-(SV[CL]|EXT)-.* -s 10\.244\.0\.0\/16 .*\n/gm, ''),
    }),
    ['configuration'],
    /nothing \(no clusterCIDR\)/,
  ],
  [
    'masqueradeAll',
    nodeOf('iptables', OBJECTS, 'iptables:\n  masqueradeAll: true\n'),
    ['configuration'],
    /masqueradeAll/,
  ],
  [
    'node ports on one address',
    nodeOf('iptables', OBJECTS, 'nodePortAddresses: [192.0.2.0/24]\n'),
    ['configuration'],
    /192\.0\.2\.11/,
  ],
  [
    'cluster IP not masqueraded',
    change('rules', new RegExp(`-A ${WEB}.*KUBE-MARK-MASQ\\n`), ''),
    ['masquerade-missing shop/web:http'],
  ],
  [
    'hairpin not masqueraded',
    change('rules', /-A KUBE-SEP-\S+ .* -s 10.244.2.1 .*\n/, ''),
    ['masquerade-missing shop/web:http'],
  ],
  ['the node port gone', change('rules', /-A KUBE-NODEPORTS .*30080.*\n/, ''), ['rule-missing shop/web:http'], /30080/],
  ['the node port changed', change('rules', /--dport 30080/, '--dport 31080'), ['rule-changed shop/web:http'], /31080/],
  [
    'the affinity timeout changed',
    (texts) => ({ rules: (texts.rules ?? '').replaceAll('--seconds 10800', '--seconds 300') }),
    ['affinity shop/api:http'],
    /300 s.*10800 s/,
  ],
  [
    'no affinity',
    () => nodeOf('iptables', JSON.parse(JSON.stringify(OBJECTS).replace('"sessionAffinity":"ClientIP"', '"x":1')))(),
    ['affinity shop/api:http'],
    /no session affinity/,
  ],
  ['a source range changed', change('rules', /-s 203.0.113.0\/24/, '-s 0.0.0.0/0'), ['rule-changed shop/front:http']],
  ['the firewall gone', change('rules', /-A KUBE-PROXY-FIREWALL .*\n/, ''), ['rule-missing shop/front:http']],
  [
    'a foreign rule in a chain of a Service',
    append('rules', 'nat', `-A ${WEB} -j ACCEPT`),
    ['rule-extra shop/web:http'],
  ],
  [
    'a foreign rule in KUBE-SERVICES',
    append('rules', 'nat', '-A KUBE-SERVICES -d 10.1.2.3/32 -j ACCEPT'),
    ['rule-extra'],
  ],
  [
    'the order of rules turned',
    change('rules', /(-A KUBE-EXT-LQHX\S+ .*pod traffic.*\n)(-A .*\n-A .*\n)/, '$2$1'),
    ['rule-order shop/front:http'],
  ],
  [
    'node ports before Services',
    change('rules', /(-A KUBE-SERVICES .*web:http cluster IP[^*]*)(-A KUBE-SERVICES .*KUBE-NODEPORTS\n)/, '$2$1'),
    ['rule-order'],
    /KUBE-SERVICES stand in another order/,
  ],
  ['KUBE-POSTROUTING changed', change('rules', /-A KUBE-POSTROUTING .* MASQUERADE.*\n/, ''), ['masquerade-missing']],
  ['everything flushed', (texts) => ({ rules: (texts.rules ?? '').replace(/^-A .*\n/gm, '') }), ['nothing-there']],
  [
    'rules of other programs',
    append('rules', 'nat', ':CNI-X - [0:0]\n-A CNI-X -j ACCEPT\n-A POSTROUTING -j CNI-X'),
    [],
  ],
  ['chains of IPVS mode', append('rules', 'filter', ':KUBE-IPVS-FILTER - [0:0]'), ['other-mode']],
];

const NFTABLES: readonly Damage[] = [
  [
    'an endpoint deleted',
    change(
      'nft',
      /mod 3 map \{ 0 : 10.244.1.1 . 8080 , 1 : 10.244.2.1 . 8080 , 2 : /,
      'mod 2 map { 0 : 10.244.1.1 . 8080 , 1 : ',
    ),
    ['endpoint-missing shop/web:http'],
    /10\.244\.2\.1:8080/,
  ],
  [
    'an endpoint swapped',
    change('nft', /1 : 10.244.2.1 . 8080/, '1 : 10.99.0.1 . 8080'),
    ['endpoint-extra shop/web:http', 'endpoint-missing shop/web:http'],
  ],
  [
    'a share changed',
    change('nft', /mod 3 map \{(.*) \}\n/, 'mod 4 map {$1 , 3 : 10.244.1.1 . 8080 }\n'),
    ['uneven shop/web:http'],
    /10\.244\.1\.1:8080 gets 1\/2, 10\.244\.2\.1:8080 gets 1\/4/,
  ],
  [
    'a share of nobody',
    change('nft', /mod 3 map/, 'mod 4 map'),
    ['uneven shop/web:http'],
    /1\/4 of the connections get no endpoint/,
  ],
  [
    'the order of endpoints',
    change('nft', /0 : 10.244.1.1 . 8080 , 1 : 10.244.2.1 . 8080/, '1 : 10.244.1.1 . 8080 , 0 : 10.244.2.1 . 8080'),
    [],
  ],
  [
    'a service chain flushed',
    change('nft', /add rule ip kube-proxy service-KHN6ECMT.*\n/, ''),
    ['chain-empty shop/web:http'],
  ],
  [
    'an endpoint chain changed',
    change('nft', /dnat to 10.244.2.2:8080/, 'dnat to 10.99.0.1:8080'),
    ['endpoint-changed shop/api:http'],
  ],
  [
    'a cluster IP out of the map',
    change('nft', /add element ip kube-proxy service-ips \{ 10.96.0.20 .*\n/, ''),
    ['entry-missing shop/web:http'],
  ],
  [
    'a node port out of the map',
    change('nft', /add element ip kube-proxy service-nodeports \{ tcp . 30080 .*\n/, ''),
    ['entry-missing shop/web:http'],
  ],
  [
    'a map entry to another Service',
    change(
      'nft',
      /10.96.0.20 . tcp . 80 : goto service-KHN6ECMT-shop\/web/,
      '10.96.0.20 . tcp . 80 : goto service-HRERZ4JW-shop/front',
    ),
    ['entry-missing shop/web:http', 'entry-extra shop/front:http'],
  ],
  [
    'a jump removed',
    change('nft', /add rule ip kube-proxy nat-prerouting jump services\n/, ''),
    ['chain-empty'],
    /nat-prerouting/,
  ],
  ['a Service gone', nodeOf('nftables', [...OBJECTS, ...OLD]), ['stale'], /shop\/old:http/],
  ['a Service unknown', nodeOf('nftables', without('web')), ['no-rules shop/web:http']],
  [
    'all endpoints unknown',
    nodeOf(
      'nftables',
      OBJECTS.filter(({ metadata }) => (metadata as { name: string }).name !== 'web-1'),
    ),
    ['endpoint-missing shop/web:http'],
  ],
  [
    'an endpoint not ready any more',
    nodeOf(
      'nftables',
      withSlice('api', (text) => text.replaceAll('false', 'true')),
    ),
    ['endpoint-extra shop/api:http'],
    /not ready/,
  ],
  ['another mark bit', nodeOf('nftables', OBJECTS, 'nftables:\n  masqueradeBit: 15\n'), ['configuration'], /0x8000/],
  [
    'another cluster CIDR',
    (texts) => ({ nft: (texts.nft ?? '').replaceAll('10.244.0.0/16', '10.200.0.0/16') }),
    ['configuration'],
  ],
  [
    'the affinity timeout changed',
    (texts) => ({ nft: (texts.nft ?? '').replaceAll('timeout 10800s', 'timeout 300s') }),
    ['affinity shop/api:http'],
  ],
  [
    'cluster IPs not masqueraded',
    change('nft', /add rule ip kube-proxy services ip daddr @cluster-ips ip saddr != .*\n/, ''),
    ['masquerade-missing'],
  ],
  ['the firewall changed', change('nft', /203.0.113.0\/24/, '0.0.0.0/1'), ['rule-changed shop/front:http']],
  [
    'the masquerade rule gone',
    change('nft', /add rule ip kube-proxy external-KHN6ECMT\S+ mark set.*\n/, ''),
    ['masquerade-missing shop/web:http'],
  ],
  [
    'the local endpoint unknown',
    nodeOf(
      'nftables',
      withSlice('front', (text) => text.replace('"here"', '"there"')),
    ),
    ['endpoint-missing shop/front:http'],
  ],
  [
    'the rule of a ServiceCIDR',
    change(
      'nft',
      /(ip daddr @cluster-ips reject .*\n)/,
      '$1add rule ip kube-proxy cluster-ips-check ip daddr { 10.96.0.0/16 } drop comment "Drop traffic to unallocated ClusterIPs"\n',
    ),
    [],
  ],
];

const IPVS: readonly Damage[] = [
  [
    'an endpoint deleted',
    (texts) => ({ ...texts, ipvsadm: (texts.ipvsadm ?? '').replace(/^-a .*10.244.2.1:8080.*\n/gm, '') }),
    ['endpoint-missing shop/web:http'],
  ],
  [
    'an endpoint deleted of one virtual server',
    change('ipvsadm', /-a -t 10.96.0.20:80 -r 10.244.2.1:8080.*\n/, ''),
    ['endpoint-missing shop/web:http'],
    /10\.96\.0\.20:80/,
  ],
  [
    'an endpoint swapped',
    (texts) => ({ ...texts, ipvsadm: (texts.ipvsadm ?? '').replaceAll('10.244.2.1:8080', '10.99.0.1:8080') }),
    ['endpoint-extra shop/web:http', 'endpoint-missing shop/web:http'],
  ],
  [
    'a weight changed',
    change('ipvsadm', /(10.96.0.20:80 -r 10.244.2.1:8080) -m -w 1/, '$1 -m -w 5'),
    ['uneven shop/web:http'],
    /weight 5/,
  ],
  [
    'a former endpoint drains',
    change(
      'ipvsadm',
      /(-a -t 10.96.0.20:80 -r 10.244.2.1:8080.*\n)/,
      '$1-a -t 10.96.0.20:80 -r 10.244.2.9:8080 -m -w 0\n',
    ),
    ['draining shop/web:http'],
  ],
  [
    'a virtual server deleted',
    change('ipvsadm', /-A -t 192.0.2.11:30080.*\n(-a .*\n)*/, ''),
    ['server-missing shop/web:http'],
    /192\.0\.2\.11:30080/,
  ],
  ['a Service gone', nodeOf('ipvs', [...OBJECTS, ...OLD]), ['stale'], /10\.96\.0\.60/],
  ['a Service unknown', nodeOf('ipvs', without('web')), ['no-rules shop/web:http']],
  [
    'all endpoints unknown',
    nodeOf(
      'ipvs',
      OBJECTS.filter(({ metadata }) => (metadata as { name: string }).name !== 'web-1'),
    ),
    ['endpoint-missing shop/web:http'],
  ],
  [
    'an endpoint not ready any more',
    nodeOf(
      'ipvs',
      withSlice('api', (text) => text.replaceAll('false', 'true')),
    ),
    ['endpoint-extra shop/api:http'],
    /not ready/,
  ],
  ['another scheduler', nodeOf('ipvs', OBJECTS, 'ipvs:\n  scheduler: wrr\n'), ['configuration'], /wrr/],
  ['the persistence changed', change('ipvsadm', /-p 10800/, '-p 300'), ['affinity shop/api:http'], /300 s/],
  ['a set entry deleted', change('ipset', /add KUBE-NODE-PORT-TCP 30080\n/, ''), ['entry-missing shop/web:http']],
  ['a set deleted', change('ipset', /create KUBE-CLUSTER-IP .*\n(add KUBE-CLUSTER-IP .*\n)*/, ''), ['set-missing']],
  ['an address deleted', change('addresses', /10.96.0.20\n/, ''), ['entry-missing shop/web:http']],
  ['a foreign address', change('addresses', /10.96.0.20\n/, '10.96.0.20\n10.9.9.9\n'), ['stale']],
  [
    'a rule deleted',
    change('rules', /-A KUBE-SERVICES .*KUBE-CLUSTER-IP dst,dst ! -s.*\n/, ''),
    ['masquerade-missing'],
  ],
  ['a jump removed', change('rules', /-A INPUT .*KUBE-IPVS-FILTER\n/, ''), ['jump-missing']],
  ['another mark bit', nodeOf('ipvs', OBJECTS, 'iptables:\n  masqueradeBit: 15\n'), ['configuration']],
  [
    'another cluster CIDR',
    (texts) => ({ ...texts, rules: (texts.rules ?? '').replaceAll('10.244.0.0/16', '10.200.0.0/16') }),
    ['configuration'],
  ],
  ['without the sets', (texts) => ({ ...texts, ipset: '' }), []],
  ['a virtual server of a mark', change('ipvsadm', /$/, '-A -f 7 -s rr\n'), []],
];

describe.each([
  ['iptables', IPTABLES],
  ['nftables', NFTABLES],
  ['ipvs', IPVS],
] as const)('damage in mode %s', (mode, damages) => {
  const right = nodeTexts(mode, OBJECTS, config(mode));

  it('nothing where there is none', () => {
    expect(found(mode, right)).toEqual([]);
  });

  it.each(damages.map(([what, ...rest]) => [what, rest] as const))('%s', (_, [damage, expected, says]) => {
    const findings = found(mode, damage(right));
    expect(findings.map(named).sort(), JSON.stringify(findings, undefined, 1)).toEqual([...expected].sort());
    if (says !== undefined) expect(findings.map(({ message }) => message).join('\n')).toMatch(says);
    for (const { code, severity } of findings) expect(severity).toBe(VERIFY_CODES[code].severity);
  });

  if (mode === 'iptables') {
    it('one missing rule is no configuration, even if it is the only one of its kind', () => {
      const rule = new RegExp(`-A ${WEB}.*KUBE-MARK-MASQ\\n`);
      const texts = change('rules', rule, '')(nodeTexts(mode, ALONE, config(mode)));
      expect(found(mode, texts, config(mode), ALONE).map(named)).toEqual(['masquerade-missing shop/web:http']);
    });
  }

  if (mode === 'ipvs') {
    it('the excluded networks of IPVS are nobody else’s business', () => {
      const texts = change('ipvsadm', /$/, '-A -t 10.7.0.1:80 -s rr\n')(right);
      expect(found(mode, texts).map(named)).toEqual(['foreign-server']);
      expect(found(mode, texts, config(mode, 'ipvs:\n  excludeCIDRs: [10.7.0.0/16]\n'))).toEqual([]);
      // Services are served there as everywhere.
      expect(found(mode, right, config(mode, 'ipvs:\n  excludeCIDRs: [10.0.0.0/8, 0.0.0.0/0]\n'))).toEqual([]);
    });
  }
});

describe('virtual servers that no Service has', () => {
  const right = nodeTexts('ipvs', OBJECTS, config('ipvs'));
  const withServer = (line: string) => change('ipvsadm', /$/, `${line}\n`)(right);
  it.each([
    ['are somebody else’s where nothing leads to them', withServer('-A -t 10.7.0.1:80 -s rr'), 'foreign-server'],
    ['are stale on an address of a Service', withServer('-A -t 10.96.0.20:81 -s rr'), 'stale'],
    [
      'are stale on an address that kube-ipvs0 still has',
      change('addresses', /$/, '10.7.0.1\n')(withServer('-A -t 10.7.0.1:80 -s rr')),
      'stale',
    ],
    [
      'are stale where a set still names them',
      change(
        'ipset',
        /(create KUBE-CLUSTER-IP .*\n)/,
        '$1add KUBE-CLUSTER-IP 10.7.0.1,tcp:80\n',
      )(withServer('-A -t 10.7.0.1:80 -s rr')),
      'stale',
    ],
    [
      'are stale where no sets are there to tell',
      Object.fromEntries(Object.entries(withServer('-A -t 10.7.0.1:80 -s rr')).filter(([part]) => part !== 'ipset')),
      'stale',
    ],
  ] as const)('%s', (_, texts, code) => {
    expect(found('ipvs', texts).map(named)).toEqual([code]);
  });
});

describe('of what programs print on the node itself', () => {
  const { state } = loadCluster(
    [...OBJECTS].map((object) => {
      if (object.kind !== 'Node') return { object };
      const addresses = ['192.0.2.11', 'fd00::11'].map((address) => ({ type: 'InternalIP', address }));
      return { object: { ...object, status: { addresses } } };
    }),
  );
  const codes = (mode: ProxyMode, dumps: readonly DumpText[]): readonly string[] =>
    verify({ state, config: config(mode), mode, dumps }).findings.map(({ code, family }) => `${code} ${family}`);

  it('nothing means that nothing is there, not that it is unreadable', () => {
    const empty = (allOf: NonNullable<DumpText['allOf']>, family?: 'ipv4' | 'ipv6') => [
      { name: `${allOf} ${family}`, text: '', allOf, family },
    ];
    const saves = [...empty('xtables', 'ipv4'), ...empty('xtables', 'ipv6')];
    const nothing = ['nothing-there ipv4', 'nothing-there ipv6'];
    expect(codes('iptables', saves)).toEqual(nothing);
    expect(codes('nftables', empty('nft'))).toEqual(nothing);
    const ipvs = [...saves, ...empty('ipvsadm'), ...empty('ipset'), ...empty('addresses')];
    expect(codes('ipvs', ipvs)).toEqual(expect.arrayContaining(nothing));
  });

  it('a table of nftables that a whole listing lacks is missing, one that was not asked for is not', () => {
    const text = nodeTexts('nftables', OBJECTS, config('nftables')).nft ?? '';
    expect(codes('nftables', [{ name: 'nft', text, allOf: 'nft' }])).toEqual(['nothing-there ipv6']);
    expect(codes('nftables', [{ name: 'nft', text }])).toEqual([]);
  });

  it.each(['iptables', 'ipvs'] as const)(
    '%s: --random-fully is not missed where iptables-save has no word for it',
    (mode) => {
      const { rules = '', ...others } = nodeTexts(mode, OBJECTS, config(mode));
      const printed = (version: string): Texts => ({
        ...others,
        rules: rules.replace(' v1.8.9 ', ` v${version} `).replace(' --random-fully', ''),
      });
      expect(rules).toContain(' --random-fully');
      expect(found(mode, printed('1.6.1'))).toEqual([]);
      expect(found(mode, printed('1.6.2'))).toMatchObject([{ code: 'rule-changed' }]);
    },
  );

  it('the other family of a node of one is compared only if kube-proxy was there', () => {
    const rules = nodeTexts('iptables', OBJECTS, config('iptables')).rules ?? '';
    expect(found('iptables', { rules, other: '# Generated by ip6tables-save v1.8.9 on x\n*nat\nCOMMIT\n' })).toEqual(
      [],
    );
  });
});

it('rules of endpoints have their normal form also where they are not read word by word', () => {
  let quick = 0;
  const files = filesBelow('test/dumps', /^ip6?tables-save\..*txt$/);
  const dumps = files.map((file) => readFileSync(file, 'utf8'));
  for (const text of [nodeTexts('iptables', OBJECTS, config('iptables')).rules ?? '', ...dumps]) {
    for (const [, args = ''] of text.matchAll(/^-A \S+(.*)$/gm)) {
      const known = quickRuleText(args);
      if (known === undefined) continue;
      quick++;
      const spec = parseRuleArguments(args);
      const matches = spec?.matches.filter(({ kind }) => kind !== 'comment') ?? [];
      expect(known).toBe(normalRuleText({ matches, target: spec?.target }));
    }
  }
  expect(quick).toBeGreaterThan(50);
});

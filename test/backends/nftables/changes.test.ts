/** From the table that a host has to the one wanted: what is written, in which order. Scripts are reasoned out by hand. */
import { expect, it } from 'vitest';
import { changeNftTable } from '../../../src/backends/nftables/changes.js';
import { readNft } from '../../../src/backends/nftables/recognise.js';
import type { NftTable } from '../../../src/backends/nftables/rule-set.js';

const AT_ONCE = { releasesLate: false };
const LATE = { releasesLate: true };

/** Commands without the table's name, which is the third and fourth word of each: `add chain services`. */
function script(lines: readonly string[]): string {
  return lines.map((line) => `${line.replace(/^(\w+ \w+) ?/, '$1 ip kube-proxy ').trim()}\n`).join('');
}

function read(text: string): NftTable {
  const { ruleSet, diagnostics } = readNft({ name: 'text', text });
  const [table] = ruleSet?.tables ?? [];
  if (table === undefined) throw new Error(JSON.stringify(diagnostics));
  return table;
}

const table = (lines: readonly string[]): NftTable => read(script(lines));

const AFFINITY = '{ type ipv4_addr ; flags dynamic,timeout ; timeout 10800s ; }';

/** Two Services, the second with session affinity. */
const BASE = [
  'add table { comment "rules for kube-proxy" ; }',
  'add chain nat-output { type nat hook output priority -100 ; }',
  'add chain reject-chain { comment "helper" ; }',
  'add chain services',
  'add chain service-A',
  'add chain service-B',
  'add chain endpoint-B1',
  `add set affinity-B1 ${AFFINITY}`,
  'add set hairpin-connections { type ipv4_addr ; comment "hairpin" ; }',
  'add map service-ips { type ipv4_addr . inet_proto . inet_service : verdict ; comment "ips" ; }',
  'add rule nat-output jump services',
  'add rule reject-chain reject',
  'add rule services ip daddr . meta l4proto . th dport vmap @service-ips',
  'add rule service-A meta l4proto tcp dnat to 10.0.0.1:80',
  'add rule service-B ip saddr @affinity-B1 goto endpoint-B1',
  'add rule service-B numgen random mod 1 vmap { 0 : goto endpoint-B1 }',
  'add rule endpoint-B1 update @affinity-B1 { ip saddr }',
  'add rule endpoint-B1 meta l4proto tcp dnat to 10.0.0.2:80',
  'add element hairpin-connections { 10.0.0.1 }',
  'add element service-ips { 10.96.0.1 . tcp . 80 : goto service-A }',
  'add element service-ips { 10.96.0.2 . tcp . 80 : goto service-B }',
];

/** The lines with some left out, some put in another's place, and some behind. */
function edited(edits: Readonly<Record<string, string>>, more: readonly string[] = []): readonly string[] {
  for (const line of Object.keys(edits)) expect(BASE).toContain(line);
  const rest = BASE.map((line) => edits[line] ?? line).filter((line) => line !== '');
  const rank = (line: string): number =>
    ['table', 'chain', 'set', 'map', 'rule', 'element'].indexOf(line.split(' ')[1] ?? '');
  return [...rest, ...more].toSorted((a, b) => rank(a) - rank(b));
}

/** The script from BASE to other lines, as commands without the table's name. */
function commands(after: readonly string[], before: readonly string[] = BASE, kernel = AT_ONCE): readonly string[] {
  const change = changeNftTable(table(after), table(before), kernel);
  expect(change.replaced).toBe(false);
  return change.script
    .split('\n')
    .slice(0, -1)
    .map((line) => line.replace(' ip kube-proxy', ''));
}

const WHOLE = ['add table', 'delete table'];

it.each<[string, readonly string[], readonly string[]]>([
  ['nothing where nothing differs', BASE, []],
  [
    'a chain is emptied and gets all of its rules',
    edited({
      'add rule service-A meta l4proto tcp dnat to 10.0.0.1:80':
        'add rule service-A meta l4proto tcp dnat to 10.0.0.9:80',
    }),
    ['flush chain service-A', 'add rule service-A meta l4proto tcp dnat to 10.0.0.9:80'],
  ],
  [
    'of elements only those that differ: an element cannot be changed, so it goes first',
    edited(
      {
        'add element service-ips { 10.96.0.1 . tcp . 80 : goto service-A }':
          'add element service-ips { 10.96.0.1 . tcp . 80 : goto reject-chain }',
        'add element hairpin-connections { 10.0.0.1 }': '',
      },
      ['add element hairpin-connections { 10.0.0.3 }'],
    ),
    [
      'delete element hairpin-connections { 10.0.0.1 }',
      'delete element service-ips { 10.96.0.1 . tcp . 80 }',
      'add element hairpin-connections { 10.0.0.3 }',
      'add element service-ips { 10.96.0.1 . tcp . 80 : goto reject-chain }',
    ],
  ],
  [
    'a new Service: chains before what leads to them',
    edited({}, [
      'add chain service-C',
      'add rule service-C meta l4proto tcp dnat to 10.0.0.3:80',
      'add element service-ips { 10.96.0.3 . tcp . 80 : goto service-C }',
    ]),
    [
      'add chain service-C',
      'add rule service-C meta l4proto tcp dnat to 10.0.0.3:80',
      'add element service-ips { 10.96.0.3 . tcp . 80 : goto service-C }',
    ],
  ],
  [
    'a Service that goes: its chains after what leads to them',
    edited({
      'add chain service-B': '',
      'add chain endpoint-B1': '',
      [`add set affinity-B1 ${AFFINITY}`]: '',
      'add rule service-B ip saddr @affinity-B1 goto endpoint-B1': '',
      'add rule service-B numgen random mod 1 vmap { 0 : goto endpoint-B1 }': '',
      'add rule endpoint-B1 update @affinity-B1 { ip saddr }': '',
      'add rule endpoint-B1 meta l4proto tcp dnat to 10.0.0.2:80': '',
      'add element service-ips { 10.96.0.2 . tcp . 80 : goto service-B }': '',
    }),
    [
      'flush chain service-B',
      'flush chain endpoint-B1',
      'delete set affinity-B1',
      'delete element service-ips { 10.96.0.2 . tcp . 80 }',
      'delete chain service-B',
      'delete chain endpoint-B1',
    ],
  ],
  [
    'a second endpoint with affinity: the set of the first one stays as it is',
    edited({ 'add rule service-B numgen random mod 1 vmap { 0 : goto endpoint-B1 }': '' }, [
      'add chain endpoint-B2',
      `add set affinity-B2 ${AFFINITY}`,
      'add rule service-B ip saddr @affinity-B2 goto endpoint-B2',
      'add rule service-B numgen random mod 2 vmap { 0 : goto endpoint-B1 , 1 : goto endpoint-B2 }',
      'add rule endpoint-B2 update @affinity-B2 { ip saddr }',
    ]),
    [
      'flush chain service-B',
      'add chain endpoint-B2',
      `add set affinity-B2 ${AFFINITY}`,
      'add rule service-B ip saddr @affinity-B1 goto endpoint-B1',
      'add rule service-B ip saddr @affinity-B2 goto endpoint-B2',
      'add rule service-B numgen random mod 2 vmap { 0 : goto endpoint-B1 , 1 : goto endpoint-B2 }',
      'add rule endpoint-B2 update @affinity-B2 { ip saddr }',
    ],
  ],
  [
    'another timeout: the set is made anew, and every chain that names it is emptied before',
    edited({ [`add set affinity-B1 ${AFFINITY}`]: `add set affinity-B1 ${AFFINITY.replace('10800', '60')}` }),
    [
      'flush chain service-B',
      'flush chain endpoint-B1',
      'delete set affinity-B1',
      `add set affinity-B1 ${AFFINITY.replace('10800', '60')}`,
      'add rule service-B ip saddr @affinity-B1 goto endpoint-B1',
      'add rule service-B numgen random mod 1 vmap { 0 : goto endpoint-B1 }',
      'add rule endpoint-B1 update @affinity-B1 { ip saddr }',
      'add rule endpoint-B1 meta l4proto tcp dnat to 10.0.0.2:80',
    ],
  ],
  [
    'another type: the map is made anew with all of its elements',
    edited({
      'add map service-ips { type ipv4_addr . inet_proto . inet_service : verdict ; comment "ips" ; }':
        'add map service-ips { type ipv4_addr . inet_proto . inet_service : verdict ; comment "all" ; }',
    }),
    [
      'flush chain services',
      'flush map service-ips',
      'delete map service-ips',
      'add map service-ips { type ipv4_addr . inet_proto . inet_service : verdict ; comment "all" ; }',
      'add rule services ip daddr . meta l4proto . th dport vmap @service-ips',
      'add element service-ips { 10.96.0.1 . tcp . 80 : goto service-A }',
      'add element service-ips { 10.96.0.2 . tcp . 80 : goto service-B }',
    ],
  ],
  [
    'another priority: the base chain is made anew',
    edited({
      'add chain nat-output { type nat hook output priority -100 ; }':
        'add chain nat-output { type nat hook output priority -90 ; }',
    }),
    [
      'flush chain nat-output',
      'delete chain nat-output',
      'add chain nat-output { type nat hook output priority -90 ; }',
      'add rule nat-output jump services',
    ],
  ],
])('%s', (_, after, expected) => {
  expect(commands(after)).toEqual(expected);
});

const LISTING = `table ip kube-proxy {
	comment "rules for kube-proxy"
	set affinity-B1 {
		type ipv4_addr
		size 65535
		flags dynamic,timeout
		timeout 3h
		elements = { 10.1.1.1 expires 2h59m }
	}

	set hairpin-connections {
		type ipv4_addr
		comment "hairpin"
		elements = { 10.0.0.1 }
	}

	map service-ips {
		type ipv4_addr . inet_proto . inet_service : verdict
		comment "ips"
		elements = { 10.96.0.2 . 6 . 80 : goto service-B,
			     10.96.0.1 . tcp . 80 : goto service-A }
	}

	chain nat-output {
		type nat hook output priority -100; policy accept;
		jump services
	}

	chain reject-chain {
		comment "helper"
		reject
	}

	chain services {
		ip daddr . meta l4proto . th dport vmap @service-ips
	}

	chain service-A {
		meta l4proto tcp dnat to 10.0.0.1:80
	}

	chain service-B {
		ip saddr @affinity-B1 goto endpoint-B1
		numgen random mod 1 vmap { 0 : goto endpoint-B1 }
	}

	chain endpoint-B1 {
		update @affinity-B1 { ip saddr }
		meta l4proto tcp dnat to 10.0.0.2:80
	}
}
`;

it('a listing is compared with the script that made it; keys are deleted as they are listed', () => {
  const listed = read(LISTING);
  expect(changeNftTable(table(BASE), listed, AT_ONCE)).toEqual({
    script: '',
    changes: [],
    replaced: false,
    lingering: [],
  });
  const after = edited({
    'add element service-ips { 10.96.0.2 . tcp . 80 : goto service-B }':
      'add element service-ips { 10.96.0.2 . tcp . 80 : drop }',
  });
  expect(changeNftTable(table(after), listed, AT_ONCE)).toMatchObject({
    script: script([
      'delete element service-ips { 10.96.0.2 . 6 . 80 }',
      'add element service-ips { 10.96.0.2 . tcp . 80 : drop }',
    ]),
    changes: [
      {
        what: 'map service-ips',
        action: 'change',
        before: ['10.96.0.2 . 6 . 80 : goto service-B'],
        after: ['10.96.0.2 . tcp . 80 : drop'],
      },
    ],
  });
});

it('going back to a listing makes the table as it was listed, clients of session affinity among it', () => {
  const listed = read(LISTING);
  expect(changeNftTable(listed, undefined, AT_ONCE).script).toBe(script(WHOLE) + LISTING);
  const without = edited({
    [`add set affinity-B1 ${AFFINITY}`]: `add set affinity-B1 ${AFFINITY.replace('10800', '60')}`,
  });
  expect(changeNftTable(listed, table(without), AT_ONCE).script).toContain(
    'add element ip kube-proxy affinity-B1 { 10.1.1.1 }\n',
  );
});

it('a table comes and goes as a whole', () => {
  const added = changeNftTable(table(BASE), undefined, AT_ONCE);
  expect(added.script).toBe(script([...WHOLE, ...BASE]));
  expect(added.changes.map(({ what, action }) => `${action} ${what}`).slice(0, 3)).toEqual([
    'add table ip kube-proxy',
    'add chain nat-output',
    'add chain reject-chain',
  ]);
  const removed = changeNftTable(undefined, read(LISTING), AT_ONCE);
  expect(removed.script).toBe('delete table ip kube-proxy\n');
  expect(removed.changes).toContainEqual({
    what: 'set affinity-B1',
    action: 'remove',
    // Without the clients.
    before: ['type ipv4_addr', 'size 65535', 'flags dynamic,timeout', 'timeout 3h'],
    after: [],
  });
  expect(changeNftTable(undefined, undefined, AT_ONCE).script).toBe('');
});

it.each<[string, NftTable]>([
  ['an empty table', table(['add table'])],
  [
    'another layout',
    table(
      edited(
        {
          'add set hairpin-connections { type ipv4_addr ; comment "hairpin" ; }': '',
          'add element hairpin-connections { 10.0.0.1 }': '',
        },
        ['add chain mark-for-masquerade'],
      ),
    ),
  ],
  [
    'another comment',
    table(edited({ 'add table { comment "rules for kube-proxy" ; }': 'add table { comment "x" ; }' })),
  ],
  [
    'another comment of a chain that others lead to',
    table(edited({ 'add chain reject-chain { comment "helper" ; }': 'add chain reject-chain' })),
  ],
  [
    'a base chain that is to be none',
    table(
      edited({
        'add chain reject-chain { comment "helper" ; }':
          'add chain reject-chain { type filter hook input priority 0 ; comment "helper" ; }',
      }),
    ),
  ],
  [
    'a counter that somebody added',
    read(LISTING.replace('\tset affinity', '\tcounter drops {\n\t\tpackets 0 bytes 0\n\t}\n\n\tset affinity')),
  ],
  ['a table that is switched off', read(LISTING.replace('\tcomment "rules', '\tflags dormant\n\tcomment "rules'))],
])('%s is replaced as a whole', (_, before) => {
  expect(changeNftTable(table(BASE), before, AT_ONCE)).toMatchObject({
    script: script([...WHOLE, ...BASE]),
    replaced: true,
  });
});

it('chains and sets that somebody added are deleted', () => {
  const before = edited({}, [
    'add chain own',
    'add set own { type ipv4_addr ; }',
    'add map own-map { type ipv4_addr : verdict ; }',
    'add rule own ip saddr @own goto service-A',
    'add rule services jump own',
    'add element own-map { 10.0.0.1 : goto own }',
  ]);
  expect(commands(BASE, before)).toEqual([
    'flush chain services',
    'flush chain own',
    'delete set own',
    'flush map own-map',
    'delete map own-map',
    'delete chain own',
    'add rule services ip daddr . meta l4proto . th dport vmap @service-ips',
  ]);
});

it('a kernel that frees chains late gets them emptied now and deleted with the next change', () => {
  const lead = 'add element service-ips { 10.96.0.3 . tcp . 80 : goto service-C }';
  const before = edited({}, ['add chain service-C', 'add rule service-C drop', lead]);
  const first = changeNftTable(table(BASE), table(before), LATE);
  expect(first.script).toBe(script(['flush chain service-C', 'delete element service-ips { 10.96.0.3 . tcp . 80 }']));
  expect(first.lingering).toEqual(['service-C']);
  // What that leaves is no reason to write.
  const left = edited({}, ['add chain service-C']);
  expect(changeNftTable(table(BASE), table(left), LATE)).toMatchObject({ script: '', changes: [], lingering: [] });
  const other = edited({ 'add element hairpin-connections { 10.0.0.1 }': '' });
  expect(commands(other, left, LATE)).toEqual([
    'delete element hairpin-connections { 10.0.0.1 }',
    'delete chain service-C',
  ]);
  // Empty, but still led to.
  expect(commands(BASE, edited({}, ['add chain service-C', lead]), LATE)).toEqual([
    'delete element service-ips { 10.96.0.3 . tcp . 80 }',
  ]);
});

it('changes show chains with all of their rules', () => {
  const after = edited({ 'add rule service-B ip saddr @affinity-B1 goto endpoint-B1': '' });
  expect(changeNftTable(table(after), table(BASE), AT_ONCE).changes).toEqual([
    {
      what: 'chain service-B',
      action: 'change',
      before: ['ip saddr @affinity-B1 goto endpoint-B1', 'numgen random mod 1 vmap { 0 : goto endpoint-B1 }'],
      after: ['numgen random mod 1 vmap { 0 : goto endpoint-B1 }'],
    },
  ]);
});

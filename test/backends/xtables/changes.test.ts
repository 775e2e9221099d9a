/** From the rules that a host has to those wanted: what is written, in which order. Inputs are reasoned out by hand. */
import { expect, it } from 'vitest';
import { JUMPS_TEXT as IPTABLES_JUMPS } from '../../../src/backends/iptables/setup.js';
import { JUMPS_TEXT as IPVS_JUMPS } from '../../../src/backends/ipvs/setup.js';
import { changeXtables, ownXtables, type WantedXtables } from '../../../src/backends/xtables/changes.js';
import { printSetup, readSetup } from '../../../src/backends/xtables/setup-text.js';
import { printXtables, readXtables, type XtablesText } from '../../../src/backends/xtables/text.js';

const JUMPS = readSetup({ name: 'jumps', text: IPTABLES_JUMPS + IPVS_JUMPS }).steps;
const SERVICES = '-m comment --comment "kubernetes service portals" -j KUBE-SERVICES';
const KEEP = { jumps: JUMPS, canaries: false, firewall: false, chainsAtOnce: undefined };
const CLEAN = { jumps: JUMPS, canaries: true, firewall: true, chainsAtOnce: undefined };

/** Tables as a text: `nat: line / line`. */
function tables(...all: readonly string[]): XtablesText {
  const text = all.map((table) => {
    const [, name, lines = ''] = /^(\w+): ?(.*)$/s.exec(table) ?? [];
    return `*${name}\n${lines === '' ? '' : `${lines.split(' / ').join('\n')}\n`}COMMIT\n`;
  });
  const read = readXtables({ name: 'text', text: text.join('') });
  expect(read.diagnostics).toEqual([]);
  return read.text;
}

function wanted(rules: XtablesText, setup = ''): WantedXtables {
  return { rules, setup: readSetup({ name: 'setup', text: setup.split(' / ').join('\n') }).steps };
}

const input = (...args: Parameters<typeof changeXtables>): readonly string[] =>
  changeXtables(...args)
    .inputs.join('')
    .split('\n')
    .slice(0, -1);

it('nothing is written where all is the same in other spellings', () => {
  const rules = tables(
    'nat: :KUBE-SVC-A - [0:0] / :KUBE-MARK-MASQ - [0:0] / -A KUBE-SVC-A -m comment --comment "web" -s 10.0.0.1 -j KUBE-MARK-MASQ / -A KUBE-MARK-MASQ -j MARK --or-mark 0x4000',
  );
  const current = tables(
    'nat: :PREROUTING ACCEPT [5:300] / :KUBE-MARK-MASQ - [0:0] / :KUBE-SVC-A - [7:1] / -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000 / -A KUBE-SVC-A -s 10.0.0.1/32 -m comment --comment web -j KUBE-MARK-MASQ',
  );
  expect(changeXtables(wanted(rules), current, KEEP)).toEqual({ inputs: [], changes: [], written: [], referred: [] });
});

it('another comment is a difference, and another order is', () => {
  const rule = (comment: string) => `-A KUBE-SVC-A -m comment --comment "${comment}" -j KUBE-MARK-MASQ`;
  const have = tables(`nat: :KUBE-SVC-A - [0:0] / ${rule('a')} / -A KUBE-SVC-A -j DROP`);
  const comment = tables(`nat: :KUBE-SVC-A - [0:0] / ${rule('b')} / -A KUBE-SVC-A -j DROP`);
  expect(input(wanted(comment), have, KEEP)).toEqual([
    '*nat',
    ':KUBE-SVC-A - [0:0]',
    rule('b'),
    '-A KUBE-SVC-A -j DROP',
    'COMMIT',
  ]);
  const order = tables(`nat: :KUBE-SVC-A - [0:0] / -A KUBE-SVC-A -j DROP / ${rule('a')}`);
  expect(input(wanted(order), have, KEEP)).toHaveLength(5);
});

it('only chains that differ are written, and those that nobody wants go', () => {
  const rules = tables(
    'nat: :KUBE-SVC-A - [0:0] / :KUBE-SVC-B - [0:0] / -A KUBE-SVC-A -j KUBE-SEP-2 / -A KUBE-SVC-B -j DROP',
  );
  const current = tables(
    'nat: :KUBE-SVC-A - [0:0] / :KUBE-SVC-B - [0:0] / :KUBE-SEP-1 - [0:0] / :MY-CHAIN - [0:0] / -A KUBE-SVC-A -j KUBE-SEP-1 / -A KUBE-SVC-B -j DROP / -A MY-CHAIN -j DROP',
  );
  const change = changeXtables(wanted(rules), current, KEEP);
  expect(change.inputs.join('').split('\n')).toEqual([
    '*nat',
    ':KUBE-SVC-A - [0:0]',
    ':KUBE-SEP-1 - [0:0]',
    '-A KUBE-SVC-A -j KUBE-SEP-2',
    '-X KUBE-SEP-1',
    'COMMIT',
    '',
  ]);
  expect(change.changes).toEqual([
    { what: 'nat KUBE-SVC-A', action: 'change', before: ['-j KUBE-SEP-1'], after: ['-j KUBE-SEP-2'] },
    { what: 'nat KUBE-SEP-1', action: 'remove', before: [], after: [] },
  ]);
});

it('jumps are put at the head once, in the order of the setup, and a second one is taken away', () => {
  const setup = `-t nat -N KUBE-SERVICES / -t nat -I OUTPUT ${SERVICES} / -t nat -I PREROUTING ${SERVICES}`;
  const rules = tables('nat: :KUBE-SERVICES - [0:0]');
  expect(input(wanted(rules, setup), tables('nat: :OUTPUT ACCEPT [0:0]'), KEEP)).toEqual([
    '*nat',
    ':KUBE-SERVICES - [0:0]',
    `-I OUTPUT ${SERVICES}`,
    `-I PREROUTING ${SERVICES}`,
    'COMMIT',
  ]);
  const twice = tables(
    `nat: :PREROUTING ACCEPT [0:0] / :OUTPUT ACCEPT [0:0] / :KUBE-SERVICES - [0:0] / -A OUTPUT -j DROP / -A OUTPUT ${SERVICES} / -A PREROUTING ${SERVICES} / -A PREROUTING ${SERVICES}`,
  );
  expect(input(wanted(rules, setup), twice, KEEP)).toEqual(['*nat', `-D PREROUTING ${SERVICES}`, 'COMMIT']);
});

it("jumps of the other mode go, kubelet's and those of others stay", () => {
  const other = '-m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL';
  const current = tables(
    `filter: :INPUT ACCEPT [0:0] / :KUBE-PROXY-FIREWALL - [0:0] / :KUBE-FIREWALL - [0:0] / -A INPUT ${other} / -A INPUT -j KUBE-FIREWALL / -A INPUT -s 10.0.0.9/32 -j KUBE-PROXY-FIREWALL / -A KUBE-FIREWALL -j DROP`,
  );
  const rules = tables('filter: :KUBE-PROXY-FIREWALL - [0:0]');
  expect(input(wanted(rules), current, KEEP)).toEqual(['*filter', `-D INPUT ${other}`, 'COMMIT']);
});

it('a chain that rules of others lead into is emptied and stays, and is said once', () => {
  const current = tables(
    'nat: :OUTPUT ACCEPT [0:0] / :KUBE-SVC-A - [0:0] / -A OUTPUT -d 10.0.0.1/32 -j KUBE-SVC-A / -A KUBE-SVC-A -j ACCEPT',
  );
  const change = changeXtables(wanted(tables()), current, KEEP);
  expect(change.inputs).toEqual(['*nat\n:KUBE-SVC-A - [0:0]\nCOMMIT\n']);
  expect(change.referred).toEqual(['nat KUBE-SVC-A']);
  const emptied = tables('nat: :OUTPUT ACCEPT [0:0] / :KUBE-SVC-A - [0:0] / -A OUTPUT -d 10.0.0.1/32 -j KUBE-SVC-A');
  expect(changeXtables(wanted(tables()), emptied, KEEP)).toMatchObject({ inputs: [], referred: [] });
});

it('what catches untranslated traffic comes before table nat changes, and goes after it', () => {
  const rules = tables(
    'filter: :KUBE-SERVICES - [0:0] / -A KUBE-SERVICES -d 10.0.0.2 -j REJECT',
    'nat: :KUBE-SERVICES - [0:0] / -A KUBE-SERVICES -d 10.0.0.1 -j KUBE-SVC-A',
  );
  const current = tables(
    'filter: :KUBE-SERVICES - [0:0] / -A KUBE-SERVICES -d 10.0.0.1/32 -j REJECT --reject-with icmp-port-unreachable',
    'nat: :KUBE-SERVICES - [0:0] / -A KUBE-SERVICES -d 10.0.0.2/32 -j KUBE-SVC-B',
  );
  expect(input(wanted(rules), current, KEEP)).toEqual([
    '*filter',
    ':KUBE-SERVICES - [0:0]',
    '-A KUBE-SERVICES -d 10.0.0.2 -j REJECT',
    '-A KUBE-SERVICES -d 10.0.0.1/32 -j REJECT --reject-with icmp-port-unreachable',
    'COMMIT',
    '*nat',
    ':KUBE-SERVICES - [0:0]',
    '-A KUBE-SERVICES -d 10.0.0.1 -j KUBE-SVC-A',
    'COMMIT',
    '*filter',
    ':KUBE-SERVICES - [0:0]',
    '-A KUBE-SERVICES -d 10.0.0.2 -j REJECT',
    'COMMIT',
  ]);
});

it.each([
  ['only more in filter', '-d 10.0.0.2 -j REJECT', ['*filter', '*nat']],
  ['only less in filter', '', ['*nat', '*filter']],
])('with %s, two transactions are enough', (_, rest, sections) => {
  const base = '-d 10.0.0.1/32 -j REJECT --reject-with icmp-port-unreachable';
  const [now, then] = rest === '' ? [base, undefined] : [base, rest];
  const rules = tables(
    `filter: :KUBE-SERVICES - [0:0]${then === undefined ? '' : ` / -A KUBE-SERVICES ${base} / -A KUBE-SERVICES ${then}`}`,
    'nat: :KUBE-SVC-A - [0:0]',
  );
  const lines = input(wanted(rules), tables(`filter: :KUBE-SERVICES - [0:0] / -A KUBE-SERVICES ${now}`), KEEP);
  expect(lines.filter((line) => line.startsWith('*'))).toEqual(sections);
});

it('cleaning takes canaries and KUBE-FIREWALL, which otherwise stay', () => {
  const current = tables(
    'filter: :INPUT ACCEPT [0:0] / :KUBE-FIREWALL - [0:0] / :KUBE-PROXY-CANARY - [0:0] / -A INPUT -j KUBE-FIREWALL / -A KUBE-FIREWALL -j DROP',
    'mangle: :KUBE-PROXY-CANARY - [0:0] / :KUBE-KUBELET-CANARY - [0:0]',
  );
  expect(changeXtables(wanted(tables()), current, KEEP).inputs).toEqual([]);
  expect(input(wanted(tables()), current, CLEAN)).toEqual([
    '*mangle',
    ':KUBE-PROXY-CANARY - [0:0]',
    '-X KUBE-PROXY-CANARY',
    'COMMIT',
    '*filter',
    ':KUBE-FIREWALL - [0:0]',
    ':KUBE-PROXY-CANARY - [0:0]',
    '-D INPUT -j KUBE-FIREWALL',
    '-X KUBE-FIREWALL',
    '-X KUBE-PROXY-CANARY',
    'COMMIT',
  ]);
});

it("what is kube-proxy's is taken from a dump so that it can be brought back", () => {
  const current = tables(
    `nat: :PREROUTING ACCEPT [1:2] / :KUBE-SERVICES - [0:0] / :MY-CHAIN - [0:0] / -A PREROUTING -j MY-CHAIN / -A PREROUTING ${SERVICES} / -A KUBE-SERVICES -j RETURN / -A MY-CHAIN -j DROP`,
  );
  const own = ownXtables(current, JUMPS);
  expect(printXtables(own.rules)).toBe('*nat\n:KUBE-SERVICES - [0:0]\n-A KUBE-SERVICES -j RETURN\nCOMMIT\n');
  expect(printSetup(own.setup)).toBe(`-t nat -I PREROUTING ${SERVICES}\n`);
  expect(input(own, tables('nat: :PREROUTING ACCEPT [0:0]'), KEEP)).toEqual([
    '*nat',
    ':KUBE-SERVICES - [0:0]',
    `-I PREROUTING ${SERVICES}`,
    '-A KUBE-SERVICES -j RETURN',
    'COMMIT',
  ]);
});

it('many new chains come ahead and many superfluous ones go afterwards, where nothing leads to them', () => {
  const owned = { ...KEEP, chainsAtOnce: 2 };
  const rules = tables(
    'nat: :KUBE-SERVICES - [0:0] / :KUBE-MARK-MASQ - [0:0] / :KUBE-EXT-A - [0:0] / :KUBE-SVC-A - [0:0] / :KUBE-SEP-1 - [0:0] / -A KUBE-SERVICES -j KUBE-EXT-A / -A KUBE-MARK-MASQ -j ACCEPT / -A KUBE-EXT-A -j KUBE-SVC-A / -A KUBE-SVC-A -j KUBE-SEP-1 / -A KUBE-SEP-1 -j KUBE-MARK-MASQ',
  );
  const chains = (inputs: readonly string[]) =>
    inputs.map((each) => [...each.matchAll(/^:(\S+)/gm)].map(([, name]) => name));
  const there = changeXtables(wanted(rules), tables(), owned).inputs;
  expect(chains(there)).toEqual([['KUBE-MARK-MASQ', 'KUBE-SEP-1'], ['KUBE-SVC-A', 'KUBE-EXT-A'], ['KUBE-SERVICES']]);
  expect(there[0]).toContain('-A KUBE-SEP-1 -j KUBE-MARK-MASQ\n');
  const away = changeXtables(wanted(tables()), rules, owned).inputs;
  expect(chains(away)).toEqual([['KUBE-SERVICES'], ['KUBE-EXT-A', 'KUBE-SVC-A'], ['KUBE-SEP-1', 'KUBE-MARK-MASQ']]);
});

/** What is done to the rules that a real kube-proxy has written, with which commands, and what verify must say then. */
import { shell } from './real-cluster.js';

/** One kind of damage to one cluster. */
export interface Damage {
  /** The case of ../shared/conformance/named that it is done to. */
  readonly cluster: string;
  readonly what: string;
  /** Does it. */
  readonly run: () => void;
  /** Code and service port of each finding, sorted; all there is to find. */
  readonly expected: readonly string[];
}

const sh = (command: string) => () => {
  shell(command);
};

/** A rule that iptables-save prints. */
interface SavedRule {
  readonly program: string;
  readonly table: string;
  readonly chain: string;
  /** 1-based place in its chain. */
  readonly number: number;
  /** What stands behind the chain, quoted for a shell. */
  readonly args: string;
}

/** The one rule that a pattern matches. */
function savedRule(program: string, table: string, pattern: RegExp): SavedRule {
  const rules: SavedRule[] = [];
  for (const line of shell(`${program}-save -t ${table}`).split('\n')) {
    const [, chain = '', args = ''] = /^-A (\S+) ?(.*)$/.exec(line) ?? [];
    if (chain === '') continue;
    rules.push({ program, table, chain, args, number: rules.filter((rule) => rule.chain === chain).length + 1 });
  }
  const [rule, ...more] = rules.filter(({ chain, args }) => pattern.test(`${chain} ${args}`));
  if (rule === undefined || more.length > 0) {
    throw new Error(`${pattern} matches ${more.length + (rule === undefined ? 0 : 1)} rules of ${program} -t ${table}`);
  }
  return rule;
}

type Program = 'iptables' | 'ip6tables';

/** Deletes the rule that a pattern matches. */
const deleted =
  (pattern: RegExp, table = 'nat', program: Program = 'iptables') =>
  () => {
    const { chain, number } = savedRule(program, table, pattern);
    shell(`${program} -t ${table} -D ${chain} ${number}`);
  };

/** Replaces a text in the rule that a pattern matches. */
const changed =
  (pattern: RegExp, from: string | RegExp, to: string, table = 'nat', program: Program = 'iptables') =>
  () => {
    const { chain, number, args } = savedRule(program, table, pattern);
    const now = args.replace(from, to);
    if (now === args) throw new Error(`${String(from)} is not in ${args}`);
    shell(`${program} -t ${table} -R ${chain} ${number} ${now}`);
  };

/** Writes the rule that a pattern matches a second time, behind itself. */
const repeated =
  (pattern: RegExp, table = 'nat', program: Program = 'iptables') =>
  () => {
    const { chain, number, args } = savedRule(program, table, pattern);
    shell(`${program} -t ${table} -I ${chain} ${number + 1} ${args}`);
  };

/** Moves the rule that a pattern matches to another place in its chain. */
const moved =
  (pattern: RegExp, place: number, table = 'nat', program: Program = 'iptables') =>
  () => {
    const { chain, number, args } = savedRule(program, table, pattern);
    shell(`${program} -t ${table} -D ${chain} ${number} && ${program} -t ${table} -I ${chain} ${place} ${args}`);
  };

/** Flushes the chain of the rule that a pattern matches. */
const flushed =
  (pattern: RegExp, table = 'nat', program: Program = 'iptables') =>
  () => {
    shell(`${program} -t ${table} -F ${savedRule(program, table, pattern).chain}`);
  };

/** The chain that the rules of a Service's first pattern are in; for commands that name it. */
const inChainOf =
  (pattern: RegExp, command: (chain: string) => string, table = 'nat', program: Program = 'iptables') =>
  () => {
    shell(command(savedRule(program, table, pattern).chain));
  };

const WEB = 'default/web:http';

/** Damage done with iptables and ip6tables, of either variant. */
export const IPTABLES_DAMAGES: readonly Damage[] = [
  {
    cluster: 'three-endpoints',
    what: 'an endpoint deleted',
    run: deleted(/^KUBE-SVC-.*-> 10.244.2.10:8080/),
    expected: [`endpoint-missing ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'the last endpoint deleted',
    run: deleted(/^KUBE-SVC-.*-> 10.244.3.10:8080/),
    expected: [`endpoint-missing ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'an endpoint swapped',
    run: changed(/^KUBE-SEP-.*DNAT --to-destination 10.244.2.10:/, '10.244.2.10:8080', '10.99.0.1:8080'),
    expected: [`endpoint-changed ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'the port of a DNAT changed',
    run: changed(/^KUBE-SEP-.*DNAT --to-destination 10.244.2.10:/, '10.244.2.10:8080', '10.244.2.10:9090'),
    expected: [`endpoint-changed ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'a probability changed',
    run: changed(/^KUBE-SVC-.*-> 10.244.1.10:8080/, /--probability \S+/, '--probability 0.5'),
    expected: [`uneven ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'the chain of the service port flushed',
    run: flushed(/^KUBE-SVC-.*-> 10.244.1.10:8080/),
    expected: [`chain-empty ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'the chain of an endpoint flushed',
    run: flushed(/^KUBE-SEP-.*DNAT --to-destination 10.244.2.10:/),
    expected: [`chain-empty ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'KUBE-SERVICES flushed',
    run: sh('iptables -t nat -F KUBE-SERVICES'),
    expected: ['chain-empty'],
  },
  {
    cluster: 'three-endpoints',
    what: 'the jump from PREROUTING removed',
    run: deleted(/^PREROUTING .*KUBE-SERVICES/),
    expected: ['jump-missing'],
  },
  {
    cluster: 'three-endpoints',
    what: 'the jump from OUTPUT repeated',
    run: repeated(/^OUTPUT .*KUBE-SERVICES/),
    expected: ['jump-repeated'],
  },
  {
    cluster: 'three-endpoints',
    what: 'the jump from FORWARD to KUBE-FORWARD removed',
    run: deleted(/^FORWARD .*KUBE-FORWARD/, 'filter'),
    expected: ['jump-missing'],
  },
  {
    cluster: 'three-endpoints',
    what: 'a stale chain added',
    run: sh('iptables -t nat -N KUBE-SVC-AAAAAAAAAAAAAAAA; iptables -t nat -A KUBE-SVC-AAAAAAAAAAAAAAAA -j RETURN'),
    expected: ['stale-unused'],
  },
  {
    cluster: 'three-endpoints',
    what: 'a stale Service added',
    run: sh(
      'iptables -t nat -N KUBE-SVC-AAAAAAAAAAAAAAAA; iptables -t nat -I KUBE-SERVICES -d 10.96.0.99/32 -p tcp -m comment --comment "shop/old:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-AAAAAAAAAAAAAAAA',
    ),
    expected: ['stale'],
  },
  {
    cluster: 'three-endpoints',
    what: 'the mark bit changed',
    run: changed(/^KUBE-MARK-MASQ /, /0x4000\/0x4000|--or-mark 0x4000/, '0x8000/0x8000'),
    expected: ['rule-changed'],
  },
  {
    cluster: 'three-endpoints',
    what: 'traffic to the cluster IP not masqueraded',
    run: deleted(/^KUBE-SVC-.*cluster IP.*KUBE-MARK-MASQ/),
    expected: [`masquerade-missing ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'hairpin traffic not masqueraded',
    run: deleted(/^KUBE-SEP-.*-s 10.244.2.10\/32 .*KUBE-MARK-MASQ/),
    expected: [`masquerade-missing ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'the MASQUERADE rule removed',
    run: deleted(/^KUBE-POSTROUTING .*MASQUERADE/),
    expected: ['masquerade-missing'],
  },
  {
    cluster: 'three-endpoints',
    what: 'the dispatch of the cluster IP repeated',
    run: repeated(/^KUBE-SERVICES .*default\/web:http cluster IP/),
    expected: [`rule-extra ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'the dispatch of the cluster IP removed',
    run: deleted(/^KUBE-SERVICES .*default\/web:http cluster IP/),
    expected: [`rule-missing ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'the cluster IP changed',
    run: changed(/^KUBE-SERVICES .*default\/web:http cluster IP/, '10.96.0.20/32', '10.96.0.21/32'),
    expected: [`rule-changed ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'a foreign rule in the chain of the service port',
    run: inChainOf(
      /^KUBE-SVC-.*-> 10.244.1.10:8080/,
      (chain) => `iptables -t nat -I ${chain} -s 10.9.9.9/32 -j ACCEPT`,
    ),
    expected: [`rule-extra ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'a foreign rule in KUBE-SERVICES',
    run: sh('iptables -t nat -I KUBE-SERVICES -d 10.1.2.3/32 -j ACCEPT'),
    expected: ['rule-extra'],
  },
  {
    cluster: 'three-endpoints',
    what: 'rules of others',
    run: sh(
      'iptables -t nat -N CNI-X; iptables -t nat -A CNI-X -j ACCEPT; iptables -t nat -A POSTROUTING -j CNI-X; iptables -I FORWARD -s 10.9.9.9 -j DROP',
    ),
    expected: [],
  },
  {
    cluster: 'three-endpoints',
    what: 'the order of two rules swapped',
    run: moved(/^KUBE-SERVICES .*KUBE-NODEPORTS/, 1),
    expected: ['rule-order'],
  },
  {
    cluster: 'three-endpoints',
    what: 'hairpin traffic marked too late',
    run: moved(/^KUBE-SEP-.*-s 10.244.2.10\/32 .*KUBE-MARK-MASQ/, 2),
    expected: [`rule-order ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'everything flushed',
    run: sh('iptables-save | sed "/^-A/d" | iptables-restore'),
    expected: ['nothing-there'],
  },
  {
    cluster: 'no-endpoints',
    what: 'the REJECT rule removed',
    run: deleted(/^KUBE-SERVICES .*default\/web:http has no endpoints/, 'filter'),
    expected: [`no-rules ${WEB}`],
  },
  {
    cluster: 'node-port',
    what: 'the dispatch of the node port removed',
    run: deleted(/^KUBE-NODEPORTS -p tcp -m comment .*--dport 30080/),
    expected: [`rule-missing ${WEB}`],
  },
  {
    cluster: 'node-port',
    what: 'the node port changed',
    run: changed(/^KUBE-NODEPORTS -p tcp -m comment .*--dport 30080/, '30080', '31080'),
    expected: [`rule-changed ${WEB}`],
  },
  {
    cluster: 'node-port',
    what: 'external traffic not masqueraded',
    run: deleted(/^KUBE-EXT-.*KUBE-MARK-MASQ/),
    expected: [`masquerade-missing ${WEB}`],
  },
  {
    cluster: 'session-affinity',
    what: 'the time of session affinity changed',
    run: changed(/^KUBE-SVC-.*-> 10.244.1.10:8080.*--rcheck/, '--seconds 10800', '--seconds 300'),
    expected: [`affinity ${WEB}`],
  },
  {
    cluster: 'session-affinity',
    what: 'clients not looked up',
    run: deleted(/^KUBE-SVC-.*-> 10.244.1.10:8080.*--rcheck/),
    expected: [`affinity ${WEB}`],
  },
  {
    cluster: 'session-affinity',
    what: 'clients not remembered',
    run: changed(/^KUBE-SEP-.*DNAT --to-destination 10.244.1.10:/, /-m recent --set .*--rsource /, ''),
    expected: [`affinity ${WEB}`],
  },
  {
    cluster: 'load-balancer-source-ranges',
    what: 'a source range widened',
    run: changed(/^KUBE-FW-.*-s 203.0.113.0\/24/, '203.0.113.0/24', '203.0.112.0/20'),
    expected: ['rule-changed default/web:https'],
  },
  {
    cluster: 'load-balancer-source-ranges',
    what: 'the firewall of a load-balancer IP removed',
    run: deleted(/^KUBE-PROXY-FIREWALL .*198.51.100.10/, 'filter'),
    expected: ['rule-missing default/web:https'],
  },
  {
    cluster: 'dual-stack',
    what: 'IPv6: an endpoint deleted',
    run: deleted(/^KUBE-SVC-.*-> \[fd00:10:244:2::a\]:8080/, 'nat', 'ip6tables'),
    expected: [`endpoint-missing ${WEB}`],
  },
  {
    cluster: 'dual-stack',
    what: 'IPv6: an endpoint swapped',
    run: changed(
      /^KUBE-SEP-.*DNAT --to-destination \[fd00:10:244:2::a\]/,
      '[fd00:10:244:2::a]:8080',
      '[fd00:10:244:2::b]:8080',
      'nat',
      'ip6tables',
    ),
    expected: [`endpoint-changed ${WEB}`],
  },
  {
    cluster: 'dual-stack',
    what: 'IPv6: the jump from POSTROUTING removed',
    run: deleted(/^POSTROUTING .*KUBE-POSTROUTING/, 'nat', 'ip6tables'),
    expected: ['jump-missing'],
  },
];

/** The handle of the one rule of a chain that a pattern matches, with the chain. */
function nftRule(
  chainPattern: RegExp,
  rulePattern: RegExp,
  family = 'ip',
): { chain: string; handle: string; rule: string } {
  const found: { chain: string; handle: string; rule: string }[] = [];
  let chain = '';
  for (const line of shell(`nft -a list table ${family} kube-proxy`).split('\n')) {
    chain = /^\tchain (\S+) \{/.exec(line)?.[1] ?? chain;
    const [, rule, handle] = /^\t\t(.*) # handle (\d+)$/.exec(line) ?? [];
    if (rule === undefined || handle === undefined) continue;
    if (chainPattern.test(chain) && rulePattern.test(rule)) found.push({ chain, handle, rule });
  }
  const [one, ...more] = found;
  if (one === undefined || more.length > 0) {
    throw new Error(`${chainPattern} ${rulePattern} match ${found.length} rules of table ${family} kube-proxy`);
  }
  return one;
}

/** Runs nft with a script. */
function nft(script: string): void {
  shell('nft -f -', script);
}

const nftScript = (script: string) => () => nft(script);

/** Deletes the rule that the patterns match. */
const nftDeleted =
  (chain: RegExp, rule: RegExp, family = 'ip') =>
  () => {
    const found = nftRule(chain, rule, family);
    nft(`delete rule ${family} kube-proxy ${found.chain} handle ${found.handle}`);
  };

/** Replaces a text in the rule that the patterns match. */
const nftChanged =
  (chain: RegExp, rule: RegExp, from: string | RegExp, to: string, family = 'ip') =>
  () => {
    const found = nftRule(chain, rule, family);
    const now = found.rule.replace(from, to);
    if (now === found.rule) throw new Error(`${String(from)} is not in ${found.rule}`);
    nft(`replace rule ${family} kube-proxy ${found.chain} handle ${found.handle} ${now}`);
  };

/** Runs nft with a script that names the chain of the rule that the patterns match. */
const nftInChain =
  (chain: RegExp, rule: RegExp, script: (chain: string) => string, family = 'ip') =>
  () => {
    nft(script(nftRule(chain, rule, family).chain));
  };

const SERVICE_CHAIN = /^service-/;
const CHOICE = /numgen random mod/;

/** Damage done with nft. */
export const NFTABLES_DAMAGES: readonly Damage[] = [
  {
    cluster: 'three-endpoints',
    what: 'an endpoint deleted',
    run: nftChanged(
      SERVICE_CHAIN,
      CHOICE,
      /mod 3 map \{.*\}/,
      'mod 2 map { 0 : 10.244.1.10 . 8080, 1 : 10.244.3.10 . 8080 }',
    ),
    expected: [`endpoint-missing ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'an endpoint swapped',
    run: nftChanged(SERVICE_CHAIN, CHOICE, '10.244.2.10 . 8080', '10.99.0.1 . 8080'),
    expected: [`endpoint-extra ${WEB}`, `endpoint-missing ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'the port of an endpoint changed',
    run: nftChanged(SERVICE_CHAIN, CHOICE, '10.244.2.10 . 8080', '10.244.2.10 . 9090'),
    expected: [`endpoint-extra ${WEB}`, `endpoint-missing ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'a share changed',
    run: nftChanged(SERVICE_CHAIN, CHOICE, /mod 3 map \{(.*?) ?\}/, 'mod 4 map {$1, 3 : 10.244.1.10 . 8080 }'),
    expected: [`uneven ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'the order of endpoints changed',
    run: nftChanged(SERVICE_CHAIN, CHOICE, /0 : (\S+) \. 8080, 1 : (\S+) \. 8080/, '0 : $2 . 8080, 1 : $1 . 8080'),
    expected: [],
  },
  {
    cluster: 'three-endpoints',
    what: 'the chain of the service port flushed',
    run: nftInChain(SERVICE_CHAIN, CHOICE, (chain) => `flush chain ip kube-proxy ${chain}`),
    expected: [`chain-empty ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'the cluster IP out of the map',
    run: nftScript('delete element ip kube-proxy service-ips { 10.96.0.20 . tcp . 80 }'),
    expected: [`entry-missing ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'the cluster IP out of its set',
    run: nftScript('delete element ip kube-proxy cluster-ips { 10.96.0.20 }'),
    expected: [`entry-missing ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'an entry of nobody in the map',
    run: nftScript('add element ip kube-proxy service-ips { 10.96.0.99 . tcp . 80 : drop }'),
    expected: ['entry-extra'],
  },
  {
    cluster: 'three-endpoints',
    what: 'a stale Service added',
    run: nftScript(
      'add chain ip kube-proxy service-KHN6ECMT-shop/web/tcp/http\nadd rule ip kube-proxy service-KHN6ECMT-shop/web/tcp/http reject\nadd element ip kube-proxy service-ips { 10.96.0.99 . tcp . 80 : goto service-KHN6ECMT-shop/web/tcp/http }',
    ),
    expected: ['stale'],
  },
  {
    cluster: 'three-endpoints',
    what: 'traffic to the cluster IP not masqueraded',
    run: nftDeleted(/^services$/, /@cluster-ips ip saddr !=/),
    expected: ['masquerade-missing'],
  },
  {
    cluster: 'three-endpoints',
    what: 'hairpin traffic not masqueraded',
    run: nftScript('delete element ip kube-proxy hairpin-connections { 10.244.1.10 . 10.244.1.10 . tcp . 8080 }'),
    expected: [`entry-missing ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'a foreign rule in the chain of the service port',
    run: nftInChain(SERVICE_CHAIN, CHOICE, (chain) => `insert rule ip kube-proxy ${chain} ip saddr 10.9.9.9 accept`),
    expected: [`rule-extra ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'a foreign rule in the chain services',
    run: nftScript('insert rule ip kube-proxy services ip daddr 10.1.2.3 accept'),
    expected: ['rule-extra'],
  },
  {
    cluster: 'three-endpoints',
    what: 'the choice of an endpoint repeated',
    run: () => {
      const { chain, rule } = nftRule(SERVICE_CHAIN, CHOICE);
      nft(`add rule ip kube-proxy ${chain} ${rule}`);
    },
    expected: [`rule-extra ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'the mark bit changed',
    run: nftChanged(/^masquerading$/, /mark &/, /0x00004000/g, '0x00008000'),
    expected: ['rule-changed'],
  },
  {
    cluster: 'three-endpoints',
    what: 'the masquerade rule removed',
    run: nftDeleted(/^masquerading$/, /mark &/),
    expected: ['masquerade-missing'],
  },
  {
    cluster: 'three-endpoints',
    what: 'the dispatch by map removed',
    run: nftDeleted(/^services$/, /@service-ips/),
    expected: ['rule-missing'],
  },
  {
    cluster: 'three-endpoints',
    what: 'the jump of a base chain removed',
    run: nftDeleted(/^nat-prerouting$/, /jump services/),
    expected: ['chain-empty'],
  },
  {
    cluster: 'three-endpoints',
    what: 'a base chain removed',
    run: nftScript('flush chain ip kube-proxy nat-output\ndelete chain ip kube-proxy nat-output'),
    expected: ['chain-empty'],
  },
  {
    cluster: 'three-endpoints',
    what: 'the table removed',
    run: nftScript('delete table ip kube-proxy\ndelete table ip6 kube-proxy'),
    expected: ['nothing-there'],
  },
  {
    cluster: 'three-endpoints',
    what: 'a table of others',
    run: nftScript('table ip other { chain c { type nat hook prerouting priority -150; ip daddr 10.1.2.3 accept; }; }'),
    expected: [],
  },
  {
    cluster: 'no-endpoints',
    what: 'the reject out of the map',
    run: nftScript('delete element ip kube-proxy no-endpoint-services { 10.96.0.20 . tcp . 80 }'),
    expected: [`entry-missing ${WEB}`],
  },
  {
    cluster: 'node-port',
    what: 'the node port out of the map',
    run: nftScript('delete element ip kube-proxy service-nodeports { tcp . 30080 }'),
    expected: [`entry-missing ${WEB}`],
  },
  {
    cluster: 'node-port',
    what: 'external traffic not masqueraded',
    run: nftDeleted(/^external-/, /mark set/),
    expected: [`masquerade-missing ${WEB}`],
  },
  {
    cluster: 'session-affinity',
    what: 'the time of session affinity changed',
    run: sh(
      "text=$(nft list table ip kube-proxy | sed 's/timeout 3h/timeout 5m/'); printf 'delete table ip kube-proxy\\n%s\\n' \"$text\" | nft -f -",
    ),
    expected: [`affinity ${WEB}`],
  },
  {
    cluster: 'session-affinity',
    what: 'clients not remembered',
    run: nftDeleted(/^endpoint-.*10\.244\.1\.10/, /update @/),
    expected: [`affinity ${WEB}`],
  },
  {
    cluster: 'session-affinity',
    what: 'the destination of an endpoint changed',
    run: nftChanged(/^endpoint-.*10\.244\.1\.10/, /dnat to/, '10.244.1.10:8080', '10.99.0.1:8080'),
    expected: [`endpoint-changed ${WEB}`],
  },
  {
    cluster: 'load-balancer-source-ranges',
    what: 'a source range removed',
    run: nftChanged(/^firewall-/, /saddr/, /\{.*\}/, '{ 203.0.113.0/24 }'),
    expected: ['rule-changed default/web:https'],
  },
  {
    cluster: 'load-balancer-source-ranges',
    what: 'the firewall out of the map',
    run: nftScript('delete element ip kube-proxy firewall-ips { 198.51.100.10 . tcp . 443 }'),
    expected: ['entry-missing default/web:https'],
  },
  {
    cluster: 'dual-stack',
    what: 'IPv6: an endpoint swapped',
    run: nftChanged(SERVICE_CHAIN, CHOICE, 'fd00:10:244:2::a', 'fd00:10:244:2::b', 'ip6'),
    expected: [`endpoint-extra ${WEB}`, `endpoint-missing ${WEB}`],
  },
  {
    cluster: 'dual-stack',
    what: 'IPv6: the table removed',
    run: nftScript('delete table ip6 kube-proxy'),
    expected: ['nothing-there'],
  },
  {
    cluster: 'dual-stack',
    what: 'IPv6: the cluster IP out of the map',
    run: nftScript('delete element ip6 kube-proxy service-ips { fd00:10:96::20 . tcp . 80 }'),
    expected: [`entry-missing ${WEB}`],
  },
];

/** Damage done with ipvsadm, ipset, ip and iptables. */
export const IPVS_DAMAGES: readonly Damage[] = [
  {
    cluster: 'three-endpoints',
    what: 'an endpoint deleted',
    run: sh('ipvsadm -d -t 10.96.0.20:80 -r 10.244.2.10:8080'),
    expected: [`endpoint-missing ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'an endpoint swapped',
    run: sh('ipvsadm -d -t 10.96.0.20:80 -r 10.244.2.10:8080; ipvsadm -a -t 10.96.0.20:80 -r 10.99.0.1:8080 -m -w 1'),
    expected: [`endpoint-extra ${WEB}`, `endpoint-missing ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'a weight changed',
    run: sh('ipvsadm -e -t 10.96.0.20:80 -r 10.244.2.10:8080 -m -w 5'),
    expected: [`uneven ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'a former endpoint drains',
    run: sh('ipvsadm -a -t 10.96.0.20:80 -r 10.244.2.9:8080 -m -w 0'),
    expected: [`draining ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'the virtual server deleted',
    run: sh('ipvsadm -D -t 10.96.0.20:80'),
    expected: [`server-missing ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'the scheduler changed',
    run: sh('ipvsadm -E -t 10.96.0.20:80 -s wrr'),
    expected: [`server-changed ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'a virtual server of nobody',
    run: sh('ipvsadm -A -t 10.96.0.99:80 -s rr'),
    expected: ['foreign-server'],
  },
  { cluster: 'three-endpoints', what: 'a virtual server of a mark', run: sh('ipvsadm -A -f 7 -s rr'), expected: [] },
  {
    cluster: 'three-endpoints',
    what: 'a set entry deleted',
    run: sh('ipset del KUBE-CLUSTER-IP 10.96.0.20,tcp:80'),
    expected: [`entry-missing ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'an address deleted',
    run: sh('ip addr del 10.96.0.20/32 dev kube-ipvs0'),
    expected: [`entry-missing ${WEB}`],
  },
  {
    cluster: 'three-endpoints',
    what: 'an address of nobody',
    run: sh('ip addr add 10.9.9.9/32 dev kube-ipvs0'),
    expected: ['stale'],
  },
  {
    cluster: 'three-endpoints',
    what: 'the jump to KUBE-IPVS-FILTER removed',
    run: deleted(/^INPUT .*KUBE-IPVS-FILTER/, 'filter'),
    expected: ['jump-missing'],
  },
  {
    cluster: 'three-endpoints',
    what: 'traffic to cluster IPs not masqueraded',
    run: deleted(/^KUBE-SERVICES .*KUBE-CLUSTER-IP .*KUBE-MARK-MASQ/),
    expected: ['masquerade-missing'],
  },
  {
    cluster: 'three-endpoints',
    what: 'the mark bit changed',
    run: changed(/^KUBE-MARK-MASQ /, /0x4000\/0x4000|--or-mark 0x4000/, '0x8000/0x8000'),
    expected: ['rule-changed'],
  },
  {
    cluster: 'three-endpoints',
    what: 'the iptables rules flushed',
    run: sh('iptables-save | sed "/^-A/d" | iptables-restore'),
    expected: ['nothing-there'],
  },
  {
    cluster: 'node-port',
    what: 'the node port out of its set',
    run: sh('ipset del KUBE-NODE-PORT-TCP 30080'),
    expected: [`entry-missing ${WEB}`],
  },
  {
    cluster: 'node-port',
    what: 'the virtual server of the node port deleted',
    run: sh('ipvsadm -D -t 192.0.2.11:30080'),
    expected: [`server-missing ${WEB}`],
  },
  {
    cluster: 'session-affinity',
    what: 'the time of session affinity changed',
    run: sh('ipvsadm -E -t 10.96.0.20:80 -s rr -p 300'),
    expected: [`affinity ${WEB}`],
  },
  {
    cluster: 'dual-stack',
    what: 'IPv6: an endpoint deleted',
    run: sh('ipvsadm -d -t [fd00:10:96::20]:80 -r [fd00:10:244:2::a]:8080'),
    expected: [`endpoint-missing ${WEB}`],
  },
  {
    cluster: 'dual-stack',
    what: 'IPv6: a set entry deleted',
    run: sh('ipset del KUBE-6-CLUSTER-IP fd00:10:96::20,tcp:80'),
    expected: [`entry-missing ${WEB}`],
  },
];

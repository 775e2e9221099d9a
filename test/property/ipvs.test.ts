/** What must hold of the texts of IPVS mode for any cluster. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isAddress, isCidr, isPort, isSortedOnce } from '../support/addresses.js';
import { compileObjects, PLAIN_LINES, wholeText } from '../support/compile-objects.js';
import { readIpset, readIpvsadm } from '../support/ipvs-texts.js';
import { readRestoreInput } from '../support/restore-input.js';
import { type Subject, wantedEntries, wantedOutFilter, wantedServers } from './ipvs-model.js';
import { type RandomCluster, randomCluster, shuffledCluster } from './random-cluster.js';

const RUNS = { numRuns: 100 };

function compiled(cluster: RandomCluster): readonly Subject[] {
  return compileObjects(cluster, 'ipvs').families.map((family) => ({ ...family, config: cluster.config }));
}

/** Checks something of each family of random clusters. */
function forAll(check: (subject: Subject) => void): void {
  fc.assert(
    fc.property(randomCluster, (cluster) => {
      for (const subject of compiled(cluster)) check(subject);
    }),
    RUNS,
  );
}

/** Every set by its name in the kernel, with its type (spec section 3). */
const SETS = {
  ipv4: {
    'KUBE-CLUSTER-IP': 'hash:ip,port',
    'KUBE-EXTERNAL-IP': 'hash:ip,port',
    'KUBE-EXTERNAL-IP-LOCAL': 'hash:ip,port',
    'KUBE-HEALTH-CHECK-NODE-PORT': 'bitmap:port',
    'KUBE-IPVS-IPS': 'hash:ip',
    'KUBE-LOAD-BALANCER': 'hash:ip,port',
    'KUBE-LOAD-BALANCER-FW': 'hash:ip,port',
    'KUBE-LOAD-BALANCER-LOCAL': 'hash:ip,port',
    'KUBE-LOAD-BALANCER-SOURCE-CIDR': 'hash:ip,port,net',
    'KUBE-LOAD-BALANCER-SOURCE-IP': 'hash:ip,port,ip',
    'KUBE-LOOP-BACK': 'hash:ip,port,ip',
    'KUBE-NODE-PORT-LOCAL-SCTP-HASH': 'hash:ip,port',
    'KUBE-NODE-PORT-LOCAL-TCP': 'bitmap:port',
    'KUBE-NODE-PORT-LOCAL-UDP': 'bitmap:port',
    'KUBE-NODE-PORT-SCTP-HASH': 'hash:ip,port',
    'KUBE-NODE-PORT-TCP': 'bitmap:port',
    'KUBE-NODE-PORT-UDP': 'bitmap:port',
  },
  ipv6: {
    'KUBE-6-CLUSTER-IP': 'hash:ip,port',
    'KUBE-6-EXTERNAL-IP': 'hash:ip,port',
    'KUBE-6-EXTERNAL-IP-LOCAL': 'hash:ip,port',
    'KUBE-6-HEALTH-CHECK-NODE-PORT': 'bitmap:port',
    'KUBE-6-IPVS-IPS': 'hash:ip',
    'KUBE-6-LOAD-BALANCER': 'hash:ip,port',
    'KUBE-6-LOAD-BALANCER-FW': 'hash:ip,port',
    'KUBE-6-LOAD-BALANCER-LOCAL': 'hash:ip,port',
    'KUBE-6-LOAD-BALANCER-SOURCE-CID': 'hash:ip,port,net',
    'KUBE-6-LOAD-BALANCER-SOURCE-IP': 'hash:ip,port,ip',
    'KUBE-6-LOOP-BACK': 'hash:ip,port,ip',
    'KUBE-6-NODE-PORT-LOCAL-SCTP-HAS': 'hash:ip,port',
    'KUBE-6-NODE-PORT-LOCAL-TCP': 'bitmap:port',
    'KUBE-6-NODE-PORT-LOCAL-UDP': 'bitmap:port',
    'KUBE-6-NODE-PORT-SCTP-HASH': 'hash:ip,port',
    'KUBE-6-NODE-PORT-TCP': 'bitmap:port',
    'KUBE-6-NODE-PORT-UDP': 'bitmap:port',
  },
} as const;

const setNames = ({ plan }: Subject) => Object.keys(SETS[plan.node.family]);
const setType = (name: string, { plan }: Subject) =>
  Object.entries(SETS[plan.node.family]).find(([n]) => n === name)?.[1];

/** The kernel's name of a set of the model. */
function kernelName(key: string, { plan }: Subject): string {
  return plan.node.family === 'ipv4' ? `KUBE-${key}` : `KUBE-6-${key}`.slice(0, 31);
}

/** Whether an entry is one of a set of this type. */
function fits(entry: string, type: string, family: 'ipv4' | 'ipv6'): boolean {
  if (type === 'bitmap:port') return isPort(entry);
  const [ip = '', port, third, ...rest] = entry.split(',');
  if (!isAddress(ip, family) || rest.length > 0) return false;
  if (type === 'hash:ip') return port === undefined;
  const [, protocol, number = ''] = /^(tcp|udp|sctp):(\d+)$/.exec(port ?? '') ?? [];
  if (protocol === undefined || !isPort(number)) return false;
  if (type === 'hash:ip,port') return third === undefined;
  return third !== undefined && (type === 'hash:ip,port,ip' ? isAddress(third, family) : isCidr(third, family));
}

describe('the texts of IPVS mode for random clusters', () => {
  it('are the same for any order of the objects, and printable ASCII, words one blank apart', () => {
    fc.assert(
      fc.property(shuffledCluster, ([cluster, shuffled]) => {
        const one = compileObjects(cluster, 'ipvs');
        expect(wholeText(compileObjects(shuffled, 'ipvs')) === wholeText(one)).toBe(true);
        for (const { texts } of one.families)
          for (const text of Object.values(texts)) expect(text).toMatch(PLAIN_LINES);
      }),
      RUNS,
    );
  });

  it('have the virtual servers of the plan, each once, with persistence, scheduler and real servers', () => {
    let seen = 0;
    forAll((subject) => {
      const { timeouts, servers } = readIpvsadm(subject.texts.ipvsadm ?? '');
      const wanted = [...wantedServers(subject).values()].map(({ service, options, realServers }) =>
        [`-A ${service} ${options}`, ...realServers.toSorted()].join('\n'),
      );
      const got = servers.map(({ service, options, realServers }) =>
        [`-A ${service} ${options}`, ...realServers].join('\n'),
      );
      expect(got).toEqual(wanted.toSorted());
      expect(isSortedOnce(servers.map(({ service }) => service))).toBe(true);
      for (const { realServers } of servers) expect(isSortedOnce(realServers)).toBe(true);
      seen += servers.length;

      // Their addresses are on kube-ipvs0, or the node has them.
      const local = [
        ...(subject.texts.addresses?.split('\n') ?? []),
        ...subject.node.addresses.map(({ text }) => text),
      ];
      expect(servers.filter(({ address }) => !local.includes(address))).toEqual([]);

      const { tcpTimeoutSeconds, tcpFinTimeoutSeconds, udpTimeoutSeconds } = subject.config.ipvs;
      const seconds = [tcpTimeoutSeconds, tcpFinTimeoutSeconds, udpTimeoutSeconds];
      const isSet = seconds.join(' ') !== '0 0 0';
      expect(timeouts).toBe(isSet ? `--set ${seconds.map((each) => each | 0).join(' ')}` : undefined);
    });
    expect(seen).toBeGreaterThan(200);
  });

  it('have always the same sets, by names that ipset takes, with the entries of the plan, which fit their type', () => {
    forAll((subject) => {
      const { family } = subject.plan.node;
      const sets = readIpset(subject.texts.ipset ?? '');
      expect([...sets.keys()]).toEqual(setNames(subject));
      for (const [name, { creation, entries }] of sets) {
        const type = setType(name, subject) ?? '';
        const inet = family === 'ipv4' ? 'inet' : 'inet6';
        const rest = type === 'bitmap:port' ? 'range 0-65535' : `family ${inet} hashsize 1024 maxelem 65536`;
        expect(creation).toBe(`${type} ${rest}`);
        expect(name.length).toBeLessThanOrEqual(31);
        expect(entries.filter((entry) => !fits(entry, type, family))).toEqual([]);
        expect(isSortedOnce(entries)).toBe(true);
      }
      const wanted = [...wantedEntries(subject)].flatMap(([key, entries]) =>
        entries.map((entry) => `${kernelName(key, subject)} ${entry}`),
      );
      const got = [...sets].flatMap(([name, { entries }]) => entries.map((entry) => `${name} ${entry}`));
      expect(got.toSorted()).toEqual([...new Set(wanted)].sort());
      const addresses = sets.get(kernelName('IPVS-IPS', subject))?.entries.map((ip) => `${ip}\n`) ?? [];
      expect(subject.texts.addresses).toBe(addresses.join(''));
    });
  });
});

describe('the rules of IPVS mode for random clusters', () => {
  const BUILT_IN_TARGETS = ['ACCEPT', 'DROP', 'REJECT', 'RETURN', 'MARK', 'MASQUERADE'];

  it('jump only to chains that are declared, all in reach of the setup but those that nothing needs', () => {
    forAll((subject) => {
      const sets = readIpset(subject.texts.ipset ?? '');
      const isEmpty = (key: string) => sets.get(kernelName(key, subject))?.entries.length === 0;
      const idle = [
        ...(isEmpty('LOAD-BALANCER') ? ['-t nat -N KUBE-LOAD-BALANCER'] : []),
        ...(isEmpty('CLUSTER-IP') ? ['-t nat -N KUBE-MARK-MASQ'] : []),
        ...(isEmpty('LOAD-BALANCER-FW') ? ['-t filter -N KUBE-SOURCE-RANGES-FIREWALL'] : []),
      ];
      const setup = (subject.texts.setup ?? '').split('\n');
      const declared: string[] = [];
      const unreached: string[] = [];
      for (const [table, { chains, rules }] of readRestoreInput(subject.texts.rules ?? '')) {
        const known = [...chains, ...BUILT_IN_TARGETS];
        expect(new Set(chains).size).toBe(chains.length);
        expect(rules.filter(({ chain }) => !chains.includes(chain))).toEqual([]);
        expect(rules.filter(({ target }) => !known.includes(target ?? ''))).toEqual([]);
        const jumps = setup.filter((line) => line.startsWith(`-t ${table} -I `)).map((line) => line.split(' ').at(-1));
        const reached = new Set(jumps);
        expect(jumps.filter((chain = '') => !chains.includes(chain))).toEqual([]);
        for (const chain of reached) for (const rule of rules) if (rule.chain === chain) reached.add(rule.target);
        const line = (chain: string) => `-t ${table} -N ${chain}`;
        declared.push(...chains.map(line));
        unreached.push(...chains.filter((chain) => !reached.has(chain)).map(line));
      }
      expect(unreached).toEqual(idle);
      expect(setup.filter((line) => line.includes(' -N '))).toEqual(declared);
    });
  });

  it('match sets that exist, by as many fields as the set has: in nat each with entries that tells something there', () => {
    const elsewhere = ['HEALTH-CHECK-NODE-PORT', 'IPVS-IPS', 'LOAD-BALANCER-FW', 'LOAD-BALANCER-SOURCE-CIDR'];
    forAll((subject) => {
      const inNat = new Set<string>();
      for (const [table, { rules }] of readRestoreInput(subject.texts.rules ?? '')) {
        for (const { args } of rules.filter((rule) => rule.args.includes('--match-set'))) {
          const [name = '', directions = ''] = args.slice(args.indexOf('--match-set') + 1);
          // `hash:ip,port` and `bitmap:port` are told alike: one direction for each field behind the colon.
          const fields = setType(name, subject)?.split(':')[1]?.split(',');
          expect([name, directions.split(',').length]).toEqual([name, fields?.length]);
          if (table === 'nat') inNat.add(name);
        }
      }
      const inFilter = [...elsewhere, 'LOAD-BALANCER-SOURCE-IP'].map((key) => kernelName(key, subject));
      const filled = [...readIpset(subject.texts.ipset ?? '')].filter(([, { entries }]) => entries.length > 0);
      const wanted = filled.map(([name]) => name).filter((name) => !inFilter.includes(name));
      expect([...inNat].sort()).toEqual(wanted.toSorted());
    });
  });

  it('keep the node from load-balancer addresses whose source ranges it is not in', () => {
    forAll((subject) => {
      const lines = subject.texts.rules?.split('\n').filter((line) => line.startsWith('-A KUBE-IPVS-OUT-FILTER'));
      expect(lines).toEqual(wantedOutFilter(subject));
    });
  });
});

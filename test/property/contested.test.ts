/** Service ports that claim one address and port: in every mode the first by name with endpoints has it, and it is said. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Diagnostic, ServicePortPlan } from '../../src/index.js';
import { compileObjects } from '../support/compile-objects.js';
import { readIpvsadm } from '../support/ipvs-texts.js';
import { readNftScript } from '../support/nft-script.js';
import { readRestoreInput } from '../support/restore-input.js';
import { byName, claims, wantedServers } from './ipvs-model.js';
import { hasEndpoints, refusal, type Subject, servicePortName } from './nft-model.js';
import { contestedCluster } from './random-cluster.js';

const RUNS = { numRuns: 100 };

/** An address of Services with port and protocol, and who claims it, first by name first. */
interface Contest {
  readonly ip: string;
  readonly port: number;
  readonly protocol: string;
  readonly claimants: readonly ServicePortPlan[];
}

function contests({ plan }: Subject): readonly Contest[] {
  const found = new Map<string, Contest & { claimants: ServicePortPlan[] }>();
  for (const each of byName(plan)) {
    for (const ip of new Set([each.clusterIP, ...each.externalIPs, ...each.loadBalancerIPs])) {
      const protocol = each.protocol.toLowerCase();
      const contest = found.get(`${ip} ${protocol} ${each.port}`) ?? { ip, port: each.port, protocol, claimants: [] };
      contest.claimants.push(each);
      found.set(`${ip} ${protocol} ${each.port}`, contest);
    }
  }
  return [...found.values()];
}

const nameOf = ({ namespace, service }: ServicePortPlan): string => `Service ${namespace}/${service}`;

/** Checks that each of some claimants is named by a warning together with another of them. */
function expectNamed(claimants: readonly ServicePortPlan[], thing: string, diagnostics: readonly Diagnostic[]): void {
  const services = [...new Set(claimants.map(nameOf))];
  if (services.length < 2) return;
  const pairs = diagnostics
    .filter(({ code, message }) => code === 'address-conflict' && message.includes(thing))
    .map(({ object = '', message }) => [object, services.find((each) => new RegExp(`${each}[ .]`).test(message))]);
  expect(pairs.filter(([object, other]) => other === undefined || other === object)).toEqual([]);
  expect([...new Set(pairs.flat())].sort()).toEqual(services.toSorted());
}

/** Checks something of each random cluster in one mode; returns how many addresses were claimed more than once. */
function forAll(
  mode: 'iptables' | 'ipvs' | 'nftables',
  check: (subject: Subject, contests: readonly Contest[], diagnostics: readonly Diagnostic[]) => void,
): void {
  let contested = 0;
  fc.assert(
    fc.property(contestedCluster, (cluster) => {
      const { families, diagnostics } = compileObjects(cluster, mode);
      for (const family of families) {
        const subject = { ...family, config: cluster.config };
        const found = contests(subject);
        contested += found.filter(({ claimants }) => claimants.length > 1).length;
        for (const { ip, port, protocol, claimants } of found) {
          expectNamed(claimants, `address ${ip} port ${port}/${protocol.toUpperCase()} `, diagnostics);
        }
        check(subject, found, diagnostics);
      }
    }),
    RUNS,
  );
  expect(contested).toBeGreaterThan(RUNS.numRuns / 2);
}

/** What is done with traffic to an address of a service port: its cluster IP has a policy of its own. */
function refusalAt(plan: ServicePortPlan, { ip }: Contest): string | undefined {
  return refusal(plan, ip === plan.clusterIP ? plan.internalPolicyLocal : plan.externalPolicyLocal);
}

/** Whether some traffic to an address of a service port finds an endpoint; from pods any at all is enough outside. */
function serves(plan: ServicePortPlan, contest: Contest): boolean {
  return contest.ip === plan.clusterIP ? refusalAt(plan, contest) === undefined : hasEndpoints(plan);
}

it('in iptables mode its rules come first', () => {
  forAll('iptables', ({ texts }, found) => {
    const tables = readRestoreInput(texts.rules ?? '');
    /** Whose rule is the first of a chain for an address and port: the comment begins with the service port's name. */
    const firstOf = (table: string, chain: string, { ip, port, protocol }: Contest): string | undefined =>
      tables
        .get(table)
        ?.rules.find(
          ({ chain: own, args }) =>
            own === chain && args.join(' ').includes(`-p ${protocol} -d ${ip} --dport ${port} `),
        )
        ?.args[3]?.split(' ')[0];
    for (const contest of found) {
      const { ip, claimants } = contest;
      expect(firstOf('nat', 'KUBE-SERVICES', contest)).toBe(claimants.find((each) => serves(each, contest))?.name);
      const refused = claimants.filter((each) => refusalAt(each, contest) !== undefined);
      const outside = refused.find((each) => each.clusterIP !== ip);
      expect(firstOf('filter', 'KUBE-SERVICES', contest)).toBe(refused.find((each) => each.clusterIP === ip)?.name);
      expect(firstOf('filter', 'KUBE-EXTERNAL-SERVICES', contest)).toBe(outside?.name);
    }
  });
});

it('in IPVS mode the virtual server is its own, node ports included', () => {
  forAll('ipvs', (subject, _, diagnostics) => {
    const winners = wantedServers(subject);
    const { servers } = readIpvsadm(subject.texts.ipvsadm ?? '');
    expect(servers.map(({ service }) => service)).toEqual([...winners.keys()].sort());
    for (const { service, options, realServers } of servers) {
      const winner = winners.get(service);
      expect([service, options, ...realServers]).toEqual([service, winner?.options, ...(winner?.realServers ?? [])]);
    }
    // Two that both have the address as a Service's own are told of when the objects are read: see expectNamed.
    for (const { service, plan } of claims(subject)) {
      const rivals = claims(subject).filter((each) => each.service === service);
      const outside = new Set(rivals.filter(({ kind }) => kind !== 'node').map((each) => each.plan));
      const winner = winners.get(service);
      if (winner === undefined || winner.plan === plan || outside.size > 1) continue;
      const [, endpoint = ''] = service.split(' ');
      const said = diagnostics.filter(
        ({ code, object, message, hint }) =>
          code === 'address-conflict' &&
          message.includes(` ${endpoint} (${plan.protocol}) `) &&
          object === nameOf(plan) &&
          message.endsWith(` of ${plan.name} is claimed by ${nameOf(winner.plan)} (${winner.plan.name}) too.`) &&
          hint?.endsWith(`here it is ${winner.plan.name}.`),
      );
      expect([service, said.length > 0]).toEqual([service, true]);
    }
  });
});

it('in nftables mode the elements hold its verdicts', () => {
  forAll('nftables', ({ texts, plan }, found) => {
    const table = plan.node.family === 'ipv4' ? 'ip kube-proxy' : 'ip6 kube-proxy';
    const { elements } = readNftScript(texts.nft ?? '', table);
    for (const contest of found) {
      const { ip, port, protocol, claimants } = contest;
      const verdictIn = (map: string): string | undefined =>
        elements.find(({ collection, key }) => collection === map && key === `${ip} . ${protocol} . ${port}`)?.verdict;
      const served = claimants.find((each) => serves(each, contest));
      const inside = served?.internalPolicyLocal === true ? 'local' : 'service';
      const chain = served?.clusterIP === ip ? inside : 'external';
      expect(verdictIn('service-ips')).toBe(served && `goto ${chain}-${servicePortName(served)}`);
      const refusals = claimants.map((each) => refusalAt(each, contest));
      expect(verdictIn('no-endpoint-services')).toBe(refusals.find((each) => each !== undefined));
      const guarded = claimants.find((each) => each.sourceRanges.length > 0 && each.loadBalancerIPs.includes(ip));
      expect(verdictIn('firewall-ips')).toBe(guarded && `goto firewall-${servicePortName(guarded)}`);
    }
  });
});

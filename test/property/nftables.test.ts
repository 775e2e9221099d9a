/** What must hold of the nftables script of any cluster. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Family } from '../../src/index.js';
import { isAddress, isCidr, isPort, isSortedOnce } from '../support/addresses.js';
import { compileObjects, PLAIN_LINES, wholeText } from '../support/compile-objects.js';
import { chainsNamed, collectionsNamed, type ReadScript, reachedFrom, readNftScript } from '../support/nft-script.js';
import { fromPods, mark, nodePortIPs, refusal, type Subject, wanted, word } from './nft-model.js';
import { contestedCluster, type RandomCluster, randomCluster, shuffledCluster } from './random-cluster.js';

const RUNS = { numRuns: 100 };

function compiled(cluster: RandomCluster): readonly [ReadScript, Subject][] {
  return compileObjects(cluster, 'nftables').families.map((family) => {
    const table = family.plan.node.family === 'ipv4' ? 'ip kube-proxy' : 'ip6 kube-proxy';
    return [readNftScript(family.texts.nft ?? '', table), { ...family, config: cluster.config }];
  });
}

/** Checks something of each family of random clusters. */
function forAll(check: (script: ReadScript, subject: Subject) => void, clusters = randomCluster): void {
  fc.assert(
    fc.property(clusters, (cluster) => {
      for (const [script, subject] of compiled(cluster)) check(script, subject);
    }),
    RUNS,
  );
}

/** Clusters whose Services may claim the same addresses, too. */
const anyCluster = fc.oneof({ weight: 3, arbitrary: randomCluster }, { weight: 1, arbitrary: contestedCluster });

/** Chains of one service port or endpoint have a `/` in their name; no fixed one has. */
const isOwned = (chain: string) => chain.includes('/');

/** Whether an element's field is of a type. */
function fits(field: string, type: string, family: Family): boolean {
  if (type === `${family}_addr`) return isAddress(field, family);
  if (type === 'inet_proto') return ['tcp', 'udp', 'sctp'].includes(field);
  return type === 'inet_service' && isPort(field);
}

describe('the nftables script of random clusters', () => {
  it('is the same for any order of the objects, and printable ASCII, words one blank apart', () => {
    fc.assert(
      fc.property(shuffledCluster, ([cluster, shuffled]) => {
        const one = compileObjects(cluster, 'nftables');
        expect(wholeText(compileObjects(shuffled, 'nftables')) === wholeText(one)).toBe(true);
        for (const { texts } of one.families) expect(texts.nft).toMatch(PLAIN_LINES);
      }),
      RUNS,
    );
  });

  it('lists everything bytewise, none twice, and names only chains, sets and maps that it adds', () => {
    forAll(({ chains, collections, elements }, { texts }) => {
      expect(isSortedOnce([...chains.keys()])).toBe(true);
      for (const kind of ['set', 'map']) {
        const names = [...collections].filter(([, each]) => each.kind === kind).map(([name]) => name);
        expect(isSortedOnce(names)).toBe(true);
      }
      const lines = (texts.nft ?? '').split('\n');
      const ruled = lines.filter((line) => line.startsWith('add rule ')).map((line) => line.split(' ')[4] ?? '');
      expect(isSortedOnce(ruled.filter((chain, i) => chain !== ruled[i - 1]))).toBe(true);
      expect(isSortedOnce(lines.filter((line) => line.startsWith('add element ')))).toBe(true);

      const rules = [...chains.values()].flatMap((chain) => chain.rules);
      const named = [...rules, ...elements.map(({ verdict }) => verdict ?? '')].flatMap(chainsNamed);
      const isTarget = (name: string) => chains.has(name) && chains.get(name)?.type === undefined;
      expect(named.filter((name) => !isTarget(name))).toEqual([]);
      const lookUps = rules.flatMap((rule) => collectionsNamed(rule).map((name) => [rule, name] as const));
      const isRight = ([rule, name]: readonly [string, string]) =>
        collections.get(name)?.kind === (rule.includes(`vmap @${name}`) ? 'map' : 'set');
      expect(lookUps.filter((each) => !isRight(each))).toEqual([]);
    }, anyCluster);
  });

  it('has elements that fit their set or map, no key twice, and comments only where there are no endpoints', () => {
    forAll(({ chains, collections, elements }, { plan }) => {
      const { family } = plan.node;
      const keys = elements.map(({ collection, key }) => `${collection} ${key}`);
      expect(keys.length - new Set(keys).size).toBe(0);
      const isRight = ({ collection, key, verdict, comment }: (typeof elements)[number]) => {
        const types = collections.get(collection)?.key ?? [];
        const fields = key.split(' . ');
        return (
          fields.length === types.length &&
          fields.every((field, i) => fits(field, types[i] ?? '', family)) &&
          (collections.get(collection)?.kind === 'map') === (verdict !== undefined) &&
          collection.startsWith('no-endpoint-') === (comment !== undefined) &&
          Buffer.byteLength(comment ?? '') <= 128
        );
      };
      expect(elements.filter((each) => !isRight(each))).toEqual([]);

      for (const [name, { rules }] of chains) {
        if (!name.startsWith('firewall-') || !isOwned(name)) continue;
        const [, list = ''] = /^ip6? saddr != \{ (.*) \} drop$/.exec(rules[0] ?? '') ?? [];
        expect(list.split(' , ').filter((each) => !isCidr(each, family) && !isAddress(each, family))).toEqual([]);
      }
    }, anyCluster);
  });

  it('has the chains, affinity sets and elements of the plan, with its endpoints by number', () => {
    let seen = 0;
    forAll((script, subject) => {
      const want = wanted(subject);
      const owned = [...script.chains]
        .filter(([name]) => isOwned(name))
        .map(([name, { rules }]) => `${name}\n${rules.join('\n')}`);
      expect(owned).toEqual([...want.chains].map(([name, rules]) => `${name}\n${rules.join('\n')}`).sort());
      const sets = [...script.collections].filter(([name]) => name.startsWith('affinity-'));
      expect(sets.map(([name, { properties }]) => `${name} ${properties}`)).toEqual(want.affinitySets.toSorted());
      const start = `add element ${word(subject)} kube-proxy `;
      const lines = (subject.texts.nft ?? '').split('\n').filter((line) => line.startsWith(start));
      expect(lines.map((line) => line.slice(start.length))).toEqual([...new Set(want.elements)].sort());
      seen += owned.length;
    });
    expect(seen).toBeGreaterThan(200);
  });

  it('masquerades and refuses traffic to cluster IPs as configured, and says where node ports answer', () => {
    fc.assert(
      fc.property(randomCluster, (cluster) => {
        const ranges = cluster.objects.flatMap(({ kind, spec }) =>
          kind === 'ServiceCIDR' ? (spec as { readonly cidrs: readonly string[] }).cidrs : [],
        );
        for (const [{ chains, collections }, subject] of compiled(cluster)) {
          const ip = word(subject);
          const own = [...new Set(ranges.filter((range) => range.includes(':') === (ip === 'ip6')))].sort();
          const unallocated = `${ip} daddr { ${own.join(',')} } drop comment "Drop traffic to unallocated ClusterIPs"`;
          expect(chains.get('cluster-ips-check')?.rules).toEqual([
            `${ip} daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"`,
            ...(own.length > 0 ? [unallocated] : []),
          ]);
          const rules = chains.get('services')?.rules ?? [];
          expect(rules.slice(0, -2)).toEqual(clusterIPMasquerade(subject));
          const everywhere = nodePortIPs(subject) === undefined;
          expect(collections.has('nodeport-ips')).toBe(!everywhere);
          expect(rules.at(-1)?.includes('@nodeport-ips')).toBe(!everywhere);
          expect(rules.at(-1)?.includes('fib daddr type local')).toBe(everywhere);
        }
      }),
      RUNS,
    );
  });
});

/** What is sent to cluster IPs is masqueraded: all of it, or what comes from no pod, if that can be told. */
function clusterIPMasquerade(subject: Subject): readonly string[] {
  const notLocal = fromPods(subject, '!= ');
  const start = `${word(subject)} daddr @cluster-ips`;
  const setMark = `mark set mark or ${mark(subject)}`;
  if (subject.config.nftables.masqueradeAll) return [`${start} ${setMark} comment "masquerade all clusterIP traffic"`];
  if (notLocal === undefined) return [];
  return [`${start} ${notLocal} ${setMark} comment "masquerade clusterIP traffic from outside cluster"`];
}

describe('the chains of random clusters', () => {
  it('are in reach of base chains of one type: translations of nat, refusals of filter', () => {
    forAll((script) => {
      const fromNat = reachedFrom('nat', script);
      const fromFilter = reachedFrom('filter', script);
      // The one chain that may be out of reach: it is there even if nothing is rejected.
      const idle = script.elements.some(({ verdict }) => verdict === 'goto reject-chain') ? [] : ['reject-chain'];
      const names = [...script.chains.keys()];
      expect(names.filter((name) => !fromNat.has(name) && !fromFilter.has(name))).toEqual(idle);
      expect(names.filter((name) => fromNat.has(name) && fromFilter.has(name))).toEqual([]);
      for (const [name, { rules }] of script.chains) {
        expect([name, rules.length > 0]).toEqual([name, true]);
        const text = rules.join('\n').replace(/ comment "[^"]*"/g, '');
        if (/\b(dnat to|dnat ip6? addr|masquerade|mark set|update)\b/.test(text))
          expect(fromFilter).not.toContain(name);
        if (/\b(reject|drop)\b/.test(text)) expect(fromNat).not.toContain(name);
      }
    });
  });

  it('are out of reach only where another Service has the address, or the gate for external IPs is shut', () => {
    fc.assert(
      fc.property(anyCluster, (cluster) => {
        const shut = { ...cluster, config: { ...cluster.config, allowServiceExternalIPs: false } };
        for (const [script, { plan }] of [...compiled(cluster), ...compiled(shut)]) {
          const reached = new Set([...reachedFrom('nat', script), ...reachedFrom('filter', script)]);
          const elements = new Map(
            script.elements.map((each) => [`${each.collection} ${each.key}`, each.verdict ?? '']),
          );
          for (const each of plan.servicePorts) {
            const { protocol, port, nodePort, namespace, service, portName } = each;
            const end = `-${namespace}/${service}/${protocol.toLowerCase()}/${portName}`;
            const lost = [...script.chains.keys()].filter(
              (name) => !reached.has(name) && (name.endsWith(end) || name.includes(`${end}__`)),
            );
            const ips = [...each.externalIPs, ...each.loadBalancerIPs];
            const hasOneOf = (map: string, keys: readonly string[]) =>
              keys.some((key) => elements.get(`${map} ${key}`)?.endsWith(end) === true);
            const key = (ip: string) => `${ip} . ${protocol.toLowerCase()} . ${port}`;
            const isEntered =
              hasOneOf('service-ips', ips.map(key)) ||
              (nodePort !== undefined && hasOneOf('service-nodeports', [`${protocol.toLowerCase()} . ${nodePort}`]));
            const isServedInside = refusal(each, each.internalPolicyLocal) === undefined;
            const isWhole = isEntered && (!isServedInside || hasOneOf('service-ips', [key(each.clusterIP)]));
            const isGuarded = hasOneOf('firewall-ips', each.loadBalancerIPs.map(key));
            expect(lost.filter((name) => (name.startsWith('firewall-') ? isGuarded : isWhole))).toEqual([]);
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});

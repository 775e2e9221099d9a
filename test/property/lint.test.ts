/** What lint says of random clusters agrees with what the planner decides for their nodes. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  type ClusterState,
  chooseNode,
  familiesOf,
  loadCluster,
  located,
  type ProxyConfig,
  planNode,
  type RawObject,
  type ServicePortPlan,
} from '../../src/index.js';
import { lint } from '../../src/inspect/lint/lint.js';
import { randomCluster } from './random-cluster.js';

function lintAll(objects: readonly RawObject[], config: ProxyConfig) {
  const all = objects.map((object) => ({ object }));
  const { state } = loadCluster(all);
  return { state, findings: lint({ state, objects: all, config, mode: 'iptables' }).findings };
}

/** The plans of one node in all its families. */
function plansOf(state: ClusterState, name: string, config: ProxyConfig): readonly ServicePortPlan[] {
  const { node } = chooseNode(state, name, config);
  if (node === undefined) throw new Error(`no node ${name}`);
  const families = familiesOf(node, state, config);
  return families.flatMap((family) => planNode(state, { node, family, mode: 'iptables', config }).servicePorts);
}

it('the order of the objects changes nothing, and nothing makes it fail', () => {
  const modes = fc.constantFrom('iptables' as const, 'ipvs' as const, 'nftables' as const);
  const runs = randomCluster.chain((cluster) =>
    fc.record({
      cluster: fc.constant(cluster),
      shuffled: fc.shuffledSubarray([...cluster.objects], { minLength: cluster.objects.length }),
      mode: modes,
      isGiven: fc.boolean(),
    }),
  );
  fc.assert(
    fc.property(runs, ({ cluster: { objects, config }, shuffled, mode, isGiven }) => {
      const run = (list: readonly RawObject[]) => {
        const all = located(list as RawObject[]);
        const configOrigin = isGiven ? { file: 'config.yaml', document: 0, path: [] } : undefined;
        return lint({ state: loadCluster(all).state, objects: all, config, mode, configOrigin });
      };
      expect(run(shuffled)).toEqual(run(objects));
    }),
    { numRuns: 100 },
  );
});

it('nodes without a local endpoint are those for which the planner drops', () => {
  const codes = {
    internal: ['internal-local-no-endpoint'],
    external: ['external-local-no-endpoint', 'load-balancer-local-no-endpoint'],
  };
  fc.assert(
    fc.property(randomCluster, ({ objects, config }) => {
      const { state, findings } = lintAll(objects, config);
      for (const direction of ['internal', 'external'] as const) {
        const own = findings.filter(({ code }) => codes[direction].includes(code));
        const found = new Set(own.flatMap(({ object, others }) => others.map((other) => `${object} ${other.object}`)));
        const dropped = new Set<string>();
        for (const name of state.nodes.keys()) {
          for (const plan of plansOf(state, name, config)) {
            // A load balancer may get its address later.
            const isMeant = direction === 'internal' || plan.externallyAccessible;
            const key = `Service ${plan.namespace}/${plan.service} Node ${name}`;
            if (plan[direction] === 'drop' && isMeant) dropped.add(key);
          }
        }
        expect([...dropped].filter((key) => !found.has(key))).toEqual([]);
        if (direction === 'internal') expect(found).toEqual(dropped);
      }
    }),
    { numRuns: 100 },
  );
});

it('where zone hints are said to be ignored, no plan of the port follows them', () => {
  fc.assert(
    fc.property(randomCluster, ({ objects, config }) => {
      const { state, findings } = lintAll(objects, config);
      for (const { code, object, path, others } of findings) {
        const isEverywhere = code === 'hints-incomplete';
        if (!isEverywhere && code !== 'hints-node-without-zone' && code !== 'hints-for-other-zones') continue;
        const names = isEverywhere
          ? [...state.nodes.keys()]
          : others.map((other) => other.object.slice('Node '.length));
        for (const name of names) {
          const plans = plansOf(state, name, config).filter((plan) => {
            const service = state.services.get(`${plan.namespace}/${plan.service}`)?.service;
            return (
              `Service ${plan.namespace}/${plan.service}` === object &&
              service?.ports[Number(path?.[2])]?.name === plan.portName
            );
          });
          // Of two families one may have hints that hold.
          expect(plans.some(({ topology }) => topology !== 'zone')).toBe(true);
        }
      }
    }),
    { numRuns: 100 },
  );
});

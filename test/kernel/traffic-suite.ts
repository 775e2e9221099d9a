/** Runs the flow table with real packets through what a backend loads. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sctpUnavailable, skipWithReason } from './available.js';
import { type Backend, compileCluster } from './backend.js';
import { fateIn, type Scenario, scenarios } from './flows.js';
import { families } from './places.js';
import { runFlow } from './run-flow.js';
import { buildTopology, type Topology } from './topology.js';

/** One network for the backend; one load for each scenario; one test for each flow and family. */
export async function trafficSuite(backend: Backend): Promise<void> {
  const skipSctp = skipWithReason('SCTP flows', sctpUnavailable());
  const topology = await buildTopology({ sctp: !skipSctp });
  const reason = await backend.unavailable(topology.hosts['node-a']);
  const skip = skipWithReason(`traffic through ${backend.name}`, reason);
  afterAll(() => topology.close());

  describe.skipIf(skip)(backend.name, () => {
    for (const scenario of scenarios) {
      describe(scenario.name, () => {
        beforeAll(() => prepare(topology, backend, scenario));
        for (const flow of scenario.flows) {
          for (const family of flow.families ?? families) {
            // Counting shares is for a quiet network; everything else goes at the same time.
            const fate = fateIn(backend.mode, flow);
            const alone = typeof fate !== 'string' && fate.evenOver !== undefined;
            const run = flow.protocol === 'sctp' && skipSctp ? test.skip : alone ? test : test.concurrent;
            run(`${flow.name}, ${flow.protocol} ${family}`, async () => {
              expect(await runFlow(topology, { ...flow, fate }, family)).toEqual([]);
            });
          }
        }
      });
    }
  });
}

async function prepare(topology: Topology, backend: Backend, scenario: Scenario): Promise<void> {
  const node = topology.hosts['node-a'];
  await backend.clear(node, scenario.forwardPolicy ?? 'ACCEPT');
  await node.sysctl({ 'net/ipv4/conf/all/route_localnet': '0', ...scenario.parameters });
  if (scenario.config !== undefined) await backend.load(node, compileCluster(backend.mode, scenario.config));
  // What the kernel remembers of connections of the scenario before would bypass these rules.
  await node.run([{ argv: ['conntrack', '-F'] }]);
}

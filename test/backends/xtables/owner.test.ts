/** Whose chains are: the service port is told by the comments, and the chain's name proves it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { endpointChain, servicePortChains } from '../../../src/backends/iptables/names.js';
import { chainService } from '../../../src/backends/xtables/owner.js';
import { readXtables, xtablesChains } from '../../../src/backends/xtables/text.js';
import { lowerProtocol, PROTOCOLS } from '../../../src/net/protocol.js';

/** Every name that a chain of this service port may have; those of endpoints by where its rules send to. */
function namesOf(service: string, rules: readonly string[]): readonly string[] {
  const endpoints = rules.flatMap((rule) => / --to-destination (\S+)/.exec(rule)?.[1] ?? []);
  return PROTOCOLS.map(lowerProtocol).flatMap((protocol) => [
    ...Object.values(servicePortChains(service, protocol)),
    ...endpoints.map((endpoint) => endpointChain(service, protocol, endpoint)),
  ]);
}

it('the chains of all cases are those of the service port that they tell', () => {
  let checked = 0;
  for (const folder of readdirSync('golden')) {
    const file = `golden/${folder}/expected/iptables.ipv4.rules`;
    if (!existsSync(file)) continue;
    const { text } = readXtables({ name: file, text: readFileSync(file, 'utf8') });
    for (const table of text.tables) {
      for (const { name, rules } of xtablesChains(table).values()) {
        const lines = rules.map(({ arguments: args }) => args);
        const service = chainService(table.name, name, lines);
        if (!/^KUBE-(SVC|SVL|EXT|FW|SEP)-/.test(name)) expect(service, `${file}: ${name}`).toBeUndefined();
        else {
          expect(namesOf(service ?? '', lines), `${file}: ${name} ${service}`).toContain(name);
          checked++;
        }
      }
    }
  }
  expect(checked).toBeGreaterThan(200);
});

it.each([
  ['KUBE-SVC-A', ' -m comment --comment shop/web -j RETURN', 'shop/web'],
  ['KUBE-SVC-A', ' -j RETURN', undefined],
  ['KUBE-ROUTER-A', ' -m comment --comment "shop/web:http" -j RETURN', undefined],
])('%s with%s', (chain, rule, service) => {
  expect(chainService('nat', chain, [rule])).toBe(service);
});

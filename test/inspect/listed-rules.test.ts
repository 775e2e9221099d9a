/** What nft lists of a table sends packets where the script did. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import {
  compile,
  loadCluster,
  partText,
  printFraction,
  printNftListing,
  readNft,
  readObjects,
  rulesOfDumps,
  type SourceText,
  tracePacket,
} from '../../src/index.js';

const objects = readObjects([{ name: 'cluster.yaml', text: readFileSync('test/kernel/cluster.yaml', 'utf8') }]).objects;

function fatesThrough(source: SourceText, destination: string, destinationPort: number): readonly string[] {
  const { functions, diagnostics } = rulesOfDumps([source], 'ipv4');
  expect(diagnostics).toEqual([]);
  const packet = { family: 'ipv4', protocol: 'tcp', source: '203.0.113.9', sourcePort: undefined } as const;
  const world = { family: 'ipv4', routeLocalnet: false, overBridge: undefined, after: undefined } as const;
  const { fates } = tracePacket(functions, {
    packet: { ...packet, destination, destinationPort },
    incoming: { kind: 'other' },
    established: false,
    world: { ...world, isLocal: (address) => address === '192.0.2.11' },
  });
  return fates.map(
    ({ probability, fate }) =>
      `${printFraction(probability)} ${fate.kind === 'delivered' ? `${fate.address} ${fate.sourceNat !== undefined}` : fate.kind}`,
  );
}

it.each([
  ['10.96.0.1', 80],
  ['10.96.0.8', 80],
  ['192.0.2.11', 30_001],
  ['192.0.2.11', 30_003],
  ['198.51.100.9', 80],
  ['198.51.100.5', 80],
  ['10.96.0.250', 80],
])('%s port %d', (destination, port) => {
  const { parts } = compile(loadCluster(objects).state, { mode: 'nftables', node: 'node-a', family: 'ipv4' });
  const script: SourceText = { name: 'script', text: parts.map(partText).join('') };
  const { ruleSet } = readNft(script);
  if (ruleSet === undefined) throw new Error('the script cannot be read');
  const listing: SourceText = { name: 'listing', text: printNftListing(ruleSet) };
  const fates = fatesThrough(script, destination, port);
  expect(fates.length).toBeGreaterThan(0);
  expect(fatesThrough(listing, destination, port)).toEqual(fates);
});

/** Tables of nft of all kinds of clusters are printed as they were read, and mean the same in all forms. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compile,
  DEFAULT_CONFIG,
  type Family,
  loadCluster,
  partText,
  readConfig,
  readObjects,
} from '../../src/index.js';
import { differences, expectedScripts, expectFaithful, expectListable } from '../backends/nftables/support.js';
import { caseName, findCases } from '../support/case.js';
import { dumpFolders } from '../support/dumps.js';
import { CONFORMANCE, isMissing } from '../support/shared.js';
import { randomCluster } from './random-cluster.js';

it('scripts for random clusters', () => {
  fc.assert(
    fc.property(randomCluster, ({ objects, config, node }) => {
      const { state } = loadCluster(objects.map((object) => ({ object })));
      for (const part of compile(state, { mode: 'nftables', config, node }).parts) {
        expectFaithful(partText(part));
        expectListable(partText(part));
      }
    }),
    { numRuns: 25 },
  );
});

it.skipIf(isMissing(CONFORMANCE))('scripts that kube-proxy wrote for clusters of the conformance corpus', () => {
  let count = 0;
  for (const folder of findCases(CONFORMANCE)) {
    for (const text of expectedScripts(folder)) {
      count++;
      expectFaithful(text);
      expectListable(text);
    }
  }
  expect(count).toBeGreaterThan(100);
});

describe('dumps of nodes that kube-proxy v1.36.3 synced', () => {
  /** Its IPv4 nft dump was taken at another moment than objects.yaml: without any endpoints. */
  const TORN = 'kube-dns';
  const families = [
    ['ipv4', 'ip'],
    ['ipv6', 'ip6'],
  ] as const;

  it.each(dumpFolders('host').map((folder) => [caseName(folder), folder]))('%s', (name, folder) => {
    for (const [family, table] of families) {
      const text = readFileSync(join(folder, `nft-list.${table}.txt`), 'utf8');
      const json = readFileSync(join(folder, `nft-list.${table}.json`), 'utf8');
      expectFaithful(text);
      expectFaithful(json);
      expect(differences(text, json)).toEqual([]);
      const own = compileDump(folder, family, text);
      if (name === TORN && family === 'ipv4') expect(differences(own, text)).not.toEqual([]);
      else expect(differences(own, text)).toEqual([]);
    }
  });

  /** What we would write there. The API server's own ServiceCIDRs are not in objects.yaml, but seen in the rules. */
  function compileDump(folder: string, family: Family, dump: string): string {
    const [, cidr] = /^\s*ip6? daddr (\S+) drop comment "Drop traffic to unallocated ClusterIPs"$/m.exec(dump) ?? [];
    const serviceCIDR = { apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', metadata: { name: 'kubernetes' } };
    const source = (name: string) => ({ name, text: readFileSync(join(folder, name), 'utf8') });
    const { objects } = readObjects([source('objects.yaml')]);
    const cluster = loadCluster([...objects, { object: { ...serviceCIDR, spec: { cidrs: [cidr] } } }]);
    const config = readConfig(source('config.yaml'), { mode: 'nftables' }).config ?? DEFAULT_CONFIG;
    const { parts } = compile(cluster.state, { mode: 'nftables', config, family });
    return parts.map(partText).join('');
  }
});

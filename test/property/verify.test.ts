/** verify has nothing to report of nodes that a real kube-proxy has synced. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadCluster, type ProxyMode, readConfig, readObjects, verify } from '../../src/index.js';
import { named } from '../inspect/verify-cluster.js';
import { dumpFolders } from '../support/dumps.js';

const DUMPS: readonly (readonly [string, ProxyMode, 'host' | 'ipvs', readonly string[]])[] = [
  ['iptables, variant nft', 'iptables', 'host', ['iptables-save.nft.txt', 'ip6tables-save.nft.txt']],
  ['iptables, variant legacy', 'iptables', 'host', ['iptables-save.legacy.txt', 'ip6tables-save.legacy.txt']],
  ['nftables, listing', 'nftables', 'host', ['nft-list.ip.txt', 'nft-list.ip6.txt']],
  ['nftables, JSON', 'nftables', 'host', ['nft-list.ip.json', 'nft-list.ip6.json']],
  [
    'ipvs',
    'ipvs',
    'ipvs',
    ['ipvsadm-Sn.txt', 'ipset-save.txt', 'ipvs.iptables-save.txt', 'ipvs.ip6tables-save.txt', 'ipvs.addresses.txt'],
  ],
];

/** Dumps taken at another moment than their objects: before kube-proxy had seen the EndpointSlices. */
const EARLY = new Set(['kube-dns iptables, variant legacy', 'kube-dns nftables, listing', 'kube-dns nftables, JSON']);

describe('nothing is wrong on nodes that kube-proxy has synced', () => {
  it.each(DUMPS)('%s', (title, mode, kind, files) => {
    let count = 0;
    for (const folder of dumpFolders(kind)) {
      const read = (name: string) => ({ name, text: readFileSync(join(folder, name), 'utf8') });
      if (!files.every((name) => existsSync(join(folder, name)))) continue;
      const { state } = loadCluster(readObjects([read('objects.yaml')]).objects);
      const loaded = readConfig(read('config.yaml'), { mode });
      for (const asked of [mode, undefined]) {
        const result = verify({ state, config: loaded.config, mode: asked, dumps: files.map(read) });
        expect(result.mode, folder).toBe(mode);
        expect(
          result.diagnostics.filter(({ code }) => code !== 'node-choice'),
          folder,
        ).toEqual([]);
        const early = EARLY.has(`${basename(folder)} ${title}`);
        expect(result.findings.map(named), folder).toEqual(
          early ? ['dns', 'dns-tcp', 'metrics'].map((port) => `endpoint-missing kube-system/kube-dns:${port}`) : [],
        );
      }
      count++;
    }
    console.log(`${count} nodes: ${title}`);
    expect(count).toBeGreaterThan(1);
  });
});

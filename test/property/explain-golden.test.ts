/** Every Service, name and line of the golden files is explained, and what is explained is what stands there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ExplainContext, explain, explainContext, type LineExplanation, type ProxyMode } from '../../src/index.js';
import { PROXY_MODES } from '../../src/kube/config.js';
import { FAMILIES, type Family } from '../../src/net/family.js';
import { caseName, expectedTexts, findCases, loadCase } from '../support/case.js';
import { dumpFolders } from '../support/dumps.js';

function contextOf(folder: string, mode: ProxyMode, family?: Family): ExplainContext {
  const { state, config, node } = loadCase(folder, mode);
  const { context } = explainContext(state, { mode, config, node, family });
  if (context === undefined) throw new Error(`no context for ${folder}`);
  return context;
}

const cases = findCases('golden').map((folder): [string, string] => [caseName(folder), folder]);

/** Names that a text makes: chains, sets, maps. */
function namesIn(text: string): ReadonlySet<string> {
  const found = text.matchAll(/^(?::|create |-t \S+ -N |add (?:chain|set|map) \S+ kube-proxy )([^\s]+)/gm);
  return new Set(Array.from(found, (match) => match[1] ?? ''));
}

describe.each(PROXY_MODES)('mode %s', (mode) => {
  it.each(cases)('%s', (_name, folder) => {
    const context = contextOf(folder, mode);
    const texts = expectedTexts(folder, mode);
    const inTexts = new Set([...texts.values()].flatMap((text) => text.split('\n')));
    for (const key of context.state.services.keys()) {
      const { explanation } = explain(key, context);
      if (explanation?.kind !== 'service') throw new Error(`${key} is not explained`);
      expect(explanation.ports.length === 0, key).toBe(
        explanation.noRules !== undefined || context.state.services.get(key)?.service.ports.length === 0,
      );
      for (const port of explanation.ports) {
        expect(port.lines.filter(({ text }) => !inTexts.has(text))).toEqual([]);
        expect(port.decisions.map(({ about }) => about)).toContain('internal traffic');
      }
    }
    for (const text of texts.values()) {
      for (const name of namesIn(text)) {
        const { explanation } = explain(name, context);
        if (explanation?.kind !== 'name') throw new Error(`${name} is not explained`);
        for (const { owner, text: said } of explanation.meanings) {
          expect(owner, name).toMatch(/^(kube-proxy|kubelet)$/);
          expect(said).not.toBe('');
        }
      }
    }
    for (const [name, text] of texts) {
      if (!/\.(rules|nft|ipvsadm|ipset)$/.test(name)) continue;
      // Lines of one shape are explained alike: a few of each kind and chain are enough.
      for (const line of sampleOf(text)) {
        const { explanation } = explain(line, context);
        if (explanation?.kind !== 'line') throw new Error(`${line} is not explained`);
        expect(explanation.what, line).not.toBe('unknown');
        expect([...explanation.matches, explanation.effect].join(' '), line).not.toContain('not known');
        if (/^(-[Aa]|add)/.test(line)) expect(explanation.written, line).toBe(true);
        if (/^(-[Aa]|add (rule|element))/.test(line)) expect(explanation.reason, line).not.toBe('');
        expect(explanation.reason, line).not.toContain('no Service of this input');
      }
    }
  });
});

/** Up to two lines of each beginning. */
function sampleOf(text: string): readonly string[] {
  const counts = new Map<string, number>();
  return text.split('\n').filter((line) => {
    if (!/^(:|-A|-a|add|create)/.test(line)) return false;
    const kind = line
      .split(' ')
      .slice(0, 5)
      .join(' ')
      .replace(/[A-Z2-7]{16}/, '');
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    return (counts.get(kind) ?? 0) <= 2;
  });
}

describe('what kube-proxy left on a real node', () => {
  it.each([
    ['iptables', 'test/dumps/host/dual-stack', 'iptables-save.legacy.txt'],
    ['iptables', 'test/dumps/host/session-affinity', 'iptables-save.nft.txt'],
    ['iptables', 'test/dumps/host/load-balancer-source-ranges', 'iptables-save.nft.txt'],
    ['ipvs', 'test/dumps/ipvs/dual-stack', 'ipvs.ip6tables-save.txt'],
    ['ipvs', 'test/dumps/ipvs/dual-stack', 'ipvsadm-Sn.txt'],
    ['ipvs', 'test/dumps/ipvs/load-balancer-source-ranges', 'ipset-save.txt'],
  ] as const)('mode %s: %s %s', (mode, folder, file) => {
    const context = contextOf(folder, mode);
    const lines = readFileSync(join(folder, file), 'utf8').split('\n');
    const own = lines.filter((line) => /^(-A (KUBE-|-t)|-a|add) ?/.test(line));
    expect(own.length).toBeGreaterThan(5);
    let written = 0;
    for (const line of own) {
      const { explanation } = explain(line, context);
      if (explanation?.kind !== 'line') throw new Error(`${line} is not explained`);
      // Where counters are involved nobody can tell.
      expect(explanation.written, line).toBe(line.includes('localhost_nps') ? undefined : true);
      expect(explanation.reason, line).not.toMatch(/^$|no Service of this input/);
      if (explanation.written) written++;
    }
    expect(written).toBeGreaterThan(own.length - 2);
  });
});

describe('what a real node lists', () => {
  // That of kube-dns was listed before its endpoints were there.
  const folders = dumpFolders('host').filter((folder) => !folder.endsWith('/kube-dns'));
  const listings = folders.flatMap((folder) =>
    FAMILIES.map((family): [string, string, Family] => [
      folder,
      `nft-list.${family === 'ipv6' ? 'ip6' : 'ip'}.txt`,
      family,
    ]),
  );

  it.each(listings)('%s %s', (folder, file, family) => {
    const context = contextOf(folder, 'nftables', family);
    const lines = linesOf(readFileSync(join(folder, file), 'utf8'), context);
    expect(lines.filter(({ what, written }) => what === 'unknown' || written === false)).toEqual([]);
    const written = lines.filter((each) => each.written === true);
    expect(written.length).toBeGreaterThan(40);
    for (const { line, what, reason } of written) {
      if (/^(rule of chain|element)/.test(what)) expect(reason, line).not.toMatch(/^$|no Service of this input/);
    }
  });

  // Recorded in user-mode Linux: the sets and virtual servers of that dump, loaded and listed with -L -n and list.
  it.each(['ipvsadm-Ln.txt', 'ipset-list.txt'])('%s', (file) => {
    const context = contextOf('test/dumps/ipvs/load-balancer-source-ranges', 'ipvs');
    const lines = linesOf(readFileSync(join('test/inspect/listed', file), 'utf8'), context);
    expect(lines.filter(({ what, written }) => what === 'unknown' || written === false)).toEqual([]);
    expect(lines.filter(({ written }) => written === true).length).toBeGreaterThan(8);
  });
});

function linesOf(text: string, context: ExplainContext): readonly LineExplanation[] {
  const { explanation } = explain(text, context, 'line');
  if (explanation?.kind !== 'lines') throw new Error('nothing is explained');
  return explanation.lines;
}

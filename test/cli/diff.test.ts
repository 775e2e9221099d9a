/** `kuberules diff`: its arguments, a terminal, and markdown. test/transcripts shows what it prints elsewhere. */
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { diffMarkdown } from '../../src/cli/diff-report.js';
import { diffText } from '../../src/cli/diff-text.js';
import type { TrafficDiff } from '../../src/index.js';
import { folderWith, kuberules, onTerminal } from '../support/cli.js';

const SHOP = ['examples/shop', 'test/inspect/diff/shop-new'] as const;

describe('arguments', () => {
  it.each([
    ['one side and nothing else', ['examples/shop']],
    ['one side with one mode', ['examples/shop', '--mode', 'ipvs']],
    ['one side with one node twice', ['examples/shop', '--node', 'worker-1..worker-1']],
    ['standard input twice', ['-', '-']],
    ['--all-nodes with a node', [...SHOP, '--all-nodes', '--node', 'worker-1']],
    ['a mode that is none', [...SHOP, '--mode', 'iptables..ebpf']],
    ['three modes', [...SHOP, '--mode', 'iptables..ipvs..nftables']],
    ['half a pair of nodes', [...SHOP, '--node', '..worker-1']],
    ['no side at all', []],
  ])('%s is wrong usage', async (_name, args) => {
    const { code, out, err } = await kuberules('diff', ...args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/\[usage\]/);
  });

  it.each([
    ['../nothing.yaml', 'examples/shop'],
    ['examples/shop', '../nothing.yaml'],
  ])('%s %s cannot be read', async (...args) => {
    const { code, out, err } = await kuberules('diff', ...args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain('[unreadable-input]');
  });

  it('configurations of both sides, of one, and none of the other', async () => {
    const header = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';
    const folder = folderWith({ 'a.yaml': `${header}mode: ipvs\n`, 'b.yaml': `${header}mode: nftables\n` });
    const [a, b] = [`${folder}/a.yaml`, `${folder}/b.yaml`];
    const diff = async (...args: readonly string[]) => {
      const { code, out } = await kuberules('diff', 'examples/shop', ...args);
      return [code, out.split('\n')[1]];
    };
    expect(await diff('--old-config', a, '--new-config', b)).toEqual([1, 'Node worker-1, mode ipvs -> nftables.']);
    expect(await diff('--config', a, '--new-config', b)).toEqual([1, 'Node worker-1, mode ipvs -> nftables.']);
    expect(await diff('--new-config', b)).toEqual([1, 'Node worker-1, mode iptables -> nftables.']);
    expect(await diff('examples/shop', '--config', b)).toEqual([0, 'Node worker-1, mode nftables.']);
  });

  it('a side without objects is named', async () => {
    const { code, err } = await kuberules('diff', 'examples/shop', '/dev/null');
    expect(code).toBe(2);
    expect(err).toContain('/dev/null: error: the input holds no object.');
  });

  it('a side without Nodes is seen from those of the other', async () => {
    const { code, out } = await kuberules('diff', 'examples/shop', 'examples/shop/services.yaml', '--node', 'worker-2');
    expect([code, out.split('\n')[1]]).toEqual([1, 'Node worker-2, mode iptables.']);
  });
});

describe('on a terminal', () => {
  it.each([120, 80, 60])('of %i columns shows no longer line than that', async (width) => {
    for (const args of [SHOP, ['examples/shop', '--mode', 'iptables..nftables']]) {
      const out = await onTerminal({ width, color: false }, 'diff', ...args);
      expect(out.split('\n').filter((line) => line.length > width)).toEqual([]);
    }
  });

  it('colours change nothing but colours', async () => {
    const painted = await onTerminal({ width: 90, color: true }, 'diff', ...SHOP, '--rules');
    expect(painted).toContain('\u001b[32m+\u001b[39m');
    expect(stripVTControlCharacters(painted)).toBe(
      await onTerminal({ width: 90, color: false }, 'diff', ...SHOP, '--rules'),
    );
  });

  it.each(['json', 'markdown'])('%s is as elsewhere', async (output) => {
    const args = ['diff', ...SHOP, '--output', output];
    expect(await onTerminal({ width: 60, color: true }, ...args)).toBe((await kuberules(...args)).out);
  });
});

it('nodes on which the same changes are told together', async () => {
  const { out } = await kuberules('diff', 'examples/shop/nodes.yaml', 'examples/shop/nodes.yaml', '--all-nodes');
  expect(out).toBe(
    'Traffic changes on 0 of 2 nodes.\n\nSame traffic, same rules (0 Services).\nNodes worker-1, worker-2, mode iptables.\n',
  );
  const services = 'examples/shop/services.yaml';
  const { code, err } = await kuberules('diff', services, services, '--all-nodes');
  expect(code).toBe(2);
  expect(err).toContain('--all-nodes needs Node objects');
});

describe('names that are none', () => {
  // No such name passes the checks of objects; what is printed must be safe all the same.
  const evil = 'a/|<img src=x> @admin `x` [l](h) *b* \u001b[31m\u202e';
  const diff: TrafficDiff = {
    same: false,
    sameRules: false,
    added: [],
    removed: [],
    changed: [evil],
    unchanged: 0,
    renamed: [{ from: evil, to: evil }],
    settings: [{ name: evil, before: evil, after: evil }],
    common: [],
    modes: [],
    services: [
      { service: evil, status: 'changed', renamedFrom: evil, settings: [], added: [], removed: [], effects: [] },
    ],
    rules: [{ service: evil, diff: `--- old/x\n+\`\`\`\n+${evil}\n` }],
  };
  const side = { node: evil, mode: 'iptables' } as const;
  const report = { views: [{ nodes: [evil], before: side, after: side, diff }] };

  it('are text in markdown', () => {
    const markdown = diffMarkdown(report);
    const outside = markdown.replace(/^````diff\n.*?^````$/gms, '');
    expect(outside).not.toBe(markdown);
    expect(outside.replaceAll(/<\/?(details|summary)>/g, '')).not.toMatch(/[<>@]|(?<!\\)[`*[\]]/);
    const rows = outside.split('\n').filter((line) => line.startsWith('|'));
    expect(rows.map((row) => row.replaceAll('\\|', '').split('|').length)).toEqual([7, 7, 7]);
  });

  it.each([diffMarkdown(report), diffText(report, undefined)])('reach nobody’s terminal %#', (text) => {
    for (const char of ['\u001b', '\u202e']) expect(text).not.toContain(char);
  });
});

/** The command line of verify, where transcripts cannot show it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { folderWith, kuberules } from '../support/cli.js';
import { schemaProblems } from '../support/json-schema.js';

const FOLDER = 'test/dumps/host/dual-stack';
const OBJECTS = ['-f', `${FOLDER}/objects.yaml`, '--config', `${FOLDER}/config.yaml`];

it('takes the family from the name where no line tells it, and asks for it otherwise', async () => {
  const bare = readFileSync(`${FOLDER}/ip6tables-save.nft.txt`, 'utf8').replace(/^#.*\n/gm, '');
  const folder = folderWith({ bare, empty: '*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n' });
  expect(await kuberules('verify', ...OBJECTS, '--dump', `ipv6=${join(folder, 'bare')}`)).toMatchObject({ code: 0 });
  const asked = await kuberules('verify', ...OBJECTS, '--dump', join(folder, 'empty'));
  expect(asked).toMatchObject({ code: 2, out: '' });
  expect(asked.err).toContain('--dump ipv4=');
  const wrong = await kuberules('verify', ...OBJECTS, '--dump', `ipv4=${join(folder, 'bare')}`);
  expect(wrong).toMatchObject({ code: 2, out: '' });
});

it('says once that everything is gone', async () => {
  const folder = folderWith({ empty: '*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n' });
  const args = ['verify', ...OBJECTS, '--output', 'json', '--mode', 'iptables'];
  const result = await kuberules(...args, '--dump', `ipv4=${join(folder, 'empty')}`);
  expect(result.code).toBe(1);
  expect(schemaProblems(JSON.parse(result.out), 'verify.json')).toEqual([]);
  expect(JSON.parse(result.out).findings).toMatchObject([{ code: 'nothing-there' }]);
});

it.each([
  ['ipvs', 'iptables', 'test/dumps/host/dual-stack', ['iptables-save.nft.txt', 'ip6tables-save.nft.txt']],
  [
    'iptables',
    'ipvs',
    'test/dumps/ipvs/dual-stack',
    ['ipvs.iptables-save.txt', 'ipvs.ip6tables-save.txt', 'ipvsadm-Sn.txt', 'ipset-save.txt'],
  ],
])('says once that a node asked for mode %s runs in mode %s', async (mode, instead, folder, files) => {
  const dumps = files.map((file) => join(folder, file));
  const result = await kuberules('verify', ...OBJECTS, '--output', 'json', '--mode', mode, '--dump', ...dumps);
  expect(result.code).toBe(1);
  const { findings } = JSON.parse(result.out);
  expect(findings).toHaveLength(2);
  for (const [i, finding] of findings.entries()) {
    expect(finding).toMatchObject({ code: 'other-mode', family: ['ipv4', 'ipv6'][i] });
    expect(finding.message).toBe(`the rules in ${dumps[i]} are of mode ${instead}, and none of mode ${mode}.`);
    expect(finding.hint).toContain(`--mode ${instead}`);
  }
});

it.each([
  ['both', ['--live', '--dump', 'x'], 'exclude each other'],
  ['standard input twice', ['--dump', '-', 'ipv6=-'], 'only once'],
  ['one namespace', ['--dump', 'x', '-n', 'shop'], 'all namespaces'],
  ['a dump that is not there', ['--dump', 'no-such-file'], 'no such file'],
])('refuses %s', async (_, args, says) => {
  const result = await kuberules('verify', ...OBJECTS, ...args);
  expect(result).toMatchObject({ code: 2, out: '' });
  expect(result.err).toContain(says);
});

it('says which programs --live misses', async () => {
  vi.stubEnv('PATH', folderWith({}));
  try {
    const result = await kuberules('verify', ...OBJECTS, '--live', '--mode', 'ipvs');
    expect(result).toMatchObject({ code: 2, out: '' });
    for (const program of ['iptables-save', 'ip6tables-save', 'ipvsadm', 'ipset']) {
      expect(result.err).toContain(`${program}`);
    }
    expect(result.err).toContain('the program is not there');
  } finally {
    vi.unstubAllEnvs();
  }
});

/** Which texts of a mode are printed, and how. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { BACKENDS } from '../../src/backends/compile.js';
import { PART_CHOICES } from '../../src/cli/program.js';
import { folderWith, kuberules } from '../support/cli.js';

const OBJECTS = `apiVersion: v1
kind: Node
metadata: {name: a}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}
`;

const objects = () => join(folderWith({ 'objects.yaml': OBJECTS }), 'objects.yaml');

it('nftables mode prints its script by itself, to be piped', async () => {
  const { code, out, err } = await kuberules('compile', '-f', objects(), '--mode', 'nftables');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out.split('\n').slice(0, 3)).toEqual([
    'add table ip kube-proxy',
    'delete table ip kube-proxy',
    'add table ip kube-proxy { comment "rules for kube-proxy" ; }',
  ]);
});

it('IPVS mode prints all five parts, as none does anything alone', async () => {
  const file = objects();
  const { out } = await kuberules('compile', '-f', file, '--mode', 'ipvs');
  expect(out.match(/^# .*/gm)).toEqual(
    ['ipvsadm', 'ipset', 'rules', 'addresses', 'setup'].map((part) => `# ipvs.ipv4.${part}`),
  );
  expect((await kuberules('compile', '-f', file, '--mode', 'ipvs', '--part', 'addresses')).out).toBe('10.96.0.1\n');
});

it('--part takes the parts of all modes, and all', () => {
  const parts = new Set(Object.values(BACKENDS).flatMap((backend) => backend.parts));
  expect([...PART_CHOICES].sort()).toEqual([...parts, 'all'].sort());
});

it.each([
  ['iptables', 'nft', 'mode iptables has no part nft. Its parts are rules, setup.'],
  ['ipvs', 'nft', 'mode ipvs has no part nft. Its parts are ipvsadm, ipset, rules, addresses, setup.'],
  ['nftables', 'rules', 'mode nftables has no part rules. It has one part: nft.'],
])('mode %s has no part %s, and says what it has', async (mode, part, message) => {
  expect(await kuberules('compile', '-f', objects(), '--mode', mode, '--part', part)).toEqual({
    code: 2,
    out: '',
    err: `error: ${message} [usage]\n`,
  });
});

it.each([
  ['--ipvs-scheduler=nope', /scheduler/],
  ['--ipvs-tcp-timeout=-1s', /tcpTimeout|ipvs-tcp-timeout/],
  ['--ipvs-udp-timeout=745h', /ipvsadm takes no timeout above 2678400s/],
  ['--ipvs-exclude-cidrs=10.0.0.0/33', /exclude-?cidrs/i],
])('a wrong IPVS setting %s is one clear error', async (flag, said) => {
  const { code, out, err } = await kuberules('compile', '-f', objects(), '--mode', 'ipvs', flag);
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err.trim().split('\n')).toEqual([expect.stringMatching(said)]);
});

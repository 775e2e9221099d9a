/** `kuberules compile --notes`: what the other modes would do differently for the Services at hand. */
import { describe, expect, it } from 'vitest';
import { folderWith, kuberules } from '../support/cli.js';

/** Services with a node port each, and no Node: the neutral one has no addresses. */
function manifests(count: number): string {
  const services = Array.from(
    { length: count },
    (_, i) => `apiVersion: v1
kind: Service
metadata: {name: web-${i}, namespace: shop}
spec: {type: NodePort, clusterIP: 10.96.0.${i + 1}, ports: [{port: 80, nodePort: ${30000 + i}}]}
`,
  );
  return services.join('---\n');
}

interface JsonDiagnostic {
  readonly code: string;
  readonly topic?: string;
  readonly severity: string;
  readonly objects?: readonly string[];
  readonly message: string;
}

async function compileJson(count: number, ...more: readonly string[]): Promise<readonly JsonDiagnostic[]> {
  const folder = folderWith({ 'objects.yaml': manifests(count) });
  const { code, out, err } = await kuberules('compile', '-f', folder, '--output', 'json', ...more);
  expect([code, err]).toEqual([0, '']);
  return JSON.parse(out).diagnostics;
}

describe('--notes', () => {
  it('prints one line a difference, with the first names', async () => {
    const folder = folderWith({ 'objects.yaml': manifests(5) });
    const { code, err } = await kuberules('compile', '--mode', 'nftables', '--notes', '-f', folder);
    expect(code).toBe(0);
    expect(err).toContain(
      'note: Service shop/web-0, shop/web-1, shop/web-2 and 2 more: node ports on 127.0.0.1. nftables, ipvs: not answered. iptables: answered over IPv4; route_localnet is set for it. [mode-difference: node-port-localhost]\n',
    );
    expect(err).toContain('note: forwarded packets that conntrack finds invalid. nftables, ipvs: left alone.');
    expect(err).not.toContain('session affinity');
    const tags = [...err.matchAll(/\[mode-difference: ([\w-]+)\]\n/g)].map((match) => match[1]);
    expect(new Set(tags).size).toBe(tags.length);
  });

  it('names up to three Services without counting', async () => {
    const folder = folderWith({ 'objects.yaml': manifests(3) });
    const { err } = await kuberules('compile', '--mode', 'ipvs', '--notes', '-f', folder);
    expect(err).toContain('note: Service shop/web-0, shop/web-1, shop/web-2: node ports on 127.0.0.1. ipvs, nftables:');
  });

  it('gives programs the code of the difference and all Services', async () => {
    const notes = (await compileJson(5, '--mode', 'iptables', '--notes')).filter(
      ({ code }) => code === 'mode-difference',
    );
    const localhost = notes.find(({ topic }) => topic === 'node-port-localhost');
    expect(localhost).toEqual({
      code: 'mode-difference',
      topic: 'node-port-localhost',
      severity: 'note',
      objects: [0, 1, 2, 3, 4].map((i) => `Service shop/web-${i}`),
      message: expect.stringMatching(/^node ports on 127\.0\.0\.1\. iptables: /),
    });
    expect(notes.find(({ topic }) => topic === 'idle-connections')?.objects).toBeUndefined();
  });

  it('changes nothing but the notes', async () => {
    const folder = folderWith({ 'objects.yaml': manifests(2) });
    const without = await kuberules('compile', '--mode', 'nftables', '-f', folder);
    const noted = await kuberules('compile', '--mode', 'nftables', '--notes', '-f', folder);
    expect(noted.out).toBe(without.out);
    expect(without.err).not.toContain('mode-difference');
    expect(noted.err.startsWith(without.err)).toBe(true);
  });

  it('says nothing where there is an error', async () => {
    const folder = folderWith({ 'objects.yaml': manifests(1).replace('port: 80', 'port: 0') });
    const { code, err } = await kuberules('compile', '--mode', 'nftables', '--notes', '-f', folder);
    expect(code).toBe(2);
    expect(err).not.toContain('mode-difference');
  });
});

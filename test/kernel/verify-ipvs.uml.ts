/** `verify --live` in mode ipvs, on nodes whose kernel has what we compile: nothing is wrong until somebody damages it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { skipWithReason } from './available.js';
import type { Host } from './host.js';
import { emptyKernel, ipvsUnavailable, loadScript, runScript } from './ipvs.js';
import { root, withHost } from './load-suite.js';
import { verifyLive } from './verify-live.js';

const skip = skipWithReason('verify --live, ipvs', await withHost('check', ipvsUnavailable));

async function load(host: Host, name: string): Promise<void> {
  const folder = join(root, name, 'expected');
  const files = readdirSync(folder).filter((file) => file.startsWith('ipvs.'));
  const texts = new Map(files.map((file) => [file, readFileSync(join(folder, file), 'utf8')]));
  await runScript(host, loadScript(texts, emptyKernel()));
}

/** Done one after the other, with all findings then. */
const DAMAGES: readonly (readonly [damage: string, expected: readonly string[]])[] = [
  ['ipvsadm -d -t 10.96.0.20:80 -r 10.244.2.10:8080', ['endpoint-missing default/web:http']],
  [
    'ipset del KUBE-CLUSTER-IP 10.96.0.20,tcp:80',
    ['endpoint-missing default/web:http', 'entry-missing default/web:http'],
  ],
];

describe.skipIf(skip)('ipvs', () => {
  test('dual-stack: nothing, and the damage that is done', async () => {
    await withHost('node', async (host) => {
      await load(host, 'dual-stack');
      expect(await verifyLive(host, 'dual-stack', 'ipvs')).toEqual({ status: 0, findings: [] });
      for (const [damage, findings] of DAMAGES) {
        await runScript(host, damage);
        expect(await verifyLive(host, 'dual-stack', 'ipvs'), damage).toEqual({ status: 1, findings });
      }
    });
  });

  test('a node without any rule', async () => {
    const { status, findings } = await withHost('node', (host) => verifyLive(host, 'dual-stack', 'ipvs'));
    expect(status).toBe(1);
    expect(findings.filter((each) => each === 'nothing-there')).toHaveLength(2);
  });
});

/** What must hold of the texts of every mode for any cluster. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PROXY_MODES } from '../../src/index.js';
import { compileObjects, wholeText } from '../support/compile-objects.js';
import { PROXIED, randomCluster } from './random-cluster.js';

it.each(PROXY_MODES)('load-balancer addresses whose ipMode is Proxy are in no text of mode %s', (mode) => {
  let seen = 0;
  fc.assert(
    fc.property(randomCluster, (cluster) => {
      const text = wholeText(compileObjects(cluster, mode));
      for (const address of Object.values(PROXIED)) {
        if (JSON.stringify(cluster.objects).includes(`"${address}"`)) seen++;
        expect(text).not.toContain(address);
      }
    }),
    { numRuns: 100 },
  );
  expect(seen).toBeGreaterThan(3);
});

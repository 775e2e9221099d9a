/** What must hold of the texts of every mode for any cluster. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PROXY_MODES } from '../../src/index.js';
import { compileObjects, wholeText } from '../support/compile-objects.js';
import { PROXIED, randomCluster } from './random-cluster.js';

it.each(PROXY_MODES)('load-balancer addresses whose ipMode is Proxy are in no text of mode %s', (mode) => {
  fc.assert(
    fc.property(randomCluster, (cluster) => {
      // The runs count clusters that have such an address.
      const given = JSON.stringify(cluster.objects);
      const addresses = Object.values(PROXIED).filter((address) => given.includes(`"${address}"`));
      fc.pre(addresses.length > 0);
      const text = wholeText(compileObjects(cluster, mode));
      for (const address of addresses) expect(text).not.toContain(address);
    }),
    { numRuns: 30 },
  );
});

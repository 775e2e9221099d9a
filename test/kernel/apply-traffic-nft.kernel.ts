import { applySuite } from './apply-suite.js';
import { variantUnavailable } from './available.js';

await applySuite({
  name: 'iptables-nft',
  mode: 'iptables',
  variant: 'nft',
  unavailable: (host) => variantUnavailable(host, 'nft'),
});

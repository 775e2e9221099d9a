import { applySuite } from './apply-suite.js';
import { variantUnavailable } from './available.js';

await applySuite({
  name: 'iptables-legacy',
  mode: 'iptables',
  variant: 'legacy',
  unavailable: (host) => variantUnavailable(host, 'legacy'),
});

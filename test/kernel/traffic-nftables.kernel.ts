import { nftablesBackend } from './nftables.js';
import { trafficSuite } from './traffic-suite.js';

await trafficSuite(nftablesBackend());

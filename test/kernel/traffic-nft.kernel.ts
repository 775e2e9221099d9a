import { iptablesBackend } from './backend.js';
import { trafficSuite } from './traffic-suite.js';

await trafficSuite(iptablesBackend('nft'));

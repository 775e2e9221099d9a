import { ipvsBackend } from './ipvs.js';
import { trafficSuite } from './traffic-suite.js';

await trafficSuite(ipvsBackend());

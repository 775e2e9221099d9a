import { applySuite } from './apply-rules.js';

await applySuite('nft');

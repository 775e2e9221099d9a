import { applySuite } from './apply-suite.js';
import { nftUnavailable } from './nftables.js';

await applySuite({ name: 'nftables', mode: 'nftables', variant: 'nft', unavailable: nftUnavailable });

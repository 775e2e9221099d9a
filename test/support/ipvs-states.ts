/** What one Service may be like, for transitions between any two. */
import type { Wanted } from '../../src/apply/wanted.js';
import { DEFAULT_CONFIG } from '../../src/index.js';
import { ipvsParts, wantedParts } from './ipvs-applier.js';
import { node, service, slice } from './small-cluster.js';

type Spec = Readonly<Record<string, unknown>>;

const HERE = { ip: '10.244.0.7', here: true };
const HERE_TOO = { ip: '10.244.0.8', here: true };
const THERE = { ip: '10.244.1.7' };

/** Pods are told by their addresses, so that it is to be seen what is masqueraded. */
const CONFIG = { ...DEFAULT_CONFIG, clusterCIDRs: { ipv4: '10.244.0.0/16', ipv6: undefined } };

function state(
  endpoints: Parameters<typeof slice>[0],
  spec: Spec = {},
  vips: readonly string[] = [],
): readonly Wanted[] {
  return wantedParts(ipvsParts([node(), service(spec, vips), slice(endpoints)], { config: CONFIG }));
}

const PORTS = [{ name: 'http', port: 80, nodePort: 30080 }];
const BALANCED = { type: 'LoadBalancer', ports: PORTS };
const LOCAL = { externalTrafficPolicy: 'Local' };
const RANGES = { loadBalancerSourceRanges: ['203.0.113.0/24'] };
const OTHER_RANGES = { loadBalancerSourceRanges: ['198.51.100.0/24'] };
const VIPS = ['192.0.2.200'];

/** The states. */
export const STATES: readonly (readonly Wanted[])[] = [
  wantedParts(ipvsParts([node()], { config: CONFIG })),
  state([]),
  state([HERE, THERE]),
  state([HERE_TOO]),
  state([HERE, THERE], { sessionAffinity: 'ClientIP' }),
  state([HERE, THERE], { ports: [{ name: 'http', port: 81 }] }),
  state([HERE, THERE], { type: 'NodePort', ports: PORTS }),
  state([HERE, THERE], { type: 'NodePort', ports: PORTS, ...LOCAL }),
  state([THERE], { type: 'NodePort', ports: PORTS, ...LOCAL }),
  state([HERE, THERE], BALANCED, VIPS),
  state([HERE, THERE], { ...BALANCED, ...LOCAL }, VIPS),
  state([HERE, THERE], { ...BALANCED, ...RANGES }, VIPS),
  state([HERE, THERE], { ...BALANCED, ...LOCAL, ...OTHER_RANGES }, VIPS),
  state([], { ...BALANCED, ...RANGES }, VIPS),
  state([HERE, THERE], { externalIPs: VIPS }),
  state([HERE, THERE], { externalIPs: VIPS, ...LOCAL, ports: [{ name: 'http', port: 80 }] }),
];

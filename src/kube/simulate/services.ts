/**
 * What kube-apiserver fills into a Service when it is created (families, cluster IPs, node ports, the health-check
 * node port), and what a cloud's load-balancer controller then adds (the load-balancer address).
 */
import { apiNameOf, FAMILIES, type Family, familyOf } from '../../net/family.js';
import { cidrContains, type IpAddress, parseIp } from '../../net/ip.js';
import type { Diagnostic } from '../diagnostics.js';
import { show } from '../fields.js';
import { isDnsLabel } from '../names.js';
import type { LocatedObject } from '../objects.js';
import { type Say, sayAbout } from './notes.js';
import type { Cluster } from './options.js';
import { type AddressPool, createAddressPool, createNumberPool, type NumberPool } from './pool.js';
import {
  type Fields,
  fieldOf,
  fieldsOf,
  isFields,
  listOf,
  nameOf,
  namespaceOf,
  objectsOf,
  textOf,
  wholeNumberOf,
} from './values.js';

/** A Service and what is decided about its families. */
export interface PlannedService {
  readonly located: LocatedObject;
  readonly families: readonly Family[];
  /** `spec.ipFamilyPolicy`, filled in. */
  readonly policy: string;
  /** The cluster IPs that the manifest sets, in order; `None` for a headless Service. */
  readonly setIps: readonly string[];
  readonly isHeadless: boolean;
  /** Whether anything runs in these families: not for a headless Service without a selector, which gets all families. */
  readonly isSelecting: boolean;
}

/**
 * Decides the families of every Service as the API server does: `ipFamilies`, else those of the cluster IPs that are
 * set, else the cluster's first; the other family too when `ipFamilyPolicy` wants two. ExternalName Services have
 * none and are left out; so are those that ask for what the cluster cannot give (error simulate-conflict).
 */
export function planServices(
  objects: readonly LocatedObject[],
  cluster: Cluster,
  diagnostics: Diagnostic[],
): PlannedService[] {
  return objectsOf(objects, 'v1', 'Service').flatMap((located) => {
    const spec = fieldsOf(located.object.spec);
    if (spec.type === 'ExternalName') return [];
    const list = listOf(spec.clusterIPs)
      .map(textOf)
      .filter((text) => text !== '');
    const clusterIP = textOf(spec.clusterIP);
    const setIps = list.length > 0 ? list : clusterIP === '' ? [] : [clusterIP];
    const isHeadless = setIps[0] === 'None';
    const isSelecting = Object.keys(fieldsOf(spec.selector)).length > 0 || !isHeadless;

    const written = listOf(spec.ipFamilies).flatMap((each) => familyOf(textOf(each)) ?? []);
    const families = [...new Set(written)];
    for (const text of setIps.slice(families.length)) {
      const family = parseIp(text)?.family;
      if (family !== undefined) families.push(family);
    }
    if (families.length === 0 && cluster.families[0] !== undefined) families.push(cluster.families[0]);
    const policy =
      textOf(spec.ipFamilyPolicy) || (isSelecting && setIps.length < 2 ? 'SingleStack' : 'RequireDualStack');

    const say = sayAbout(located, diagnostics);
    if (policy === 'SingleStack' && families.length > 1 && isSelecting) {
      say('simulate-conflict', 'two ipFamilies need another ipFamilyPolicy than SingleStack, which is the default', {
        path: ['spec', 'ipFamilyPolicy'],
        hint: 'Set it to RequireDualStack or PreferDualStack.',
      });
      return [];
    }
    // A headless Service without a selector may have any families: nobody but its owner knows its endpoints.
    const available = isSelecting ? cluster.families : FAMILIES;
    if (policy !== 'SingleStack' && families.length === 1)
      families.push(...available.filter((family) => !families.includes(family)));
    const isAsked = (i: number): boolean => isHeadless || setIps[i] === undefined;
    const missing = families.find((family, i) => isAsked(i) && !available.includes(family));
    if (missing !== undefined || (policy === 'RequireDualStack' && families.length < 2)) {
      const what = missing === undefined ? 'a second family' : apiNameOf(missing);
      say(
        'simulate-conflict',
        `it asks for ${what}, and the service range has only ${cluster.families.map(apiNameOf).join(' and ')}`,
        {
          path: ['spec', missing === undefined ? 'ipFamilyPolicy' : 'ipFamilies'],
          hint: 'Add a range of that family to the service range.',
        },
      );
      return [];
    }
    return [{ located, families, policy, setIps, isHeadless, isSelecting }];
  });
}

/**
 * Completes the planned Services. What their manifests set is kept, also where the API server would refuse it for its
 * range (a note says so), and is reserved before anything is allocated; everything else is decided by the Service's
 * and port's own names. As in the API server, cluster IPs and node ports come from the upper band of their ranges
 * until that is full.
 * @returns the Services that changed, by the object they come from
 */
export function completeServices(
  planned: readonly PlannedService[],
  objects: readonly LocatedObject[],
  cluster: Cluster,
  diagnostics: Diagnostic[],
): Map<LocatedObject, LocatedObject> {
  const pools = createPools(cluster);
  for (const { object } of objectsOf(objects, 'v1', 'Service')) reserveSet(fieldsOf(object.spec), object.status, pools);
  const completed = new Map<LocatedObject, LocatedObject>();
  for (const service of planned) {
    const { object } = service.located;
    const say = sayAbout(service.located, diagnostics);
    const spec: Fields = {
      ...fieldsOf(object.spec),
      ...clusterIpFields(service, pools, say),
      ...portFields(service, pools, say),
    };
    const status =
      spec.type === 'LoadBalancer' ? loadBalancerStatus(service, object.status, pools, say) : object.status;
    completed.set(service.located, {
      ...service.located,
      object: { ...object, spec, ...(status !== undefined && { status }) },
    });
  }
  return completed;
}

interface Pools {
  readonly clusterIps: ReadonlyMap<Family, AddressPool>;
  readonly loadBalancers: ReadonlyMap<Family, AddressPool>;
  readonly nodePorts: NumberPool;
  readonly nodePortRange: readonly [number, number];
}

/**
 * The pools with the bands of KEP-3070 (Reserve Service IP Ranges) and KEP-3668 (Reserve Nodeport Ranges): a 16th of
 * the cluster IPs (16 to 256 of them) and a 32nd of the node ports (16 to 128) are left to manifests; small ranges
 * have no such band. The first cluster IP is that of the Service default/kubernetes, which every cluster has.
 */
function createPools(cluster: Cluster): Pools {
  const clusterIps = new Map<Family, AddressPool>();
  const loadBalancers = new Map<Family, AddressPool>();
  for (const family of FAMILIES) {
    loadBalancers.set(family, createAddressPool(cluster.loadBalancerRanges[family]));
    const range = cluster.serviceRanges[family];
    if (range === undefined) continue;
    const size = 2 ** ((family === 'ipv4' ? 32 : 128) - range.prefixLength);
    const band = size < 16 ? 0 : Math.min(256, Math.max(16, Math.floor(size / 16)));
    clusterIps.set(family, createAddressPool(range, 1 + band, 2));
  }
  const [first, last] = cluster.nodePorts;
  const count = last - first + 1;
  const band = count < 16 ? 0 : Math.min(128, Math.max(16, Math.floor(count / 32)));
  return {
    clusterIps,
    loadBalancers,
    nodePorts: createNumberPool(first, last, first + band),
    nodePortRange: [first, last],
  };
}

function reserveSet(spec: Fields, status: unknown, pools: Pools): void {
  for (const value of [spec.clusterIP, ...listOf(spec.clusterIPs)]) {
    const ip = parseIp(textOf(value));
    if (ip !== undefined) pools.clusterIps.get(ip.family)?.reserve(ip);
  }
  const ingress = listOf(fieldOf(fieldOf(status, 'loadBalancer'), 'ingress')).map((each) => fieldOf(each, 'ip'));
  for (const value of [spec.loadBalancerIP, ...listOf(spec.externalIPs), ...ingress]) {
    const ip = parseIp(textOf(value));
    if (ip !== undefined) pools.loadBalancers.get(ip.family)?.reserve(ip);
  }
  for (const value of [spec.healthCheckNodePort, ...listOf(spec.ports).map((port) => fieldOf(port, 'nodePort'))]) {
    const port = portOf(value);
    if (port !== undefined) pools.nodePorts.reserve(port);
  }
}

function clusterIpFields(service: PlannedService, pools: Pools, say: Say): Fields {
  const { families, policy, setIps, isHeadless } = service;
  const fields = { ipFamilies: families.map(apiNameOf), ipFamilyPolicy: policy };
  if (isHeadless) return { clusterIP: 'None', clusterIPs: ['None'], ...fields };
  const ips = families.map((family, i) => {
    const text = setIps[i];
    const pool = pools.clusterIps.get(family);
    const ip = text === undefined ? pool?.take(identityOf(service)) : parseIp(text);
    if (text !== undefined) {
      if (ip !== undefined && pool !== undefined && !cidrContains(pool.cidr, ip)) {
        say('simulated', `cluster IP ${text} is kept although it is outside of ${pool.cidr.text}`);
      }
      return text;
    }
    if (ip === undefined) {
      say('simulate-exhausted', `no cluster IP is left in ${pool?.cidr.text ?? `any ${apiNameOf(family)} range`}`, {
        hint: 'Choose a larger service range.',
      });
      return '';
    }
    say('simulated', `cluster IP ${ip.text} allocated`);
    return ip.text;
  });
  const all = [...ips, ...setIps.slice(ips.length)].filter((ip) => ip !== '');
  return { ...(all[0] !== undefined && { clusterIP: all[0], clusterIPs: all }), ...fields };
}

/** Node ports and the health-check node port, for the types that have any. */
function portFields(service: PlannedService, pools: Pools, say: Say): Fields {
  const spec = fieldsOf(service.located.object.spec);
  const isLoadBalancer = spec.type === 'LoadBalancer';
  if (service.isHeadless || (spec.type !== 'NodePort' && !isLoadBalancer)) return {};
  const allocate = !isLoadBalancer || spec.allocateLoadBalancerNodePorts !== false;
  const fields: Fields = Array.isArray(spec.ports)
    ? { ports: allocateNodePorts(service, spec.ports, allocate, pools, say) }
    : {};
  const needsHealthCheck = isLoadBalancer && spec.externalTrafficPolicy === 'Local';
  const isSet = (spec.healthCheckNodePort ?? 0) !== 0;
  if (!needsHealthCheck || isSet) {
    const set = portOf(spec.healthCheckNodePort);
    if (needsHealthCheck && set !== undefined) noteOutside(set, 'health-check node port', pools, say);
    return fields;
  }
  const port = takeNodePort(`${identityOf(service)}#health`, 'health-check node port', '', pools, say);
  return { ...fields, ...(port !== undefined && { healthCheckNodePort: port }) };
}

/**
 * Node ports as the API server hands them out: service ports with one number and different protocols share one node
 * port, the first that the manifest sets for that number or else a new one.
 */
function allocateNodePorts(
  service: PlannedService,
  ports: readonly unknown[],
  allocate: boolean,
  pools: Pools,
  say: Say,
): unknown[] {
  const chosen = new Map<unknown, number>();
  return ports.map((port, i) => {
    if (!isFields(port)) return port;
    const set = portOf(port.nodePort);
    if (set !== undefined) {
      noteOutside(set, 'node port', pools, say);
      if (!chosen.has(port.port)) chosen.set(port.port, set);
      return port;
    }
    if (!allocate || (port.nodePort ?? 0) !== 0) return port;
    const name = textOf(port.name);
    const label = name === '' || !isDnsLabel(name) ? show(name || port.port) : name;
    const known =
      chosen.get(port.port) ??
      portOf(
        fieldOf(
          ports.slice(i).find((each) => isSetFor(each, port.port)),
          'nodePort',
        ),
      );
    const nodePort =
      known ?? takeNodePort(`${identityOf(service)}:${label}`, 'node port', ` for port ${label}`, pools, say);
    if (nodePort === undefined) return port;
    if (known !== undefined) say('simulated', `node port ${known} shared with port ${label}`);
    chosen.set(port.port, nodePort);
    return { ...port, nodePort };
  });
}

function isSetFor(port: unknown, number: unknown): boolean {
  return fieldOf(port, 'port') === number && portOf(fieldOf(port, 'nodePort')) !== undefined;
}

function takeNodePort(identity: string, what: string, purpose: string, pools: Pools, say: Say): number | undefined {
  const port = pools.nodePorts.take(identity);
  if (port === undefined) {
    say('simulate-exhausted', `no ${what} is left in ${pools.nodePortRange.join('-')}`, {
      hint: 'Choose a larger range of node ports.',
    });
  } else {
    say('simulated', `${what} ${port} allocated${purpose}`);
  }
  return port;
}

function noteOutside(port: number, what: string, pools: Pools, say: Say): void {
  const [first, last] = pools.nodePortRange;
  if (port < first || port > last)
    say('simulated', `${what} ${port} is kept although it is outside of ${first}-${last}`);
}

/**
 * The status with an ingress address of each family, `spec.loadBalancerIP` being one of them; as it is when there is
 * any ingress. `spec.loadBalancerClass` makes no difference: whoever serves the class would give an address too.
 */
function loadBalancerStatus(service: PlannedService, status: unknown, pools: Pools, say: Say): unknown {
  const before = fieldOf(status, 'loadBalancer');
  if (listOf(fieldOf(before, 'ingress')).length > 0) return status;
  const wanted = parseIp(textOf(fieldsOf(service.located.object.spec).loadBalancerIP));
  const allocated = service.families.flatMap((family): IpAddress[] => {
    if (family === wanted?.family) return [];
    const pool = pools.loadBalancers.get(family);
    const ip = pool?.take(identityOf(service));
    if (ip === undefined) {
      say('simulate-exhausted', `no load-balancer IP is left in ${pool?.cidr.text}`, {
        hint: 'Choose a larger load-balancer range.',
      });
      return [];
    }
    say('simulated', `load-balancer IP ${ip.text} allocated`);
    return [ip];
  });
  if (wanted !== undefined) say('simulated', `load-balancer IP ${wanted.text} given as spec.loadBalancerIP asks`);
  const ips = wanted === undefined ? allocated : [wanted, ...allocated];
  if (ips.length === 0) return status;
  const ingress = ips.map((ip) => ({ ip: ip.text, ipMode: 'VIP' }));
  return { ...fieldsOf(status), loadBalancer: { ...fieldsOf(before), ingress } };
}

function identityOf(service: PlannedService): string {
  return `${namespaceOf(service.located.object)}/${nameOf(service.located.object)}`;
}

function portOf(value: unknown): number | undefined {
  return wholeNumberOf(value, 1, 65535);
}

/** core/v1 Service: checked, defaulted as the API server does it, addresses parsed and sorted by family. */
import type { V1Service } from '@kubernetes/client-node';
import { apiNameOf, type ByFamily, type Family, familyOf } from '../net/family.js';
import type { Cidr, IpAddress } from '../net/ip.js';
import type { Protocol } from '../net/protocol.js';
import type { Diagnostic, FieldPath, Origin } from './diagnostics.js';
import {
  type Fields,
  readBoolean,
  readChoice,
  readCidr,
  readFields,
  readInteger,
  readIp,
  readItem,
  readList,
  readPort,
  readPortName,
  readProtocol,
  readRequiredText,
  readText,
  readTextMap,
  report,
  type Subject,
  show,
} from './fields.js';
import { SERVICE_PROXY_NAME_LABEL } from './labels.js';
import { readMetadata, subjectOf } from './metadata.js';
import { isDnsSubdomain, isPortName } from './names.js';
import type { LocatedObject } from './objects.js';

/** spec.type. */
export type ServiceType = 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';

/** spec.internalTrafficPolicy, spec.externalTrafficPolicy. */
export type TrafficPolicy = 'Cluster' | 'Local';

/** One entry of spec.ports. */
export interface ServicePort {
  /** Empty for the only port of a Service. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** undefined when there is none. */
  readonly nodePort: number | undefined;
}

/** A Service as the planner reads it. Addresses are canonical texts. */
export interface Service {
  readonly namespace: string;
  readonly name: string;
  readonly type: ServiceType;
  /** The address of each family; none when headless, not allocated yet, or an ExternalName. */
  readonly clusterIPs: ByFamily<string | undefined>;
  /** `clusterIP: None`. */
  readonly headless: boolean;
  /** spec.externalName of an ExternalName, without a final dot; undefined for other types. */
  readonly externalName: string | undefined;
  /** spec.publishNotReadyAddresses: the controllers say of every endpoint that it is ready. */
  readonly publishNotReadyAddresses: boolean;
  /** spec.selector has entries, so a controller writes the EndpointSlices. */
  readonly hasSelector: boolean;
  /** Label service.kubernetes.io/service-proxy-name: another proxy serves it. */
  readonly otherProxy: boolean;
  readonly ports: readonly ServicePort[];
  /** spec.externalIPs in list order, repetitions kept. */
  readonly externalIPs: ByFamily<readonly string[]>;
  /** Addresses of status.loadBalancer.ingress with ipMode VIP (the default), in list order, repetitions kept. */
  readonly loadBalancerIPs: ByFamily<readonly string[]>;
  /** spec.loadBalancerSourceRanges; empty when traffic from everywhere is let in. */
  readonly sourceRanges: ByFamily<readonly Cidr[]>;
  /** Seconds that a client stays with its endpoint; undefined without session affinity. */
  readonly affinitySeconds: number | undefined;
  readonly internalTrafficPolicy: TrafficPolicy;
  /** As it takes effect: Local only where the type can have outside traffic. */
  readonly externalTrafficPolicy: TrafficPolicy;
  /** As it takes effect: only for LoadBalancer with externalTrafficPolicy Local. */
  readonly healthCheckNodePort: number | undefined;
  readonly origin: Origin | undefined;
  /** The object as it was given. */
  readonly object: V1Service;
}

const TYPES: readonly ServiceType[] = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'];
const POLICIES: readonly TrafficPolicy[] = ['Cluster', 'Local'];

/** The affinity timeout that the API server fills in, in seconds. */
const DEFAULT_AFFINITY_SECONDS = 10800;

/** `namespace/name`, by which Services and their EndpointSlices are found. */
export function serviceKey(service: { readonly namespace: string; readonly name: string }): string {
  return `${service.namespace}/${service.name}`;
}

/** `namespace/name:port`, or `namespace/name` for a port without a name; kube-proxy's name of a service port. */
export function servicePortName(service: { readonly namespace: string; readonly name: string }, port: string): string {
  return port === '' ? serviceKey(service) : `${serviceKey(service)}:${port}`;
}

/**
 * Checks one Service as the API server would and reads it.
 * @param diagnostics where problems are added; with an error among them the Service must not be used
 * @returns undefined when it cannot even be named
 */
export function parseService(located: LocatedObject, diagnostics: Diagnostic[]): Service | undefined {
  const subject = subjectOf(located, diagnostics);
  const metadata = readMetadata(subject, located, { name: 'label', namespaced: true });
  if (metadata === undefined) return undefined;
  const spec = readFields(subject, located.object.spec, ['spec']);
  if (spec === undefined) return report(subject, 'invalid-field', ['spec'], 'spec is missing.', 'Add it.');
  const type = readChoice(subject, spec.type, ['spec', 'type'], TYPES) ?? 'ClusterIP';
  const clusterIP = readText(subject, spec.clusterIP, ['spec', 'clusterIP']) ?? '';
  const headless = clusterIP === 'None';
  const externalIPs = readAddresses(subject, spec.externalIPs, ['spec', 'externalIPs']);
  const external = readChoice(subject, spec.externalTrafficPolicy, ['spec', 'externalTrafficPolicy'], POLICIES);
  const hasOutside = type === 'NodePort' || type === 'LoadBalancer' || (type === 'ClusterIP' && externalIPs.length > 0);
  const externalTrafficPolicy = external === 'Local' && hasOutside ? 'Local' : 'Cluster';
  const healthCheckNodePort = readPort(subject, spec.healthCheckNodePort, ['spec', 'healthCheckNodePort'], {
    zero: true,
  });
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    type,
    clusterIPs: readClusterIPs(subject, spec, type, clusterIP),
    headless,
    externalName: type === 'ExternalName' ? readExternalName(subject, spec.externalName) : undefined,
    publishNotReadyAddresses:
      readBoolean(subject, spec.publishNotReadyAddresses, ['spec', 'publishNotReadyAddresses']) ?? false,
    hasSelector: Object.keys(readTextMap(subject, spec.selector, ['spec', 'selector'])).length > 0,
    otherProxy: SERVICE_PROXY_NAME_LABEL in metadata.labels,
    ports: readPorts(subject, spec.ports, headless || type === 'ExternalName'),
    externalIPs: textsByFamily(externalIPs),
    loadBalancerIPs: textsByFamily(readLoadBalancerIPs(subject, located.object.status)),
    sourceRanges: readSourceRanges(subject, spec.loadBalancerSourceRanges),
    affinitySeconds: readAffinity(subject, spec),
    internalTrafficPolicy:
      readChoice(subject, spec.internalTrafficPolicy, ['spec', 'internalTrafficPolicy'], POLICIES) ?? 'Cluster',
    externalTrafficPolicy,
    healthCheckNodePort: type === 'LoadBalancer' && externalTrafficPolicy === 'Local' ? healthCheckNodePort : undefined,
    origin: located.origin,
    object: located.object as unknown as V1Service,
  };
}

/**
 * The cluster IP of each family. kube-proxy goes by ipFamilies: the address at the same index of clusterIPs; without
 * ipFamilies only clusterIP counts, for its own family.
 */
function readClusterIPs(
  subject: Subject,
  spec: Fields,
  type: ServiceType,
  clusterIP: string,
): ByFamily<string | undefined> {
  const texts = readList(subject, spec.clusterIPs, ['spec', 'clusterIPs']).map(
    (value, i) => readText(subject, value, ['spec', 'clusterIPs', i]) ?? '',
  );
  const families = readFamilies(subject, spec.ipFamilies);
  const result: Record<Family, string | undefined> = { ipv4: undefined, ipv6: undefined };
  if (type === 'ExternalName' || clusterIP === 'None') return result;
  if (clusterIP === '') {
    if (texts.some((text) => text !== '')) {
      report(
        subject,
        'invalid-field',
        ['spec', 'clusterIPs'],
        'clusterIPs is set but clusterIP is not.',
        'Set clusterIP to its first entry.',
      );
    }
    return result;
  }
  const first = readIp(subject, clusterIP, ['spec', 'clusterIP']);
  if (first === undefined) return result;
  // The API server fills clusterIPs from clusterIP, so a manifest may leave it out.
  const listed = texts.length === 0 ? [first] : texts.map((text, i) => readListedClusterIP(subject, text, i, first));
  if (listed.length > 1 && listed[0]?.family === listed[1]?.family) {
    const message = `both cluster IPs are ${apiNameOf(first.family)} addresses.`;
    report(subject, 'wrong-family', ['spec', 'clusterIPs', 1], message, 'Give one of each family.');
  }
  if (families.length === 0) {
    result[first.family] = first.text;
    if (listed.length > 1) {
      const message = `without ipFamilies kube-proxy reads clusterIP only, not ${listed[1]?.text ?? 'the second address'}.`;
      report(subject, 'missing-families', ['spec', 'clusterIPs'], message, 'Add ipFamilies, as the API server does.');
    }
    return result;
  }
  for (const [i, family] of families.entries()) {
    const ip = listed[i];
    if (ip === undefined) continue;
    if (ip.family !== family) {
      const path = texts.length === 0 ? ['spec', 'clusterIP'] : ['spec', 'clusterIPs', i];
      report(subject, 'wrong-family', path, `${ip.text} is no ${apiNameOf(family)} address, as ipFamilies[${i}] says.`);
    } else {
      result[family] = ip.text;
    }
  }
  return result;
}

function readListedClusterIP(subject: Subject, text: string, index: number, first: IpAddress): IpAddress | undefined {
  if (text === '') return undefined;
  const path = ['spec', 'clusterIPs', index];
  const ip = readIp(subject, text, path);
  if (index === 0 && ip !== undefined && ip.text !== first.text) {
    return report(
      subject,
      'invalid-field',
      path,
      `the first of clusterIPs is ${ip.text}, but clusterIP is ${first.text}.`,
    );
  }
  return ip;
}

/** A DNS subdomain; one final dot is allowed, as it says that the name is complete. */
function readExternalName(subject: Subject, value: unknown): string | undefined {
  const path: FieldPath = ['spec', 'externalName'];
  const name = (readText(subject, value, path) ?? '').replace(/\.$/, '');
  if (isDnsSubdomain(name)) return name;
  const hint = 'Write the DNS name that the Service stands for.';
  if (name !== '') return report(subject, 'invalid-name', path, `${show(value)} is no DNS name.`, hint);
  if (value === undefined || value === null || typeof value === 'string') {
    return report(subject, 'invalid-field', path, 'a Service of type ExternalName needs an externalName.', hint);
  }
  return undefined;
}

function readFamilies(subject: Subject, value: unknown): readonly Family[] {
  const families: Family[] = [];
  for (const [i, each] of readList(subject, value, ['spec', 'ipFamilies']).entries()) {
    const path = ['spec', 'ipFamilies', i];
    const family = typeof each === 'string' ? familyOf(each) : undefined;
    if (family === undefined) report(subject, 'invalid-field', path, `${show(each)} is not IPv4 or IPv6.`);
    else if (families.includes(family)) report(subject, 'invalid-field', path, `${apiNameOf(family)} is given twice.`);
    else families.push(family);
  }
  return families;
}

function readPorts(subject: Subject, value: unknown, mayBeEmpty: boolean): readonly ServicePort[] {
  const list = readList(subject, value, ['spec', 'ports']);
  if (list.length === 0 && !mayBeEmpty && (value === undefined || value === null || Array.isArray(value))) {
    report(subject, 'invalid-field', ['spec', 'ports'], 'a Service needs at least one port.', 'Add one.');
  }
  const seen = new Set<string>();
  const ports: ServicePort[] = [];
  for (const [i, each] of list.entries()) {
    const path: FieldPath = ['spec', 'ports', i];
    const port = readServicePort(subject, each, path, list.length > 1);
    if (port === undefined) continue;
    reportDuplicatePort(subject, port, seen, path);
    ports.push(port);
  }
  return ports;
}

function readServicePort(
  subject: Subject,
  value: unknown,
  path: FieldPath,
  needsName: boolean,
): ServicePort | undefined {
  const fields = readItem(subject, value, path);
  if (fields === undefined) return undefined;
  const name = readPortName(subject, fields.name, [...path, 'name']);
  if (name === '' && needsName) {
    const message = 'a port of a Service with several ports needs a name.';
    report(subject, 'invalid-name', [...path, 'name'], message, 'Give each port a name of its own.');
  }
  const protocol = readProtocol(subject, fields.protocol, [...path, 'protocol']);
  const port = readPort(subject, fields.port, [...path, 'port']);
  if ((fields.port ?? undefined) === undefined) report(subject, 'invalid-port', path, 'port is missing.', 'Add it.');
  const nodePort = readPort(subject, fields.nodePort, [...path, 'nodePort'], { zero: true });
  checkTargetPort(subject, fields.targetPort, [...path, 'targetPort']);
  return port === undefined || name === undefined ? undefined : { name, protocol, port, nodePort };
}

/** A number or a container port's name. kube-proxy does not read it, but a wrong one is a mistake all the same. */
function checkTargetPort(subject: Subject, value: unknown, path: FieldPath): void {
  if (typeof value !== 'string') readPort(subject, value, path, { zero: true });
  else if (!isPortName(value) && value !== '') {
    const hint = /^[0-9]+$/.test(value) ? 'Remove the quotes.' : undefined;
    report(subject, 'invalid-port', path, `${show(value)} is neither a port number nor a port name.`, hint);
  }
}

/** Reports what a port has in common with an earlier one of its Service; `seen` is what the earlier ones have. */
function reportDuplicatePort(subject: Subject, port: ServicePort, seen: Set<string>, path: FieldPath): void {
  const isNew = (thing: string): boolean => seen.size < seen.add(thing).size;
  const nameIsNew = isNew(`name ${port.name}`);
  const numberIsNew = isNew(`port ${port.port}/${port.protocol}`);
  const nodePortIsNew = port.nodePort === undefined || isNew(`node port ${port.nodePort}/${port.protocol}`);
  if (!nameIsNew && port.name !== '') {
    const message = `two ports are named ${show(port.name)}.`;
    report(subject, 'duplicate-port', [...path, 'name'], message, 'Rename one of them.');
  } else if (!numberIsNew) {
    const message = `port ${port.port}/${port.protocol} is given twice.`;
    report(subject, 'duplicate-port', [...path, 'port'], message, 'Remove one of them.');
  } else if (!nodePortIsNew) {
    const message = `node port ${port.nodePort}/${port.protocol} is given twice.`;
    report(subject, 'node-port-conflict', [...path, 'nodePort'], message, 'Choose another for one of them.');
  }
}

function readAddresses(subject: Subject, value: unknown, path: FieldPath): readonly IpAddress[] {
  const result: IpAddress[] = [];
  for (const [i, each] of readList(subject, value, path).entries()) {
    const text = readRequiredText(subject, each, [...path, i]);
    const ip = text === undefined ? undefined : readIp(subject, text, [...path, i]);
    if (ip !== undefined) result.push(ip);
  }
  return result;
}

function readLoadBalancerIPs(subject: Subject, status: unknown): readonly IpAddress[] {
  const loadBalancer = readFields(subject, readFields(subject, status, ['status'])?.loadBalancer, [
    'status',
    'loadBalancer',
  ]);
  const path: FieldPath = ['status', 'loadBalancer', 'ingress'];
  const result: IpAddress[] = [];
  for (const [i, each] of readList(subject, loadBalancer?.ingress, path).entries()) {
    const ingress = readItem(subject, each, [...path, i]);
    const text = readText(subject, ingress?.ip, [...path, i, 'ip']) ?? '';
    const mode = readChoice(subject, ingress?.ipMode, [...path, i, 'ipMode'], ['VIP', 'Proxy']) ?? 'VIP';
    const ip = text === '' ? undefined : readIp(subject, text, [...path, i, 'ip']);
    if (ip !== undefined && mode === 'VIP') result.push(ip);
  }
  return result;
}

/** A range of prefix length 0 lets everybody in, so kube-proxy then takes all ranges of its family as not given. */
function readSourceRanges(subject: Subject, value: unknown): ByFamily<readonly Cidr[]> {
  const path: FieldPath = ['spec', 'loadBalancerSourceRanges'];
  const ranges: Cidr[] = [];
  for (const [i, each] of readList(subject, value, path).entries()) {
    const text = readRequiredText(subject, each, [...path, i]);
    const cidr = text === undefined ? undefined : readCidr(subject, text, [...path, i]);
    if (cidr !== undefined) ranges.push(cidr);
  }
  const ofFamily = (family: Family) => {
    const own = ranges.filter((cidr) => cidr.family === family);
    return own.some((cidr) => cidr.writtenPrefixLength === 0) ? [] : own;
  };
  return { ipv4: ofFamily('ipv4'), ipv6: ofFamily('ipv6') };
}

function readAffinity(subject: Subject, spec: Fields): number | undefined {
  const affinity = readChoice(subject, spec.sessionAffinity, ['spec', 'sessionAffinity'], ['None', 'ClientIP']);
  const path: FieldPath = ['spec', 'sessionAffinityConfig'];
  const clientIP = readFields(subject, readFields(subject, spec.sessionAffinityConfig, path)?.clientIP, [
    ...path,
    'clientIP',
  ]);
  const seconds = readInteger(subject, clientIP?.timeoutSeconds, [...path, 'clientIP', 'timeoutSeconds'], {
    min: 1,
    max: 86400,
  });
  return affinity === 'ClientIP' ? (seconds ?? DEFAULT_AFFINITY_SECONDS) : undefined;
}

function textsByFamily(ips: readonly IpAddress[]): ByFamily<readonly string[]> {
  const ofFamily = (family: Family) => ips.filter((ip) => ip.family === family).map((ip) => ip.text);
  return { ipv4: ofFamily('ipv4'), ipv6: ofFamily('ipv6') };
}

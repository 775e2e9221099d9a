/** What one Service cannot know of another: who else claims its node ports and addresses. */
import { FAMILIES } from '../net/family.js';
import { compareBytes } from '../net/text.js';
import { type Diagnostic, type DiagnosticCode, diagnostic, type FieldPath } from './diagnostics.js';
import { type Service, serviceKey } from './service.js';

/** Who claimed something first, and whether a second claim was reported already. */
type Claims = Map<string, Service>;

/**
 * Reports node ports and cluster IPs that two Services claim (the API server gives neither out twice), and external
 * and load-balancer addresses that another Service has too, on the same port (admitted, but which Service answers is
 * left to chance by kube-proxy; here the first by name that has endpoints does).
 * @param services by `namespace/name`
 */
export function checkConflicts(services: ReadonlyMap<string, Service>, diagnostics: Diagnostic[]): void {
  const nodePorts: Claims = new Map();
  const clusterIPs: Claims = new Map();
  const addresses: Claims = new Map();
  for (const [, service] of [...services].sort(([a], [b]) => compareBytes(a, b))) {
    checkClusterIPs(service, clusterIPs, diagnostics);
    checkNodePorts(service, nodePorts, diagnostics);
    checkAddresses(service, addresses, diagnostics);
  }
}

function checkClusterIPs(service: Service, claims: Claims, diagnostics: Diagnostic[]): void {
  for (const family of FAMILIES) {
    const ip = service.clusterIPs[family];
    const holder = ip === undefined ? undefined : claim(claims, ip, service);
    if (holder === undefined) continue;
    reportClaim(diagnostics, 'cluster-ip-conflict', service, ['spec', 'clusterIP'], `cluster IP ${ip}`, holder);
  }
}

/** The API server hands out node ports by number alone, whatever their protocol. */
function checkNodePorts(service: Service, claims: Claims, diagnostics: Diagnostic[]): void {
  for (const [i, { nodePort }] of service.ports.entries()) {
    const holder = nodePort === undefined ? undefined : claim(claims, String(nodePort), service);
    // One Service may have a number for TCP and for UDP; what it has twice was reported when it was read.
    if (holder === undefined || holder === service) continue;
    const path = ['spec', 'ports', i, 'nodePort'];
    reportClaim(diagnostics, 'node-port-conflict', service, path, `node port ${nodePort}`, holder);
  }
  const { healthCheckNodePort } = service;
  const holder = healthCheckNodePort === undefined ? undefined : claim(claims, String(healthCheckNodePort), service);
  if (holder === undefined) return;
  const path = ['spec', 'healthCheckNodePort'];
  reportClaim(
    diagnostics,
    'node-port-conflict',
    service,
    path,
    `health check node port ${healthCheckNodePort}`,
    holder,
  );
}

function checkAddresses(service: Service, claims: Claims, diagnostics: Diagnostic[]): void {
  // What kube-proxy does not look at claims nothing.
  if (service.otherProxy || service.type === 'ExternalName') return;
  for (const family of FAMILIES) {
    const clusterIP = service.clusterIPs[family];
    if (clusterIP === undefined) continue;
    for (const ip of new Set([clusterIP, ...service.externalIPs[family], ...service.loadBalancerIPs[family]])) {
      for (const { port, protocol } of service.ports) {
        const holder = claim(claims, `${ip} ${port}/${protocol}`, service);
        // Two equal cluster IPs are an error that was reported.
        if (holder === undefined || holder === service || holder.clusterIPs[family] === clusterIP) continue;
        const what = `address ${ip} port ${port}/${protocol}`;
        const hint =
          'kube-proxy leaves to chance which of them answers; here it is the first by name that has endpoints.';
        reportClaim(diagnostics, 'address-conflict', service, ['spec'], what, holder, hint);
      }
    }
  }
}

/** Claims a thing for a Service; returns who has it already. */
function claim(claims: Claims, thing: string, service: Service): Service | undefined {
  const holder = claims.get(thing);
  if (holder === undefined) claims.set(thing, service);
  return holder;
}

function reportClaim(
  diagnostics: Diagnostic[],
  code: DiagnosticCode,
  service: Service,
  path: FieldPath,
  what: string,
  holder: Service,
  hint = 'Change one of them.',
): void {
  const place = holder.origin === undefined ? '' : ` (${holder.origin.file}, document ${holder.origin.document + 1})`;
  const other = holder === service ? 'another port of it' : `Service ${serviceKey(holder)}${place}`;
  diagnostics.push(
    diagnostic(code, `${what} is claimed by ${other} too.`, {
      object: `Service ${serviceKey(service)}`,
      path,
      origin: service.origin,
      hint,
    }),
  );
}

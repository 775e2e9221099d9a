/** Addresses that belong to somebody else. */
import type { FieldPath } from '../../kube/diagnostics.js';
import { type Service, serviceKey } from '../../kube/service.js';
import { apiNameOf, FAMILIES } from '../../net/family.js';
import { groupBy } from '../../net/group.js';
import { cidrContains, parseIp } from '../../net/ip.js';
import { compareBytes } from '../../net/text.js';
import type { Check } from './check.js';
import { type LintCluster, nodeSubject, serviceSubject, someOf } from './cluster.js';

const CVE =
  'Whoever may write Services can so take over traffic that is meant for somebody else, which is CVE-2020-8554 and has ' +
  'no remedy but to restrict who may set externalIPs.';

/** An address that a Service gives the outside, and its field. */
interface OutsideAddress {
  readonly service: Service;
  readonly address: string;
  readonly isExternalIP: boolean;
  readonly path: FieldPath;
}

/** The same with its ports, `80/TCP`. */
interface PortClaim extends OutsideAddress {
  readonly ports: readonly string[];
}

/** An address that thousands of Services share would otherwise take millions of comparisons. */
const MOST_RIVALS = 100;

/** Checks about external IPs, load-balancer addresses and cluster IPs. */
export const ADDRESS_CHECKS = [
  {
    code: 'external-ip-of-node',
    severity: 'warning',
    title: 'an external IP that is the address of a node',
    reason:
      "Every node sends connections to this address and the Service's port to the Service, so a daemon of the node " +
      `itself on that port cannot be reached any more. ${CVE}`,
    wayOut: 'Use a node port or a load balancer, or give the Service an address of its own.',
    *find(cluster) {
      const addresses = externalIPsOf(cluster);
      if (addresses.length === 0 || !cluster.has('nodes')) return;
      // All nodes: each has the rules, whichever of them is looked at.
      const nodes = [...cluster.state.nodes.values()].sort((a, b) => compareBytes(a.name, b.name));
      const holders = nodes.map((node) => ({
        subject: nodeSubject(node, ['status', 'addresses']),
        addresses: new Set(node.addresses.map((ip) => ip.text)),
      }));
      for (const { service, address, path } of addresses) {
        const own = holders.filter((node) => node.addresses.has(address)).map(({ subject }) => subject);
        if (own.length === 0) continue;
        const names = someOf(own.map(({ object }) => object));
        const ports = someOf(portTextsOf(service));
        yield {
          at: serviceSubject(service),
          path,
          message: `external IP ${address} is an address of ${names}: port ${ports} there is the Service's now.`,
          others: own,
        };
      }
    },
  },
  {
    code: 'external-ip-of-service',
    severity: 'warning',
    title: 'an external IP or load-balancer address that is the cluster IP of a Service',
    reason:
      'Two Services then claim one address, and kube-proxy leaves to chance which of them answers where their ports are ' +
      `the same; where they differ, this Service adds ports to the other one. ${CVE}`,
    wayOut: 'Give the Service an address of its own, or let clients use the cluster IP.',
    *find(cluster) {
      const holders = new Map<string, Service>();
      for (const { service } of cluster.entries) {
        for (const family of FAMILIES) {
          const ip = service.clusterIPs[family];
          if (ip !== undefined) holders.set(ip, service);
        }
      }
      for (const { service, address, isExternalIP, path } of outsideAddressesOf(cluster)) {
        const holder = holders.get(address);
        if (holder === undefined) continue;
        const what = isExternalIP ? 'external IP' : 'load-balancer address';
        const whose = holder === service ? 'its own cluster IP' : `the cluster IP of Service ${serviceKey(holder)}`;
        yield {
          at: serviceSubject(service),
          path,
          message: `${what} ${address} is ${whose}.`,
          others: holder === service ? [] : [serviceSubject(holder, ['spec', 'clusterIP'])],
          ...(holder === service && { wayOut: 'Remove it: pods reach the Service at this address anyway.' }),
        };
      }
    },
  },
  {
    code: 'address-shared',
    severity: 'warning',
    title: 'an external or load-balancer address that another Service has too',
    reason:
      'On the same port kube-proxy leaves to chance which Service answers; on other ports the owner of an address does ' +
      'not know who else answers at it. What one owner shares on purpose is not listed: external IPs of one namespace, ' +
      `and load-balancer addresses, on different ports. ${CVE}`,
    wayOut: 'Give each Service an address of its own, or different ports of one address in one namespace.',
    *find(cluster) {
      for (const claims of groupBy(outsideAddressesOf(cluster), ({ address }) => address).values()) {
        if (claims.length === 1) continue;
        // An external IP is reported before a load-balancer address, of two alike the later by name.
        const ordered = claims
          .map((claim) => ({ ...claim, ports: portTextsOf(claim.service) }))
          .sort((a, b) => Number(a.isExternalIP) - Number(b.isExternalIP));
        for (const [i, claim] of ordered.entries()) {
          const rivals = rivalsOf(claim, ordered, i);
          if (rivals.length === 0) continue;
          const same = [...new Set(rivals.flatMap(({ ports }) => ports.filter((port) => claim.ports.includes(port))))];
          const names = someOf([...new Set(rivals.map(({ service }) => `Service ${serviceKey(service)}`))]);
          const whose = rivals.length < MOST_RIVALS ? names : `${names}, or even more,`;
          const what = `${claim.isExternalIP ? 'external IP' : 'load-balancer address'} ${claim.address}`;
          yield {
            at: serviceSubject(claim.service),
            path: claim.path,
            message:
              same.length > 0
                ? `${what} port ${someOf(same)} is claimed by ${whose} too: chance decides who answers.`
                : `${what} is an address of ${whose} too, on other ports.`,
            others: rivals.map(({ service, path }) => serviceSubject(service, path)),
          };
        }
      }
    },
  },
  {
    code: 'external-ips-off',
    severity: 'warning',
    title: 'external IPs that get no rules',
    reason: 'kube-proxy runs with the feature gate AllowServiceExternalIPs off and writes no rules for external IPs.',
    wayOut: 'Remove spec.externalIPs (deprecated since v1.36) and use type LoadBalancer.',
    *find(cluster) {
      if (cluster.config.allowServiceExternalIPs) return;
      for (const { service } of cluster.proxied) {
        const addresses = FAMILIES.flatMap((family) => service.externalIPs[family]);
        if (addresses.length === 0) continue;
        const message = `nothing answers at external IP ${someOf(addresses)}: the feature gate is off.`;
        yield { at: serviceSubject(service), path: ['spec', 'externalIPs'], message, others: [cluster.configSubject] };
      }
    },
  },
  {
    code: 'cluster-ip-outside-range',
    severity: 'warning',
    title: 'a cluster IP outside of every ServiceCIDR',
    reason:
      'The API server gives out and admits cluster IPs of its ServiceCIDRs only; one outside of them is left from a ' +
      'former range or copied from another cluster, may be a real host, and is not admitted again once deleted.',
    wayOut: 'Remove clusterIP and clusterIPs, and let the API server allocate; or add a ServiceCIDR for the range.',
    *find(cluster) {
      const ranges = [...cluster.state.serviceCIDRs.values()].flatMap(({ cidrs }) => cidrs);
      for (const { service } of cluster.entries) {
        for (const family of FAMILIES) {
          const address = service.clusterIPs[family];
          if (address === undefined) continue;
          if (!cluster.has('serviceCIDRs')) return;
          const own = ranges.filter((cidr) => cidr.family === family);
          if (own.length === 0 || own.some((cidr) => cidrContains(cidr, { family, text: address }))) continue;
          const known = someOf([...new Set(own.map(({ text }) => text))].sort());
          yield {
            at: serviceSubject(service),
            path: ['spec', 'clusterIP'],
            message: `cluster IP ${address} lies outside of the ${apiNameOf(family)} ServiceCIDRs (${known}).`,
          };
        }
      }
    },
  },
] as const satisfies readonly Check[];

/** External IPs of Services that kube-proxy writes rules for, with their fields; each once for a Service. */
function externalIPsOf({ proxied, config }: LintCluster): readonly OutsideAddress[] {
  if (!config.allowServiceExternalIPs) return [];
  return proxied.flatMap(({ service }) => {
    const seen = new Set<string>();
    return (service.object.spec?.externalIPs ?? []).flatMap((text, i) => {
      const ip = parseIp(text);
      if (ip === undefined || seen.has(ip.text)) return [];
      seen.add(ip.text);
      return [{ service, address: ip.text, isExternalIP: true, path: ['spec', 'externalIPs', i] }];
    });
  });
}

/** External IPs and load-balancer addresses, each once for a Service. */
function outsideAddressesOf(cluster: LintCluster): readonly OutsideAddress[] {
  const external = externalIPsOf(cluster);
  const known = new Set(external.map(({ service, address }) => `${serviceKey(service)} ${address}`));
  const balanced = cluster.proxied.flatMap(({ service }) =>
    FAMILIES.flatMap((family) => [...new Set(service.loadBalancerIPs[family])])
      .filter((address) => !known.has(`${serviceKey(service)} ${address}`))
      .map((address) => ({ service, address, isExternalIP: false, path: ['status', 'loadBalancer', 'ingress'] })),
  );
  return [...external, ...balanced];
}

/** Earlier claims of other Services, but for those that share the address on purpose; at most a hundred. */
function rivalsOf(claim: PortClaim, claims: readonly PortClaim[], end: number): readonly PortClaim[] {
  const rivals: PortClaim[] = [];
  for (let i = 0; i < end && rivals.length < MOST_RIVALS; i++) {
    const other = claims[i];
    if (other === undefined || other.service === claim.service || isSharedOnPurpose(claim, other)) continue;
    rivals.push(other);
  }
  return rivals;
}

function isSharedOnPurpose(a: PortClaim, b: PortClaim): boolean {
  if (a.ports.some((port) => b.ports.includes(port))) return false;
  if (!a.isExternalIP && !b.isExternalIP) return true;
  return a.isExternalIP && b.isExternalIP && a.service.namespace === b.service.namespace;
}

/** `80/TCP` of every port. */
function portTextsOf({ ports }: Service): readonly string[] {
  return ports.map(({ port, protocol }) => `${port}/${protocol}`);
}

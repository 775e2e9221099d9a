/** What a Service promises about its clients: who may come, and that they come back to the same pod. */
import type { Service } from '../../kube/service.js';
import { fieldOf, listOf } from '../../kube/simulate/values.js';
import { apiNameOf, FAMILIES, type Family } from '../../net/family.js';
import { type Cidr, isLoopback, parseCidr } from '../../net/ip.js';
import { nodeFacts } from '../../plan/node.js';
import type { Check } from './check.js';
import { eachNamed, familiesOf, type LintCluster, serviceSubject, someOf } from './cluster.js';

/** Checks about source ranges and session affinity. */
export const CLIENT_CHECKS = [
  {
    code: 'source-ranges-bypassed',
    severity: 'warning',
    title: 'source ranges that node ports or external IPs bypass',
    reason:
      'kube-proxy filters by loadBalancerSourceRanges at the load-balancer addresses only; the node ports and external ' +
      'IPs of the same Service answer everybody who can reach a node.',
    wayOut:
      'Set allocateLoadBalancerNodePorts: false and remove nodePort where the load balancer does not need it; else ' +
      'close the node ports by a firewall or nodePortAddresses.',
    *find(cluster) {
      for (const entry of cluster.proxied) {
        const { service } = entry;
        const families = familiesOf(entry).filter((family) => service.sourceRanges[family].length > 0);
        if (service.type !== 'LoadBalancer' || families.length === 0) continue;
        const nodePorts = service.ports.flatMap(({ nodePort }) => nodePort ?? []);
        const isOpen = nodePorts.length > 0 && families.some((family) => hasOpenNodePorts(cluster, family));
        const external = cluster.config.allowServiceExternalIPs
          ? families.flatMap((family) => service.externalIPs[family])
          : [];
        const ways = [
          ...(isOpen ? [eachNamed('node port', nodePorts.map(String))] : []),
          ...(external.length > 0 ? [eachNamed('external IP', external)] : []),
        ];
        if (ways.length === 0) continue;
        const verb = (isOpen ? nodePorts.length : 0) + external.length === 1 ? 'lets' : 'let';
        yield {
          at: serviceSubject(service),
          path: ['spec', 'loadBalancerSourceRanges'],
          message: `${ways.join(' and ')} ${verb} everybody in: the ranges hold for load-balancer addresses only.`,
          ...(!isOpen && { wayOut: 'Remove the external IPs, or filter in front of the nodes.' }),
        };
      }
    },
  },
  {
    code: 'source-ranges-one-family',
    severity: 'warning',
    title: 'source ranges of one IP family, while the Service has an address of the other',
    reason: 'kube-proxy reads the ranges by family, and an address of a family without ranges lets everybody in.',
    wayOut: 'Add ranges of the other family too; one that nobody has (192.0.2.0/24, 2001:db8::/32) closes it.',
    *find(cluster) {
      for (const entry of cluster.proxied) {
        const { service } = entry;
        const given = FAMILIES.filter((family) => rangesOf(service).some((cidr) => cidr?.family === family));
        if (service.type !== 'LoadBalancer' || given.length !== 1) continue;
        const open = addressFamilies(service, familiesOf(entry)).filter((family) => !given.includes(family));
        if (open.length === 0) continue;
        const names = open.map(apiNameOf).join(' and ');
        const message = `all ranges are ${given.map(apiNameOf).join()}, so its ${names} addresses let everybody in.`;
        yield { at: serviceSubject(service), path: ['spec', 'loadBalancerSourceRanges'], message };
      }
    },
  },
  {
    code: 'source-ranges-any',
    severity: 'warning',
    title: 'source ranges beside one that is everybody',
    reason: 'With a range of prefix length 0 in the list kube-proxy filters nothing, whatever else the list says.',
    wayOut: 'Remove that range, or all the others.',
    *find({ proxied }) {
      for (const { service } of proxied) {
        const ranges = rangesOf(service);
        for (const family of FAMILIES) {
          const own = ranges.flatMap((cidr, i) => (cidr?.family === family ? [{ cidr, i }] : []));
          const any = own.find(({ cidr }) => cidr.writtenPrefixLength === 0);
          const others = own.filter(({ cidr }) => cidr.writtenPrefixLength > 0).map(({ cidr }) => cidr.text);
          if (any === undefined || others.length === 0) continue;
          const message = `${any.cidr.text} lets everybody in, so ${someOf(others)} means nothing.`;
          yield { at: serviceSubject(service), path: ['spec', 'loadBalancerSourceRanges', any.i], message };
        }
      }
    },
  },
  {
    code: 'affinity-masqueraded',
    severity: 'warning',
    title: 'session affinity for outside clients under externalTrafficPolicy Cluster',
    reason:
      'Each node remembers by itself which endpoint a client address has, so a client whose connections come in by ' +
      'different nodes gets different pods, and masquerading hides its address from the pods; behind a proxying load ' +
      'balancer all clients have one address and share one pod.',
    wayOut:
      'Set externalTrafficPolicy to Local and let the load balancer keep a client on one node, or keep sessions in an ' +
      'ingress, by cookie.',
    *find({ proxied }) {
      for (const { service } of proxied) {
        if (service.affinitySeconds === undefined || service.externalTrafficPolicy !== 'Cluster') continue;
        const ways = outsideWays(service);
        if (ways.length === 0) continue;
        const ingress = listOf(service.object.status?.loadBalancer?.ingress);
        const effect = ingress.some((each) => fieldOf(each, 'ipMode') === 'Proxy')
          ? 'the load balancer proxies, so all its clients stick to one pod'
          : 'a client sticks to a pod for each node it comes in by, not for the cluster';
        yield {
          at: serviceSubject(service),
          path: ['spec', 'sessionAffinity'],
          message: `ClientIP affinity under policy Cluster, reached by ${ways.join(' and ')}: ${effect}.`,
        };
      }
    },
  },
] as const satisfies readonly Check[];

/** The ranges in list order; undefined for what is none, which is reported when it is read. */
function rangesOf(service: Service): readonly (Cidr | undefined)[] {
  return (service.object.spec?.loadBalancerSourceRanges ?? []).map((text) => parseCidr(text.trim()));
}

/** The families in which the Service has load-balancer addresses; before there are any, those of its cluster IPs. */
function addressFamilies(service: Service, families: readonly Family[]): readonly Family[] {
  const ingress = listOf(service.object.status?.loadBalancer?.ingress);
  return ingress.length === 0 ? families : FAMILIES.filter((family) => service.loadBalancerIPs[family].length > 0);
}

/** Whether node ports answer on an address that others can reach; without a Node nobody knows better. */
function hasOpenNodePorts({ nodes, config, mode }: LintCluster, family: Family): boolean {
  if (nodes.length === 0) return true;
  return nodes.some((node) => {
    const { nodePortAddresses } = nodeFacts(node, family, mode, config);
    return nodePortAddresses.all || nodePortAddresses.local.some((text) => !isLoopback({ family, text }));
  });
}

/** By what outside clients reach a Service. */
function outsideWays({ type, externalIPs, ports }: Service): readonly string[] {
  return [
    ...(type === 'LoadBalancer' ? ['a load balancer'] : []),
    ...(type === 'NodePort' || ports.some(({ nodePort }) => nodePort !== undefined) ? ['node ports'] : []),
    ...(externalIPs.ipv4.length + externalIPs.ipv6.length > 0 ? ['external IPs'] : []),
  ];
}

/** Settings of kube-proxy, and what a mode lacks that another one has. */
import { JUDGED_DIFFERENCES, type ModeDifference } from '../../backends/modes.js';
import type { ProxyMode } from '../../kube/config.js';
import { IPVS_SCHEDULERS } from '../../kube/config-check.js';
import type { FieldPath } from '../../kube/diagnostics.js';
import type { Node } from '../../kube/node.js';
import { type Service, serviceKey } from '../../kube/service.js';
import { FAMILIES, type Family } from '../../net/family.js';
import { isLoopback, networkAddress } from '../../net/ip.js';
import { familiesOf } from '../../plan/choose-node.js';
import { neutralNode, nodeFacts } from '../../plan/node.js';
import { planNode } from '../../plan/plan.js';
import type { Check } from './check.js';
import { type LintCluster, nodeSubject, type Subject, serviceSubject, someOf } from './cluster.js';

/** Schedulers that leave most endpoints idle under kube-proxy, and why. */
const UNBALANCED: Readonly<Record<string, string>> = {
  dh: 'hashes the destination, so all clients of an address get one endpoint',
  lblc: 'keeps a destination on one endpoint until that is overloaded, for caches',
  lblcr: 'keeps a destination on few endpoints until those are overloaded, for caches',
  fo: 'gives everything to one endpoint, as kube-proxy gives all the same weight',
  ovf: 'fills one endpoint before the next, and kube-proxy gives all weight 1',
};

/** Differences between the modes that take something away, by their code: in which modes, and what to do about it. */
const LOSSES: Readonly<Record<string, { readonly lostIn: readonly ProxyMode[]; readonly wayOut: string }>> = {
  'node-port-localhost': {
    lostIn: ['ipvs', 'nftables'],
    wayOut: 'Let clients on the nodes use the own address of the node, or a hostPort.',
  },
  'health-check-node-port': {
    lostIn: ['nftables'],
    wayOut: 'Open the health check node ports in the firewall of the nodes before the change.',
  },
  'forward-policy': {
    lostIn: ['nftables'],
    wayOut: 'Where the nodes have a firewall that drops in FORWARD, let Service traffic through before the change.',
  },
  'address-on-node': {
    lostIn: ['iptables', 'nftables'],
    wayOut: 'See that something else (a load balancer, MetalLB) announces these addresses.',
  },
};

/** Checks about the mode and its settings. */
export const MODE_CHECKS = [
  {
    code: 'lost-in-mode',
    severity: 'warning',
    title: 'something that Services have in the mode of the configuration, but not in the mode of --mode',
    reason:
      'The three modes are not the same; what one of them does beside its rules for Services, clients may rely on ' +
      'without knowing. This compares the mode that the configuration names with the one that --mode asks for.',
    wayOut: 'Change the clients or the firewall before the mode.',
    *find(cluster) {
      const { movesFrom: from, mode } = cluster;
      if (from === undefined) return;
      for (const { difference, services, wayOut } of lossesOf(cluster, from)) {
        const whose = services.length === 0 ? '' : ` of ${namesOf(services)}`;
        const { modes, title } = difference;
        yield {
          at: cluster.configSubject,
          path: ['mode'],
          message: `${title}${whose}. Mode ${from}: ${modes[from]}. Mode ${mode}: ${modes[mode]}.`,
          wayOut,
          others: subjectsOf(services),
        };
      }
    },
  },
  {
    code: 'nftables-no-localhost',
    severity: 'warning',
    title: 'nodePortAddresses with loopback addresses, which nftables mode does not serve',
    reason: 'Node ports on 127.0.0.1 need tricks of iptables mode; nftables mode never answers there, whatever is set.',
    wayOut: 'Let clients on the nodes use the own address of the node, or a hostPort; and remove the range.',
    *find(cluster) {
      const { mode, config } = cluster;
      if (mode !== 'nftables' || config.nodePortAddresses === 'primary') return;
      const loopback = config.nodePortAddresses.filter(
        (cidr) => cidr.writtenPrefixLength > 0 && isLoopback(networkAddress(cidr)),
      );
      const services = withNodePorts(cluster);
      if (loopback.length === 0 || services.length === 0) return;
      const ranges = someOf(loopback.map(({ text }) => text));
      yield {
        at: cluster.configSubject,
        path: ['nodePortAddresses'],
        message: `node ports of ${namesOf(services)} do not answer on ${ranges} in mode nftables.`,
        others: subjectsOf(services),
      };
    },
  },
  {
    code: 'nftables-primary-node-ports',
    severity: 'warning',
    title: 'nodes with several addresses, of which nftables mode serves node ports on one',
    reason:
      'Unless nodePortAddresses is set, nftables mode answers on the first address of each family of a node, the other ' +
      'modes on all of them.',
    wayOut: 'Set nodePortAddresses to the networks that clients use (0.0.0.0/0 and ::/0 for all).',
    *find(cluster) {
      const { config, mode } = cluster;
      const isUnset = config.nodePortAddresses !== 'primary' && config.nodePortAddresses.length === 0;
      const services = withNodePorts(cluster);
      if (mode !== 'nftables' || !isUnset || services.length === 0 || !cluster.has('nodes')) return;
      const nodes = cluster.nodes.filter((node) => FAMILIES.some((family) => internalIPs(node, family).length > 1));
      if (nodes.length === 0) return;
      const names = someOf(nodes.map(({ name }) => name));
      yield {
        at: cluster.configSubject,
        path: ['nodePortAddresses'],
        message:
          `${names} ${nodes.length === 1 ? 'has' : 'have'} several InternalIPs of a family, but node ports of ` +
          `${namesOf(services)} answer on the first only.`,
        others: [...nodes.map((node) => nodeSubject(node, ['status', 'addresses'])), ...subjectsOf(services)],
      };
    },
  },
  {
    code: 'settings-of-other-mode',
    severity: 'note',
    title: 'settings of kube-proxy that the mode in force does not read',
    reason:
      'Each mode reads its own section of the configuration (ipvs that of iptables too), so what is set in another one ' +
      'silently stops to apply when the mode changes.',
    wayOut: 'Carry the settings over to the section of the mode in force where it has them, and remove them here.',
    *find(cluster) {
      for (const { path, what, instead } of unreadSettings(cluster)) {
        yield { at: cluster.configSubject, path, message: `${what} is not read in mode ${cluster.mode}: ${instead}.` };
      }
    },
  },
  {
    code: 'ipvs-deprecated',
    severity: 'note',
    title: 'mode ipvs',
    reason: 'kube-proxy warns since v1.35 that its IPVS mode is deprecated and will be removed.',
    wayOut: 'Plan the move to nftables: lint with --mode nftables and this configuration tells what changes.',
    *find(cluster) {
      if (cluster.mode !== 'ipvs') return;
      yield { at: cluster.configSubject, path: ['mode'], message: 'mode ipvs is deprecated since Kubernetes v1.35.' };
    },
  },
  {
    code: 'ipvs-scheduler',
    severity: 'warning',
    title: 'an IPVS scheduler that does not spread connections, or that no kernel has',
    reason:
      'kube-proxy gives every endpoint weight 1 and uses the scheduler for every Service; schedulers made for caches or ' +
      'for failover then leave most endpoints idle, and with an unknown one kube-proxy does not start.',
    wayOut: 'Use rr or lc; sh or mh where a client must stay with its endpoint; or move to nftables, which needs none.',
    *find(cluster) {
      const { scheduler } = cluster.config.ipvs;
      if (cluster.mode !== 'ipvs') return;
      const effect = IPVS_SCHEDULERS.has(scheduler) ? UNBALANCED[scheduler] : 'is none that comes with the kernel';
      if (effect === undefined) return;
      yield { at: cluster.configSubject, path: ['ipvs', 'scheduler'], message: `scheduler ${scheduler} ${effect}.` };
    },
  },
] as const satisfies readonly Check[];

/** A difference that takes something away. */
interface Loss {
  readonly difference: ModeDifference;
  /** Those that had it; none where it is the node as a whole. */
  readonly services: readonly Service[];
  readonly wayOut: string;
}

/** What is lost with the mode that the configuration names. */
function lossesOf(cluster: LintCluster, from: ProxyMode): readonly Loss[] {
  const { state, config, mode, nodes } = cluster;
  // What is lost this way is the same on every node.
  const node = nodes[0] ?? neutralNode('');
  const views = familiesOf(node, state, config).map((family) => {
    const facts = (each: ProxyMode) => nodeFacts(node, family, each, config);
    const byMode = { iptables: facts('iptables'), ipvs: facts('ipvs'), nftables: facts('nftables') };
    return { plan: planNode(state, { node, family, mode: from, config }), facts: byMode };
  });
  return JUDGED_DIFFERENCES.flatMap((difference): readonly Loss[] => {
    const loss = LOSSES[difference.code];
    if (loss === undefined || !loss.lostIn.includes(mode) || loss.lostIn.includes(from)) return [];
    const { wayOut } = loss;
    if (difference.scope === 'node') {
      const matters = views.some(({ plan, facts }) => difference.concerns(plan, facts));
      return matters ? [{ difference, services: [], wayOut }] : [];
    }
    const keys = new Set<string>();
    for (const { plan, facts } of views) {
      for (const port of plan.servicePorts) {
        if (difference.concerns(port, facts)) keys.add(`${port.namespace}/${port.service}`);
      }
    }
    const services = cluster.proxied.map(({ service }) => service).filter((service) => keys.has(serviceKey(service)));
    return services.length === 0 ? [] : [{ difference, services, wayOut }];
  });
}

/** A setting that nobody reads, and what holds instead. */
interface UnreadSetting {
  readonly path: FieldPath;
  readonly what: string;
  readonly instead: string;
}

function unreadSettings({ config, mode }: LintCluster): readonly UnreadSetting[] {
  const [own, other] = mode === 'nftables' ? (['nftables', 'iptables'] as const) : (['iptables', 'nftables'] as const);
  const read = config[own];
  const unread = config[other];
  const { scheduler, tcpTimeoutSeconds, tcpFinTimeoutSeconds, udpTimeoutSeconds } = config.ipvs;
  const found: UnreadSetting[] = [];
  const add = (path: FieldPath, what: string, instead: string) => found.push({ path, what, instead });
  if (unread.masqueradeAll && !read.masqueradeAll) {
    add([other, 'masqueradeAll'], `${other}.masqueradeAll`, `${own}.masqueradeAll is false`);
  }
  if (unread.masqueradeBit !== DEFAULT_BIT && unread.masqueradeBit !== read.masqueradeBit) {
    const what = `${other}.masqueradeBit ${unread.masqueradeBit}`;
    add([other, 'masqueradeBit'], what, `the bit is ${read.masqueradeBit}`);
  }
  if (mode === 'ipvs') return found;
  if (scheduler !== 'rr') {
    const instead = 'endpoints are chosen at random, and a client stays with one only by sessionAffinity';
    add(['ipvs', 'scheduler'], `ipvs.scheduler ${scheduler}`, instead);
  }
  if (tcpTimeoutSeconds + tcpFinTimeoutSeconds + udpTimeoutSeconds > 0) {
    add(['ipvs'], 'a timeout of section ipvs', 'connections live as long as conntrack keeps them');
  }
  return found;
}

/** kube-proxy's default of masqueradeBit. */
const DEFAULT_BIT = 14;

function withNodePorts({ proxied }: LintCluster): readonly Service[] {
  return proxied
    .map(({ service }) => service)
    .filter(({ ports, type }) => type === 'NodePort' || ports.some(({ nodePort }) => nodePort !== undefined));
}

/** InternalIPs of a family; ExternalIPs of cloud nodes are mostly on no interface. */
function internalIPs(node: Node, family: Family): readonly string[] {
  const known = new Set(node.addresses.filter((ip) => ip.family === family).map(({ text }) => text));
  const listed = (node.object?.status?.addresses ?? []).filter(({ type }) => type === 'InternalIP');
  return listed.map(({ address }) => address).filter((address) => known.has(address));
}

function namesOf(services: readonly Service[]): string {
  return someOf(services.map(serviceKey));
}

function subjectsOf(services: readonly Service[]): readonly Subject[] {
  return services.map((service) => serviceSubject(service));
}

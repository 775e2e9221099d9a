/**
 * kube-proxy's own command-line flags, as v1.36 has them: those that influence rules with their meaning, all others
 * accepted, so that the command line of a DaemonSet can be pasted. `proxy-flag-values.ts` reads what is given.
 */
import { type Command, Option } from 'commander';
import type { Setting } from '../kube/config-fields.js';

/** How the value of a flag is read. */
export type FlagType = 'text' | 'boolean' | 'int32' | 'duration' | 'list' | 'switches';

/** A flag that influences rules, and the settings of the configuration file that it stands for. */
export interface ProxyFlag {
  readonly name: string;
  readonly type: FlagType;
  readonly value?: string;
  readonly settings: readonly [Setting, ...Setting[]];
  readonly help: string;
}

/** All flags that influence rules. */
export const PROXY_FLAGS: readonly ProxyFlag[] = [
  { name: 'proxy-mode', type: 'text', value: 'MODE', settings: ['mode'], help: 'iptables, ipvs or nftables' },
  {
    name: 'hostname-override',
    type: 'text',
    value: 'NAME',
    settings: ['hostnameOverride'],
    help: 'the name of the node; counts with --config too',
  },
  {
    name: 'bind-address',
    type: 'text',
    value: 'IP',
    settings: ['bindAddress'],
    help: "the node's own address; its family is the primary one",
  },
  {
    name: 'cluster-cidr',
    type: 'text',
    value: 'CIDRS',
    settings: ['clusterCIDR'],
    help: 'the network of the pods, or an IPv4 and an IPv6 one',
  },
  {
    name: 'detect-local-mode',
    type: 'text',
    value: 'MODE',
    settings: ['detectLocalMode'],
    help: 'ClusterCIDR, NodeCIDR, BridgeInterface or InterfaceNamePrefix',
  },
  {
    name: 'pod-bridge-interface',
    type: 'text',
    value: 'NAME',
    settings: ['detectLocal.bridgeInterface'],
    help: 'the bridge of the pods, in mode BridgeInterface',
  },
  {
    name: 'pod-interface-name-prefix',
    type: 'text',
    value: 'PREFIX',
    settings: ['detectLocal.interfaceNamePrefix'],
    help: 'how interfaces of pods are named, in mode InterfaceNamePrefix',
  },
  {
    name: 'nodeport-addresses',
    type: 'list',
    value: 'CIDRS',
    settings: ['nodePortAddresses'],
    help: "where node ports listen: CIDRs, or 'primary' alone",
  },
  {
    name: 'masquerade-all',
    type: 'boolean',
    // One flag for what the file has in two sections; kube-proxy applies it in every mode.
    settings: ['iptables.masqueradeAll', 'nftables.masqueradeAll'],
    help: 'masquerade all traffic to cluster IPs',
  },
  {
    name: 'iptables-masquerade-bit',
    type: 'int32',
    value: 'BIT',
    settings: ['iptables.masqueradeBit'],
    help: 'the bit of the packet mark that asks for masquerading (default: 14); modes iptables and ipvs',
  },
  {
    name: 'iptables-localhost-nodeports',
    type: 'boolean',
    settings: ['iptables.localhostNodePorts'],
    help: 'node ports answer on 127.0.0.1 (default: true); mode iptables',
  },
  { name: 'ipvs-scheduler', type: 'text', value: 'NAME', settings: ['ipvs.scheduler'], help: 'default: rr' },
  {
    name: 'ipvs-exclude-cidrs',
    type: 'list',
    value: 'CIDRS',
    settings: ['ipvs.excludeCIDRs'],
    help: 'virtual servers that are not to be cleaned up',
  },
  {
    name: 'ipvs-strict-arp',
    type: 'boolean',
    settings: ['ipvs.strictARP'],
    help: 'set arp_ignore to 1 and arp_announce to 2',
  },
  {
    name: 'ipvs-tcp-timeout',
    type: 'duration',
    value: 'DURATION',
    settings: ['ipvs.tcpTimeout'],
    help: 'of idle TCP connections; 0 leaves it as it is',
  },
  {
    name: 'ipvs-tcpfin-timeout',
    type: 'duration',
    value: 'DURATION',
    settings: ['ipvs.tcpFinTimeout'],
    help: 'of TCP connections after a FIN',
  },
  {
    name: 'ipvs-udp-timeout',
    type: 'duration',
    value: 'DURATION',
    settings: ['ipvs.udpTimeout'],
    help: 'of UDP flows',
  },
  {
    name: 'conntrack-tcp-be-liberal',
    type: 'boolean',
    settings: ['conntrack.tcpBeLiberal'],
    help: 'conntrack takes TCP packets outside of the window, so mode iptables drops no invalid ones',
  },
  {
    name: 'feature-gates',
    type: 'switches',
    value: 'GATES',
    settings: ['featureGates'],
    help: 'AllowServiceExternalIPs=false leaves external IPs without rules',
  },
];

/** Flags of kube-proxy v1.36 that no rule depends on. */
const IGNORED_BOOLEANS =
  'bind-address-hard-fail cleanup init-only log-json-split-stream log-text-split-stream profiling';
const IGNORED_VALUES =
  'boot-id-file config-sync-period conntrack-max-per-core conntrack-min conntrack-tcp-timeout-close-wait ' +
  'conntrack-tcp-timeout-established conntrack-udp-timeout conntrack-udp-timeout-stream healthz-bind-address ' +
  'healthz-port iptables-min-sync-period iptables-sync-period ipvs-min-sync-period ipvs-sync-period kube-api-burst ' +
  'kube-api-content-type kube-api-qps kubeconfig log-flush-frequency log-json-info-buffer-size ' +
  'log-text-info-buffer-size logging-format machine-id-file master metrics-bind-address metrics-port oom-score-adj ' +
  'show-hidden-metrics-for-version v vmodule write-config-to';

const IGNORED: readonly { readonly name: string; readonly flags: string }[] = [
  ...IGNORED_BOOLEANS.split(' ').map((name) => ({ name, flags: `--${name} [BOOL]` })),
  ...IGNORED_VALUES.split(' ').map((name) => ({ name, flags: `${name === 'v' ? '-v, ' : ''}--${name} <VALUE>` })),
];

/**
 * Declares kube-proxy's flags on a command; `configFromFlags` reads them. Those that no rule depends on do not show in
 * --help, and give way to a flag of that name that the command has already, so add the command's own flags first.
 * `--config` is not among them. A boolean is `--masquerade-all` or `--masquerade-all=false`, as with kube-proxy.
 */
export function addProxyFlags(command: Command): Command {
  for (const { name, type, value, help } of PROXY_FLAGS) {
    const option = new Option(type === 'boolean' ? `--${name} [BOOL]` : `--${name} <${value}>`, help);
    command.addOption(type === 'list' || type === 'switches' ? option.argParser(collect) : option);
  }
  for (const { name, flags } of IGNORED) {
    const option = new Option(flags).hideHelp();
    const taken = command.options.some(
      (each) => each.long === option.long || (option.short !== undefined && each.short === option.short),
    );
    // Marked, so that a flag of the command's own is never mistaken for one of kube-proxy's.
    if (!taken) command.addOption(option.argParser((text) => new IgnoredValue(name, text)).preset(true));
  }
  return command;
}

/** What stands after a flag that is ignored. */
export class IgnoredValue {
  readonly name: string;
  readonly text: string;
  constructor(name: string, text: string) {
    this.name = name;
    this.text = text;
  }
}

function collect(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}

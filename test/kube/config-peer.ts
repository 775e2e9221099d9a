/** What kube-proxy v1.36.3 did with configurations (config-peer.json, made by running it), and how to compare. */
import {
  DEFAULT_CONFIG,
  masqueradeAllOf,
  nodePortAddressesOf,
  type ProxyConfig,
  type ProxyMode,
} from '../../src/kube/config.js';
import { parseDuration } from '../../src/kube/config-fields.js';
import { type Diagnostic, hasErrors } from '../../src/kube/diagnostics.js';
import { parseCidr, parseIp } from '../../src/net/ip.js';
import recorded from './config-peer.json' with { type: 'json' };

/** One run. */
export interface PeerCase {
  /** The whole file, or what stood below the lines apiVersion and kind. */
  readonly text?: string;
  readonly body?: string;
  readonly args?: readonly string[];
  /** Whether the common configuration file was given beside the arguments. */
  readonly config?: boolean;
  readonly kubeProxy: string;
  readonly says?: string;
  /** What kube-proxy had in the end where that is not the default, by path. */
  readonly effective?: Readonly<Record<string, unknown>>;
  /** Our verdict where it is another one on purpose, and the purpose. */
  readonly ours?: string;
  readonly why?: string;
}

/** The lines above the body of a case. */
export const HEAD = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';

/** The configuration file of the flag cases that have one. */
export const CONFIG_FILE = recorded.config;

export const FILE_CASES: readonly PeerCase[] = recorded.files;
export const FLAG_CASES: readonly PeerCase[] = recorded.flags;

/** Our word for the outcome: only what kube-proxy logs itself counts as a warning. */
export function verdictOf(diagnostics: readonly Diagnostic[]): string {
  if (hasErrors(diagnostics)) return 'refuses';
  return diagnostics.some((each) => each.code === 'unknown-config-field') ? 'warns' : 'accepts';
}

/** The configuration that kube-proxy's own output describes. */
export function peerConfig(effective: Readonly<Record<string, unknown>>): ProxyConfig {
  const text = (path: string): string => (typeof effective[path] === 'string' ? effective[path] : '');
  const flag = (path: string, normal: boolean): boolean => (effective[path] as boolean | undefined) ?? normal;
  const bit = (path: string): number => (effective[path] as number | undefined) ?? 14;
  const list = (path: string): readonly string[] => (effective[path] as readonly string[] | null | undefined) ?? [];
  const mode = text('mode') === '' ? undefined : (text('mode') as ProxyMode);
  const ip = parseIp(text('bindAddress'));
  const detectLocalMode = (text('detectLocalMode') || 'ClusterCIDR') as ProxyConfig['detectLocalMode'];
  const pods = detectLocalMode === 'ClusterCIDR' ? text('clusterCIDR').split(',').map(parseCidr) : [];
  const cidrs = (path: string) => list(path).flatMap((each) => parseCidr(each) ?? []);
  // A negative timeout gets past kube-proxy in other modes than ipvs only; here it is read as not given then.
  const seconds = (path: string) => Math.max(0, parseDuration(text(path) || '0s') ?? Number.NaN);
  return {
    ...DEFAULT_CONFIG,
    mode,
    hostnameOverride: text('hostnameOverride')
      .replace(/^ +| +$/g, '')
      .toLowerCase(),
    bindAddress: ip === undefined || ip.text === '::' ? undefined : ip,
    clusterCIDRs: {
      ipv4: pods.find((each) => each?.family === 'ipv4')?.text,
      ipv6: pods.find((each) => each?.family === 'ipv6')?.text,
    },
    detectLocalMode,
    bridgeInterface: detectLocalMode === 'BridgeInterface' ? text('detectLocal.bridgeInterface') : '',
    interfaceNamePrefix: detectLocalMode === 'InterfaceNamePrefix' ? text('detectLocal.interfaceNamePrefix') : '',
    nodePortAddresses: list('nodePortAddresses').includes('primary') ? 'primary' : cidrs('nodePortAddresses'),
    tcpBeLiberal: flag('conntrack.tcpBeLiberal', false),
    allowServiceExternalIPs: flag('featureGates.AllowServiceExternalIPs', true),
    iptables: {
      masqueradeAll: flag('iptables.masqueradeAll', false),
      masqueradeBit: bit('iptables.masqueradeBit'),
      localhostNodePorts: flag('iptables.localhostNodePorts', true),
    },
    ipvs: {
      // A scheduler that no kernel has is refused, or in other modes read as not given.
      scheduler: text('ipvs.scheduler').replace(/^(foo)?$/, 'rr'),
      excludeCIDRs: cidrs('ipvs.excludeCIDRs'),
      strictARP: flag('ipvs.strictARP', false),
      tcpTimeoutSeconds: seconds('ipvs.tcpTimeout'),
      tcpFinTimeoutSeconds: seconds('ipvs.tcpFinTimeout'),
      udpTimeoutSeconds: seconds('ipvs.udpTimeout'),
    },
    nftables: {
      masqueradeAll: flag('nftables.masqueradeAll', false),
      masqueradeBit: bit('nftables.masqueradeBit') > 31 ? 14 : bit('nftables.masqueradeBit'),
    },
  };
}

/**
 * A configuration as kube-proxy writes it: iptables where no mode is given, that mode's default node ports, and
 * masqueradeAll only in the section from which the mode takes it.
 */
export function comparable(config: ProxyConfig): ProxyConfig {
  const mode = config.mode ?? 'iptables';
  const all = masqueradeAllOf(config, mode);
  return {
    ...config,
    mode,
    nodePortAddresses: nodePortAddressesOf(config, mode),
    iptables: { ...config.iptables, masqueradeAll: mode !== 'nftables' && all },
    nftables: { ...config.nftables, masqueradeAll: mode === 'nftables' && all },
  };
}

/**
 * What the compiler reads of kube-proxy's configuration. The values mean what they mean in kube-proxy v1.36, with
 * every default filled in; where they came from (a KubeProxyConfiguration file, flags, a program) leaves no trace.
 */
import type { ByFamily } from '../net/family.js';
import type { Cidr, IpAddress } from '../net/ip.js';
import { type ConfigProblem, resolveConfig } from './config-check.js';
import { decodeSettings, type Settings } from './config-fields.js';
import { type Diagnostic, diagnostic, type FieldPath, type Origin } from './diagnostics.js';
import { isFields, show } from './fields.js';
import type { RawObject, SourceText } from './objects.js';
import type { ProxyMode } from './proxy-mode.js';
import { readObjects } from './read.js';

export { PROXY_MODES, type ProxyMode } from './proxy-mode.js';

/** How kube-proxy tells traffic of pods on this cluster or node from the rest. */
export type DetectLocalMode = 'ClusterCIDR' | 'NodeCIDR' | 'BridgeInterface' | 'InterfaceNamePrefix';

/** The configuration of one kube-proxy, all defaults resolved; the same for every backend that is compiled with it. */
export interface ProxyConfig {
  /** undefined when the configuration leaves it empty (kube-proxy then runs iptables on Linux). */
  readonly mode: ProxyMode | undefined;
  /** The node's name, trimmed and in lower case; `''` when not given. */
  readonly hostnameOverride: string;
  /** Replaces the node's own address of its family and makes that family primary; undefined for 0.0.0.0 and `::`. */
  readonly bindAddress: IpAddress | undefined;
  /** Canonical text of the pod network of each family; undefined in other modes than ClusterCIDR, which ignore it. */
  readonly clusterCIDRs: ByFamily<string | undefined>;
  readonly detectLocalMode: DetectLocalMode;
  /** An interface's name that is safe in a rule; `''` in other modes than BridgeInterface. */
  readonly bridgeInterface: string;
  /** How the names of pod interfaces begin, safe in a rule; `''` in other modes than InterfaceNamePrefix. */
  readonly interfaceNamePrefix: string;
  /**
   * Where node ports listen: the node's own addresses (`primary`) or the local addresses in these networks, in the
   * order given, both families mixed. `[]` means not given: every address, but `primary` in mode nftables.
   */
  readonly nodePortAddresses: 'primary' | readonly Cidr[];
  /** conntrack.tcpBeLiberal: conntrack calls next to no TCP packet invalid, so that no rule drops those. */
  readonly tcpBeLiberal: boolean;
  /** Feature gate AllowServiceExternalIPs: whether external IPs of Services get rules. */
  readonly allowServiceExternalIPs: boolean;
  readonly iptables: IptablesConfig;
  readonly ipvs: IpvsConfig;
  readonly nftables: NftablesConfig;
}

/** Section `iptables`; mode ipvs reads masqueradeAll and masqueradeBit here too. */
interface IptablesConfig {
  /** Masquerade all traffic to cluster IPs. */
  readonly masqueradeAll: boolean;
  /** The bit of the packet mark that asks for masquerading, 0-31. */
  readonly masqueradeBit: number;
  /** Whether node ports answer on 127.0.0.1 (IPv4, mode iptables). */
  readonly localhostNodePorts: boolean;
}

/** Section `ipvs`. */
export interface IpvsConfig {
  /** Name of the kernel's scheduler; `rr` when the configuration names none. */
  readonly scheduler: string;
  /** Virtual servers with an address in these networks are not kube-proxy's to delete. */
  readonly excludeCIDRs: readonly Cidr[];
  readonly strictARP: boolean;
  /** Seconds, possibly with a fraction (kube-proxy cuts it off only where it sets them); 0 leaves the kernel's value. */
  readonly tcpTimeoutSeconds: number;
  readonly tcpFinTimeoutSeconds: number;
  readonly udpTimeoutSeconds: number;
}

/** Section `nftables`. */
interface NftablesConfig {
  readonly masqueradeAll: boolean;
  readonly masqueradeBit: number;
}

/** What an empty KubeProxyConfiguration means. */
export const DEFAULT_CONFIG: ProxyConfig = {
  mode: undefined,
  hostnameOverride: '',
  bindAddress: undefined,
  clusterCIDRs: { ipv4: undefined, ipv6: undefined },
  detectLocalMode: 'ClusterCIDR',
  bridgeInterface: '',
  interfaceNamePrefix: '',
  nodePortAddresses: [],
  tcpBeLiberal: false,
  allowServiceExternalIPs: true,
  iptables: { masqueradeAll: false, masqueradeBit: 14, localhostNodePorts: true },
  ipvs: {
    scheduler: 'rr',
    excludeCIDRs: [],
    strictARP: false,
    tcpTimeoutSeconds: 0,
    tcpFinTimeoutSeconds: 0,
    udpTimeoutSeconds: 0,
  },
  nftables: { masqueradeAll: false, masqueradeBit: 14 },
};

/**
 * Whether a backend masquerades all traffic to cluster IPs: from section `nftables` in mode nftables, else from
 * section `iptables`, which mode ipvs shares.
 */
export function masqueradeAllOf(config: ProxyConfig, mode: ProxyMode): boolean {
  return mode === 'nftables' ? config.nftables.masqueradeAll : config.iptables.masqueradeAll;
}

/** The bit of the packet mark that asks a backend for masquerading, 0-31; mode ipvs uses that of section `iptables`. */
export function masqueradeBitOf(config: ProxyConfig, mode: ProxyMode): number {
  return mode === 'nftables' ? config.nftables.masqueradeBit : config.iptables.masqueradeBit;
}

/** Where a backend's node ports listen; not given means `primary` in mode nftables, else `[]` for every address. */
export function nodePortAddressesOf(config: ProxyConfig, mode: ProxyMode): 'primary' | readonly Cidr[] {
  const given = config.nodePortAddresses;
  return mode === 'nftables' && given !== 'primary' && given.length === 0 ? 'primary' : given;
}

/** A configuration and what is to be said about it; with an error among the diagnostics it must not be used. */
export interface LoadedConfig {
  readonly config: ProxyConfig;
  readonly diagnostics: Diagnostic[];
}

const API_VERSION = 'kubeproxy.config.k8s.io/v1alpha1';
const KIND = 'KubeProxyConfiguration';

/**
 * Reads a KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1, YAML or JSON), or the ConfigMap in which kubeadm
 * keeps one, and checks it as kube-proxy v1.36 does: what it refuses is an error (`invalid-config`), one for each
 * problem; unknown fields are passed over with a warning. Stricter than kube-proxy: a repeated key, several documents
 * and interface names that no rule can carry are errors. More lenient: names of feature gates are not checked.
 * @param options.mode the mode that the configuration will be used with, when not its own: kube-proxy checks the
 *   sections `ipvs` and `nftables` in their modes only, so in others a wrong value there is a warning
 */
export function readConfig(source: SourceText, options: { readonly mode?: ProxyMode | undefined } = {}): LoadedConfig {
  const diagnostics: Diagnostic[] = [];
  const located = readConfiguration(source, diagnostics);
  if (located === undefined) return { config: DEFAULT_CONFIG, diagnostics };

  const { object, origin } = located;
  const refused = new Set<string>();
  const settings = decodeSettings(object, {
    wrongType: (path, message, hint) => {
      refused.add(path.filter((step) => typeof step === 'string').join('.'));
      diagnostics.push(configDiagnostic(origin, path, { message, ...(hint === undefined ? {} : { hint }) }));
    },
    unknownField: (path, suggestion) => {
      const message = 'kube-proxy does not know this field and ignores it.';
      const hint = suggestion === undefined ? {} : { hint: `Did you mean ${suggestion}?` };
      diagnostics.push(configDiagnostic(origin, path, { code: 'unknown-config-field', message, ...hint }));
    },
  });
  // An empty text in a file is not given; the flag --cluster-cidr="" is, and refused.
  const { clusterCIDR, ...others } = settings;
  const given: Settings = clusterCIDR === undefined || clusterCIDR === '' ? others : settings;
  const config = resolveConfig(given, options.mode, (setting, problem) => {
    // A value of a wrong type was named already; that it is missing now is no second problem.
    if (refused.has(setting)) return;
    diagnostics.push(configDiagnostic(origin, [...setting.split('.'), ...(problem.step ?? [])], problem));
  });
  return { config, diagnostics };
}

/** The KubeProxyConfiguration of a text, in a ConfigMap or not; undefined after an error. */
function readConfiguration(source: SourceText, diagnostics: Diagnostic[]): LocatedConfig | undefined {
  const outer = readOne(source, diagnostics);
  const isConfigMap = outer?.object.kind === 'ConfigMap' && outer.object.apiVersion === 'v1';
  const located = isConfigMap ? readConfigMap(outer, diagnostics) : outer;
  if (located === undefined) return undefined;
  const { kind, apiVersion } = located.object;
  if (kind !== KIND) {
    const message = `${show(kind)} is not ${KIND}.`;
    diagnostics.push(configDiagnostic(located.origin, ['kind'], { message }));
  } else if (apiVersion !== API_VERSION) {
    const message = `${show(apiVersion)} is not what kube-proxy v1.36 reads: ${API_VERSION}.`;
    diagnostics.push(configDiagnostic(located.origin, ['apiVersion'], { message }));
  } else {
    return located;
  }
  return undefined;
}

interface LocatedConfig {
  readonly object: RawObject;
  readonly origin: Origin;
}

/** The one object of a text. */
function readOne(source: SourceText, diagnostics: Diagnostic[]): LocatedConfig | undefined {
  const read = readObjects([source]);
  for (const each of read.diagnostics) diagnostics.push(each);
  const [first, second] = read.objects;
  const nowhere: Origin = { file: source.name, document: 0, path: [] };
  if (second !== undefined) {
    const kinds = read.objects.map(({ object }) => show(object.kind).slice(1, -1)).join(', ');
    const hint = 'Give it in a file of its own.';
    diagnostics.push(configDiagnostic(nowhere, [], { message: `one ${KIND} is expected, not ${kinds}.`, hint }));
    return undefined;
  }
  if (first !== undefined) return { object: first.object, origin: first.origin ?? nowhere };
  if (read.diagnostics.length === 0) {
    const hint = `Give at least apiVersion and kind: every other field of a ${KIND} has a default.`;
    diagnostics.push(configDiagnostic(nowhere, [], { message: 'there is nothing in it.', hint }));
  }
  return undefined;
}

function readConfigMap({ object, origin }: LocatedConfig, diagnostics: Diagnostic[]): LocatedConfig | undefined {
  const text = isFields(object.data) ? object.data['config.conf'] : undefined;
  if (typeof text === 'string') return readOne({ name: `config.conf in ${origin.file}`, text }, diagnostics);
  const message = 'this ConfigMap has no "config.conf".';
  const hint = `kubeadm keeps the ${KIND} under that key of the ConfigMap kube-system/kube-proxy.`;
  diagnostics.push(configDiagnostic(origin, ['data'], { message, hint }));
  return undefined;
}

function configDiagnostic(origin: Origin, path: FieldPath, problem: ConfigProblem): Diagnostic {
  const { code = 'invalid-config', message, hint } = problem;
  return diagnostic(code, message, { object: KIND, path, origin, ...(hint === undefined ? {} : { hint }) });
}

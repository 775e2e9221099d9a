/**
 * Whether the values of a configuration make sense, and what they amount to: kube-proxy's validation and defaults, the
 * same for a file and for flags.
 */
import type { ByFamily, Family } from '../net/family.js';
import { type Cidr, type IpAddress, parseCidr, parseIp } from '../net/ip.js';
import type { DetectLocalMode, IpvsConfig, ProxyConfig, ProxyMode } from './config.js';
import type { Setting, Settings } from './config-fields.js';
import type { DiagnosticCode, FieldPath } from './diagnostics.js';
import { show } from './fields.js';

/** One thing that is wrong with a setting. */
export interface ConfigProblem {
  /** A sentence that quotes the value but does not name the setting. */
  readonly message: string;
  readonly hint?: string;
  /** invalid-config when absent. */
  readonly code?: DiagnosticCode;
  /** From the setting to the value inside it: `[2]` for the third of a list. */
  readonly step?: FieldPath;
}

type Report = (setting: Setting, problem: ConfigProblem) => void;

/**
 * Turns settings into a configuration, reporting every value that kube-proxy refuses; such a value is replaced by its
 * default. The same for a file and for flags.
 * @param mode the mode in force, when it is not the one that the settings name
 */
export function resolveConfig(settings: Settings, mode: ProxyMode | undefined, report: Report): ProxyConfig {
  const configured = resolveChoice(settings, 'mode', PROXY_MODES, report);
  const inForce = mode ?? configured ?? 'iptables';
  const detectLocalMode = resolveChoice(settings, 'detectLocalMode', DETECT_LOCAL_MODES, report) ?? 'ClusterCIDR';
  checkProcessSettings(settings, inForce, report);
  return {
    mode: configured,
    hostnameOverride: resolveHostname(settings, report),
    bindAddress: resolveBindAddress(settings, report),
    clusterCIDRs: detectLocalMode === 'ClusterCIDR' ? resolveClusterCIDRs(settings, report) : NO_CIDRS,
    detectLocalMode,
    bridgeInterface:
      detectLocalMode === 'BridgeInterface' ? resolveInterface(settings, 'detectLocal.bridgeInterface', report) : '',
    interfaceNamePrefix:
      detectLocalMode === 'InterfaceNamePrefix'
        ? resolveInterface(settings, 'detectLocal.interfaceNamePrefix', report)
        : '',
    nodePortAddresses: resolveNodePortAddresses(settings, report),
    tcpBeLiberal: settings['conntrack.tcpBeLiberal'] ?? false,
    allowServiceExternalIPs: settings.featureGates?.AllowServiceExternalIPs ?? true,
    iptables: {
      masqueradeAll: settings['iptables.masqueradeAll'] ?? false,
      // Checked in every mode: ipvs uses it too, and kube-proxy does not look who needs it.
      masqueradeBit: resolveMasqueradeBit(settings, 'iptables.masqueradeBit', report),
      localhostNodePorts: settings['iptables.localhostNodePorts'] ?? true,
    },
    ipvs: resolveIpvs(settings, inMode('ipvs', inForce, report)),
    nftables: {
      masqueradeAll: settings['nftables.masqueradeAll'] ?? false,
      masqueradeBit: resolveMasqueradeBit(settings, 'nftables.masqueradeBit', inMode('nftables', inForce, report)),
    },
  };
}

const NO_CIDRS: ByFamily<undefined> = { ipv4: undefined, ipv6: undefined };

const PROXY_MODES: readonly ProxyMode[] = ['iptables', 'ipvs', 'nftables'];
const DETECT_LOCAL_MODES: readonly DetectLocalMode[] = [
  'ClusterCIDR',
  'NodeCIDR',
  'BridgeInterface',
  'InterfaceNamePrefix',
];

/** Reports problems of a mode's own section as mere warnings while another mode is in force. */
function inMode(mode: ProxyMode, inForce: ProxyMode, report: Report): Report {
  if (mode === inForce) return report;
  return (setting, problem) => {
    const hint = `It is read as not given; kube-proxy refuses it only in mode ${mode}.`;
    report(setting, { ...problem, code: 'unused-config-value', hint });
  };
}

function resolveChoice<T extends string>(
  settings: Settings,
  setting: 'mode' | 'detectLocalMode',
  choices: readonly T[],
  report: Report,
): T | undefined {
  const text = settings[setting] ?? '';
  if (text === '') return undefined;
  const choice = choices.find((each) => each === text);
  if (choice === undefined) {
    const near = choices.find((each) => each.toLowerCase() === text.trim().toLowerCase());
    const hint = near === undefined ? {} : { hint: `Write ${near}.` };
    report(setting, { message: `${show(text)} is not one of ${choices.join(', ')}.`, ...hint });
  }
  return choice;
}

/** What Go takes for white space; JavaScript's trim knows the byte-order mark instead of U+0085. */
const SPACE = /[\t-\r\u0085\p{Z}]/u;

function trimGoSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && SPACE.test(text.charAt(start))) start++;
  while (end > start && SPACE.test(text.charAt(end - 1))) end--;
  return text.slice(start, end);
}

function resolveHostname(settings: Settings, report: Report): string {
  const text = settings.hostnameOverride ?? '';
  const name = trimGoSpace(text).toLowerCase();
  if (text !== '' && name === '') report('hostnameOverride', { message: `${show(text)} is no name.` });
  return name;
}

function resolveBindAddress(settings: Settings, report: Report): IpAddress | undefined {
  const text = settings.bindAddress ?? '';
  if (text === '') return undefined;
  const ip = parseIp(text);
  if (ip === undefined) {
    report('bindAddress', { message: `${show(text)} is no IP address.` });
    return undefined;
  }
  if (ip.family === 'ipv4' && ip.text !== text) {
    const message = `${show(text)} is read as ${ip.text}, as kube-proxy does.`;
    report('bindAddress', { code: 'lenient-address', message, hint: `Write ${ip.text}.` });
  }
  return ip.text === '0.0.0.0' || ip.text === '::' ? undefined : ip;
}

function resolveClusterCIDRs(settings: Settings, report: Report): ByFamily<string | undefined> {
  const cidrs: Record<Family, string | undefined> = { ipv4: undefined, ipv6: undefined };
  if (settings.clusterCIDR === undefined) return cidrs;
  const texts = settings.clusterCIDR.split(',');
  const parsed = texts.map((text) => resolveCidr(text, 'clusterCIDR', [], report));
  for (const cidr of parsed) {
    if (cidr !== undefined) cidrs[cidr.family] ??= cidr.text;
  }
  const pair = texts.length === 2 && cidrs.ipv4 !== undefined && cidrs.ipv6 !== undefined;
  if (texts.length > 1 && !pair && !parsed.includes(undefined)) {
    const message = `${show(settings.clusterCIDR)} is neither one CIDR nor an IPv4 and an IPv6 one.`;
    report('clusterCIDR', { message });
  }
  return cidrs;
}

function resolveCidr(text: string, setting: Setting, step: FieldPath, report: Report): Cidr | undefined {
  const cidr = parseCidr(text);
  if (cidr === undefined) {
    const trimmed = text.trim();
    const bare = parseIp(trimmed);
    const meant = bare === undefined ? parseCidr(trimmed)?.text : `${bare.text}/${bare.family === 'ipv4' ? 32 : 128}`;
    const hint = meant === undefined ? {} : { hint: `Write ${meant}.` };
    report(setting, { message: `${show(text)} is no CIDR.`, step, ...hint });
  } else if (cidr.hadHostBits || (cidr.family === 'ipv4' ? text !== cidr.text : /\/0[0-9]/.test(text))) {
    const message = `${show(text)} is read as ${cidr.text}, as kube-proxy does.`;
    report(setting, { code: 'lenient-cidr', message, hint: `Write ${cidr.text}.`, step });
  }
  return cidr;
}

function resolveCidrs(texts: readonly string[], setting: Setting, report: Report): Cidr[] {
  return texts.flatMap((text, i) => resolveCidr(text, setting, [i], report) ?? []);
}

function resolveNodePortAddresses(settings: Settings, report: Report): 'primary' | readonly Cidr[] {
  const texts = settings.nodePortAddresses ?? [];
  if (texts.length === 1 && texts[0] === 'primary') return 'primary';
  for (const [i, text] of texts.entries()) {
    if (text !== 'primary') continue;
    report('nodePortAddresses', { message: '"primary" must stand alone in v1.36.', step: [i] });
    return [];
  }
  return resolveCidrs(texts, 'nodePortAddresses', report);
}

function resolveMasqueradeBit(
  settings: Settings,
  setting: 'iptables.masqueradeBit' | 'nftables.masqueradeBit',
  report: Report,
): number {
  const bit = settings[setting] ?? 14;
  if (bit >= 0 && bit <= 31) return bit;
  report(setting, { message: `${bit} is not from 0 to 31.` });
  return 14;
}

/**
 * The name of an interface, or the beginning of such names. It becomes an argument of iptables-restore and a quoted
 * text of nft, which know no escapes, so only names of ordinary characters are taken; the kernel allows more, and
 * kube-proxy anything. A `+` at the end would match more than it says in iptables.
 */
function resolveInterface(
  settings: Settings,
  setting: 'detectLocal.bridgeInterface' | 'detectLocal.interfaceNamePrefix',
  report: Report,
): string {
  const name = settings[setting] ?? '';
  const prefix = setting === 'detectLocal.interfaceNamePrefix';
  const limit = prefix ? 14 : 15;
  if (name === '') {
    report(setting, { message: `it must be given in mode ${prefix ? 'InterfaceNamePrefix' : 'BridgeInterface'}.` });
  } else if (name.length > limit) {
    const message = `${show(name)} is too long: the kernel allows 15 characters${prefix ? ', and one must be left' : ''}.`;
    report(setting, { message });
  } else if (name.endsWith('+') || name.endsWith('*')) {
    const hint = prefix ? { hint: `Write ${show(name.slice(0, -1))}: kube-proxy adds the wildcard.` } : {};
    report(setting, { message: `${show(name)} ends in a wildcard.`, ...hint });
  } else if (!/^[A-Za-z0-9_.][A-Za-z0-9_.@=~+-]*$/.test(name) || (!prefix && /^\.\.?$/.test(name))) {
    const hint = 'Letters, digits and _ . @ = ~ + - are allowed, and no sign but _ and . at the start.';
    report(setting, { message: `${show(name)} is no interface name that a rule can carry.`, hint });
  } else {
    return name;
  }
  return '';
}

/** Schedulers of Linux 6; the kernel module `ip_vs_NAME` is loaded on demand. */
export const IPVS_SCHEDULERS: ReadonlySet<string> = new Set(
  'rr wrr lc wlc fo ovf lblc lblcr sh dh sed nq mh twos'.split(' '),
);

/** 31 days: with more, ipvsadm refuses its whole input; kube-proxy itself would leave it to the kernel. */
const MOST_TIMEOUT_SECONDS = 2_678_400;

function resolveIpvs(settings: Settings, report: Report): IpvsConfig {
  const seconds = (setting: 'ipvs.tcpTimeout' | 'ipvs.tcpFinTimeout' | 'ipvs.udpTimeout') => {
    const value = settings[setting] ?? 0;
    if (value < 0) report(setting, { message: 'a timeout cannot be negative.' });
    else if (value >= MOST_TIMEOUT_SECONDS + 1) {
      const hint = 'Write at most 744h, or 0 to leave the kernel its own.';
      report(setting, { message: `ipvsadm takes no timeout above ${MOST_TIMEOUT_SECONDS}s.`, hint });
    } else return value;
    return 0;
  };
  return {
    scheduler: resolveScheduler(settings, report),
    excludeCIDRs: resolveCidrs(settings['ipvs.excludeCIDRs'] ?? [], 'ipvs.excludeCIDRs', report),
    strictARP: settings['ipvs.strictARP'] ?? false,
    tcpTimeoutSeconds: seconds('ipvs.tcpTimeout'),
    tcpFinTimeoutSeconds: seconds('ipvs.tcpFinTimeout'),
    udpTimeoutSeconds: seconds('ipvs.udpTimeout'),
  };
}

/** kube-proxy takes any text and leaves it to the kernel, which then refuses every virtual server; here it is an error. */
function resolveScheduler(settings: Settings, report: Report): string {
  const name = settings['ipvs.scheduler'] ?? '';
  if (name === '' || IPVS_SCHEDULERS.has(name)) return name || 'rr';
  const hint = `Linux has ${[...IPVS_SCHEDULERS].join(', ')}.`;
  report('ipvs.scheduler', { message: `${show(name)} is no IPVS scheduler of the Linux kernel.`, hint });
  return 'rr';
}

/** Settings that no rule depends on, but for which kube-proxy does not start. */
function checkProcessSettings(settings: Settings, inForce: ProxyMode, report: Report): void {
  const range = (setting: RangedSetting, min: number, max = Number.POSITIVE_INFINITY) => {
    const value = settings[setting] ?? 0;
    if (value >= min && value <= max) return;
    const message =
      max === Number.POSITIVE_INFINITY ? 'it cannot be negative.' : `${value} is not from ${min} to ${max}.`;
    report(setting, { message });
  };
  range('oomScoreAdj', -1000, 1000);
  range('clientConnection.burst', 0);
  range('conntrack.maxPerCore', 0);
  range('conntrack.min', 0);
  range('conntrack.tcpEstablishedTimeout', 0);
  range('conntrack.tcpCloseWaitTimeout', 0);
  range('conntrack.udpTimeout', 0);
  range('conntrack.udpStreamTimeout', 0);
  range('configSyncPeriod', 0);
  range('logging.flushFrequency', 0);
  checkSyncPeriods(settings, inForce, report);
  checkListenAddress(settings, 'healthzBindAddress', report);
  checkListenAddress(settings, 'metricsBindAddress', report);
  const version = settings.showHiddenMetricsForVersion ?? '';
  if (version !== '' && version !== '1.35') {
    const message = `${show(version)} is not 1.35, the minor version before this one.`;
    report('showHiddenMetricsForVersion', { message });
  }
  checkLogging(settings, report);
}

type RangedSetting = {
  [Name in Setting]: Settings[Name] extends number | undefined ? Name : never;
}[Setting];

/** The periods of the mode in force; 0 stands for the default, as it does in a file. */
function checkSyncPeriods(settings: Settings, inForce: ProxyMode, report: Report): void {
  const period = settings[`${inForce}.syncPeriod`] || 30;
  const least = settings[`${inForce}.minSyncPeriod`] || (inForce === 'ipvs' ? 0 : 1);
  if (period < 0) report(`${inForce}.syncPeriod`, { message: 'it cannot be negative.' });
  else if (least < 0) report(`${inForce}.minSyncPeriod`, { message: 'it cannot be negative.' });
  else if (least > period) {
    const message = `it is ${period}s, less than minSyncPeriod, which is ${least}s.`;
    report(`${inForce}.syncPeriod`, { message });
  }
}

/** `IP:port`, or an IP alone, to which kube-proxy adds the default port. */
function checkListenAddress(
  settings: Settings,
  setting: 'healthzBindAddress' | 'metricsBindAddress',
  report: Report,
): void {
  const text = settings[setting] ?? '';
  if (text === '' || parseIp(text) !== undefined) return;
  const match = /^(?:\[([^[\]]*)\]|([^[\]:]*)):([^[\]:]*)$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = match?.[3] ?? '';
  const portNumber = /^[+-]?[0-9]+$/.test(port) ? Number(port) : 0;
  if (match === null) report(setting, { message: `${show(text)} is not IP:port.` });
  else if (parseIp(host) === undefined)
    report(setting, { message: `${show(host)} in ${show(text)} is no IP address.` });
  else if (portNumber < 1 || portNumber > 65535) {
    report(setting, { message: `${show(port)} in ${show(text)} is no port from 1 to 65535.` });
  }
}

function checkLogging(settings: Settings, report: Report): void {
  const format = settings['logging.format'] ?? '';
  if (format !== '' && format !== 'text' && format !== 'json') {
    report('logging.format', { message: `${show(format)} is not one of text, json.` });
  }
  const patterns = settings['logging.vmodule'] ?? [];
  if (format === 'json' && patterns.length > 0) report('logging.vmodule', { message: 'it needs the format text.' });
  for (const [i, { filePattern = '' }] of patterns.entries()) {
    if (filePattern !== '' && !/[=,]/.test(filePattern)) continue;
    const message = `${show(filePattern)} is no file pattern: it must not be empty nor hold "=" or ",".`;
    report('logging.vmodule', { message, step: [i, 'filePattern'] });
  }
}

/**
 * kube-proxy's own command-line flags, as v1.36 has them: those that influence rules with their meaning, all others
 * accepted, so that the command line of a DaemonSet can be pasted. Values are read as Go's flag package reads them.
 */
import { type Command, Option } from 'commander';
import type { ProxyConfig, ProxyMode } from '../kube/config.js';
import { type ConfigProblem, resolveConfig } from '../kube/config-check.js';
import { parseDuration, type Setting, type Settings } from '../kube/config-fields.js';
import { type Diagnostic, diagnostic } from '../kube/diagnostics.js';
import { show } from '../kube/fields.js';

type FlagType = 'text' | 'boolean' | 'int32' | 'duration' | 'list' | 'switches';

/** A flag that influences rules, and the settings of the configuration file that it stands for. */
interface ProxyFlag {
  readonly name: string;
  readonly type: FlagType;
  readonly value?: string;
  readonly settings: readonly [Setting, ...Setting[]];
  readonly help: string;
}

const FLAGS: readonly ProxyFlag[] = [
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
  for (const { name, type, value, help } of FLAGS) {
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
class IgnoredValue {
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

/**
 * The configuration that the flags amount to. With a configuration file kube-proxy takes everything from that but the
 * node's name, so every other flag gives a warning then. Flags that no rule depends on give one note.
 * @param options what commander has read (`command.opts()`); other flags than kube-proxy's are passed over
 * @param config the configuration of `--config`; undefined without
 * @param mode the mode in force, when it is not the one of `--proxy-mode`
 */
export function configFromFlags(
  options: object,
  config: ProxyConfig | undefined,
  mode?: ProxyMode,
): { readonly config: ProxyConfig; readonly diagnostics: readonly Diagnostic[] } {
  const diagnostics: Diagnostic[] = [];
  const given = new Map<string, unknown>(Object.entries(options));
  const settings: Record<string, unknown> = {};
  for (const flag of FLAGS) {
    const raw = given.get(attributeName(flag.name));
    if (raw === undefined) continue;
    const value = readFlag(flag, raw, diagnostics);
    if (config !== undefined && !keepsItsMeaning(flag)) {
      const message = `--${flag.name} is ignored: with --config kube-proxy takes this from the file.`;
      diagnostics.push(diagnostic('config-overrides-flags', message, { hint: `Set ${flag.settings[0]} there.` }));
    } else if (value !== undefined) {
      for (const setting of flag.settings) settings[setting] = value;
    }
  }
  noteIgnored([...given.values()], diagnostics);
  const report = (setting: Setting, problem: ConfigProblem) => {
    diagnostics.push(flagDiagnostic(setting, problem));
  };
  // The type of every value is the one that its flag declares.
  const resolved = resolveConfig(settings as Settings, mode, report);
  if (config === undefined) return { config: resolved, diagnostics };
  const { hostnameOverride } = resolved;
  return { config: hostnameOverride === '' ? config : { ...config, hostnameOverride }, diagnostics };
}

function keepsItsMeaning(flag: ProxyFlag): boolean {
  return flag.name === 'hostname-override';
}

/** Commander's name of a flag: `masqueradeAll` for --masquerade-all. */
function attributeName(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

function noteIgnored(values: readonly unknown[], diagnostics: Diagnostic[]): void {
  const names = values.filter((value) => value instanceof IgnoredValue).map(({ name }) => `--${name}`);
  if (names.length === 0) return;
  const message = `${names.join(', ')}: no rule depends on ${names.length === 1 ? 'this flag' : 'these flags'}.`;
  diagnostics.push(diagnostic('ignored-flags', message));
}

function flagDiagnostic(setting: Setting, problem: ConfigProblem): Diagnostic {
  const flag = FLAGS.find((each) => each.settings.includes(setting));
  const { code = 'invalid-config', hint } = problem;
  const message = `${flag === undefined ? setting : `--${flag.name}`}: ${problem.message}`;
  return diagnostic(code, message, hint === undefined ? {} : { hint });
}

function readFlag(flag: ProxyFlag, raw: unknown, diagnostics: Diagnostic[]): unknown {
  const texts = Array.isArray(raw) ? raw.map(String) : [String(raw)];
  const value = parseFlag(flag.type, texts);
  if (value === undefined) {
    const message = `--${flag.name}: ${texts.map(show).join(', ')} is not ${EXPECTED[flag.type]}.`;
    diagnostics.push(diagnostic('invalid-config', message));
  }
  return value;
}

const EXPECTED: Readonly<Record<FlagType, string>> = {
  text: 'a text',
  boolean: 'true or false',
  int32: 'a whole number',
  duration: 'a duration such as 30s or 1h30m',
  list: 'a list',
  switches: 'a list like Name=true,Other=false',
};

/** undefined when it is none; the last of several texts counts, but for lists, which add up. */
function parseFlag(type: FlagType, texts: readonly string[]): unknown {
  const text = texts.at(-1) ?? '';
  switch (type) {
    case 'text':
      return text;
    case 'boolean':
      return parseGoBool(text);
    case 'int32':
      return parseGoInt32(text);
    case 'duration':
      return parseDuration(text);
    case 'list':
      return texts.flatMap(splitCsv);
    case 'switches':
      return parseSwitches(texts.flatMap((each) => each.split(',')));
  }
}

/** What Go's strconv.ParseBool takes; `yes` and `no` are not among it. */
function parseGoBool(text: string): boolean | undefined {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return true;
  return /^(?:0|f|F|FALSE|false|False)$/.test(text) ? false : undefined;
}

/** What Go's strconv.ParseInt takes with base 0: decimal, 0x1f, 0b11, 0o17 or 017, with `_` between digits. */
function parseGoInt32(text: string): number | undefined {
  const match = /^([+-]?)(?:(0x)((?:_?[0-9a-f])+)|(0b)((?:_?[01])+)|(0o?)((?:_?[0-7])+)|([1-9](?:_?[0-9])*|0))$/i.exec(
    text,
  );
  if (match === null) return undefined;
  const digits = (match[3] ?? match[5] ?? match[7] ?? match[8] ?? '').replaceAll('_', '');
  const base = match[2] !== undefined ? 16 : match[4] !== undefined ? 2 : match[6] !== undefined ? 8 : 10;
  const value = Number.parseInt(digits, base) * (match[1] === '-' ? -1 : 1);
  return value >= -(2 ** 31) && value < 2 ** 31 ? value : undefined;
}

/** Items between commas; one in quotes loses them, as Go reads the text as CSV. No item of interest holds a comma. */
function splitCsv(text: string): readonly string[] {
  return text === '' ? [] : text.split(',').map((item) => item.replace(/^"([^"]*)"$/, '$1'));
}

function parseSwitches(items: readonly string[]): Readonly<Record<string, boolean>> | undefined {
  const switches = new Map<string, boolean>();
  for (const item of items) {
    if (item.trim() === '') continue;
    const [name = '', text = ''] = item.split('=', 2);
    const value = parseGoBool(text.trim());
    if (value === undefined) return undefined;
    switches.set(name.trim(), value);
  }
  return Object.fromEntries(switches);
}

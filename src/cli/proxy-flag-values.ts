/** The configuration that kube-proxy's flags amount to. Values are read as Go's flag package reads them. */
import type { ProxyConfig, ProxyMode } from '../kube/config.js';
import { type ConfigProblem, resolveConfig } from '../kube/config-check.js';
import { parseDuration, type Setting, type Settings } from '../kube/config-fields.js';
import { type Diagnostic, diagnostic } from '../kube/diagnostics.js';
import { show } from '../kube/fields.js';
import { type FlagType, IgnoredValue, PROXY_FLAGS, type ProxyFlag } from './proxy-flags.js';

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
  for (const flag of PROXY_FLAGS) {
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
  const flag = PROXY_FLAGS.find((each) => each.settings.includes(setting));
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

/** Loads compiled IPVS text into a host's kernel, and reads back all that it made there. */
import { hasProgram } from './available.js';
import type { Backend, Texts } from './backend.js';
import type { Host } from './host.js';
import { flush, program, programsOf, readSetup, type Setup } from './iptables.js';
import { applyRestore, applySetup, emptyTables, setupInput, type TableState } from './normal-form.js';
import { type Family, families } from './places.js';

/** What a load leaves in a kernel, in one form for what was written and for what the kernel's programs print. */
export interface IpvsState {
  /** A line for each virtual and each real server, as `ipvsadm -S -n` prints it, in order of text. */
  readonly servers: readonly string[];
  /** After how many seconds idle connections are forgotten: TCP, TCP after a FIN, UDP. */
  readonly timeouts: string;
  /** By name, each set's type and its entries in order of text. */
  readonly sets: Readonly<Record<string, { readonly type: string; readonly entries: readonly string[] }>>;
  /** The addresses on kube-ipvs0 in order of text, or undefined if there is no such device. */
  readonly addresses: readonly string[] | undefined;
  readonly tables: Readonly<Record<Family, TableState>>;
  /** Kernel parameters, path below /proc/sys and value: those of the texts, and those that were read. */
  readonly parameters: Readonly<Record<string, string>>;
}

const device = 'kube-ipvs0';
/** The kernel's own timeouts. */
const defaultTimeouts = '900 120 300';

/** A host's kernel before anything is loaded. */
export function emptyKernel(): IpvsState {
  return {
    servers: [],
    timeouts: defaultTimeouts,
    sets: {},
    addresses: undefined,
    tables: { ipv4: emptyTables(), ipv6: emptyTables() },
    parameters: {},
  };
}

type Part = 'ipvsadm' | 'ipset' | 'rules' | 'addresses' | 'setup';

/** One of the five texts in every family that was compiled. */
function parts(texts: Texts, part: Part): { readonly family: Family; readonly text: string }[] {
  return families.flatMap((family) => {
    const text = texts.get(`ipvs.${family}.${part}`);
    return text === undefined ? [] : [{ family, text }];
  });
}

function setups(texts: Texts): { readonly family: Family; readonly setup: Setup }[] {
  return parts(texts, 'setup').map(({ family, text }) => ({ family, setup: readSetup(text) }));
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

function sorted(texts: readonly string[]): string[] {
  return [...texts].sort();
}

/** What the texts say that an empty kernel holds after they are loaded. */
export function stateOf(texts: Texts): IpvsState {
  const tables = { ipv4: emptyTables(), ipv6: emptyTables() };
  for (const { family, setup } of setups(texts)) applySetup(tables[family], setup.commands, family);
  for (const { family, text } of parts(texts, 'rules')) applyRestore(tables[family], text, family);
  const commands = parts(texts, 'ipvsadm').flatMap(({ text }) => lines(text));
  return {
    servers: sorted(commands.filter((line) => !line.startsWith('--set '))),
    timeouts: commands.filter((line) => line.startsWith('--set ')).reduce(setTimeouts, defaultTimeouts),
    sets: readSets(
      parts(texts, 'ipset')
        .map(({ text }) => text)
        .join(''),
    ),
    addresses: sorted(parts(texts, 'addresses').flatMap(({ text }) => lines(text))),
    tables,
    parameters: parametersOf(texts),
  };
}

function parametersOf(texts: Texts): Record<string, string> {
  return Object.assign({}, ...setups(texts).map(({ setup }) => setup.parameters));
}

/** What `--set TCP FIN UDP` makes of timeouts: 0 leaves one as it is. */
function setTimeouts(before: string, line: string): string {
  const old = before.split(' ');
  const [, ...wanted] = line.split(' ');
  return wanted.map((value, i) => (value === '0' ? old[i] : value)).join(' ');
}

/**
 * The sets of an `ipset restore` input or of what `ipset save` prints. The kernel chooses the size of the hash by
 * itself as a set grows, and prints a network of a single address without its prefix length.
 */
export function readSets(text: string): Record<string, { type: string; entries: string[] }> {
  const sets: Record<string, { type: string; entries: string[] }> = {};
  for (const line of lines(text)) {
    const [command, name = '', ...rest] = line.split(' ');
    const set = sets[name];
    if (command === 'create' && set === undefined) {
      const type = rest.join(' ').replace(/ (?:hashsize|bucketsize|initval) \w+/g, '');
      sets[name] = { type, entries: [] };
    } else if (command === 'add' && set !== undefined) {
      const entry = rest.join(' ').replace(set.type.includes('family inet6') ? /\/128$/ : /\/32$/, '');
      set.entries.push(entry);
    } else {
      throw new Error(`not a line about a set that was created before: ${line}`);
    }
  }
  for (const set of Object.values(sets)) set.entries.sort();
  return sets;
}

/** What `ip -json addr show` says about kube-ipvs0. Throws if it is up or has an address that is more than one. */
export function readAddresses(json: string): string[] | undefined {
  const devices = JSON.parse(json === '' ? '[]' : json) as {
    readonly ifname: string;
    readonly flags: readonly string[];
    readonly addr_info: readonly { readonly family: string; readonly local: string; readonly prefixlen: number }[];
  }[];
  const dummy = devices.find(({ ifname }) => ifname === device);
  if (dummy === undefined) return undefined;
  if (dummy.flags.includes('UP')) throw new Error(`${device} is up`);
  return sorted(
    dummy.addr_info.map(({ family, local, prefixlen }) => {
      const single = prefixlen === (family === 'inet' ? 32 : 128);
      return single ? local : `${local}/${prefixlen}`;
    }),
  );
}

/** A shell command with its standard input. */
function feed(command: string, input: string): string {
  return input === '' ? '' : `${command} <<'END OF INPUT'\n${input.replace(/\n*$/, '\n')}END OF INPUT\n`;
}

/**
 * A shell script that loads the texts into a kernel that holds `before`. One script for all, as starting a program
 * from a small shell is several times quicker than from Node, above all in user-mode-linux.
 */
export function loadScript(texts: Texts, before: IpvsState): string {
  const inputs = (part: Part): string =>
    parts(texts, part)
      .map(({ text }) => text)
      .join('');
  const setup = Object.fromEntries(setups(texts).map((one) => [one.family, one.setup]));
  return [
    'set -e\n',
    ...Object.entries(parametersOf(texts)).map(([path, value]) => `echo ${value} >/proc/sys/${path}\n`),
    // Without -exist an entry given twice is an error.
    feed(`ipset ${Object.keys(before.sets).length === 0 ? '' : '-exist '}restore`, inputs('ipset')),
    ...parts(texts, 'rules').map(({ family, text }) =>
      feed(
        `${program(family, 'legacy', 'restore')} -w 60 --noflush --counters`,
        setupInput(before.tables[family], setup[family]?.commands ?? [], family) + text,
      ),
    ),
    before.addresses === undefined ? `ip link add ${device} type dummy\n` : '',
    feed(
      'ip -batch -',
      parts(texts, 'addresses')
        .flatMap(({ family, text }) =>
          lines(text).map((address) => `addr replace ${address}/${family === 'ipv4' ? 32 : 128} dev ${device}\n`),
        )
        .join(''),
    ),
    // As ipvsadm-restore does it: what is there already would be an error.
    before.servers.length === 0 ? '' : 'ipvsadm -C\n',
    feed('ipvsadm -R', inputs('ipvsadm')),
  ].join('');
}

/** What readScript prints, in order; before each part a line with its name. */
const readings: Readonly<Record<string, string>> = {
  servers: 'ipvsadm -S -n',
  timeouts: 'ipvsadm -L --timeout',
  sets: 'ipset save',
  addresses: 'ip -json addr show',
  ipv4: program('ipv4', 'legacy', 'save'),
  ipv6: program('ipv6', 'legacy', 'save'),
};
const headline = '=== ';

/** A shell script that prints what a kernel holds; parseState reads its output. */
export function readScript(parameters: readonly string[]): string {
  const read = { ...readings, parameters: ['grep -H .', ...parameters.map((path) => `/proc/sys/${path}`)].join(' ') };
  return [
    'set -e\n',
    ...Object.entries(read).map(([name, command]) => `echo '${headline}${name}'\n${command}\n`),
    `echo '${headline}end'\n`,
  ].join('');
}

/** The states that one or more runs of readScript have printed. */
export function parseStates(output: string): IpvsState[] {
  const states: IpvsState[] = [];
  let section: Record<string, string> = {};
  for (const text of output.split(new RegExp(`^${headline}`, 'm')).slice(1)) {
    const name = text.slice(0, text.indexOf('\n'));
    section[name] = text.slice(text.indexOf('\n') + 1);
    if (name === 'end') {
      states.push(parseState(section));
      section = {};
    }
  }
  return states;
}

function parseState(section: Readonly<Record<string, string>>): IpvsState {
  const tables = { ipv4: emptyTables(), ipv6: emptyTables() };
  for (const family of families) applyRestore(tables[family], section[family] ?? '', family);
  return {
    servers: sorted(lines(section.servers ?? '')),
    timeouts: /: (\d+ \d+ \d+)$/m.exec(section.timeouts ?? '')?.[1] ?? 'none',
    sets: readSets(section.sets ?? ''),
    addresses: readAddresses(section.addresses ?? ''),
    tables,
    parameters: Object.fromEntries(
      lines(section.parameters ?? '').map((line) => {
        const [, path = '', value = ''] = /^\/proc\/sys\/([^:]*):(.*)$/.exec(line) ?? [];
        return [path, value];
      }),
    ),
  };
}

/**
 * Runs a script in a host, or in a new network namespace of its own if `apart`. Whatever is said on stderr is a
 * failure: the exit status of `ipvsadm -R` is that of its last line alone.
 */
export async function runScript(host: Host, script: string, apart = false): Promise<string> {
  const argv = [...(apart ? ['unshare', '--net'] : []), 'sh'];
  const [result] = await host.run([{ argv, input: script }]);
  if (result?.stderr !== '') throw new Error(`host ${host.name}: ${result?.stderr}\n--- script\n${script}`);
  return result.stdout;
}

/** Why IPVS cannot be tested on this machine, or undefined. */
export async function ipvsUnavailable(host: Host): Promise<string | undefined> {
  const missing = ['ipvsadm', 'ipset', 'ip', ...programsOf('legacy')].filter((name) => !hasProgram(name));
  if (missing.length > 0) return `missing programs: ${missing.join(', ')}`;
  const [list] = await host.run([{ argv: ['ipvsadm', '-L', '-n'], allow: [0, 1, 2, 255] }]);
  return list?.status === 0 ? undefined : `the kernel has no IPVS: ${list?.stderr.trim()}`;
}

export function ipvsBackend(): Backend {
  return {
    name: 'ipvs',
    mode: 'ipvs',
    unavailable: ipvsUnavailable,
    async clear(host, forwardPolicy) {
      await runScript(
        host,
        `ipvsadm -C\nif ip link show dev ${device} >/dev/null 2>&1; then ip link delete ${device}; fi\n`,
      );
      for (const family of families) await flush(host, family, 'legacy', forwardPolicy);
      // After the rules: a set in use cannot be destroyed.
      await runScript(host, 'ipset destroy\n');
    },
    async load(host, texts) {
      await runScript(host, loadScript(texts, emptyKernel()));
    },
  };
}

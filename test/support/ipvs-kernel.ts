/**
 * A host in memory with what IPVS mode writes to: virtual servers, sets, addresses, iptables rules, kernel parameters.
 * Its programs do what user-mode-linux was seen to do with ipvsadm 1.31, ipset 7.17 and iptables-legacy 1.8.9, and
 * throw for anything that the applier has no reason to do.
 */
import type { Command, Finished, Host } from '../../src/apply/host.js';

/** One state of it, to be compared. */
export interface KernelState {
  /** By service, its settings and its real servers with their weights. */
  readonly servers: Readonly<
    Record<string, { readonly settings: string; readonly real: Readonly<Record<string, number>> }>
  >;
  readonly timeouts: string;
  readonly sets: Readonly<Record<string, { readonly creation: string; readonly entries: readonly string[] }>>;
  /** By interface; undefined where there is no such device. */
  readonly addresses: Readonly<Record<string, readonly string[]>>;
  /** By family and table its chains. */
  readonly rules: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
}

/** The host. */
export interface IpvsKernel extends Host {
  /** Connections by real server: `-t 10.96.0.10:80 -r 10.244.1.5:8080`. */
  readonly connections: Map<string, number>;
  /** Every program that ran, and every parameter that was written. */
  readonly done: string[];
  /** Is asked before anything is done; where it throws nothing is. */
  before: (command: string) => void;
  /** Is told of each line that was carried out. */
  after: (line: string) => void;
  /** Modules that are not there: `ip_vs`, `ip_set`, `dummy`, `ip_vs_mh`. */
  readonly missing: Set<string>;
  /** Modules that are there and not loaded: `ip_vs`, `ip_set`. Asking for what they do loads them. */
  readonly unloaded: Set<string>;
  /** What a program prints, without its being noted anywhere. */
  look(command: Command): string;
  state(): KernelState;
}

interface VirtualServer {
  settings: string;
  readonly real: Map<string, { method: string; weight: number }>;
}

interface IpSet {
  creation: string;
  readonly entries: Set<string>;
}

const OK: Finished = { status: 0, stdout: '', stderr: '', trouble: '' };

function failed(status: number, stderr: string): Finished {
  return { status, stdout: '', stderr: `${stderr}\n`, trouble: '' };
}

/**
 * Makes one, with modules loaded and nothing else.
 * @param addresses of its network interface, with prefix lengths
 * @param programs that it has
 */
export function createIpvsKernel(
  addresses: readonly string[],
  programs: readonly string[] = ['ip', 'ipset', 'ipvsadm', 'iptables', 'ip6tables', 'modprobe'],
): IpvsKernel {
  const servers = new Map<string, VirtualServer>();
  let timeouts = '900 120 300';
  let sets = new Map<string, IpSet>();
  const interfaces = new Map<string, Set<string>>([['eth0', new Set(addresses)]]);
  const tables = new Map<string, Map<string, string[]>>();
  for (const family of ['iptables', 'ip6tables']) {
    tables.set(
      `${family} filter`,
      new Map([
        ['INPUT', []],
        ['FORWARD', []],
        ['OUTPUT', []],
      ]),
    );
    tables.set(
      `${family} nat`,
      new Map([
        ['PREROUTING', []],
        ['INPUT', []],
        ['OUTPUT', []],
        ['POSTROUTING', []],
      ]),
    );
  }
  const files = new Map<string, string>([
    ['/proc/sys/kernel/osrelease', '6.1.176\n'],
    ['/proc/sys/net/ipv4/vs/conn_reuse_mode', '1\n'],
    ['/proc/modules', ''],
    ['/proc/net/ip_tables_names', 'nat\nfilter\n'],
    ['/proc/net/ip6_tables_names', 'nat\nfilter\n'],
  ]);

  const isNamed = (set: string): boolean =>
    [...tables.values()].some((chains) =>
      [...chains.values()].some((rules) => rules.some((rule) => rule.includes(`--match-set ${set} `))),
    );

  const ipvsLine = (line: string): string | undefined => {
    const set = /^--set (\d+) (\d+) (\d+)$/.exec(line);
    if (set !== null) {
      timeouts = timeouts
        .split(' ')
        .map((old, i) => (set[i + 1] === '0' ? old : (set[i + 1] ?? old)))
        .join(' ');
      return undefined;
    }
    const [, command, key = '', rest = ''] = /^-([AEDaed]) ((?:-t|-u|--sctp-service) \S+)(?: (.*))?$/.exec(line) ?? [];
    const server = servers.get(key);
    if (command === 'A') {
      const scheduler = /-s (\S+)/.exec(rest)?.[1];
      if (kernel.missing.has(`ip_vs_${scheduler}`)) return 'Scheduler or persistence engine not found';
      if (server !== undefined) return 'Service already exists';
      servers.set(key, { settings: rest, real: new Map() });
      return undefined;
    }
    if (command === 'E' || command === 'D') {
      if (server === undefined) return 'No such service';
      if (command === 'E') server.settings = rest;
      else servers.delete(key);
      return undefined;
    }
    const [, real, method = '', weight] = /^-r (\S+)(?: (-[mgi]) -w (\d+))?$/.exec(rest) ?? [];
    if (command === undefined || real === undefined || (command !== 'd' && weight === undefined)) {
      throw new Error(`ipvsadm is given ${line}`);
    }
    if (server === undefined) return 'Service not defined';
    if (command === 'a' && server.real.has(real)) return 'Destination already exists';
    if (command !== 'a' && !server.real.has(real)) return 'No such destination';
    if (command === 'd') server.real.delete(real);
    else server.real.set(real, { method, weight: Number(weight) });
    return undefined;
  };

  const ipvsadm = (args: readonly string[], input: string | undefined): Finished => {
    const text = args.join(' ');
    if (kernel.missing.has('ip_vs')) return failed(2, "Can't initialize ipvs: Protocol not available");
    if (text === '-S -n') {
      const lines = [...servers].flatMap(([key, { settings, real }]) => [
        `-A ${key} ${settings}`,
        ...Array.from(real, ([address, { method, weight }]) => `-a ${key} -r ${address} ${method} -w ${weight}`),
      ]);
      return { ...OK, stdout: lines.map((line) => `${line}\n`).join('') };
    }
    if (text === '-L --timeout') return { ...OK, stdout: `Timeout (tcp tcpfin udp): ${timeouts}\n` };
    if (text === '-L -n') return { ...OK, stdout: listing() };
    const said: string[] = [];
    let status = 0;
    for (const line of text === '-R' ? (input ?? '').split('\n').slice(0, -1) : [text]) {
      const problem = ipvsLine(line);
      status = problem === undefined ? 0 : 255;
      if (problem === undefined) kernel.after(line);
      else said.push(problem);
    }
    return { ...OK, status, stderr: said.map((line) => `${line}\n`).join('') };
  };

  const PROTOCOLS: Readonly<Record<string, string>> = { '-t': 'TCP', '-u': 'UDP', '--sctp-service': 'SCTP' };
  const listing = (): string => {
    const lines = [...servers].flatMap(([key, { settings, real }]) => {
      const [option = '', address] = key.split(' ');
      return [
        `${PROTOCOLS[option]}  ${address} ${settings.replace('-s ', '').replace('-p', 'persistent')}`,
        ...Array.from(real, ([to, { weight }]) => {
          const count = kernel.connections.get(`${key} -r ${to}`) ?? 0;
          return `  -> ${to.padEnd(28)} Masq    ${String(weight).padEnd(6)} ${String(count).padEnd(10)} 0         `;
        }),
      ];
    });
    return `IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n${lines.join('\n')}\n`;
  };

  const ipset = (args: readonly string[], input: string | undefined): Finished => {
    const text = args.join(' ');
    if (kernel.missing.has('ip_set')) return failed(1, 'ipset v7.17: Cannot open session to kernel.');
    if (text === 'save') {
      const lines = [...sets].flatMap(([name, { creation, entries }]) => [
        `create ${name} ${creation}${creation.startsWith('hash:') ? ' bucketsize 12 initval 0x31c6bb15' : ''}`,
        ...Array.from(entries, (entry) => `add ${name} ${entry}`),
      ]);
      return { ...OK, stdout: lines.map((line) => `${line}\n`).join('') };
    }
    if (text !== 'restore -exist') throw new Error(`ipset is run with ${text}`);
    for (const [i, line] of (input ?? '').split('\n').slice(0, -1).entries()) {
      const problem = ipsetLine(line);
      if (problem !== undefined) return failed(1, `ipset v7.17: Error in line ${i + 1}: ${problem}`);
      kernel.after(line);
    }
    return OK;
  };

  const ipsetLine = (line: string): string | undefined => {
    const [command, name = '', ...words] = line.split(' ');
    const set = sets.get(name);
    const [first = ''] = words;
    if (command === 'create') {
      const creation = words.join(' ').replace(/ bucketsize.*$/, '');
      const sizeOf = (each: string): string => each.replace(/family \S+ |hashsize \S+ /g, '');
      if (set !== undefined && sizeOf(set.creation) !== sizeOf(creation))
        return 'Set cannot be created: set with the same name already exists';
      if (set === undefined) sets.set(name, { creation, entries: new Set() });
      return undefined;
    }
    if (set === undefined) return 'The set with the given name does not exist';
    if (command === 'add') set.entries.add(first);
    else if (command === 'del') set.entries.delete(first);
    else if (command === 'swap') {
      const other = sets.get(first);
      const typeOf = (each: string | undefined): string => (each ?? '').replace(/ (hashsize|maxelem) \S+/g, '');
      if (other === undefined || typeOf(other.creation) !== typeOf(set.creation))
        return 'The sets cannot be swapped: their type does not match';
      sets = new Map(Array.from(sets, ([key, value]) => [key, key === name ? other : key === first ? set : value]));
    } else if (command === 'destroy') {
      if (isNamed(name)) return 'Set cannot be destroyed: it is in use by a kernel component';
      sets.delete(name);
    } else throw new Error(`ipset is given ${line}`);
    return undefined;
  };

  const ip = (args: readonly string[], input: string | undefined): Finished => {
    const text = args.join(' ');
    const device = interfaces.get('kube-ipvs0');
    switch (text) {
      case '-o link show dev kube-ipvs0':
        return device === undefined ? failed(1, 'Device "kube-ipvs0" does not exist.') : OK;
      case '-o addr show': {
        const lines = [...interfaces].flatMap(([name, addresses], i) =>
          Array.from(addresses, (address) => {
            const kind = address.includes(':') ? 'inet6' : 'inet';
            return `${i + 1}: ${name}    ${kind} ${address} scope global ${kind === 'inet' ? name : ''}\\       valid_lft forever preferred_lft forever\n`;
          }),
        );
        return { ...OK, stdout: lines.join('') };
      }
      case 'link add kube-ipvs0 type dummy':
        if (kernel.missing.has('dummy')) return failed(2, 'RTNETLINK answers: Operation not supported');
        if (device !== undefined) return failed(2, 'RTNETLINK answers: File exists');
        interfaces.set('kube-ipvs0', new Set());
        kernel.after(text);
        return OK;
      case 'link delete kube-ipvs0':
        if (device === undefined) return failed(1, 'Cannot find device "kube-ipvs0"');
        interfaces.delete('kube-ipvs0');
        kernel.after(text);
        return OK;
      case '-batch -':
        break;
      default:
        throw new Error(`ip is run with ${text}`);
    }
    for (const [i, line] of (input ?? '').split('\n').slice(0, -1).entries()) {
      const [, command, address = ''] = /^addr (add|del) (\S+) dev kube-ipvs0$/.exec(line) ?? [];
      if (command === undefined) throw new Error(`ip is given ${line}`);
      const problem =
        device === undefined
          ? 'Cannot find device "kube-ipvs0"'
          : command === 'add' && device.has(address)
            ? 'RTNETLINK answers: File exists'
            : command === 'del' && !device.has(address)
              ? 'RTNETLINK answers: Cannot assign requested address'
              : undefined;
      if (problem !== undefined) return failed(1, `${problem}\nCommand failed -:${i + 1}`);
      if (command === 'add') device?.add(address);
      else device?.delete(address);
      kernel.after(line);
    }
    return OK;
  };

  const iptables = (program: string, args: readonly string[], input: string | undefined): Finished => {
    const [, family = '', what] = /^(ip6?tables)(?:-legacy)?(-save|-restore)?$/.exec(program) ?? [];
    if (args.join(' ') === '--version') return { ...OK, stdout: `${family} v1.8.9 (legacy)\n` };
    if (what === '-save') {
      const text = ['filter', 'nat'].map((table) => {
        const chains = [...(tables.get(`${family} ${table}`) ?? [])];
        const heads = chains.map(([name]) => `:${name} ${/^[A-Z]+$/.test(name) ? 'ACCEPT' : '-'} [0:0]\n`);
        return `*${table}\n${heads.join('')}${chains.flatMap(([name, rules]) => rules.map((rule) => `-A ${name}${rule}\n`)).join('')}COMMIT\n`;
      });
      return { ...OK, stdout: text.join('') };
    }
    if (what !== '-restore') throw new Error(`${program} is run with ${args.join(' ')}`);
    for (const section of (input ?? '').split('COMMIT\n').slice(0, -1)) {
      const [head = '', ...lines] = section.split('\n').slice(0, -1);
      const key = `${family} ${head.slice(1)}`;
      const chains = new Map(Array.from(tables.get(key) ?? [], ([name, rules]) => [name, [...rules]]));
      for (const line of lines) {
        const [, declared] = /^:(\S+)/.exec(line) ?? [];
        if (declared !== undefined) {
          chains.set(declared, []);
          continue;
        }
        const [, command, chain = '', rule = ''] = /^-([AIDX]) (\S+)(.*)$/.exec(line) ?? [];
        const rules = chains.get(chain);
        if (rules === undefined) return failed(1, `${program}: line 1 failed: no chain ${chain}`);
        for (const [, set = ''] of rule.matchAll(/--match-set (\S+)/g)) {
          if (!sets.has(set)) return failed(2, `${program}: Set ${set} doesn't exist.`);
        }
        if (command === 'A') rules.push(rule);
        else if (command === 'I') rules.unshift(rule);
        else if (command === 'D') rules.splice(rules.indexOf(rule), 1);
        else chains.delete(chain);
      }
      tables.set(key, chains);
      kernel.after(`${key} committed`);
    }
    return OK;
  };

  const run = ({ program, args, input }: Command): Finished => {
    if (!programs.includes(program.replace(/-.*$/, ''))) return { ...OK, status: undefined, trouble: 'ENOENT' };
    if (program === 'ip') return ip(args, input);
    if (program === 'ipset') {
      kernel.unloaded.delete('ip_set');
      return ipset(args, input);
    }
    if (program === 'ipvsadm') {
      kernel.unloaded.delete('ip_vs');
      return ipvsadm(args, input);
    }
    if (program === 'modprobe') return modprobe(args);
    return iptables(program, args, input);
  };

  const modprobe = (args: readonly string[]): Finished => {
    const module = args.at(-1) ?? '';
    if (!kernel.unloaded.has(module)) return failed(1, `modprobe: FATAL: Module ${module} not found.`);
    if (args.join(' ') === `-D ${module}`) return { ...OK, stdout: `insmod ${module}.ko\n` };
    if (args.length !== 1) throw new Error(`modprobe is run with ${args.join(' ')}`);
    kernel.unloaded.delete(module);
    return OK;
  };

  const isLoaded = (module: string): boolean => !kernel.missing.has(module) && !kernel.unloaded.has(module);

  const kernel: IpvsKernel = {
    connections: new Map(),
    done: [],
    missing: new Set(),
    unloaded: new Set(),
    before: () => {},
    after: () => {},
    async run(command) {
      const text = [command.program, ...command.args].join(' ');
      kernel.before(text);
      kernel.done.push(text);
      return run(command);
    },
    read(path) {
      if (path === '/proc/net/if_inet6') return '';
      if (path === '/proc/net/ip_vs') return isLoaded('ip_vs') ? '' : undefined;
      if (path.startsWith('/sys/module/ip_set/')) return isLoaded('ip_set') ? '256' : undefined;
      return files.get(path) ?? (path.startsWith('/proc/sys/net/') ? '0\n' : undefined);
    },
    write(path, text) {
      kernel.before(`write ${path}`);
      kernel.done.push(`write ${path}`);
      files.set(path, `${text}\n`);
    },
    look: (command) => run(command).stdout,
    state: () => ({
      servers: Object.fromEntries(
        [...servers]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, { settings, real }]) => [
            key,
            { settings, real: Object.fromEntries([...real].sort().map(([to, { weight }]) => [to, weight])) },
          ]),
      ),
      timeouts,
      sets: Object.fromEntries(
        [...sets].sort().map(([name, { creation, entries }]) => [name, { creation, entries: [...entries].sort() }]),
      ),
      addresses: Object.fromEntries([...interfaces].map(([name, all]) => [name, [...all].sort()])),
      rules: Object.fromEntries(
        [...tables].map(([key, chains]) => [
          key,
          Object.fromEntries([...chains].map(([name, all]) => [name, [...all]])),
        ]),
      ),
    }),
  };
  return kernel;
}

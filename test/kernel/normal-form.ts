/**
 * One form for rules that mean the same, so that what was loaded can be compared with what iptables-save prints.
 *
 * The kernel side rewrites a rule: bare addresses get a mask and move to the front, `-p` comes before the matches,
 * `--or-mark` and `--xor-mark` become `--set-xmark`, marks lose leading zeros, comments gain quotes, `recent` gains
 * `--mask` and `--rsource`, a probability is rounded to 31 bits, REJECT gains its `--reject-with`, the options of `ipvs`
 * change places and its protocol becomes a number. Nothing else may differ, and a word that is not known here is an
 * error: it could mean anything.
 */
import type { Family } from './places.js';

/** The chains of each table with their rules in normal form, in order. */
export type TableState = Record<string, Record<string, string[]>>;

/**
 * Splits a rule into arguments at blanks. Double quotes hold an argument together and are not part of it; a backslash
 * inside them takes the next character as it is, as iptables-save writes it. There is no shell in this.
 */
export function splitArguments(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quoted = false;
  for (let i = 0; i < line.length; i++) {
    const char = line.charAt(i);
    if (char === '"') {
      quoted = !quoted;
      word ??= '';
    } else if (quoted && char === '\\') {
      word += line.charAt(++i);
    } else if (!quoted && (char === ' ' || char === '\t')) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? '') + char;
    }
  }
  if (quoted) throw new Error(`a quote is not closed: ${line}`);
  if (word !== undefined) words.push(word);
  return words;
}

/** The options of each match and target that kube-proxy's rules use, each with the number of its values. */
const matchOptions: Readonly<Record<string, Readonly<Record<string, 0 | 1 | 2>>>> = {
  addrtype: { '--dst-type': 1, '--src-type': 1 },
  comment: { '--comment': 1 },
  conntrack: { '--ctstate': 1 },
  ipvs: { '--vaddr': 1, '--vproto': 1, '--vport': 1 },
  mark: { '--mark': 1 },
  physdev: { '--physdev-is-in': 0 },
  recent: {
    '--name': 1,
    '--set': 0,
    '--rcheck': 0,
    '--seconds': 1,
    '--reap': 0,
    '--mask': 1,
    '--rsource': 0,
  },
  sctp: { '--dport': 1 },
  set: { '--match-set': 2 },
  statistic: { '--mode': 1, '--probability': 1 },
  tcp: { '--dport': 1 },
  udp: { '--dport': 1 },
};
const targetOptions: Readonly<Record<string, Readonly<Record<string, 0 | 1>>>> = {
  DNAT: { '--to-destination': 1 },
  MARK: { '--set-xmark': 1, '--or-mark': 1, '--xor-mark': 1 },
  MASQUERADE: { '--random-fully': 0 },
  REJECT: { '--reject-with': 1 },
};
/** Protocols that are written by name and printed by number. */
const protocolNumbers: Readonly<Record<string, string>> = { tcp: '6', udp: '17', sctp: '132' };
/** What every rule can say without a match, in the order in which iptables-save prints it. */
const baseOptions = ['-s', '-d', '-i', '-o', '-p'];

/** One option with its values; `!` before it is part of it. */
type Option = string[];

/** The normal form of a rule, from its arguments after the chain's name. Throws at a word it does not know. */
export function normalRule(args: readonly string[], family: Family): string {
  const base = new Map<string, string>();
  const matches: { name: string; options: Option[] }[] = [];
  let target: { name: string; options: Option[] } | undefined;

  for (let i = 0; i < args.length; i++) {
    const inverted = args[i] === '!';
    if (inverted) i++;
    const word = args[i];
    const value = (): string => {
      const next = args[++i];
      if (next === undefined) throw new Error(`${word} needs a value: ${args.join(' ')}`);
      return next;
    };
    if (word === '-m') {
      matches.push({ name: value(), options: [] });
    } else if (word === '-j') {
      target = { name: value(), options: [] };
    } else if (word !== undefined && baseOptions.includes(word)) {
      const text = word === '-s' || word === '-d' ? withMask(value(), family) : value();
      // A rule for every address says the same as one that names none.
      if (inverted || !text.endsWith('/0')) base.set(word, `${inverted ? '! ' : ''}${word} ${text}`);
    } else {
      const owner = target ?? matches.at(-1);
      const known = target === undefined ? matchOptions : targetOptions;
      const values = word === undefined ? undefined : known[owner?.name ?? '']?.[word];
      if (word === undefined || owner === undefined || values === undefined) {
        throw new Error(`"${word ?? '!'}" is not known here: ${args.join(' ')}`);
      }
      const option = [word, ...Array.from({ length: values }, value)];
      owner.options.push(inverted ? ['!', ...option] : option);
    }
  }

  return [
    ...baseOptions.flatMap((option) => base.get(option) ?? []),
    ...matches.map(({ name, options }) => ['-m', name, ...printed(name, normalMatch(name, options, family))].join(' ')),
    ...(target === undefined
      ? []
      : [['-j', target.name, ...printed(target.name, normalTarget(target.name, target.options, family))].join(' ')]),
  ].join(' ');
}

function printed(owner: string, options: readonly Option[]): string[] {
  return options.flatMap((option) => (owner === 'comment' ? [`${option[0]} "${option[1]}"`] : option));
}

function normalMatch(name: string, options: Option[], family: Family): Option[] {
  switch (name) {
    case 'conntrack':
      return mapValue(options, '--ctstate', (states) => states.split(',').sort().join(','));
    case 'ipvs':
      return mapValue(options, '--vproto', (protocol) => protocolNumbers[protocol] ?? protocol).sort(byText);
    case 'mark':
      return mapValue(options, '--mark', markWithMask);
    case 'statistic':
      // The kernel keeps a probability as a number of 2^31ths.
      return mapValue(options, '--probability', (p) => `${Math.round(Number(p) * 2 ** 31)}/2^31`);
    case 'recent':
      return withDefaults(options, [
        ['--mask', family === 'ipv4' ? '255.255.255.255' : 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
        ['--rsource'],
      ]).sort(byText);
    default:
      return options;
  }
}

function normalTarget(name: string, options: Option[], family: Family): Option[] {
  switch (name) {
    case 'MARK':
      return options.map(([option, text = '']) => {
        if (option === '--or-mark') return ['--set-xmark', markWithMask(`${text}/${text}`)];
        if (option === '--xor-mark') return ['--set-xmark', markWithMask(`${text}/0x0`)];
        return ['--set-xmark', markWithMask(text)];
      });
    case 'REJECT':
      return withDefaults(options, [
        ['--reject-with', family === 'ipv4' ? 'icmp-port-unreachable' : 'icmp6-port-unreachable'],
      ]);
    default:
      return options;
  }
}

function byText(a: Option, b: Option): number {
  return String(a) < String(b) ? -1 : 1;
}

function mapValue(options: Option[], name: string, change: (value: string) => string): Option[] {
  return options.map((option) =>
    option.at(-2) === name ? [...option.slice(0, -1), change(option.at(-1) ?? '')] : option,
  );
}

function withDefaults(options: Option[], defaults: readonly Option[]): Option[] {
  return [...options, ...defaults.filter(([name]) => !options.some((option) => option.includes(name ?? '')))];
}

function withMask(address: string, family: Family): string {
  return address.includes('/') ? address : `${address}/${family === 'ipv4' ? 32 : 128}`;
}

function markWithMask(text: string): string {
  const [value = '', mask = '0xffffffff'] = text.split('/');
  const hex = (digits: string): string => `0x${Number(digits).toString(16)}`;
  return `${hex(value)}/${hex(mask)}`;
}

/** The tables as the kernel has them before anything is loaded. */
export function emptyTables(): TableState {
  return {
    filter: { INPUT: [], FORWARD: [], OUTPUT: [] },
    nat: { PREROUTING: [], INPUT: [], OUTPUT: [], POSTROUTING: [] },
  };
}

function chainOf(state: TableState, table: string, chain: string | undefined): string[] {
  const rules = state[table]?.[chain ?? ''];
  if (rules === undefined) throw new Error(`table ${table} has no chain ${chain}`);
  return rules;
}

/**
 * What a setup file does to tables: makes chains that are missing (`-N`) and puts rules that are missing at the head
 * of their chain (`-I`). Returns the commands of what was missing.
 */
export function applySetup(
  state: TableState,
  commands: readonly (readonly string[])[],
  family: Family,
): (readonly string[])[] {
  return commands.filter(([flag, table = '', op, chain = '', ...rule]) => {
    if (flag !== '-t') throw new Error(`a setup command starts with -t TABLE, not with ${flag}`);
    if (op === '-N') {
      state[table] ??= {};
      const missing = state[table][chain] === undefined;
      state[table][chain] ??= [];
      return missing;
    }
    if (op === '-I') {
      const rules = chainOf(state, table, chain);
      const text = normalRule(rule, family);
      const missing = !rules.includes(text);
      if (missing) rules.unshift(text);
      return missing;
    }
    throw new Error(`a setup command is -N or -I, not ${op}`);
  });
}

/**
 * The `iptables-restore --noflush` input that does what a setup file says to tables as they are: each chain and each jump
 * only if it is missing. One program for all, where starting one for each command takes too long.
 */
export function setupInput(state: TableState, commands: readonly (readonly string[])[], family: Family): string {
  const missing = applySetup(structuredClone(state), commands, family);
  const quoted = (word: string): string => (word.includes(' ') ? `"${word}"` : word);
  return missing.map(([, table, ...rest]) => `*${table}\n${rest.map(quoted).join(' ')}\nCOMMIT\n`).join('');
}

/**
 * What `iptables-restore --noflush` makes of tables. It reads what iptables-save prints just as well: a chain line
 * empties a chain of ours, and makes it if need be.
 */
export function applyRestore(state: TableState, text: string, family: Family): void {
  let table = '';
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#') || line === 'COMMIT') continue;
    if (line.startsWith('*')) {
      table = line.slice(1);
      state[table] ??= {};
      continue;
    }
    const [first = '', second = '', ...rest] = splitArguments(line);
    const chains = state[table];
    if (chains === undefined) throw new Error(`no table before: ${line}`);
    if (first.startsWith(':')) {
      // A built-in chain has a policy, and its chain line sets only that.
      if (second === '-') chains[first.slice(1)] = [];
      else chains[first.slice(1)] ??= [];
    } else if (first === '-A') chainOf(state, table, second).push(normalRule(rest, family));
    else if (first === '-X') delete chains[second];
    else throw new Error(`not a line of a restore input: ${line}`);
  }
}

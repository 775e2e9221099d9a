/** kube-proxy's chains of one family: iptables mode, and the rules of IPVS mode. */
import { JUMPS_TEXT as IPTABLES_JUMPS } from '../backends/iptables/setup.js';
import { JUMPS_TEXT as IPVS_JUMPS } from '../backends/ipvs/setup.js';
import {
  changeXtables,
  foreignAmong,
  type Ownership,
  ownXtables,
  type WrittenChain,
} from '../backends/xtables/changes.js';
import { mergedRules } from '../backends/xtables/merge.js';
import { rulesForVersion } from '../backends/xtables/old-iptables.js';
import { ruleKey } from '../backends/xtables/quick-rule.js';
import { printSetup, readSetup, type SetupStep } from '../backends/xtables/setup-text.js';
import { printXtables, readXtables, type XtablesText, xtablesTable } from '../backends/xtables/text.js';
import { type Area, NO_WORK, type Reading, type Step } from './area.js';
import type { Command, Host } from './host.js';
import { changedParameters, parameterSteps } from './parameters.js';
import { commandTrouble, parsed, trouble } from './trouble.js';
import { demandVersion, findIptables, type Iptables, legacyTables, restoreCommand } from './variant.js';
import type { WantedRules } from './wanted.js';

/** How programs are run. */
export interface RulesOptions {
  readonly host: Host;
  /** In seconds: how long to wait for the xtables lock; at least 1, as 0 means without end to the legacy variant. */
  readonly wait: number;
}

/** The jumps of all modes that use iptables, by which kube-proxy's own rules of built-in chains are told. */
export const KNOWN_JUMPS = readSetup({ name: 'jumps', text: IPTABLES_JUMPS + IPVS_JUMPS }).steps;

/** The chains of one family. */
export function rulesArea(wanted: WantedRules, options: RulesOptions): Area {
  return { wanted, undoable: true, read: () => readRules(wanted, options) };
}

/** What was read of chains. */
export interface RulesReading extends Reading {
  readonly former: WantedRules;
  /** The first half of the work, with which rules that are to go stay in force. */
  readonly additions: () => readonly Step[];
}

/** Reads the chains, and says what leads from there to what is wanted. */
export async function readRules(wanted: WantedRules, { host, wait }: RulesOptions): Promise<RulesReading> {
  const { family, variant } = wanted;
  const nothing: RulesReading = {
    work: NO_WORK,
    former: { ...wanted, rules: '', setup: '', clean: true },
    additions: () => [],
  };
  const wantsNothing = wanted.rules === '' && wanted.setup === '';
  // Reading would make the tables.
  if (wantsNothing && variant === 'legacy' && legacyTables(host, family).length === 0) return nothing;
  const tools = await findIptables(host, variant, family);
  if (tools === undefined) {
    if (wantsNothing && variant === 'legacy') {
      const note = `iptables-legacy is not in PATH, so nobody looked whether kube-proxy's rules are in its tables.`;
      return { ...nothing, work: { ...NO_WORK, notes: [note] } };
    }
    if (wantsNothing && !(await nftHasRules(wanted, host))) return nothing;
    const program = `${family === 'ipv4' ? 'iptables' : 'ip6tables'}-${variant}-restore`;
    const missing = { status: undefined, stdout: '', stderr: '', trouble: 'ENOENT' };
    const purpose = wantsNothing ? `to remove kube-proxy's ${family} rules` : `to write ${family} rules`;
    throw commandTrouble({ program, args: [] }, missing, purpose);
  }
  const current = await saved(host, tools, wanted);
  const text = rulesForVersion(wanted.rules, tools.version);
  const rules = parsed(readXtables({ name: 'rules', text }), (read) => read.text);
  const setup = parsed(readSetup({ name: 'setup', text: wanted.setup }), ({ steps }) => steps);
  const foreign = foreignAmong({ rules, setup }, KNOWN_JUMPS);
  if (foreign !== undefined) {
    throw trouble('unreadable-rules', `${foreign} is not kube-proxy's, and would not be left as it is.`);
  }
  const owned: Ownership = {
    jumps: KNOWN_JUMPS,
    canaries: wanted.clean,
    // kubelet makes it for IPv4 only.
    firewall: family === 'ipv6' || !hasKubelet(current),
    chainsAtOnce: variant === 'nft' ? CHAINS_AT_ONCE : undefined,
  };
  const { inputs, changes, referred, written } = changeXtables({ rules, setup }, current, owned);
  const parameters = changedParameters(setup, host);
  const stepsOf = (all: readonly string[]): readonly Step[] => {
    if (all.length > 0) demandVersion(tools);
    const purpose = `to write the ${family} rules`;
    const restores = all.map((input): Step => {
      return { kind: 'command', command: restoreCommand(tools, input, wait), purpose };
    });
    return [...parameterSteps(parameters), ...restores];
  };
  // In a large cluster it takes its time, and often nobody needs it.
  let former: WantedRules | undefined;
  const formerRules = (): WantedRules => {
    const own = ownXtables(current, KNOWN_JUMPS);
    const values = parameters.flatMap(({ path, former: value }): readonly SetupStep[] =>
      value === undefined ? [] : [{ kind: 'parameter', path, value, line: undefined }],
    );
    return { ...wanted, rules: printXtables(own.rules), setup: printSetup([...own.setup, ...values]), clean: true };
  };
  const isQuick =
    variant === 'nft' &&
    parameters.length === 0 &&
    written !== undefined &&
    written.length <= MOST_LOOKED_UP &&
    current.tables.some(({ lines }) => lines.length > MANY_LINES);
  return {
    work: {
      steps: stepsOf(inputs),
      changes: [
        ...parameters.map(({ path, former, value }) => ({
          what: `sysctl ${path}`,
          action: 'change' as const,
          before: former === undefined ? [] : [former],
          after: [value],
        })),
        ...changes,
      ],
      notes: referred.map((chain) => `${chain} is empty now but stays, as rules of others lead into it.`),
    },
    get former() {
      former ??= formerRules();
      return former;
    },
    ...(isQuick ? { isDone: () => areWritten(written, tools, host) } : {}),
    additions: () => stepsOf(changeXtables({ rules: mergedRules(rules, current), setup }, current, owned).inputs),
  };
}

/** By measurement: 55,000 chains take 12 minutes in one input, 16 seconds in such pieces. */
const CHAINS_AT_ONCE = 500;

/** In tables with more lines than these a few chains are asked for one by one, as reading all takes seconds. */
const MANY_LINES = 20_000;
const MOST_LOOKED_UP = 20;

/** Whether chains are as they were written. Asking for one needs no lock and, however many rules there are, no time. */
async function areWritten(written: readonly WrittenChain[], { program }: Iptables, host: Host): Promise<boolean> {
  for (const { table, chain, rules } of written) {
    const { status, stdout } = await host.run({ program, args: ['-t', table, '-S', chain] });
    const start = `-A ${chain}`;
    const present = stdout
      .split('\n')
      .flatMap((line) => (line.startsWith(`${start} `) ? [line.slice(start.length)] : []));
    if ((status === 0) !== (rules !== undefined)) return false;
    if (present.map(ruleKey).join('\n') !== (rules ?? []).map(ruleKey).join('\n')) return false;
  }
  return true;
}

/** Whether nft finds kube-proxy's rules where iptables is missing, as kube-proxy brings its own, or cannot read. */
async function nftHasRules({ family }: WantedRules, host: Host): Promise<boolean> {
  const ip = family === 'ipv4' ? 'ip' : 'ip6';
  for (const chain of ['nat KUBE-SERVICES', 'filter KUBE-FORWARD']) {
    const args = ['-s', '-y', 'list', 'chain', ip, ...chain.split(' ')];
    const { status } = await host.run({ program: 'nft', args });
    if (status === 0) return true;
  }
  return false;
}

/** The nft variant leaves out a table in which nft wrote what iptables has no words for. */
const UNREADABLE = /^# Table `(filter|nat)' is incompatible/m;

/** What iptables-save prints of a family. */
async function saved(host: Host, tools: Iptables, wanted: WantedRules): Promise<XtablesText> {
  const { family, rules } = wanted;
  const command: Command = { program: tools.save, args: [] };
  const finished = await host.run(command);
  if (finished.status !== 0) {
    // Its programs may fail where the kernel has no IPv6, and nothing of it is in force.
    const isOff = family === 'ipv6' && host.read('/proc/net/if_inet6') === undefined;
    if (isOff && rules === '') return { tables: [], after: [], finalNewline: true };
    throw commandTrouble(command, finished, `to read the ${family} rules`);
  }
  const [, table] = UNREADABLE.exec(finished.stdout) ?? [];
  if (table !== undefined && (rules !== '' || (await nftHasRules(wanted, host)))) {
    const ip = family === 'ipv4' ? 'ip' : 'ip6';
    const message = `${tools.save} cannot read table ${table} of ${family}, as rules are in it that only nft knows.`;
    throw trouble(
      'unreadable-rules',
      message,
      `Put those of \`nft list table ${ip} ${table}\` into a table of another name.`,
    );
  }
  return parsed(readXtables({ name: `the output of ${tools.save}`, text: finished.stdout }), ({ text }) => text);
}

/** Whether kubelet has its chains here, among which KUBE-FIREWALL is as well. */
function hasKubelet(current: XtablesText): boolean {
  return (
    xtablesTable(current, 'mangle')?.lines.some(
      (line) => line.kind === 'chain' && (line.name === 'KUBE-IPTABLES-HINT' || line.name === 'KUBE-KUBELET-CANARY'),
    ) ?? false
  );
}

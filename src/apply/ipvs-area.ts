/** IPVS mode of one family: virtual servers, sets, addresses, and the rules between them. */
import { normalAddresses, readAddresses } from '../backends/ipvs/addresses-text.js';
import {
  changeIpvs,
  IPVS_DEVICE,
  type IpvsChange,
  type IpvsInputs,
  type IpvsOptions,
  type IpvsState,
  type LeavingServer,
  PROBE,
} from '../backends/ipvs/changes.js';
import { printIpset, readIpset } from '../backends/ipvs/ipset-text.js';
import { type IpvsTable, printIpvsadm, readIpvsadm } from '../backends/ipvs/ipvsadm-text.js';
import { parseCidr } from '../net/ip.js';
import { type Area, NO_WORK, type Reading, type Step } from './area.js';
import { type Begins, type Clock, readBegins, writeBegins } from './draining.js';
import { type Host, kernelVersion } from './host.js';
import { countConnections, type HostState, ipset, ipvsadm, loadIpvs, readHost } from './ipvs-host.js';
import { type RulesOptions, type RulesReading, readRules } from './rules-area.js';
import { runStep } from './run-step.js';
import { parsed, trouble } from './trouble.js';
import { isAtLeast } from './variant.js';
import type { WantedIpvs, WantedRules } from './wanted.js';

/** How IPVS is changed. */
export interface IpvsAreaOptions extends RulesOptions {
  /** In seconds: how long a real server that leaves may keep its connections; 0 for not at all. */
  readonly drain: number;
  /** Where it is kept since when they wait. */
  readonly folder: string;
  readonly clock: Clock;
  readonly progress: (text: string) => void;
}

/** What was read, with the real servers that wait. */
interface IpvsReading extends Reading {
  readonly draining: readonly LeavingServer[];
}

/** Whether a real server that is not wanted stays, by the number of its connections. */
type Stays = (server: LeavingServer, connections: number) => boolean;

/** IPVS of one family. Going back is of no use, as every step leaves Services as they were or as they are to be. */
export function ipvsArea(wanted: WantedIpvs, options: IpvsAreaOptions): Area {
  let isDraining = false;
  const read = async (stays: Stays): Promise<IpvsReading> => {
    const reading = await readIpvs(wanted, options, stays);
    isDraining = reading.draining.length > 0;
    return reading;
  };
  return {
    wanted,
    undoable: false,
    // Both families have addresses on one device.
    shares: true,
    // One that waits already does so until `finish`.
    read: () => read((server, connections) => server.weight === 0 || (options.drain > 0 && connections > 0)),
    finish: async () => {
      if (isDraining) await finishDraining(wanted, options, read);
    },
  };
}

/** How often it is looked whether connections have ended, in milliseconds. */
const POLL = 1000;

/** Waits for the last connections, and takes out the real servers that have none any more or have waited long enough. */
async function finishDraining(
  wanted: WantedIpvs,
  { host, drain, folder, clock, progress }: IpvsAreaOptions,
  read: (stays: Stays) => Promise<IpvsReading>,
): Promise<void> {
  const known = readBegins(folder);
  const begins = new Map<string, number>();
  const stays: Stays = ({ key }, connections) => {
    const now = clock.now();
    const begin = Math.min(begins.get(key) ?? known.get(key) ?? now, now);
    begins.set(key, begin);
    return connections > 0 && now - begin < drain * 1000;
  };
  let said = 0;
  for (let useless = 0; useless < 3; ) {
    const { work, draining } = await read(stays);
    keepBegins(folder, wanted, begins);
    for (const step of work.steps) await runStep(step, host);
    if (draining.length > 0) {
      if (draining.length !== said) {
        progress(`waiting up to ${drain} s for the connections of ${counted(draining.length, 'real server')}`);
      }
      said = draining.length;
      await clock.sleep(POLL);
    } else if (work.steps.length === 0) {
      keepBegins(folder, wanted, new Map());
      return;
    } else useless++;
  }
  const message = `IPVS (${wanted.family}): real servers that left come back again and again.`;
  throw trouble('not-as-written', message, 'Another program changes them: is a kube-proxy running here?');
}

/** The file has both families. */
function keepBegins(folder: string, { family }: WantedIpvs, begins: Begins): void {
  const known = readBegins(folder);
  const isOther = (key: string): boolean => key.includes('[') !== (family === 'ipv6');
  const all = new Map([...Array.from(known).filter(([key]) => isOther(key)), ...begins]);
  if (JSON.stringify([...all]) !== JSON.stringify([...known])) writeBegins(folder, all);
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

async function readIpvs(wanted: WantedIpvs, options: IpvsAreaOptions, stays: Stays): Promise<IpvsReading> {
  const { host, drain } = options;
  const { family } = wanted;
  const should = wantedState(wanted);
  const wantsIpvs = wanted.ipset !== '' || wanted.ipvsadm !== '' || wanted.addresses !== '';
  if (wantsIpvs) await loadIpvs(host);
  const rules = wanted.xtables === undefined ? undefined : await readRules(withReuse(wanted.xtables, host), options);
  const current = await readHost(host, wantsIpvs, should.table.timeouts !== undefined);
  const changeOf = (stay: IpvsOptions['stays']): IpvsChange =>
    changeIpvs(should, current, {
      family,
      excludeCIDRs: wanted.excludeCIDRs.flatMap((cidr) => parseCidr(cidr) ?? []),
      stays: stay,
    });
  let change = changeOf(() => true);
  if (change.draining.length > 0) {
    const connections = await countConnections(host);
    change = changeOf((server) => stays(server, connections.get(server.key) ?? 0));
  }
  const leaving = change.draining.filter(({ weight }) => weight > 0).length;
  const steps = stepsOf(change, { wantsIpvs, rules, current, should });
  return {
    draining: change.draining,
    work:
      steps.length === 0
        ? NO_WORK
        : {
            steps,
            changes: [...change.changes, ...(rules?.work.changes ?? [])],
            notes: [
              ...(rules?.work.notes ?? []),
              ...(leaving === 0
                ? []
                : [
                    `${counted(leaving, 'real server')} (${family}): no new connections, and gone when the open ones have ended, or after ${drain} s.`,
                  ]),
            ],
          },
    former: {
      ...wanted,
      ipvsadm: printIpvsadm(withoutDrained(change.own.table)),
      ipset: printIpset(change.own.sets),
      addresses: normalAddresses(change.own.addresses)
        .map((address) => `${address}\n`)
        .join(''),
      xtables: rules?.former,
    },
  };
}

/** What waits for its last connections is nothing to go back to. */
function withoutDrained(table: IpvsTable): IpvsTable {
  const services = table.services.map((virtual) => ({
    ...virtual,
    servers: virtual.servers.filter(({ weight }) => weight > 0),
  }));
  return { ...table, services };
}

function wantedState({ ipvsadm: servers, ipset, addresses }: WantedIpvs): IpvsState {
  return {
    table: parsed(readIpvsadm({ name: 'ipvsadm', text: servers }), ({ table }) => table),
    sets: parsed(readIpset({ name: 'ipset', text: ipset }), ({ sets }) => sets),
    addresses: parsed(readAddresses({ name: 'addresses', text: addresses }), ({ addresses: read }) => read),
  };
}

/** With this, connections that use a port again go to the real server that they went to before; newer kernels do better. */
function withReuse(rules: WantedRules, host: Host): WantedRules {
  const version = kernelVersion(host);
  const isOld = isAtLeast(version, [4, 1]) && !isAtLeast(version, [5, 9]);
  return isOld ? { ...rules, setup: `${rules.setup}net/ipv4/vs/conn_reuse_mode=0\n` } : rules;
}

/** What the steps depend on, beside what changes. */
interface Circumstances {
  readonly wantsIpvs: boolean;
  readonly rules: RulesReading | undefined;
  readonly current: HostState;
  readonly should: IpvsState;
}

/** All steps in their order; see `IpvsInputs`. */
function stepsOf({ inputs, deviceIsFree }: IpvsChange, circumstances: Circumstances): readonly Step[] {
  const { wantsIpvs, current } = circumstances;
  const sets = (input: string, purpose: string): readonly Step[] =>
    input === '' ? [] : [{ kind: 'command', command: { ...ipset(['restore', '-exist']), input }, purpose }];
  const servers = (input: string, purpose: string): readonly Step[] =>
    input === '' ? [] : [{ kind: 'command', command: { ...ipvsadm(['-R']), input }, strict: true, purpose }];
  const addresses = (input: string, purpose: string): readonly Step[] =>
    input === '' ? [] : [{ kind: 'command', command: { program: 'ip', args: ['-batch', '-'], input }, purpose }];
  const isChanged = Object.values(inputs).some((input) => input !== '');
  const rules = rulesSteps(isChanged, circumstances);
  return [
    // It is never set up: its addresses are local as it is.
    ...(wantsIpvs && !current.hasDevice
      ? [
          {
            kind: 'command' as const,
            command: { program: 'ip', args: ['link', 'add', IPVS_DEVICE, 'type', 'dummy'] },
            lacking: 'The kernel has no dummy devices (module dummy)',
            purpose: `to make ${IPVS_DEVICE}`,
          },
        ]
      : []),
    ...schedulerSteps(inputs, circumstances),
    ...rules.first,
    ...servers(inputs.open, 'to refuse what has no real server yet'),
    ...sets(inputs.prepare, 'to make sets and add to them'),
    ...rules.early,
    ...sets(inputs.restrict, 'to restrict Services to their source ranges'),
    ...servers(inputs.arrive, 'to add virtual and real servers'),
    ...addresses(inputs.bind, 'to add addresses of Services'),
    ...rules.late,
    ...servers(inputs.leave, 'to let real servers leave'),
    ...sets(inputs.release, 'to let in clients, with their addresses'),
    ...addresses(inputs.unbind, 'to remove addresses of Services'),
    ...sets(inputs.close, 'to remove ports of Services from sets'),
    ...servers(inputs.remove, 'to remove virtual servers'),
    ...sets(inputs.clear, 'to remove what sets have too much'),
    ...(!wantsIpvs && current.hasDevice && deviceIsFree
      ? [
          {
            kind: 'command' as const,
            command: { program: 'ip', args: ['link', 'delete', IPVS_DEVICE] },
            purpose: `to remove ${IPVS_DEVICE}`,
          },
        ]
      : []),
  ];
}

const NO_STEPS: readonly Step[] = [];

/**
 * The rules at their place. Usually they come before what needs them, but with those that are to go still among them,
 * which are written without them as soon as the rest is as wanted. Where iptables mode is in force its rules have the
 * traffic until they are replaced, so IPVS is made ready first; and where IPVS goes, its rules go before their sets.
 */
function rulesSteps(
  isChanged: boolean,
  { wantsIpvs, rules }: Circumstances,
): { readonly first: readonly Step[]; readonly early: readonly Step[]; readonly late: readonly Step[] } {
  const none = { first: NO_STEPS, early: NO_STEPS, late: NO_STEPS };
  if (rules === undefined) return none;
  const all = rules.work.steps;
  if (!wantsIpvs) return { ...none, first: all };
  const has = (chain: string): boolean => rules.former.rules.includes(`\n:${chain} `);
  if (has('KUBE-SERVICES') && !has('KUBE-IPVS-FILTER')) return { ...none, late: all };
  return { ...none, early: isChanged ? rules.additions() : all };
}

/** Tries schedulers that nobody uses yet before anything depends on them; the kernel loads their modules by that. */
function schedulerSteps({ open, arrive }: IpvsInputs, { current, should }: Circumstances): readonly Step[] {
  if (!/^-[AE] /m.test(open + arrive)) return [];
  const used = new Set(current.table.services.map(({ scheduler }) => scheduler));
  const needed = new Set(should.table.services.map(({ scheduler }) => scheduler));
  return [...needed]
    .filter((scheduler) => !used.has(scheduler) && !new RegExp(`^ip_vs_${scheduler} `, 'm').test(current.modules))
    .flatMap((scheduler): readonly Step[] => {
      const purpose = `to try scheduler ${scheduler}`;
      const lacking = `The kernel has no scheduler ${scheduler} of IPVS (module ip_vs_${scheduler})`;
      return [
        { kind: 'command', command: ipvsadm(['-A', '-t', PROBE, '-s', scheduler]), purpose, lacking },
        { kind: 'command', command: ipvsadm(['-D', '-t', PROBE]), purpose },
      ];
    });
}

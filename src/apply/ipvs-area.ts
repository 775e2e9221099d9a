/** IPVS mode of one family: virtual servers, sets, addresses, and the rules between them. */
import { normalAddresses, readAddresses } from '../backends/ipvs/addresses-text.js';
import { changeIpvs, type IpvsChange, type IpvsOptions, type IpvsState } from '../backends/ipvs/changes.js';
import { printIpset, readIpset } from '../backends/ipvs/ipset-text.js';
import { type IpvsTable, printIpvsadm, readIpvsadm } from '../backends/ipvs/ipvsadm-text.js';
import type { LeavingServer } from '../backends/ipvs/server-changes.js';
import { isAtLeast } from '../backends/version.js';
import { parseCidr } from '../net/ip.js';
import { type Area, NO_WORK, type Reading } from './area.js';
import { type Begins, type Clock, readBegins, writeBegins } from './draining.js';
import { type Host, kernelVersion } from './host.js';
import { countConnections, demandIpvs, readHost } from './ipvs-host.js';
import { ipvsSteps } from './ipvs-steps.js';
import { type RulesOptions, readRules } from './rules-area.js';
import { runStep } from './run-step.js';
import { parsed, trouble } from './trouble.js';
import type { WantedIpvs, WantedRules } from './wanted.js';

/** How IPVS is changed. */
export interface IpvsAreaOptions extends RulesOptions {
  /** In seconds: how long a real server that leaves may keep its connections; 0 for not at all. */
  readonly drain: number;
  /** Whether nothing is to change, so that no module is loaded either. */
  readonly dryRun: boolean;
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
  const { host, drain, dryRun } = options;
  const { family } = wanted;
  const should = wantedState(wanted);
  const wantsIpvs = wanted.ipset !== '' || wanted.ipvsadm !== '' || wanted.addresses !== '';
  if (wantsIpvs) await demandIpvs(host, dryRun);
  const rules = wanted.xtables === undefined ? undefined : await readRules(withReuse(wanted.xtables, host), options);
  const current = await readHost(host, { wantsIpvs, wantsTimeouts: should.table.timeouts !== undefined, dryRun });
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
  const steps = ipvsSteps(change, { wantsIpvs, rules, current, should });
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
      ...textsOf(change.own),
      xtables: rules?.former,
    },
  };
}

/** The texts of what is wanted, read. */
function wantedState({ ipvsadm: servers, ipset, addresses }: WantedIpvs): IpvsState {
  return {
    table: parsed(readIpvsadm({ name: 'ipvsadm', text: servers }), ({ table }) => table),
    sets: parsed(readIpset({ name: 'ipset', text: ipset }), ({ sets }) => sets),
    addresses: parsed(readAddresses({ name: 'addresses', text: addresses }), ({ addresses: read }) => read),
  };
}

/** The reverse, for something to go back to. */
function textsOf({ table, sets, addresses }: IpvsState): Pick<WantedIpvs, 'ipvsadm' | 'ipset' | 'addresses'> {
  return {
    ipvsadm: printIpvsadm(withoutDrained(table)),
    ipset: printIpset(sets),
    addresses: normalAddresses(addresses)
      .map((address) => `${address}\n`)
      .join(''),
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

/** With this, connections that use a port again go to the real server that they went to before; newer kernels do better. */
function withReuse(rules: WantedRules, host: Host): WantedRules {
  const version = kernelVersion(host);
  const isOld = isAtLeast(version, [4, 1]) && !isAtLeast(version, [5, 9]);
  return isOld ? { ...rules, setup: `${rules.setup}net/ipv4/vs/conn_reuse_mode=0\n` } : rules;
}

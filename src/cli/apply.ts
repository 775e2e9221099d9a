/** `kuberules apply` and `kuberules cleanup`: the rules of a node into the kernel of this host, and out of it. */
import { networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ApplyResult, apply } from '../apply/apply.js';
import { areaOf, leftoversOf } from '../apply/areas.js';
import { type Reconciled, reconcileUdp, type UdpFlow } from '../apply/conntrack.js';
import type { Clock } from '../apply/draining.js';
import {
  awaitVerdict,
  confirm,
  demandNothingPending,
  forgetPending,
  type Guard,
  startGuard,
  WENT_BACK,
} from '../apply/guard.js';
import { createHost, type Host } from '../apply/host.js';
import { takeLock } from '../apply/lock.js';
import { demandPrivileges } from '../apply/privileges.js';
import { readState, saveState } from '../apply/saved-state.js';
import { ApplyError } from '../apply/trouble.js';
import type { Wanted } from '../apply/wanted.js';
import { type Diagnostic, diagnostic, hasErrors } from '../kube/diagnostics.js';
import { FAMILIES, type Family } from '../net/family.js';
import { parseIp } from '../net/ip.js';
import type { NodePlan } from '../plan/plan.js';
import { waitForConfirmation, withGuard } from './apply-confirm.js';
import { type ApplyFlags, type HostFlags, NO_TASK, type Task, taskOf } from './apply-task.js';
import { type ApplyReport, applyJson, applyText } from './apply-text.js';
import { DONE, FOUND, TROUBLE } from './exit.js';
import type { Io } from './io.js';
import { printDiagnostics } from './report.js';
import { onSignal } from './signals.js';

const CLOCK: Clock = { now: Date.now, sleep };

/** In seconds: how long a cleanup waits for connections through IPVS. */
const DRAIN = 30;

/** Runs `kuberules apply`; returns the exit code. */
export async function runApply(flags: ApplyFlags, io: Io): Promise<number> {
  const wrong = usageErrors(flags);
  if (wrong.length > 0) return finish(flags, io, undefined, wrong);
  return guarded(flags, io, async (host) => {
    if (flags.confirm) {
      confirm(flags.stateDir);
      await io.out('Confirmed: the new rules stay.\n');
      return SAID;
    }
    if (flags.guard === true) return runGuard(flags, host, io);
    const task = await taskOf(flags, host, io);
    if (hasErrors(task.diagnostics)) return { report: undefined, diagnostics: task.diagnostics, code: TROUBLE };
    return write(flags, task, host, io);
  });
}

/** Runs `kuberules cleanup`; returns the exit code. */
export async function runCleanup(flags: HostFlags, io: Io): Promise<number> {
  return guarded(flags, io, async (host) => {
    const only = flags.iptablesVariant;
    const all = leftoversOf(undefined);
    const wanted = only === undefined ? all : all.filter((each) => each.kind === 'xtables' && each.variant === only);
    return write(flags, { command: 'cleanup', wanted, plans: [], diagnostics: [] }, host, io);
  });
}

function usageErrors(flags: ApplyFlags): readonly Diagnostic[] {
  const { text, restore, confirm, confirmWithin, dryRun } = flags;
  const given = [
    flags.filename === undefined ? [] : '-f',
    flags.fromCluster === true ? '--from-cluster' : [],
    text === undefined ? [] : text,
    restore === undefined ? [] : '--restore',
    confirm ? '--confirm' : [],
  ].flat();
  if (text !== undefined && text !== '-') {
    const hint = `Give objects with -f ${text}, or finished text with \`apply --mode MODE - < ${text}\`.`;
    return [diagnostic('usage', `unexpected argument ${JSON.stringify(text)}.`, { hint })];
  }
  if (given.length === 0) {
    const hint = 'Give objects with -f or --from-cluster, finished text with -, or a saved state with --restore.';
    return [diagnostic('usage', 'there is nothing to apply.', { hint })];
  }
  if (given.length > 1) return [diagnostic('usage', `${given.join(' and ')} exclude each other.`)];
  if (dryRun && confirmWithin !== undefined) {
    return [diagnostic('usage', '--dry-run writes nothing, so there is nothing to confirm.')];
  }
  return [];
}

/** What one run ends with. */
interface End {
  readonly report: ApplyReport | undefined;
  readonly diagnostics: readonly Diagnostic[];
  readonly code: number;
  /** Everything is said already. */
  readonly isSaid?: boolean;
}

const SAID: End = { report: undefined, diagnostics: [], code: DONE, isSaid: true };

/** Runs with the host's privileges and under the lock; what goes wrong is printed. */
async function guarded(flags: HostFlags, io: Io, run: (host: Host) => Promise<End>): Promise<number> {
  try {
    const host = createHost(flags.stateDir);
    demandPrivileges(host);
    const { report, diagnostics, code, isSaid } = await run(host);
    if (isSaid !== true) await print(flags, io, report, diagnostics);
    return code;
  } catch (error) {
    if (!(error instanceof ApplyError)) throw error;
    return finish(flags, io, undefined, error.diagnostics);
  }
}

async function finish(
  flags: HostFlags,
  io: Io,
  report: ApplyReport | undefined,
  diagnostics: readonly Diagnostic[],
): Promise<number> {
  await print(flags, io, report, diagnostics);
  return TROUBLE;
}

async function print(
  flags: HostFlags,
  io: Io,
  report: ApplyReport | undefined,
  diagnostics: readonly Diagnostic[],
): Promise<void> {
  if (flags.output === 'json') await io.out(applyJson(report, diagnostics));
  else {
    printDiagnostics(diagnostics, io);
    if (report !== undefined) await io.out(applyText(report, io.terminal));
  }
}

/** What became of the host. */
type Outcome = ApplyResult & Pick<ApplyReport, 'flows'>;

/** Brings the host to what is wanted. */
async function write(
  flags: HostFlags & Partial<Pick<ApplyFlags, 'confirmWithin' | 'drain' | 'guard'>>,
  task: Task,
  host: Host,
  io: Io,
): Promise<End> {
  const { dryRun, stateDir, wait, confirmWithin, drain = DRAIN } = flags;
  const progress = (text: string): void => {
    if (io.interactive) io.err(`${text} ...\n`);
  };
  const create = (wanted: Wanted) =>
    areaOf(wanted, { host, wait, drain, dryRun, folder: stateDir, clock: CLOCK, progress });
  let saved: string | undefined;
  let guard: Guard | undefined;
  const bring = async (): Promise<Outcome> => {
    if (!dryRun && flags.guard !== true) demandNothingPending(stateDir);
    const { areas, notes, finish } = await apply({
      host,
      areas: task.wanted.map(create),
      areaOf: create,
      dryRun,
      save: async (former) => {
        saved = saveState(stateDir, `before-${new Date().toISOString().replaceAll(':', '-')}.json`, former);
        if (confirmWithin !== undefined) guard = await startGuard(stateDir, saved, wait);
      },
      progress,
    });
    const udp = await reconcileAll(task.plans, host, dryRun);
    // What is deleted for good waits until nobody goes back.
    if (guard === undefined && !dryRun) await finish();
    return { finish, areas, flows: udp.deleted, notes: [...notes, ...udp.notes] };
  };
  const inForce = (): string => {
    if (guard !== undefined) return 'the rules before come back at once.';
    return saved === undefined
      ? 'nothing was changed.'
      : 'each family has the old or the new rules; run it again to complete it.';
  };
  const stopSaying = onSignal(() => io.err(`Stopped: ${inForce()}\n`));
  let outcome: Outcome;
  try {
    outcome = dryRun ? await bring() : await underLock(stateDir, bring);
  } catch (error) {
    throw guard === undefined ? error : await withGuard(guard, stateDir, error);
  } finally {
    stopSaying();
  }
  const { areas, flows, notes } = outcome;
  const diagnostics = [...task.diagnostics, ...notes.map((note) => diagnostic('host-note', note))];
  const report: ApplyReport = { command: task.command, areas, flows, dryRun, saved };
  if (confirmWithin !== undefined && guard !== undefined) {
    await print(flags, io, report, diagnostics);
    await waitForConfirmation(guard, { stateDir, confirmWithin }, io);
    await underLock(stateDir, outcome.finish);
    return SAID;
  }
  const wouldChange = dryRun && (areas.length > 0 || flows.length > 0);
  return { report, diagnostics, code: wouldChange ? FOUND : DONE };
}

async function underLock<Result>(folder: string, work: () => Promise<Result>): Promise<Result> {
  const free = takeLock(folder);
  try {
    return await work();
  } finally {
    free();
  }
}

async function reconcileAll(plans: readonly NodePlan[], host: Host, dryRun: boolean): Promise<Reconciled> {
  const deleted: UdpFlow[] = [];
  const notes: string[] = [];
  for (const family of FAMILIES) {
    const options = { host, local: localAddresses(), dryRun };
    const reconciled = await reconcileUdp(servicePortsOf(plans, family), family, options);
    deleted.push(...reconciled.deleted);
    notes.push(...reconciled.notes);
  }
  return { deleted, notes };
}

function servicePortsOf(plans: readonly NodePlan[], family: Family) {
  return plans.filter(({ node }) => node.family === family).flatMap(({ servicePorts }) => servicePorts);
}

/** In canonical text, as conntrack prints them. */
function localAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return new Set(all.map(({ address }) => parseIp(address)?.text ?? address));
}

/** In milliseconds, and how often: the lock, or a lack of memory, may keep the guard from going back at once. */
const RETRY = 1000;
const MOST_RETRIES = 60;

/** The process that goes back unless somebody confirms. */
async function runGuard(flags: ApplyFlags, host: Host, io: Io): Promise<End> {
  const verdict = await awaitVerdict(flags.stateDir);
  if (verdict === 'confirmed') return SAID;
  const task = { ...NO_TASK, wanted: readState(flags.restore ?? '') };
  const goBack = () => persistently(() => write({ ...flags, dryRun: false }, task, host, io), io);
  let end = await goBack();
  if (verdict === 'writer gone') {
    // A program that it started may have waited for the xtables lock, and have written only now.
    io.err('What wrote the rules was killed; what it had started may end later, so they are looked at again.\n');
    await sleep(flags.wait * 1000 + RETRY);
    end = await goBack();
  }
  forgetPending(flags.stateDir);
  return { ...end, code: WENT_BACK };
}

async function persistently<Result>(work: () => Promise<Result>, io: Io): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === MOST_RETRIES) throw error;
      io.err(`${error instanceof Error ? error.message : String(error)}\n`);
      await sleep(RETRY);
    }
  }
}

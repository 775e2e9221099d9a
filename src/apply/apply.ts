/** Bringing areas of a host to what is wanted: read, compare, save, write, read back. */
import type { Change } from '../backends/change.js';
import type { Diagnostic } from '../kube/diagnostics.js';
import { listText } from '../net/text.js';
import type { Area, Reading } from './area.js';
import type { Host } from './host.js';
import { runStep } from './run-step.js';
import { ApplyError, trouble } from './trouble.js';
import { type Wanted, wantedName } from './wanted.js';

/** What to apply, and how. */
export interface ApplyRequest {
  readonly host: Host;
  /** Written in this order; what is left of other modes comes last, when the new rules are in force. */
  readonly areas: readonly Area[];
  /** Area for what was saved, to go back to it. */
  readonly areaOf: (wanted: Wanted) => Area;
  /** Only says what would change. */
  readonly dryRun: boolean;
  /**
   * Keeps what was there before anything is written, of all areas, in the order in which going back writes them; rejects
   * if it cannot.
   */
  readonly save: (former: readonly Wanted[]) => void | Promise<void>;
  /** Long work says what it does. */
  readonly progress: (text: string) => void;
}

/** What changed in an area, or would change. */
export interface AreaChange {
  readonly wanted: Wanted;
  readonly changes: readonly Change[];
}

/** How it went. */
export interface ApplyResult {
  /** Areas in which nothing changed are left out. */
  readonly areas: readonly AreaChange[];
  /** What else is to be said, of all areas, a sentence each. */
  readonly notes: readonly string[];
  /** Does what takes its time, and cannot be taken back, now that everything that is wanted is in force. */
  readonly finish: () => Promise<void>;
}

/** How often an area is written before somebody else is assumed to change it all the time. */
const MOST_ATTEMPTS = 3;

/**
 * Brings all areas to what is wanted. Only what differs is written; where nothing does, no writing command is run.
 * Rejects with an ApplyError that also says which rules are in force.
 */
export async function apply(request: ApplyRequest): Promise<ApplyResult> {
  const { areas, dryRun, save, progress } = request;
  progress('reading the rules of this host');
  const readings: { readonly area: Area; readonly reading: Reading }[] = [];
  for (const area of areas) readings.push({ area, reading: await area.read() });
  const pending = readings.filter(({ reading }) => reading.work.steps.length > 0);
  const result: ApplyResult = {
    areas: pending.map(({ area, reading: { work } }) => ({ wanted: area.wanted, changes: work.changes })),
    // Of both families some are the same.
    notes: [...new Set(readings.flatMap(({ reading: { work } }) => work.notes))],
    finish: async () => {
      for (const area of areas) await area.finish?.();
    },
  };
  if (dryRun) return result;
  // What is written last now, the removal of another mode, is undone first: there are rules at every moment.
  if (pending.length > 0) await save(readings.map(({ reading }) => reading.former).reverse());
  const touched: { readonly area: Area; readonly former: Wanted }[] = [];
  for (const { area, reading } of pending) {
    touched.unshift({ area, former: reading.former });
    try {
      progress(`writing ${wantedName(area.wanted)}`);
      await bring(area, area.shares === true && touched.length > 1 ? await area.read() : reading, request);
    } catch (error) {
      throw await undo(touched, request, error);
    }
  }
  return result;
}

/** After so many steps people are told how far it is. */
const MANY_STEPS = 20;

/** Writes an area until it reads back as wanted. */
async function bring(area: Area, first: Reading, { host, progress }: ApplyRequest): Promise<void> {
  let reading = first;
  for (let attempt = 1; reading.work.steps.length > 0; attempt++) {
    if (attempt > MOST_ATTEMPTS) {
      const named = listText(
        reading.work.changes.map(({ what }) => what),
        3,
      );
      const message = `${wantedName(area.wanted)}: written ${MOST_ATTEMPTS} times, and still not as wanted: ${named}.`;
      throw trouble('not-as-written', message, 'Another program changes these rules: is a kube-proxy running here?');
    }
    for (const [i, step] of reading.work.steps.entries()) {
      if (i > 0 && i % MANY_STEPS === 0) progress(`step ${i} of ${reading.work.steps.length}`);
      await runStep(step, host);
    }
    if (await reading.isDone?.()) return;
    reading = await area.read();
  }
}

/** Goes back to what was there; gives the error to end with, which says what is in force. */
async function undo(
  touched: readonly { readonly area: Area; readonly former: Wanted }[],
  request: ApplyRequest,
  cause: unknown,
): Promise<unknown> {
  const said = cause instanceof ApplyError ? cause : trouble('command-failed', messageOf(cause));
  const says = (text: string, hint?: string): ApplyError => {
    const [first, ...others] = said.diagnostics;
    const told: Diagnostic[] =
      first === undefined ? [] : [{ ...first, message: `${first.message} ${text}`, hint: hint ?? first.hint }];
    return new ApplyError([...told, ...others]);
  };
  if (touched.some(({ area }) => !area.undoable)) {
    return says(
      'What was done until then is in force; no Service is left without rules, and running it again completes it.',
    );
  }
  try {
    for (const { former } of touched) {
      request.progress(`going back to the former ${wantedName(former)}`);
      const area = request.areaOf(former);
      await bring(area, await area.read(), request);
    }
    return says('The old rules are in force.');
  } catch (error) {
    const hint = 'Once that is mended, run it again, or go back with `kuberules apply --restore`.';
    return says(`Going back to the old rules failed as well: ${messageOf(error)}`, hint);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

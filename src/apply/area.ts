/** A part of the kernel that is read, compared and written by itself. */
import type { Change } from '../backends/change.js';
import type { Command } from './host.js';
import type { Wanted } from './wanted.js';

/** One thing to do. Between two steps every Service is as it was or as it is to be. */
export type Step =
  | {
      readonly kind: 'command';
      readonly command: Command;
      /** Whether anything on its standard error is a failure: the exit status of `ipvsadm -R` is that of its last line. */
      readonly strict?: boolean;
      /** What the kernel lacks where it fails, as a sentence about this: `The kernel has no dummy devices`. */
      readonly lacking?: string;
      /** What for, as the end of a sentence: `to write the rules of nat and filter`. */
      readonly purpose: string;
    }
  /** A kernel parameter, by its path below /proc/sys. */
  | { readonly kind: 'parameter'; readonly path: string; readonly value: string; readonly purpose: string };

/** What is to be done, and what people are told about it. Without steps there is nothing to do. */
export interface Work {
  readonly steps: readonly Step[];
  readonly changes: readonly Change[];
  /** What else is to be said, a sentence each. */
  readonly notes: readonly string[];
}

/** What was read of an area. */
export interface Reading {
  /** What leads from there to what is wanted. */
  readonly work: Work;
  /** What was there, as something to go back to. */
  readonly former: Wanted;
  /**
   * Once the steps are done: whether what they wrote is there. Only where that is quicker than reading everything once more,
   * which is done otherwise, and where the answer is no.
   */
  readonly isDone?: () => Promise<boolean>;
}

/** An area with what it is to hold. */
export interface Area {
  readonly wanted: Wanted;
  /** Whether what went wrong can be undone by going back to what was there. */
  readonly undoable: boolean;
  /** Whether areas before it may change what it has to do, so that it is read again when its turn comes. */
  readonly shares?: boolean;
  /** Reads it; nothing is changed. Rejects with an ApplyError. */
  read(): Promise<Reading>;
  /** What takes its time, after everything that is wanted is in force. Rejects with an ApplyError. */
  finish?(): Promise<void>;
}

/** Where there is nothing to do. */
export const NO_WORK: Work = { steps: [], changes: [], notes: [] };

/** Where a command writes; tests hand in their own. */
export interface Io {
  /** Results. Resolves when the text is handed over. */
  readonly out: (text: string) => Promise<void>;
  /** What there is to say about them. */
  readonly err: (text: string) => void;
  /** Whether people watch stderr, so that long work says what it does. */
  readonly interactive: boolean;
  /** Whether stderr takes colours. */
  readonly color: boolean;
  /** The terminal that results go to; undefined for a file or a pipe, which get them plain and unbroken. */
  readonly terminal?: Terminal | undefined;
}

/** A terminal that shows results. */
export interface Terminal {
  /** In columns. */
  readonly width: number;
  readonly color: boolean;
}

/** A result could not be written. */
export class OutputError extends Error {}

/** The streams of this process. A reader that goes away (`kuberules compile ... | head`) is no trouble. */
export function processIo(): Io {
  // Failures reach whoever writes through `out`; without a listener they would end the process first.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  return {
    out: (text) =>
      new Promise((resolve, reject) => {
        process.stdout.write(text, (error) => {
          if (error === null || error === undefined || isBrokenPipe(error)) resolve();
          else reject(new OutputError(error.message));
        });
      }),
    err: (text) => {
      process.stderr.write(text);
    },
    interactive: process.stderr.isTTY === true,
    color: wantsColor(process.stderr),
    // Some terminals do not tell their width; 80 columns is what they were built for.
    terminal: process.stdout.isTTY
      ? { width: process.stdout.columns || 80, color: wantsColor(process.stdout) }
      : undefined,
  };
}

function isBrokenPipe(error: Error): boolean {
  return 'code' in error && error.code === 'EPIPE';
}

/** Colour only on a terminal that wants it; https://no-color.org. */
function wantsColor(stream: { readonly isTTY?: boolean }): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR !== undefined && NO_COLOR !== '') return false;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '0') return true;
  return stream.isTTY === true && TERM !== 'dumb';
}

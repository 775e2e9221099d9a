/** Signals that end this process. */

/** By these people and systems end a process. A program that writes goes on to its end, in a session of its own. */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Says something before a signal ends this process; gives the function that stops doing so. */
export function onSignal(say: () => void): () => void {
  const listener = (signal: NodeJS.Signals): void => {
    stop();
    say();
    process.kill(process.pid, signal);
  };
  const stop = (): void => {
    for (const signal of ENDING) process.off(signal, listener);
  };
  for (const signal of ENDING) process.on(signal, listener);
  return stop;
}

/**
 * Owns what must be undone when a test or bench process ends, however it ends.
 *
 * Steps run once, the latest first, so that a daemon is stopped before the namespace that it lives in goes.
 * They are synchronous, since nothing asynchronous runs in an `exit` handler. Runs on the main thread of a test
 * process; it must never throw, or the steps after the failing one would be left undone.
 */

/** One thing to undo; safe to call more than once. */
export type Undo = () => void;

const steps: Undo[] = [];
let installed = false;

/**
 * Registers a step to be undone at the end of the process.
 *
 * @param undo - synchronous; what it throws is reported on stderr and otherwise ignored
 * @returns a function that undoes the step now, and only once
 */
export function undoAtExit(undo: Undo): Undo {
  installHandlers();
  let pending = true;
  const once = (): void => {
    if (!pending) return;
    pending = false;
    const at = steps.indexOf(once);
    if (at >= 0) steps.splice(at, 1);
    attempt(undo);
  };
  steps.push(once);
  return once;
}

/** Undoes everything that is still registered, the latest first. */
export function undoAll(): void {
  for (let step = steps.at(-1); step !== undefined; step = steps.at(-1)) step();
}

/** Leaves everything as it is: for a demonstration that is to stay up after its process. */
export function keepAll(): void {
  steps.length = 0;
}

function attempt(undo: Undo): void {
  try {
    undo();
  } catch (error) {
    process.stderr.write(`lab: clean-up step failed: ${String(error)}\n`);
  }
}

function installHandlers(): void {
  if (installed) return;
  installed = true;
  process.on('exit', undoAll);
  // 128 + signal number is what a shell reports for a process that a signal ended.
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => {
      undoAll();
      process.exit(status);
    });
  }
}

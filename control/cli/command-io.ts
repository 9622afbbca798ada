/**
 * What a command may do to the world outside, so that tests can watch it: three streams, Ctrl-C and a clock.
 *
 * stdout carries what was asked for, and only that; everything said to a person goes to stderr.
 */
import { text } from 'node:stream/consumers';

/** Ctrl-C comes from the terminal, from npm and from the shim: within this time it is one signal, not three. */
const SAME_SIGNAL_MS = 500;
/** As shells count a process that Ctrl-C ended. */
const EXIT_INTERRUPTED = 130;

/** Where a command writes and how it waits. */
export interface CommandIo {
  /** A line of the answer. */
  out(line: string): void;
  /** A line for the person at the terminal. */
  err(line: string): void;
  /** Bytes of the answer; resolves when there is room for more. */
  outBytes(bytes: Uint8Array): Promise<void>;
  /** Whether stdout is a terminal. */
  readonly isTerminal: boolean;
  /**
   * Has Ctrl-C, and SIGTERM, ask the command to come to an end, in place of ending it at once; a second one does that.
   *
   * @returns takes it back
   */
  onInterrupt(act: () => void): () => void;
  /** Everything on stdin, to its end. */
  read(): Promise<string>;
  /** Monotonic time in milliseconds. */
  nowMs(): number;
  sleep(durationMs: number): Promise<void>;
}

/** The command's own streams and clock. */
export const processIo: CommandIo = {
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${line}\n`),
  outBytes: (bytes) =>
    new Promise((resolve, reject) => {
      process.stdout.write(bytes, (error) => {
        if (error instanceof Error) reject(error);
        else resolve();
      });
    }),
  isTerminal: process.stdout.isTTY,
  onInterrupt: watchInterrupts,
  read: () => text(process.stdin),
  nowMs: () => performance.now(),
  sleep: (durationMs) => new Promise((resolve) => setTimeout(resolve, durationMs)),
};

function watchInterrupts(act: () => void): () => void {
  let firstMs: number | undefined;
  const interrupted = (): void => {
    const nowMs = performance.now();
    if (firstMs === undefined) {
      firstMs = nowMs;
      act();
    } else if (nowMs - firstMs > SAME_SIGNAL_MS) {
      process.exit(EXIT_INTERRUPTED);
    }
  };
  process.on('SIGINT', interrupted).on('SIGTERM', interrupted);
  return () => {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
  };
}

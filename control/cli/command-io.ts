/**
 * What a command may do to the world outside, so that tests can watch it: three streams and a clock.
 *
 * stdout carries what was asked for, and only that; everything said to a person goes to stderr.
 */
import { text } from 'node:stream/consumers';

/** Where a command writes and how it waits. */
export interface CommandIo {
  /** A line of the answer. */
  out(line: string): void;
  /** A line for the person at the terminal. */
  err(line: string): void;
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
  read: () => text(process.stdin),
  nowMs: () => performance.now(),
  sleep: (durationMs) => new Promise((resolve) => setTimeout(resolve, durationMs)),
};

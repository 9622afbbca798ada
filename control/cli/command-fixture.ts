/** Command lines for tests: streams in memory, a virtual clock, and a daemon in this process behind a real socket. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAdminServer } from '../admin/admin-server.ts';
import { ListDaemon } from '../admin/daemon-control-fixture.ts';
import { ListInspection } from '../admin/inspection-fixture.ts';
import { runCommandLine } from './program.ts';

/** What a command left behind. */
export interface Outcome {
  readonly code: number;
  /** stdout, without its last line feed. */
  readonly out: string;
  /** Bytes on stdout. */
  readonly bytes: Uint8Array;
  readonly err: string;
}

/** Runs one command line. */
export type Run = (...args: string[]) => Promise<Outcome>;

/** What a command meets beside its arguments. */
export interface Surroundings {
  /** What the command may read. */
  readonly stdin?: string;
  /** stdout is one. */
  readonly isTerminal?: boolean;
  /** Is handed what Ctrl-C does, as soon as the command has asked for it. */
  readonly onWatch?: (interrupt: () => void) => void;
}

/** A clock that only sleeping moves; `onTick` is called at each new time. */
export interface VirtualClock {
  timeMs: number;
  onTick: (timeMs: number) => void;
}

/** Runs a command line without a daemon. */
export async function runCommand(
  args: readonly string[],
  clock: VirtualClock = { timeMs: 0, onTick: () => undefined },
  { stdin = '', isTerminal = false, onWatch }: Surroundings = {},
): Promise<Outcome> {
  const out: string[] = [];
  const pieces: Uint8Array[] = [];
  const err: string[] = [];
  const code = await runCommandLine(args, {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    outBytes: (bytes) => {
      pieces.push(Uint8Array.from(bytes));
      return Promise.resolve();
    },
    isTerminal,
    onInterrupt: (act) => {
      onWatch?.(act);
      return () => undefined;
    },
    read: () => Promise.resolve(stdin),
    nowMs: () => clock.timeMs,
    sleep: (durationMs) => {
      clock.timeMs += durationMs;
      clock.onTick(clock.timeMs);
      return Promise.resolve();
    },
  });
  return { code, out: out.join('\n'), bytes: Uint8Array.from(Buffer.concat(pieces)), err: err.join('\n') };
}

/** What a test of commands has. */
export interface CommandBench {
  readonly daemon: ListDaemon;
  readonly inspection: ListInspection;
  readonly run: Run;
  readonly clock: VirtualClock;
  /** As `run`, with something on stdin. */
  readonly runWithInput: (stdin: string, ...args: string[]) => Promise<Outcome>;
  /** As `run`, in other surroundings. */
  readonly runIn: (surroundings: Surroundings, ...args: string[]) => Promise<Outcome>;
}

/** Starts a daemon that answers from lists, works with it, and ends it. */
export async function withDaemon(work: (bench: CommandBench) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'peertap-command-'));
  const socket = join(root, 'peertap.sock');
  const daemon = new ListDaemon();
  const log = {
    error: (details: object) => {
      assert.fail(`a handler met a bug: ${JSON.stringify(details)}`);
    },
  };
  const inspection = new ListInspection();
  const server = await startAdminServer({ path: socket, daemon, inspection, log });
  const clock: VirtualClock = { timeMs: 0, onTick: () => undefined };
  const runIn = (surroundings: Surroundings, ...args: string[]) =>
    runCommand([...args, '--socket', socket], clock, surroundings);
  const runWithInput = (stdin: string, ...args: string[]) => runIn({ stdin }, ...args);
  try {
    await work({ daemon, inspection, clock, runIn, runWithInput, run: (...args) => runIn({}, ...args) });
  } finally {
    await server.close();
    await rm(root, { recursive: true });
  }
}

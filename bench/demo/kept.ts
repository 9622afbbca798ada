/**
 * Owns what `--keep` leaves behind: a note of it in the temporary folder, so that `--remove` finds it again.
 *
 * Runs on the demonstration's main thread; it must only end processes and remove namespaces that the note names and
 * that are still what they were.
 */

import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';

import { runSync } from '../../test/lab/command.ts';
import { isRunning } from '../../test/lab/usage.ts';

const noteSchema = v.object({
  namespaces: v.array(v.string()),
  daemons: v.array(v.object({ processId: v.number(), directory: v.string() })),
});

/** What was left up. */
export type KeptNote = v.InferOutput<typeof noteSchema>;

const NOTE_FILE = join(tmpdir(), 'peertap-demo.json');
const STOP_TIMEOUT_MS = 5_000;

/** Says whether something was left up and not removed. */
export function isKept(): boolean {
  return existsSync(NOTE_FILE);
}

/** Notes what is left up. */
export function noteKept(note: KeptNote): void {
  writeFileSync(NOTE_FILE, JSON.stringify(note), { mode: 0o600 });
}

/** Takes down what was left up. @returns false when there was nothing */
export async function removeKept(): Promise<boolean> {
  if (!isKept()) return false;
  const note = v.parse(noteSchema, JSON.parse(readFileSync(NOTE_FILE, 'utf8')));
  for (const { processId, directory } of note.daemons) await stopDaemon(processId, directory);
  for (const name of note.namespaces) runSync('ip', ['netns', 'delete', name], { allowFailure: true });
  for (const { directory } of note.daemons) rmSync(directory, { recursive: true, force: true });
  rmSync(NOTE_FILE, { force: true });
  return true;
}

async function stopDaemon(processId: number, directory: string): Promise<void> {
  if (!isDaemonOf(processId, directory)) return;
  process.kill(processId, 'SIGTERM');
  const endMs = performance.now() + STOP_TIMEOUT_MS;
  while (isRunning(processId) && performance.now() < endMs) await sleep(50);
  if (isDaemonOf(processId, directory)) process.kill(processId, 'SIGKILL');
}

/** A process number is given out again; only a daemon of this very folder is ours. */
function isDaemonOf(processId: number, directory: string): boolean {
  try {
    return readFileSync(`/proc/${processId}/cmdline`, 'utf8').includes(directory);
  } catch {
    return false;
  }
}

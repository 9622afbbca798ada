/**
 * Owns running `perf`: whether it works here, and a recording of one process with its stacks.
 *
 * Runs on the main thread of the bench; what it writes lies in a folder of the caller.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { undoAtExit } from '../../test/lab/cleanup.ts';
import { findTool, run, runSync } from '../../test/lab/command.ts';
import { PERF_SCRIPT_FIELDS } from './perf-script.ts';

/** Not a divisor of the kernel's tick, so that nothing regular is always or never met. */
const SAMPLES_PER_SECOND = 499;
const SCRIPT_TIMEOUT_MS = 60_000;

/** Says why `perf` cannot record here, as a sentence; undefined when it can. */
export function perfProblem(): string | undefined {
  if (findTool('perf') === undefined)
    return 'There is no native flame graph: perf is missing (Debian package linux-perf).';
  const folder = mkdtempSync(join(tmpdir(), 'peertap-perf-'));
  try {
    const tried = ['record', '--call-graph', 'fp', '--output', join(folder, 'perf.data'), '--', 'true'];
    const { status, stderr } = runSync('perf', tried, { allowFailure: true });
    if (status === 0) return undefined;
    const said = stderr.trim().split('\n').slice(0, 3).join(' ');
    const paranoid = readOr('/proc/sys/kernel/perf_event_paranoid', 'unknown');
    return `There is no native flame graph: perf cannot record here (${said}; kernel.perf_event_paranoid is ${paranoid}).`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Records a process for a while.
 *
 * @param file - where the recording goes
 * @throws LabError when perf fails
 */
export async function recordProcess(processId: number, seconds: number, file: string): Promise<void> {
  const how = ['--freq', String(SAMPLES_PER_SECOND), '--call-graph', 'fp', '--quiet'];
  const what = ['--pid', String(processId), '--output', file, '--', 'sleep', String(seconds)];
  await run('perf', ['record', ...how, ...what], { timeoutMs: seconds * 1000 + SCRIPT_TIMEOUT_MS });
}

/** Prints a recording with the names of its functions. @throws LabError when perf fails */
export async function printRecording(file: string): Promise<string> {
  const printed = await run('perf', ['script', ...PERF_SCRIPT_FIELDS, '--input', file], {
    timeoutMs: SCRIPT_TIMEOUT_MS,
  });
  return printed.stdout;
}

/** The file in which Node tells perf the names of what it compiled is removed when the process is through. */
export function forgetSymbolMap(processId: number): () => void {
  return undoAtExit(() => {
    rmSync(`/tmp/perf-${processId}.map`, { force: true });
  });
}

function readOr(path: string, missing: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return missing;
  }
}

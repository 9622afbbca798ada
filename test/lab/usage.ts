/**
 * Owns reading what a process costs: CPU seconds and resident memory, from /proc.
 *
 * Runs on the main thread of a test process; reads only.
 */

import { readFileSync } from 'node:fs';

import { runSync } from './command.ts';

let ticksPerSecond: number | undefined;

/**
 * CPU seconds that a process has used, all its threads, user and system.
 *
 * @param processId - a live process
 * @see proc_pid_stat(5), fields 14 and 15
 */
export function cpuSecondsOf(processId: number): number {
  const stat = readFileSync(`/proc/${processId}/stat`, 'utf8');
  // The second field is the program's name in parentheses and may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticks();
}

/** Resident memory of a process in bytes. @see proc_pid_status(5), VmRSS */
export function residentBytesOf(processId: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${processId}/status`, 'utf8'));
  return Number(found?.[1] ?? 0) * 1024;
}

/** Says whether a process of this number exists. */
export function isRunning(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch {
    return false;
  }
}

function ticks(): number {
  ticksPerSecond ??= Number(runSync('getconf', ['CLK_TCK']).stdout);
  return ticksPerSecond;
}

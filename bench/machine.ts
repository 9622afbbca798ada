/**
 * Owns the description of the machine that a bench ran on, and of how undisturbed it was.
 *
 * Reads /proc and /sys only. Runs on the main thread of the bench.
 */

import { readFileSync } from 'node:fs';
import { arch, cpus, release, totalmem } from 'node:os';

/** What a reader needs in order to compare two results. */
export interface MachineDescription {
  readonly cpuModel: string;
  readonly coreCount: number;
  readonly architecture: string;
  readonly kernel: string;
  readonly memoryGiB: number;
  readonly nodeVersion: string;
  /** Frequency governor; `none` where the kernel shows none, as in most virtual machines. */
  readonly governor: string;
}

/** A reading of the kernel's CPU time counters. */
export interface CpuTimes {
  readonly totalTicks: number;
  readonly stealTicks: number;
}

/** Describes this machine. */
export function describeMachine(): MachineDescription {
  const cores = cpus();
  return {
    cpuModel: cores[0]?.model.trim() ?? 'unknown',
    coreCount: cores.length,
    architecture: arch(),
    kernel: release(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    nodeVersion: process.version,
    governor: readGovernor(),
  };
}

/** Reads the time counters of all cores together. @see proc_stat(5) */
export function readCpuTimes(): CpuTimes {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  return { totalTicks: ticks.reduce((sum, value) => sum + value, 0), stealTicks: ticks[7] ?? 0 };
}

/** Share of CPU time that a hypervisor gave to others between two readings, 0 to 1. */
export function stealShare(before: CpuTimes, after: CpuTimes): number {
  const total = after.totalTicks - before.totalTicks;
  return total <= 0 ? 0 : (after.stealTicks - before.stealTicks) / total;
}

function readGovernor(): string {
  try {
    return readFileSync('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor', 'utf8').trim();
  } catch {
    return 'none';
  }
}

/**
 * Owns the description of the machine that a bench ran on, and of how undisturbed it was.
 *
 * Reads /proc and /sys only, and asks git for the commit. Runs on the main thread of the bench.
 */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, cpus, loadavg, release, totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

import { PROJECT_ROOT } from './project-root.ts';

/** What a reader needs in order to compare two results. */
export interface MachineDescription {
  readonly cpuModel: string;
  readonly coreCount: number;
  readonly architecture: string;
  /** Those flags of the CPU that decide how fast the cryptography can be. */
  readonly cpuFlags: readonly string[];
  /** Revision of the CPU's microcode; `unknown` where the kernel shows none. */
  readonly microcode: string;
  readonly virtual: boolean;
  readonly kernel: string;
  readonly memoryGiB: number;
  readonly nodeVersion: string;
  /** Frequency governor; `none` where the kernel shows none, as in most virtual machines. */
  readonly governor: string;
}

/** What else the machine did just before the bench. */
export interface QuietState {
  /** Processes that wanted to run, averaged over the last minute. */
  readonly loadAverage: number;
  /** Share of CPU time in use while the bench waited, 0 to 1. */
  readonly busyShare: number;
  /** Share of CPU time that a hypervisor gave to others while the bench waited, 0 to 1. */
  readonly stealShare: number;
}

/** A reading of the kernel's CPU time counters. */
export interface CpuTimes {
  readonly totalTicks: number;
  readonly idleTicks: number;
  readonly stealTicks: number;
}

/** A core in ten at work is enough to move what a few microseconds decide. */
const QUIET_BUSY_SHARE = 0.1;
const QUIET_STEAL_SHARE = 0.02;

const FLAGS_THAT_COUNT = [
  ...['aes', 'pclmulqdq', 'sha_ni', 'gfni', 'vaes', 'vpclmulqdq', 'avx2', 'avx512f', 'avx512bw'],
  ...['pmull', 'sha2', 'sve', 'sve2'],
];

/** Describes this machine. */
export function describeMachine(): MachineDescription {
  const cores = cpus();
  const cpuInfo = readOr('/proc/cpuinfo', '');
  const flags = new Set((/^(?:flags|Features)\s*:\s*(.+)$/m.exec(cpuInfo)?.[1] ?? '').split(' '));
  return {
    cpuModel: cores[0]?.model.trim() ?? 'unknown',
    coreCount: cores.length,
    architecture: arch(),
    cpuFlags: FLAGS_THAT_COUNT.filter((flag) => flags.has(flag)),
    microcode: /^microcode\s*:\s*(\S+)$/m.exec(cpuInfo)?.[1] ?? 'unknown',
    virtual: flags.has('hypervisor'),
    kernel: release(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    nodeVersion: process.version,
    governor: readOr('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor', 'none'),
  };
}

/** The commit that is measured, with a `+` after it when files differ from it; undefined outside a checkout. */
export function describeSource(): string | undefined {
  const git = (...args: string[]) => spawnSync('git', args, { cwd: PROJECT_ROOT, encoding: 'utf8' });
  const commit = git('rev-parse', '--short=12', 'HEAD');
  if (commit.status !== 0) return undefined;
  const changed = git('status', '--porcelain', '--untracked-files=no').stdout.trim() !== '';
  return `${commit.stdout.trim()}${changed ? '+' : ''}`;
}

/** Watches the machine while nothing of the bench runs. */
export async function observeQuiet(watchMs: number): Promise<QuietState> {
  const before = readCpuTimes();
  await sleep(watchMs);
  const after = readCpuTimes();
  return {
    loadAverage: loadavg()[0] ?? 0,
    busyShare: busyShare(before, after),
    stealShare: stealShare(before, after),
  };
}

/** What a reader of the figures should know about the machine's other work; empty when it was quiet. */
export function quietWarnings(state: QuietState): string[] {
  const percent = (share: number): string => `${Math.round(share * 100)} %`;
  const warnings: string[] = [];
  if (state.busyShare > QUIET_BUSY_SHARE)
    warnings.push(
      `The machine is not quiet: ${percent(state.busyShare)} of its CPU time was in use before the bench began.`,
    );
  if (state.stealShare > QUIET_STEAL_SHARE)
    warnings.push(`A hypervisor gave ${percent(state.stealShare)} of the CPU time to others.`);
  return warnings;
}

/** Reads the time counters of all cores together. @see proc_stat(5) */
export function readCpuTimes(): CpuTimes {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  return {
    totalTicks: ticks.reduce((sum, value) => sum + value, 0),
    // Waiting for a disk leaves the core free.
    idleTicks: (ticks[3] ?? 0) + (ticks[4] ?? 0),
    stealTicks: ticks[7] ?? 0,
  };
}

/** Share of CPU time that a hypervisor gave to others between two readings, 0 to 1. */
export function stealShare(before: CpuTimes, after: CpuTimes): number {
  const total = after.totalTicks - before.totalTicks;
  return total <= 0 ? 0 : (after.stealTicks - before.stealTicks) / total;
}

/** Share of CPU time in use between two readings, 0 to 1; what a hypervisor took does not count. */
export function busyShare(before: CpuTimes, after: CpuTimes): number {
  const total = after.totalTicks - before.totalTicks;
  const idle = after.idleTicks - before.idleTicks;
  const stolen = after.stealTicks - before.stealTicks;
  return total <= 0 ? 0 : Math.max(0, (total - idle - stolen) / total);
}

function readOr(path: string, missing: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return missing;
  }
}

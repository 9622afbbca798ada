/**
 * Owns the flame graph of JavaScript: a daemon's V8 profiles, a file a thread, through 0x into one page.
 *
 *   node --cpu-prof ─▶ CPU.….THREAD.….cpuprofile ─▶ cut, joined ─▶ 0x --visualize-cpu-profile ─▶ .html
 *
 * 0x itself profiles only a process's main thread (`--prof` writes one log for all isolates, and 0x reads one isolate),
 * where no frame passes; so V8's own profiler takes the samples, in all threads, and 0x draws them. Runs on the main
 * thread of the bench.
 */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { run } from '../../test/lab/command.ts';
import { cutProfile, joinProfiles, parseCpuProfile, type ThreadProfile } from './cpu-profile.ts';

const RENDER_TIMEOUT_MS = 60_000;
/** `CPU.DATE.TIME.PROCESS.THREAD.NUMBER.cpuprofile`; thread 0 is the main one. */
const PROFILE_NAME = /^CPU\.\d+\.\d+\.\d+\.(\d+)\.\d+\.cpuprofile$/;

/** What a daemon's environment must have to be profiled; it writes when it ends. */
export function profilerEnvironment(folder: string): Readonly<Record<string, string>> {
  return { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder}` };
}

/** Microseconds of the clock that V8's profiles go by. */
export function profilerClockUs(): number {
  return Number(process.hrtime.bigint()) / 1000;
}

/**
 * Reads a folder of profiles, those of the main thread and of the workers.
 *
 * @param window - in µs of {@link profilerClockUs}
 */
export function readThreadProfiles(
  folder: string,
  window: { readonly startUs: number; readonly endUs: number },
): ThreadProfile[] {
  const files = readdirSync(folder).flatMap((name) => {
    const thread = PROFILE_NAME.exec(name)?.[1];
    return thread === undefined ? [] : [{ name, thread: Number(thread) }];
  });
  return files
    .sort((left, right) => left.thread - right.thread)
    .map(({ name, thread }) => ({
      thread: thread === 0 ? 'main thread' : `worker ${thread - 1}`,
      profile: cutProfile(parseCpuProfile(readFileSync(join(folder, name), 'utf8')), window),
    }));
}

/**
 * Draws the page.
 *
 * @param page - where it goes
 * @param options - `folder` for what lies between; `root` is left out of the functions' addresses
 * @throws LabError when 0x fails
 */
export async function drawWithZeroX(
  threads: readonly ThreadProfile[],
  page: string,
  options: { readonly folder: string; readonly root: string; readonly title: string },
): Promise<void> {
  const joined = join(options.folder, 'joined.cpuprofile');
  writeFileSync(joined, JSON.stringify(joinProfiles(threads, options.root)));
  const program = join(dirname(createRequire(import.meta.url).resolve('0x')), 'cmd.js');
  const what = ['--visualize-cpu-profile', joined, '--output-html', page, '--title', options.title];
  await run(process.execPath, [program, ...what, '--working-dir', options.folder, '--silent'], {
    timeoutMs: RENDER_TIMEOUT_MS,
  });
}

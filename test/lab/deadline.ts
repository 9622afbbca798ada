/**
 * Owns waiting for a condition of a real system: polled, bounded, with a sentence when it did not come.
 *
 * Runs on the main thread of a test process. Only tests of the real kernel wait like this; unit tests never do.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import { LabError } from './command.ts';

/** How long and how often to look. */
export interface WaitOptions {
  readonly timeoutMs: number;
  /** 100 unless given. */
  readonly intervalMs?: number;
  /** Called once when time is up; its text is added to the error. */
  readonly explain?: () => string | Promise<string>;
}

/**
 * Looks until a value appears.
 *
 * @param what - completes the sentence "timed out waiting for …"
 * @param look - returns undefined or false as long as it is not so; what it throws counts as "not yet", but for
 * `daemon-ended`
 * @throws {@link LabError} `deadline`
 */
export async function waitFor<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  options: WaitOptions,
): Promise<T> {
  const endMs = performance.now() + options.timeoutMs;
  let lastError: unknown;
  for (;;) {
    try {
      const value = await look();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      // What has ended will not come any more.
      if (error instanceof LabError && error.code === 'daemon-ended') throw error;
      lastError = error;
    }
    if (performance.now() >= endMs) break;
    await sleep(options.intervalMs ?? 100);
  }
  const reason = lastError instanceof Error ? `\n${lastError.message}` : '';
  const more = options.explain === undefined ? '' : `\n${await options.explain()}`;
  throw new LabError(
    'deadline',
    `timed out after ${options.timeoutMs} ms waiting for ${what}${reason}${more}`,
    { cause: lastError },
  );
}

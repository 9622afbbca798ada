/**
 * Owns the times of many batches of one piece of work, whose median counts: a batch that the scheduler interrupted is a
 * thousand times longer than the others, and says nothing of the work. A measuring thread.
 */
import { median } from '../arithmetic.ts';

/** Newer batches take the places of older ones. */
const KEPT = 4096;
const CLOCK_READINGS = 1000;

/** Times of batches. */
export class BatchTimes {
  readonly #ms = new Float64Array(KEPT);
  #count = 0;

  /** Runs one batch. */
  time(work: () => void): void {
    const startMs = performance.now();
    work();
    this.#ms[this.#count++ % KEPT] = performance.now() - startMs;
  }

  /** @throws RangeError when there was none */
  medianMs(): number {
    return median(Array.from(this.#ms.subarray(0, Math.min(this.#count, KEPT))));
  }
}

/** What the two looks at the clock add to a batch. */
export function clockCostMs(): number {
  const times = new BatchTimes();
  for (let reading = 0; reading < CLOCK_READINGS; reading++) times.time(() => undefined);
  return times.medianMs();
}

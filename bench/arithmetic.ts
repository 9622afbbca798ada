/**
 * Owns the bench's arithmetic: medians, spreads, percentiles and ratios.
 *
 * Pure functions over finite numbers, any thread; nothing here knows what was measured.
 */

/** Repeats of one figure in one line. */
export interface Summary {
  readonly median: number;
  /** (largest − smallest) / median; 0 for one sample or a median of 0. */
  readonly spread: number;
  readonly samples: readonly number[];
}

/** Spread above which a figure is marked as unsteady. */
export const UNSTEADY_SPREAD = 0.15;

/** The middle of the samples; the mean of the middle two when their count is even. @throws RangeError when empty */
export function median(samples: readonly number[]): number {
  const sorted = sortedCopy(samples);
  const upper = sorted.length >> 1;
  const high = at(sorted, upper);
  return sorted.length % 2 === 1 ? high : (at(sorted, upper - 1) + high) / 2;
}

/** The least sample that `share` of the samples do not exceed (nearest rank). @param share - above 0, at most 1 */
export function percentile(samples: readonly number[], share: number): number {
  if (!(share > 0 && share <= 1)) throw new RangeError(`share must be in (0, 1], got ${share}`);
  const sorted = sortedCopy(samples);
  return at(sorted, Math.ceil(share * sorted.length) - 1);
}

/** The arithmetic mean. @throws RangeError when empty */
export function mean(samples: readonly number[]): number {
  return sortedCopy(samples).reduce((sum, sample) => sum + sample, 0) / samples.length;
}

/** Median and spread of repeats. @throws RangeError when empty */
export function summarize(samples: readonly number[]): Summary {
  const middle = median(samples);
  const range = Math.max(...samples) - Math.min(...samples);
  return { median: middle, spread: middle === 0 ? 0 : Math.abs(range / middle), samples: [...samples] };
}

/**
 * The median of the ratios of paired repeats: a machine that slows down between two repeats slows both of a pair.
 *
 * @param values - one a repeat
 * @param references - the reference in the same repeats
 * @returns undefined when there is no pair or a reference is 0
 */
export function medianRatio(values: readonly number[], references: readonly number[]): number | undefined {
  const pairCount = Math.min(values.length, references.length);
  if (pairCount === 0 || references.slice(0, pairCount).includes(0)) return undefined;
  return median(values.slice(0, pairCount).map((value, repeat) => value / at(references, repeat)));
}

/** Says whether repeats differ so much that the figure must be marked. */
export function isUnsteady(summary: Summary): boolean {
  return summary.spread > UNSTEADY_SPREAD;
}

function sortedCopy(samples: readonly number[]): number[] {
  if (samples.length === 0) throw new RangeError('no samples');
  return [...samples].sort((left, right) => left - right);
}

function at(samples: readonly number[], index: number): number {
  const sample = samples[index];
  if (sample === undefined) throw new RangeError(`no sample at ${index}`);
  return sample;
}

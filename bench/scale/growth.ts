/**
 * Owns the target that more of something makes no frame dearer, and how memory for one of it is told. Pure.
 */
import { medianRatio } from '../arithmetic.ts';
import type { Verdict } from '../section.ts';

/** From 1 to 100 of each. */
const GROWTH_WANTED = 1.1;

/**
 * Judges a cost with many of something beside the cost with one.
 *
 * @param many - one a repeat
 * @param one - in the same repeats
 */
export function judgeGrowth(
  title: string,
  many: readonly number[],
  one: readonly number[],
): readonly Verdict[] {
  const ratio = medianRatio(many, one);
  if (ratio === undefined) return [];
  return [
    {
      title,
      measured: ratio,
      sense: 'at most',
      wanted: GROWTH_WANTED,
      unit: '×',
      met: ratio <= GROWTH_WANTED,
      stretch: false,
    },
  ];
}

/** What each of the further ones takes. @param least - count and bytes with few of them */
export function bytesEach(
  least: { readonly count: number; readonly bytes: number },
  most: { readonly count: number; readonly bytes: number },
): number {
  return most.count === least.count ? 0 : (most.bytes - least.bytes) / (most.count - least.count);
}

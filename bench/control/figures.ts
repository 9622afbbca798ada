/**
 * Owns what the section `control` tells of private VLANs, and how that is judged. Pure.
 */
import { median } from '../arithmetic.ts';
import type { FigureDescription, Recorder, Verdict } from '../section.ts';

const TIME = { unit: 'ms', digits: 1, better: 'lower' } as const;
const SIZE = { unit: 'bytes', digits: 0, better: 'lower' } as const;

export const ADD_FIGURE: FigureDescription = { title: 'commit that adds one', ...TIME };
export const PROCESS_FIGURE: FigureDescription = { title: 'another member follows it', ...TIME };
export const WELCOME_FIGURE: FigureDescription = { title: 'newcomer comes in by the Welcome', ...TIME };
export const JOIN_FIGURE: FigureDescription = {
  title: 'join in all: key package, commit, Welcome',
  ...TIME,
};
export const REMOVE_FIGURE: FigureDescription = { title: 'commit that removes one', ...TIME };
export const FOLLOW_REMOVE_FIGURE: FigureDescription = {
  title: 'another member follows the removal',
  ...TIME,
};
export const EXTERNAL_FIGURE: FigureDescription = { title: 'external commit', ...TIME };

export const ADD_BYTES_FIGURE: FigureDescription = { title: 'commit that adds one', ...SIZE };
export const WELCOME_BYTES_FIGURE: FigureDescription = { title: 'Welcome', ...SIZE };
export const REMOVE_BYTES_FIGURE: FigureDescription = { title: 'commit that removes one', ...SIZE };

export const BLOCK_FIGURE: FigureDescription = {
  title: "main loop's longest block",
  unit: 'ms',
  digits: 1,
  better: 'lower',
};

/** No block is longer than this; it does not grow when others take the core away. */
export const MAIN_CPU_FIGURE: FigureDescription = {
  title: 'CPU of the main thread, all jobs of a repeat',
  unit: 'ms',
  digits: 1,
  better: 'lower',
};

/** The size of group that the target speaks of. */
export const TARGET_MEMBERS = 200;
/** Of a join at that size. */
export const JOIN_MS = 2_000;
/** Of the main loop, at any size. */
export const BLOCK_MS = 20;

/** Judges the work of a join, and what it did to the main loop. */
export function judgeGroups(
  times: Recorder,
  blocks: Recorder,
  { subject, sizes }: { readonly subject: string; readonly sizes: readonly number[] },
): readonly Verdict[] {
  const joins = times.samples({ subject, figure: JOIN_FIGURE, x: TARGET_MEMBERS });
  const longest = sizes.flatMap((x) => blocks.samples({ subject, figure: BLOCK_FIGURE, x }));
  return [
    ...atMost(`MLS work of a join at ${TARGET_MEMBERS} members, ${subject}`, joins, JOIN_MS, median),
    ...atMost(`main loop's longest block, ${subject}`, longest, BLOCK_MS, (all) => Math.max(...all)),
  ];
}

/** A verdict; none when nothing was measured. */
export function atMost(
  title: string,
  samples: readonly number[],
  wanted: number,
  of: (samples: readonly number[]) => number,
): readonly Verdict[] {
  if (samples.length === 0) return [];
  const measured = of(samples);
  return [{ title, measured, sense: 'at most', wanted, unit: 'ms', met: measured <= wanted, stretch: false }];
}

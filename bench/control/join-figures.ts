/**
 * Owns what the section `control` tells of joins between two daemons, and how that is judged. Pure.
 */
import { median } from '../arithmetic.ts';
import type { FigureDescription, Recorder, Verdict } from '../section.ts';
import { atMost, BLOCK_FIGURE, BLOCK_MS, JOIN_MS, TARGET_MEMBERS } from './figures.ts';

const TIME = { unit: 'ms', digits: 0, better: 'lower' } as const;

/** Subjects of the times. */
export const JOIN_SUBJECTS = {
  running: 'two daemons',
  /** Its threads start with the join, and its code was never run. */
  fresh: 'newcomer just started',
} as const;

/** Subjects of what the main threads did. */
export const LOOP_SUBJECTS = ['admin', 'newcomer'] as const;

export const MAIN_JOIN_CPU_FIGURE: FigureDescription = {
  title: 'CPU of the main thread, one join',
  ...TIME,
  digits: 1,
};
/** By stage. */
export const STAGE_FIGURES = {
  answeredMs: { title: 'request answered, interface up', ...TIME },
  settledMs: { title: 'admin has settled the commit', ...TIME },
  insideMs: { title: 'newcomer is in the group', ...TIME },
  tookMs: { title: 'join: first frame both ways', ...TIME },
} as const satisfies Readonly<Record<string, FigureDescription>>;

/** How far a join was when, in ms since the request; one that nobody saw is absent. */
export type JoinStages = Readonly<Partial<Record<keyof typeof STAGE_FIGURES, number>>>;

/** Takes the stages of one join. */
export function addStages(
  times: Recorder,
  place: { readonly subject: string; readonly x: number },
  stages: JoinStages,
): void {
  for (const key of ['answeredMs', 'settledMs', 'insideMs', 'tookMs'] as const) {
    const ms = stages[key];
    if (ms !== undefined) times.add({ ...place, figure: STAGE_FIGURES[key] }, ms);
  }
}

/** Judges the joins at the size of the target, and the main loops at all sizes. */
export function judgeJoins(times: Recorder, loops: Recorder, sizes: readonly number[]): readonly Verdict[] {
  const { running: subject } = JOIN_SUBJECTS;
  const joins = times.samples({ subject, figure: STAGE_FIGURES.tookMs, x: TARGET_MEMBERS });
  const blocks = LOOP_SUBJECTS.map((name) => ({
    name,
    samples: sizes.flatMap((x) => loops.samples({ subject: name, figure: BLOCK_FIGURE, x })),
  }));
  return [
    ...atMost(`join at ${TARGET_MEMBERS} members, request to first frame both ways`, joins, JOIN_MS, median),
    ...blocks.flatMap(({ name, samples }) =>
      atMost(`main loop's longest block during joins, ${name}`, samples, BLOCK_MS, (all) => Math.max(...all)),
    ),
  ];
}

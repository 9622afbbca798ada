/**
 * Owns what the section `control` tells of the frame path of a private VLAN beside an open one, and how that is judged.
 * Pure.
 */
import { medianRatio } from '../arithmetic.ts';
import type { FigureDescription, Recorder, Verdict } from '../section.ts';

/** The two VLANs on one trunk. */
export const FRAME_KINDS = ['open', 'private'] as const;
export type FrameKind = (typeof FRAME_KINDS)[number];

export const FRAME_FIGURES = {
  throughput: { title: 'TCP, 1 stream', unit: 'Gbit/s', digits: 2, better: 'higher' },
  cost: { title: 'CPU of both daemons', unit: 's/GB', digits: 2, better: 'lower' },
} as const satisfies Readonly<Record<string, FigureDescription>>;

const RATIO = 0.97;

/** As the report names the measurement. */
export function frameSubject(engine: string, kind: FrameKind): string {
  return `${engine}, ${kind} VLAN`;
}

/** Who goes first in a round: what a machine does to the first of a pair must not always hit the same one. */
export function orderOfRound(round: number): readonly FrameKind[] {
  return round % 2 === 0 ? FRAME_KINDS : FRAME_KINDS.toReversed();
}

/** Judges each engine by the median of the rounds' ratios. */
export function judgeFrames(recorder: Recorder, engines: readonly string[]): readonly Verdict[] {
  return engines.flatMap((engine) => {
    const of = (kind: FrameKind): readonly number[] =>
      recorder.samples({ subject: frameSubject(engine, kind), figure: FRAME_FIGURES.throughput });
    const measured = medianRatio(of('private'), of('open'));
    if (measured === undefined) return [];
    const title = `${engine}: TCP of a private VLAN with pairwise keys`;
    const unit = '× open VLAN';
    return [
      { title, measured, sense: 'at least', wanted: RATIO, unit, met: measured >= RATIO, stretch: false },
    ];
  });
}

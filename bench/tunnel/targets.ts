/**
 * Owns what the tunnel is expected to reach, as ratios within one run wherever the machine would decide otherwise.
 *
 * Pure. Runs on the main thread of the bench. A missed target is shown, never an error: no test fails by a time.
 */

import { median, medianRatio } from '../arithmetic.ts';
import { FIGURES, type FigureKey } from './figures.ts';

/** Names of the subjects that targets speak of. */
export const SUBJECT_NAMES = {
  bare: 'bare link',
  vxlan: 'kernel VXLAN',
  native: 'PeerTap native',
  typescript: 'PeerTap TypeScript',
} as const;

/** One expectation. */
export interface Target {
  readonly subject: string;
  readonly figure: FigureKey;
  /** The figure is taken as a multiple of this subject's. */
  readonly relativeTo?: string;
  readonly sense: 'at least' | 'at most';
  readonly value: number;
  /** Reported, not demanded. */
  readonly stretch?: boolean;
}

/** A target beside what was measured. */
export interface Verdict {
  readonly target: Target;
  readonly measured: number;
  readonly met: boolean;
}

/** The samples of a figure, by subject and figure. */
export type SampleTable = ReadonlyMap<string, ReadonlyMap<FigureKey, readonly number[]>>;

const { bare, vxlan, native, typescript } = SUBJECT_NAMES;

/** What is expected on the wire `gso`. */
export const TARGETS: readonly Target[] = [
  { subject: native, figure: 'tcpGbit', relativeTo: vxlan, sense: 'at least', value: 0.35 },
  { subject: native, figure: 'cpuSecondsPerGigabyte', sense: 'at most', value: 2.0 },
  { subject: typescript, figure: 'tcpGbit', relativeTo: vxlan, sense: 'at least', value: 0.05 },
  { subject: native, figure: 'udpSmallKpps', relativeTo: vxlan, sense: 'at least', value: 0.5 },
  { subject: native, figure: 'pingIdleUs', relativeTo: bare, sense: 'at most', value: 8, stretch: true },
  { subject: native, figure: 'pingLoadedP99Ms', sense: 'at most', value: 3, stretch: true },
  { subject: native, figure: 'residentAfterMiB', sense: 'at most', value: 256 },
  { subject: typescript, figure: 'residentAfterMiB', sense: 'at most', value: 256 },
  { subject: native, figure: 'startMs', sense: 'at most', value: 2000 },
  { subject: typescript, figure: 'startMs', sense: 'at most', value: 2000 },
];

/** Compares what was measured with the targets; those whose figures are missing are left out. */
export function judge(targets: readonly Target[], samples: SampleTable): Verdict[] {
  return targets.flatMap((target) => {
    const measured = measuredValue(target, samples);
    if (measured === undefined) return [];
    const met = target.sense === 'at least' ? measured >= target.value : measured <= target.value;
    return [{ target, measured, met }];
  });
}

/** One row of the table of targets. */
export function describeVerdict({ target, measured, met }: Verdict): string[] {
  const unit = target.relativeTo === undefined ? FIGURES[target.figure].unit : `× ${target.relativeTo}`;
  const wanted = `${target.sense === 'at least' ? '≥' : '≤'} ${target.value} ${unit}${target.stretch === true ? ' (stretch)' : ''}`;
  return [
    `${target.subject}: ${FIGURES[target.figure].title}`,
    measured.toFixed(2),
    wanted,
    met ? 'met' : 'missed',
  ];
}

function measuredValue(target: Target, samples: SampleTable): number | undefined {
  const values = samples.get(target.subject)?.get(target.figure);
  if (values === undefined || values.length === 0) return undefined;
  if (target.relativeTo === undefined) return median(values);
  return medianRatio(values, samples.get(target.relativeTo)?.get(target.figure) ?? []);
}

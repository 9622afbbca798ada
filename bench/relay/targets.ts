/**
 * Owns what the relay's core shall reach, and how that is judged. Pure.
 */
import { median, medianRatio } from '../arithmetic.ts';
import type { BenchEngine, FigureDescription, Recorder, Verdict } from '../section.ts';

/** The limit: receive and send only. */
export const LOOP = 'loop';
/** What passes datagrams on. */
export type RelaySubject = BenchEngine | typeof LOOP;

/** Sizes of the datagrams: as large as the wire takes, and small. */
export const DATAGRAM_SIZES = [1472, 200] as const;

/** CPU time of the whole process for one datagram. */
export const CPU_FIGURE: FigureDescription = {
  title: 'CPU a datagram',
  unit: 'ns',
  digits: 0,
  better: 'lower',
};

/** The readings of one size. */
export interface SizeGroup {
  readonly bytes: (typeof DATAGRAM_SIZES)[number];
  readonly recorder: Recorder;
}

const LARGE_RATIO = { wanted: 0.8, stretch: 0.95 } as const;
const SMALL_NS = { wanted: 220, stretch: 160 } as const;

/** Judges the native engine. */
export function judgeRelay(groups: readonly SizeGroup[]): readonly Verdict[] {
  return groups.flatMap(({ bytes, recorder }) => {
    const relay = recorder.samples({ subject: 'native', figure: CPU_FIGURE });
    const loop = recorder.samples({ subject: LOOP, figure: CPU_FIGURE });
    if (bytes === 1472) return judgeLarge(medianRatio(loop, relay));
    return relay.length === 0 ? [] : judgeSmall(median(relay));
  });
}

/** A core that is busy passes on as many as it has time for: the ratio of rates is that of times, turned round. */
function judgeLarge(ratio: number | undefined): readonly Verdict[] {
  if (ratio === undefined) return [];
  return ([LARGE_RATIO.wanted, LARGE_RATIO.stretch] as const).map((wanted, index) => ({
    title: 'relay core, 1,472 B, a core: of what the receive-and-send loop carries',
    measured: ratio,
    sense: 'at least',
    wanted,
    unit: '×',
    met: ratio >= wanted,
    stretch: index === 1,
  }));
}

function judgeSmall(ns: number): readonly Verdict[] {
  return ([SMALL_NS.wanted, SMALL_NS.stretch] as const).map((wanted, index) => ({
    title: 'relay core, 200 B in trains: CPU a datagram',
    measured: ns,
    sense: 'at most',
    wanted,
    unit: 'ns',
    met: ns <= wanted,
    stretch: index === 1,
  }));
}

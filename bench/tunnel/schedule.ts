/**
 * Owns how long each measurement of the section `tunnel` takes, and in which repeats it is taken: in full, in the short
 * form of a run of all sections, and in the smoke form of a test.
 *
 * Pure. Runs on the main thread of the bench.
 */

import type { SectionSettings } from '../section.ts';

/** How long things take. */
export interface Schedule {
  /** Of one run of TCP. */
  readonly stream: { readonly seconds: number } | { readonly bytes: number };
  /** Of a short trial in the search for a rate; a long one takes twice as long. */
  readonly trialSeconds: number;
  readonly maxTrials: number;
  /** Rate that floods any path. */
  readonly floodPerSecond: number;
  /** Of pings, and again of requests, idle and under load. */
  readonly latencySeconds: number;
  /** A stream runs for so long before anything is measured beside it. */
  readonly loadLeadMs: number;
  /** Of the watched run before the first measurement, which warms up as well. */
  readonly warmUp: Schedule['stream'];
  readonly watchSeconds: number;
  readonly idleSeconds: number;
}

/** In which of the repeats something is measured. */
export type Occasion = 'every repeat' | 'first repeat' | 'last repeat' | 'never';

/** Of a search for a rate in trials: what it takes on an undisturbed path is then a little more than `seconds`. */
const TRIALS_IN_A_SEARCH = 12;
const TRIALS_IN_A_SHORT_SEARCH = 20;
const MAX_TRIALS = 30;
const SHORT_MAX_TRIALS = 16;
const SHORT_LATENCY_SECONDS = 0.6;
/** Thousands of requests: what follows tells nothing new. */
const LONGEST_LATENCY_SECONDS = 3;
/** Above what one iperf3 sender reaches on a fast core. */
const FLOOD_PER_SECOND = 1_000_000;

/** Lengths for the form that was asked for. */
export function scheduleOf({ seconds, short, smoke }: SectionSettings): Schedule {
  if (smoke) {
    return {
      stream: { bytes: 4_000_000 },
      trialSeconds: 0.05,
      maxTrials: MAX_TRIALS,
      floodPerSecond: 2_000,
      latencySeconds: 0.1,
      loadLeadMs: 50,
      warmUp: { bytes: 1_000_000 },
      watchSeconds: 0.15,
      idleSeconds: 0.1,
    };
  }
  return {
    stream: { seconds },
    trialSeconds: seconds / (short ? TRIALS_IN_A_SHORT_SEARCH : TRIALS_IN_A_SEARCH),
    maxTrials: short ? SHORT_MAX_TRIALS : MAX_TRIALS,
    floodPerSecond: FLOOD_PER_SECOND,
    latencySeconds: Math.min(seconds, short ? SHORT_LATENCY_SECONDS : LONGEST_LATENCY_SECONDS),
    loadLeadMs: short ? 300 : 1000,
    warmUp: short ? { bytes: 200_000_000 } : { seconds: 5 },
    watchSeconds: short ? 0.2 : 1,
    idleSeconds: short ? 1 : 3,
  };
}

/** Says whether a repeat is an occasion. @param repeat - from 0 */
export function isOccasion(occasion: Occasion, repeat: number, repeatCount: number): boolean {
  if (occasion === 'never') return false;
  if (occasion === 'first repeat') return repeat === 0;
  return occasion === 'every repeat' || repeat + 1 === repeatCount;
}

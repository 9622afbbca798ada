/**
 * How long the main thread kept what was due waiting: the event loop's delay over the last seconds.
 *
 *   timer of 10 ms ─▶ older │ newer ─▶ what both have seen        every 10 s the newer becomes the older
 *
 * Main thread; the samples are taken by Node itself. A reader changes nothing, so that two scrapers see the same.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** The delay over the last 10 to 20 s. */
export interface EventLoopDelay {
  /** The longest; what kept the loop busy lasted at least as long. */
  readonly maxMs: number;
  /** What 99 in 100 samples did not exceed. */
  readonly p99Ms: number;
}

/** The part of `perf_hooks.IntervalHistogram` that the watch uses; values in nanoseconds. */
export interface DelayHistogram {
  readonly count: number;
  readonly max: number;
  percentile(percentile: number): number;
  enable(): boolean;
  disable(): boolean;
}

/** Finer would wake an idle daemon more often; a block of 5 ms is then seen every other time. */
const SAMPLE_MS = 10;
const ROTATION_MS = 10_000;
const NS_PER_MS = 1e6;

/** See the file's head. */
export class EventLoopWatch {
  readonly #create: () => DelayHistogram;
  #newer: DelayHistogram | undefined;
  #older: DelayHistogram | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(create: () => DelayHistogram = () => monitorEventLoopDelay({ resolution: SAMPLE_MS })) {
    this.#create = create;
  }

  /** Begins to sample; call {@link stop} after it. */
  start(): void {
    this.rotate();
    this.#timer = setInterval(() => {
      this.rotate();
    }, ROTATION_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#newer?.disable();
    this.#newer = undefined;
    this.#older = undefined;
  }

  /** Begins a new window; what was sampled before the last one is forgotten. */
  rotate(): void {
    this.#newer?.disable();
    this.#older = this.#newer;
    this.#newer = this.#create();
    this.#newer.enable();
  }

  /** @returns zeros before the first sample */
  read(): EventLoopDelay {
    const windows = [this.#older, this.#newer].filter((window) => window !== undefined);
    const sampled = windows.filter((window) => window.count > 0);
    // Node counts from timer to timer: a loop that is never late reads as the timer's own interval.
    const worst = (valueOf: (window: DelayHistogram) => number): number =>
      sampled.reduce((most, window) => Math.max(most, valueOf(window) / NS_PER_MS - SAMPLE_MS), 0);
    return {
      maxMs: roundMs(worst((window) => window.max)),
      p99Ms: roundMs(worst((window) => window.percentile(99))),
    };
  }
}

function roundMs(valueMs: number): number {
  return Math.round(valueMs * 1000) / 1000;
}

/**
 * Owns the search for the highest rate that a path carries with little loss, on a machine that disturbs it.
 *
 *   1 flood      one trial at the ceiling: what the sender reaches at all, and about what the path delivers
 *   2 enclose    from there (or from what is known) up or down until one rate was carried and a higher one was not
 *   3 bisect     until the two are close
 *   4 confirm    longer trials of the carried rate; it counts when two of three carry it, otherwise go down a step
 *   5 climb      a step up as long as one of two longer trials carries it: a loss in 2 or 3 may have been a hiccup
 *
 * Trials lie in one direction: a scheduler that looks away for some ms makes a path lose what it would have carried, and
 * nothing makes it carry what it cannot. So a rate counts as lost only after several trials, and one good trial is enough
 * to go on; what is returned was seen more than once. Pure but for the measurement that it is given; it ends after a
 * bounded number of trials whatever those say.
 */

import { median } from '../arithmetic.ts';

/** What one trial at an offered rate showed. */
export interface Trial {
  /** Rate that the sender really reached; it may be below what was asked. */
  readonly sentPerSecond: number;
  readonly deliveredPerSecond: number;
  /** 0 to 1 */
  readonly lossRatio: number;
}

/** Offers a rate, in datagrams a second; `long` trials are to be believed more. */
export type RateTrial = (ratePerSecond: number, length: 'short' | 'long') => Promise<Trial>;

/** Where and how to search. */
export interface RateSearchLimits {
  /** First and highest rate offered. */
  readonly ceilingPerSecond: number;
  readonly maxLossRatio: number;
  /** Where to start, for instance what an earlier search found; what the flood delivered unless given. */
  readonly nearPerSecond?: number;
  /** Stages 2, 3 and 5 end after so many trials, whatever is left to find out. */
  readonly maxTrials: number;
}

/** Rates closer than this, as a ratio, are the same. */
const PRECISION = 0.05;
/** Of one rate before it counts as lost. */
const SHORT_TRIES = 3;
const ENCLOSING_FACTOR = 1.25;
/** Each step is larger than the one before it, so this is enough for a guess that is wrong by three orders of magnitude. */
const ENCLOSING_STEPS = 9;
const STEPS_DOWN = 8;
const STEPS_UP = 4;

/**
 * Finds the highest rate that is delivered with no more loss than allowed.
 *
 * @returns delivered rate, the median of the trials that confirmed it; 0 when none was
 */
export async function highestRate(trial: RateTrial, limits: RateSearchLimits): Promise<number> {
  const search = new RateSearch(trial, limits);
  const carried = await search.findCarried();
  return carried === 0 ? 0 : search.confirm(carried);
}

/** One search. */
class RateSearch {
  readonly #trial: RateTrial;
  readonly #limits: RateSearchLimits;
  #trialsLeft: number;

  constructor(trial: RateTrial, limits: RateSearchLimits) {
    this.#limits = limits;
    this.#trialsLeft = limits.maxTrials;
    this.#trial = (rate, length) => {
      this.#trialsLeft--;
      return trial(rate, length);
    };
  }

  /** Stages 1 to 3. @returns a rate that was carried once, as far as short trials can tell the highest */
  async findCarried(): Promise<number> {
    const { ceilingPerSecond, nearPerSecond } = this.#limits;
    const flood = await this.#trial(ceilingPerSecond, 'short');
    const reach = Math.min(flood.sentPerSecond, ceilingPerSecond);
    if (this.#isCarried(flood)) return reach;
    const guess = Math.min(nearPerSecond ?? flood.deliveredPerSecond, reach);
    const bounds = await this.#enclose(guess > 0 ? guess : reach / 2, reach);
    while (this.#trialsLeft > 0 && bounds.carried > 0 && bounds.lost > bounds.carried * (1 + PRECISION)) {
      const rate = (bounds.carried + bounds.lost) / 2;
      if (await this.#carries(rate)) bounds.carried = rate;
      else bounds.lost = rate;
    }
    return bounds.carried;
  }

  /** Stages 4 and 5. */
  async confirm(carried: number): Promise<number> {
    let rate = carried;
    let delivered: number | undefined;
    for (let step = 0; step < STEPS_DOWN && delivered === undefined; step++) {
      rate = step === 0 ? rate : rate * (1 - PRECISION);
      delivered = await this.#deliveredTwice(rate);
    }
    if (delivered === undefined) return 0;
    return this.#climb(rate, delivered);
  }

  async #enclose(guess: number, reach: number): Promise<{ carried: number; lost: number }> {
    let rate = guess;
    let carried = 0;
    let lost = Number.POSITIVE_INFINITY;
    for (let step = 0; step < ENCLOSING_STEPS && this.#trialsLeft > 0; step++) {
      if (await this.#carries(rate)) carried = rate;
      else lost = rate;
      if (carried > 0 && lost < Number.POSITIVE_INFINITY) break;
      // Nothing faster than the sender can be told apart from what it reaches.
      if (carried >= reach) return { carried: reach, lost: reach };
      const factor = ENCLOSING_FACTOR ** (step + 1);
      rate = carried > 0 ? Math.min(carried * factor, reach) : lost / factor;
    }
    return { carried, lost: Math.min(lost, reach) };
  }

  async #climb(from: number, deliveredThere: number): Promise<number> {
    let rate = from;
    let delivered = deliveredThere;
    for (let step = 0; step < STEPS_UP && this.#trialsLeft > 0; step++) {
      rate = Math.min(rate * (1 + PRECISION), this.#limits.ceilingPerSecond);
      const trials = [await this.#trial(rate, 'long')];
      if (!trials.some(this.#isCarried)) trials.push(await this.#trial(rate, 'long'));
      const best = trials.find(this.#isCarried);
      // A sender at its end delivers no more however much more is asked of it.
      if (best === undefined || best.deliveredPerSecond <= delivered) return delivered;
      delivered = best.deliveredPerSecond;
    }
    return delivered;
  }

  async #carries(rate: number): Promise<boolean> {
    for (let attempt = 0; attempt < SHORT_TRIES; attempt++) {
      if (this.#isCarried(await this.#trial(rate, 'short'))) return true;
    }
    return false;
  }

  /** @returns undefined when two of three trials lost too much */
  async #deliveredTwice(rate: number): Promise<number | undefined> {
    const delivered: number[] = [];
    for (let lostCount = 0; lostCount < 2; ) {
      const trial = await this.#trial(rate, 'long');
      if (!this.#isCarried(trial)) lostCount++;
      else if (delivered.push(trial.deliveredPerSecond) === 2) return median(delivered);
    }
    return undefined;
  }

  readonly #isCarried = (trial: Trial): boolean => trial.lossRatio <= this.#limits.maxLossRatio;
}

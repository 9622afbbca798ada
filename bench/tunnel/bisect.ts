/**
 * Owns the search for the highest rate that a path carries with little loss.
 *
 * Pure but for the measurement that it is given. It must end after a set number of trials whatever those say.
 */

/** What one trial at an offered rate showed. */
export interface Trial {
  /** Rate that the sender really reached; it may be below what was asked. */
  readonly sentPerSecond: number;
  readonly deliveredPerSecond: number;
  /** 0 to 1 */
  readonly lossRatio: number;
}

/** Where and how long to search. */
export interface BisectLimits {
  /** First and highest rate offered. */
  readonly ceilingPerSecond: number;
  readonly maxLossRatio: number;
  /** Rates tried after the first. */
  readonly steps: number;
  /** Trials of one rate before it counts as lost: one scheduler hiccup loses more than a percent of a second. */
  readonly triesPerRate: number;
}

/**
 * Finds the highest delivered rate among trials that lost no more than allowed.
 *
 * @param measure - offers a rate, in datagrams a second
 * @returns delivered rate; 0 when every trial lost more
 */
export async function highestRate(
  measure: (ratePerSecond: number) => Promise<Trial>,
  limits: BisectLimits,
): Promise<number> {
  const first = await bestTrial(measure, limits.ceilingPerSecond, limits);
  if (first.lossRatio <= limits.maxLossRatio) return first.deliveredPerSecond;
  let carried = 0;
  let best = 0;
  // The path cannot carry more than it delivered when it was flooded by very much, but it may carry a little more
  // when it is not, so the search starts from what the sender reached.
  let lost = Math.min(limits.ceilingPerSecond, first.sentPerSecond);
  for (let step = 0; step < limits.steps; step++) {
    const rate = (carried + lost) / 2;
    const trial = await bestTrial(measure, rate, limits);
    if (trial.lossRatio <= limits.maxLossRatio) {
      carried = rate;
      best = Math.max(best, trial.deliveredPerSecond);
    } else {
      lost = rate;
    }
  }
  return best;
}

/** Repeats a trial that lost too much. */
async function bestTrial(
  measure: (ratePerSecond: number) => Promise<Trial>,
  rate: number,
  limits: BisectLimits,
): Promise<Trial> {
  let best = await measure(rate);
  for (let attempt = 1; attempt < limits.triesPerRate && best.lossRatio > limits.maxLossRatio; attempt++) {
    const again = await measure(rate);
    if (again.lossRatio < best.lossRatio) best = again;
  }
  return best;
}

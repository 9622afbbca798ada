/**
 * Token periods: which tokens hold now, which did a moment ago, which will next.
 *
 * A period divides a UTC day evenly, so each period belongs to the epoch of exactly one day.
 *
 * Main thread only; pure functions.
 *
 * @see docs/protocol.md, "Tokens"
 */
import { DAY_SECONDS, utcDay } from '../vlan/open-epoch.ts';

/** A period and the day whose secrets its tokens are made of. */
export interface TokenPeriod {
  /** Unix time divided by the period's length. */
  readonly period: number;
  /** Days since the Unix epoch. */
  readonly day: number;
}

/** The periods whose tokens are accepted; senders use the current one. */
export interface LivePeriods {
  readonly previous: TokenPeriod;
  readonly current: TokenPeriod;
  readonly next: TokenPeriod;
}

/**
 * The periods that are live at a point in time.
 *
 * @param unixMs - the own clock plus the trunk peers' median offset
 * @param periodSeconds - 60 to 86,400; divides a day
 * @throws RangeError for another length (a bug of the caller: the config is checked before)
 */
export function livePeriods(unixMs: number, periodSeconds: number): LivePeriods {
  requirePeriod(periodSeconds);
  const current = Math.floor(unixMs / (periodSeconds * 1_000));
  return {
    previous: periodAt(current - 1, periodSeconds),
    current: periodAt(current, periodSeconds),
    next: periodAt(current + 1, periodSeconds),
  };
}

/** When the period after the current one starts, in Unix milliseconds. */
export function nextPeriodStartMs(unixMs: number, periodSeconds: number): number {
  requirePeriod(periodSeconds);
  const periodMs = periodSeconds * 1_000;
  return (Math.floor(unixMs / periodMs) + 1) * periodMs;
}

function periodAt(period: number, periodSeconds: number): TokenPeriod {
  return { period, day: utcDay(period * periodSeconds * 1_000) };
}

function requirePeriod(periodSeconds: number): void {
  if (!Number.isInteger(periodSeconds) || periodSeconds < 60 || DAY_SECONDS % periodSeconds !== 0) {
    throw new RangeError(
      `a token period divides a day into equal parts of 60 s or more, got ${periodSeconds} s`,
    );
  }
}

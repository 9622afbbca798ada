/**
 * Owns the order of windows in which traffic runs with and without load on the admin API, and what their comparison
 * says.
 *
 *   quiet steady quiet steady … quiet full quiet     one flow all the time; each loaded window has quiet neighbours
 *
 * A machine's drift over seconds is larger than the effect that is looked for, so a loaded window is compared only with
 * the quiet ones beside it. Pure; runs on the main thread of the bench.
 */

import { median } from '../arithmetic.ts';

/** What the API is asked meanwhile: nothing, at a scraper's steady rate, or as fast as it answers. */
export type WindowKind = 'quiet' | 'steady' | 'full';

/** What was seen in one window. */
export interface WindowReading {
  readonly kind: WindowKind;
  readonly seconds: number;
  /** Carried by the tunnel. */
  readonly bytes: number;
  /** CPU seconds of the polled daemon's main thread. */
  readonly mainThreadSeconds: number;
  /** CPU seconds of the process that asks. */
  readonly clientSeconds: number;
  readonly requestCount: number;
}

/**
 * The windows of one repeat, without the quiet one that ends the run.
 *
 * @param steadyCount - windows at the steady rate; one in three as many, and at least one, run at full speed
 */
export function planWindows(steadyCount: number): WindowKind[] {
  const plan: WindowKind[] = [];
  for (let window = 0; window < steadyCount; window++) {
    plan.push('quiet', 'steady');
    if (window % 3 === 0) plan.push('quiet', 'full');
  }
  return plan;
}

/**
 * How much less the tunnel carried under load, 0 to 1; below 0 when it carried more.
 *
 * @returns undefined when no window of the kind stands between two quiet ones with traffic
 */
export function throughputEffect(windows: readonly WindowReading[], kind: WindowKind): number | undefined {
  const ratios = pairsOf(windows, kind).flatMap(({ loaded, beside }) => {
    const quietRate = sum(beside.map(({ bytes }) => bytes)) / sum(beside.map(({ seconds }) => seconds));
    return quietRate === 0 ? [] : [loaded.bytes / loaded.seconds / quietRate];
  });
  return ratios.length === 0 ? undefined : 1 - median(ratios);
}

/** Who spends CPU time on a request: the polled daemon's main thread, or the process that asks. */
export type RequestParty = 'mainThreadSeconds' | 'clientSeconds';

/** CPU time of one party for one request, in µs: what it used more than in the quiet neighbours. */
export function requestCostUs(
  windows: readonly WindowReading[],
  kind: WindowKind,
  party: RequestParty,
): number | undefined {
  const pairs = pairsOf(windows, kind);
  const requestCount = sum(pairs.map(({ loaded }) => loaded.requestCount));
  if (requestCount === 0) return undefined;
  const extraSeconds = sum(
    pairs.map(({ loaded, beside }) => {
      const quietShare =
        sum(beside.map((window) => window[party])) / sum(beside.map(({ seconds }) => seconds));
      return loaded[party] - quietShare * loaded.seconds;
    }),
  );
  return (extraSeconds / requestCount) * 1e6;
}

interface LoadedWindow {
  readonly loaded: WindowReading;
  /** The quiet windows on both sides. */
  readonly beside: readonly WindowReading[];
}

function pairsOf(windows: readonly WindowReading[], kind: WindowKind): LoadedWindow[] {
  return windows.flatMap((loaded, index) => {
    const neighbours = [windows[index - 1], windows[index + 1]];
    const beside = neighbours
      .filter((window) => window?.kind === 'quiet')
      .filter((window) => window !== undefined);
    return loaded.kind !== kind || beside.length < 2 ? [] : [{ loaded, beside }];
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

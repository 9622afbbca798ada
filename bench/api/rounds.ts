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
  const ratios = pairsOf(windows, kind).flatMap(({ loaded, quietRate }) =>
    quietRate === 0 ? [] : [loaded.bytes / loaded.seconds / quietRate],
  );
  return ratios.length === 0 ? undefined : 1 - median(ratios);
}

/** CPU time of the daemon's main thread for one request, in µs: what it used more than in the quiet neighbours. */
export function requestCostUs(windows: readonly WindowReading[], kind: WindowKind): number | undefined {
  const pairs = pairsOf(windows, kind);
  const requestCount = sum(pairs.map(({ loaded }) => loaded.requestCount));
  if (requestCount === 0) return undefined;
  const extraSeconds = sum(
    pairs.map(({ loaded, quietShare }) => loaded.mainThreadSeconds - quietShare * loaded.seconds),
  );
  return (extraSeconds / requestCount) * 1e6;
}

interface LoadedWindow {
  readonly loaded: WindowReading;
  /** Bytes a second in the quiet windows on both sides. */
  readonly quietRate: number;
  /** Share of a core that the main thread used there. */
  readonly quietShare: number;
}

function pairsOf(windows: readonly WindowReading[], kind: WindowKind): LoadedWindow[] {
  return windows.flatMap((loaded, index) => {
    const beside = [windows[index - 1], windows[index + 1]].filter((window) => window?.kind === 'quiet');
    if (loaded.kind !== kind || beside.length < 2) return [];
    const seconds = sum(beside.map((window) => window?.seconds ?? 0));
    return [
      {
        loaded,
        quietRate: sum(beside.map((window) => window?.bytes ?? 0)) / seconds,
        quietShare: sum(beside.map((window) => window?.mainThreadSeconds ?? 0)) / seconds,
      },
    ];
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

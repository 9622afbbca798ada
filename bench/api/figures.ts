/**
 * Owns the names and units of what the section `api` reports. Pure; runs on the main thread of the bench.
 */

import type { FigureDescription } from '../section.ts';
import type { WindowKind } from './rounds.ts';

/** Over all routes: a hundred times what a few scrapers and a dashboard ask. */
export const STEADY_RATE = 100;

/** Completes "TCP, …". */
export const WINDOW_TITLES: Readonly<Record<WindowKind, string>> = {
  quiet: 'no requests',
  steady: `${STEADY_RATE} requests/s`,
  full: 'requests at full speed',
};

/** Titles of the groups. */
export const WINDOW_GROUPS = {
  steady: `Admin API at ${STEADY_RATE} requests a second, beside one TCP stream`,
  full: 'Admin API at full speed, beside one TCP stream',
  effect: 'What the requests cost the daemon and its traffic',
} as const;

export const EFFECT_FIGURES = {
  latencyP50: { title: 'latency p50', unit: 'ms', digits: 2, better: 'lower' },
  latencyP99: { title: 'latency p99', unit: 'ms', digits: 2, better: 'lower' },
  requestRate: { title: 'answered', unit: '1/s', digits: 0, better: 'none' },
  throughput: { title: 'TCP', unit: 'Gbit/s', digits: 2, better: 'higher' },
  lost: { title: 'lost', unit: '%', digits: 1, better: 'none' },
  cost: { title: 'CPU per request', unit: 'µs', digits: 0, better: 'lower' },
  loopDelayMax: { title: 'event loop, longest delay', unit: 'ms', digits: 1, better: 'none' },
  loopDelayP99: { title: 'event loop, delay p99', unit: 'ms', digits: 1, better: 'none' },
} as const satisfies Readonly<Record<string, FigureDescription>>;

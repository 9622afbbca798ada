/**
 * The workers' counters added up, with the main thread's own drops: what `peertap status` shows.
 *
 * Main thread only.
 */
import { COUNTER_NAMES } from '../../dataplane/base/counter.ts';
import { DROP_CODES } from '../../dataplane/base/drop-code.ts';
import type { Arena } from '../../dataplane/shm/arena.ts';
import { COUNTER_BASE } from '../../dataplane/shm/memory-map.ts';

/** Totals since the start. */
export interface DataplaneTotals {
  /** By the names of dataplane/base/counter.ts. */
  readonly counters: Readonly<Record<string, number>>;
  /** By drop code; all codes, zeros included, but for `none`. */
  readonly drops: Readonly<Record<string, number>>;
}

/** Adds up all workers. */
export function totalCounters(arenas: readonly Arena[], mainDrops: Float64Array): DataplaneTotals {
  const total = (index: number): number =>
    arenas.reduce((sum, arena) => sum + (arena.counters[index] ?? 0), 0);
  const counters: Record<string, number> = {};
  for (const [index, name] of COUNTER_NAMES.entries()) {
    counters[name] = total(COUNTER_BASE + index);
  }
  const drops: Record<string, number> = {};
  for (const [code, name] of DROP_CODES.entries()) {
    if (code > 0) {
      drops[name] = total(code) + (mainDrops[code] ?? 0);
    }
  }
  return { counters, drops };
}

/**
 * This node's own way to the root, as it tells it: within one sequence of the root the distance never rises.
 *
 * When the real distance has risen, the old one is told on, and after a while the root is asked for a new sequence, under
 * which the real one can be told.
 *
 * Main thread; no clock of its own.
 */
import type { FeasibleDistances } from './feasible-distances.ts';
import type { Neighbour, Way } from './neighbour.ts';
import type { RootClaim } from './root-claim.ts';
import type { WantedSequence } from './sequence-requests.ts';
import { TREE_LIMIT, TREE_TIMING } from './tree-limits.ts';

/** See the file's head. */
export class OwnWay {
  way: Way | undefined;
  readonly #distances: FeasibleDistances;
  #riseDueMs = Number.POSITIVE_INFINITY;
  #riseAskedMs = Number.NEGATIVE_INFINITY;

  constructor(distances: FeasibleDistances) {
    this.#distances = distances;
  }

  /** When a new sequence is to be asked for because the distance has risen. */
  get dueMs(): number {
    return this.#riseDueMs;
  }

  /** This node is the root. */
  setRoot(claim: RootClaim): void {
    this.#riseDueMs = Number.POSITIVE_INFINITY;
    this.#set({ claim, sequence: claim.sequence, distance: 0, hops: 0 });
  }

  /** It goes through this neighbour, or there is no way. */
  setThrough(base: Neighbour | undefined, nowMs: number): void {
    if (base?.way === undefined) {
      this.way = undefined;
      this.#riseDueMs = Number.POSITIVE_INFINITY;
      return;
    }
    const { claim, sequence, hops } = base.way;
    const real = base.total(base.way);
    const least = this.#distances.get(claim.root);
    const distance = least?.sequence === sequence ? Math.min(least.distance, real) : real;
    this.#set({ claim, sequence, distance, hops: hops + 1 });
    const hasRisen = real > distance * TREE_LIMIT.riseShare && real - distance > TREE_LIMIT.riseUnits;
    const earliestMs = Math.max(nowMs + TREE_TIMING.riseDelayMs, this.#riseAskedMs + TREE_TIMING.riseGapMs);
    this.#riseDueMs = hasRisen ? Math.min(this.#riseDueMs, earliestMs) : Number.POSITIVE_INFINITY;
  }

  /** @returns the sequence to ask the parent for, once */
  takeRise(nowMs: number): WantedSequence | undefined {
    if (this.way === undefined || nowMs < this.#riseDueMs) {
      return undefined;
    }
    this.#riseAskedMs = nowMs;
    this.#riseDueMs = nowMs + TREE_TIMING.riseGapMs;
    return { root: this.way.claim.root, sequence: this.way.sequence + 1 };
  }

  #set(way: Way): void {
    this.way = way;
    this.#distances.note(way.claim.root, way, way.claim.endsAtMs);
  }
}

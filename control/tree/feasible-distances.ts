/**
 * The least distance that this node has told for each root: what keeps parents from forming a loop.
 *
 * A neighbour may be parent only when what it tells is better than all that this node ever told of that root: then it
 * cannot stand behind this node, whatever messages are still on their way. Better is a later sequence of the root, or the
 * same one and a lower distance. A record lives until claims of its sequence are good for nobody.
 *
 * Main thread; no clock of its own.
 *
 * @see RFC 8966 §3.5.1, §3.5.2
 */
import { TREE_LIMIT } from './tree-limits.ts';

/** A way to a root. */
export interface Metric {
  readonly sequence: number;
  readonly distance: number;
}

interface Record {
  readonly metric: Metric;
  readonly endsAtMs: number;
}

/** Whether one way is strictly better than the other. */
export function isBetter(one: Metric, other: Metric): boolean {
  return one.sequence > other.sequence || (one.sequence === other.sequence && one.distance < other.distance);
}

/** See the file's head. */
export class FeasibleDistances {
  /** By root; the one that was told last is last. */
  readonly #records = new Map<string, Record>();

  get(root: string): Metric | undefined {
    return this.#records.get(root)?.metric;
  }

  isFeasible(root: string, told: Metric): boolean {
    const own = this.#records.get(root);
    return own === undefined || isBetter(told, own.metric);
  }

  /**
   * This node tells a distance. It never rises within a sequence.
   *
   * @param endsAtMs - when the claim of this sequence is good for nobody, on any clock
   */
  note(root: string, told: Metric, endsAtMs: number): void {
    this.#records.delete(root);
    this.#records.set(root, { metric: told, endsAtMs });
  }

  /** Forgets what cannot matter any more, and the oldest beyond the limit. */
  expire(nowMs: number): void {
    if (this.#records.size < TREE_LIMIT.roots / 2) {
      return;
    }
    for (const [root, { endsAtMs }] of this.#records) {
      if (endsAtMs <= nowMs || this.#records.size > TREE_LIMIT.roots) {
        this.#records.delete(root);
      }
    }
  }
}

/**
 * What is to be done in every segment of a neighbour, and may be done in one after the other: a turn of the main thread takes
 * a few of them, so that a neighbour with a thousand segments keeps it no longer than one with ten.
 *
 * Main thread.
 */
import type { RouteSegment } from './route-segment.ts';

/** `resized`: its trunk takes another size; `again`: its control stream is another one. */
export type ChoreKind = 'resized' | 'again';

/** One segment of it. */
export interface Chore {
  readonly kind: ChoreKind;
  readonly peer: string;
  readonly segment: RouteSegment;
}

/** See the file's head. */
export class RouteChores {
  /** By kind, neighbour and segment: what comes again before it was done is done once. */
  readonly #chores = new Map<string, Chore>();

  get isEmpty(): boolean {
    return this.#chores.size === 0;
  }

  add(kind: ChoreKind, peer: string, segments: readonly RouteSegment[]): void {
    for (const segment of segments) {
      this.#chores.set(`${kind}/${segment.key}/${peer}`, { kind, peer, segment });
    }
  }

  /** A trunk is gone. */
  forgetPeer(peer: string): void {
    for (const [key, chore] of this.#chores) {
      if (chore.peer === peer) {
        this.#chores.delete(key);
      }
    }
  }

  /** What is left, in order; what the caller has taken is done. */
  *take(): Generator<Chore> {
    for (const [key, chore] of this.#chores) {
      this.#chores.delete(key);
      yield chore;
    }
  }
}

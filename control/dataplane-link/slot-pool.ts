/**
 * Gives out slots of a table, or runs of neighbouring ones, and takes them back after quiescence.
 *
 * Main thread only; no allocation of memory per slot.
 */
import type { Quiescence } from './quiescence.ts';

/** Free runs of one table, or of a part of one. */
export class SlotPool {
  readonly #first: number;
  readonly #runLength: number;
  readonly #quiescence: Quiescence;
  readonly #free: number[] = [];
  readonly #runs: number;
  #unused = 0;

  /**
   * @param range - slots first … first + count-1, in runs of `runLength`
   */
  constructor(
    quiescence: Quiescence,
    range: { readonly first: number; readonly count: number; readonly runLength?: number },
  ) {
    this.#quiescence = quiescence;
    this.#first = range.first;
    this.#runLength = range.runLength ?? 1;
    this.#runs = Math.floor(range.count / this.#runLength);
  }

  /** Runs that are given out, those that wait for quiescence included. */
  get used(): number {
    return this.#unused - this.#free.length;
  }

  /** @returns the first slot of a free run, or undefined when there is none */
  take(): number | undefined {
    const slot = this.#free.pop();
    if (slot !== undefined) {
      return slot;
    }
    return this.#unused < this.#runs ? this.#first + this.#unused++ * this.#runLength : undefined;
  }

  /**
   * Takes a run back. The caller has unpublished it: no table points to it any more.
   *
   * @param wipe - clears it when no worker can use it any more
   */
  release(slot: number, wipe?: (slot: number) => void): void {
    this.#quiescence.retire(() => {
      wipe?.(slot);
      this.#free.push(slot);
    });
  }
}

/**
 * Looks for the largest size that arrives, by tries of several sizes at once.
 *
 *   known to pass ├──┼──┼──┼──┼──┼──┼──┼──┤ not known to pass       eight sizes a round, each sent twice
 *
 * 9,216 bytes take five rounds. A size passes when one of its two tries was answered; so loss makes the result too small
 * where both are lost, and never too large.
 *
 * Main thread; pure. Must never ask more than {@link MTU_ROUND_TRIES} times a round: who answers has a limit.
 */

const SIZES = 8;
const TRIES = 2;
/** Most questions in a round. */
export const MTU_ROUND_TRIES = SIZES * TRIES;

/** See the file's head. */
export class MtuSearch {
  /** Passes; one less than the least before anything did. */
  #low: number;
  /** The largest that may pass. */
  #high: number;
  readonly #least: number;
  #round: readonly number[] = [];
  readonly #passed = new Set<number>();

  constructor(range: { readonly leastBytes: number; readonly mostBytes: number }) {
    this.#least = range.leastBytes;
    this.#low = range.leastBytes - 1;
    this.#high = range.mostBytes;
  }

  /** The largest size that passed; undefined: none. */
  get resultBytes(): number | undefined {
    return this.#low < this.#least ? undefined : this.#low;
  }

  /** What to send now, each size twice; empty: the search is over. */
  nextRound(): readonly number[] {
    this.#passed.clear();
    this.#round = this.#sizes();
    return this.#round.flatMap((size) => Array<number>(TRIES).fill(size));
  }

  /** A try of this round was answered. */
  passed(sizeBytes: number): void {
    this.#passed.add(sizeBytes);
  }

  /** The round is over: what was not answered did not pass. */
  closeRound(): void {
    for (const size of this.#round) {
      if (this.#passed.has(size)) this.#low = Math.max(this.#low, size);
    }
    const failed = this.#round.find((size) => size > this.#low);
    if (failed !== undefined) this.#high = Math.min(this.#high, failed - 1);
  }

  #sizes(): number[] {
    if (this.#low >= this.#high) return [];
    if (this.#low < this.#least && this.#round.length > 0) return [];
    const first = this.#low < this.#least ? [this.#least] : [];
    const wanted = SIZES - first.length;
    const step = (this.#high - this.#low) / wanted;
    const sizes = Array.from({ length: wanted }, (_, index) => Math.ceil(this.#low + step * (index + 1)));
    return [...new Set([...first, ...sizes])];
  }
}

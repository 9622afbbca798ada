/**
 * Divides an overloaded worker fairly among the trunks that it relays for. Worker threads; a worker's own memory.
 *
 *   socket found empty now and then        nothing is asked, nothing is refused
 *   a standing queue of STANDING_BYTES     in windows of 2 ms: what each trunk asked for
 *                                          ─▶ max–min fair shares of a part of the whole ─▶ the next window's parts
 *
 * A trunk that asks for no more than the fair share passes whole; one that asks for more loses the rest, evenly spread, before
 * anything is closed or sent for it. That gives the worker time to empty the socket, where the kernel would drop whoever's
 * datagram comes next. The part shrinks while the queue stands and grows again once it does not. Where nobody asks for less
 * than the fair share, there is nobody to protect, and the kernel's way of dropping costs less.
 */
import { LIMIT } from '../shm/layout.ts';

/** Half of what a socket holds (control/dataplane-link/dataplane-memory.ts): before that, nobody loses anything. */
export const STANDING_BYTES = 4 * 1024 * 1024;
const WINDOW_MS = 2;
/** Receiving and opening cost about half of relaying: below a quarter, dropping more would not empty the socket either. */
const PART_LEAST = 0.25;
const PART_SHRINKS = 0.75;
const PART_GROWS = 0.125;
/** The level is found after as many rounds as there are sizes of peers; more than these differ by little. */
const LEVEL_ROUNDS = 16;

/** See the file's head. */
export class FairShares {
  /** Bytes that each trunk asked for in this window. */
  readonly #asked = new Float64Array(LIMIT.trunks);
  /** Trunks that asked, in the order in which they came. */
  readonly #askers = new Uint16Array(LIMIT.trunks);
  #askerCount = 0;
  /** Part of its bytes that each trunk may pass on: 1 but for those that are policed. */
  readonly #parts = new Float64Array(LIMIT.trunks).fill(1);
  readonly #policed = new Uint16Array(LIMIT.trunks);
  #policedCount = 0;
  /** What it may pass on and has not. */
  readonly #credits = new Float64Array(LIMIT.trunks);
  #part = 1;
  #isOn = false;
  #startedMs = 0;

  /**
   * Begins a batch.
   *
   * @param standingBytes - ArenaHeader.standingBytes
   * @param nowMs - on the workers' clock, as 32 bits
   * @returns whether `admits` is to be asked at all
   */
  begin(standingBytes: number, nowMs: number): boolean {
    const stands = standingBytes >= STANDING_BYTES;
    if (!this.#isOn) {
      if (!stands) return false;
      this.#isOn = true;
      this.#startedMs = nowMs;
    } else if (((nowMs - this.#startedMs) | 0) >= WINDOW_MS) {
      this.#startedMs = nowMs;
      this.#part = stands ? Math.max(PART_LEAST, this.#part * PART_SHRINKS) : this.#part + PART_GROWS;
      this.#isOn = this.#part < 1;
      this.#share();
    }
    return this.#isOn;
  }

  /** Whether a trunk may pass on so many bytes more. */
  admits(trunk: number, bytes: number): boolean {
    const asked = this.#asked[trunk] as number;
    if (asked === 0) this.#askers[this.#askerCount++] = trunk;
    this.#asked[trunk] = asked + bytes;
    const part = this.#parts[trunk] as number;
    if (part === 1) return true;
    const credit = (this.#credits[trunk] as number) + bytes * part;
    const isIn = credit > 0;
    this.#credits[trunk] = isIn ? credit - bytes : credit;
    return isIn;
  }

  /** Fixes the parts of the next window by what was asked for in the last. */
  #share(): void {
    for (let index = 0; index < this.#policedCount; index++) {
      const trunk = this.#policed[index] as number;
      this.#parts[trunk] = 1;
      this.#credits[trunk] = 0;
    }
    this.#policedCount = 0;
    const level = this.#isOn ? this.#level() : Number.POSITIVE_INFINITY;
    for (let index = 0; index < this.#askerCount; index++) {
      const trunk = this.#askers[index] as number;
      const asked = this.#asked[trunk] as number;
      this.#asked[trunk] = 0;
      if (asked <= level) continue;
      this.#parts[trunk] = level / asked;
      this.#policed[this.#policedCount++] = trunk;
    }
    this.#askerCount = 0;
    if (!this.#isOn) this.#part = 1;
  }

  /** The bytes that no trunk may exceed, or infinity when nobody would be better off. */
  #level(): number {
    let capacity = 0;
    for (let index = 0; index < this.#askerCount; index++) {
      capacity += this.#asked[this.#askers[index] as number] as number;
    }
    capacity *= this.#part;
    let level = capacity / this.#askerCount;
    let below = 0;
    for (let round = 0; round < LEVEL_ROUNDS; round++) {
      let count = 0;
      let left = capacity;
      for (let index = 0; index < this.#askerCount; index++) {
        const asked = this.#asked[this.#askers[index] as number] as number;
        if (asked > level) continue;
        count++;
        left -= asked;
      }
      if (count === below) break;
      below = count;
      level = left / (this.#askerCount - count);
    }
    return below === 0 ? Number.POSITIVE_INFINITY : level;
  }
}

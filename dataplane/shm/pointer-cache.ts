/**
 * Addresses in one buffer as foreign functions take them without an allocation. Worker threads.
 *
 * An address does not fit a small integer, so V8 boxes it as a number anew for each call. A BigInt is an object
 * already: made once, it is passed as it is. What lies in a buffer comes back to the same offsets from batch to batch,
 * so that a bounded cache of them suffices; an offset that was never met, or was forgotten, costs one BigInt.
 *
 *   offset ─ hash ─▶ slot, and the three behind it: found, or the first free one, or one of them gives way
 */

/** Eight times the datagrams that a batch holds (BATCH.rxDatagrams), each of which needs two: its data and its tag. */
const SLOT_BITS = 14;
const SLOTS = 1 << SLOT_BITS;
const WAYS = 4;
const FREE = -1;

/** Pointers into one buffer. */
export class PointerCache {
  readonly #base: number;
  readonly #offsets = new Int32Array(SLOTS + WAYS).fill(FREE);
  readonly #pointers: bigint[] = new Array<bigint>(SLOTS + WAYS).fill(0n);
  /** Which of its ways a full set gives up next. */
  #turn = 0;

  /** @param base - address of the buffer's first byte */
  constructor(base: number) {
    this.#base = base;
  }

  /** The address of the byte at `offset`, which is below 2^31. */
  at(offset: number): bigint {
    const home = Math.imul(offset, 0x9e3779b1) >>> (32 - SLOT_BITS);
    for (let slot = home; slot < home + WAYS; slot++) {
      if (this.#offsets[slot] === offset) return this.#pointers[slot] as bigint;
    }
    return this.#make(home, offset);
  }

  #make(home: number, offset: number): bigint {
    let slot = home;
    while (slot < home + WAYS && this.#offsets[slot] !== FREE) slot++;
    if (slot === home + WAYS) {
      this.#turn = (this.#turn + 1) % WAYS;
      slot = home + this.#turn;
    }
    const pointer = BigInt(this.#base + offset);
    this.#offsets[slot] = offset;
    this.#pointers[slot] = pointer;
    return pointer;
  }
}

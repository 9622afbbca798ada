/**
 * A seeded discrete-event simulation: virtual time, one queue of events, one source of randomness.
 *
 * Everything that runs in it takes time and randomness from here, so a seed replays a run exactly.
 * It knows nothing of networks or nodes; those are virtual-network.ts and sim-node.ts.
 */

interface ScheduledEvent {
  readonly atMs: number;
  readonly sequence: number;
  readonly run: () => void;
}

export class Simulation {
  readonly seed: number;
  nowMs = 1_000;
  #state: number;
  #sequence = 0;
  /** Binary heap by time, then by order of scheduling. */
  readonly #heap: ScheduledEvent[] = [];

  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed >>> 0;
  }

  /** @returns 0‥1 (mulberry32) */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  between(low: number, high: number): number {
    return low + this.random() * (high - low);
  }

  bytes(size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    for (let index = 0; index < size; index++) {
      bytes[index] = this.random() * 256;
    }
    return bytes;
  }

  after(delayMs: number, run: () => void): void {
    this.#push({ atMs: this.nowMs + Math.max(0, delayMs), sequence: this.#sequence++, run });
  }

  /** Runs events until the given time, which is then the present. @throws when an event throws */
  runUntil(endMs: number): void {
    for (let first = this.#heap[0]; first !== undefined && first.atMs <= endMs; first = this.#heap[0]) {
      this.#pop();
      this.nowMs = first.atMs;
      first.run();
    }
    this.nowMs = endMs;
  }

  runFor(durationMs: number): void {
    this.runUntil(this.nowMs + durationMs);
  }

  #push(event: ScheduledEvent): void {
    const heap = this.#heap;
    let index = heap.push(event) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#isBefore(index, parent)) {
        return;
      }
      this.#swap(index, parent);
      index = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) {
      return;
    }
    heap[0] = last;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const smaller = left + 1 < heap.length && this.#isBefore(left + 1, left) ? left + 1 : left;
      if (smaller >= heap.length || !this.#isBefore(smaller, index)) {
        return;
      }
      this.#swap(index, smaller);
      index = smaller;
    }
  }

  #isBefore(one: number, other: number): boolean {
    const [left, right] = [this.#heap[one], this.#heap[other]];
    if (left === undefined || right === undefined) {
      return false;
    }
    return left.atMs < right.atMs || (left.atMs === right.atMs && left.sequence < right.sequence);
  }

  #swap(one: number, other: number): void {
    const [left, right] = [this.#heap[one], this.#heap[other]];
    if (left !== undefined && right !== undefined) {
      this.#heap[one] = right;
      this.#heap[other] = left;
    }
  }
}

/**
 * Runs a scenario once for each seed; a failure says which seed and how to run it again.
 *
 * `SIM_SEED=n` runs that seed alone; `SIM_SEEDS=n` as many from 1 on.
 */
export function forEachSeed(
  options: { readonly count: number; readonly file: string },
  scenario: (simulation: Simulation) => void,
): void {
  const only = process.env['SIM_SEED'];
  const count = Number(process.env['SIM_SEEDS'] ?? options.count);
  const seeds = only === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [Number(only)];
  for (const seed of seeds) {
    try {
      scenario(new Simulation(seed));
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`seed ${seed}: ${reason}\nreplay: SIM_SEED=${seed} node --test ${options.file}`, {
        cause,
      });
    }
  }
}

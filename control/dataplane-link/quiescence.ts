/**
 * Waits until no worker can still hold what was taken back.
 *
 * A worker looks slots up and uses them within one turn of its loop. What was unpublished before every
 * running worker began another turn can be used again. Idle workers are woken for it.
 *
 * Main thread only. Must never call back before all running workers have passed.
 *
 * @see docs/protocol.md, "Shared tables"
 */
import type { Arena } from '../../dataplane/shm/arena.ts';
import { ArenaHeader } from '../../dataplane/shm/layout.ts';

interface Retired {
  /** The turn each worker was in, or undefined where none ran. */
  readonly turns: readonly (number | undefined)[];
  /** Which start of the worker that was. */
  readonly incarnations: readonly number[];
  readonly release: () => void;
}

/** Workers' turns, and what waits for them. */
export class Quiescence {
  readonly #arenas: readonly Arena[];
  readonly #wake: (worker: number) => void;
  #retired: Retired[] = [];

  /** @param wake - makes a worker that sleeps begin a turn */
  constructor(arenas: readonly Arena[], wake: (worker: number) => void) {
    this.#arenas = arenas;
    this.#wake = wake;
  }

  /** Things that wait. */
  get waiting(): number {
    return this.#retired.length;
  }

  /** Calls `release` when no worker can use any more what was unpublished before this call. */
  retire(release: () => void): void {
    this.#retired.push({
      turns: this.#arenas.map((arena) => (isRunning(arena) ? turnOf(arena) : undefined)),
      incarnations: this.#arenas.map(incarnationOf),
      release,
    });
  }

  /** Releases what has waited long enough, in the order in which it was retired, and wakes who holds the rest. */
  poll(): void {
    const due: Retired[] = [];
    while (this.#retired[0] !== undefined && this.#holders(this.#retired[0]).length === 0) {
      due.push(...this.#retired.splice(0, 1));
    }
    for (const { release } of due) {
      release();
    }
    const [oldest] = this.#retired;
    if (oldest !== undefined) {
      for (const worker of this.#holders(oldest)) {
        this.#wake(worker);
      }
    }
  }

  /** Releases everything: no worker runs any more. */
  releaseAll(): void {
    const retired = this.#retired;
    this.#retired = [];
    for (const { release } of retired) {
      release();
    }
  }

  #holders(retired: Retired): readonly number[] {
    const holders: number[] = [];
    for (const [worker, arena] of this.#arenas.entries()) {
      const turn = retired.turns[worker];
      const sameStart = retired.incarnations[worker] === incarnationOf(arena);
      if (turn !== undefined && sameStart && isRunning(arena) && turnOf(arena) === turn) {
        holders.push(worker);
      }
    }
    return holders;
  }
}

function isRunning(arena: Arena): boolean {
  return Atomics.load(arena.u32, ArenaHeader.at.running >> 2) !== 0;
}

function turnOf(arena: Arena): number {
  return Atomics.load(arena.u32, ArenaHeader.at.turns >> 2);
}

function incarnationOf(arena: Arena): number {
  return Atomics.load(arena.u32, ArenaHeader.at.incarnation >> 2);
}

/**
 * The one timer of a machine without I/O: its driver says when the machine is due next, again after each input.
 *
 * Main thread.
 */

/** What a timer is made for. */
export interface MachineTimerParts {
  /** The clock by which the machine says when it is due. */
  nowMs(): number;
  /** The machine is due, or the longest wait is over. */
  tick(): void;
  /** Timers closer than this run together; 0 unless given. */
  readonly leastMs?: number;
  /** A machine is looked at after this at the latest. */
  readonly mostMs?: number;
}

/** What setTimeout takes; beyond it, it fires at once. */
const DELAY_MAX_MS = 2 ** 31 - 1;

/** See the file's head. */
export class MachineTimer {
  readonly #parts: MachineTimerParts;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: MachineTimerParts) {
    this.#parts = parts;
  }

  /** Waits for another moment than before; infinite: for none. */
  plan(dueMs: number): void {
    this.stop();
    if (!Number.isFinite(dueMs)) return;
    const { leastMs = 0, mostMs = DELAY_MAX_MS } = this.#parts;
    const delayMs = Math.min(mostMs, Math.max(leastMs, Math.ceil(dueMs - this.#parts.nowMs())));
    this.#timer = setTimeout(() => {
      this.#parts.tick();
    }, delayMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

/**
 * How long a worker spins before it sleeps. The worker's thread; pure.
 *
 * A worker that slept finds its core's caches cold and comes late, so an answer that is near should find it awake;
 * but a worker that spins for nothing takes the core from whom it waits for. Whether an answer is near depends on what
 * the last turn did: who has sent to the network waits for a peer, who has written to a TAP waits for this machine's own
 * programs. Each has a window of its own, as KVM has one for a halted processor (halt_poll_ns): it opens when the wait
 * that followed was short, and closes at once when it was long. Of all the time that a worker waits, spinning takes at
 * most an eighth.
 */

/** What a turn did; one that did both wrote last. */
export const AFTER_NOTHING = -1;
export const AFTER_SENDING = 0;
export const AFTER_WRITING = 1;

/** A window is this much longer than the wait that opened it, since the next may be longer. */
const HEADROOM = 2;
/** What is ready at once costs a look; below this a window would miss it by chance. */
const LEAST_WINDOW_US = 10;
const SHARE = 1 / 8;
/** What is left of the share is kept up to this. */
const CREDIT_LIMIT_US = 10_000;

/** A wait that is over: how long it was in all, and how much of it was spinning. */
export interface Waited {
  readonly waitedUs: number;
  readonly spunUs: number;
}

/** Decides for one worker. */
export class SpinGovernor {
  readonly #limitUs: number;
  readonly #windowsUs: [number, number] = [0, 0];
  #creditUs = CREDIT_LIMIT_US;

  /** @param limitUs - longest window; 0: never spin */
  constructor(limitUs: number) {
    this.#limitUs = limitUs;
  }

  /**
   * @param turn - AFTER_*: what the last turn did
   * @returns microseconds to spin; 0: sleep at once
   */
  windowUs(turn: number): number {
    const windowUs = this.#windowsUs[turn] ?? 0;
    return this.#creditUs >= windowUs ? windowUs : 0;
  }

  /** Learns from the wait that followed a turn. */
  waited(turn: number, wait: Waited): void {
    const creditUs = this.#creditUs + wait.waitedUs * SHARE - wait.spunUs;
    this.#creditUs = Math.min(creditUs, CREDIT_LIMIT_US);
    if (turn !== AFTER_SENDING && turn !== AFTER_WRITING) return;
    if (wait.waitedUs > this.#limitUs) this.#windowsUs[turn] = 0;
    else if (wait.waitedUs > this.#windowsUs[turn]) this.#windowsUs[turn] = this.#opened(wait.waitedUs);
  }

  #opened(waitedUs: number): number {
    return Math.min(Math.max(waitedUs * HEADROOM, LEAST_WINDOW_US), this.#limitUs);
  }
}

/**
 * A token bucket: how much of something costly others may cause. Main thread; time comes with each call.
 */

/** Refills steadily, up to a burst. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #available: number;
  #refilledAtMs = 0;

  constructor(limits: { readonly perSecond: number; readonly burst: number }) {
    this.#perSecond = limits.perSecond;
    this.#burst = limits.burst;
    this.#available = limits.burst;
  }

  /** Takes one, if there is one. */
  take(nowMs: number): boolean {
    const elapsedMs = Math.max(0, nowMs - this.#refilledAtMs);
    this.#available = Math.min(this.#burst, this.#available + (elapsedMs * this.#perSecond) / 1_000);
    this.#refilledAtMs = nowMs;
    if (this.#available < 1) {
      return false;
    }
    this.#available -= 1;
    return true;
  }
}

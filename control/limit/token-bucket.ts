/**
 * A token bucket on the caller's clock: how often others may make us work.
 *
 * Main thread, pure. It holds no timer; time comes in with each call.
 */

/** Refills steadily, up to a burst. */
export class TokenBucket {
  readonly #burst: number;
  readonly #perSecond: number;
  #tokens: number;
  #filledAtMs: number;

  /** @param nowMs - since when it fills; it is full at first, so 0 will do where the clock is not at hand */
  constructor(limits: { readonly burst: number; readonly perSecond: number }, nowMs = 0) {
    this.#burst = limits.burst;
    this.#perSecond = limits.perSecond;
    this.#tokens = limits.burst;
    this.#filledAtMs = nowMs;
  }

  /** @returns whether there was a token; it is spent then */
  take(nowMs: number): boolean {
    const refill = (Math.max(0, nowMs - this.#filledAtMs) / 1_000) * this.#perSecond;
    this.#tokens = Math.min(this.#burst, this.#tokens + refill);
    this.#filledAtMs = nowMs;
    if (this.#tokens < 1) {
      return false;
    }
    this.#tokens -= 1;
    return true;
  }
}

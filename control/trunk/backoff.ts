/**
 * Exponential backoff with jitter on the caller's clock and randomness.
 *
 * Main thread, pure. Delays double from `minMs` to `maxMs`; each is drawn from its upper half, so that
 * nodes that lost each other at one instant do not come back at one instant.
 */

export class Backoff {
  #failures = 0;

  /** @param random - 0‥1 @returns how long to wait before the next attempt */
  next(limits: { readonly minMs: number; readonly maxMs: number }, random: number): number {
    const delayMs = Math.min(limits.maxMs, limits.minMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return delayMs * (0.5 + random / 2);
  }

  reset(): void {
    this.#failures = 0;
  }
}

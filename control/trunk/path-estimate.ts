/**
 * Round trip, loss and clock offset of one path, smoothed over its probes.
 *
 * Main thread, pure. RFC 6298 §2 for the round trip; loss with weight 1/16 a probe.
 */

const RTT_WEIGHT = 1 / 8;
/** The first samples count alike: the very first often meets code that has never run. */
const EVEN_SAMPLES = 8;
const RTT_VARIANCE_WEIGHT = 1 / 4;
const LOSS_WEIGHT = 1 / 16;
/** Before the first sample; RFC 6298 §2.1. */
const INITIAL_TIMEOUT_MS = 1_000;
const TIMEOUT_MIN_MS = 100;

export class PathEstimate {
  rttMs: number | undefined;
  lossRatio = 0;
  /** The peer's unix clock less ours. */
  clockOffsetMs: number | undefined;
  #varianceMs = 0;
  #samples = 1;

  answered(rttMs: number, clockOffsetMs: number): void {
    this.lossRatio -= this.lossRatio * LOSS_WEIGHT;
    this.clockOffsetMs = clockOffsetMs;
    if (this.rttMs === undefined) {
      this.rttMs = rttMs;
      this.#varianceMs = rttMs / 2;
      return;
    }
    this.#varianceMs += (Math.abs(this.rttMs - rttMs) - this.#varianceMs) * RTT_VARIANCE_WEIGHT;
    this.#samples += 1;
    this.rttMs += (rttMs - this.rttMs) * Math.max(RTT_WEIGHT, 1 / Math.min(this.#samples, EVEN_SAMPLES));
  }

  /** A lane that succeeds another on the same path begins with what that one has measured. */
  inherit(other: PathEstimate): void {
    this.rttMs = other.rttMs;
    this.lossRatio = other.lossRatio;
    this.clockOffsetMs = other.clockOffsetMs;
    this.#varianceMs = other.#varianceMs;
    this.#samples = EVEN_SAMPLES;
  }

  lost(): void {
    this.lossRatio += (1 - this.lossRatio) * LOSS_WEIGHT;
  }

  /** @returns after how long a probe without an answer counts as lost (RFC 6298 §2.3) */
  timeoutMs(): number {
    return this.rttMs === undefined
      ? INITIAL_TIMEOUT_MS
      : Math.max(TIMEOUT_MIN_MS, this.rttMs + 4 * this.#varianceMs);
  }
}

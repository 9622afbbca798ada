/**
 * Datagram path MTU search of one trunk (RFC 8899), in sizes of the link datagram, the UDP payload.
 *
 * Main thread, pure. States: searching (a size is probed until it is answered or lost `tries` times), complete
 * (raised again after `raiseMs`), and after a black hole back to the base. ICMP is not looked at.
 * Only sizes at which real links end are tried: a byte-exact search would cost more probes than it gains.
 */
import { BASE_MTU_BYTES } from './messages/trunk-messages.ts';

/** Payloads of IPv4 and IPv6 over PPPoE, tunnels, Ethernet, clouds' and jumbo MTUs, in ascending order. */
const PLATEAUS_BYTES = [
  1_232, 1_272, 1_312, 1_352, 1_372, 1_392, 1_412, 1_432, 1_444, 1_452, 1_464, 1_472, 1_972, 2_972, 3_972,
  4_452, 7_972, 8_452, 8_852, 8_912, 8_952, 8_972,
];
/** Plain Ethernet over IPv4: by far the likeliest answer, so it is asked first. */
const FIRST_GUESS_BYTES = 1_472;

export interface PathMtuLimits {
  readonly ceilingBytes: number;
  readonly tries: number;
  readonly raiseMs: number;
  readonly blackHoleProbes: number;
}

export class PathMtu {
  /** Largest size known to pass. */
  mtuBytes = BASE_MTU_BYTES;
  /** When `due` has something to say; Infinity while nothing is planned. */
  nextAtMs = 0;
  readonly #limits: PathMtuLimits;
  readonly #sizes: readonly number[];
  /** Index of the largest proven size, and of the smallest that failed. */
  #low = 0;
  #high: number;
  #probing: number | undefined;
  #tries = 0;
  #fullSizeLost = 0;

  constructor(limits: PathMtuLimits) {
    this.#limits = limits;
    const plateaus = PLATEAUS_BYTES.filter((size) => size < limits.ceilingBytes);
    this.#sizes = [...plateaus, Math.max(limits.ceilingBytes, BASE_MTU_BYTES)];
    this.#high = this.#sizes.length;
  }

  /** @param timeoutMs - after which this probe counts as lost @returns the size to probe now, if one is due */
  due(nowMs: number, timeoutMs: number): number | undefined {
    if (nowMs < this.nextAtMs) {
      return undefined;
    }
    if (this.#probing !== undefined && this.#tries >= this.#limits.tries) {
      this.#high = Math.min(this.#high, this.#probing);
      this.#probing = undefined;
    }
    this.#probing ??= this.#choose(nowMs);
    if (this.#probing === undefined) {
      return undefined;
    }
    this.#tries += 1;
    this.nextAtMs = nowMs + timeoutMs;
    return this.#sizes[this.#probing];
  }

  /** A probe of this size was answered. @returns whether `mtuBytes` has grown */
  answered(sizeBytes: number, nowMs: number): boolean {
    if (sizeBytes >= this.mtuBytes) {
      this.#fullSizeLost = 0;
    }
    const index = this.#sizes.indexOf(sizeBytes);
    if (index <= this.#low) {
      return false;
    }
    this.#low = index;
    this.#high = Math.max(this.#high, index + 1);
    this.mtuBytes = sizeBytes;
    if (this.#probing !== undefined && this.#probing <= index) {
      this.#probing = undefined;
      this.#tries = 0;
      this.nextAtMs = nowMs;
    }
    return true;
  }

  /** A full-size probe was lost although smaller ones come back. @returns whether that makes a black hole */
  fullSizeLost(nowMs: number): boolean {
    this.#fullSizeLost += 1;
    if (this.#fullSizeLost < this.#limits.blackHoleProbes || this.mtuBytes === BASE_MTU_BYTES) {
      return false;
    }
    this.restart(nowMs);
    return true;
  }

  /** The path is another one, or a black hole: back to the base, and search anew. */
  restart(nowMs: number): void {
    this.#low = 0;
    this.#high = this.#sizes.length;
    this.mtuBytes = BASE_MTU_BYTES;
    this.#probing = undefined;
    this.#tries = 0;
    this.#fullSizeLost = 0;
    this.nextAtMs = nowMs;
  }

  #choose(nowMs: number): number | undefined {
    this.#tries = 0;
    if (this.#low + 1 >= this.#high) {
      this.nextAtMs = nowMs + this.#limits.raiseMs;
      this.#high = this.#sizes.length;
      return undefined;
    }
    const guess = this.#sizes.indexOf(FIRST_GUESS_BYTES);
    if (guess > this.#low && guess < this.#high) {
      return guess;
    }
    const isTopUntried = this.#high === this.#sizes.length;
    return isTopUntried ? this.#high - 1 : (this.#low + this.#high) >> 1;
  }
}

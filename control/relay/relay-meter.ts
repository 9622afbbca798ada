/**
 * Totals and rates of what the data plane counts in words of 32 bits that wrap.
 *
 * Main thread; no clock of its own.
 */
import type { CarriedTraffic } from '../admin/inspection.ts';

/** A reading of the data plane's words. */
export interface RelayReading {
  readonly datagrams: number;
  readonly bytes: number;
  /** Refused; segments have none. */
  readonly refused: number;
}

/** A rate forgets what was before so many milliseconds: long enough to be read, short enough to follow. */
const RATE_MS = 3_000;
/** A step back that is no wrap: the words belong to a new trunk, and began at 0. */
const RESTART_STEP = 0xc000_0000;
const TWO_32 = 2 ** 32;

/** See the file's head. */
export class RelayMeter {
  #last: { readonly reading: RelayReading; readonly atMs: number } | undefined;
  #datagrams = 0;
  #bytes = 0;
  #refused = 0;
  #datagramsPerMs = 0;
  #bytesPerMs = 0;

  get refused(): number {
    return this.#refused;
  }

  /** What is read first is where it begins. @param reading - u32 words */
  read(reading: RelayReading, nowMs: number): void {
    const last = this.#last;
    this.#last = { reading, atMs: nowMs };
    if (last === undefined) {
      return;
    }
    const datagrams = stepOf(last.reading.datagrams, reading.datagrams);
    const bytes = stepOf(last.reading.bytes, reading.bytes);
    this.#datagrams += datagrams;
    this.#bytes += bytes;
    this.#refused += stepOf(last.reading.refused, reading.refused);
    const elapsedMs = Math.max(1, nowMs - last.atMs);
    const share = 1 - Math.exp(-elapsedMs / RATE_MS);
    this.#datagramsPerMs += (datagrams / elapsedMs - this.#datagramsPerMs) * share;
    this.#bytesPerMs += (bytes / elapsedMs - this.#bytesPerMs) * share;
  }

  traffic(): CarriedTraffic {
    return {
      datagrams: this.#datagrams,
      bytes: this.#bytes,
      datagramsPerSecond: Math.round(this.#datagramsPerMs * 1_000),
      bytesPerSecond: Math.round(this.#bytesPerMs * 1_000),
    };
  }
}

function stepOf(before: number, now: number): number {
  const step = (now - before + TWO_32) % TWO_32;
  return step >= RESTART_STEP ? now : step;
}
